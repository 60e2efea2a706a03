package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/internal/spell"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/steps"
)

// A raw is a text that is compiled when it is known what names there are.
type raw struct {
	node *yaml.Node // nil: absent
	path string
}

func (w *walker) raw(n *yaml.Node, path string, to *raw) {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null":
		w.mistake(n, path, "", "want text, got %s", kindOf(n))
	case n.Style&yaml.TaggedStyle != 0:
		w.mistake(n, path, "leave the tag out", "want text, got one tagged %s", n.Tag)
	case strings.ContainsRune(n.Value, 0):
		w.mistake(n, path, "", "a text with a NUL")
	default:
		w.spend(len(n.Value))
		*to = raw{n, path}
	}
}

// A field is a name with a text.
type field struct {
	name string
	text raw
}

type fields []field

func (w *walker) fields(n *yaml.Node, path string) fields {
	all := fields{}
	w.pairs(n, path, func(k, v *yaml.Node) {
		f := field{name: k.Value}
		if w.value(v, join(path, k.Value), &f.text, rule{}) {
			all = append(all, f)
		}
	})
	return all
}

// steps reads the list of a job's steps.
func (w *walker) steps(n *yaml.Node, path string) []step {
	if n.Kind != yaml.SequenceNode {
		w.mistake(n, path, "steps: is a list, each item begins with -", "want a list, got %s", kindOf(n))
		return nil
	}
	if len(n.Content) == 0 || len(n.Content) > maxSteps {
		w.mistake(n, path, fmt.Sprintf("from 1 to %d", maxSteps), "%d steps", len(n.Content))
	}
	var all []step
	for i, item := range n.Content {
		if w.full() {
			break
		}
		s := step{node: item, path: fmt.Sprintf("%s[%d]", path, i)}
		preset(stepKeys, &s)
		s.at = object(w, item, s.path, stepKeys, &s)
		w.oneKind(&s)
		all = append(all, s)
	}
	return all
}

// kind is the key that says what a step does.
func (s *step) kind() string {
	for _, k := range []string{"http", "exec", "alert", "set"} {
		if s.at[k].key != nil {
			return k
		}
	}
	return ""
}

// oneKind reports a step that does nothing or two things, and keys that mean
// nothing to it.
func (w *walker) oneKind(s *step) {
	kind := s.kind()
	if kind == "" {
		if follow(s.node).Kind == yaml.MappingNode {
			w.mistake(s.node, s.path, "one of http, exec, alert, set", "the step does nothing")
		}
		return
	}
	for _, k := range stepKeys {
		p, ok := s.at[k.name]
		switch _, another := kindKeys[k.name]; {
		case !ok || k.name == kind || k.name == "id":
		case another:
			w.mistake(p.key, p.path, "make two steps of it", "%s and %s in one step", kind, k.name)
		case !slices.Contains(kindKeys[kind], k.name):
			w.mistake(p.key, p.path, fmt.Sprintf("a step with %s: may have id, %s", kind, strings.Join(kindKeys[kind], ", ")), "%s has no meaning for %s", k.name, kind)
		}
	}
	if kind == "alert" && s.at["if"].key == nil {
		w.mistake(s.at["alert"].key, s.path, "if: what is to be told about, as in if: steps.api.status != 200", "the alert has no condition")
	}
}

func (w *walker) failureAlert(n *yaml.Node, path string) *failureAlert {
	f := &failureAlert{node: n, path: path}
	preset(failureKeys, f)
	f.at = object(w, n, path, failureKeys, f)
	return f
}

// plan makes what the job does of its steps.
func (w *walker) plan(j *Job, at places, name *yaml.Node, path string) {
	exec, list := at["exec"], at["steps"]
	if exec.key == nil && list.key == nil {
		w.mistake(name, path, "exec: [program, argument, ...], or steps:", "has nothing to do")
		return
	}
	if exec.key != nil && list.key != nil || exec.key != nil && !exec.good {
		return
	}
	j.Plan = new(steps.Plan)
	if exec.key != nil {
		if !j.exec.text && j.shell && strings.HasPrefix(exec.path, "defaults.") {
			exec = at["shell"]
		}
		w.shellText(exec, j.exec, j.shell)
		w.mayExec(exec)
		j.Plan.Steps = []steps.Step{{Command: j.command(j.exec, j.shell, j.dir), Env: variables(j.env)}}
	} else {
		w.planSteps(j)
	}
	if f := j.onFailure; f != nil && at["on_failure"].key != nil {
		j.Plan.OnFailure = w.alert(f.alert, f.at["alert"], &f.telling, f.at, "on_failure", steps.Names().With(steps.AlertNames()).With(steps.FailureNames()).With(stepNames(j.steps)))
	}
	w.fits(j, at, name, path)
}

