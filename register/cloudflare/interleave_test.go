package cloudflare

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// TestInterleavings swaps at random, with either of the guards off, against
// snapshots old and new, with copies that arrive late, removals, and records that are
// deleted by hand: no snapshot is ever swapped twice, and the record can always be
// swapped again.
func TestInterleavings(t *testing.T) {
	for _, c := range []struct {
		name                          string
		gone, same                    bool // the guard that is off
		removals, handText, handGuard bool
	}{
		{"both", false, false, true, true, true},
		{"only the ids", false, true, true, true, true},
		{"only the guard", true, false, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(60) {
				random := rand.New(rand.NewPCG(seed, 1))
				fake, zone := start(t)
				fake.AcceptGone(c.gone)
				fake.AcceptIdentical(c.same)
				fake.AcceptAliases(c.same)
				r := open(t, config(fake), name)
				known := []register.Snapshot{{}, swap(t, r, register.Snapshot{}, "before")}
				from := map[string]string{} // by text, the tag of the snapshot that it was swapped against
				won := map[string]string{}  // by tag, the text that has won
				var log []string
				look := func() {
					for _, e := range fake.Records(zone, name) {
						text := textOf(e.Content)
						tag := from[text]
						if tag == "" { // a create: what is nothing has no version
							continue
						}
						if won[tag] != "" && won[tag] != text {
							t.Fatalf("seed %d: %q and %q have won against one snapshot:\n%q", seed, won[tag], text, log)
						}
						won[tag] = text
					}
				}
				for i := range 30 {
					switch n := random.IntN(10); {
					case n < 3:
						log = append(log, "load")
						known = append(known, load(t, r))
					case n < 7:
						s := known[random.IntN(len(known))]
						if random.IntN(2) == 0 {
							s = known[len(known)-1]
						}
						if c.same && s.Tag == "" {
							continue // only the other guard keeps creates apart
						}
						text := fmt.Sprint("text", i)
						from[text] = s.Tag
						late := random.IntN(4) == 0
						if late {
							fake.OnWrites(cloudtest.Late)
						}
						next, err := r.Swap(t.Context(), s, []string{text})
						log = append(log, fmt.Sprint("swap ", s.Texts, " to ", text, " late ", late, ": ", registertest.Outcome(err)))
						if err == nil {
							known = append(known, next)
						}
					case n < 8:
						log = append(log, "land")
						fake.Land()
					case n < 9 && c.removals && random.IntN(3) == 0:
						_, err := r.Swap(t.Context(), known[random.IntN(len(known))], nil)
						log = append(log, "remove: "+registertest.Outcome(err))
					case c.handText && random.IntN(2) == 0:
						log = append(log, "the text is deleted by hand")
						fake.Remove(zone, name)
					case c.handGuard:
						log = append(log, "the guard is deleted by hand")
						fake.Remove(zone, guardOf(name))
					}
					look()
				}
				fake.Land()
				look()
				s := load(t, r)
				next, err := r.Swap(t.Context(), s, []string{"at last"})
				if err != nil || errors.Is(err, register.ErrConflict) {
					t.Fatalf("seed %d: nobody can swap any more: %v\n%q", seed, err, log)
				}
				if got := load(t, r); got.Tag != next.Tag || len(got.Texts) != 1 {
					t.Errorf("seed %d: there is %q", seed, got.Texts)
				}
			}
		})
	}
}
