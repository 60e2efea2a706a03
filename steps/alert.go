package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/notify"
)

// An Alert tells people that a condition has turned true, and that it has turned
// false again: once each, whichever agent runs the tick. That nobody could be
// told fails no run: it is told in the next one.
type Alert struct {
	// Name is what the alert is remembered by in the job's state, so it should
	// stay when the job changes. See [alert.IDOf].
	Name    string
	Channel string // the notifier's name, for messages
	To      notify.Notifier
	// Referenced says that To identifies its messages, see [notify.Notifier].
	Referenced bool
	When       *expression.Program
	Rule       alert.Rule
	Severity   notify.Severity
	Title      expression.Text // empty: the job's name
	Text       expression.Text // empty: the condition
	Clear      expression.Text // what is told at the end; empty: that it is over
}

// errUntold says that nobody could be told.
var errUntold = errors.New("nobody could be told, so it is told with the next run")

// tellTime is how long one message may take.
const tellTime = 10 * time.Second

func (r *runner) alert(ctx context.Context, a *Alert, out map[string]any) (string, error) {
	on, err := a.When.Bool(r.vars)
	if err != nil {
		return "", err
	}
	out["firing"] = on
	note, told, err := r.tell(ctx, a, on, nil)
	out["told"] = told
	return note, err
}

// longestText is in bytes: no service takes more, and what nobody reads is not
// kept while it is sent.
const longestText = 128 << 10

// kinds are what a message tells, by what there is to tell.
var kinds = map[alert.Kind]notify.Kind{
	alert.Firing: notify.Firing, alert.Reminder: notify.Reminder, alert.Cleared: notify.Cleared, alert.Passed: notify.Passed,
}

// tell sends what is due about an alert whose condition is on or not, and
// remembers what became of it. A nil context means that there is no time left.
func (r *runner) tell(ctx context.Context, a *Alert, on bool, more map[string]any) (note, told string, err error) {
	id := alert.IDOf(a.Name)
	step := alert.Decide(a.Rule, r.book.Get(id), on, r.run.Tick.Unix())
	kind := kinds[step.Kind]
	became := func(o alert.Outcome, ref alert.Reference) {
		s := step.After(o, ref)
		if step.Kind == alert.Firing { // what is older may be of use to agents with another definition
			s = s.Fit(a.Rule, a.Referenced)
		}
		r.book.Set(id, s)
	}
	if step.Kind == alert.Nothing {
		became(alert.Accepted, 0)
		return map[bool]string{true: "still true", false: "not true"}[on], "", nil
	}
	m := r.message(a, step, kind, more)
	ref, err := "", errors.New("there was no time left")
	if ctx != nil {
		ctx, cancel := context.WithTimeout(ctx, tellTime)
		defer cancel()
		ref, err = r.send(ctx, a.To, m)
	}
	switch {
	case err == nil:
		became(alert.Accepted, alert.ParseReference(ref))
		return fmt.Sprintf("told %s: %s", a.Channel, kind), string(kind), nil
	case errors.Is(err, notify.ErrUncertain):
		became(alert.Doubtful, 0)
	default:
		became(alert.Rejected, 0)
	}
	return "", "", fmt.Errorf("%s to %s: %w: %w", kind, a.Channel, errUntold, err)
}

// send sends a message. A notifier that runs a command is bound to the run.
func (r *runner) send(ctx context.Context, to notify.Notifier, m *notify.Message) (string, error) {
	if e, ok := to.(*ExecNotifier); ok {
		return "", e.notify(ctx, r.run, m)
	}
	return to.Notify(ctx, m)
}

// message is what is told.
func (r *runner) message(a *Alert, step alert.Step, kind notify.Kind, more map[string]any) *notify.Message {
	since := time.Unix(step.Since, 0).UTC()
	vars := maps.Clone(r.vars)
	maps.Copy(vars, map[string]any{"since": since, "kind": string(kind)})
	maps.Copy(vars, more)
	m := &notify.Message{
		Kind: kind, Severity: a.Severity, Job: r.run.Job, Alert: a.Name, Title: r.run.Job,
		Tick: r.run.Tick.UTC(), Attempt: r.run.Attempt, Fence: r.run.Fence, Agent: r.run.Agent, Since: since,
		Doubt: step.Doubt, Unarbitrated: r.run.Unarbitrated,
	}
	if a.Referenced { // else the message was one of another channel, before the definition changed
		m.Ref = step.Ref.String()
	}
	if !a.Title.IsZero() {
		m.Title = clip(r.phrase(a.Title, vars), 4<<10)
	}
	defer func() { m.Text = clip(m.Text, longestText) }()
	lasted := max(0, r.run.Tick.Sub(since).Round(time.Second)) // a service's time, or a tick, may be ahead
	switch {
	case kind == notify.Passed:
		m.Text = fmt.Sprintf("It began at %s and is over. Nobody could be told in between.", since.Format(time.RFC3339))
	case kind == notify.Cleared && !a.Clear.IsZero():
		m.Text = r.phrase(a.Clear, vars)
	case kind == notify.Cleared:
		m.Text = fmt.Sprintf("It is over, after %s.", lasted)
	case !a.Text.IsZero():
		m.Text = r.phrase(a.Text, vars)
	case a.When != nil:
		m.Text = a.When.String()
	}
	return m
}

