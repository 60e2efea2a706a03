package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/register"
)

// failures are the checks of a report that failed.
func failures(r Report) []string {
	var all []string
	for _, c := range r.Checks {
		if c.Verdict == Failed {
			all = append(all, c.Check)
		}
	}
	return all
}

func find(t *testing.T, r Report, check string) Result {
	t.Helper()
	for _, c := range r.Checks {
		if c.Check == check {
			return c
		}
	}
	t.Fatalf("no result for %q in\n%s", check, r.Text())
	return Result{}
}

// TestBroken: a register that breaks its contract in one way is caught by the check
// that is for it.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrap  func() wrapper
		check string
		text  string // which its result holds
		only  bool   // no other check fails
	}{
		{"the last writer wins", func() wrapper {
			return swapping(func(ctx context.Context, r register.Register, _ register.Snapshot, texts []string) (register.Snapshot, error) {
				return overwrite(ctx, r, texts)
			})
		}, checkSwaps, "two or more swaps of one record succeeded", false},
		{"the last writer wins, by creates only", func() wrapper {
			return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
				if len(old.Texts) == 0 {
					return overwrite(ctx, r, texts)
				}
				return r.Swap(ctx, old, texts)
			})
		}, checkCreates, "two or more creates of one record", false},
		{"it accepts what is stale", func() wrapper { return acceptsStale }, checkStale, "a swap of an older record was accepted", false},
		{"it accepts a create over a record", func() wrapper {
			return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
				if now, err := r.Load(ctx); err == nil && len(old.Texts) == 0 {
					old = now
				}
				return r.Swap(ctx, old, texts)
			})
		}, checkStale, "a create over a record was accepted", false},
		{"it compares and acts in two steps", func() wrapper { return swapping(checkThenAct) }, checkSwaps, "two or more swaps", false},
		{"two win now and then", func() wrapper {
			var n atomic.Int64
			return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
				if n.Add(1)%9 == 0 {
					return checkThenAct(ctx, r, old, texts)
				}
				return r.Swap(ctx, old, texts)
			})
		}, checkSwaps, "two or more swaps", false},
		{"nobody wins where several try", nobodyWins, checkSwaps, "nobody won", false},
		{"a winner is told that it lost", deniedWinner, checkSwaps, "its client was told that it was not", false},
		{"what was acknowledged is lost", lostWrites, checkReads, "was acknowledged, and another client read", false},
		{"a view lags", func() wrapper { return lagging }, checkReads, "did not see the swap that had just been acknowledged", true},
		{"it mangles quotes", func() wrapper {
			return writing(func(texts []string) []string {
				for i := range texts {
					texts[i] = strings.ReplaceAll(texts[i], `"`, ``)
				}
				return texts
			})
		}, checkTexts, "a record: it became ", true},
		{"it takes no quotes", func() wrapper {
			return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
				if strings.Contains(strings.Join(texts, ""), `"`) {
					return register.Snapshot{}, errors.New("invalid content")
				}
				return r.Swap(ctx, old, texts)
			})
		}, checkTexts, "a record: it was not taken: invalid content", true},
		{"a swap returns something else", func() wrapper {
			return answering(func(_ []string, s register.Snapshot, err error) (register.Snapshot, error) {
				s.Texts = append(slices.Clone(s.Texts), "more")
				return s, err
			})
		}, checkReads, "returned something else", false},
		{"it loses the neighbour", losesNeighbour, checkNeighbour, "after", true},
		{"a swap is sent twice", func() wrapper { return swapping(sentTwice) }, checkLost, "and the record holds", true},
		{"what was applied is said not to be sent", func() wrapper {
			return answering(func(_ []string, s register.Snapshot, err error) (register.Snapshot, error) {
				if errors.Is(err, register.ErrUncertain) {
					err = errors.New("no connection")
				}
				return s, err
			})
		}, checkLost, "it was said not to be sent, and was applied", true},
		{"what is unknown is called a conflict", func() wrapper {
			return answering(func(_ []string, s register.Snapshot, err error) (register.Snapshot, error) {
				if errors.Is(err, register.ErrUncertain) {
					err = register.ErrConflict
				}
				return s, err
			})
		}, checkLost, "it conflicted, although nobody else wrote", true},
		{"a removal does nothing", func() wrapper {
			return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
				if len(texts) == 0 {
					return register.Snapshot{}, nil
				}
				return r.Swap(ctx, old, texts)
			})
		}, checkDelete, "the record was removed, and still holds", false},
		{"its time has a fraction", func() wrapper {
			return timing(func(t time.Time) time.Time { return t.Add(ms) })
		}, checkTime, "a fraction", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{wrap: c.wrap()}
				s := w.subject()
				r := w.try(t.Context(), s, Options{})
				got := find(t, r, c.check)
				if r.Passed || !r.Conclusive() || r.Err() != nil || got.Verdict != Failed || !strings.Contains(got.Text, c.text) {
					t.Errorf("%s %s: %s; want failed with %q. All of it:\n%s", got.Verdict, got.Check, got.Text, c.text, r.Text())
				}
				if all := failures(r); c.only && len(all) > 1 {
					t.Errorf("%q failed, want only %q:\n%s", all, c.check, r.Text())
				}
				if r.Leftovers == nil && len(w.Texts(s.Name)) > 0 {
					t.Errorf("left over: %q", w.Texts(s.Name))
				}
			})
		})
	}
}

