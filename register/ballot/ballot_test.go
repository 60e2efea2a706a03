package ballot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

const (
	testName = "canary.example.com"
	relName  = "canary"
)

// A bench is a provider, and processes at it.
type bench struct {
	*testing.T
	service *cloudtest.LibDNS
	traits  Traits
	now     time.Duration // of all processes' clocks
}

func newBench(t *testing.T, opt cloudtest.LibDNSOptions, traits Traits) *bench {
	return &bench{T: t, service: cloudtest.NewLibDNS(testZone, opt), traits: traits}
}

// process is one more process with a register of the name.
func (b *bench) process() (*record, *cloudtest.LibDNSClient) {
	b.Helper()
	module := b.service.Client(cloudtest.Token)
	r := client(b, config(module, b.traits), testName).(*record)
	r.client.elapsed = func() time.Duration { return b.now }
	return r, module
}

func (b *bench) load(r register.Register) register.Snapshot {
	b.Helper()
	s, err := r.Load(b.Context())
	if err != nil {
		b.Fatalf("load: %v", err)
	}
	return s
}

func (b *bench) swap(r register.Register, old register.Snapshot, texts ...string) register.Snapshot {
	b.Helper()
	s, err := r.Swap(b.Context(), old, texts)
	if err != nil {
		b.Fatalf("swap to %q: %v", texts, err)
	}
	return s
}

// wantHeld asks a process of its own.
func (b *bench) wantHeld(want ...string) {
	b.Helper()
	r, _ := b.process()
	if diff := cmp.Diff(want, b.load(r).Texts); diff != "" {
		b.Errorf("texts (-want +got):\n%s", diff)
	}
}

func (b *bench) wantCopy(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.service.Texts(relName)); diff != "" {
		b.Errorf("texts at the name (-want +got):\n%s", diff)
	}
}

// labels are the records of processes that are there.
func (b *bench) labels() (labels []string) {
	for _, name := range b.service.Names() {
		if label, ok := strings.CutSuffix(name, "._b."+relName); ok {
			labels = append(labels, label)
		}
	}
	return labels
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, register.ErrConflict):
		return "conflict"
	case errors.Is(err, register.ErrUncertain):
		return "uncertain"
	case errors.Is(err, register.ErrRefused):
		return "refused"
	}
	return "not applied"
}

var kinds = map[string]struct {
	opt    cloudtest.LibDNSOptions
	traits Traits
}{
	"records":  {},
	"sets":     {cloudtest.LibDNSOptions{Sets: true}, Traits{}},
	"replaced": {cloudtest.LibDNSOptions{Sets: true}, Traits{Replaces: true, Whole: true}},
}

// Each thing that can happen to each write and list of a swap: what the swap says,
// and what is held then, before and after late writes have landed.
func TestFaults(t *testing.T) {
	const before, after = "before", "after"
	for kind, k := range kinds {
		for _, c := range []struct {
			name         string
			writes       []cloudtest.Fault
			reads        []cloudtest.Fault
			want         string
			held, landed string
		}{
			{"all is well", nil, nil, "done", after, after},
			{"the ballot is not begun", []cloudtest.Fault{cloudtest.LoseRequest}, nil, "not applied", before, before},
			{"it is begun, without an answer", []cloudtest.Fault{cloudtest.LoseReply}, nil, "not applied", before, before},
			{"it begins late", []cloudtest.Fault{cloudtest.Late}, nil, "not applied", before, before},
			{"the server fails", []cloudtest.Fault{cloudtest.ServerError}, nil, "not applied", before, before},
			{"too many", []cloudtest.Fault{cloudtest.Throttle}, nil, "not applied", before, before},
			{"the first list fails", nil, []cloudtest.Fault{cloudtest.ServerError}, "not applied", before, before},
			{"the second list fails", nil, []cloudtest.Fault{0, cloudtest.LoseReply}, "not applied", before, before},
			{"the decision is lost", []cloudtest.Fault{0, cloudtest.LoseRequest}, nil, "uncertain", before, before},
			{"its answer is lost", []cloudtest.Fault{0, cloudtest.LoseReply}, nil, "uncertain", after, after},
			{"it comes late", []cloudtest.Fault{0, cloudtest.Late}, nil, "uncertain", before, after},
			{"the server fails at it", []cloudtest.Fault{0, cloudtest.ServerError}, nil, "uncertain", before, before},
			{"the server fails after it", []cloudtest.Fault{0, cloudtest.DoneError}, nil, "uncertain", after, after},
			{"the third list fails", nil, []cloudtest.Fault{0, 0, cloudtest.ServerError}, "uncertain", after, after},
			{"the fourth list fails", nil, []cloudtest.Fault{0, 0, 0, cloudtest.ServerError}, "uncertain", after, after},
			{"the copy is lost", []cloudtest.Fault{0, 0, cloudtest.LoseRequest}, nil, "done", after, after},
			{"the deletion is lost", []cloudtest.Fault{0, 0, 0, cloudtest.LoseReply}, nil, "done", after, after},
			{"the deletion comes late", []cloudtest.Fault{0, 0, 0, cloudtest.Late}, nil, "done", after, after},
		} {
			if k.traits.Replaces && strings.Contains(c.name, "deletion") {
				continue // nothing is to be deleted
			}
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				b := newBench(t, k.opt, k.traits)
				r, module := b.process()
				other, _ := b.process()
				s := b.swap(other, register.Snapshot{}, before)
				module.OnWrites(c.writes...)
				module.OnReads(c.reads...)
				_, err := r.Swap(t.Context(), s, []string{after})
				if got := outcomeOf(err); got != c.want {
					t.Fatalf("swap: %v, want it %s", err, c.want)
				}
				b.wantHeld(c.held)
				b.service.Land()
				b.wantHeld(c.landed)
				// The same process goes on, and so do others.
				s = b.swap(r, b.load(r), "next")
				b.swap(other, s, "last")
				b.wantHeld("last")
				b.wantCopy("last")
			})
		}
	}
}

