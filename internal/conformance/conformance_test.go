package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestMemory: an exact register passes, and what was found is in the report.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(world)
		s := w.subject()
		w.Put("canary."+testZone, "somebody's")
		var told []Result
		r := Run(t.Context(), s, Options{}, func(r Result) { told = append(told, r) })
		if !r.Passed || failures(r) != nil {
			t.Errorf("not passed:\n%s", r.Text())
		}
		if diff := cmp.Diff(r.Checks, told); diff != "" {
			t.Errorf("told (-report +told):\n%s", diff)
		}
		if r.Swaps.Rounds != 20 || r.Swaps.OneWinner != 20 || r.Swaps.Conflicts != 20*7 || r.Creates.Rounds != 10 || r.Creates.OneWinner != 10 {
			t.Errorf("swaps %+v, creates %+v", r.Swaps, r.Creates)
		}
		if r.Reads.Loads < 50 || r.Reads.Stale != 0 || r.Reads.P50 != Millis(20*ms) {
			t.Errorf("reads %+v", r.Reads)
		}
		l := r.Lost
		if l.Cuts != 20 || l.Done+l.NotSent+l.Uncertain != 20 || l.Done < 2 || l.NotSent < 2 || l.Uncertain < 8 || l.Applied == 0 || l.Wrong != 0 {
			t.Errorf("lost replies %+v", l)
		}
		if rate := r.Rate; rate.PerSwap != 2 || rate.PerLoad != 1 || rate.Sent < 400 || rate.Hour != 258 || rate.Throttled != 0 {
			t.Errorf("rate %+v", rate)
		}
		if tm := r.Time; !tm.Present || !tm.WholeSeconds || tm.Offset > 1 || tm.Offset < -1 || tm.Spread != 0 {
			t.Errorf("time %+v", tm)
		}
		for _, text := range r.Texts {
			if !text.OK {
				t.Errorf("%s: %s", text.What, text.Found)
			}
		}
		for _, name := range []string{s.Name, s.Neighbour} {
			if left := w.Texts(name); len(left) > 0 {
				t.Errorf("left over at %s: %q", name, left)
			}
		}
		if got := w.Texts("canary." + testZone); len(got) != 1 {
			t.Errorf("somebody's record holds %q", got)
		}
	})
}

// TestReport: the report as JSON has what a program needs, in known words.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(world)
		s := w.subject()
		r := w.try(t.Context(), s, Options{Swaps: 2, Creates: 1, Racers: 3, Version: "1.2.3"})
		var doc map[string]any
		if err := json.Unmarshal(encode(t, r), &doc); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]any{
			"schema": "solotick.conformance/v1", "provider": "memory", "class": "exact", "zone": testZone, "name": s.Name,
			"version": "1.2.3", "passed": true, "interrupted": false, "slow": false,
		} {
			if doc[key] != want {
				t.Errorf("%s: %v, want %v", key, doc[key], want)
			}
		}
		swaps := doc["swaps"].(map[string]any)
		if swaps["rounds"] != 2.0 || swaps["racers"] != 3.0 || swaps["one_winner"] != 2.0 || swaps["p50_ms"] == 0.0 {
			t.Errorf("swaps: %v", swaps)
		}
		for _, part := range []string{"creates", "reads", "lost_replies", "texts", "dns", "time", "rate", "checks", "began", "took_seconds"} {
			if doc[part] == nil {
				t.Errorf("%s is missing", part)
			}
		}
		if !strings.Contains(r.Text(), "ok      swaps        2 rounds of 3 clients, one winner in each") {
			t.Errorf("as text:\n%s", r.Text())
		}
		if !strings.Contains(r.Markdown(), "| swaps | ok | 2 rounds of 3 clients, one winner in each") {
			t.Errorf("as Markdown:\n%s", r.Markdown())
		}
	})
}

