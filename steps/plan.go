package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/internal/expression"
)

// A Plan is what a job does. It is safe for concurrent use.
type Plan struct {
	Steps []Step
	// OnFailure is told when the job has failed in a tick, all its attempts
	// included, and when it has not again; nil: nobody is. Its When is not used.
	OnFailure *Alert

	aside aside
}

// A Step is one thing that a job does: exactly one of Command, HTTP, Alert and
// Set.
type Step struct {
	ID string // for errors, logs and expressions; empty: its number
	// If has to be true for the step to be done; nil: it always is. Alerts have a
	// condition of their own.
	If *expression.Program
	// Expect has to be true afterwards, or the step has failed; nil: a command
	// has to end with code 0, and a status has to be from 200 to 299.
	Expect *expression.Program
	// MayFail has the job go on when the step failed.
	MayFail bool

	// Timeout is how long the step may take, all tries of a request included; 0: as
	// long as the run. A Command has one of its own.
	Timeout time.Duration

	Command *Command
	// Env is more of the command's environment.
	Env   []Field
	HTTP  *HTTP
	Alert *Alert
	Set   *expression.Text // the job's new own state
}

// A Field is a name with a text: a header, a variable, a part of a form.
type Field struct {
	Name string
	Text expression.Text
}

// Kind is what the step does.
func (s *Step) Kind() Kind {
	switch {
	case s.HTTP != nil:
		return KindHTTP
	case s.Alert != nil:
		return KindAlert
	case s.Set != nil:
		return KindSet
	}
	return KindExec
}

// Name is the step's id, or its number from 1.
func (s *Step) Name(i int) string {
	if s.ID != "" {
		return s.ID
	}
	return strconv.Itoa(i + 1)
}

// A Report tells how one step of a run ended.
type Report struct {
	Step   string // as [Step.Name] says; on_failure for that
	Kind   Kind
	Result string // ok, failed, timeout or skipped
	Began  time.Time
	Took   time.Duration
	Note   string // what it did, in a few words without secrets
	Told   bool   // an alert: a message was accepted
	Err    error  // why it failed; a step that may fail and an alert that nobody could be told have one too
}

// Quiet says whether nobody sees what a command of the plan prints.
func (p *Plan) Quiet() bool {
	for i := range p.Steps {
		if c := p.Steps[i].Command; c != nil && c.Output == Quiet {
			return true
		}
	}
	return false
}

// Reserve is how much of a job's state its alerts may need, in characters.
func (p *Plan) Reserve() int {
	n := 0
	for _, a := range p.alerts() {
		n += alert.Len(a.Rule.Remind > 0, a.Referenced)
	}
	if n > 0 {
		n += alert.Extra
	}
	return n
}

func (p *Plan) alerts() (all []*Alert) {
	for i := range p.Steps {
		if a := p.Steps[i].Alert; a != nil {
			all = append(all, a)
		}
	}
	if p.OnFailure != nil {
		all = append(all, p.OnFailure)
	}
	return all
}

// Do does one step after the other until one fails, ctx ends or run.Deadline has
// passed, which is the same as that ctx ends with the cause [ErrTimeout]. It
// returns the code, signal
// and tail of the latest command, the state that the job has now, and a report
// of each step. The error names the step if there are several; it wraps
// [ErrTimeout] if run.Deadline has passed, [ErrSkipped] if no step had anything
// to do, and [ErrState] if the state has no room for what has to be remembered.
func (p *Plan) Do(ctx context.Context, run Run) (Result, error) {
	begin := time.Now()
	if !run.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, run.Deadline, ErrTimeout)
		defer cancel()
	}
	r := p.begin(run)
	defer r.held.give()
	err := r.steps(ctx)
	if p.OnFailure != nil {
		r.onFailure(ctx, err)
	}
	r.result.Took = time.Since(begin)
	if full := r.fit(); full != nil && (err == nil || errors.Is(err, ErrSkipped)) {
		err = full
	}
	was := alert.ParseBook(run.State)
	r.result.State = r.book.String()
	r.result.StateSet = r.result.State != was.String()
	if !r.result.StateSet {
		r.result.State = run.State
	}
	p.aside.end(&run, &r.result)
	return r.result, err
}