// A write that lands at any time later changes nothing that was decided since.
func TestLateWrites(t *testing.T) {
	for kind, k := range kinds {
		for _, nth := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s/write %d", kind, nth), func(t *testing.T) {
				b := newBench(t, k.opt, k.traits)
				r, module := b.process()
				other, _ := b.process()
				s := b.swap(other, register.Snapshot{}, "one")
				module.OnWrites(append(make([]cloudtest.Fault, nth), cloudtest.Late)...)
				if _, err := r.Swap(t.Context(), s, []string{"late"}); err == nil {
					t.Fatal("the late swap was done")
				}
				s = b.swap(other, s, "two")
				s = b.swap(other, s, "three")
				s = b.swap(r, s, "four") // with a record that the late write does not touch
				b.service.Land()
				if got := b.labels(); len(got) != 3 {
					t.Errorf("records %v, want three", got)
				}
				b.wantHeld("four")
				s = b.swap(r, s, "five")
				if got := b.load(other); got.Tag != s.Tag {
					t.Errorf("tag %q, want %q", got.Tag, s.Tag)
				}
			})
		}
	}
}

// What stands at the name before the first swap is the first version.
func TestFirstVersion(t *testing.T) {
	b := newBench(t, cloudtest.LibDNSOptions{}, Traits{})
	b.service.Put(relName, "v=spf1 -all", "old")
	r, _ := b.process()
	other, _ := b.process()
	s := b.load(r)
	if diff := cmp.Diff([]string{"old", "v=spf1 -all"}, s.Texts); diff != "" {
		t.Fatalf("texts (-want +got):\n%s", diff)
	}
	if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"new"}); outcomeOf(err) != "conflict" {
		t.Errorf("create: %v, want a conflict", err)
	}
	if s2 := b.load(other); s2.Tag != s.Tag {
		t.Errorf("tags %q and %q of one version", s.Tag, s2.Tag)
	}
	b.service.Put(relName, "v=spf1 -all", "changed by hand")
	if _, err := r.Swap(t.Context(), s, []string{"new"}); outcomeOf(err) != "conflict" {
		t.Errorf("swap of what is no longer there: %v, want a conflict", err)
	}
	s = b.swap(r, b.load(r), "new", "v=spf1 -all")
	b.wantCopy("new", "v=spf1 -all")
	b.swap(other, s, "newer", "v=spf1 -all")
	b.wantCopy("newer", "v=spf1 -all")
}

// The copy at the name follows, and leaves alone what others put there.
func TestCopy(t *testing.T) {
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t, k.opt, k.traits)
			r, module := b.process()
			s := b.swap(r, register.Snapshot{}, "one")
			b.wantCopy("one")
			b.service.Put(relName, "one", "of others")
			s = b.swap(r, s, "two")
			b.wantCopy("of others", "two")
			b.wantHeld("two")

			// One that is behind stays until the next swap.
			module.OnWrites(cloudtest.Pass, cloudtest.Pass, cloudtest.ServerError)
			s = b.swap(r, s, "three")
			b.wantCopy("of others", "two")
			other, _ := b.process()
			found := other.client.Examine(t.Context(), testName)
			if i := slices.IndexFunc(found, func(f register.Finding) bool { return f.Check == "copy" && !f.OK }); i < 0 {
				t.Errorf("findings %+v, want that the copy is behind", found)
			}
			s = b.swap(r, s, "four")
			b.wantCopy("four", "of others")

			b.swap(r, s)
			b.wantCopy("of others")
			b.wantHeld()
		})
	}
}

