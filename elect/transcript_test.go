package elect_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/schedule"
)

// TestTranscripts plays the stories of testdata: each drives agents, a register
// and DNS through one virtual time line and shows who writes and runs what, when
// and why. A story is documentation: read the files beside docs/protocol.md. After
// a wanted change, go test ./elect -run Transcripts -rewrite, and read the diff.
//
//	policy [every=60s] [lease=15s] ...   a new world at second 600, and its job's policy
//	policy lock [lease=15s] ...          a new world with a lock; its job is what is done under it
//	agent A [id=X] [rtt=20ms] [wall=3s] [every=20s]   an agent starts; its clock or its schedule may be off
//	     [seals=(1,2)] [plain=read] [signs=1] [verifies=(2)] [unsigned=read]     and these are its keys
//	job [A] [takes=5s] [stop=1s] [results=(failed, ok)] [hangs] [state=x]
//	advance 10s | advance to=720         let time pass, everything happens by itself
//	next A lands|lost|later|twice|slow=9s|conflict|refused|unreached ...   what becomes of A's next swaps
//	network                              the swaps that were under way arrive
//	register away|silent|refusing|back [A]   for everybody, or for A alone
//	register delete|damage|timeless|to=720|step=60s|put (the texts below; behind "seals=1 signs=2 [at=name]:" with keys, perhaps of another name)
//	dns lag=10s|away|stuck|alternating|back
//	operator pause|resume|trigger [until=900] [why=..]
//	freeze A | suspend A | thaw A | crash A | stop A [grace=8s]
//	trace on|off                         show questions too
//	show                                 what the register holds
func TestTranscripts(t *testing.T) {
	stories, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { play(t, path) })
	}
}

func play(t *testing.T, path string) {
	var w *world
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "policy" {
			w = newWorld(policy(t, d))
			return ""
		}
		do, ok := commands[d.Cmd]
		if !ok {
			d.Fatalf(t, "unknown command")
		}
		began := w.now
		do(w, t, d)
		w.costs(t, d, w.now-began)
		return w.flush()
	})
}

// costs fails on what no output should ever show: an agent that waits for a
// moment in the past, or that asks again and again. Reasons to ask come at most
// every third of a lease or in back-off, of which 10 questions in a row is ample.
func (w *world) costs(t *testing.T, d *datadriven.TestData, took time.Duration) {
	for _, a := range w.agents {
		if a.spins > 0 {
			t.Errorf("%s: %s waited for the past %d times", d.Pos, a.name, a.spins)
		}
		if most := 10 + int(took/(2*time.Second)); a.looks+a.loads > most {
			t.Errorf("%s: %s asked %d times in %v", d.Pos, a.name, a.looks+a.loads, took)
		}
		a.spins = 0
	}
}

func policy(t *testing.T, d *datadriven.TestData) elect.Policy {
	p := elect.Policy{
		Lease: 15 * time.Second, KillGrace: 3 * time.Second, HeadStart: 2 * time.Second, Spread: 3 * time.Second,
		PollMin: 55 * time.Second, PollMax: 55 * time.Second,
	}
	every, offset := 60*time.Second, time.Duration(0)
	for _, arg := range d.CmdArgs {
		durations := map[string]*time.Duration{
			"every": &every, "offset": &offset, "lease": &p.Lease, "kill_grace": &p.KillGrace, "skew": &p.Skew, "head_start": &p.HeadStart,
			"spread": &p.Spread, "timeout": &p.Timeout, "start_deadline": &p.StartDeadline, "outage_after": &p.OutageAfter, "poll": &p.PollMin,
		}
		numbers := map[string]*int{"attempts": &p.Attempts, "takeovers": &p.Takeovers, "catch_up_most": &p.CatchUpMost}
		switch {
		case durations[arg.Key] != nil:
			*durations[arg.Key] = span(t, d, arg.Vals[0])
		case numbers[arg.Key] != nil:
			n, err := strconv.Atoi(arg.Vals[0])
			check(t, d, err)
			*numbers[arg.Key] = n
		default:
			word(t, d, &p, arg)
		}
	}
	if p.PollMax = p.PollMin; !p.Lock {
		p.Schedule = each(t, d, every, offset)
	}
	p.Fill()
	check(t, d, p.Check())
	return p
}

