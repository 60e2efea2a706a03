package solotick

import (
	"context"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
)

// forgeries are what somebody who forges the answers of DNS may show in place of the
// record; i counts the looks.
var forgeries = map[string]func(r record.Record, now int64, i int) string{
	"nothing": func(record.Record, int64, int) string { return "" },
	"damaged": func(record.Record, int64, int) string { return `{"id":` },
	"due": func(r record.Record, now int64, i int) string {
		r.Claimed, r.Lease, r.Pause = false, 0, 0
		r.TimerOld, r.Timer, r.Seq = now-90, now-30, r.Seq+int64(i)
		return r.String()
	},
	"due, as it was written": func(r record.Record, now int64, _ int) string {
		r.Claimed, r.Lease, r.Pause, r.Timer = false, 0, 0, now-1
		return r.String()
	},
	"claimed for ever": func(r record.Record, now int64, i int) string {
		r.ID, r.Claimed, r.Lease, r.Until = "MALLORY", true, 15, now+15
		r.Seq += int64(i)
		return r.String()
	},
	"lapsed": func(r record.Record, now int64, _ int) string {
		r.ID, r.Claimed, r.Lease, r.Until, r.TimerOld, r.Timer = "MALLORY", true, 1, now-60, now-90, now-30
		return r.String()
	},
	"from the future": func(r record.Record, now int64, i int) string {
		r.TimerOld, r.Timer, r.Seq = now+1_000_000, now+1_000_060, (now+1000+int64(i))*1000
		return r.String()
	},
	"replayed": func(r record.Record, now int64, _ int) string {
		r.Claimed, r.Pause, r.TimerOld, r.Timer, r.Seq = false, 0, now-3600, now-3540, (now-3600)*1000
		return r.String()
	},
}

// forge has every answer of DNS to the node be a forged one, by turns if there are
// several.
func (n *node) forge(by ...func(r record.Record, now int64, i int) string) {
	i := 0
	n.Look = func(context.Context) (register.Snapshot, error) {
		i++
		text := by[i%len(by)](record.Read(n.w.mem.Texts(jobName), 0).Record, time.Now().Unix(), i)
		if text == "" {
			return register.Snapshot{}, nil
		}
		return register.Snapshot{Texts: []string{text}}, nil
	}
}

// TestForgedAnswers: whatever is shown to agents in the place of DNS, nobody writes
// because of it, no tick is run twice, and a real look comes within ten minutes.
func TestForgedAnswers(t *testing.T) {
	cases := map[string][]func(record.Record, int64, int) string{}
	for name, f := range forgeries {
		cases[name] = append(cases[name], f)
		cases["all of it"] = append(cases["all of it"], f)
	}
	for name, by := range cases {
		t.Run("nothing is to be done/"+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(record.Record{ID: "SOMEBODY", TimerOld: w.start.Unix() - 60, Timer: w.start.Unix(), Seq: w.start.Unix() * 1000, Pause: -1}.String())
				before := w.record()
				for range 3 {
					n := w.node(elect.Policy{Schedule: grid(60)})
					n.forge(by...)
					n.run()
				}
				w.until(2 * time.Hour)
				if after := w.record(); after.String() != before.String() {
					t.Errorf("the record was %s, and is %s", before, after)
				}
				w.wantRuns()
			})
		})
		t.Run("ticks fall due/"+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				for range 3 {
					n := w.node(elect.Policy{Schedule: grid(60)})
					n.forge(by...)
					n.run()
				}
				w.until(2 * time.Hour)
				last := time.Duration(0)
				for _, r := range w.allRuns() { // that none is run twice is looked at for every world
					if r.Unarbitrated {
						t.Errorf("%v", r)
					}
					if wait := r.began - last; wait > 12*time.Minute {
						t.Errorf("nothing was run for %v before %v", wait, r)
					}
					last = r.began
				}
				if w.now()-last > 12*time.Minute {
					t.Errorf("nothing was run after %v", last)
				}
			})
		})
	}
}