// Where quotes are not taken, the register works, and the copy is left out.
func TestNoQuotes(t *testing.T) {
	b := newBench(t, cloudtest.LibDNSOptions{NoQuotes: true, MaxText: 255}, Traits{NoQuotes: true, MaxText: 255})
	r, _ := b.process()
	const json = `{"id":"A"}`
	s := b.swap(r, register.Snapshot{}, json)
	b.wantHeld(json)
	b.wantCopy()
	s = b.swap(r, s, "st1.a1b2c3d4.sealed")
	b.wantCopy("st1.a1b2c3d4.sealed")
	if _, err := r.Swap(t.Context(), s, []string{strings.Repeat("x", 200)}); outcomeOf(err) != "not applied" || !errors.Is(err, errTooLong) {
		t.Errorf("a long text: %v, want it not applied as it is too long", err)
	}
	b.wantHeld("st1.a1b2c3d4.sealed")
}

// Lists that do not show this process's own write are noticed.
func TestListsBehind(t *testing.T) {
	b := newBench(t, cloudtest.LibDNSOptions{}, Traits{})
	r, _ := b.process()
	s := b.swap(r, register.Snapshot{}, "one")
	b.service.Behind(1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Swap(ctx, s, []string{"two"}); outcomeOf(err) != "not applied" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("swap: %v, want it not applied, as the time is up", err)
	}
	b.service.Behind(0)
	b.wantHeld("one")
	b.swap(r, s, "two")
	b.wantHeld("two")
}

func TestErrors(t *testing.T) {
	refused := func(err error) string {
		if strings.Contains(err.Error(), "401") {
			return "make another token"
		}
		return ""
	}
	b := newBench(t, cloudtest.LibDNSOptions{}, Traits{Refused: refused})
	good, _ := b.process()
	s := b.swap(good, register.Snapshot{}, "one")
	cfg := config(b.service.Client("wrong-token"), b.traits)
	cfg.Secrets = []register.Secret{register.NewSecret("wrong-token")}
	bad := client(t, cfg, testName)
	_, loadErr := bad.Load(t.Context())
	_, swapErr := bad.Swap(t.Context(), s, []string{"two"})
	for _, err := range []error{loadErr, swapErr} {
		do, _ := register.Remedy(err)
		if outcomeOf(err) != "refused" || do != "make another token" {
			t.Errorf("error %v, remedy %q", err, do)
		}
		if text := err.Error(); strings.Contains(text, "wrong-token") || !strings.Contains(text, "***") || !strings.Contains(text, testName+" at fake: ") {
			t.Errorf("error %q", text)
		}
	}
	found := bad.(*record).client.Examine(t.Context(), testName, "other.example.com")
	if len(found) != 1 || found[0].OK || found[0].Do != "make another token" {
		t.Errorf("findings %+v", found)
	}
	if _, err := good.Swap(t.Context(), register.Snapshot{Texts: []string{"x"}, Tag: "etag"}, nil); !errors.Is(err, errTag) {
		t.Errorf("a snapshot of something else: %v", err)
	}
}

// A record that cannot be read hides what it says: nothing is known then.
func TestDamage(t *testing.T) {
	b := newBench(t, cloudtest.LibDNSOptions{}, Traits{})
	r, _ := b.process()
	s := b.swap(r, register.Snapshot{}, "one")
	b.service.Put("aaaaaaaa._b."+relName, "sb9.from.the.future")
	_, err := r.Load(t.Context())
	if do, _ := register.Remedy(err); outcomeOf(err) != "not applied" || !strings.Contains(do, "aaaaaaaa._b."+testName) {
		t.Errorf("load: %v, remedy %q", err, do)
	}
	if _, err := r.Swap(t.Context(), s, []string{"two"}); outcomeOf(err) != "not applied" {
		t.Errorf("swap: %v", err)
	}
	found := r.client.Examine(t.Context(), testName)
	if len(found) == 0 || found[len(found)-1].OK {
		t.Errorf("findings %+v", found)
	}
	b.service.Put("aaaaaaaa._b." + relName)
	b.wantHeld("one")

	b.service.Put("aaaaaaaa._b."+relName, slip{slot: 2, mbal: 9, prev: "other-1", text: []string{"x"}}.String())
	_, err = r.Load(t.Context())
	if do, _ := register.Remedy(err); !errors.Is(err, errHistory) || !strings.Contains(do, "_b."+testName) {
		t.Errorf("load: %v, remedy %q", err, do)
	}
	// What stands below other names, or deeper, is no concern of the register.
	b.service.Put("aaaaaaaa._b."+relName, slip{slot: 1, mbal: 1, prev: "0"}.String())
	b.service.Put("x.aaaaaaaa._b."+relName, "sb9")
	b.service.Put("aaaaaaaa._b.other", "sb9")
	b.wantHeld("one")
}

