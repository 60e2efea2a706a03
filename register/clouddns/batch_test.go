package clouddns_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/clouddns"
	"github.com/solotick/solotick/register/cloudtest"
)

// many are registers of many names of one client.
func many(t *testing.T, c *clouddns.Client, n int) []register.Register {
	t.Helper()
	var all []register.Register
	for i := range n {
		all = append(all, at(t, c, fmt.Sprintf("job%d.%s", i, zone)))
	}
	return all
}

// swapAll has all registers swap at the same time.
func swapAll(t *testing.T, all []register.Register, old []register.Snapshot, text func(i int) string) ([]register.Snapshot, []error) {
	t.Helper()
	now, errs := make([]register.Snapshot, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() {
			var was register.Snapshot
			if old != nil {
				was = old[i]
			}
			now[i], errs[i] = r.Swap(t.Context(), was, []string{text(i)})
		})
	}
	wg.Wait()
	return now, errs
}

func loadAll(t *testing.T, all []register.Register) ([]register.Snapshot, []error) {
	t.Helper()
	now, errs := make([]register.Snapshot, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() { now[i], errs[i] = r.Load(t.Context()) })
	}
	wg.Wait()
	return now, errs
}

func noErrors(t *testing.T, errs []error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
	}
}

// TestTogether has 120 jobs swap at once: few Changes, and a conflict of some is no
// conflict of the others, however the service tells it.
func TestTogether(t *testing.T) {
	const jobs = 120
	for _, terse := range []bool{false, true} {
		t.Run(fmt.Sprintf("terse %t", terse), func(t *testing.T) {
			fake := newFake(t)
			if terse {
				fake.Terse()
			}
			fake.Delay(5 * time.Millisecond) // so that others come meanwhile
			c := newClient(t, config(fake))
			all := many(t, c, jobs)
			now, errs := swapAll(t, all, nil, func(i int) string { return fmt.Sprintf("one %d", i) })
			noErrors(t, errs)
			_, created, _ := fake.Count()
			t.Logf("%d creates in %d Changes", jobs, created)
			if created > 12 {
				t.Errorf("%d creates took %d Changes", jobs, created)
			}

			// Jobs 7, 47 ... have been changed, 8, 48 ... removed, by somebody else.
			for i := 7; i < jobs; i += 40 {
				fake.Put(managed, fmt.Sprintf("job%d.%s.", i, zone), "TXT", 60, `"theirs"`)
				fake.Put(managed, fmt.Sprintf("job%d.%s.", i+1, zone), "TXT", 60)
			}
			now, errs = swapAll(t, all, now, func(i int) string { return fmt.Sprintf("two %d", i) })
			for i, err := range errs {
				lost := i%40 == 7 || i%40 == 8
				if lost && kindOf(err) != conflict || !lost && err != nil {
					t.Errorf("job %d: %v", i, err)
				}
			}
			_, writes, _ := fake.Count()
			t.Logf("%d swaps, 6 of which conflict, in %d requests", jobs, writes-created)
			loaded, errs := loadAll(t, all)
			noErrors(t, errs)
			for i, s := range loaded {
				want := fmt.Sprintf("two %d", i)
				switch {
				case i%40 == 7:
					want = "theirs"
				case i%40 == 8:
					want = ""
				case s.Tag != now[i].Tag:
					t.Errorf("job %d: tag %s after a swap, and %s of a Load", i, now[i].Tag, s.Tag)
				}
				if strings.Join(s.Texts, "") != want {
					t.Errorf("job %d holds %q, want %q", i, s.Texts, want)
				}
			}
		})
	}
}

