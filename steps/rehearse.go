package steps

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
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
		if h.step(ctx, &p.Steps[i], i); h.err != nil {
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
	unknown []string // ids, or else numbers, of steps that were not done
	state   string   // the step that leaves a state that is not known; empty: none
	skipped int
	lines   []Line
	err     error // of the step that failed
}

func (h *rehearsal) say(l Line, format string, args ...any) {
	l.Text = fmt.Sprintf(format, args...)
	h.lines = append(h.lines, l)
}

// open names a step that expressions depend on and that was not done.
func (h *rehearsal) open(sources ...string) string {
	for _, source := range sources {
		if h.state != "" && stateName.MatchString(source) {
			return h.state
		}
		for _, id := range h.unknown {
			if mentions(source, id) {
				return id
			}
		}
	}
	return ""
}

var (
	stateName  = regexp.MustCompile(`(^|[^.\w])state\b`)
	memberName = regexp.MustCompile("^\\s*(?:\\?\\.\\s*\\[?|\\.|\\[)\\s*[\"'`]?(\\w+)")
)

// mentions says whether an expression uses what a step brought back, or may do so
// by another name.
func mentions(source, id string) bool {
	for {
		_, rest, found := strings.Cut(source, "steps")
		if !found {
			return false
		}
		if m := memberName.FindStringSubmatch(rest); m == nil || m[1] == id {
			return true
		}
		source = rest
	}
}

// show is a text for people, with expressions that are open as they are written.
func (h *rehearsal) show(t expression.Text) string {
	if h.open(t.Expressions()...) != "" {
		return t.Show(nil)
	}
	return t.Show(h.vars)
}

// step rehearses one step.
func (h *rehearsal) step(ctx context.Context, s *Step, i int) {
	l := Line{Step: s.Name(i), Kind: s.Kind()}
	out := nothing(l.Kind)
	if s.ID != "" {
		h.byID[s.ID] = out
	}
	prefix := ""
	if s.If != nil {
		if id := h.open(s.If.String()); id != "" {
			h.notDone(s, l)
			h.say(l, "if %s: not known here, since %s was not done", s.If, id)
			return
		}
		do, err := s.If.Bool(h.vars)
		if err != nil {
			h.fail(l, s, out, err)
			return
		}
		if !do {
			h.skipped++
			h.say(l, "skipped: if %s is false", s.If)
			return
		}
		prefix = fmt.Sprintf("if %s is true; ", s.If)
	}
	out["ran"] = true
	switch l.Kind {
	case KindHTTP:
		h.http(ctx, s, l, out, prefix)
	case KindAlert:
		h.alert(s, l, out)
	case KindSet:
		h.set(s, l, out, prefix)
	case KindExec:
		h.notDone(s, l)
		var env []string
		for _, f := range s.Env {
			env = append(env, fmt.Sprintf("%s=%q ", f.Name, h.show(f.Text)))
		}
		h.say(l, "%swould run %s%s", prefix, strings.Join(env, ""), strings.Join(s.Command.Argv, " "))
	}
}

// notDone notes that nothing is known of a step. A set step may leave any state.
func (h *rehearsal) notDone(s *Step, l Line) {
	if l.Kind == KindSet {
		h.state = l.Step
	}
	h.unknown = append(h.unknown, l.Step)
}

func (h *rehearsal) fail(l Line, s *Step, out map[string]any, err error) {
	out["error"] = err.Error()
	if s.MayFail {
		h.say(l, "it fails, and may: %v", err)
		return
	}
	l.Failed = true
	h.failed, h.err = l.Step, err
	h.say(l, "%v", err)
}

func (h *rehearsal) set(s *Step, l Line, out map[string]any, prefix string) {
	if id := h.open(s.Set.Expressions()...); id != "" {
		h.notDone(s, l)
		h.say(l, "%swould leave a state that is not known here, since %s was not done", prefix, id)
		return
	}
	state, err := s.Set.Render(h.vars)
	if err == nil {
		err = checkState(state, h.run.room())
	}
	if err != nil {
		h.fail(l, s, out, err)
		return
	}
	out["ok"] = true
	h.say(l, "%swould leave the state %q", prefix, s.Set.Show(h.vars))
	h.keep(state)
	h.state = ""
}