// TestSlow: of a register that takes long, less is tried, and that is said.
func TestSlow(t *testing.T) {
	for _, c := range []struct {
		name  string
		class register.Class
		slow  time.Duration
		opt   Options
		swaps int
	}{
		{"by its class", register.Timed, 30 * time.Second, Options{}, 3},
		{"as it turns out", register.Ballot, 6 * time.Second, Options{}, 3},
		{"but as asked", register.Timed, 30 * time.Second, Options{Swaps: 5}, 5},
		{"not slow", register.Ballot, 4 * time.Second, Options{}, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{slow: c.slow}
				s := w.subject()
				s.Class = c.class
				r := w.try(t.Context(), s, c.opt)
				if !r.Passed || r.Swaps.Rounds != c.swaps {
					t.Errorf("%d rounds, want %d:\n%s", r.Swaps.Rounds, c.swaps, r.Text())
				}
				want := c.name != "not slow"
				if r.Slow != want {
					t.Errorf("slow: %v", r.Slow)
				}
				if want && find(t, r, checkPace).Verdict != Advice {
					t.Errorf("it is not said in\n%s", r.Text())
				}
			})
		})
	}
}

// TestPlan: what a run costs is known before it, about.
func TestPlan(t *testing.T) {
	count := func() int64 { return 0 }
	for _, c := range []struct {
		name     string
		subject  Subject
		lines    string
		requests int
		takes    time.Duration
	}{
		{"nobody counts", Subject{Name: "x", Neighbour: "xb", Class: register.Exact}, "x and its neighbour xb are written to", 0, 157 * time.Second},
		{"an API", Subject{Class: register.Exact, Requests: count}, "in 20 rounds 8 clients", 891, 157 * time.Second},
		{"ballots", Subject{Class: register.Ballot, Requests: count}, "about 3250 requests", 3250, 157 * time.Second},
		{"with a rate", Subject{Class: register.Exact, Requests: count, Rate: 1.5, Burst: 10}, "it takes up to 10 minutes", 891, 587 * time.Second},
		{"slow", Subject{Class: register.Timed, Requests: count}, "in 3 rounds 4 clients swap one record at the same time, and in 2 they create it; these are fewer", 213, 1470 * time.Second},
	} {
		p := NewPlan(c.subject, Options{})
		if lines := strings.Join(p.Lines, "; "); !strings.Contains(lines, c.lines) || p.Requests != c.requests || p.Takes.Round(time.Second) != c.takes {
			t.Errorf("%s: %d requests, %s: %s", c.name, p.Requests, p.Takes, lines)
		}
	}
}

// TestPace: a run keeps within the rate that it is given.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(world)
		w.requests.Store(1000) // by others
		s := w.subject()
		s.Rate, s.Burst = 5, 30
		began, most := time.Now(), 0.0
		look := s.Look
		s.Look = func(ctx context.Context, name string) ([]string, error) {
			most = max(most, float64(w.requests.Load()-1000)-5*time.Since(began).Seconds())
			return look(ctx, name)
		}
		r := w.try(t.Context(), s, Options{Swaps: 5, Creates: 5})
		took := time.Since(began)
		sent := w.requests.Load() - 1000
		if !r.Passed || took < time.Duration(sent-60)*time.Second/5 || took > time.Duration(sent+60)*time.Second/5 || most > 40 {
			t.Errorf("%d requests in %s, %.0f ahead at most:\n%s", sent, took, most, r.Text())
		}
	})
}

