package schedule_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/solotick/solotick/schedule"
)

// Whoever replaces the zones says which version they are.
func TestZoneData(t *testing.T) {
	data, err := os.ReadFile("zoneinfo.zip")
	if err != nil {
		t.Fatal(err)
	}
	const want = "2025c 8f55634d05f8bca1f7bc7c69c5933428c69357e0bdf565e5ba224e3f88ff12e8"
	if got := fmt.Sprintf("%s %x", schedule.ZoneData, sha256.Sum256(data)); got != want {
		t.Errorf("zoneinfo.zip and ZoneData\ngot  %s\nwant %s", got, want)
	}
}

func TestLocation(t *testing.T) {
	// Even a host whose zones lie.
	t.Setenv("ZONEINFO", t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	for _, c := range []struct {
		name, want string
		offset     int // in January 2026, seconds
	}{
		{"", "UTC", 0},
		{"UTC", "UTC", 0},
		{"Etc/UTC", "Etc/UTC", 0},
		{"Europe/Berlin", "Europe/Berlin", 3600},
		{"Australia/Lord_Howe", "Australia/Lord_Howe", 39600},
		{"Asia/Kolkata", "Asia/Kolkata", 19800},
		{"America/Argentina/Ushuaia", "America/Argentina/Ushuaia", -10800},
	} {
		loc, err := schedule.Location(c.name)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, offset := time.Date(2026, 1, 15, 0, 0, 0, 0, loc).Zone(); loc.String() != c.want || offset != c.offset {
			t.Errorf("%q: got %v with offset %d, want %s with %d", c.name, loc, offset, c.want, c.offset)
		}
	}
}

func TestLocationErrors(t *testing.T) {
	for name, hint := range map[string]string{
		"europe/berlin":       "did you mean Europe/Berlin?",
		"Europe/Berln":        "did you mean Europe/Berlin?",
		"Berlin":              "did you mean Europe/Berlin?",
		"New York":            "did you mean America/New_York?",
		"America/New-York":    "did you mean America/New_York?",
		"Australia/LordHowe":  "did you mean Australia/Lord_Howe?",
		"Asia/Calcuta":        "did you mean Asia/Calcutta?",
		"abc":                 "use a name such as Europe/Berlin",
		"PST":                 "use a name such as Europe/Berlin",
		"CEST":                "use a name such as Europe/Berlin",
		"Mars/Olympus":        "use a name such as Europe/Berlin",
		"../../../etc/passwd": "use a name such as Europe/Berlin",
		"\x00":                "use a name such as Europe/Berlin",
	} {
		want := fmt.Sprintf("time zone %q: unknown in tzdata %s, %s", name, schedule.ZoneData, hint)
		loc, err := schedule.Location(name)
		if err == nil || err.Error() != want {
			t.Errorf("got  %v, %v\nwant %s", loc, err, want)
		}
	}
	const local = `time zone "Local": agents on several machines need a zone by name, such as Europe/Berlin`
	if _, err := schedule.Location("Local"); err == nil || err.Error() != local {
		t.Errorf("got  %v\nwant %s", err, local)
	}
}