func (h *rehearsal) http(ctx context.Context, s *Step, l Line, out map[string]any, prefix string) {
	req, err := s.HTTP.request(&texts{ctx: ctx, vars: h.vars, eyes: h.show})
	if err != nil {
		h.fail(l, s, out, err)
		return
	}
	sources := s.HTTP.URL.Expressions()
	for _, f := range s.HTTP.Header {
		sources = append(sources, f.Text.Expressions()...)
	}
	safe := slices.Contains([]string{http.MethodGet, http.MethodHead}, req.Method)
	if id := h.open(sources...); safe && id != "" {
		h.notDone(s, l)
		h.say(l, "%swould send %s %s, which is not known here, since %s was not done", prefix, req.Method, req.URL, id)
		return
	} else if !safe {
		h.notDone(s, l)
		h.say(l, "%swould send %s %s %s", prefix, req.Method, req.URL, clip(string(req.Body), 2000))
		return
	}
	begin := time.Now()
	note, err := h.act(ctx, s, out)
	out["took"] = time.Since(begin).Seconds()
	if err == nil && s.Expect != nil && h.open(s.Expect.String()) == "" {
		err = h.expect(s, out)
	}
	l.Done, l.Answer = true, s.excerpt(h.vars, strings.TrimSpace(out["text"].(string)), 200)
	if err != nil {
		h.fail(l, s, out, err)
		return
	}
	out["ok"] = true
	h.say(l, "%s%s in %v", prefix, note, time.Since(begin).Round(time.Millisecond))
}

// alert rehearses a step that is an alert.
func (h *rehearsal) alert(s *Step, l Line, out map[string]any) {
	a := s.Alert
	if id := h.open(a.When.String()); id != "" {
		h.notDone(s, l)
		h.say(l, "if %s: not known here, since %s was not done", a.When, id)
		return
	}
	on, err := a.When.Bool(h.vars)
	if err != nil {
		h.fail(l, s, out, err)
		return
	}
	out["ok"], out["firing"] = true, on
	out["told"] = h.tells(a, l, on, fmt.Sprintf("if %s is %v", a.When, on))
}

// tells says what would be told about an alert whose condition is on or not.
func (h *rehearsal) tells(a *Alert, l Line, on bool, why string) (told string) {
	status := h.book.Get(alert.IDOf(a.Name))
	step := alert.Decide(a.Rule, status, on, h.run.Tick.Unix())
	if step.Kind == alert.Nothing {
		h.say(l, "%s; nothing to tell (it %s)", why, phases[status.Phase])
		return ""
	}
	shown := *a
	shown.Title, shown.Text, shown.Clear = h.shown(a.Title, step), h.shown(a.Text, step), h.shown(a.Clear, step)
	m := h.message(&shown, step, kinds[step.Kind], nil)
	h.say(l, "%s; would tell %s (%s): %s: %s", why, a.Channel, m.Kind, m.Title, m.Text)
	return string(m.Kind)
}

// shown is a text as it is shown, as a text.
func (h *rehearsal) shown(t expression.Text, step alert.Step) expression.Text {
	if t.IsZero() {
		return t
	}
	if h.open(t.Expressions()...) != "" {
		return expression.Static(t.Show(nil))
	}
	vars := map[string]any{"since": time.Unix(step.Since, 0).UTC(), "kind": string(kinds[step.Kind]), "step": h.failed, "error": "", "result": "ok"}
	if h.err != nil {
		vars["error"], vars["result"] = h.err.Error(), "failed"
	}
	maps.Copy(vars, h.vars)
	return expression.Static(t.Show(vars))
}

// phases are what people are told about an alert's past.
var phases = map[alert.Phase]string{
	alert.Quiet: "was not true before", alert.Pending: "is not true for long enough", alert.Told: "was told before",
	alert.OwesFiring: "was not told yet", alert.OwesCleared: "was told before", alert.OwesPassed: "was not told yet",
}

func (h *rehearsal) onFailure() {
	l := Line{Step: "on_failure", Kind: KindAlert}
	on, why := h.err != nil, "the run is well"
	a := *h.OnFailure
	switch {
	case on && h.run.Attempts > 1:
		why = fmt.Sprintf("the run fails, and if so in all of its %d attempts", h.run.Attempts)
	case on:
		why = "the run fails"
	case h.skipped == len(h.Steps):
		h.say(l, "every step is skipped; nothing to tell")
		return
	case len(h.unknown) > 0 && alert.Decide(a.Rule, h.book.Get(alert.IDOf(a.Name)), on, h.run.Tick.Unix()).Kind != alert.Nothing:
		h.say(l, "whether the run is well is not known here, since %s was not done", h.unknown[0])
		return
	}
	if a.Text.IsZero() && on {
		a.Text = expression.Static(h.err.Error())
	}
	h.tells(&a, l, on, why)
}
