package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/steps"
)

// A tryout is a fleet over a register in memory.
type tryout struct {
	t     *testing.T
	dir   string
	mem   register.Memory
	log   logBuffer
	fleet *fleet
	gone  logBuffer
	crews chan []*crew // read once more
	again chan int
	end   context.CancelFunc
	over  chan int
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newTryout(t *testing.T, members ...member) *tryout {
	t.Helper()
	y := &tryout{t: t, dir: t.TempDir(), crews: make(chan []*crew, 1), again: make(chan int, 1), over: make(chan int, 1)}
	log := slog.New(slog.NewTextHandler(&y.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	y.fleet = newFleet("TESTAGENT", log, io.Discard, io.Discard)
	y.fleet.grace = 500 * time.Millisecond
	y.fleet.forget = append(y.fleet.forget, func(m member) { fmt.Fprintf(&y.gone, "%s ", m.Name) })
	var ctx context.Context
	ctx, y.end = context.WithCancel(t.Context())
	y.fleet.apply(ctx, y.prepare(members...))
	go func() {
		y.over <- y.fleet.keep(ctx, signals{again: y.again}, func(bool) []*crew {
			select {
			case c := <-y.crews:
				return c
			default:
				return nil
			}
		})
	}()
	t.Cleanup(func() {
		y.end()
		y.await("the end", func() bool {
			select {
			case n := <-y.over:
				y.over <- n
				return true
			default:
				return false
			}
		})
		if t.Failed() {
			t.Log(y.log.String())
		}
	})
	return y
}

// connect is a connect to the register in memory.
func (y *tryout) connect(m member) (register.Register, look, error) {
	if m.Where == "nowhere" {
		return nil, nil, fmt.Errorf("no server is called nowhere")
	}
	r := y.mem.At(m.Record)
	return r, r.Load, nil
}

func (y *tryout) prepare(members ...member) []*crew {
	y.t.Helper()
	crews, err := y.fleet.prepare(members, y.connect)
	if err != nil {
		y.t.Fatal(err)
	}
	return crews
}

// job is a member that runs a shell's text every second.
func job(t *testing.T, name, text string) member {
	t.Helper()
	every, err := schedule.Every(time.Second, 0)
	if err != nil {
		t.Fatal(err)
	}
	return member{
		Name: name, Record: name + ".t.test.",
		Policy: elect.Policy{Schedule: every, Lease: 3 * time.Second, Skew: time.Millisecond, Spread: time.Millisecond},
		Plan:   &steps.Plan{Steps: []steps.Step{{Command: &steps.Command{Argv: []string{text}, Shell: true}}}},
		Mark:   text,
	}
}

func (y *tryout) await(what string, ok func() bool) {
	y.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			y.t.Fatalf("%s: not within 30 s\n%s", what, y.log.String())
		}
	}
}

func (y *tryout) lines(file string) int {
	text, _ := os.ReadFile(filepath.Join(y.dir, file))
	return strings.Count(string(text), "\n")
}

func TestFleetChangesJobsBetweenRuns(t *testing.T) {
	y := newTryout(t)
	say := func(what string) string { return "echo $SOLOTICK_TICK $SOLOTICK_AGENT >>" + filepath.Join(y.dir, what) }
	kept, changes, goes := job(t, "kept", say("kept")), job(t, "changes", say("before")), job(t, "goes", say("goes"))
	y.crews <- y.prepare(kept, changes, goes)
	y.await("first runs", func() bool { return y.lines("kept") > 0 && y.lines("before") > 0 && y.lines("goes") > 0 })
	agentOfKept := y.fleet.posts["kept"]

	changed, comes := job(t, "changes", say("after")), job(t, "comes", say("comes"))
	y.crews <- y.prepare(kept, changed, comes)
	y.await("runs of the new definitions", func() bool { return y.lines("after") > 1 && y.lines("comes") > 1 })
	before, goesBy := y.lines("before"), y.lines("goes")
	y.await("more runs", func() bool { return y.lines("after") > 3 })
	if y.lines("before") != before || y.lines("goes") != goesBy {
		t.Error("an old definition is still run")
	}
	// Nobody else had to step in, and nothing was lost on the way: the record
	// stayed with this process from tick to tick.
	if text := y.mem.Texts("changes.t.test."); len(text) != 1 || !strings.Contains(text[0], `"id":"TESTAGENT"`) {
		t.Errorf("the record of the changed job is %q", text)
	}
	ticks := map[string]int{}
	for _, file := range []string{"before", "after"} {
		text, _ := os.ReadFile(filepath.Join(y.dir, file))
		for line := range strings.Lines(string(text)) {
			ticks[line]++
		}
	}
	for line, n := range ticks {
		if n > 1 {
			t.Errorf("%d runs of %s", n, line)
		}
	}
	for _, bad := range []string{"hand over", "claim lapsed"} {
		if strings.Contains(y.log.String(), bad) {
			t.Errorf("the log tells of %q", bad)
		}
	}
	y.end()
	if n := <-y.over; n != 0 {
		t.Errorf("keep returned %d, want 0", n)
	}
	y.over <- 0
	if got := y.gone.String(); got != "goes " {
		t.Errorf("jobs that are gone: %s", got)
	}
	if agentOfKept.canceled {
		t.Error("the agent of a job that did not change was replaced")
	}
	if got := strings.Count(y.log.String(), "the job has changed"); got != 1 {
		t.Errorf("%d jobs have changed, want 1", got)
	}
}

func TestFleetLetsARunEndBeforeItsJobChanges(t *testing.T) {
	y := newTryout(t)
	first := job(t, "long", "echo begin >>"+y.dir+"/begin; sleep 2.5; echo end >>"+y.dir+"/end")
	y.crews <- y.prepare(first)
	y.await("a run", func() bool { return y.lines("begin") == 1 })
	y.crews <- y.prepare(job(t, "long", "echo new >>"+y.dir+"/new"))
	y.await("the new definition", func() bool { return y.lines("new") > 0 })
	if y.lines("end") != y.lines("begin") {
		t.Errorf("%d of %d runs were cut for a change", y.lines("begin")-y.lines("end"), y.lines("begin"))
	}
}

func TestFleetTakesAChangeBack(t *testing.T) {
	y := newTryout(t)
	long := job(t, "long", "echo begin >>"+y.dir+"/begin; sleep 2; echo end >>"+y.dir+"/end")
	y.crews <- y.prepare(long)
	y.await("a run", func() bool { return y.lines("begin") == 1 })
	y.crews <- y.prepare(job(t, "long", "echo new >>"+y.dir+"/new"))
	y.await("the change's arrival", func() bool { return len(y.crews) == 0 })
	y.crews <- y.prepare(long)
	y.await("another run", func() bool { return y.lines("begin") == 2 })
	if y.lines("new") != 0 {
		t.Error("a definition that was taken back was run")
	}
}

func TestFleetHandsOverAndEnds(t *testing.T) {
	y := newTryout(t)
	y.crews <- y.prepare(job(t, "long", "echo begin >>"+y.dir+"/begin; exec sleep 60"))
	y.await("a run", func() bool { return y.lines("begin") == 1 })
	began := time.Now()
	y.end()
	if n := <-y.over; n != 0 {
		t.Errorf("keep returned %d, want 0", n)
	}
	y.over <- 0
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took %v, want about the grace of %v", took, y.fleet.grace)
	}
	text := strings.Join(y.mem.Texts("long.t.test."), "")
	r := record.Read([]string{text}, 0).Record
	if r.Claimed || r.Last != record.Lost || r.Try != 2 {
		t.Errorf("the record after a hand-over is %s", text)
	}
}

