package alarm

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/solotick/solotick/record"
)

// TestTranscripts plays the stories of testdata: each lets things happen to jobs
// and shows what people are told, and when. After a wanted change, go test
// ./monitor/alarm -run Transcripts -rewrite, and read the diff.
//
//	jobs NAME... [every=1m] [n=100]  records with agents that live, at 12:00:00; with n so many of a name
//	rules [late=..] ...              before they are observed: what differs from the defaults
//	places NAME... [refs]            before that: where people are told; if not said, ops
//	observe [look=5s]                the observer starts
//	advance 10m [by=1s]              time passes, and what people are told in it is shown
//	agents NAME... gone|back|fail|work|crash
//	new NAME                         its record says that nothing has run yet
//	put NAME (the text below)        writes to the record by hand
//	remove|rollback|future|duplicate NAME
//	pause NAME [for=1h] | resume NAME
//	server NAME old|new              what a second server shows
//	dns NAME... silent|answers
//	place NAME refuses|loses|hangs|works
//	stop | observe                   the observer ends, and one starts with what the file holds
//	forget NAME
//
// A NAME that ends with * is all that begin so.
func TestTranscripts(t *testing.T) {
	stories, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.kept = new([]byte)
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				w.t = t
				if d.Cmd == "advance" {
					w.advance(duration(t, d, d.CmdArgs[0].Key), duration(t, d, option(d, "by", "1s")))
					return w.flush()
				}
				do, ok := commands[d.Cmd]
				if !ok {
					d.Fatalf(t, "unknown command")
				}
				do(w, t, d)
				return ""
			})
		})
	}
}

func duration(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	t.Helper()
	v, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

// option is the value of key=value, or the default.
func option(d *datadriven.TestData, key, def string) string {
	if a, ok := d.Arg(key); ok {
		return a.Vals[0]
	}
	return def
}

// words are the arguments without a value.
func plainArgs(d *datadriven.TestData) (all []string) {
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			all = append(all, a.Key)
		}
	}
	return all
}

// named are the jobs of a list of names.
func (w *world) named(names []string) (all []*job) {
	for _, n := range names {
		prefix, many := strings.CutSuffix(n, "*")
		if !many {
			all = append(all, w.job(n))
			continue
		}
		for _, j := range w.jobs {
			if strings.HasPrefix(j.name, prefix) {
				all = append(all, j)
			}
		}
	}
	if len(all) == 0 {
		w.t.Fatalf("no jobs %v", names)
	}
	return all
}

// last splits off the last word.
func last(words []string) ([]string, string) { return words[:len(words)-1], words[len(words)-1] }

var commands = map[string]func(*world, *testing.T, *datadriven.TestData){
	"jobs": func(w *world, t *testing.T, d *datadriven.TestData) {
		every := duration(t, d, option(d, "every", "1m"))
		n, err := strconv.Atoi(option(d, "n", "0"))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		for _, name := range plainArgs(d) {
			if n == 0 {
				w.add(name, every, 0)
			}
			for i := range n {
				w.add(fmt.Sprintf("%s%0*d", name, len(strconv.Itoa(n-1)), i), every, time.Duration(i)%every/time.Second*time.Second)
			}
		}
	},
	"rules": func(w *world, t *testing.T, d *datadriven.TestData) {
		for _, a := range d.CmdArgs {
			v := a.FirstVal(t)
			switch a.Key {
			case "stale":
				w.rules.Stale = duration(t, d, v)
			case "remind":
				w.rules.Remind = duration(t, d, v)
			case "paused":
				w.rules.Paused = duration(t, d, v)
			case "calm":
				w.rules.Calm = duration(t, d, v)
			default:
				d.Fatalf(t, "unknown rule %s", a.Key)
			}
		}
	},
	"places": func(w *world, _ *testing.T, d *datadriven.TestData) {
		w.places = nil
		for _, name := range plainArgs(d) {
			w.places = append(w.places, &fakePlace{name: name, ends: map[string]bool{}, w: w, refs: true})
		}
	},
	"observe": func(w *world, t *testing.T, d *datadriven.TestData) {
		w.look = duration(t, d, option(d, "look", "5s"))
		w.observe()
	},
	"stop": func(w *world, _ *testing.T, _ *datadriven.TestData) {
		w.desk.save(w.now)
		w.h, w.desk = nil, nil
	},
	"agents": func(w *world, t *testing.T, d *datadriven.TestData) {
		names, what := last(plainArgs(d))
		for _, j := range w.named(names) {
			switch what {
			case "gone":
				j.agents = false
			case "back":
				j.agents = true
				j.id++
			case "fail", "work":
				j.failing, j.crash = what == "fail", false
			case "crash":
				j.crash = true
			default:
				d.Fatalf(t, "agents %s?", what)
			}
		}
	},
	"new": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		j.rec.TimerOld, j.rec.Last = 0, record.None
	},
	"put": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		j.raw, j.asleep = d.Input, w.now.Unix()+12
	},
	"remove": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		j.there, j.asleep = false, w.now.Unix()+12
	},
	"rollback": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		j.rec.Seq -= 3600 * 1000
		j.rec.Timer, j.rec.TimerOld, j.asleep = j.rec.Timer-3600, j.rec.TimerOld-3600, w.now.Unix()+12
	},
	"future": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		r := j.rec
		r.TimerOld, r.Timer = r.TimerOld+86400, r.Timer+86400
		j.write(r, w.now.Unix())
		j.asleep = w.now.Unix() + 12
	},
	"duplicate": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		r := j.rec
		r.Claimed, r.Until, r.Lease = true, w.now.Unix()+15, 15
		j.write(r, w.now.Unix())
		j.ends = w.now.Unix() + 12
		w.advance(w.look, time.Second)
		j.id++
		r.ID = j.agent()
		j.write(r, w.now.Unix())
	},
	"pause": func(w *world, t *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		r := j.rec
		r.Pause, r.Why = -1, "maintenance"
		if text := option(d, "for", ""); text != "" {
			r.Pause = w.now.Add(duration(t, d, text)).Unix()
		}
		j.write(r, w.now.Unix())
	},
	"resume": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		r := j.rec
		r.Pause, r.Why = 0, ""
		j.write(r, w.now.Unix())
	},
	"server": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		j.old = ""
		if d.CmdArgs[1].Key == "old" {
			j.old = j.rec.String()
		}
	},
	"dns": func(w *world, _ *testing.T, d *datadriven.TestData) {
		names, what := last(plainArgs(d))
		for _, j := range w.named(names) {
			j.dark = what == "silent"
		}
	},
	"place": func(w *world, t *testing.T, d *datadriven.TestData) {
		for _, p := range w.places {
			if p.name == d.CmdArgs[0].Key {
				p.fault = d.CmdArgs[1].Key
				return
			}
		}
		d.Fatalf(t, "no such place")
	},
	"forget": func(w *world, _ *testing.T, d *datadriven.TestData) {
		j := w.job(d.CmdArgs[0].Key)
		w.h.Forget(j.name + ".example.com")
		w.jobs = append(w.jobs[:0], w.jobs[1:]...) // it is the first one
		if j.rec == (record.Record{}) {
			w.t.Fatal("no record")
		}
	},
}
