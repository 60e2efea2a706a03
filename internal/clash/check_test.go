package clash

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/solotick/solotick/record"
)

// check judges what became of a record: n ticks from the first one on had to be run.
func (b *battle) check(name string, s *story, first int64, n int, every int64) {
	b.t.Helper()
	slices.SortFunc(s.runs, func(a, b run) int { return int(a.began - b.began) })
	fault := func(format string, args ...any) {
		b.t.Helper()
		b.t.Errorf("%s: %s", name, fmt.Sprintf(format, args...))
	}
	type attempt struct {
		tick int64
		try  int
	}
	ran, ok := map[attempt]bool{}, map[int64]bool{}
	var before run
	for _, r := range s.runs {
		if a := (attempt{r.tick, r.attempt}); ran[a] {
			fault("attempt %d of tick %d was run twice", r.attempt, r.tick)
		} else {
			ran[a] = true
		}
		if r.fence <= before.fence {
			fault("tick %d was run with fence %d after tick %d with %d", r.tick, r.fence, before.tick, before.fence)
		}
		if before.ended != open && r.began < before.ended {
			fault("tick %d began before tick %d had ended", r.tick, before.tick)
		}
		ok[r.tick] = ok[r.tick] || r.ended != open
		before = r
	}
	for i := range int64(n) {
		if tick := first + i*every; !ok[tick] {
			fault("tick %d was not run to an end", tick)
		}
	}
	if bad := judge(s.ops); bad != "" {
		fault("%s", bad)
	}
	b.claims(s, fault)
}

// claims compares the runs with the register: each has a claim of its own there, and
// their fences grow from text to text.
func (b *battle) claims(s *story, fault func(string, ...any)) {
	o, bad := ordered(settle(s.ops))
	if bad != "" {
		return // it was said
	}
	claimed, seq := map[int64]record.Record{}, int64(0)
	for _, text := range o.texts {
		r, err := record.Parse(text)
		if err != nil {
			fault("%s: %v", text, err)
			continue
		}
		if r.Seq <= seq {
			fault("seq %d comes after %d", r.Seq, seq)
		}
		seq = r.Seq
		if r.Claimed {
			claimed[r.Seq] = r
		}
	}
	for _, r := range s.runs {
		if c := claimed[r.fence]; c.TimerOld != r.tick || c.Attempt() != r.attempt || c.ID != r.agent {
			fault("tick %d, attempt %d was run by %s with fence %d, whose claim is %q", r.tick, r.attempt, r.agent, r.fence, c)
		}
	}
}

// A count is how many operations of each kind there were.
type count struct{ n map[string]int }

func (s *story) counts() count {
	c := count{map[string]int{}}
	for _, p := range s.ops {
		switch {
		case p.out == nothing:
			c.n["failed"]++
		case p.load:
			c.n["loads"]++
		default:
			c.n[map[string]string{done: "swaps", conflict: "refused", uncertain: "uncertain"}[p.out]]++
		}
	}
	for _, r := range s.runs {
		if r.attempt > 1 {
			c.n["further attempts"]++
		}
		if r.ended == open {
			c.n["runs killed"]++
		}
	}
	return c
}

func (c count) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(c.n)) {
		parts = append(parts, fmt.Sprintf("%d %s", c.n[what], what))
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

// agents tells how many agents ran something.
func agents(s *story) int {
	ids := map[string]bool{}
	for _, r := range s.runs {
		ids[r.agent] = true
	}
	return len(ids)
}
