package cloudflare

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

// TestTheOriginalsRecord: its agents wrote it by the API, without quotes, and with
// its own id in it.
func TestTheOriginalsRecord(t *testing.T) {
	const original = `{"id":"VDNDNQNWQY","timer":1641903970,"timerOld":1641903910,"entryid":"372e67954025e0ba6aaa6d586b9e0b59"}`
	fake, zone := start(t)
	fake.Put(zone, "TXT", name, original)
	r := open(t, config(fake), name)
	s := load(t, r)
	if diff := cmp.Diff([]string{original}, s.Texts); diff != "" {
		t.Fatal(diff)
	}
	swap(t, r, s, `{"id":"ABCDEFGHIJ","timer":1641903970,"timerold":1641903910,"entryid":"372e67954025e0ba6aaa6d586b9e0b59","seq":1}`)
	if got := fake.Records(zone, name); len(got) != 1 || got[0].Content != `"{\"id\":\"ABCDEFGHIJ\",\"timer\":1641903970,\"timerold\":1641903910,\"entryid\":\"372e67954025e0ba6aaa6d586b9e0b59\",\"seq\":1}"` {
		t.Errorf("there is %+v", got)
	}
}

// TestValuesOfOthers: they stay, with their content as it was written.
func TestValuesOfOthers(t *testing.T) {
	fake, zone := start(t)
	foreign := []string{"v=spf1 -all", `"two" " strings"`, `"an \"escape\" \195\164"`, `back\slash`}
	for _, content := range foreign {
		fake.Put(zone, "TXT", name, content)
	}
	fake.Put(zone, "A", name, "192.0.2.1")
	r := open(t, config(fake), name)
	s := load(t, r)
	want := []string{"v=spf1 -all", "two strings", "an \"escape\" ä", `back\slash`}
	slices.Sort(want)
	got := slices.Sorted(slices.Values(s.Texts))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	s = swap(t, r, s, append(want, "record")...)
	s = swap(t, r, s, append(want, "next")...)
	var held []string
	for _, have := range fake.Records(zone, name) {
		if have.Type == "TXT" {
			held = append(held, have.Content)
		}
	}
	wantHeld := append(slices.Clone(foreign), `"next"`)
	slices.Sort(wantHeld)
	slices.Sort(held)
	if diff := cmp.Diff(wantHeld, held); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	swap(t, r, s, want...)
	if n := len(fake.Records(zone, name)); n != 5 {
		t.Errorf("%d records are left, want the four texts and the address", n)
	}
}

func TestEqualTextsAreOne(t *testing.T) {
	fake, zone := start(t)
	r := open(t, config(fake), name)
	swap(t, r, register.Snapshot{}, "text", "text", "other")
	if n := len(fake.Records(zone, name)); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

func TestTheRecordsTTL(t *testing.T) {
	fake, zone := start(t)
	swap(t, open(t, config(fake), name), register.Snapshot{}, "text")
	for _, c := range []struct {
		at  string
		ttl int
	}{{name, 60}, {guardOf(name), guardTTL}} {
		if got := fake.Records(zone, c.at); len(got) != 1 || got[0].TTL != c.ttl || got[0].Proxied {
			t.Errorf("at %s there is %+v", c.at, got)
		}
	}
}

// TestTheGuardIsAsEver: other versions of this program, in the same zone, post the
// same.
func TestTheGuardIsAsEver(t *testing.T) {
	want := entry{Name: "_solotick-guard.canary.t.test", Type: "CNAME", Content: "canary.t.test", TTL: 3600}
	if diff := cmp.Diff(want, guard(name)); diff != "" {
		t.Error(diff)
	}
}

func TestForeignSnapshots(t *testing.T) {
	fake, _ := start(t)
	r := open(t, config(fake), name)
	for _, s := range []register.Snapshot{
		{Texts: []string{"text"}},
		{Texts: []string{"text"}, Tag: "1f8b"},
		{Tag: `{"t":[{"i":"1","c":"x"}]}`},
	} {
		if _, err := r.Swap(t.Context(), s, []string{"next"}); registertest.Outcome(err) != "not applied" {
			t.Errorf("%+v: %s: %v", s, registertest.Outcome(err), err)
		}
	}
	if load(t, r).Tag != "" {
		t.Error("something was written")
	}
}

// TestTexts: what the API returns without quotes, or cannot be read as quoted, means
// itself.
func TestTexts(t *testing.T) {
	for content, want := range map[string]string{
		`"a" "b"`:       "ab",
		`"a\"b\\c\010"`: "a\"b\\c\n",
		`a "b"`:         `a "b"`,
		`"open`:         `"open`,
		``:              ``,
	} {
		if got := textOf(content); got != want {
			t.Errorf("%s is %q, want %q", content, got, want)
		}
	}
}