// acceptsStale swaps also what was there one swap before.
func acceptsStale(r register.Register) register.Register {
	var mu sync.Mutex
	before := map[string]bool{}
	return broken{Register: r, swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
		mu.Lock()
		stale := before[old.Tag] && len(old.Texts) > 0
		before[old.Tag] = true
		mu.Unlock()
		if stale {
			return overwrite(ctx, r, texts)
		}
		return r.Swap(ctx, old, texts)
	}}
}

// nobodyWins refuses all swaps that meet another one.
func nobodyWins() wrapper {
	var under atomic.Int64
	return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		defer under.Add(-1)
		if n := under.Add(1); n > 1 || !pause(ctx, ms) || under.Load() > 1 {
			pause(ctx, 10*ms)
			return register.Snapshot{}, register.ErrConflict
		}
		return r.Swap(ctx, old, texts)
	})
}

// deniedWinner tells every fourth winner of several that it was too late.
func deniedWinner() wrapper {
	var under, n atomic.Int64
	return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		defer under.Add(-1)
		under.Add(1)
		pause(ctx, ms)
		several := under.Load() > 1
		s, err := r.Swap(ctx, old, texts)
		if several && err == nil && n.Add(1)%4 == 0 {
			return register.Snapshot{}, register.ErrConflict
		}
		return s, err
	})
}

// lostWrites acknowledges every seventh swap and does nothing.
func lostWrites() wrapper {
	var n atomic.Int64
	return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		if now, err := r.Load(ctx); err == nil && now.Tag == old.Tag && len(texts) > 0 && n.Add(1)%7 == 0 {
			return register.Snapshot{Texts: texts, Tag: "lost", Time: now.Time}, nil
		}
		return r.Swap(ctx, old, texts)
	})
}

// lagging is a register of which every fifth Load shows what was there before.
func lagging(r register.Register) register.Register {
	var n atomic.Int64
	var before atomic.Pointer[register.Snapshot]
	return broken{Register: r, load: func(ctx context.Context) (register.Snapshot, error) {
		if s := before.Load(); s != nil && n.Add(1)%5 == 0 {
			return *s, nil
		}
		s, err := r.Load(ctx)
		before.Store(&s)
		return s, err
	}}
}

// losesNeighbour removes a value of another name in the course of a swap.
func losesNeighbour() wrapper {
	var mu sync.Mutex
	var all []register.Register
	return func(r register.Register) register.Register {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
		return broken{Register: r, swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
			mu.Lock()
			others := slices.Clone(all)
			mu.Unlock()
			for _, other := range others {
				if s, err := other.Load(ctx); err == nil && len(s.Texts) == 2 && other != r {
					_, _ = other.Swap(ctx, s, s.Texts[:1])
				}
			}
			return r.Swap(ctx, old, texts)
		}}
	}
}

// sentTwice tries again by itself after a lost reply, and with what it reads then.
func sentTwice(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
	s, err := r.Swap(ctx, old, texts)
	if errors.Is(err, register.ErrUncertain) {
		again := context.WithoutCancel(ctx)
		pause(again, 30*ms)
		return overwrite(again, r, []string{texts[0] + " again"})
	}
	return s, err
}

