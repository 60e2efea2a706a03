package route53

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

// loadAll loads names at once, in their order.
func loadAll(t *testing.T, c *Client, names []string) map[string]string {
	t.Helper()
	var mu sync.Mutex
	texts := make(map[string]string)
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			s, err := open(t, c, name).Load(context.Background())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			texts[name] = strings.Join(s.Texts, "|")
			mu.Unlock()
		})
		synctest.Wait()
	}
	all.Wait()
	return texts
}

// TestPages loads names of zones of any size: no more requests than names, and
// not many more than pages.
func TestPages(t *testing.T) {
	for _, tt := range []struct {
		name          string
		sets, page    int // in the zone, and on a page
		names         int // that are loaded
		reads         int
		took          time.Duration
		absent, other bool // none of the names is there; there are other types at them
	}{
		{name: "one", sets: 2000, page: 300, names: 1, reads: 1, took: 300},
		{name: "two", sets: 2000, page: 300, names: 2, reads: 2, took: 600},
		{name: "some in a small zone", sets: 100, page: 300, names: 50, reads: 2, took: 600},
		{name: "few in a large zone", sets: 2000, page: 300, names: 4, reads: 4, took: 900},
		{name: "all", sets: 800, page: 100, names: 800, reads: 10, took: 900},
		{name: "all, by small pages", sets: 500, page: 10, names: 500, reads: 58, took: 2700},
		{name: "all, and none is there", absent: true, page: 300, names: 800, reads: 2, took: 600},
		{name: "beside others", sets: 300, page: 7, names: 30, reads: 30, took: 1800, other: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
				fake.PageSize = tt.page
				want := make(map[string]string)
				var names []string
				for i := range tt.names {
					// Spread over the zone.
					name := nameOf(i * max(tt.sets, tt.names) / tt.names)
					names = append(names, name)
					if want[name] = name; tt.absent {
						want[name] = ""
					}
				}
				for i := range tt.sets {
					fake.Put(zone, cloudtest.RecordSet{Name: nameOf(i), Type: "TXT", TTL: 60, Values: []string{`"` + nameOf(i) + `"`}})
					if tt.other {
						fake.Put(zone, cloudtest.RecordSet{Name: nameOf(i), Type: "A", TTL: 60, Values: []string{"192.0.2.1"}})
						fake.Put(zone, cloudtest.RecordSet{Name: nameOf(i), Type: "SRV", TTL: 60, Values: []string{"1 1 1 a."}})
					}
				}
				began := time.Now()
				if diff := cmp.Diff(want, loadAll(t, c, names)); diff != "" {
					t.Errorf("texts (-want +got):\n%s", diff)
				}
				if reads, _, _ := fake.Count(); reads > tt.reads {
					t.Errorf("%d requests, want %d at most", reads, tt.reads)
				}
				if took := time.Since(began); took > tt.took*time.Millisecond {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// TestLoadIsFresh has Loads begin while a list is under way, which may not show
// what was written since: they are served by one that begins after them.
func TestLoadIsFresh(t *testing.T) {
	bubble(t, func(t *testing.T, _ *cloudtest.Route53, _ string, c *Client) {
		var mu sync.Mutex
		var began []time.Duration
		zero := time.Now()
		inner := c.http
		c.http = doer(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			began = append(began, time.Since(zero))
			mu.Unlock()
			return inner.Do(req)
		})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { load(t, open(t, c, nameOf(1))) })
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		// Those of 100, 200 and 300 ms by the list that begins at 300, and that of
		// 400 by one of its own.
		if diff := cmp.Diff([]time.Duration{0, 300 * time.Millisecond, 600 * time.Millisecond}, began); diff != "" {
			t.Errorf("lists begin (-want +got):\n%s", diff)
		}
	})
}

// TestNobodyIsPassedOver has names come all the time that sort before one that
// waits, and a budget for one list at a time: that one has its turn.
func TestNobodyIsPassedOver(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, _ *Client) {
		fake.PageSize = 2
		cfg := configFor(fake)
		cfg.Rate, cfg.Burst, cfg.Timeout = 1, 1, 30*time.Second
		c := directClient(t, fake, zone, cfg)
		names := []string{"z.example.com"}
		for i := range 200 {
			names = append(names, fmt.Sprintf("a%03d.example.com", 200-i))
		}
		for _, name := range names {
			fake.Put(zone, cloudtest.RecordSet{Name: name, Type: "TXT", TTL: 60, Values: []string{`"x"`}})
		}
		var all sync.WaitGroup
		began := time.Now()
		for i, name := range names {
			all.Go(func() {
				_, err := open(t, c, name).Load(t.Context())
				if i == 0 && (err != nil || time.Since(began) > 20*time.Second) {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
			})
			if i == 0 {
				continue
			}
			time.Sleep(200 * time.Millisecond)
		}
		all.Wait()
	})
}

// TestNames loads and swaps records at names that Route 53 writes with escapes, and
// that sort unlike their labels.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"*.example.com", `a\.b.example.com`, `a\032b.example.com`, `\255.example.com`, "UPPER.Example.COM.", "_under-score.example.com", "example.com",
		"a.example.com", "a-b.example.com", "x.a.example.com", "a.b.example.com", "a!.example.com",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
				fake.PageSize = 2
				others := []string{"a.example.com", "a-b.example.com", "b.example.com", "a.b.example.com", "a-c.b.example.com", "z.example.com"}
				for _, other := range others {
					fake.Put(zone, cloudtest.RecordSet{Name: other, Type: "TXT", TTL: 60, Values: []string{`"there"`}})
				}
				r := open(t, c, name)
				s := swap(t, r, load(t, r), "text")
				if got := loadAll(t, c, append([]string{"0.example.com", name}, others...))[name]; got != "text" {
					t.Errorf("it shows %q", got)
				}
				swap(t, r, s)
				if s := load(t, r); len(s.Texts) > 0 {
					t.Errorf("it holds %q", s.Texts)
				}
			})
		})
	}
}

