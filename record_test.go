package solotick

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register/registertest"
)

// Values at the name that are no record stay; of several records the newest
// counts, and the next write makes one of them.
func TestForeignValuesAndSeveralRecords(t *testing.T) {
	bubble(t, func(w *world) {
		w.put("v=spf1 -all", "spoken for", `{"id":"OLD","timer":946684830,"timerold":946684770,"seq":5}`, `{"id":"NEW","timer":946684860,"timerold":946684800,"seq":7,"last":"ok","extra":[1]}`)
		all := w.agents(3, minutely)
		w.until(59 * time.Second)
		w.wantRuns()
		w.until(66 * time.Second)
		if r := w.wantRuns("60/1")[0]; r.Last != record.OK {
			t.Errorf("%+v", r.Tick)
		}
		texts := w.mem.Texts(jobName)
		if len(texts) != 3 || !slices.Contains(texts, "v=spf1 -all") || !slices.Contains(texts, "spoken for") {
			t.Fatalf("the register holds %q", texts)
		}
		if r := w.record(); r.Extra != `"extra":[1]` || r.Last != record.OK {
			t.Errorf("record %v", r)
		}
		for _, n := range all {
			if n.warnings("2 records at one name") != 1 {
				t.Errorf("%s does not say that there were two records, or more than once", n.ID)
			}
		}
		w.until(125 * time.Second)
		w.wantRuns("60/1", "120/1")
	})
}

// A damaged record is reported at once, and replaced, loudly, when it was seen
// unchanged for a lease and its margin.
func TestDamagedRecord(t *testing.T) {
	for _, text := range []string{`{"id":`, `{"id":"X","timer":1,"seq":-1}`, `{"id":"X","timer":1,"timerold":1,"seq":9007199254740000}`, "{" + strings.Repeat("x", 5000)} {
		bubble(t, func(w *world) {
			all := w.agents(3, minutely)
			w.until(70 * time.Second)
			was := w.record()
			w.put(text, "foreign")
			for w.now() < 5*time.Minute && slices.Contains(w.mem.Texts(jobName), text) {
				w.until(w.now() + 100*time.Millisecond)
			}
			// A poll until it is seen, a lease and a margin, a look and the spread.
			if at := w.now(); at < 70*time.Second+16750*time.Millisecond || at > 70*time.Second+60*time.Second+16750*time.Millisecond+5*time.Second+trips {
				t.Errorf("%.20s: replaced at %v", text, at)
			}
			w.until(w.now() + trips)
			r := w.record()
			if r.Seq <= was.Seq || r.Last != record.Skipped || r.TimerOld != was.TimerOld || !slices.Contains(w.mem.Texts(jobName), "foreign") {
				t.Errorf("replaced by %v", r)
			}
			loud, told := 0, 0
			for _, n := range all {
				told += n.warnings("needs a look") // once by each that saw it
				loud += n.warnings("record written")
			}
			if loud != 1 || told < 1 || told > 3 {
				t.Errorf("%.20s: %d agents report it, %d loud writes", text, told, loud)
			}
			w.until(6 * time.Minute)
			if runs := w.allRuns(); runs[len(runs)-1].Time.Sub(w.start) < 5*time.Minute {
				t.Errorf("the job does not go on:\n%s", w)
			}
		})
	}
}

// Damaged before the first tick: there is none to tell of.
func TestDamagedAtFirst(t *testing.T) {
	bubble(t, func(w *world) {
		w.put("{")
		n := w.agents(1, minutely)[0]
		w.until(50 * time.Second)
		if n.warnings(`why="record is damaged" next=`) != 1 || n.warnings("1970") != 0 {
			t.Errorf("the log:\n%s", w)
		}
	})
}