func TestFleetSecondSignal(t *testing.T) {
	y := newTryout(t)
	y.fleet.grace = time.Hour
	y.crews <- y.prepare(job(t, "long", "echo begin >>"+y.dir+"/begin; exec sleep 5"))
	y.await("a run", func() bool { return y.lines("begin") == 1 })
	y.end()
	y.again <- 15
	if n := <-y.over; n != 15 {
		t.Errorf("keep returned %d, want 15", n)
	}
	y.over <- 15
}

func TestFleetFindsMistakesBeforeItStarts(t *testing.T) {
	y := newTryout(t)
	bad, worse := job(t, "bad", "true"), job(t, "worse", "true")
	bad.Where, worse.Policy.Lease = "nowhere", time.Second
	_, err := y.fleet.prepare([]member{bad, worse}, y.connect)
	if err == nil || !strings.Contains(err.Error(), "job bad: ") || !strings.Contains(err.Error(), "job worse: ") {
		t.Errorf("prepare says %v, want both jobs' mistakes", err)
	}
}

// TestPostKnowsTheTickBefore: what a job's record told before the agent's own
// claim, whichever way that claim was seen.
func TestPostKnowsTheTickBefore(t *testing.T) {
	const me = "TESTAGENT"
	claim := record.Record{ID: me, Claimed: true, TimerOld: 120}
	lost := errors.New("lost")
	p := new(post)
	for _, tt := range []struct {
		ev   solotick.Event
		want int64
	}{
		{solotick.Event{Verb: elect.Look}, 0}, // no record
		{solotick.Event{Verb: elect.Look, Record: record.Record{ID: "OTHER", TimerOld: 60}}, 60},
		{solotick.Event{Verb: elect.Swap, Record: claim, Err: lost}, 60},
		{solotick.Event{Verb: elect.Load, Record: claim}, 60}, // it was applied all the same
		{solotick.Event{Verb: elect.Run}, 60},
		{solotick.Event{Verb: elect.Swap, Record: record.Record{ID: me, TimerOld: 120}}, 120},
		{solotick.Event{Verb: elect.Load, Record: record.Record{ID: "OTHER", Claimed: true, TimerOld: 180}}, 180},
		{solotick.Event{Verb: elect.Load, Err: lost}, 180},
	} {
		p.note(me, tt.ev)
		if got := p.before.Load(); got != tt.want {
			t.Errorf("after %+v: %d, want %d", tt.ev, got, tt.want)
		}
	}
}

// TestPlanContext: only a run whose own time is over has timed out.
func TestPlanContext(t *testing.T) {
	for _, tt := range []struct {
		cause error
		late  bool
	}{{errors.New("handed over"), false}, {fmt.Errorf("run timed out: %w", solotick.ErrTimeout), true}} {
		for _, before := range []bool{false, true} {
			run, cut := context.WithCancelCause(t.Context())
			if before {
				cut(tt.cause)
			}
			ctx, stop := planContext(run)
			if (ctx.Err() != nil) != before {
				t.Errorf("%v: it has ended: %v, want %v", tt.cause, ctx.Err(), before)
			}
			cut(tt.cause)
			<-ctx.Done()
			if got := context.Cause(ctx); errors.Is(got, steps.ErrTimeout) != tt.late || !tt.late && !errors.Is(got, tt.cause) {
				t.Errorf("%v: the cause is %v", tt.cause, got)
			}
			stop()
		}
	}
}