// mayExec reports a command in a list from elsewhere that may have none.
func (w *walker) mayExec(p place) {
	if w.allow != nil && !w.allow.Exec {
		w.mistake(p.key, p.path, "jobs_from: { allow: { exec: true } } in the agent's own file", "a job from elsewhere may not run commands on this machine")
	}
}

func (j *Job) command(a argv, shell bool, dir string) *steps.Command {
	return &steps.Command{Argv: a.words, Shell: shell, Dir: dir, Output: map[string]steps.Output{"prefixed": steps.Prefixed, "quiet": steps.Quiet}[j.Output]}
}

// variables are what env: of a job or a notifier says: any of it may be secret.
func variables(all []Variable) []steps.Field {
	var out []steps.Field
	for _, v := range all {
		out = append(out, steps.Field{Name: v.Name, Text: expression.Hidden(v.Value.Reveal())})
	}
	return out
}

// stepNames are the steps that expressions can use.
func stepNames(all []step) expression.Env {
	named := make(expression.Env)
	for i := range all {
		all[i].nameIn(named)
	}
	return expression.Env{"steps": named}
}

// nameIn adds what the step brings back to the names of steps.
func (s *step) nameIn(known expression.Env) {
	if s.id != "" && s.kind() != "" {
		known[s.id] = steps.OutputNames(steps.Kind(s.kind()))
	}
}

func (w *walker) planSteps(j *Job) {
	ids := make(map[string]int)
	known := make(expression.Env) // the steps before
	names := steps.Names().With(expression.Env{"steps": known})
	if w.stepsSaid += len(j.steps); w.stepsSaid > mostSteps {
		w.refuse("it has more than %d steps", mostSteps)
	}
	for i := range j.steps {
		if w.spend(stepCost * i); w.full() {
			return
		}
		s := &j.steps[i]
		if p := s.at["id"]; p.good && ids[s.id] > 0 {
			w.mistake(p.value, p.path, "", "a second step %q, the first is in line %d", s.id, ids[s.id])
		} else if p.good {
			ids[s.id] = p.value.Line
		}
		if p := s.at["timeout"]; p.good && j.Timeout > 0 && s.timeout > j.Timeout {
			w.mistake(p.value, p.path, "", "the whole job may take %s only", short(j.Timeout))
		}
		j.Plan.Steps = append(j.Plan.Steps, w.planStep(j, s, names))
		s.nameIn(known)
	}
}

func (w *walker) planStep(j *Job, s *step, names expression.Env) steps.Step {
	out := steps.Step{ID: s.id, MayFail: s.mayFail}
	c := w.compiler(names)
	kind := s.kind()
	if s.when.node != nil && kind != "alert" {
		out.If = w.condition(c, s.when)
	}
	if s.expect.node != nil && kind != "" {
		out.Expect = w.condition(w.compiler(names.With(steps.OutputNames(steps.Kind(kind)))), s.expect)
	}
	switch p := s.at[kind]; {
	case kind == "http" && s.http != nil:
		out.HTTP, out.Timeout = w.http(s, c), s.timeout
	case !p.good:
	case kind == "exec":
		w.mayExec(p)
		if s.at["shell"].key == nil {
			s.shell = j.shell
		}
		w.shellText(p, s.exec, s.shell)
		dir := s.dir
		if dir == "" {
			dir = j.dir
		}
		out.Command = j.command(s.exec, s.shell, dir)
		out.Command.Timeout, out.Command.Keep = s.timeout, 256<<10
		if s.id == "" && s.expect.node == nil {
			out.Command.Keep = 0
		}
		out.Env = append(variables(j.env), w.environment(c, s.env)...)
	case kind == "alert":
		named := s.id
		if named == "" {
			named = s.alert
		}
		out.Alert = w.alert(s.alert, p, &s.telling, s.at, named, names.With(steps.AlertNames()))
		if out.Alert != nil && s.when.node != nil {
			out.Alert.When = w.condition(c, s.when)
		}
	case kind == "set":
		t := w.compile(c, s.set)
		if t.Secret() {
			w.mistake(s.set.node, s.set.path, "{{ }} is for what the run has found out", "${...} in a state, which everybody can read in the record")
		}
		out.Set = &t
	}
	return out
}

// environment returns the variables of a step.
func (w *walker) environment(c *expression.Compiler, all fields) []steps.Field {
	var out []steps.Field
	for _, f := range all {
		w.variableName(f.text.node, f.text.path, f.name)
		out = append(out, steps.Field{Name: f.name, Text: w.compile(c, f.text)})
	}
	return out
}

