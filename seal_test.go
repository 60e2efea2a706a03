package solotick

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

func sealKey(n byte) seal.Key        { return seal.NewKey([32]byte{n}) }
func signKey(n byte) seal.SigningKey { return seal.NewSigningKey([32]byte{n}) }

// rollOut puts each ring in force on one agent after the other, by a restart, while
// the ticks go on. Not one is missed, and not one run twice.
func rollOut(t *testing.T, stages []seal.Ring) {
	bubble(t, func(w *world) {
		const every, agents = 10, 3
		policy := elect.Policy{Schedule: grid(every)}
		form := func(r seal.Ring) record.Form { return r.Form(jobName) }
		for _, n := range w.agents(agents, policy) {
			n.Form, n.work = form(stages[0]), works(2*time.Second)
		}
		now := 65 * time.Second
		w.until(now)
		for _, ring := range stages[1:] {
			for i := range agents {
				old := w.nodes[len(w.nodes)-agents]
				n := w.node(policy)
				n.Form, n.work = form(ring), works(2*time.Second)
				old.stop() // between two runs, in one, and while a tick falls due
				n.run()
				now += time.Duration(3700+900*i) * time.Millisecond
				w.until(now)
			}
			now += 17 * time.Second
			w.until(now)
		}
		w.until(now + 30*time.Second)
		ticks := map[int64]int{}
		for _, r := range w.allRuns() {
			ticks[r.Time.Unix()-w.start.Unix()]++
			if r.Attempt != 1 || r.Unarbitrated || r.began-r.Time.Sub(w.start) > 5*time.Second+trips {
				t.Errorf("%v", &r)
			}
		}
		for at := int64(every); at < int64(w.now()/time.Second)-5; at += every {
			if ticks[at] != 1 {
				t.Errorf("the tick of %d was run %d times", at, ticks[at])
			}
		}
		for _, n := range w.nodes {
			if c := n.warnings("needs a look"); c != 0 {
				t.Errorf("%s found fault with the record %d times", n.ID, c)
			}
		}
		texts := w.mem.Texts(jobName)
		last := stages[len(stages)-1]
		if set := record.ReadAs(form(last), texts, 0); set.State != record.Present || set.Detail != nil {
			t.Errorf("at the end %q: %v, %v", texts, set.State, set.Detail)
		}
	})
}

func TestRollOut(t *testing.T) {
	a, b, x, y := sealKey(1), sealKey(2), signKey(3), signKey(4)
	keys := func(k ...seal.Key) seal.Ring { return seal.Ring{Seal: k} }
	plain := func(p seal.Accept) seal.Ring { return seal.Ring{Seal: []seal.Key{a}, Plain: p} }
	unsigned := func(u seal.Accept) seal.Ring { return seal.Ring{Sign: x, Unsigned: u} }
	signed := func(k seal.SigningKey, verify ...seal.SigningKey) seal.Ring {
		r := seal.Ring{Sign: k}
		for _, v := range verify {
			r.Verify = append(r.Verify, v.Public())
		}
		return r
	}
	for name, stages := range map[string][]seal.Ring{
		"another seal key":           {keys(a), keys(a, b), keys(b, a), keys(b)},
		"sealed, and plain again":    {{}, plain(seal.Write), plain(seal.Read), plain(seal.Refuse), plain(seal.Read), plain(seal.Write), {}},
		"signed, and unsigned again": {{}, unsigned(seal.Write), unsigned(seal.Read), unsigned(seal.Refuse), unsigned(seal.Read), unsigned(seal.Write), {}},
		"another signing key":        {signed(x), signed(x, y), signed(y, x), signed(y)},
	} {
		t.Run(name, func(t *testing.T) { rollOut(t, stages) })
	}
}