// A process that has not written for an hour takes another record, and deletes its
// old one when that is no longer needed. Others delete what they have seen unchanged
// for a day, and never what is of the highest slot.
func TestCleanUp(t *testing.T) {
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t, k.opt, k.traits)
			dead, _ := b.process()
			s := b.swap(dead, register.Snapshot{}, "one")
			first := b.labels()
			r, _ := b.process()
			for range 60 { // nobody swaps: the record of the highest slot stays
				b.now += time.Hour
				b.load(r)
			}
			if diff := cmp.Diff(first, b.labels()); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			s = b.swap(r, s, "two") // which deletes it, as a higher slot is there
			second := b.labels()
			if len(second) != 1 || slices.Contains(second, first[0]) {
				t.Errorf("records %v, want one and not %v", second, first)
			}
			b.now += 30 * time.Minute
			s = b.swap(r, s, "three")
			if diff := cmp.Diff(second, b.labels()); diff != "" {
				t.Errorf("after half an hour (-want +got):\n%s", diff)
			}
			b.now += 61 * time.Minute
			s = b.swap(r, s, "four")
			if third := b.labels(); len(third) != 1 || third[0] == second[0] {
				t.Errorf("after an hour: records %v, want one and not %v", third, second)
			}
			// dead comes back, with a name of its own.
			b.swap(dead, s, "five")
			b.wantHeld("five")
			watcher, _ := b.process()
			b.load(watcher)
			b.now += 23 * time.Hour
			b.load(watcher)
			if got := b.labels(); len(got) != 2 {
				t.Errorf("records %v, want those of two processes", got)
			}
			b.now += 2 * time.Hour
			b.load(watcher)
			if got := b.labels(); len(got) != 1 {
				t.Errorf("a day later: records %v, want that of the highest slot", got)
			}
			b.wantHeld("five")
		})
	}
}

// A process that leaves says so, and what it leaves is deleted by the next.
func TestLeave(t *testing.T) {
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t, k.opt, k.traits)
			var s register.Snapshot
			for i := range 5 {
				r, _ := b.process()
				s = b.swap(r, s, fmt.Sprint(i))
				if err := r.client.Leave(t.Context()); err != nil {
					t.Fatal(err)
				}
				b.wantHeld(fmt.Sprint(i))
				if got := b.labels(); len(got) != 1 {
					t.Errorf("after %d processes: records %v, want one", i+1, got)
				}
			}
			r, module := b.process()
			if err := r.client.Leave(t.Context()); err != nil { // it never wrote
				t.Error(err)
			}
			s = b.swap(r, s, "last")
			module.SetDown(true)
			if err := r.client.Leave(t.Context()); err == nil || !strings.Contains(err.Error(), testName) {
				t.Errorf("leave without a network: %v", err)
			}
			module.SetDown(false)
			b.swap(r, s, "back") // as another one
			b.wantHeld("back")
		})
	}
}

// What one swap costs.
func TestRequests(t *testing.T) {
	for kind, want := range map[string]int64{"records": 8, "sets": 8, "replaced": 7} {
		b := newBench(t, kinds[kind].opt, kinds[kind].traits)
		r, _ := b.process()
		s := b.swap(r, b.swap(r, register.Snapshot{}, "one"), "two")
		before := r.client.Requests()
		b.swap(r, s, "three")
		if got := r.client.Requests() - before; got != want {
			t.Errorf("%s: a swap is %d calls, want %d", kind, got, want)
		}
		before = r.client.Requests()
		b.load(r)
		if got := r.client.Requests() - before; got != 2 {
			t.Errorf("%s: a Load is %d calls, want 2", kind, got)
		}
	}
}
