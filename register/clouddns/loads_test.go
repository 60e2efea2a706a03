package clouddns_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
)

// fill puts records into the zone that are nobody's business.
func fill(fake interface {
	Put(zone, name, kind string, ttl int, rrdatas ...string)
}, n int,
) {
	for i := range n {
		fake.Put(managed, fmt.Sprintf("a%03d.%s.", i, zone), "A", 300, "192.0.2.1")
	}
}

// TestPages has many names loaded at once from a zone of several pages.
func TestPages(t *testing.T) {
	fake := newFake(t)
	fill(fake, 25)
	c := newClient(t, config(fake))
	all := many(t, c, 40)
	_, errs := swapAll(t, all[:30], nil, func(i int) string { return fmt.Sprint(i) })
	noErrors(t, errs)
	fake.PageSize(10, nil)
	fake.Delay(2 * time.Millisecond)
	for range 3 {
		now, errs := loadAll(t, all)
		noErrors(t, errs)
		for i, s := range now {
			want := fmt.Sprint(i)
			if i >= 30 {
				want = ""
			}
			if got := strings.Join(s.Texts, " "); got != want {
				t.Errorf("job %d: %q, want %q", i, got, want)
			}
		}
	}
}

// TestMovingPages has a record move to the page that was read already, and one
// vanish, while the zone is listed: the first is found all the same.
func TestMovingPages(t *testing.T) {
	fake := newFake(t)
	fill(fake, 9)
	c := newClient(t, config(fake))
	all := many(t, c, 6)
	_, errs := swapAll(t, all, nil, func(i int) string { return fmt.Sprint(i) })
	noErrors(t, errs)
	moves := 0
	fake.PageSize(5, func() {
		if moves < 9 {
			fake.Put(managed, fmt.Sprintf("a%03d.%s.", moves, zone), "A", 300)
			moves++
		}
	})
	now, errs := loadAll(t, all)
	noErrors(t, errs)
	for i, s := range now {
		if got := strings.Join(s.Texts, " "); got != fmt.Sprint(i) {
			t.Errorf("job %d: %q", i, got)
		}
	}
	if moves == 0 {
		t.Error("nothing has moved")
	}
}

// TestLargeZone holds that few names are not looked for among many pages, again and
// again.
func TestLargeZone(t *testing.T) {
	const rounds, names = 10, 5
	fake := newFake(t)
	fill(fake, 100)
	fake.PageSize(2, nil)
	fake.Delay(2 * time.Millisecond)
	cfg := config(fake)
	cfg.ManagedZone = managed
	c := newClient(t, cfg)
	all := many(t, c, names)
	for range rounds {
		_, errs := loadAll(t, all)
		noErrors(t, errs)
	}
	// It finds out how large the zone is at no more than double the price, and each
	// time it does not know, it knows of one page more: after as many rounds as there
	// are names, it asks for each name, and that is all.
	most := int64(2*names*names + (rounds-names)*names)
	if reads, _, _ := fake.Count(); int64(reads) > most {
		t.Errorf("%d reads for %d times %d names", reads, rounds, names)
	}
	if n := c.Requests(); int64(n) > most {
		t.Errorf("%d requests", n)
	}
}

// TestForeign has values of others at the name: they stay as they are, to the letter,
// and what is at other types and names does not matter.
func TestForeign(t *testing.T) {
	fake := newFake(t)
	const spf = `"v=spf1 " "-all"`
	fake.Put(managed, fqdn, "TXT", 300, spf, `"old"`)
	fake.Put(managed, fqdn, "A", 300, "192.0.2.1")
	r := open(t, config(fake), name)
	s, err := r.Load(t.Context())
	if err != nil || strings.Join(s.Texts, "|") != "v=spf1 -all|old" {
		t.Fatalf("%v, error %v", s, err)
	}
	if s, err = r.Swap(t.Context(), s, []string{"new", "v=spf1 -all", "new"}); err != nil {
		t.Fatal(err)
	}
	rrdatas, ttl, _ := fake.Set(managed, fqdn, "TXT")
	if strings.Join(rrdatas, "|") != `"new"|`+spf || ttl != 60 {
		t.Errorf("the service holds %q, TTL %d", rrdatas, ttl)
	}
	if _, _, there := fake.Set(managed, fqdn, "A"); !there {
		t.Error("the address is gone")
	}
	// Another's TTL alone is another version.
	fake.Put(managed, fqdn, "TXT", 61, rrdatas...)
	if _, err := r.Swap(t.Context(), s, []string{"newer"}); kindOf(err) != conflict {
		t.Errorf("error %v", err)
	}
}

func TestNothing(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	if s, err := r.Swap(t.Context(), register.Snapshot{}, nil); err != nil || s.Tag != "" || s.Time.IsZero() {
		t.Errorf("nothing in the place of nothing: %v, error %v", s, err)
	}
	fake.Put(managed, fqdn, "TXT", 60, `"one"`)
	if _, err := r.Swap(t.Context(), register.Snapshot{}, nil); kindOf(err) != conflict {
		t.Errorf("nothing in the place of nothing, where something is: %v", err)
	}
	if len(fake.Changes()) > 0 {
		t.Error("a Change was made")
	}
}

func TestUnreadable(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	fake.PutPolicy(managed, fqdn)
	_, err := r.Load(t.Context())
	wantError(t, err, refused, "clouddns: load canary.t.test: the register refuses: a routing policy chooses among the TXT records there, so that nobody is told the same",
		"gcloud dns record-sets delete canary.t.test. --type=TXT")
	if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"}); kindOf(err) != conflict {
		t.Errorf("create over a routing policy: %v", err)
	}

	fake.Put(managed, fqdn, "TXT", 60, `"one`)
	_, err = r.Load(t.Context())
	wantError(t, err, plain, "clouddns: load canary.t.test: a TXT value there is none as in a zone file: a quote that is not closed", "")

	for _, old := range []register.Snapshot{
		{Texts: []string{"one"}},
		{Texts: []string{"one"}, Tag: "6f6e65"},
		{Texts: []string{"one"}, Tag: `{"ttl":60,"rrdatas":[]}`},
		{Texts: []string{"one"}, Tag: `{"ttl":60,"rrdatas":["\"one"]}`},
	} {
		_, err := r.Swap(t.Context(), old, []string{"two"})
		wantError(t, err, plain, "clouddns: swap canary.t.test: the old snapshot is none of this kind of register", "")
	}
}
