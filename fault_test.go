package solotick

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

// The reply, or the request, of each kind of write is lost once, or doubled.
// The tick is run once, nearly at once, and the next one on time.
func TestOneWriteGoesWrong(t *testing.T) {
	for _, write := range []struct {
		name string
		at   time.Duration
	}{{"claim", 59 * time.Second}, {"renewal", 61 * time.Second}, {"report", 66 * time.Second}} {
		for fault, name := range map[registertest.Fault]string{
			registertest.Lose: "reply lost", registertest.Drop: "request lost", registertest.Duplicate: "doubled",
			registertest.Delay: "late", registertest.Unreachable: "not sent", registertest.Hang: "hangs", registertest.Refuse: "refused",
		} {
			t.Run(write.name+" "+name, func(t *testing.T) {
				bubble(t, func(w *world) {
					all := w.agents(3, minutely)
					for _, n := range all {
						n.work = works(8 * time.Second)
					}
					w.until(58 * time.Second)
					i := incumbent(w)
					w.until(write.at)
					i.reg.Swaps(fault)
					swaps := i.swaps()
					w.until(85 * time.Second)
					runs := w.wantRuns("60/1")
					if runs[0].err != nil || runs[0].ended < 0 {
						t.Errorf("%v: %v", &runs[0], runs[0].err)
					}
					hang := fault == registertest.Hang
					if lag := runs[0].began - time.Minute; lag > time.Second && !hang || lag > 13*time.Second {
						t.Errorf("began %v after the tick", lag)
					}
					if n := i.swaps() - swaps; n > 4 {
						t.Errorf("%d writes", n)
					}
					before := w.record()
					if before.Last != record.OK || before.Claimed {
						t.Errorf("record %v", before)
					}
					for _, err := range i.land() {
						if !errors.Is(err, register.ErrConflict) {
							t.Errorf("the late copy ended in %v", err)
						}
					}
					if w.record() != before {
						t.Errorf("a late copy wrote %v over %v", w.record(), before)
					}
					w.until(122 * time.Second)
					w.wantRuns("60/1", "120/1")
				})
			})
		}
	}
}

// incumbent is the node that the record names.
func incumbent(w *world) *node {
	w.Helper()
	id := w.record().ID
	for _, n := range w.nodes {
		if n.ID == id {
			return n
		}
	}
	w.Fatalf("no agent has the id %s", id)
	return nil
}

// A renewal whose reply was lost is found by a Load: the trust window that it
// opened is passed on to the run, counted from before the request.
func TestLostRenewalGrowsLeft(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.node(minutely)
		type change struct{ at, end time.Duration }
		var seen []change
		n.work = func(ctx context.Context, tick Tick) error {
			over := time.After(13 * time.Second)
			for {
				select {
				case <-tick.Renewed():
					if c := (change{w.now(), w.now() + tick.Left()}); len(seen) == 0 || c.end != seen[len(seen)-1].end {
						seen = append(seen, c)
					}
				case <-over:
					return nil
				}
			}
		}
		n.run()
		w.until(62 * time.Second)
		n.reg.Swaps(registertest.Lose) // at 65
		w.until(75 * time.Second)
		if len(seen) != 3 {
			t.Fatalf("windows %v, want three", seen)
		}
		for i, want := range []time.Duration{75 * time.Second, 80 * time.Second, 85 * time.Second} { // 15 s after each request
			if got := seen[i].end - want; got < 0 || got > 2*n.rtt {
				t.Errorf("window %d ends at %v, want %v", i, seen[i].end, want)
			}
		}
		// The reply was lost at once or so; the register is asked half a second later.
		if at := seen[1].at; at < 65*time.Second || at > 66*time.Second {
			t.Errorf("the lost renewal was found at %v", at)
		}
	})
}

// A claim arrives when its sender has given it up: it lapses like any other.
func TestClaimLandsAfterItWasGivenUp(t *testing.T) {
	bubble(t, func(w *world) {
		w.agents(3, minutely)
		w.until(58 * time.Second)
		i := incumbent(w)
		i.reg.Swaps(registertest.Delay)
		w.until(60*time.Second + 5*time.Millisecond)
		i.reg.SetDown(true) // nothing but the late claim gets through
		time.Sleep(time.Second)
		if errs := i.land(); len(errs) != 1 || errs[0] != nil {
			t.Fatalf("landed: %v", errs)
		}
		w.until(61*time.Second + elect.WorstTakeover(minutely) + trips)
		runs := w.wantRuns("60/2")
		if runs[0].node == i || runs[0].Last != record.Lost {
			t.Errorf("%+v", runs[0].Tick)
		}
		i.reg.SetDown(false)
		w.until(125 * time.Second)
		w.wantRuns("60/2", "120/1")
	})
}