// Damaged in a run: the holder puts its claim back, and the run goes on.
func TestDamagedDuringRun(t *testing.T) {
	for name, texts := range map[string][]string{"damaged": {"{"}, "deleted": nil, "foreign alone": {"hello"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				for _, n := range w.agents(3, minutely) {
					n.work = works(40 * time.Second)
				}
				w.until(72 * time.Second)
				was := w.record()
				w.put(texts...)
				w.until(80 * time.Second)
				if r := w.record(); !r.Claimed || r.ID != was.ID || r.TimerOld != was.TimerOld || r.Seq <= was.Seq {
					t.Errorf("record %v", r)
				}
				if len(texts) > 0 && texts[0] == "hello" && len(w.mem.Texts(jobName)) != 2 {
					t.Errorf("the register holds %q", w.mem.Texts(jobName))
				}
				w.until(125 * time.Second)
				if runs := w.wantRuns("60/1", "120/1"); runs[0].err != nil {
					t.Error(runs[0].err)
				}
			})
		})
	}
}

// Deleted between ticks: created again, and the schedule goes on with fences
// above what was.
func TestDeletedRecord(t *testing.T) {
	bubble(t, func(w *world) {
		w.agents(3, minutely)
		w.until(70 * time.Second)
		w.put()
		w.until(5*time.Minute + 30*time.Second)
		runs := w.allRuns()
		if len(runs) < 4 || runs[len(runs)-1].Time.Sub(w.start) != 5*time.Minute {
			t.Errorf("ran\n%s", w)
		}
	})
}

// A sealed record that no key of this agent opens is never written over.
func TestSealedRecord(t *testing.T) {
	for name, during := range map[string]bool{"from the start": false, "during a run": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				sealed := []string{"st1.k1.AAAA", `{"id":"X","timer":1,"timerold":0}`}
				if !during {
					w.put(sealed...)
				}
				for _, n := range w.agents(3, minutely) {
					n.work = works(30 * time.Second)
				}
				w.until(66 * time.Second)
				if during {
					w.put(sealed...)
				}
				w.until(time.Hour)
				if texts := w.mem.Texts(jobName); !slices.Equal(texts, sealed) {
					t.Errorf("the register holds %q", texts)
				}
				want := 0
				if during {
					want = 1
				}
				if n := len(w.allRuns()); n != want {
					t.Errorf("%d runs", n)
				}
				for _, n := range w.nodes {
					if n.warnings("no key of this agent opens it") != 1 {
						t.Errorf("%s: %d warnings", n.ID, n.warnings("no key of this agent opens it"))
					}
					if got := n.loads() + n.looks(); got > 3*60*4 {
						t.Errorf("%s asked %d times in an hour", n.ID, got)
					}
				}
			})
		})
	}
}

// The original's record of 2022, as it was: its timer is long over, it is taken
// over at once, and its keys are kept.
func TestOriginalRecord(t *testing.T) {
	for name, text := range map[string]string{
		"as published": `{"id": "VDNDNQNWQY", "timer": 1641903970, "timerold": 1641903859}`,
		"with entryid": ` { "timerOld":1641903859, "timer":1641903970,"entryid":"rec-17", "id":"VDNDNQNWQY" } `,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				time.Sleep(time.Date(2026, 11, 23, 5, 0, 30, 0, time.UTC).Sub(w.start))
				w.start = time.Now().Add(-30 * time.Second)
				w.put(text)
				w.agents(3, minutely)
				w.until(30*time.Second + 5*time.Second + trips)
				r := w.wantRuns("0/1")[0] // the latest tick, once
				if r.Last != record.None || r.Fence < w.start.Unix()*1000 {
					t.Errorf("%+v", r.Tick)
				}
				w.until(65 * time.Second)
				w.wantRuns("0/1", "60/1")
				if got := w.record(); (got.EntryID == "rec-17") != (name == "with entryid") || strings.HasPrefix(got.ID, "VDN") {
					t.Errorf("record %v", got)
				}
			})
		})
	}
}

// Two agents have the new schedule, two the old one: the union of both is run,
// and nobody fights over the timer.
func TestScheduleRollOut(t *testing.T) {
	bubble(t, func(w *world) {
		w.agents(2, elect.Policy{Schedule: grid(120)})
		w.agents(2, elect.Policy{Schedule: grid(180)})
		w.until(130 * time.Second)
		swaps := 0
		for _, n := range w.nodes {
			swaps -= n.swaps()
		}
		w.until(62 * time.Minute)
		ran := map[int64]int{}
		for _, r := range w.allRuns() {
			ran[r.Time.Unix()-w.start.Unix()]++
		}
		for tick := int64(120); tick <= 3600; tick++ {
			want := 0
			if tick%120 == 0 || tick%180 == 0 {
				want = 1
			}
			if ran[tick] != want {
				t.Errorf("tick %d was run %d times", tick, ran[tick])
			}
		}
		for _, n := range w.nodes {
			swaps += n.swaps()
		}
		// Two writes for each of 39 ticks, and a repair for each that only one of the two knows.
		if swaps > 4*40 {
			t.Errorf("%d writes in an hour", swaps)
		}
	})
}