// An agent that has not the key leaves the record alone for as long as it is
// there, says so once, and takes part again when it opens.
func TestWrongKey(t *testing.T) {
	bubble(t, func(w *world) {
		right, wrong := seal.Ring{Seal: []seal.Key{sealKey(1)}}, seal.Ring{Seal: []seal.Key{sealKey(2)}}
		good := w.agents(2, minutely)
		for _, n := range good {
			n.Form = right.Form(jobName)
		}
		w.until(30 * time.Second)
		bad := w.agents(1, minutely)[0]
		bad.Form = wrong.Form(jobName)
		w.until(10*time.Minute + 30*time.Second)
		if bad.swaps() != 0 || len(w.allRuns()) != 10 {
			t.Errorf("it wrote %d times, and there were\n%s", bad.swaps(), w)
		}
		if n := bad.warnings("sealed with the key " + sealKey(1).ID() + ", which is not here"); n != 1 {
			t.Errorf("it said so %d times", n)
		}
		if odd, all := bad.unopened(sealKey(1).ID()); odd == 0 || odd != all {
			t.Errorf("%d of %d events tell of it", odd, all)
		}
		for _, n := range good {
			n.stop()
		}
		w.until(12*time.Minute + 30*time.Second)
		w.put(wrong.Form(jobName).Close(record.Record{ID: "X", Timer: w.start.Unix() + 780, TimerOld: w.start.Unix() + 720}.String()))
		w.until(13*time.Minute + 30*time.Second)
		if len(w.allRuns()) != 11 || bad.opened() != 1 {
			t.Errorf("ran\n%s", w)
		}
	})
}

// unopened counts the events that tell of a record sealed with a key that is not
// there, and all that tell of a record.
func (n *node) unopened(key string) (odd, all int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ev := range n.events {
		if ev.Verb == elect.Load || ev.Verb == elect.Look {
			all++
			if ev.State == record.Unopenable && ev.Odd != nil && ev.Protection.Sealed == key {
				odd++
			}
		}
	}
	return odd, all
}

// opened is how often the log says that the record opens again.
func (n *node) opened() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Count(n.log.String(), "the record opens again")
}

// What comes to a record that is to be sealed or signed and is not: it is reported
// at once, and replaced after a lease and a margin; no run comes of it.
func TestForged(t *testing.T) {
	for name, ring := range map[string]seal.Ring{"sealed": {Seal: []seal.Key{sealKey(1)}}, "signed": {Sign: signKey(1)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				all := w.agents(2, minutely)
				for _, n := range all {
					n.Form = ring.Form(jobName)
				}
				w.until(70 * time.Second)
				forged := record.Record{ID: "FORGER", Timer: w.start.Unix() + 71, TimerOld: w.start.Unix() + 60, Seq: (w.start.Unix() + 9000) * 1000}
				w.put(forged.String())
				w.until(310 * time.Second)
				w.wantRuns("60/1", "180/1", "240/1", "300/1") // as after any damage: the tick within a lease of it is passed
				if a, b := all[0].warnings("where all are to be"), all[1].warnings("where all are to be"); a+b == 0 || max(a, b) > 1 {
					t.Errorf("said %d and %d times", a, b)
				}
				if set := record.ReadAs(ring.Form(jobName), w.mem.Texts(jobName), 0); set.State != record.Present || set.Detail != nil {
					t.Errorf("in the end %q: %v", w.mem.Texts(jobName), set.Detail)
				}
			})
		})
	}
}

// An older record that somebody has put back, sealed or signed as it was, is told,
// and its tick is not run again by those who have seen more.
func TestReplayed(t *testing.T) {
	for _, back := range []int{1, 100} {
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			bubble(t, func(w *world) {
				ring := seal.Ring{Seal: []seal.Key{sealKey(1)}, Sign: signKey(1)}
				all := w.agents(2, elect.Policy{Schedule: grid(10)})
				for _, n := range all {
					n.Form = ring.Form(jobName)
				}
				w.until(1205 * time.Second)
				ran := len(w.allRuns())
				var idle [][]string
				for _, v := range w.past {
					if set := record.ReadAs(ring.Form(jobName), v.texts, 0); set.State == record.Present && !set.Record.Claimed {
						idle = append(idle, v.texts)
					}
				}
				if len(idle) < back+1 {
					t.Fatalf("%d idle records", len(idle))
				}
				before := record.ReadAs(ring.Form(jobName), w.mem.Texts(jobName), 0).Record
				w.put(idle[max(0, len(idle)-1-back)]...)
				w.until(1500 * time.Second)
				told := 0
				for _, n := range all {
					told += n.warnings("it is older than what was here before")
				}
				if told == 0 {
					t.Error("nobody said so")
				}
				after := record.ReadAs(ring.Form(jobName), w.mem.Texts(jobName), 0).Record
				if after.Seq <= before.Seq {
					t.Errorf("seq %d after %d", after.Seq, before.Seq)
				}
				var ticks []int64
				for _, r := range w.allRuns()[ran:] {
					ticks = append(ticks, r.Time.Unix()-w.start.Unix())
				}
				if len(ticks) < 28 || !slices.IsSorted(ticks) {
					t.Errorf("ran %v", ticks)
				}
			})
		})
	}
}
