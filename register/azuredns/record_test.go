package azuredns

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
)

// TestForeign: what others have put into the set stays as it is, string by string,
// and so does its metadata.
func TestForeign(t *testing.T) {
	fake := start(t)
	metadata := map[string]string{"owner": "mail"}
	dkim := []string{"v=DKIM1; k=rsa; p=MIIB", "IjAN", `Bgkq\;`}
	fake.Put(subscription, group, zone, "canary", metadata, []string{"v=spf1 -all"}, dkim)
	cfg := config(fake.URL)
	cfg.TTL = 90 * time.Second
	r := open(t, cfg, canary)
	old := load(t, r)
	foreign := []string{"v=DKIM1; k=rsa; p=MIIBIjANBgkq;", "v=spf1 -all"}
	if diff := cmp.Diff(foreign, old.Texts); diff != "" {
		t.Fatalf("texts (-want +got):\n%s", diff)
	}
	s := swap(t, r, old, append(foreign, "mine")...)
	if again := load(t, r); again.Tag != s.Tag {
		t.Errorf("tag %q after the swap, and %q of a load", s.Tag, again.Tag)
	}
	values, ttl, got, _ := fake.Set(subscription, group, zone, "canary")
	if diff := cmp.Diff([][]string{dkim, {"v=spf1 -all"}, {"mine"}}, values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if !cmp.Equal(got, metadata) || ttl != 90 {
		t.Errorf("metadata %q, TTL %d", got, ttl)
	}
	swap(t, r, s, foreign...)
	if values, _, got, _ := fake.Set(subscription, group, zone, "canary"); len(values) != 2 || !cmp.Equal(got, metadata) {
		t.Errorf("%q, metadata %q", values, got)
	}
}

// TestEmptySet: a set that is there without a record is nothing, and taken over by
// its ETag.
func TestEmptySet(t *testing.T) {
	fake := start(t)
	fake.Put(subscription, group, zone, "canary", map[string]string{"owner": "me"})
	r := open(t, config(fake.URL), canary)
	old := load(t, r)
	if len(old.Texts) != 0 || old.Tag == "" {
		t.Fatalf("%+v", old)
	}
	_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"unseen"})
	wantOutcome(t, err, register.ErrConflict)
	swap(t, r, old, "first")
	if _, _, metadata, _ := fake.Set(subscription, group, zone, "canary"); metadata["owner"] != "me" {
		t.Errorf("metadata %q", metadata)
	}
	_, err = r.Swap(t.Context(), old, []string{"second"})
	wantOutcome(t, err, register.ErrConflict)
}

func TestAliasSet(t *testing.T) {
	fake := start(t)
	fake.PutAlias(subscription, group, zone, "canary", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/trafficManagerProfiles/p")
	_, err := open(t, config(fake.URL), canary).Load(t.Context())
	wantOutcome(t, err, register.ErrRefused)
	if do, _ := register.Remedy(err); !strings.Contains(err.Error(), "the record set is an alias of /subscriptions/s/") || do == "" {
		t.Errorf("error %v, remedy %q", err, do)
	}
}

// TestApex: the zone's own name has a name of its own in Azure.
func TestApex(t *testing.T) {
	fake := start(t)
	swap(t, open(t, config(fake.URL), "T.test."), register.Snapshot{}, "first")
	if values, _, _, ok := fake.Set(subscription, group, zone, "@"); !ok || !cmp.Equal(values, [][]string{{"first"}}) {
		t.Errorf("%q", values)
	}
}

func TestTexts(t *testing.T) {
	fake := start(t)
	r := open(t, config(fake.URL), canary)
	s := swap(t, r, register.Snapshot{}, strings.Repeat("x", 300), `a\b`, "b\xc3\xbccher\x00", "plain")
	values, _, _, _ := fake.Set(subscription, group, zone, "canary")
	want := [][]string{{strings.Repeat("x", 255), strings.Repeat("x", 45)}, {`a\\b`}, {`b\195\188cher\000`}, {"plain"}}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	_, err := r.Swap(t.Context(), s, []string{"first", ""})
	wantOutcome(t, err, errPlain)
	_, err = r.Swap(t.Context(), s, []string{strings.Repeat("x", 4097)})
	wantOutcome(t, err, register.ErrRefused)
	_, err = r.Swap(t.Context(), register.Snapshot{Texts: []string{"a"}, Tag: "61"}, []string{"first"})
	wantOutcome(t, err, errPlain)
}

func TestEscapes(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              {""},
		`{"id":"A"}`:                    {`{"id":"A"}`},
		strings.Repeat("x", 254) + `\`:  {strings.Repeat("x", 254), `\\`},
		strings.Repeat("x", 253) + `\y`: {strings.Repeat("x", 253) + `\\`, "y"},
		strings.Repeat("x", 252) + "é":  {strings.Repeat("x", 252), `\195\169`},
		"\x7f\n":                        {`\127\010`},
	} {
		got := encode(text)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if back := decode(got); back != text {
			t.Errorf("%q comes back as %q", text, back)
		}
	}
	for value, want := range map[string]string{`a\;b`: "a;b", `a\`: `a\`, `\256`: `\256`, `\12`: `\12`, `\12x`: `\12x`, `\065`: "A"} {
		if got := decode([]string{value}); got != want {
			t.Errorf("%q is read as %q, want %q", value, got, want)
		}
	}
}

func FuzzEscapes(f *testing.F) {
	f.Add(`a\b`)
	f.Fuzz(func(t *testing.T, text string) {
		values := encode(text)
		for _, s := range values {
			if len(s) > maxString || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("string %q", s)
			}
		}
		if back := decode(values); back != text {
			t.Errorf("%q comes back as %q", text, back)
		}
	})
}