func TestPauseResume(t *testing.T) {
	bubble(t, func(w *world) {
		w.agents(3, minutely)
		w.until(70 * time.Second)
		w.change(func(r record.Record) record.Record {
			r, err := elect.Pause(r, time.Time{}, "an upgrade", time.Now())
			if err != nil {
				t.Error(err)
			}
			return r
		})
		at := w.record()
		w.until(10*time.Minute + 30*time.Second)
		w.wantRuns("60/1")
		if w.record() != at {
			t.Errorf("record %v", w.record())
		}
		w.change(func(r record.Record) record.Record { return elect.Resume(r, time.Now()) })
		w.until(10*time.Minute + 30*time.Second + time.Minute + 5*time.Second + trips)
		runs := w.allRuns() // the latest one that was missed, when it is seen; then the schedule
		if len(runs) < 2 || runs[1].Time.Sub(w.start) != 10*time.Minute && runs[1].Time.Sub(w.start) != 11*time.Minute {
			t.Errorf("ran\n%s", w)
		}
		w.until(12*time.Minute + 5*time.Second)
		if runs := w.allRuns(); runs[len(runs)-1].Time.Sub(w.start) != 12*time.Minute || len(runs) > 4 {
			t.Errorf("ran\n%s", w)
		}
	})
}

// A pause with an end ends by itself, and in a run it stops nothing.
func TestPauseDuringRun(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(3, minutely) {
			n.work = works(30 * time.Second)
		}
		w.until(66 * time.Second)
		w.change(func(r record.Record) record.Record {
			r, err := elect.Pause(r, w.start.Add(5*time.Minute+10*time.Second), "lunch", time.Now())
			if err != nil {
				t.Error(err)
			}
			return r
		})
		w.until(5 * time.Minute)
		if runs := w.wantRuns("60/1"); runs[0].err != nil {
			t.Error(runs[0].err)
		}
		if r := w.record(); r.Why != "lunch" || r.Last != record.OK {
			t.Errorf("record %v", r)
		}
		w.until(5*time.Minute + 16*time.Second)
		w.wantRuns("60/1", "300/1")
		if r := w.record(); r.Pause != 0 || r.Why != "" {
			t.Errorf("record %v", r)
		}
		w.until(6*time.Minute + 5*time.Second)
		w.wantRuns("60/1", "300/1", "360/1")
	})
}

// A run that an operator asks for comes within a poll, and the schedule stays.
func TestTrigger(t *testing.T) {
	bubble(t, func(w *world) {
		p := elect.Policy{Schedule: grid(3600)}
		w.agents(3, p)
		w.until(100 * time.Second)
		w.change(func(r record.Record) record.Record {
			r, absorbed, err := elect.Trigger(&p, r, time.Now())
			if err != nil || absorbed {
				t.Error(absorbed, err)
			}
			return r
		})
		w.until(100*time.Second + time.Minute + 5*time.Second + trips)
		w.wantRuns("100/1")
		if r := w.record(); r.Timer != w.start.Unix()+3600 || r.TimerOld != w.start.Unix()+100 {
			t.Errorf("record %v", r)
		}
		w.until(time.Hour + 10*time.Second)
		w.wantRuns("100/1", "3600/1")
	})
}