// fit makes the book fit into the record. What it has that the plan has no use for
// stays where there is room: agents with another definition may have. All else has
// room, unless the job's own text is from a time when it could be longer.
func (r *runner) fit() error {
	fits := func() bool { return encodedLen(r.book.String()) <= MaxState }
	if fits() {
		return nil
	}
	known := make(map[alert.ID]bool)
	for _, a := range r.alerts() {
		id := alert.IDOf(a.Name)
		known[id] = true
		r.book.Set(id, r.book.Get(id).Fit(a.Rule, a.Referenced))
	}
	var err error
	for _, mine := range []bool{false, true} {
		for _, id := range r.book.IDs() {
			if fits() {
				return err
			}
			if known[id] != mine {
				continue
			}
			if mine && err == nil {
				err = fmt.Errorf("%w: the job's own text has %d bytes as JSON, which leaves no room for what its alerts remember: they are told again and again; at most %d fit",
					ErrState, encodedLen(r.book.Own), r.run.room())
			}
			r.book.Set(id, alert.Status{})
		}
	}
	if !fits() { // a text that could be taken for a book's is longer in a book
		own := encodedLen(r.book.Own)
		r.book.Own = r.was
		err = fmt.Errorf("%w: %d bytes as JSON, and two more as it begins with !; the state stays as it was", ErrState, own)
	}
	return err
}

// A runner is one run of a plan.
type runner struct {
	*Plan
	run    Run
	book   alert.Book
	was    string // the job's own text at the beginning
	vars   map[string]any
	byID   map[string]any // what is behind steps. in expressions
	result Result
	failed string // the step that failed
	held   held
}

func (p *Plan) begin(run Run) *runner {
	r := &runner{Plan: p, run: run, byID: make(map[string]any)}
	r.book = alert.ParseBook(p.aside.begin(&run))
	r.run.State, r.was = r.book.Own, r.book.Own
	if n := p.Reserve(); n > 0 {
		r.run.Room = MaxState - n
	}
	r.vars = r.run.names()
	r.vars["steps"] = r.byID
	for i := range p.Steps {
		if s := &p.Steps[i]; s.ID != "" {
			r.byID[s.ID] = nothing(s.Kind())
		}
	}
	return r
}

func (r *runner) steps(ctx context.Context) error {
	skipped := 0
	for i := range r.Steps {
		s := &r.Steps[i]
		report := r.step(ctx, s, i)
		r.result.Steps = append(r.result.Steps, report)
		if report.Result == "skipped" {
			skipped++
		}
		if report.Err == nil || s.MayFail && ctx.Err() == nil || s.Alert != nil && report.Result == "ok" {
			continue
		}
		r.failed = report.Step
		err := report.Err
		if timedOut(ctx) && !errors.Is(err, ErrTimeout) {
			err = fmt.Errorf("%w: %w", ErrTimeout, err)
		}
		if len(r.Steps) > 1 {
			return fmt.Errorf("step %s: %w", report.Step, err)
		}
		return err
	}
	if skipped == len(r.Steps) && skipped > 0 {
		return ErrSkipped
	}
	return nil
}

// timedOut says that ctx has ended because the run's time was over.
func timedOut(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrTimeout) }