// TestForeign has values of others beside the record, in spellings of their own:
// they stay as they are, to the character.
func TestForeign(t *testing.T) {
	fake, zone, c := start(t)
	foreign := []string{`"v=spf1 " "-all"`, `"\141 \303\244 \"q\" \\"`, `""`}
	fake.Put(zone, cloudtest.RecordSet{Name: nameOf(1), Type: "TXT", TTL: 300, Values: foreign})
	r := open(t, c, nameOf(1))
	s := load(t, r)
	if diff := cmp.Diff([]string{"", "a \xc3\xa4 \"q\" \\", "v=spf1 -all"}, slices.Sorted(slices.Values(s.Texts))); diff != "" {
		t.Fatalf("texts (-want +got):\n%s", diff)
	}
	s = swap(t, r, s, append(s.Texts, "mine")...)
	got := fake.Sets(zone, nameOf(1))[0]
	slices.Sort(got.Values)
	want := cloudtest.RecordSet{Name: nameOf(1) + ".", Type: "TXT", TTL: 60, Values: slices.Sorted(slices.Values(append(foreign, `"mine"`)))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if loaded := load(t, r); loaded.Tag != s.Tag {
		t.Errorf("tags %q and %q", s.Tag, loaded.Tag)
	}
	swap(t, r, s, slices.DeleteFunc(s.Texts, func(text string) bool { return text == "mine" })...)
	if got := fake.Sets(zone, nameOf(1))[0].Values; len(got) != 3 || !slices.Contains(got, foreign[1]) {
		t.Errorf("%q", got)
	}
}

// TestNoSimpleSet refuses to load what a routing policy chooses, or an alias.
func TestNoSimpleSet(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  cloudtest.RecordSet
		want string
	}{
		{"alias", cloudtest.RecordSet{AliasOf: "other.example.com."}, "is an alias of other.example.com, and cannot be"},
		{"weighted", cloudtest.RecordSet{SetIdentifier: "blue", TTL: 60, Values: []string{`"x"`}}, "one of several that a routing policy chooses from (blue)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, zone, c := start(t)
			tt.set.Name, tt.set.Type = nameOf(1), "TXT"
			fake.Put(zone, tt.set)
			_, err := open(t, c, nameOf(1)).Load(t.Context())
			wantError(t, fake, err, refused, tt.want, "use a name of its own")
			// Its neighbours are none the worse.
			swap(t, open(t, c, nameOf(2)), load(t, open(t, c, nameOf(2))), "x")
		})
	}
}