// A broken clock wrote a timer of the year 2100, or a tick of next year.
func TestRecordFromTheFuture(t *testing.T) {
	for name, f := range map[string]func(*record.Record){
		"timer":    func(r *record.Record) { r.Timer = 4102444800 },
		"timerold": func(r *record.Record) { r.Timer, r.TimerOld = 978307260, 978307200 },
		"retry":    func(r *record.Record) { r.Try, r.Timer = 2, 4102444800 },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.pardon = "a record from the future is repaired"
				p := minutely
				p.Attempts = 2
				all := w.agents(3, p)
				w.until(70 * time.Second)
				w.change(func(r record.Record) record.Record {
					f(&r)
					r.Seq++
					return r
				})
				w.until(140 * time.Second)
				if r := w.record(); r.Timer > w.start.Unix()+240 || r.TimerOld > w.start.Unix()+140 {
					t.Errorf("record %v", r)
				}
				loud := 0
				for _, n := range all {
					loud += n.warnings("record written")
				}
				if name != "timer" && loud == 0 {
					t.Error("nobody says so")
				}
				w.until(5*time.Minute + 5*time.Second)
				if runs := w.allRuns(); runs[len(runs)-1].Time.Sub(w.start) != 5*time.Minute {
					t.Errorf("ran\n%s", w)
				}
			})
		})
	}
}

// catch_up, after all agents were away for ten ticks.
func TestCatchUp(t *testing.T) {
	for _, c := range []struct {
		how  elect.CatchUp
		want []string
	}{
		{elect.CatchUpOnce, []string{"60/1", "660/1", "720/1"}},
		{elect.CatchUpNone, []string{"60/1", "720/1"}},
		{elect.CatchUpAll, []string{"60/1", "120/1", "180/1", "240/1", "300/1", "360/1", "420/1", "480/1", "540/1", "600/1", "660/1", "720/1"}},
	} {
		bubble(t, func(w *world) {
			p := minutely
			p.CatchUp = c.how
			for _, n := range w.agents(2, p) {
				defer n.stop()
			}
			w.until(70 * time.Second)
			for _, n := range w.nodes {
				n.stop()
			}
			w.until(660*time.Second + 40*time.Second)
			w.agents(2, p)
			w.until(725 * time.Second)
			w.wantRuns(c.want...)
			passed := w.passed()
			if want := map[elect.CatchUp]int{elect.CatchUpOnce: 9, elect.CatchUpNone: 10}[c.how]; passed != want {
				t.Errorf("catch-up %d: %d ticks counted as passed, want %d", c.how, passed, want)
			}
		})
	}
}

// passed is how many ticks the agents say were left out.
func (w *world) passed() (sum int) {
	for _, n := range w.nodes {
		n.mu.Lock()
		for _, ev := range n.events {
			sum += ev.Passed
		}
		n.mu.Unlock()
	}
	return sum
}

// What a claim left out is told even if who made it did not learn at once, or never,
// that it had taken effect: by itself when it finds that out, or by who takes it over.
func TestCatchUpUnanswered(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault registertest.Fault
		kill  bool // who sent it, at once
	}{{"answered", registertest.Pass, false}, {"reply lost", registertest.Lose, false}, {"reply lost, and its maker", registertest.Lose, true}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.agents(2, minutely)
				w.until(70 * time.Second)
				for _, n := range w.nodes {
					n.stop()
				}
				w.until(700 * time.Second)
				for _, n := range w.agents(2, minutely) {
					n.reg.Swaps(c.fault)
				}
				for at := w.now(); c.kill && !w.record().Claimed; at += 10 * time.Millisecond {
					w.until(at)
				}
				if c.kill {
					incumbent(w).kill()
				}
				w.until(770 * time.Second)
				if runs := w.allRuns(); len(runs) < 2 || runs[1].Time.Sub(w.start) != 660*time.Second {
					t.Errorf("ran\n%s", w)
				}
				if got := w.passed(); got != 9 {
					t.Errorf("%d ticks counted as passed, want 9\n%s", got, w)
				}
			})
		})
	}
}

// Two processes with one id, against the rule: never two at once.
func TestTwinIDs(t *testing.T) {
	bubble(t, func(w *world) {
		for range 2 {
			n := w.node(minutely)
			n.ID = "TWIN"
			n.work = func(ctx context.Context, tick Tick) error {
				return errors.Join(works(30*time.Second)(ctx, tick))
			}
			n.run()
		}
		w.until(10 * time.Minute)
		if n := len(w.allRuns()); n < 9 {
			t.Errorf("%d runs", n)
		}
	})
}
