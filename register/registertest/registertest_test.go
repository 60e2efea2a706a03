package registertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
)

const (
	name   = "canary.example.com"
	beside = "beside.example.com"
	secret = "c2VjcmV0"
)

func memoryFixture(wrap func(register.Register) register.Register) func(*testing.T) Fixture {
	return func(*testing.T) Fixture {
		m := new(register.Memory)
		open := func() register.Register { return wrap(m.At(name)) }
		return Fixture{
			Provider: "", Name: name, Secrets: []string{secret}, Open: open,
			Neighbour:   func() register.Register { return wrap(m.At(beside)) },
			LoseReply:   func() register.Register { return wrap(NewFaulty(m.At(name), name, Lose)) },
			LoseRequest: func() register.Register { return wrap(NewFaulty(m.At(name), name, Drop)) },
			Unreachable: func() register.Register {
				f := NewFaulty(m.At(name), name)
				f.SetDown(true)
				return wrap(f)
			},
		}
	}
}

// broken is a register that breaks the contract in one way.
type broken struct {
	register.Register
	load func(context.Context) (register.Snapshot, error)
	swap func(context.Context, register.Snapshot, []string) (register.Snapshot, error)
}

func (b broken) Load(ctx context.Context) (register.Snapshot, error) {
	if b.load == nil {
		return b.Register.Load(ctx)
	}
	return b.load(ctx)
}

func (b broken) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if b.swap == nil {
		return b.Register.Swap(ctx, old, texts)
	}
	return b.swap(ctx, old, texts)
}

// brokenSwap is a register that does something else with a swap.
func brokenSwap(swap func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error)) func(register.Register) register.Register {
	return func(r register.Register) register.Register {
		return broken{Register: r, swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
			return swap(ctx, r, old, texts)
		}}
	}
}

// brokenResult is a register that answers a swap with something else.
func brokenResult(answer func(register.Snapshot, error) (register.Snapshot, error)) func(register.Register) register.Register {
	return brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		return answer(r.Swap(ctx, old, texts))
	})
}

// brokenTexts is a register that writes other texts.
func brokenTexts(change func([]string) []string) func(register.Register) register.Register {
	return brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		s, err := r.Swap(ctx, old, change(slices.Clone(texts)))
		if err == nil {
			s.Texts = texts
		}
		return s, err
	})
}

