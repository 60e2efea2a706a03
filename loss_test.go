package solotick

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

// trips is what a few round trips take at most in these tests.
const trips = 200 * time.Millisecond

// A holder that is killed is replaced within the bound of protocol section
// 10.3, counted from its last renewal, wherever in its run it dies.
func TestHolderKilled(t *testing.T) {
	for _, c := range []struct {
		name    string
		at      time.Duration // of the kill, after the tick
		renewed time.Duration // the last renewal before it
	}{
		{"as the run begins", 30 * time.Millisecond, 0},
		{"before a renewal", 4900 * time.Millisecond, 0},
		{"after a renewal", 5100 * time.Millisecond, 5 * time.Second},
		{"later", 22 * time.Second, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				all := w.agents(3, minutely)
				for _, n := range all {
					n.work = works(25 * time.Second)
				}
				w.until(time.Minute + c.at)
				victim := w.running()
				victim.kill()
				w.until(time.Minute + c.renewed + elect.WorstTakeover(minutely) + trips)
				runs := w.wantRuns("60/1", "60/2")
				if r := runs[1]; r.node == victim || r.Last != record.Lost || r.Fence <= runs[0].Fence {
					t.Errorf("taken over as %+v", r.Tick)
				}
				if gap := runs[1].began - time.Minute - c.renewed; gap < 15*time.Second+elect.Margin(15*time.Second) {
					t.Errorf("taken over %v after the last renewal", gap)
				}
				w.until(150 * time.Second)
				if runs := w.wantRuns("60/1", "60/2", "120/1"); runs[2].node != runs[1].node {
					t.Error("the new incumbent did not go on")
				}
			})
		})
	}
}

// F03: the work is done, and the process dies before it can say so.
func TestHolderKilledBeforeReport(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(2, minutely) {
			n.work = func(ctx context.Context, tick Tick) error {
				err := works(time.Second)(ctx, tick)
				if tick.Attempt == 1 && tick.Time.Sub(w.start) == time.Minute {
					n.kill()
				}
				return err
			}
		}
		w.until(time.Minute + elect.WorstTakeover(minutely) + trips)
		w.wantRuns("60/1", "60/2")
		w.until(125 * time.Second)
		w.wantRuns("60/1", "60/2", "120/1")
	})
}

// An incumbent that dies between ticks costs the head start and the spread.
func TestIncumbentKilledBetweenTicks(t *testing.T) {
	bubble(t, func(w *world) {
		w.agents(3, minutely)
		w.until(90 * time.Second)
		dead := w.wantRuns("60/1")[0].node
		dead.kill()
		w.until(2*time.Minute + 5*time.Second + trips)
		runs := w.wantRuns("60/1", "120/1")
		if lag := runs[1].began - 2*time.Minute; lag < 2*time.Second || runs[1].node == dead {
			t.Errorf("run %v after the tick by %s", lag, runs[1].node.ID)
		}
	})
}

// Every process of a tick dies in its run until no takeover is left: the tick
// ends visibly as lost, and the next one is run.
func TestTakeoversRunOut(t *testing.T) {
	bubble(t, func(w *world) {
		p := elect.Policy{Schedule: grid(3600)}
		w.agents(6, p)
		w.until(time.Hour + time.Second)
		for k := range 4 {
			runs := w.allRuns()
			if len(runs) != k+1 || runs[k].Attempt != k+1 {
				t.Fatalf("after %d kills:\n%s", k, w)
			}
			// The job takes but a second: kill it when it has begun.
			runs[k].node.kill()
			if k == 3 {
				break
			}
			for n := len(runs); len(w.allRuns()) == n && w.now() < 2*time.Hour; {
				time.Sleep(500 * time.Millisecond)
			}
		}
		w.until(time.Hour + 5*time.Minute)
		if r := w.record(); r.Last != record.Lost || r.Claimed || r.Attempt() != 1 || r.Timer != w.start.Unix()+7200 {
			t.Errorf("record %v", r)
		}
		w.until(2*time.Hour + 10*time.Second)
		w.wantRuns("3600/1", "3600/2", "3600/3", "3600/4", "7200/1")
	})
}

