package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/steps"
)

// An explainedStep is one step of a job.
type explainedStep struct {
	Step   string     `json:"step"` // its id or number, or on_failure
	Kind   steps.Kind `json:"kind"`
	If     string     `json:"if,omitempty"`     // absent: it is always done
	Expect string     `json:"expect,omitempty"` // absent: code 0, or a status from 200 to 299
	Does   string     `json:"does"`             // without secrets
}

// stateRoom is what a record's state has room for, without its quotes.
const stateRoom = steps.MaxState - 2

// explainPlan adds what a job does, what its alerts need and who is told.
func (e *explained) explainPlan(p *steps.Plan, known []namedNotifier) {
	e.Steps, e.Told = []explainedStep{}, []namedNotifier{}
	told := make(map[string]bool)
	for i := range p.Steps {
		s := &p.Steps[i]
		e.Steps = append(e.Steps, explainStep(s, i))
		if s.Alert != nil {
			told[s.Alert.Channel] = true
		}
	}
	if a := p.OnFailure; a != nil {
		e.Steps = append(e.Steps, explainedStep{Step: "on_failure", Kind: steps.KindAlert, If: "the job has failed", Does: tells(a)})
		told[a.Channel] = true
	}
	for _, n := range known {
		if told[n.Name] {
			e.Told = append(e.Told, n)
		}
	}
	if e.Guarantee != "at-most-once" {
		e.AlertBytes = p.Reserve()
		e.StateBytesLeft = stateRoom - e.AlertBytes
	}
}

func explainStep(s *steps.Step, i int) explainedStep {
	out := explainedStep{Step: s.Name(i), Kind: s.Kind()}
	if s.If != nil {
		out.If = s.If.String()
	}
	if s.Expect != nil {
		out.Expect = s.Expect.String()
	}
	switch out.Kind {
	case steps.KindHTTP:
		method := cmp.Or(s.HTTP.Method, map[bool]string{true: "POST", false: "GET"}[s.HTTP.Body != nil])
		out.Does = method + " " + s.HTTP.URL.Show(nil)
	case steps.KindExec:
		out.Does = commandLine(s.Command)
	case steps.KindAlert:
		out.If, out.Does = s.Alert.When.String(), tells(s.Alert)
	case steps.KindSet:
		out.Does = s.Set.Show(nil)
	}
	return out
}

// commandLine is a command as a shell would take it.
func commandLine(c *steps.Command) string {
	if c.Shell {
		return "/bin/sh -c " + quoteShell(c.Argv[0])
	}
	var words []string
	for _, w := range c.Argv {
		words = append(words, quoteShell(w))
	}
	return strings.Join(words, " ")
}

// tells is who is told by an alert, and how often.
func tells(a *steps.Alert) string {
	text := fmt.Sprintf("tells %s (%s)", a.Channel, a.Severity)
	if a.Rule.After > 1 {
		text += fmt.Sprintf(" after %d runs in a row", a.Rule.After)
	}
	if a.Rule.Remind > 0 {
		text += ", again every " + short(a.Rule.Remind)
	}
	if a.Rule.NoClear {
		return text + ", and not that it is over"
	}
	return text + ", and that it is over"
}

// writePlan tells all that in lines.
func (e *explained) writePlan(line func(what, format string, args ...any)) {
	for i, s := range e.Steps {
		text := fmt.Sprintf("%s: %s %s", s.Step, s.Kind, oneLine(s.Does))
		if s.If != "" {
			text += ", if " + oneLine(s.If)
		}
		if s.Expect != "" {
			text += ", expects " + oneLine(s.Expect)
		}
		line([]string{"steps", ""}[min(i, 1)], "%s", text)
	}
	switch {
	case e.Guarantee == "at-most-once":
	case e.AlertBytes > 0:
		line("state", "its alerts may need %d of the %d bytes of the record's state; %d are left for set: and SOLOTICK_STATE", e.AlertBytes, stateRoom, e.StateBytesLeft)
	default:
		line("state", "%d bytes for set: and SOLOTICK_STATE", e.StateBytesLeft)
	}
	var told []string
	for _, n := range e.Told {
		told = append(told, fmt.Sprintf("%s (%s)", n.Name, n.Kind))
	}
	line("told", "%s", cmp.Or(strings.Join(told, ", "), "nobody"))
}

// short is a duration as a file has it.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