// phrase is a text for people. That it cannot be made keeps nobody from being
// told.
func (r *runner) phrase(t expression.Text, vars map[string]any) string {
	text, err := t.Render(vars)
	if err != nil {
		return fmt.Sprintf("%s\n(not all of this could be worked out: %v)", t.Show(vars), err)
	}
	return text
}

// onFailure tells people that the job has failed, or that it has not again.
func (r *runner) onFailure(ctx context.Context, err error) {
	timeout := timedOut(ctx)
	switch {
	case errors.Is(err, ErrSkipped), !timeout && (ctx.Err() != nil || errors.Is(err, ErrStopped) && r.run.over()):
		return // it says nothing about the job, or another agent runs this tick again
	case err != nil && r.run.Attempt < r.run.Attempts:
		return // so does a retry
	}
	more := map[string]any{"step": r.failed, "error": "", "result": "ok"}
	if err != nil {
		more["error"], more["result"] = err.Error(), "failed"
	}
	if errors.Is(err, ErrTimeout) {
		more["result"] = "timeout"
	}
	if timeout {
		var cancel context.CancelFunc
		if ctx, cancel = r.lastWords(ctx); cancel != nil {
			defer cancel()
		}
	}
	begin := time.Now()
	a := *r.OnFailure
	if a.Text.IsZero() && err != nil {
		a.Text = expression.Static(err.Error())
	}
	r.run.step = len(r.Steps)
	report := Report{Step: "on_failure", Kind: KindAlert, Result: "ok", Began: begin}
	var told string
	report.Note, told, report.Err = r.tell(ctx, &a, err != nil, more)
	report.Told = told != ""
	report.Took = time.Since(begin)
	r.result.Steps = append(r.result.Steps, report)
}

// lastWords is a context for what is to be told after the run's time is over:
// what is left before TERM becomes KILL, or nil.
func (r *runner) lastWords(ctx context.Context) (context.Context, context.CancelFunc) {
	left := r.run.Grace - 500*time.Millisecond
	if r.run.Left != nil {
		left = min(left, r.run.Left()-time.Second)
	}
	if left < 100*time.Millisecond {
		return nil, nil
	}
	return context.WithTimeout(context.WithoutCancel(ctx), left)
}

// An ExecNotifier tells by a command: what there is to tell is in its
// environment, as SOLOTICK_ALERT, SOLOTICK_KIND, SOLOTICK_SEVERITY,
// SOLOTICK_TITLE (one line), SOLOTICK_TEXT (without control characters but line
// feeds and tabs), SOLOTICK_SINCE (epoch second) and SOLOTICK_KEY, which is the
// same for a message that is sent twice.
type ExecNotifier struct {
	Command Command
	Env     []Field // more of its environment
}

// execTextLimit is in characters: Linux takes no variable over 128 KiB.
const execTextLimit = 30_000

// Notify runs the command outside any run of a job.
func (e *ExecNotifier) Notify(ctx context.Context, m *notify.Message) (string, error) {
	return "", e.notify(ctx, Run{Job: m.Job, Agent: m.Agent, Tick: m.Tick, Attempt: m.Attempt, Fence: m.Fence, Grace: time.Second}, m)
}

// notify reports a command that was begun and did not end well as a doubt: it
// may have told somebody before that.
func (e *ExecNotifier) notify(ctx context.Context, run Run, m *notify.Message) error {
	c := e.Command
	for _, f := range e.Env {
		v, err := f.Text.Render(nil)
		if err != nil {
			return fmt.Errorf("env %s: %w", f.Name, err)
		}
		c.Env = append(c.Env[:len(c.Env):len(c.Env)], f.Name+"="+value(v))
	}
	m = m.Brief(execTextLimit)
	c.Env = append(c.Env[:len(c.Env):len(c.Env)],
		"SOLOTICK_ALERT="+m.Alert, "SOLOTICK_KIND="+string(m.Kind), "SOLOTICK_SEVERITY="+string(m.Severity),
		"SOLOTICK_TITLE="+value(m.Title), "SOLOTICK_TEXT="+value(m.Text), fmt.Sprintf("SOLOTICK_SINCE=%d", m.Since.Unix()), "SOLOTICK_KEY="+m.Key())
	if c.Stdout == nil && c.Stderr == nil {
		c.Stdout, c.Stderr = run.Stdout, run.Stderr
	}
	if c.Guards == nil {
		c.Guards = run.Guards
	}
	_, err := c.Do(ctx, run)
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrNotExecutable) {
		return fmt.Errorf("%w; %w", err, notify.ErrUncertain)
	}
	return err
}

// value is a text as a variable can hold it.
func value(text string) string { return strings.ReplaceAll(text, "\x00", "") }
