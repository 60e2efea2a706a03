package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
	"github.com/solotick/solotick/schedule"
)

// The operator's commands over a register with faults. What they do on real
// servers is in testdata/script.

const operatorName = "canary.t.test"

// An operatorCase is one command on one record.
type operatorCase struct {
	name  string
	texts []string // what is there before
	swaps []registertest.Fault
	loads []registertest.Fault
	do    func(context.Context, site) (told, error)
	code  int
	says  string // in what is printed, or in the error
	wrote bool
	check func(t *testing.T, before, after record.Record)
}

func pauseForTwoHours(ctx context.Context, s site) (told, error) {
	return pause(ctx, s, 2*time.Hour, "db migration")
}

func TestOperator(t *testing.T) {
	// synctest begins at 2000-01-01T00:00:00Z = 946684800.
	const idle = `{"id":"A","timer":946684860,"timerold":946684740,"seq":946684740000,"last":"ok"}`
	const claim = `{"id":"A","timer":946684860,"timerold":946684800,"seq":946684800000,"until":946684815,"lease":15,"last":"ok"}`
	const paused = `{"id":"A","timer":946684740,"timerold":946684680,"seq":5,"last":"ok","pause":-1,"why":"holiday"}`
	same := func(t *testing.T, before, after record.Record) {
		if after != before {
			t.Errorf("the record changed from %s to %s", before, after)
		}
	}
	for _, c := range []operatorCase{
		{
			name: "trigger", texts: []string{idle}, do: trigger, says: "may be at the next tick, 00:01:00Z, and then one run does for both", wrote: true,
			check: func(t *testing.T, before, after record.Record) {
				want := before
				want.Timer, want.Seq = 946684800, 946684800000
				if after != want {
					t.Errorf("wrote %s, want %s", after, want)
				}
			},
		},
		{
			name: "trigger during a run", texts: []string{claim}, do: trigger, says: "may take the wish with it", wrote: true,
			check: func(t *testing.T, before, after record.Record) {
				if !after.Claimed || after.ID != "A" || after.Timer != 946684801 {
					t.Errorf("wrote %s", after)
				}
			},
		},
		{name: "trigger of a due tick", texts: []string{strings.Replace(idle, "946684860", "946684790", 1)}, do: trigger, says: "due already", check: same},
		{name: "trigger while paused", texts: []string{paused}, do: trigger, code: exitRefused, says: "it is paused until somebody resumes it (holiday)", check: same},
		{name: "trigger of nothing", do: trigger, code: exitFailed, says: "there is no record"},
		{name: "trigger of garbage", texts: []string{`{"id":`}, do: trigger, code: exitFailed, says: "damaged"},
		{name: "trigger of a sealed record", texts: []string{"st1.k.AAAA"}, do: trigger, code: exitRefused, says: "sealed"},

		{
			name: "pause", texts: []string{idle}, do: pauseForTwoHours, says: "paused until 02:00:00Z (db migration)", wrote: true,
			check: func(t *testing.T, before, after record.Record) {
				want := before
				want.Pause, want.Why, want.Seq = 946692000, "db migration", 946684800000
				if after != want {
					t.Errorf("wrote %s, want %s", after, want)
				}
			},
		},
		{
			name: "pause during a run", texts: []string{claim}, do: pauseForTwoHours, says: "goes on to its end", wrote: true,
			check: func(t *testing.T, before, after record.Record) {
				if !after.Claimed || after.ID != before.ID || after.Lease != 15 || after.Seq != before.Seq+1 {
					t.Errorf("wrote %s: the claim must stay its holder's", after)
				}
			},
		},
		{name: "pause keeps foreign values", texts: []string{"v=spf1 -all", idle}, do: pauseForTwoHours, says: "paused", wrote: true},
		{
			name: "resume", texts: []string{paused}, do: resume, says: "a run is due since", wrote: true,
			check: func(t *testing.T, before, after record.Record) {
				if after.Pause != 0 || after.Why != "" || after.Timer != before.Timer {
					t.Errorf("wrote %s", after)
				}
			},
		},
		{name: "resume of what is not paused", texts: []string{idle}, do: resume, says: "was not paused", check: same},

		{
			name: "reset", texts: []string{strings.Replace(paused, `"seq":5`, `"seq":946684799999,"try":3,"state":"x"`, 1)}, do: reset, says: "reset; the next run is at 00:01:00Z", wrote: true,
			check: func(t *testing.T, before, after record.Record) {
				want := record.Record{ID: "A", Timer: 946684860, TimerOld: 946684800, Seq: 946684800000, Last: record.Skipped}
				if after != want {
					t.Errorf("wrote %s, want %s", after, want)
				}
			},
		},
		{
			name: "reset during a run", texts: []string{claim}, do: reset, says: "A stops its run of 00:00:00Z", wrote: true,
			check: func(t *testing.T, before, after record.Record) {
				if after.Claimed || after.TimerOld < before.TimerOld || after.Seq <= before.Seq {
					t.Errorf("wrote %s: it must be newer than the claim", after)
				}
			},
		},
		{name: "reset of garbage", texts: []string{`{"id":`}, do: reset, says: "reset", wrote: true},
		{name: "reset of nothing", do: reset, says: "reset", wrote: true},
		{name: "reset of a sealed record", texts: []string{"st1.k.AAAA"}, do: reset, code: exitRefused, says: "sealed"},
		{
			name: "reset of a tick that was run", texts: []string{strings.Replace(strings.Replace(idle, "946684740,", "946684800,", 1), `"ok"`, `"failed"`, 1)}, do: reset, says: "reset", wrote: true,
			check: func(t *testing.T, _, after record.Record) {
				if after.Last != record.Failed {
					t.Errorf("wrote %s: that tick was run, and failed", after)
				}
			},
		},

		{name: "the reply is lost", texts: []string{idle}, swaps: []registertest.Fault{registertest.Lose}, do: pauseForTwoHours, says: "paused until", wrote: true},
		{name: "the request is lost", texts: []string{idle}, swaps: []registertest.Fault{registertest.Drop}, do: trigger, code: exitTryAgain, says: "it is not known", check: same},
		{
			name: "the register goes away after the request", texts: []string{idle}, swaps: []registertest.Fault{registertest.Lose},
			loads: append([]registertest.Fault{registertest.Pass}, repeat(registertest.Unreachable, 40)...), do: trigger, code: exitTryAgain, says: "the register could not be asked", wrote: true,
		},
		{name: "no way to the register", texts: []string{idle}, loads: []registertest.Fault{registertest.Unreachable}, do: pauseForTwoHours, code: exitUnreachable, says: "connection refused", check: same},
		{name: "the write cannot be sent", texts: []string{idle}, swaps: []registertest.Fault{registertest.Unreachable}, do: pauseForTwoHours, code: exitUnreachable, says: "connection refused", check: same},
		{name: "refused", texts: []string{idle}, swaps: []registertest.Fault{registertest.Refuse}, do: pauseForTwoHours, code: exitRefused, says: "refuse", check: same},
	} {
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, c.run) })
	}
}