// breaks lists a broken register for each sentence of the suite, and for each that
// only Weak has, which must catch it.
var breaks = []struct {
	sentence string
	wrap     func(register.Register) register.Register
}{
	{"nothing at the name is no error", func(r register.Register) register.Register {
		return broken{Register: r, load: func(ctx context.Context) (register.Snapshot, error) {
			s, err := r.Load(ctx)
			if err == nil && len(s.Texts) == 0 {
				err = errors.New("no such record")
			}
			return s, err
		}}
	}},
	{"an old without texts creates", brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		if old.Time.IsZero() {
			return old, register.ErrConflict
		}
		return r.Swap(ctx, old, texts)
	})},
	{"create over something conflicts and changes nothing", brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		if len(old.Texts) == 0 {
			old, _ = r.Load(ctx)
		}
		return r.Swap(ctx, old, texts)
	})},
	{"the result of a swap is what a Load would give", brokenResult(func(s register.Snapshot, err error) (register.Snapshot, error) {
		s.Tag = "other"
		return s, err
	})},
	{"a chain of swaps needs no Load", brokenResult(func(_ register.Snapshot, err error) (register.Snapshot, error) {
		return register.Snapshot{}, err
	})},
	{"a stale snapshot conflicts and changes nothing", brokenSwap(func(ctx context.Context, r register.Register, _ register.Snapshot, texts []string) (register.Snapshot, error) {
		old, _ := r.Load(ctx)
		return r.Swap(ctx, old, texts)
	})},
	{"empty texts remove", brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		if len(texts) == 0 {
			return register.Snapshot{}, nil
		}
		return r.Swap(ctx, old, texts)
	})},
	{"old comes from another client as well", func(r register.Register) register.Register {
		mine := ""
		return broken{Register: r, swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
			if len(old.Texts) > 0 && old.Tag != mine {
				return old, register.ErrConflict
			}
			s, err := r.Swap(ctx, old, texts)
			mine = s.Tag
			return s, err
		}}
	}},
	{"every text survives byte for byte", brokenTexts(func(texts []string) []string {
		for i := range texts {
			texts[i] = strings.ReplaceAll(texts[i], `\0`, "0")
		}
		return texts
	})},
	{"several texts are one set", brokenTexts(func(texts []string) []string { return texts[:min(1, len(texts))] })},
	{"old is the whole set", brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		held, _ := r.Load(ctx)
		for _, text := range old.Texts {
			if slices.Contains(held.Texts, text) {
				return r.Swap(ctx, held, texts)
			}
		}
		return r.Swap(ctx, old, texts)
	})},
	{"a Load sees the latest swap", lagging},
	{"the time is in whole seconds", brokenResult(func(s register.Snapshot, err error) (register.Snapshot, error) {
		s.Time = s.Time.Add(time.Millisecond)
		return s, err
	})},
	{"a neighbour is untouched", func() func(register.Register) register.Register {
		var all []register.Register
		return brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
			all = append(all, r)
			for _, other := range all {
				if s, _ := other.Load(ctx); slices.Equal(s.Texts, []string{"and more", "beside"}) {
					_, _ = other.Swap(ctx, s, []string{"beside"})
				}
			}
			return r.Swap(ctx, old, texts)
		})
	}()},
	{"of many swaps of one snapshot one wins", brokenSwap(checkThenAct)},
	{"of many creates one wins", brokenSwap(checkThenAct)},
	{"a lost reply is uncertain", brokenResult(func(s register.Snapshot, err error) (register.Snapshot, error) {
		if errors.Is(err, register.ErrUncertain) {
			err = fmt.Errorf("%s: %w", name, register.ErrConflict)
		}
		return s, err
	})},
	{"a lost request is uncertain", brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		s, err := r.Swap(ctx, old, texts)
		if errors.Is(err, register.ErrUncertain) {
			return r.Swap(ctx, old, texts) // it tries twice
		}
		return s, err
	})},
	{"a refused connection is no outcome", brokenResult(func(s register.Snapshot, err error) (register.Snapshot, error) {
		if isPlain(err) {
			err = fmt.Errorf("%w: %w", register.ErrUncertain, err)
		}
		return s, err
	})},
	{"a context that has ended sends nothing", brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		return r.Swap(context.WithoutCancel(ctx), old, texts)
	})},
	{"a context that ends meanwhile leaves one of two truths", brokenSwap(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		s, err := r.Swap(ctx, old, texts)
		if err == nil && ctx.Done() != nil && strings.HasPrefix(texts[0], "swap") {
			err = context.DeadlineExceeded // applied, and denied
		}
		return s, err
	})},
	{"one client is safe for concurrent use", func(r register.Register) register.Register {
		var latest atomic.Pointer[register.Snapshot] // one for all goroutines
		return broken{
			Register: r,
			load: func(ctx context.Context) (register.Snapshot, error) {
				s, err := r.Load(ctx)
				latest.Store(&s)
				return s, err
			},
			swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
				time.Sleep(time.Millisecond) // others load meanwhile
				if s := latest.Load(); s != nil {
					old = *s
				}
				return r.Swap(ctx, old, texts)
			},
		}
	}},
	{"operations are linearizable", lagging},
	{"in time, a swap that was told done is not lost", brokenSwap(checkThenAct)},
	{"errors name the provider and the record and no secret", brokenResult(func(s register.Snapshot, err error) (register.Snapshot, error) {
		if err != nil {
			err = fmt.Errorf("key %s: %w", secret, err)
		}
		return s, err
	})},
}

// lagging is a register whose every fifth Load shows what an earlier one saw.
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

// checkThenAct compares first and swaps later, without a lock.
func checkThenAct(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
	held, err := r.Load(ctx)
	if err != nil || held.Tag != old.Tag {
		return held, register.ErrConflict
	}
	time.Sleep(time.Millisecond)
	for {
		if held, err = r.Load(ctx); err != nil {
			return held, err
		}
		if s, err := r.Swap(ctx, held, texts); err == nil {
			return s, nil
		}
	}
}

// TestSuiteCatchesBrokenRegisters runs the suite in processes of its own, since
// there it has to fail.
func TestSuiteCatchesBrokenRegisters(t *testing.T) {
	if sentence := os.Getenv("REGISTERTEST_BROKEN"); sentence != "" {
		for _, b := range breaks {
			switch {
			case b.sentence != sentence:
			case strings.HasPrefix(sentence, "in time"):
				Weak(t, memoryFixture(b.wrap))
				return
			default:
				Test(t, memoryFixture(b.wrap))
				return
			}
		}
		return
	}
	for _, b := range breaks {
		t.Run(b.sentence, func(t *testing.T) {
			t.Parallel()
			run := "^TestSuiteCatchesBrokenRegisters$/^" + strings.ReplaceAll(b.sentence, " ", "_") + "$"
			cmd := exec.Command(os.Args[0], "-test.run="+run, "-test.v")
			cmd.Env = append(os.Environ(), "REGISTERTEST_BROKEN="+b.sentence)
			out, err := cmd.CombinedOutput()
			want := "--- FAIL: TestSuiteCatchesBrokenRegisters/" + strings.ReplaceAll(b.sentence, " ", "_")
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite passes a register that breaks this sentence (%v):\n%s", err, out)
			}
			if strings.Contains(string(out), "panic:") {
				t.Errorf("it was caught by a panic:\n%s", out)
			}
		})
	}
}