func word(t *testing.T, d *datadriven.TestData, p *elect.Policy, arg datadriven.CmdArg) {
	switch arg.Key + "=" + strings.Join(arg.Vals, ",") {
	case "catch_up=none":
		p.CatchUp = elect.CatchUpNone
	case "catch_up=all":
		p.CatchUp = elect.CatchUpAll
	case "overlap=skip":
		p.Overlap = elect.OverlapSkip
	case "overlap=replace":
		p.Overlap = elect.OverlapReplace
	case "guarantee=at-most-once":
		p.AtMostOnce = true
	case "lock=":
		p.Lock = true
	case "affinity=none":
		p.NoAffinity = true
	case "without_register=always":
		p.WithoutRegister = elect.WithoutAlways
	case "without_register=wait":
		p.WithoutRegister = elect.WithoutWait
	default:
		d.Fatalf(t, "unknown: %v", arg)
	}
}

func each(t *testing.T, d *datadriven.TestData, every, offset time.Duration) schedule.Schedule {
	s, err := schedule.Every(every, offset)
	check(t, d, err)
	return s
}

func check(t *testing.T, d *datadriven.TestData, err error) {
	t.Helper()
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
}

func span(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	v, err := time.ParseDuration(text)
	check(t, d, err)
	return v
}

// moment reads an epoch second.
func moment(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	v, err := strconv.ParseFloat(text, 64)
	check(t, d, err)
	return time.Duration(v * float64(time.Second))
}

func value(d *datadriven.TestData, key, other string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return other
}

func first(t *testing.T, d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 {
		d.Fatalf(t, "what?")
	}
	return d.CmdArgs[0].Key
}

// one is the agent that a command names first.
func (w *world) one(t *testing.T, d *datadriven.TestData) *agent {
	for _, a := range w.agents {
		if len(d.CmdArgs) > 0 && a.name == d.CmdArgs[0].Key && !a.gone {
			return a
		}
	}
	d.Fatalf(t, "no such agent")
	return nil
}

var commands = map[string]func(*world, *testing.T, *datadriven.TestData){
	"agent": func(w *world, t *testing.T, d *datadriven.TestData) {
		a := &agent{world: w, name: first(t, d), policy: w.policy, job: w.job, runs: map[bool]*running{}}
		a.rtt, a.wall = span(t, d, value(d, "rtt", "20ms")), span(t, d, value(d, "wall", "0s"))
		if every := value(d, "every", ""); every != "" {
			a.policy.Schedule = each(t, d, span(t, d, every), span(t, d, value(d, "offset", "0s")))
		}
		a.form = keyring(t, d, d.CmdArgs)
		a.self.ID = value(d, "id", a.name)
		a.self.Born, a.self.NextLook = a.clocks().Time, a.elapsed()+a.policy.PollMin
		w.agents = append(w.agents, a)
		w.printf(a.name, "starts")
		a.plan(w.now, a.decide)
	},
	"job": func(w *world, t *testing.T, d *datadriven.TestData) {
		jobs := []*job{&w.job}
		for _, a := range w.agents {
			if named := d.HasArg(a.name); named {
				jobs = []*job{&a.job}
				break
			}
			jobs = append(jobs, &a.job)
		}
		for _, j := range jobs {
			j.takes, j.stop = span(t, d, value(d, "takes", j.takes.String())), span(t, d, value(d, "stop", j.stop.String()))
			j.hangs, j.state = d.HasArg("hangs"), value(d, "state", j.state)
			for _, a := range d.CmdArgs {
				if a.Key == "results" {
					j.results = nil
					for _, v := range a.Vals {
						j.results = append(j.results, record.Result(v))
					}
				}
			}
		}
	},
	"advance": func(w *world, t *testing.T, d *datadriven.TestData) {
		if to := value(d, "to", ""); to != "" {
			w.advance(moment(t, d, to))
			return
		}
		w.advance(w.now + span(t, d, first(t, d)))
	},
	"next": func(w *world, t *testing.T, d *datadriven.TestData) {
		a := w.one(t, d)
		for _, f := range d.CmdArgs[1:] {
			switch f.Key {
			case "lands", "lost", "later", "twice", "conflict", "refused", "unreached", "done":
				a.faults = append(a.faults, fault{what: f.Key})
			case "slow":
				a.faults = append(a.faults, fault{delay: span(t, d, f.Vals[0])})
			default:
				d.Fatalf(t, "unknown fault %s", f.Key)
			}
		}
	},
	"network": func(w *world, _ *testing.T, _ *datadriven.TestData) {
		for _, land := range w.late {
			land()
		}
		w.late = nil
	},
	"register": (*world).register,
	"dns": func(w *world, t *testing.T, d *datadriven.TestData) {
		switch what := first(t, d); what {
		case "lag":
			w.lag = span(t, d, value(d, "lag", ""))
		case "stuck", "alternating":
			w.dns, w.stuck = what, w.texts
		case "away":
			w.dns = "away"
		case "back":
			w.dns, w.lag = "", 0
		default:
			d.Fatalf(t, "unknown")
		}
		w.printf("dns", "%s", d.CmdArgs[0])
	},
	"operator": (*world).operator,
	"freeze": func(w *world, t *testing.T, d *datadriven.TestData) {
		a := w.one(t, d)
		a.frozen, a.since = true, w.now
		w.printf(a.name, "is frozen")
	},
	"suspend": func(w *world, t *testing.T, d *datadriven.TestData) {
		a := w.one(t, d)
		a.frozen, a.suspended, a.since = true, true, w.now
		w.printf(a.name, "is suspended: its monotonic clock stands still")
	},
	"thaw": func(w *world, t *testing.T, d *datadriven.TestData) {
		a := w.one(t, d)
		if a.suspended {
			a.asleep += w.now - a.since
		}
		a.frozen, a.suspended = false, false
		w.printf(a.name, "goes on")
		held := a.held
		a.held = nil
		// Time is judged before what came in meanwhile, as a timer that is due would.
		a.decide()
		for _, note := range held {
			a.answer(note)
		}
	},
	"crash": func(w *world, t *testing.T, d *datadriven.TestData) {
		a := w.one(t, d)
		a.gone = true
		w.printf(a.name, "is killed")
	},
	"stop": func(w *world, t *testing.T, d *datadriven.TestData) {
		a := w.one(t, d)
		a.self.Stopping, a.self.StopBy = true, a.elapsed()+span(t, d, value(d, "grace", "8s"))
		w.printf(a.name, "is told to end")
		a.decide()
	},
	"trace": func(w *world, t *testing.T, d *datadriven.TestData) { w.trace = first(t, d) == "on" },
	"show":  func(w *world, _ *testing.T, _ *datadriven.TestData) { w.printf("register", "%s", show(w.texts)) },
}