// A holder that loses the register is told to stop kill_grace before its trust
// window ends, to the millisecond, whatever its requests do meanwhile; nobody
// else starts before it is gone, though it takes all of its kill_grace.
func TestHolderLosesRegister(t *testing.T) {
	for name, lose := range map[string]func(n *node){
		"unreachable": func(n *node) { n.reg.SetDown(true) },
		"swaps hang": func(n *node) {
			n.reg.Swaps(hangs(50)...)
			n.reg.Loads(hangs(50)...)
		},
		"swaps vanish, loads pass": func(n *node) {
			for range 50 {
				n.reg.Swaps(registertest.Drop)
			}
		},
		"swaps hang, loads pass":      func(n *node) { n.reg.Swaps(hangs(50)...) },
		"refused":                     func(n *node) { n.reg.Swaps(refuses(50)...); n.reg.Loads(refuses(50)...) },
		"swaps conflict with nothing": func(n *node) { n.set(func(w *ways) { w.stuck = true }) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				var renewed atomic.Int64
				for _, n := range w.agents(3, minutely) {
					n.swap = func([]string) {
						if w.now() < 66*time.Second {
							renewed.Store(int64(w.now()))
						}
					}
					n.work = func(ctx context.Context, tick Tick) error {
						select {
						case <-ctx.Done():
							if tick.Attempt == 1 {
								if got := w.now() - time.Duration(renewed.Load()); got != 12*time.Second {
									t.Errorf("stopped %v after its last renewal was sent, want 12 s", got)
								}
								if left := tick.Left(); left != 3*time.Second {
									t.Errorf("%v left, want kill_grace", left)
								}
								time.Sleep(3 * time.Second)
							}
							return context.Cause(ctx)
						case <-time.After(30 * time.Second):
							return nil
						}
					}
				}
				w.until(66 * time.Second)
				if renewed := time.Duration(renewed.Load()); renewed < 65*time.Second {
					t.Fatalf("last renewed at %v", renewed)
				}
				holder := w.running()
				lose(holder)
				w.until(time.Minute + 5*time.Second + elect.WorstTakeover(minutely) + trips)
				runs := w.wantRuns("60/1", "60/2")
				if runs[0].ended != time.Duration(renewed.Load())+15*time.Second || runs[0].cause == nil || runs[0].cause.Error() != elect.WindowOver.String() {
					t.Errorf("ended %v because of %v", runs[0].ended, runs[0].cause)
				}
				if res := holder.results(); len(res) != 1 || res[0] != record.Lost {
					t.Errorf("results %q, want lost", res)
				}
				w.until(115 * time.Second)
				if r := w.record(); r.Last != record.OK || r.Claimed {
					t.Errorf("record %v", r)
				}
			})
		})
	}
}

func hangs(n int) (all []registertest.Fault) {
	for range n {
		all = append(all, registertest.Hang)
	}
	return all
}

func refuses(n int) (all []registertest.Fault) {
	for range n {
		all = append(all, registertest.Refuse)
	}
	return all
}

// A long run is kept by renewals, three in a lease; the ticks that fall due
// meanwhile are one run afterwards.
func TestRenewals(t *testing.T) {
	bubble(t, func(w *world) {
		all := w.agents(3, minutely)
		for _, n := range all {
			n.work = func(ctx context.Context, tick Tick) error {
				for range 149 {
					time.Sleep(time.Second)
					if tick.Left() < 9*time.Second {
						t.Errorf("%v: %v left", w.now(), tick.Left())
					}
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
				}
				return nil
			}
		}
		w.until(time.Minute + 148*time.Second)
		holder := w.running()
		before := 0
		if _, swaps := holder.reg.Count(); swaps < 29 || swaps > 32 {
			t.Errorf("%d writes for a run of 148 s", swaps)
		}
		for _, n := range all {
			if n != holder {
				before += n.swaps()
			}
		}
		if before > 2 { // to create the record, and lose that race
			t.Errorf("the others wrote %d times", before)
		}
		w.until(time.Minute + 150*time.Second)
		w.wantRuns("60/1", "180/1") // 120 is coalesced
		if holder.warnings("ticks_passed=1") != 1 {
			t.Error("nobody says that tick 120 was coalesced")
		}
		w.until(time.Minute + 310*time.Second)
		w.wantRuns("60/1", "180/1", "300/1") // 240 is
		if r := w.allRuns()[1]; r.err != nil {
			t.Error(r.err)
		}
	})
}

// Every answer takes five seconds: a third of the lease, more than kill_grace.
func TestSlowRegister(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(3, minutely) {
			n.rtt = 5 * time.Second
			n.work = works(20 * time.Second)
		}
		w.until(20*time.Minute + 30*time.Second)
		runs := w.allRuns()
		if len(runs) != 20 {
			t.Errorf("%d runs, want 20:\n%s", len(runs), w)
		}
		for _, r := range runs {
			// A claim waits for the poll that is under way.
			if lag := r.began - r.Time.Sub(w.start); lag > 11*time.Second || r.Attempt != 1 || r.ended >= 0 && r.err != nil {
				t.Errorf("%v: %v late, %v", &r, lag, r.err)
			}
		}
	})
}

// A request of the holder hangs when its job must be stopped for another
// reason: the stop does not wait for it.
func TestStopWhileRequestHangs(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		stop    bool
	}{"timeout": {timeout: 7 * time.Second}, "shutdown": {stop: true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := minutely
				p.Timeout = c.timeout
				n := w.agents(1, p)[0]
				n.StopGrace = time.Second
				n.work = works(time.Hour)
				w.until(64 * time.Second)
				n.reg.Swaps(registertest.Hang) // the renewal at 65
				w.until(66 * time.Second)
				if c.stop {
					n.stop()
				}
				w.until(67*time.Second + 100*time.Millisecond)
				if r := w.wantRuns("60/1")[0]; (r.ended - 67*time.Second).Abs() > 25*time.Millisecond {
					t.Errorf("ended %v", r.ended)
				}
				if n.swaps() != 3 { // created, claimed, hanging
					t.Errorf("%d swaps", n.swaps())
				}
			})
		})
	}
}

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
