package alarm

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/solotick/solotick/notify"
)

// TestMain has properties tried less often than rapid does, unless told otherwise:
// each of these tries is an hour of a small world.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "40") // the flag exists
	os.Exit(m.Run())                   // which reads the command line
}

// A reader is a person at one place, who believes what is told there.
type reader struct {
	place    *fakePlace
	read     int
	believed map[string]time.Time // what is wrong, and when it was last spoken of
}

// take reads what is new and returns what is wrong with it; empty: nothing is.
func (r *reader) take(rules Rules) string {
	rules.fill()
	for ; r.read < len(r.place.got); r.read++ {
		m := r.place.got[r.read]
		key := m.Job + "/" + m.Alert
		last, firing := r.believed[key]
		says := fmt.Sprintf("%s at %s, told that %q is %s", r.place.name, m.Tick.Format(timeForm), key, m.Kind)
		wait := rules.Remind
		if m.Job == "" {
			wait = rules.Interval
		}
		switch m.Kind {
		case notify.Firing:
			if firing && !m.Doubt && !r.place.ends[key] {
				return says + " again, without a word that it was over"
			}
			r.believed[key] = m.Tick
			delete(r.place.ends, key)
		case notify.Reminder:
			if !firing {
				return says + ", and never that it began"
			}
			if !m.Worse && m.Tick.Sub(last) < wait {
				return says + fmt.Sprintf(", %s after the last message", m.Tick.Sub(last))
			}
			r.believed[key] = m.Tick
		case notify.Cleared:
			if !firing && !m.Doubt {
				return says + ", and never that it began"
			}
			delete(r.believed, key)
		case notify.Passed:
			if firing && !m.Doubt && !r.place.ends[key] {
				return says + ", although they were told in between"
			}
			delete(r.believed, key)
		default:
			return says
		}
		if m.Title == "" || m.Text == "" {
			return says + ", without a word"
		}
	}
	return ""
}

// TestPeople has anything happen to jobs, DNS, the observer and the places where
// people are told. Nobody is told twice that something begins, or of what they
// cannot know that it is over; and once all is well, everybody knows that.
func TestPeople(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.places = []*fakePlace{{name: "ops", ends: map[string]bool{}, refs: true, w: w}, {name: "chat", ends: map[string]bool{}, w: w}}
		w.kept = new([]byte)
		w.rules = Rules{Within: 5 * time.Minute, Many: rapid.IntRange(1, 3).Draw(rt, "many"), Remind: 10 * time.Minute, Quiet: 4 * time.Minute, Stale: time.Minute, Paused: 8 * time.Minute}
		for i := range 3 {
			w.add(fmt.Sprintf("job%d", i), []time.Duration{time.Minute, 90 * time.Second}[i%2], 0)
		}
		readers := []*reader{{place: w.places[0], believed: map[string]time.Time{}}, {place: w.places[1], believed: map[string]time.Time{}}}
		w.observe()
		pass := func(d time.Duration) {
			for end := w.now.Add(d); w.now.Before(end); {
				w.advance(20*time.Second, 20*time.Second)
				for _, r := range readers {
					if wrong := r.take(w.rules); wrong != "" {
						rt.Fatal(wrong)
					}
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "acts") {
			w.act(rt)
			pass(time.Duration(rapid.IntRange(1, 10).Draw(rt, "twenties")) * 20 * time.Second)
		}

		// One job is broken for certain, and everybody can be told.
		bad := w.jobs[0]
		w.heal()
		pass(time.Minute)
		bad.agents = false
		pass(14 * time.Minute) // the longest time until a place is tried again, and until it is missed
		for _, r := range readers {
			_, alone := r.believed["job0/late"]
			_, among := r.believed["/late"]
			if !alone && !among {
				rt.Fatalf("%s does not know that job0 is late: %v", r.place.name, r.believed)
			}
		}
		w.heal()
		pass(20 * time.Minute)
		for _, r := range readers {
			if len(r.believed) > 0 {
				rt.Fatalf("all is well, and %s does not know: %v", r.place.name, r.believed)
			}
		}
		if why := w.desk.book.unwell(w.now); why != "" || len(w.desk.book.incidents) > 0 {
			rt.Fatalf("all is well, but %q: %v", why, w.desk.book.incidents)
		}
	})
}

// act does one thing to the world.
func (w *world) act(rt *rapid.T) {
	j := rapid.SampledFrom(w.jobs).Draw(rt, "job")
	p := rapid.SampledFrom(w.places).Draw(rt, "place")
	sec := w.now.Unix()
	r := j.rec
	switch rapid.SampledFrom([]string{
		"gone", "gone", "back", "all gone", "fail", "work", "crash", "dark", "all dark", "light", "pause", "resume", "remove", "damage",
		"roll back", "future", "old", "new", "refuses", "loses", "hangs", "works", "restart", "crash observer",
	}).Draw(rt, "act") {
	case "gone":
		j.agents = false
	case "back":
		j.agents = true
		j.id++
	case "all gone":
		for _, one := range w.jobs {
			one.agents = false
		}
	case "fail":
		j.failing = true
	case "work":
		j.failing, j.crash = false, false
	case "crash":
		j.crash = true
	case "dark":
		j.dark = true
	case "all dark":
		for _, one := range w.jobs {
			one.dark = true
		}
	case "light":
		for _, one := range w.jobs {
			one.dark = false
		}
	case "pause":
		r.Pause, r.Why = -1, "why not"
		j.write(r, sec)
	case "resume":
		r.Pause, r.Why = 0, ""
		j.write(r, sec)
	case "remove":
		j.there, j.asleep = false, sec+12
	case "damage":
		j.raw, j.asleep = `{"id":`, sec+12
	case "roll back":
		j.rec.Seq, j.rec.Timer, j.rec.TimerOld, j.asleep = r.Seq-3600_000, r.Timer-3600, r.TimerOld-3600, sec+12
	case "future":
		r.Timer, r.TimerOld, r.Claimed, r.Until, r.Lease = r.Timer+86400, r.TimerOld+86400, false, 0, 0
		j.write(r, sec)
		j.asleep = sec + 12
	case "old":
		j.old = r.String()
	case "new":
		j.old = ""
	case "refuses", "loses", "hangs":
		p.fault = rapid.SampledFrom([]string{"refuses", "loses", "hangs"}).Draw(rt, "fault")
	case "works":
		p.fault = ""
	case "restart":
		w.desk.save(w.now)
		w.observe()
	case "crash observer":
		w.observe()
	}
}

// heal makes all well.
func (w *world) heal() {
	for _, j := range w.jobs {
		j.agents, j.failing, j.crash, j.dark, j.old = true, false, false, false, ""
		r := j.rec
		r.Pause, r.Why = 0, ""
		j.write(r, w.now.Unix())
	}
	for _, p := range w.places {
		p.fault = ""
	}
}