// A register that refuses an agent's credential is asked rarely, and complained
// about once; the job is not run without it, as DNS shows that it answers.
func TestRefused(t *testing.T) {
	for _, look := range []bool{true, false} {
		t.Run(fmt.Sprintf("DNS %v", look), func(t *testing.T) {
			bubble(t, func(w *world) {
				n := w.node(minutely)
				if !look {
					n.Look = nil
				}
				n.reg.Swaps(refuses(100000)...)
				n.reg.Loads(refuses(100000)...)
				n.run()
				w.until(time.Hour)
				w.wantRuns()
				if got := n.loads() + n.swaps(); got < 60 || got > 60*4 {
					t.Errorf("%d requests in an hour, want one in half a minute or so", got)
				}
				if got := n.looks(); got > 120 {
					t.Errorf("%d looks in an hour", got)
				}
				if got := n.warnings("no run starts meanwhile"); got != 1 {
					t.Errorf("%d complaints, want one", got)
				}
			})
		})
	}
}

// Each write is refused although nothing has changed: the server is said to
// have a stale view, once, and tried ever more rarely.
func TestStaleView(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.node(minutely)
		n.stuck = true
		n.run()
		w.until(time.Hour)
		w.wantRuns()
		if got := n.warnings("stale view"); got != 1 {
			t.Errorf("%d warnings, want one", got)
		}
		if got := n.swaps() + n.loads(); got < 60 || got > 600 {
			t.Errorf("%d requests in an hour", got)
		}
	})
}

// A credential that may read and not write: the others run the job.
func TestOneIsRefused(t *testing.T) {
	bubble(t, func(w *world) {
		all := w.agents(3, minutely)
		w.until(90 * time.Second)
		i := incumbent(w)
		i.reg.Swaps(refuses(100000)...)
		swaps := i.swaps()
		w.until(30*time.Minute + 30*time.Second)
		runs := w.allRuns()
		if len(runs) != 30 {
			t.Errorf("%d runs in 30 minutes:\n%s", len(runs), w)
		}
		for _, r := range runs[1:] {
			if r.node == i || r.Unarbitrated {
				t.Fatalf("%v", &r)
			}
		}
		if got := i.swaps() - swaps; got > 60 {
			t.Errorf("%d attempts to write in 29 minutes", got)
		}
		if got := i.warnings("cannot write the record"); got < 1 || got > 30 {
			t.Errorf("%d complaints of %s among %d agents", got, i.ID, len(all))
		}
	})
}

// All are killed; later others start: one run, of the latest tick, at once.
func TestAllKilledAndOthersStarted(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(5, minutely) {
			n.work = works(10 * time.Second)
		}
		w.until(5*time.Minute + 3*time.Second)
		for _, n := range w.nodes {
			n.kill()
		}
		w.until(30*time.Minute + 30*time.Second)
		w.agents(5, minutely)
		// A claim lies there. Nobody alive knows since when: a lease is watched.
		w.until(30*time.Minute + 30*time.Second + elect.WorstTakeover(minutely) + 2*time.Second)
		w.wantRuns("60/1", "120/1", "180/1", "240/1", "300/1", "300/2", "1800/1")
		w.until(31*time.Minute + 3*time.Second)
		w.wantRuns("60/1", "120/1", "180/1", "240/1", "300/1", "300/2", "1800/1", "1860/1")
	})
}

// Nobody's goroutines are left when an agent ends while its requests hang.
func TestEndWhileRequestsHang(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.node(minutely)
		n.reg.Loads(hangs(1000)...)
		n.run()
		w.until(25 * time.Second)
		n.stop()
		w.until(36 * time.Second)
		if n.gone() < 0 {
			t.Error("ten seconds after its end an agent still waits for a request")
		}
		synctest.Wait()
	})
}

// One request of the holder hangs: its run goes on. That is what three renewals
// in a lease are for.
func TestOneRequestHangsDuringRun(t *testing.T) {
	for _, at := range []time.Duration{61, 66, 71} {
		bubble(t, func(w *world) {
			n := w.agents(1, minutely)[0]
			n.work = works(40 * time.Second)
			w.until(at * time.Second)
			n.reg.Swaps(registertest.Hang)
			w.until(105 * time.Second)
			if r := w.wantRuns("60/1")[0]; r.err != nil {
				t.Errorf("renewal after %d s: %v", at, &r)
			}
		})
	}
}

// DNS hangs, the register does not: ticks are run on time and runs go on.
func TestDNSHangs(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.agents(1, elect.Policy{Schedule: grid(600)})[0]
		n.dns.Loads(hangs(10000)...)
		n.work = works(9 * time.Minute)
		w.until(61 * time.Minute)
		runs := w.wantRuns("600/1", "1200/1", "1800/1", "2400/1", "3000/1", "3600/1")
		for _, r := range runs {
			if lag := r.began - r.Time.Sub(w.start); lag > 4*time.Second || r.err != nil {
				t.Errorf("%v: %v late, %v", &r, lag, r.err)
			}
		}
	})
}