func repeat(f registertest.Fault, n int) []registertest.Fault {
	out := make([]registertest.Fault, n)
	for i := range out {
		out[i] = f
	}
	return out
}

func (c operatorCase) run(t *testing.T) {
	var memory register.Memory
	memory.Put(operatorName, c.texts...)
	faulty := registertest.NewFaulty(memory.At(operatorName), operatorName, c.swaps...)
	faulty.Loads(c.loads...)
	every, err := schedule.Every(time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := site{name: operatorName, job: "canary", policy: elect.Policy{Schedule: every}, register: faulty}

	what, err := c.do(t.Context(), s)
	said := what.text
	if err == nil && what.wrote != c.wrote {
		t.Errorf("it says that it wrote: %v, want %v", what.wrote, c.wrote)
	}
	code := exitOK
	if err != nil {
		said += err.Error()
		var f *failure
		if !errors.As(err, &f) {
			t.Fatalf("%v is no failure with a code", err)
		}
		code = f.code
		if f.means == "" {
			t.Errorf("%v: does not say what it means", err)
		}
	}
	if code != c.code || !strings.Contains(said, c.says) {
		t.Errorf("code %d: %s\nwant code %d: ...%s...", code, said, c.code, c.says)
	}
	after, err := memory.At(operatorName).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if wrote := !equalSets(after.Texts, c.texts); wrote != c.wrote {
		t.Errorf("wrote: %v, want %v: %q", wrote, c.wrote, after.Texts)
	}
	was, is := record.Read(c.texts, 0), record.Read(after.Texts, 0)
	if !equalSets(was.Foreign, is.Foreign) {
		t.Errorf("foreign values %q, want %q", is.Foreign, was.Foreign)
	}
	if c.check != nil {
		c.check(t, was.Record, is.Record)
	}
}

// TestOperatorAgainstAgents: agents write all the time, and the wish gets in or
// gives up.
func TestOperatorAgainstAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var memory register.Memory
		memory.Put(operatorName, `{"id":"A","timer":946684860,"timerold":946684740,"seq":1}`)
		busy := &busyRegister{Register: memory.At(operatorName), conflicts: changeTries - 1}
		if _, err := (site{name: operatorName, register: busy}).change(t.Context(), pauseEdit); err != nil {
			t.Errorf("after %d conflicts: %v", changeTries-1, err)
		}
		busy.conflicts = changeTries
		_, err := (site{name: operatorName, register: busy}).change(t.Context(), pauseEdit)
		var f *failure
		if !errors.As(err, &f) || f.code != exitTryAgain {
			t.Errorf("after %d conflicts: %v, want code %d", changeTries, err, exitTryAgain)
		}
	})
}

func pauseEdit(set record.Set, now time.Time) (record.Record, error) {
	return elect.Pause(set.Record, time.Time{}, "", now)
}

// A busyRegister is written to by somebody else just before each of its first swaps.
type busyRegister struct {
	register.Register
	conflicts int
}

func (b *busyRegister) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if b.conflicts > 0 {
		b.conflicts--
		set := record.Read(old.Texts, 0)
		set.Record.Seq++
		if _, err := b.Register.Swap(ctx, old, set.With(set.Record)); err != nil {
			return register.Snapshot{}, err
		}
	}
	return b.Register.Swap(ctx, old, texts)
}
