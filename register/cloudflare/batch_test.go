package cloudflare

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// atOnce has one client swap many names at once; the server takes its time, so that
// they come together.
func atOnce(t *testing.T, fake *cloudtest.Cloudflare, client *Client, old map[string]register.Snapshot, text string) map[string]error {
	t.Helper()
	fake.Delay(30 * time.Millisecond)
	defer fake.Delay(0)
	outcomes := make(map[string]error)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, s := range old {
		r := at(t, client, name)
		wg.Go(func() {
			_, err := r.Swap(t.Context(), s, []string{text})
			mu.Lock()
			defer mu.Unlock()
			outcomes[name] = err
		})
	}
	wg.Wait()
	return outcomes
}

func snapshots(t *testing.T, fake *cloudtest.Cloudflare, names []string) map[string]register.Snapshot {
	t.Helper()
	client := newTest(t, config(fake))
	all := make(map[string]register.Snapshot)
	for _, name := range names {
		all[name] = load(t, at(t, client, name))
	}
	return all
}

func TestSwapsShareABatch(t *testing.T) {
	fake, _ := start(t)
	names := fill(t, fake, 60)
	old := snapshots(t, fake, names)
	client := newTest(t, config(fake))
	load(t, at(t, client, names[0]))
	before := client.Requests()
	for name, err := range atOnce(t, fake, client, old, "next") {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The first goes alone, and of the rest 50 fill a batch.
	if n := client.Requests() - before; n > 12 {
		t.Errorf("%d requests for 60 swaps", n)
	}
	for name, s := range snapshots(t, fake, names) {
		if !slices.Equal(s.Texts, []string{"next"}) {
			t.Errorf("at %s is %q", name, s.Texts)
		}
	}
}

// TestAConflictIsOnesOwn: the others of its batch are applied. Whose it is a list
// tells, or a pointer, or else halves.
func TestAConflictIsOnesOwn(t *testing.T) {
	for _, c := range []struct {
		name        string
		list, point bool
		most        int // requests
	}{
		{"by a list", true, false, 12},
		{"by pointers", false, true, 16},
		{"by halves", false, false, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake, zone := start(t)
			fake.Pointers(c.point)
			names := fill(t, fake, 24)
			old := snapshots(t, fake, names)
			lost := []string{names[5], names[17]}
			fake.Stale(zone, !c.list) // a list that shows what was, tells nothing
			for _, name := range lost {
				swap(t, open(t, config(fake), name), old[name], "somebody else's")
			}
			client := newTest(t, config(fake))
			load(t, at(t, client, names[0]))
			before := client.Requests()
			for name, err := range atOnce(t, fake, client, old, "next") {
				want := "done"
				if slices.Contains(lost, name) {
					want = "conflict"
				}
				if got := registertest.Outcome(err); got != want {
					t.Errorf("%s: %s, want %s: %v", name, got, want, err)
				}
			}
			n := client.Requests() - before
			t.Logf("%d requests", n)
			if n > int64(c.most) {
				t.Errorf("%d requests, want at most %d", n, c.most)
			}
			fake.Stale(zone, false)
			for name, s := range snapshots(t, fake, names) {
				want := "next"
				if slices.Contains(lost, name) {
					want = "somebody else's"
				}
				if !slices.Equal(s.Texts, []string{want}) {
					t.Errorf("at %s is %q, want %q", name, s.Texts, want)
				}
			}
		})
	}
}

// TestAnUncertainBatchIsUncertainForAll: and nothing of it is sent again.
func TestAnUncertainBatchIsUncertainForAll(t *testing.T) {
	for _, fault := range []cloudtest.Fault{cloudtest.LoseReply, cloudtest.Late, cloudtest.DoneError} {
		fake, _ := start(t)
		names := fill(t, fake, 12)
		old := snapshots(t, fake, names)
		client := newTest(t, config(fake))
		load(t, at(t, client, names[0]))
		fake.OnWrites(slices.Repeat([]cloudtest.Fault{fault}, 12)...)
		_, writes, _ := fake.Count()
		for name, err := range atOnce(t, fake, client, old, "next") {
			if got := registertest.Outcome(err); got != "uncertain" {
				t.Errorf("%s: %s: %v", name, got, err)
			}
		}
		if _, after, _ := fake.Count(); after-writes > 8 {
			t.Errorf("%d requests for 12 swaps", after-writes)
		}
		fake.Land()
		for name, s := range snapshots(t, fake, names) {
			if !slices.Equal(s.Texts, []string{"next"}) {
				t.Errorf("at %s is %q", name, s.Texts)
			}
		}
	}
}

