package registertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/register"
)

// Weak runs what a register of class [register.Timed] still promises while every
// write takes effect in time. A register of class Conditional or Ballot promises,
// under its own condition, all of [Test], and passes that.
//
// What is missing is that operations are linearizable: a Load may show a swap that
// does not last, and others may build upon it. Each subtest runs in a bubble of
// testing/synctest, as such a register waits; so its service must be in memory.
func Weak(t *testing.T, fresh func(t *testing.T) Fixture) {
	for _, c := range []struct {
		sentence string
		check    func(t *testing.T, f Fixture)
	}{
		{"nothing at the name is no error", absent},
		{"an old without texts creates", create},
		{"create over something conflicts and changes nothing", createOver},
		{"the result of a swap is what a Load would give", resultIsLoad},
		{"a chain of swaps needs no Load", chain},
		{"a stale snapshot conflicts and changes nothing", stale},
		{"empty texts remove", remove},
		{"old comes from another client as well", otherClient},
		{"every text survives byte for byte", bytesSurvive},
		{"several texts are one set", severalTexts},
		{"old is the whole set", wholeSet},
		{"a Load sees the latest swap", loadIsFresh},
		{"the time is in whole seconds", wholeSeconds},
		{"a neighbour is untouched", neighbour},
		{"in time, of many swaps of one snapshot one wins", oneWins},
		{"in time, of many creates one wins", oneCreates},
		{"in time, a swap that was told done is not lost", noneLost},
		{"a lost reply is uncertain", lostReply},
		{"a lost request is uncertain", lostRequest},
		{"a refused connection is no outcome", unreachable},
		{"a context that has ended sends nothing", cancelledBefore},
		{"a context that ends meanwhile leaves one of two truths", cancelledDuring},
		{"errors name the provider and the record and no secret", errorTexts},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.check(t, fresh(t)) })
		})
	}
}

// noneLost has clients count together. What one of them was told to have added is
// in the end result; what none was told may be in it too.
func noneLost(t *testing.T, f Fixture) {
	swap(t, f.Open(), load(t, f.Open()), "0")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 6 {
		r := f.Open()
		wg.Go(func() {
			for range 10 {
				time.Sleep(time.Duration(i) * 700 * time.Millisecond) // of the bubble
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				s, err := r.Load(ctx)
				if err == nil {
					var n int
					fmt.Sscan(s.Texts[0], &n)
					// The texts of two swaps are never the same.
					_, err = r.Swap(ctx, s, []string{fmt.Sprint(n+1, " by ", i)})
				}
				cancel()
				switch {
				case err == nil:
					mu.Lock()
					won++
					mu.Unlock()
				case !errors.Is(err, register.ErrConflict):
					t.Errorf("error %v, want none or a conflict", err)
				}
			}
		})
	}
	wg.Wait()
	s := load(t, f.Open())
	var n int
	if fmt.Sscan(s.Texts[0], &n); n < won || won == 0 {
		t.Errorf("the register holds %q after %d swaps that were told done", s.Texts[0], won)
	}
}
