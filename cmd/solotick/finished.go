package main

import (
	"fmt"
	"strings"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/internal/trace"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/report"
	"github.com/solotick/solotick/steps"
)

// A finished is a run that has ended, and what is known of it.
type finished struct {
	member       member
	tick         solotick.Tick
	began, ended time.Time     // by the register's time
	from, to     time.Time     // by this machine's clock
	took         time.Duration // on a clock that nobody sets
	result       record.Result
	steps        steps.Result
	plan         *steps.Plan // that was done; nil: none was
	err          error
}

// begin takes note of a run that begins. It is told of in the agent's loop, as is its
// end, and of what the job did in a goroutine of the run's in between.
func (p *post) begin(ev solotick.Event) {
	r := &finished{member: p.member, tick: ev.Tick, began: ev.Time, from: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now[slot(ev.Tick)] = r
}

// slot is where a post keeps a run: an unarbitrated one may go on beside another.
func slot(t solotick.Tick) int {
	if t.Unarbitrated {
		return 1
	}
	return 0
}

// did takes note of what a run's job did.
func (p *post) did(t solotick.Tick, plan *steps.Plan, res steps.Result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.now[slot(t)]; r != nil {
		r.plan, r.steps, r.err = plan, res, err
	}
}

// finish returns a run that has ended; nil: nothing is known of it.
func (p *post) finish(ev solotick.Event) *finished {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.now[slot(ev.Tick)]
	p.now[slot(ev.Tick)] = nil
	if r != nil {
		r.ended, r.to, r.took, r.result = ev.Time, time.Now(), ev.Took, ev.Result
		if r.err == nil {
			r.err = ev.Err // such as a panic
		}
	}
	return r
}

// lag is how long after its tick the run began.
func (r *finished) lag() time.Duration { return r.began.Sub(r.tick.Time) }

// code is the exit code of the latest command; false: there was none.
func (r *finished) code() (int, bool) {
	for _, s := range r.steps.Steps {
		if s.Kind == steps.KindExec && s.Result != "skipped" {
			return r.steps.Code, true
		}
	}
	return 0, false
}

// recordName is a record's name as others know it.
func recordName(m member) string { return strings.ToLower(strings.TrimSuffix(m.Record, ".")) }

// traceOf is the trace of a tick, and the span of one run of it.
func traceOf(m member, t solotick.Tick) (trace.ID, trace.SpanID) {
	id := trace.IDOf(recordName(m), t.Time)
	return id, id.Span(t.Agent, t.Attempt, t.Fence, t.Unarbitrated)
}

// stepSpan is the span of a step. A job of one step has no other span than the run's.
func stepSpan(id trace.ID, run trace.SpanID, plan *steps.Plan, i int) trace.SpanID {
	if len(plan.Steps) == 1 && i == 0 {
		return run
	}
	return id.Span(run.String(), "step", i)
}

// parents are the trace parents of a run's commands.
func parents(m member, t solotick.Tick, plan *steps.Plan, exported bool) func(step int) string {
	id, run := traceOf(m, t)
	return func(i int) string { return trace.Parent(id, stepSpan(id, run, plan, i), exported) }
}

// report is the run as it is told elsewhere.
func (r *finished) report(output bool) report.Report {
	t := r.tick
	id, _ := traceOf(r.member, t)
	out := report.Report{
		Schema: report.Schema, Record: recordName(r.member), Job: r.member.Name, Tick: t.Time, Attempt: t.Attempt, Fence: t.Fence, Agent: t.Agent,
		Began: r.began, Ended: r.ended, TookMS: report.Millis(r.took), LagMS: report.Millis(r.lag()),
		Result: r.result, Unarbitrated: t.Unarbitrated, TraceID: id.String(),
	}
	if next := r.member.Policy.Schedule.Next(t.Time.Unix()); next != 0 {
		out.Next = time.Unix(next, 0)
	}
	if code, ok := r.code(); ok {
		out.Code = &code
	}
	if r.err != nil {
		out.Error = r.err.Error()
	}
	if output {
		out.Output = r.steps.Tail
	}
	for _, s := range r.steps.Steps {
		out.Steps = append(out.Steps, report.Step{ID: s.Step, Kind: string(s.Kind), Result: s.Result, TookMS: report.Millis(s.Took), Note: s.Note})
	}
	return out
}

// maxMessage is how much of an error goes along with a span.
const maxMessage = 1000

// spans are the run as a trace has it: itself, and its steps if there are several.
func (r *finished) spans() []trace.Span {
	t := r.tick
	id, run := traceOf(r.member, t)
	one := trace.Span{
		Trace: id, ID: run, Name: r.member.Name, Kind: trace.Server, Start: r.from, End: r.to,
		Attrs: []trace.Attr{
			{Key: "faas.trigger", Value: "timer"},
			{Key: "faas.time", Value: t.Time.UTC().Format(time.RFC3339)},
			{Key: "solotick.job", Value: r.member.Name},
			{Key: "solotick.record", Value: recordName(r.member)},
			{Key: "solotick.tick", Value: t.Time.Unix()},
			{Key: "solotick.attempt", Value: t.Attempt},
			{Key: "solotick.agent", Value: t.Agent},
			{Key: "solotick.result", Value: string(r.result)},
			{Key: "solotick.unarbitrated", Value: t.Unarbitrated},
			{Key: "solotick.start_lag", Value: r.lag().Seconds()},
		},
	}
	if !t.Unarbitrated {
		one.Attrs = append(one.Attrs, trace.Attr{Key: "solotick.fence", Value: t.Fence})
	}
	if code, ok := r.code(); ok {
		one.Attrs = append(one.Attrs, trace.Attr{Key: "process.exit.code", Value: code})
	}
	if r.result != record.OK && r.result != record.Skipped {
		one.Failed = true
		one.Attrs = append(one.Attrs, trace.Attr{Key: "error.type", Value: string(r.result)})
		if r.err != nil {
			one.Message = clip(r.err.Error(), maxMessage)
		}
	}
	return append([]trace.Span{one}, r.stepSpans(id, run)...)
}

func (r *finished) stepSpans(id trace.ID, run trace.SpanID) (all []trace.Span) {
	if r.plan == nil {
		return nil
	}
	for i, s := range r.steps.Steps {
		if s.Step == "on_failure" {
			i = len(r.plan.Steps)
		}
		own := stepSpan(id, run, r.plan, i)
		if s.Result == "skipped" || own == run {
			continue
		}
		one := trace.Span{
			Trace: id, ID: own, Parent: run, Name: fmt.Sprintf("%s %s", s.Kind, s.Step), Kind: trace.Internal,
			Start: s.Began, End: s.Began.Add(s.Took),
			Attrs: []trace.Attr{
				{Key: "solotick.step", Value: s.Step}, {Key: "solotick.step.kind", Value: string(s.Kind)}, {Key: "solotick.result", Value: s.Result},
			},
		}
		if s.Kind == steps.KindHTTP {
			one.Kind = trace.Client
		}
		if s.Note != "" {
			one.Attrs = append(one.Attrs, trace.Attr{Key: "solotick.note", Value: clip(s.Note, 200)})
		}
		if s.Err != nil {
			one.Failed, one.Message = true, clip(s.Err.Error(), maxMessage)
			kind := s.Result
			if kind == "ok" {
				kind = "untold" // an alert that nobody could be told; the run is well
			}
			one.Attrs = append(one.Attrs, trace.Attr{Key: "error.type", Value: kind})
		}
		all = append(all, one)
	}
	return all
}

// clip is at most so many bytes of a text.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
