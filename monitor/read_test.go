package monitor

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"
)

// TestReadHistory reads what was kept, and leaves the file as it is.
func TestReadHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	h, err := OpenHistory(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	h.Watch(Target{Name: "canary.t.test"}, Target{Name: "never.t.test"})
	h.See(seen(says("ns1", oldText)))
	later := seen(says("ns1", newText))
	later.Time = later.Time.Add(time.Minute)
	h.See(later)
	if _, err := ReadHistory(path); !errors.Is(err, ErrInUse) {
		t.Errorf("while it is open: %v, want %v", err, ErrInUse)
	}
	want, events := h.RunsDocument("canary.t.test", 0, math.MaxInt64), h.Events("canary.t.test", 0, 100)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	again, err := ReadHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	got := again.RunsDocument("canary.t.test", 0, math.MaxInt64)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Run{})); diff != "" || len(got.Runs) != 2 {
		t.Errorf("%d runs, want 2: -want +got\n%s", len(got.Runs), diff)
	}
	if diff := cmp.Diff(events, again.Events("canary.t.test", 0, 100)); diff != "" {
		t.Errorf("events: -want +got\n%s", diff)
	}
	if targets := again.Targets(); len(targets) != 1 || targets[0].Name != "canary.t.test" {
		t.Errorf("records %v, want the one of which something is known", targets)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestReadNoHistory(t *testing.T) {
	dir := t.TempDir()
	bolt := func(name, bucket, key, value string) string {
		path := filepath.Join(dir, name)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte(bucket))
			if err != nil {
				return err
			}
			return b.Put([]byte(key), []byte(value))
		}); err != nil {
			t.Fatal(err)
		}
		return path
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no history "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):      "no such file",
		garbage:                         "is no history (invalid database)",
		bolt("zone", "names", "a", "b"): "is no history",
		bolt("torn", string(form), string(form), fileForm):              "is no history",
		bolt("newer", string(form), string(form), "solotick history 9"): "is of the form \"solotick history 9\"",
	} {
		if h, err := ReadHistory(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want ...%s...", filepath.Base(path), h, err, want)
		}
	}
	zone := filepath.Join(dir, "zone")
	before, err := os.ReadFile(zone)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{garbage, zone} {
		if h, err := OpenHistory(path, Limits{}); !errors.Is(err, ErrNoHistory) {
			t.Errorf("%s is taken for a history: %v, %v", filepath.Base(path), h, err)
		}
	}
	if after, err := os.ReadFile(zone); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the database of another program was written to: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made a file: %v", err)
	}
}