// alert makes an alert; nil: it cannot.
func (w *walker) alert(channel string, p place, t *telling, at places, name string, names expression.Env) *steps.Alert {
	if !p.good {
		return nil
	}
	to := w.channels[channel]
	if to == nil {
		hint := "there is no notify: section; see solotick init"
		if known := sortedNames(w.channels); len(known) > 0 {
			hint = "known are " + strings.Join(known, ", ")
			if meant := spell.Closest(channel, known); meant != "" {
				hint = fmt.Sprintf("did you mean %q? %s", meant, hint)
			}
		}
		w.mistake(p.value, p.path, hint, "there is no %q under notify:", channel)
		to = new(Notifier) // what else is wrong is told as well
	}
	c := w.compiler(names)
	a := &steps.Alert{
		Name: name, Channel: channel, To: to.Notifier, Referenced: to.Referenced,
		Rule:     alert.Rule{After: t.after, Remind: t.remind},
		Severity: notify.Severity(t.severity),
		Title:    w.compile(c, t.title), Text: w.compile(c, t.text),
	}
	if n := t.clear.node; n != nil && n.ShortTag() == "!!bool" {
		a.Rule.NoClear = n.Value == "false"
	} else {
		a.Clear = w.compile(c, t.clear)
	}
	return a
}

// compiler makes a compiler for expressions of a job.
func (w *walker) compiler(e expression.Env) *expression.Compiler {
	return expression.NewCompiler(e).In(w.turns)
}

// condition compiles an expression.
func (w *walker) condition(c *expression.Compiler, r raw) *expression.Program {
	if w.spend(len(r.node.Value)); w.full() {
		return nil
	}
	if strings.Contains(r.node.Value, "${") {
		w.mistake(r.node, r.path, "expressions know job, state, steps and the like; ${...} is for texts", "${...} in an expression")
		return nil
	}
	source := r.node.Value
	if trimmed := strings.TrimSpace(source); strings.HasPrefix(trimmed, "{{") && strings.HasSuffix(trimmed, "}}") {
		w.mistake(r.node, r.path, "leave {{ and }} out: it is an expression anyway", "an expression within {{ }}")
		return nil
	}
	p, err := c.Condition(source)
	if err != nil {
		w.expressionMistake(r, err)
	}
	return p
}

// compile compiles a text; one that is absent is empty.
func (w *walker) compile(c *expression.Compiler, r raw) expression.Text {
	if r.node == nil {
		return expression.Text{}
	}
	if w.spend(len(r.node.Value)); w.full() {
		return expression.Text{}
	}
	defer w.hush(len(w.parts))
	t, err := c.Text(r.node.Value, func(text string) ([]expression.Piece, error) {
		pieces, err := w.pieces(text)
		if value, replaced := joined(pieces); replaced {
			w.remember(r.path, value)
		}
		return pieces, err
	})
	if err != nil {
		w.expressionMistake(r, err)
	}
	return t
}

func (w *walker) expressionMistake(r raw, err error) {
	var e *expression.Error
	if !errors.As(err, &e) {
		message, hint := problemOf(err)
		w.mistake(r.node, r.path, hint, "%s", message)
		return
	}
	w.mistakeIn(r.node, r.path, e.Line, e.Column, e.Hint, "%s", e.Message)
}

// fits reports alerts that two would remember as one, and more of them than the
// record has room for.
func (w *walker) fits(j *Job, at places, name *yaml.Node, path string) {
	seen := make(map[alert.ID]string)
	for i := range j.Plan.Steps {
		a := j.Plan.Steps[i].Alert
		if a == nil {
			continue
		}
		id := alert.IDOf(a.Name)
		if other, taken := seen[id]; taken {
			hint := "give each alert an id: of its own"
			if other != a.Name {
				hint = "choose another id: for one of them"
			}
			w.mistake(j.steps[i].node, j.steps[i].path, hint, "the alerts %q and %q could not be told apart in the record", other, a.Name)
		}
		seen[id] = a.Name
	}
	if j.Plan.OnFailure != nil {
		if other, taken := seen[alert.IDOf("on_failure")]; taken {
			w.mistake(at["on_failure"].key, at["on_failure"].path, "choose another id: for that one", "the alert %q and this could not be told apart in the record", other)
		}
	}
	if n := j.Plan.Reserve(); n > maxReserve {
		w.mistake(name, path, "spread the alerts over several jobs: each has a record of its own; without remind: more fit", "its alerts may need %d bytes of the record, and %d are there", n, maxReserve)
	}
}

// maxReserve is what all alerts of a job may need of its state, without the
// quotes.
const maxReserve = steps.MaxState - 2

// stateless refuses what has to remember something under at-most-once, which
// writes no state.
func (w *walker) stateless(j *Job, at places, path string) {
	refuse := func(p place, what string) {
		w.mistake(p.key, p.path, "guarantee: at-least-once; or tell by exec: or http:", "%s is at-most-once, whose runs leave no state: %s cannot remember anything", path, what)
	}
	for i := range j.steps {
		for _, kind := range []string{"alert", "set"} {
			if p := j.steps[i].at[kind]; p.key != nil && at["steps"].key != nil {
				refuse(p, kind)
			}
		}
	}
	if p := at["on_failure"]; p.key != nil && j.onFailure != nil {
		refuse(p, "on_failure")
	}
}

// sortedNames are the keys of a map, in order.
func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