func (w *world) register(t *testing.T, d *datadriven.TestData) {
	what := first(t, d)
	switch what {
	case "away", "silent", "refusing", "back":
		if len(d.CmdArgs) > 1 {
			for _, a := range w.agents {
				if a.name == d.CmdArgs[1].Key {
					a.mode = what
					w.printf("register", "%s for %s", what, a.name)
				}
			}
			return
		}
		w.mode = what
	case "timeless":
		w.silent = true
	case "step":
		w.step += span(t, d, value(d, "step", ""))
	case "delete":
		w.put(nil)
	case "damage":
		w.put([]string{`{"id":"`})
	case "to":
		w.put(w.at(moment(t, d, value(d, "to", ""))))
	case "put":
		w.put(protected(t, d))
	default:
		d.Fatalf(t, "unknown")
	}
	switch what {
	case "delete", "damage", "to", "put":
		w.printf("register", "by hand: %s", show(w.texts))
	default:
		w.printf("register", "%s", d.CmdArgs[0])
	}
}

// operator does what the commands pause, resume and trigger do.
func (w *world) operator(t *testing.T, d *datadriven.TestData) {
	set := record.ReadAs(keyring(t, d, d.CmdArgs), w.texts, int64(w.now/time.Second))
	now := time.Unix(int64((w.now+w.step)/time.Second), 0)
	var r record.Record
	var note string
	var err error
	switch what := first(t, d); what {
	case "pause":
		var until time.Time
		if v := value(d, "until", ""); v != "" {
			sec, err := strconv.ParseInt(v, 10, 64)
			check(t, d, err)
			until = time.Unix(sec, 0)
		}
		r, err = elect.Pause(set.Record, until, value(d, "why", ""), now)
	case "resume":
		r = elect.Resume(set.Record, now)
	case "trigger":
		var absorbed bool
		r, absorbed, err = elect.Trigger(&w.policy, set.Record, now)
		if absorbed {
			note = " (a run is in progress and may absorb it)"
		}
	default:
		d.Fatalf(t, "unknown")
	}
	if err != nil {
		w.printf("operator", "%s: %v", first(t, d), err)
		return
	}
	w.put(set.With(r))
	w.printf("operator", "%s%s: %s", d.CmdArgs[0].Key, note, fmt.Sprint(r))
}