// TestUncertainTogether has the reply to a Change of many lost: all are uncertain,
// and nothing is sent again.
func TestUncertainTogether(t *testing.T) {
	fake := newFake(t)
	c := newClient(t, config(fake))
	all := many(t, c, 20)
	_, errs := loadAll(t, all)
	noErrors(t, errs)
	fake.Delay(20 * time.Millisecond)
	fake.OnWrites(cloudtest.DoneError, cloudtest.LoseReply, cloudtest.LoseReply, cloudtest.LoseReply)
	_, errs = swapAll(t, all, nil, func(int) string { return "one" })
	n := 0
	for _, err := range errs {
		switch kindOf(err) {
		case uncertain:
			n++
		case plain:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error(err)
		}
	}
	if n == 0 {
		t.Error("nothing was uncertain")
	}
	for i := range all {
		if _, _, there := fake.Set(managed, fmt.Sprintf("job%d.%s.", i, zone), "TXT"); !there {
			t.Errorf("job %d is not there, although each Change was applied", i)
		}
	}
	sum := 0
	for _, sets := range fake.Changes() {
		sum += sets
	}
	if sum != len(all) {
		t.Errorf("%d sets were written for %d jobs", sum, len(all))
	}
}

// TestLimits has texts so large that a Change cannot hold all.
func TestLimits(t *testing.T) {
	fake := newFake(t)
	fake.Delay(5 * time.Millisecond)
	c := newClient(t, config(fake))
	all := many(t, c, 60)
	now, errs := swapAll(t, all, nil, func(i int) string { return strings.Repeat(fmt.Sprint(i%10), 3000) })
	noErrors(t, errs)
	if _, errs = swapAll(t, all, now, func(i int) string { return strings.Repeat("x", 3000) }); slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		t.Errorf("errors: %v", errs)
	}
	// One alone that is too large is told so.
	_, err := all[0].Swap(t.Context(), register.Snapshot{}, []string{strings.Repeat("x", 100_001)})
	if kindOf(err) != refused || !strings.Contains(err.Error(), "would exceed quota for total rrdata size per change") {
		t.Errorf("error %v", err)
	}
}

// TestSameName has swaps of one name by one client: never two in one Change.
func TestSameName(t *testing.T) {
	fake := newFake(t)
	c := newClient(t, config(fake))
	r := at(t, c, name)
	var all []register.Register
	for range 10 {
		all = append(all, r)
	}
	_, errs := swapAll(t, all, nil, func(i int) string { return fmt.Sprint(i) })
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case kindOf(err) != conflict:
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d have won", won)
	}
}

// TestBudget measures how many jobs a project's quota is enough for: what 50 jobs
// that fall due at once take, with one client and with a client each.
func TestBudget(t *testing.T) {
	const jobs = 50
	spent := func(apart bool) (reads, writes int) {
		fake := newFake(t)
		fake.Delay(5 * time.Millisecond)
		cfg := config(fake)
		cfg.ManagedZone = managed
		c := newClient(t, cfg)
		all := many(t, c, jobs)
		for i := range all {
			if apart {
				all[i] = open(t, cfg, fmt.Sprintf("job%d.%s", i, zone))
			}
		}
		old, errs := loadAll(t, all)
		noErrors(t, errs)
		_, errs = swapAll(t, all, old, func(i int) string { return "due" })
		noErrors(t, errs)
		reads, writes, _ = fake.Count()
		return reads, writes
	}
	reads, writes := spent(false)
	readsApart, writesApart := spent(true)
	t.Logf("%d jobs: %d reads and %d writes together, %d and %d apart", jobs, reads, writes, readsApart, writesApart)
	if reads > jobs/10 || writes > jobs/10 || readsApart != jobs || writesApart != jobs {
		t.Errorf("%d reads and %d writes together, %d and %d apart", reads, writes, readsApart, writesApart)
	}
}

// TestRate holds that a client keeps within its own limit, so that the service
// refuses nothing.
func TestRate(t *testing.T) {
	fake := newFake(t)
	fake.Limit(60, 12, 0) // reads and writes share it here
	cfg := config(fake)
	cfg.Rate, cfg.Burst, cfg.ManagedZone = 20, 4, managed
	c := newClient(t, cfg)
	all := many(t, c, 100)
	for range 3 {
		old, errs := loadAll(t, all)
		noErrors(t, errs)
		_, errs = swapAll(t, all, old, func(i int) string { return "due" })
		noErrors(t, errs)
	}
	if _, _, refusals := fake.Count(); refusals > 0 {
		t.Errorf("%d requests were refused", refusals)
	}
}
