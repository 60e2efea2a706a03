package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/internal/expression"
)

// A Line is what one step did, or would do.
type Line struct {
	Step string `json:"step"`
	Kind Kind   `json:"kind"`
	// Done says that the step was done for this: a request that changes nothing.
	Done   bool   `json:"done"`
	Text   string `json:"text"`             // without secrets
	Answer string `json:"answer,omitempty"` // the beginning of what came back
	Failed bool   `json:"failed,omitempty"`
}

// Rehearse tells what a run would do. Requests by GET and HEAD are sent, and the
// expressions are evaluated with what comes back; nothing else is sent, run, told
// or left. What depends on a step that was not done is not known, and said to be.
func (p *Plan) Rehearse(ctx context.Context, run Run) []Line {
	if !run.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, run.Deadline, ErrTimeout)
		defer cancel()
	}
	h := &rehearsal{runner: p.begin(run)}
	defer h.held.give()
	for i := range p.Steps {
		if failed := h.step(ctx, &p.Steps[i], i); failed && !p.Steps[i].MayFail {
			break
		}
	}
	if p.OnFailure != nil {
		h.onFailure()
	}
	return h.lines
}

// A rehearsal is a run in which nothing happens.
type rehearsal struct {
	*runner
	unknown []string // ids of steps that were not done
	lines   []Line
	err     error // of the step that failed
}

func (h *rehearsal) say(l Line, format string, args ...any) {
	l.Text = fmt.Sprintf(format, args...)
	h.lines = append(h.lines, l)
}

// open names a step that an expression depends on and that was not done.
func (h *rehearsal) open(source string) string {
	for _, id := range h.unknown {
		if strings.Contains(source, "steps."+id) {
			return id
		}
	}
	return ""
}

// step rehearses one step and says whether the run would fail there.
func (h *rehearsal) step(ctx context.Context, s *Step, i int) (failed bool) {
	l := Line{Step: s.Name(i), Kind: s.Kind()}
	out := nothing(l.Kind)
	if s.ID != "" {
		h.byID[s.ID] = out
	}
	prefix := ""
	if s.If != nil {
		if id := h.open(s.If.String()); id != "" {
			h.notDone(s)
			h.say(l, "if %s: not known here, since %s was not done", s.If, id)
			return false
		}
		do, err := s.If.Bool(h.vars)
		if err != nil {
			return h.fail(l, err)
		}
		if !do {
			h.say(l, "skipped: if %s is false", s.If)
			return false
		}
		prefix = fmt.Sprintf("if %s is true; ", s.If)
	}
	switch l.Kind {
	case KindHTTP:
		return h.http(ctx, s, l, out, prefix)
	case KindAlert:
		return h.alert(s.Alert, l, nil)
	case KindSet:
		state, err := s.Set.Render(h.vars)
		if err == nil {
			err = checkState(state, h.run.room())
		}
		if err != nil {
			return h.fail(l, err)
		}
		h.say(l, "%swould leave the state %q", prefix, s.Set.Show(h.vars))
		h.keep(state)
	case KindExec:
		h.notDone(s)
		var env []string
		for _, f := range s.Env {
			env = append(env, fmt.Sprintf("%s=%q ", f.Name, f.Text.Show(h.vars)))
		}
		h.say(l, "%swould run %s%s", prefix, strings.Join(env, ""), strings.Join(s.Command.Argv, " "))
	}
	return false
}

func (h *rehearsal) notDone(s *Step) {
	if s.ID != "" {
		h.unknown = append(h.unknown, s.ID)
	}
}

func (h *rehearsal) fail(l Line, err error) bool {
	l.Failed = true
	h.failed, h.err = l.Step, err
	h.say(l, "%v", err)
	return true
}

func (h *rehearsal) http(ctx context.Context, s *Step, l Line, out map[string]any, prefix string) (failed bool) {
	req, err := s.HTTP.request(h.vars, true)
	if err != nil {
		return h.fail(l, err)
	}
	if !slices.Contains([]string{http.MethodGet, http.MethodHead}, req.Method) {
		h.notDone(s)
		h.say(l, "%swould send %s %s %s", prefix, req.Method, req.URL, clip(string(req.Body), 2000))
		return false
	}
	begin := time.Now()
	note, err := s.HTTP.do(ctx, h.vars, out, s.Expect == nil, &h.held)
	out["ran"], out["took"] = true, time.Since(begin).Seconds()
	if err == nil && s.Expect != nil && h.open(s.Expect.String()) == "" {
		err = h.expect(s, out)
	}
	l.Done, l.Answer = true, s.excerpt(h.vars, strings.TrimSpace(out["text"].(string)), 200)
	if err != nil {
		out["error"] = err.Error()
		return h.fail(l, err)
	}
	out["ok"] = true
	h.say(l, "%s%s in %v", prefix, note, time.Since(begin).Round(time.Millisecond))
	return false
}

// alert rehearses an alert: with its condition, or with what is known of it.
func (h *rehearsal) alert(a *Alert, l Line, known *bool) (failed bool) {
	on, why := false, "the run is well"
	switch {
	case known != nil:
		on = *known
		if on {
			why = "the run fails"
		}
	default:
		if id := h.open(a.When.String()); id != "" {
			h.say(l, "if %s: not known here, since %s was not done", a.When, id)
			return false
		}
		var err error
		if on, err = a.When.Bool(h.vars); err != nil {
			return h.fail(l, err)
		}
		why = fmt.Sprintf("if %s is %v", a.When, on)
	}
	status := h.book.Get(alert.IDOf(a.Name))
	step := alert.Decide(a.Rule, status, on, h.run.Tick.Unix())
	if step.Kind == alert.Nothing {
		h.say(l, "%s; nothing to tell (it %s)", why, phases[status.Phase])
		return false
	}
	shown := *a
	shown.Title, shown.Text, shown.Clear = h.shown(a.Title, step), h.shown(a.Text, step), h.shown(a.Clear, step)
	m := h.message(&shown, step, kinds[step.Kind], nil)
	h.say(l, "%s; would tell %s (%s): %s: %s", why, a.Channel, m.Kind, m.Title, m.Text)
	return false
}

// shown is a text as it is shown, as a text.
func (h *rehearsal) shown(t expression.Text, step alert.Step) expression.Text {
	if t.IsZero() {
		return t
	}
	vars := map[string]any{"since": time.Unix(step.Since, 0).UTC(), "kind": string(kinds[step.Kind]), "step": h.failed, "error": "", "result": "ok"}
	if h.err != nil {
		vars["error"], vars["result"] = h.err.Error(), "failed"
	}
	for name, v := range h.vars {
		vars[name] = v
	}
	return expression.Static(t.Show(vars))
}

// phases are what people are told about an alert's past.
var phases = map[alert.Phase]string{
	alert.Quiet: "was not true before", alert.Pending: "is not true for long enough", alert.Told: "was told before",
	alert.OwesFiring: "was not told yet", alert.OwesCleared: "was told before", alert.OwesPassed: "was not told yet",
}

func (h *rehearsal) onFailure() {
	on := h.err != nil
	a := *h.OnFailure
	if a.Text.IsZero() && on {
		a.Text = expression.Static(h.err.Error())
	}
	h.alert(&a, Line{Step: "on_failure", Kind: KindAlert}, &on)
}