// step does one step.
func (r *runner) step(ctx context.Context, s *Step, i int) Report {
	report := Report{Step: s.Name(i), Kind: s.Kind(), Result: "ok"}
	out := nothing(report.Kind)
	if s.ID != "" {
		r.byID[s.ID] = out
	}
	begin := time.Now()
	report.Began, r.run.step = begin, i
	do, err := true, error(nil)
	if err = context.Cause(ctx); err != nil {
		err = fmt.Errorf("not begun: %w: %w", ErrStopped, err)
	} else if s.If != nil {
		do, err = s.If.Bool(r.vars)
	}
	if err == nil && !do {
		report.Result = "skipped"
		return report
	}
	if err == nil {
		out["ran"] = true
		report.Note, err = r.act(ctx, s, out)
	}
	report.Took = time.Since(begin)
	out["took"] = report.Took.Seconds()
	if s.Alert != nil && errors.Is(err, errUntold) {
		report.Err = err // the job itself is well
		err = nil
	}
	if err == nil && s.Expect != nil {
		err = r.expect(s, out)
	}
	out["ok"] = err == nil
	report.Told = s.Alert != nil && out["told"] != ""
	if err != nil {
		report.Result, report.Err = "failed", err
		if errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
			report.Result = "timeout"
		}
		out["error"] = err.Error()
	}
	return report
}

// act does what a step is for.
func (r *runner) act(ctx context.Context, s *Step, out map[string]any) (note string, err error) {
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, ErrTimeout)
		defer cancel()
	}
	switch s.Kind() {
	case KindHTTP:
		return s.HTTP.do(ctx, r.vars, out, s.Expect == nil, &r.held)
	case KindAlert:
		return r.alert(ctx, s.Alert, out)
	case KindSet:
		return r.set(s.Set)
	}
	return r.command(ctx, s, out)
}

func (r *runner) expect(s *Step, out map[string]any) error {
	vars := maps.Clone(r.vars)
	maps.Copy(vars, out)
	ok, err := s.Expect.Bool(vars)
	switch {
	case err != nil:
		return fmt.Errorf("expect: %w; %s", err, r.got(s, out))
	case !ok:
		return fmt.Errorf("expected %s; %s", clip(s.Expect.String(), 200), r.got(s, out))
	}
	return nil
}

// got is what came instead of what was expected.
func (r *runner) got(s *Step, out map[string]any) string {
	switch s.Kind() {
	case KindHTTP:
		return fmt.Sprintf("got status %v and %q", out["status"], s.excerpt(r.vars, out["text"].(string), 120))
	case KindExec:
		return fmt.Sprintf("got code %v and %q", out["code"], s.excerpt(r.vars, out["text"].(string), 120))
	case KindAlert, KindSet:
	}
	return "it is not"
}

// clip shortens a text to about n bytes.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "..."
}

func (r *runner) command(ctx context.Context, s *Step, out map[string]any) (string, error) {
	c := *s.Command
	t := &texts{ctx: ctx, vars: r.vars}
	for _, f := range s.Env {
		v, err := t.words(f.Text)
		if err != nil {
			return "", fmt.Errorf("env %s: %w", f.Name, err)
		}
		c.Env = append(c.Env[:len(c.Env):len(c.Env)], f.Name+"="+value(v))
	}
	if c.Stdout == nil && c.Stderr == nil {
		c.Stdout, c.Stderr = r.run.Stdout, r.run.Stderr
	}
	if c.Guards == nil {
		c.Guards = r.run.Guards
	}
	res, err := c.Do(ctx, r.run)
	if res.StateSet {
		r.keep(res.State)
	}
	r.result.Code, r.result.Signal, r.result.Tail = res.Code, res.Signal, s.masked(r.vars, res.Tail, r.run.Secrets...)
	out["code"], out["text"], out["json"] = res.Code, res.Tail, decoded(res.Stdout)
	note := "code " + strconv.Itoa(res.Code)
	var exit *ExitError
	if s.Expect != nil && errors.As(err, &exit) {
		err = nil // what is expected is told
	}
	return note, err
}

// keep notes the job's own state.
func (r *runner) keep(state string) {
	r.book.Own, r.run.State = state, state
	r.vars["state"] = state
}

func (r *runner) set(t *expression.Text) (string, error) {
	state, err := t.Render(r.vars)
	if err != nil {
		return "", err
	}
	if err := checkState(state, r.run.room()); err != nil {
		return "", err
	}
	r.keep(state)
	return fmt.Sprintf("state %q", state), nil
}