// TestInterrupted: after the end of the context, at any moment, nothing is left.
func TestInterrupted(t *testing.T) {
	seen := map[string]bool{}
	for moment := 10 * ms; moment < 10*time.Second; moment += 173 * ms {
		synctest.Test(t, func(t *testing.T) {
			w := new(world)
			s := w.subject()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// No context.WithTimeout: the race detector breaks where functions of
			// timers run in a bubble (golang/go#78156).
			go func() {
				pause(ctx, moment)
				cancel()
			}()
			began := time.Now()
			r := w.try(ctx, s, Options{})
			if r.Interrupted == r.Passed || r.Conclusive() != r.Passed || (r.Err() == nil) != r.Passed {
				t.Errorf("after %s: interrupted %v, passed %v:\n%s", moment, r.Interrupted, r.Passed, r.Text())
			}
			if left := append(w.Texts(s.Name), w.Texts(s.Neighbour)...); len(left) > 0 || r.Leftovers != nil {
				t.Errorf("after %s: left over: %q, told: %v", moment, left, r.Leftovers)
			}
			if r.Interrupted {
				seen[r.Checks[len(r.Checks)-2].Check] = true
				if took := time.Since(began) - moment; took > 10*time.Second {
					t.Errorf("after %s it took another %s to end", moment, took)
				}
			}
		})
	}
	if len(seen) < 6 {
		t.Errorf("interrupted in %v only", seen)
	}
}

// TestAccess: what cannot even begin says why, and what to do, and touches nothing.
func TestAccess(t *testing.T) {
	problem := &register.Problem{Err: fmt.Errorf("memory: swap: the token may not write (403): %w", register.ErrRefused), Do: "grant it"}
	refuse := func(_ context.Context, _ register.Register, _ register.Snapshot, _ []string) (register.Snapshot, error) {
		return register.Snapshot{}, problem
	}
	for _, c := range []struct {
		name   string
		change func(*world, *Subject)
		text   string
		do     string
	}{
		{"refused", func(w *world, _ *Subject) { w.wrap = swapping(refuse) }, "may not write (403)", "grant it; for this run the credential has to be allowed the names below _solotick-conformance.example.com too"},
		{"something is there", func(w *world, s *Subject) { w.Put(s.Name, "hello") }, "is it the answer of a wildcard?", ""},
		{"something is beside", func(w *world, s *Subject) { w.Put(s.Neighbour, "hello") }, "is it the answer of a wildcard?", ""},
		{"another zone's name", func(w *world, s *Subject) { s.Name = "canary.example.org" }, "is not below the zone", ""},
		{"the zone itself", func(w *world, s *Subject) { s.Name = testZone }, "is not below the zone", ""},
		{"it cannot be opened", func(_ *world, s *Subject) {
			s.Open = func(string) (register.Register, error) { return nil, errors.New("no such zone") }
		}, "no such zone", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := new(world)
				s := w.subject()
				c.change(w, &s)
				before := append(w.Texts(s.Name), w.Texts(s.Neighbour)...)
				r := w.try(t.Context(), s, Options{})
				got := find(t, r, checkAccess)
				if r.Passed || r.Conclusive() || r.Err() == nil || got.Verdict != Failed || !strings.Contains(got.Text, c.text) || got.Do != c.do {
					t.Errorf("%+v, want failed with %q, to do %q", got, c.text, c.do)
				}
				if after := append(w.Texts(s.Name), w.Texts(s.Neighbour)...); !cmp.Equal(before, after) {
					t.Errorf("there was %q, and is %q", before, after)
				}
			})
		})
	}
}

// TestLeftOver: what cannot be removed is told.
func TestLeftOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(world)
		gone := false
		away := errors.New("connection refused")
		w.wrap = func(r register.Register) register.Register {
			return broken{
				Register: r,
				load: func(ctx context.Context) (register.Snapshot, error) {
					if gone {
						return register.Snapshot{}, away
					}
					return r.Load(ctx)
				},
				swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
					if gone {
						return register.Snapshot{}, away
					}
					return r.Swap(ctx, old, texts)
				},
			}
		}
		s := w.subject()
		report := Run(t.Context(), s, Options{}, func(r Result) { gone = gone || r.Check == checkSwaps })
		w.late.Wait()
		if report.Passed || report.Conclusive() || len(report.Leftovers) != 2 {
			t.Fatalf("passed %v, left %v", report.Passed, report.Leftovers)
		}
		got := find(t, report, checkCleanUp)
		if got.Verdict != Failed || !strings.Contains(got.Text, s.Name) || !strings.Contains(got.Text, s.Neighbour) || !strings.Contains(got.Text, "connection refused") || got.Do == "" {
			t.Errorf("%+v", got)
		}
	})
}