// TestOneNameTwice: two swaps of one name are never in one batch.
func TestOneNameTwice(t *testing.T) {
	fake, _ := start(t)
	client := newTest(t, config(fake))
	r := at(t, client, name)
	s := swap(t, r, register.Snapshot{}, "first")
	fake.Delay(20 * time.Millisecond)
	var wg sync.WaitGroup
	outcomes := make([]error, 8)
	for i := range outcomes {
		wg.Go(func() { _, outcomes[i] = r.Swap(t.Context(), s, []string{fmt.Sprint(i)}) })
	}
	wg.Wait()
	won := 0
	for _, err := range outcomes {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, register.ErrConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
	if _, writes, _ := fake.Count(); writes != 9 {
		t.Errorf("%d batches, want one for each swap", writes)
	}
}

func TestFits(t *testing.T) {
	of := func(name string, actions int) *change { return &change{name: name, deletes: make([]string, actions)} }
	for _, c := range []struct {
		members []*change
		next    *change
		want    bool
	}{
		{[]*change{of("a", 4)}, of("b", 4), true},
		{[]*change{of("a", 4)}, of("a", 4), false},
		{[]*change{of("a", 196)}, of("b", 4), true},
		{[]*change{of("a", 197)}, of("b", 4), false},
	} {
		if got := fits(c.members, c.next); got != c.want {
			t.Errorf("%d actions beside %d: %v", len(c.next.deletes), len(c.members[0].deletes), got)
		}
	}
}

func TestPointed(t *testing.T) {
	changes := []*change{
		{name: "a", deletes: []string{"1", "2"}, posts: make([]entry, 2)},
		{name: "b", posts: make([]entry, 3)},
		{name: "c", deletes: []string{"3"}},
	}
	for pointer, want := range map[string][]int{
		"/deletes/0": {0}, "/deletes/2/id": {2}, "/deletes/3": nil, "/posts/1": {0}, "posts/4/content": {1}, "/posts/9": nil,
		"": nil, "/patches/0": nil, "/posts/99999999999999999999": nil,
	} {
		var f fault
		f.Source.Pointer = pointer
		if got := pointed(answer{faults: []fault{f}}, changes); !slices.Equal(got, want) {
			t.Errorf("%s blames %v, want %v", pointer, got, want)
		}
	}
}

// TestAFullZone: who makes no more records than he deletes goes on.
func TestAFullZone(t *testing.T) {
	fake, _ := start(t)
	names := fill(t, fake, 12)
	old := snapshots(t, fake, names)
	fake.Quota(24)
	old["one-more."+zoneName] = register.Snapshot{}
	client := newTest(t, config(fake))
	load(t, at(t, client, names[0]))
	for name, err := range atOnce(t, fake, client, old, "next") {
		want := "done"
		if name == "one-more."+zoneName {
			want = "refused"
		}
		if got := registertest.Outcome(err); got != want {
			t.Errorf("%s: %s, want %s: %v", name, got, want, err)
		}
	}
}

// TestAWrongTTL is everybody's fault, and not looked for one by one.
func TestAWrongTTL(t *testing.T) {
	fake, _ := start(t)
	fake.MinTTL(30)
	names := fill(t, fake, 12)
	old := snapshots(t, fake, names)
	fake.MinTTL(60)
	cfg := config(fake)
	cfg.TTL = 30 * time.Second
	client := newTest(t, cfg)
	load(t, at(t, client, names[0]))
	before := client.Requests()
	for name, err := range atOnce(t, fake, client, old, "next") {
		if do, _ := register.Remedy(err); registertest.Outcome(err) != "refused" || do == "" {
			t.Errorf("%s: %s: %v", name, registertest.Outcome(err), err)
		}
	}
	if n := client.Requests() - before; n > 8 {
		t.Errorf("%d requests", n)
	}
}

// TestOneBadTextAmongMany is found by halves.
func TestOneBadTextAmongMany(t *testing.T) {
	fake, _ := start(t)
	names := fill(t, fake, 12)
	old := snapshots(t, fake, names)
	client := newTest(t, config(fake))
	load(t, at(t, client, names[0]))
	fake.Delay(20 * time.Millisecond)
	outcomes := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		text := "next"
		if i == 7 {
			text = strings.Repeat("x", 9000) // more than a name's texts may have together
		}
		r := at(t, client, name)
		wg.Go(func() { _, outcomes[i] = r.Swap(t.Context(), old[name], []string{text}) })
	}
	wg.Wait()
	for i, err := range outcomes {
		want := "done"
		if i == 7 {
			want = "not applied"
		}
		if got := registertest.Outcome(err); got != want {
			t.Errorf("%s: %s, want %s: %v", names[i], got, want, err)
		}
	}
}
