package registertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/solotick/solotick/register"
)

const (
	racers     = 16
	clients    = 8  // of the linearizability test
	operations = 50 // of each of them
)

func oneWins(t *testing.T, f Fixture) {
	r := f.Open()
	s := load(t, r)
	for round := range 3 {
		s = swap(t, r, s, fmt.Sprintf("round %d", round))
		s = race(t, f, s)
	}
}

func oneCreates(t *testing.T, f Fixture) {
	race(t, f, load(t, f.Open()))
}

// race lets 16 clients swap the same snapshot. It returns what the winner got.
func race(t *testing.T, f Fixture, old register.Snapshot) register.Snapshot {
	t.Helper()
	outcomes := make([]error, racers)
	results := make([]register.Snapshot, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		r := f.Open()
		wg.Go(func() {
			<-start
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			results[i], outcomes[i] = r.Swap(ctx, old, []string{fmt.Sprintf("client %d", i)})
		})
	}
	close(start)
	wg.Wait()

	winner := -1
	for i, err := range outcomes {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			t.Errorf("clients %d and %d both won", winner, i)
		case !errors.Is(err, register.ErrConflict):
			t.Errorf("client %d: error %v, want a conflict", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	wantHeld(t, f, fmt.Sprintf("client %d", winner))
	return results[winner]
}

func cancelledDuring(t *testing.T, f Fixture) {
	r := f.Open()
	s := load(t, r)
	for i := range 30 {
		text := fmt.Sprintf("swap %d", i)
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*100*time.Microsecond)
		_, err := r.Swap(ctx, s, []string{text})
		cancel()
		now := load(t, f.Open())
		switch was, is := set(s.Texts), set(now.Texts); {
		case errors.Is(err, register.ErrConflict), errors.Is(err, register.ErrRefused):
			t.Fatalf("swap %d: error %v, but nobody else swaps", i, err)
		case err == nil:
			wantTexts(t, now, text)
		case !errors.Is(err, register.ErrUncertain):
			wantTexts(t, now, s.Texts...)
		case slices.Equal(is, was):
			// It may still land: swapping the same snapshot settles it, since at
			// most one of the two can apply.
			if settled, err := r.Swap(opContext(t), s, []string{text + " again"}); err == nil {
				now = settled
			} else if now = load(t, f.Open()); !errors.Is(err, register.ErrConflict) || now.Texts[0] != text {
				t.Fatalf("swap %d: error %v, the register holds %q", i, err, now.Texts)
			}
		default:
			wantTexts(t, now, text)
		}
		s = now
	}
}

// concurrentUse shares one client among goroutines: each swap that is told to
// have won is one step of one counter.
func concurrentUse(t *testing.T, f Fixture) {
	r := f.Open()
	swap(t, r, load(t, r), "0")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			for range 10 {
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				s, err := r.Load(ctx)
				if err == nil {
					var n int
					fmt.Sscan(s.Texts[0], &n)
					_, err = r.Swap(ctx, s, []string{fmt.Sprint(n + 1)})
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
	wantHeld(t, f, fmt.Sprint(won))
	if won == 0 {
		t.Error("no swap won")
	}
}

// operation is the input of one recorded operation, and outcome its output.
type operation struct {
	load     bool
	old, new string
}

type outcome struct {
	texts string // of a Load
	err   error
}

// linearizable records random operations of 8 clients, some of whose swaps are
// lost or land late, and asks whether one order of them explains all answers.
func linearizable(t *testing.T, f Fixture) {
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		wg      sync.WaitGroup
		start   = time.Now()
	)
	seed := rand.Uint64()
	faulties := make([]*Faulty, clients)
	for c := range clients {
		rnd := rand.New(rand.NewPCG(seed, uint64(c)))
		r := NewFaulty(f.Open(), f.Name)
		faulties[c] = r
		wg.Go(func() {
			last := register.Snapshot{}
			for i := range operations {
				if rnd.IntN(16) == 0 {
					r.Swaps([]Fault{Lose, Drop, Delay}[rnd.IntN(3)])
				}
				if rnd.IntN(8) == 0 {
					r.Land(opContext(t))
				}
				var texts []string // now and then a removal
				if rnd.IntN(10) > 0 {
					texts = []string{fmt.Sprintf("client %d operation %d", c, i)}
				}
				op := porcupine.Operation{ClientId: c, Call: int64(time.Since(start))}
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				if rnd.IntN(3) == 0 {
					s, err := r.Load(ctx)
					if err == nil {
						last = s
					}
					op.Input, op.Output = operation{load: true}, outcome{texts: joined(s.Texts), err: err}
				} else {
					op.Input = operation{old: joined(last.Texts), new: joined(texts)}
					s, err := r.Swap(ctx, last, texts)
					if err == nil {
						last = s
					}
					op.Output = outcome{err: err}
				}
				cancel()
				op.Return = int64(time.Since(start))
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, r := range faulties {
		r.Land(opContext(t))
	}
	call := int64(time.Since(start))
	end := joined(load(t, f.Open()).Texts)
	history = append(history, porcupine.Operation{
		ClientId: clients, Input: operation{load: true}, Call: call,
		Output: outcome{texts: end}, Return: int64(time.Since(start)),
	})
	checkHistory(t, seed, history)
}

func checkHistory(t *testing.T, seed uint64, history []porcupine.Operation) {
	t.Helper()
	var last int64
	for _, op := range history {
		last = max(last, op.Return)
	}
	count := make(map[string]int)
	for i, op := range history {
		in, out := op.Input.(operation), op.Output.(outcome)
		switch {
		case out.err == nil && in.load:
			count["loads"]++
		case out.err == nil:
			count["swaps"]++
		case errors.Is(out.err, register.ErrConflict):
			count["conflicts"]++
		case errors.Is(out.err, register.ErrUncertain):
			count["uncertain"]++
			history[i].Return = last + 1 // any time later, or never
		default:
			t.Fatalf("seed %d: %v: error %v", seed, in, out.err)
		}
	}
	t.Logf("seed %d: %v", seed, count)
	for _, kind := range []string{"loads", "swaps", "conflicts", "uncertain"} {
		if count[kind] == 0 {
			t.Errorf("seed %d: no %s in the history: it tests nothing", seed, kind)
		}
	}
	switch porcupine.CheckOperationsTimeout(model, settle(history), 60*time.Second) {
	case porcupine.Illegal:
		t.Errorf("seed %d: no order of the operations explains what was answered", seed)
	case porcupine.Unknown:
		t.Errorf("seed %d: not decided within a minute", seed)
	}
}

// settle leaves less to be tried, and nothing else to be found: no two swaps have
// the same text, so that an uncertain one whose text no Load shows was not applied,
// or the last Load would show it, and one that a Load shows was applied before that
// ended. Only of removals that remains open.
func settle(history []porcupine.Operation) []porcupine.Operation {
	shown := make(map[string]int64)
	for _, op := range history {
		if in, out := op.Input.(operation), op.Output.(outcome); in.load {
			if first, ok := shown[out.texts]; !ok || op.Return < first {
				shown[out.texts] = op.Return
			}
		}
	}
	var all []porcupine.Operation
	for _, op := range history {
		in, out := op.Input.(operation), op.Output.(outcome)
		if errors.Is(out.err, register.ErrUncertain) && in.new != joined(nil) {
			first, ok := shown[in.new]
			if !ok {
				continue
			}
			op.Return = max(first, op.Call)
		}
		all = append(all, op)
	}
	return all
}

// model is the register as one text: the set that it holds, joined.
var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{joined(nil)} },
	Step: func(state, input, output any) []any {
		held, in, out := state.(string), input.(operation), output.(outcome)
		same := held == in.old
		switch {
		case in.load && held == out.texts,
			!in.load && errors.Is(out.err, register.ErrConflict) && !same:
			return []any{held}
		case in.load, errors.Is(out.err, register.ErrConflict):
			return nil
		case errors.Is(out.err, register.ErrUncertain) && same:
			return []any{held, in.new}
		case errors.Is(out.err, register.ErrUncertain):
			return []any{held}
		case same:
			return []any{in.new}
		}
		return nil
	},
	Equal: func(a, b any) bool { return a == b },
}).ToModel()

func joined(texts []string) string { return fmt.Sprintf("%q", set(texts)) }