// TestLeave: clients that keep something in the zone take it out in the end, or that
// is told.
func TestLeave(t *testing.T) {
	for _, err := range []error{nil, errors.New("not deleted (503)")} {
		synctest.Test(t, func(t *testing.T) {
			w := new(world)
			s := w.subject()
			left := 0
			s.Leave = func(context.Context) error {
				left++
				if there := append(w.Texts(s.Name), w.Texts(s.Neighbour)...); len(there) > 0 {
					t.Errorf("it left while there was %q", there)
				}
				return err
			}
			r := w.try(t.Context(), s, Options{Swaps: 1, Creates: 1})
			if left != 1 || !r.Passed || (r.Leftovers == nil) != (err == nil) {
				t.Errorf("left %d times, error %v:\n%s", left, err, r.Text())
			}
			if got := find(t, r, checkCleanUp); err != nil && (got.Verdict != Advice || !strings.Contains(got.Text, "something below _solotick-conformance.example.com (not deleted (503))")) {
				t.Errorf("it is not told:\n%s", r.Text())
			}
		})
	}
}

// TestThrottled: a service that wants fewer requests makes a run longer, and no
// register worse.
func TestThrottled(t *testing.T) {
	tooMany := errors.New("throttled (429)")
	synctest.Test(t, func(t *testing.T) {
		w := new(world)
		// 12 swaps at once, and then 4 a second.
		room, last := 12.0, time.Now()
		lock := make(chan struct{}, 1)
		w.wrap = swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
			lock <- struct{}{}
			room = min(12, room+4*time.Since(last).Seconds())
			last = time.Now()
			ok := room >= 1
			if ok {
				room--
			}
			<-lock
			if !ok {
				return register.Snapshot{}, tooMany
			}
			return r.Swap(ctx, old, texts)
		})
		s := w.subject()
		s.Throttled = func(err error) bool { return errors.Is(err, tooMany) }
		r := w.try(t.Context(), s, Options{})
		if !r.Passed || r.Rate.Throttled == 0 || r.Swaps.OneWinner != 20 || r.Swaps.NotSent == 0 || r.Lost.Wrong > 0 {
			t.Errorf("rate %+v, swaps %+v:\n%s", r.Rate, r.Swaps, r.Text())
		}
		if got := find(t, r, checkRate); got.Verdict != Advice || !strings.Contains(got.Text, "times the service wanted fewer") {
			t.Errorf("%+v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := new(world)
		var n atomic.Int64
		w.wrap = swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
			if len(texts) > 0 && n.Add(1) > 12 {
				return register.Snapshot{}, tooMany
			}
			return r.Swap(ctx, old, texts)
		})
		r := w.try(t.Context(), w.subject(), Options{})
		if r.Passed || !strings.Contains(r.Text(), "throttled (429)") || r.Leftovers != nil {
			t.Errorf("a register that takes no swaps any more:\n%s", r.Text())
		}
	})
}