// TestBrokenDNS: what outsiders see is told, and what nobody wrote is a failure.
func TestBrokenDNS(t *testing.T) {
	for _, c := range []struct {
		name    string
		look    func(n int, texts []string) ([]string, error)
		verdict Verdict
		text    string
	}{
		{"as it is", func(_ int, texts []string) ([]string, error) { return texts, nil }, Passed, "5 writes were shown after 0.0 ms"},
		{"something else", func(n int, texts []string) ([]string, error) {
			if n == 3 {
				return []string{"v=spf1 ~all"}, nil
			}
			return texts, nil
		}, Failed, `DNS showed what nobody had written: "v=spf1 ~all"`},
		{"none now and then", func(n int, texts []string) ([]string, error) {
			if n%2 == 0 {
				return nil, nil
			}
			return texts, nil
		}, Passed, "looks showed no value and 0 several"},
		{"never", func(int, []string) ([]string, error) { return nil, nil }, Advice, "was not shown by DNS within 2m0s"},
		{"no answer", func(int, []string) ([]string, error) { return nil, errors.New("SERVFAIL") }, Advice, "DNS does not answer: SERVFAIL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := new(world)
				s := w.subject()
				n := 0
				s.Look = func(_ context.Context, name string) ([]string, error) {
					n++
					return c.look(n, w.Texts(name))
				}
				r := w.try(t.Context(), s, Options{})
				if got := find(t, r, checkDNS); got.Verdict != c.verdict || !strings.Contains(got.Text, c.text) {
					t.Errorf("%s: %s; want %s with %q", got.Verdict, got.Text, c.verdict, c.text)
				}
				if want := c.verdict != Failed; r.Passed != want {
					t.Errorf("passed: %v, want %v", r.Passed, want)
				}
			})
		})
	}
	t.Run("with both for a while, and late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := new(world)
			s := w.subject()
			// One second of delay, and half a second in which old and new are shown.
			type change struct {
				at    time.Time
				texts []string
			}
			var mu sync.Mutex
			var changes []change
			w.wrap = answering(func(texts []string, s register.Snapshot, err error) (register.Snapshot, error) {
				mu.Lock()
				defer mu.Unlock()
				if err == nil && (len(texts) != 2 || texts[0] > texts[1]) {
					changes = append(changes, change{time.Now(), texts})
				}
				return s, err
			})
			s.Look = func(context.Context, string) ([]string, error) {
				mu.Lock()
				defer mu.Unlock()
				var texts []string
				for _, c := range changes {
					switch age := time.Since(c.at); {
					case age > 1500*ms:
						texts = c.texts
					case age > time.Second:
						texts = slices.Concat(texts, c.texts)
					}
				}
				return texts, nil
			}
			r := w.try(t.Context(), s, Options{})
			if !r.Passed || r.DNS.Shown != 5 || r.DNS.Several == 0 || r.DNS.Unknown > 0 || r.DNS.P50 < Millis(1400*ms) || r.DNS.Max > Millis(3*time.Second) {
				t.Errorf("%+v in\n%s", r.DNS, r.Text())
			}
		})
	})
}

// TestNoSecret: a report shows what errors say, and no more; without the zone, the
// zone is nowhere.
func TestWithoutZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{wrap: swapping(func(_ context.Context, _ register.Register, _ register.Snapshot, _ []string) (register.Snapshot, error) {
			return register.Snapshot{}, &register.Problem{
				Err: fmt.Errorf("memory: swap x.Example.COM: %w", register.ErrRefused), Do: "grant *.example.com | or `not`",
			}
		})}
		r := w.try(t.Context(), w.subject(), Options{Version: "solotick 1.2.3"})
		for _, text := range []string{r.Text(), r.Markdown()} {
			if !strings.Contains(strings.ToLower(text), testZone) || !strings.Contains(text, "solotick 1.2.3") {
				t.Errorf("no zone or version in\n%s", text)
			}
		}
		if !strings.Contains(r.Markdown(), "grant \\*.example.com \\| or \\`not\\`") {
			t.Errorf("not a cell of a table:\n%s", r.Markdown())
		}
		hidden := r.WithoutZone()
		for _, text := range []string{hidden.Text(), hidden.Markdown(), string(encode(t, hidden))} {
			if strings.Contains(strings.ToLower(text), testZone) {
				t.Errorf("the zone is in\n%s", text)
			}
		}
		if !bytes.Contains(encode(t, r), []byte(testZone)) {
			t.Error("the report itself was changed")
		}
	})
}
