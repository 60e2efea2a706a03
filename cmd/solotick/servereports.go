package main

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/api"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/report"
)

// toldFlags say from whom reports of runs are taken: each is a file of secrets.
type toldFlags struct {
	tokens, keys []string
	passcode     string
}

func (f *toldFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.tokens, "reports-token-file", nil, "take reports of runs from agents with a token of this file: agent.report.token; may be given several times")
	c.Flags().StringArrayVar(&f.keys, "reports-key-file", nil, "the same, if they are signed with a key of this file: agent.report.hmac")
	c.Flags().StringVar(&f.passcode, "reports-passcode-file", "", "the same, of agents of sync-agents-over-dns with the passcode of this file")
}

// receiver reads reports and proves who sends them; nil: none are taken.
func (o *observatory) receiver() (func(*http.Request) (string, monitor.Run, error), error) {
	f := o.flags.told
	if len(f.tokens) == 0 && len(f.keys) == 0 && f.passcode == "" {
		return nil, nil
	}
	var auth report.Auth
	tokens, err := readSecretFiles(f.tokens, leastSecret)
	if err != nil {
		return nil, err
	}
	keys, err := readSecretFiles(f.keys, leastSecret)
	if err != nil {
		return nil, err
	}
	warnOfOpenFiles(o.log, slices.Concat(f.tokens, f.keys, []string{f.passcode})...)
	for _, t := range tokens {
		auth.Tokens = append(auth.Tokens, register.NewSecret(t))
	}
	for _, k := range keys {
		auth.Keys = append(auth.Keys, register.NewSecret(k))
	}
	if f.passcode != "" {
		codes, err := readSecretFiles([]string{f.passcode}, 1)
		if err != nil {
			return nil, err
		}
		auth.Passcode = register.NewSecret(codes[0])
	}
	if len(tokens) > 0 && o.flags.web.password {
		o.log.Warn("agents with a token do not get past the password of --web-config", "to_do", "--reports-key-file, and the password in their agent.report.url")
	}
	return func(r *http.Request) (string, monitor.Run, error) {
		rep, err := report.Read(r, auth)
		if err == nil && rep.Record == "" {
			rep.Record, err = o.only()
		}
		if err == nil && time.Until(rep.Tick) > tooEarly {
			err = &api.Problem{Status: http.StatusBadRequest, Detail: "the tick " + rep.Tick.Format(time.RFC3339) + " is still to come", Do: "see whether a clock is wrong, here or there"}
		}
		if err != nil {
			return "", monitor.Run{}, problemOfReport(err)
		}
		return rep.Record, runOf(&rep), nil
	}, nil
}

// tooEarly is how far ahead of this machine's clock a tick may be that was run.
const tooEarly = 24 * time.Hour

// only is the record that a report is about which does not name it.
func (o *observatory) only() (string, error) {
	targets := o.list.current().targets
	if len(targets) != 1 {
		return "", &api.Problem{
			Status: http.StatusBadRequest, Detail: fmt.Sprintf("the report does not say which record it is about, and %d are watched", len(targets)),
			Do: "append it to the URL: api/v1/reports?record=NAME",
		}
	}
	return targets[0].Name, nil
}

func problemOfReport(err error) error {
	if p, ok := err.(*api.Problem); ok {
		return p
	}
	p := &api.Problem{Status: report.Status(err), Detail: err.Error()}
	if p.Status == http.StatusBadRequest {
		p.Do = "what a report is: docs/solotick-report.schema.json"
	}
	return p
}

// runOf is a run as its agent has told of it.
func runOf(r *report.Report) monitor.Run {
	run := monitor.Run{Tick: r.Tick.Unix(), Attempt: r.Attempt, Agent: r.Agent, Fence: r.Fence, Began: secondsOf(r.Began), Ended: secondsOf(r.Ended), Result: r.Result, Over: true}
	if r.Original {
		return run
	}
	d := &monitor.Detail{
		Began: r.Began, TookMS: millisOf(r.TookMS), Code: r.Code, Error: r.Error, Output: r.Output, Unarbitrated: r.Unarbitrated, Trace: r.TraceID,
	}
	for _, s := range r.Steps {
		d.Steps = append(d.Steps, monitor.Step{ID: s.ID, Kind: s.Kind, Result: s.Result, TookMS: millisOf(s.TookMS), Note: s.Note})
	}
	run.Detail = d
	return run
}

func secondsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func millisOf(ms float64) int64 { return int64(math.Round(ms)) }