// TestLossy: replies and requests that are lost, and swaps that land late, make no
// register worse.
func TestLossy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(world)
		var n atomic.Int64
		lost := fmt.Errorf("memory: %w: no reply", register.ErrUncertain)
		w.wrap = swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
			switch n.Add(1) % 15 {
			case 5: // the reply is lost
				_, _ = r.Swap(ctx, old, texts)
				return register.Snapshot{}, lost
			case 10: // the request is lost
				pause(ctx, 20*ms)
				return register.Snapshot{}, lost
			case 0: // it lands late
				w.late.Go(func() {
					pause(context.WithoutCancel(ctx), 400*ms)
					_, _ = r.Swap(context.WithoutCancel(ctx), old, texts)
				})
				return register.Snapshot{}, lost
			}
			return r.Swap(ctx, old, texts)
		})
		s := w.subject()
		r := w.try(t.Context(), s, Options{Swaps: 40, Creates: 20})
		if !r.Passed || r.Swaps.OneWinner != 40 || r.Creates.OneWinner != 20 || r.Swaps.Uncertain < 20 || r.Swaps.UncertainApplied == 0 || r.Lost.Wrong > 0 {
			t.Errorf("swaps %+v, creates %+v, lost %+v:\n%s", r.Swaps, r.Creates, r.Lost, r.Text())
		}
		if left := append(w.Texts(s.Name), w.Texts(s.Neighbour)...); len(left) > 0 {
			t.Errorf("left over: %q", left)
		}
	})
}

// TestTime: what the register says of the time, and of this machine's clock.
func TestTime(t *testing.T) {
	n := 0
	for _, c := range []struct {
		name    string
		change  func(time.Time) time.Time
		verdict Verdict
		text    string
	}{
		{"right", func(t time.Time) time.Time { return t }, Passed, "told in whole seconds"},
		{"none", func(time.Time) time.Time { return time.Time{} }, Advice, "tells no time"},
		{"behind", func(t time.Time) time.Time { return t.Add(-7 * time.Second) }, Advice, "ahead of the register"},
		{"ahead", func(t time.Time) time.Time { return t.Add(7 * time.Second) }, Advice, "behind the register"},
		{"two clocks", func(t time.Time) time.Time {
			n++
			return t.Add(time.Duration(n%2) * 20 * time.Second)
		}, Advice, "differ by"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{wrap: timing(c.change)}
				r := w.try(t.Context(), w.subject(), Options{Racers: 2})
				if got := find(t, r, checkTime); got.Verdict != c.verdict || !strings.Contains(got.Text, c.text) || !r.Passed {
					t.Errorf("%+v, passed %v; want %s with %q", got, r.Passed, c.verdict, c.text)
				}
			})
		})
	}
}

// TestTextsThatAreNotEssential: what a provider does not keep is told, and what to
// do.
func TestTextsThatAreNotEssential(t *testing.T) {
	for _, c := range []struct {
		name string
		wrap wrapper
		text string
		do   string
	}{
		{"long texts are cut", writing(func(texts []string) []string {
			for i := range texts {
				texts[i] = texts[i][:min(len(texts[i]), 255)]
			}
			return texts
		}), "4 of 16 kinds of text do not: 256 octets: it became", "within 255 octets"},
		{"one value only", writing(func(texts []string) []string { return texts[:min(len(texts), 1)] }), "several values: it became", "a name at which nothing else is"},
		{"no backslash", swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
			if strings.Contains(strings.Join(texts, ""), `\`) {
				return register.Snapshot{}, &register.Problem{Err: fmt.Errorf("bad character: %w", register.ErrRefused)}
			}
			return r.Swap(ctx, old, texts)
		}), "backslashes: it was not taken: bad character", "SOLOTICK_STATE_OUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The neighbour has two values, which is not what is looked at here.
				w := new(world)
				s := w.subject()
				open := s.Open
				s.Open = func(name string) (register.Register, error) {
					r, err := open(name)
					if name == s.Name {
						r = c.wrap(r)
					}
					return r, err
				}
				r := w.try(t.Context(), s, Options{})
				got := find(t, r, checkTexts)
				if got.Verdict != Advice || !strings.Contains(got.Text, c.text) || !strings.Contains(got.Do, c.do) || !r.Passed {
					t.Errorf("%+v; want advice with %q, to do %q:\n%s", got, c.text, c.do, r.Text())
				}
			})
		})
	}
}