// TestThrottledScan has a page refused as one too many, and all begins again.
func TestThrottledScan(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
		fake.PageSize = 10
		var names []string
		for i := range 40 {
			names = append(names, nameOf(i))
			fake.Put(zone, cloudtest.RecordSet{Name: nameOf(i), Type: "TXT", TTL: 60, Values: []string{`"x"`}})
		}
		fake.OnReads(cloudtest.Pass, cloudtest.Pass, cloudtest.Throttle)
		for name, text := range loadAll(t, c, names) {
			if text != "x" {
				t.Errorf("%s: %q", name, text)
			}
		}
	})
}

func TestRegister(t *testing.T) {
	_, _, c := start(t)
	for _, name := range []string{"", "example.org", "badexample.com", "com", "a..example.com", strings.Repeat("a", 64) + ".example.com"} {
		if _, err := c.Register(name); err == nil || !strings.HasPrefix(err.Error(), "route53: ") {
			t.Errorf("%q: error %v", name, err)
		}
	}
	other := register.Snapshot{Texts: []string{"x"}, Tag: "of another kind"}
	if _, err := open(t, c, nameOf(1)).Swap(t.Context(), other, nil); kindOf(err) != unapplied || c.Requests() != 0 {
		t.Errorf("error %v after %d requests", err, c.Requests())
	}
}

func TestSpelling(t *testing.T) {
	for _, tt := range []struct{ absolute, wire, key string }{
		{"a.example.com.", "a.example.com.", "com.example.a."},
		{"*.example.com.", `\052.example.com.`, "com.example.*."},
		{`a\.b\032\255.c.`, `a\056b\040\377.c.`, "c.a.b \xff."},
		{`\@x.c.`, `\100x.c.`, "c.@x."},
		{"c.", "c.", "c."},
	} {
		if got := wireName(tt.absolute); got != tt.wire {
			t.Errorf("%s: %s, want %s", tt.absolute, got, tt.wire)
		}
		if got := sortKey(tt.wire); got != tt.key {
			t.Errorf("%s: %q, want %q", tt.wire, got, tt.key)
		}
	}
	for _, tt := range []struct {
		message, name string
		want          bool
	}{
		{"[name='a.example.com.', type='TXT']", "a.example.com.", true},
		{"[name='b.a.example.com.', type='TXT']", "a.example.com.", false},
		{"[name='b.a.example.com.'], [name='a.example.com.']", "a.example.com.", true},
		{"[name='a.example.com.au.']", "a.example.com.", false},
		{`with DNS name A.Example.Com. is not`, "a.example.com.", true},
		{"Tried to create resource record set a.example.com. type A, but it already exists", "a.example.com.", true},
		{"RRSet of type TXT with DNS name a.example.com. is not permitted because a conflicting RRSet already exists in zone example.com.", "example.com.", false},
		{`[name='\052.example.com.']`, `\052.example.com.`, true},
		{`[name='\052.example.com.']`, "example.com.", false},
		{"name a.example.com.", "a.example.com.", true},
		{"a.example.com.", "a.example.com.", false},
	} {
		if got := mentions(tt.message, tt.name); got != tt.want {
			t.Errorf("%s in %s: %v", tt.name, tt.message, got)
		}
	}
	if got := fmt.Sprint(sameName("a.b.", "A.b"), sameName("a.b.", "b.")); got != "true false" {
		t.Error(got)
	}
}
