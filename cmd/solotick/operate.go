package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/record"
)

// An operation is what an operator's command does to records.
type operation struct {
	did   string
	check func([]site) error // before anything is done; nil: nothing
	do    func(context.Context, site) (told, error)
}

// A told is what became of one record.
type told struct {
	text          string // after its name
	wrote         bool
	before, after record.Record
}

func (c changed) done(format string, args ...any) told {
	return told{fmt.Sprintf(format, args...), true, c.before, c.after}
}

func (c changed) unchanged(format string, args ...any) told {
	return told{fmt.Sprintf(format, args...), false, c.before, c.after}
}

// changeDoc is what an operator's command prints with --json.
type changeDoc struct {
	Schema  string       `json:"schema"`
	Did     string       `json:"did"` // trigger, pause, resume or reset
	Records []changeItem `json:"records"`
}

type changeItem struct {
	Name    string        `json:"name"`
	Job     string        `json:"job,omitempty"`
	Outcome string        `json:"outcome"` // done, unchanged or failed
	Text    string        `json:"text"`
	Means   string        `json:"means,omitempty"` // for the job, where it failed
	ToDo    string        `json:"to_do,omitempty"`
	Record  *recordFields `json:"record,omitempty"` // as it is now
}

// operatorCommand makes c take jobs of the file, or --all, and do something to each.
func (a *app) operatorCommand(c *cobra.Command, op operation) *cobra.Command {
	var file string
	var all, asJSON bool
	c.Args = cobra.ArbitraryArgs
	a.fileFlag(c, &file)
	c.Flags().BoolVar(&all, "all", false, "all jobs of the file")
	jsonFlag(c, &asJSON)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case all && len(args) > 0:
			return usage("--all and names of jobs: want one or the other")
		case !all && len(args) == 0:
			return usage("the name of a job is missing (or --all)")
		}
		sites, svc, err := a.sites(file, args)
		if err != nil {
			return err
		}
		defer svc.close()
		if op.check != nil {
			if err := op.check(sites); err != nil {
				return err
			}
		}
		return a.operate(cmd, op, sites, min(svc.gate, mostAtOnce), asJSON)
	}
	return c
}

// mostAtOnce is how many records are changed at a time. The clients of providers join
// what is asked of them at the same time, and keep to what an account may send.
const mostAtOnce = 256

// Bounds of how long many records wait for each other.
const (
	perChange    = 8 // requests to a provider that one change may need
	mostPatience = time.Hour
)

// patienceFor is how long one of n changes may wait for the others, where the account
// may send only so many requests.
func patienceFor(n int, d config.DNS) time.Duration {
	rate, _ := limitsOf(d)
	if n < 2 {
		return 0
	}
	if rate == 0 {
		rate = 100 * perChange // a DNS server of one's own
	}
	return min(time.Duration(float64(n*perChange)/rate*float64(time.Second)), mostPatience)
}

// mostFailures is how many failures are told in full.
const mostFailures = 10

// operate does something to all sites, so many at a time, and goes on after a failure.
// What became of each is told in their order. The exit code is that of the failures if
// they agree.
func (a *app) operate(cmd *cobra.Command, op operation, sites []site, atOnce int, asJSON bool) error {
	ctx := cmd.Context()
	type end struct {
		told told
		err  error
	}
	ends := make([]chan end, len(sites))
	for i := range ends {
		ends[i] = make(chan end, 1)
	}
	go func() {
		room := make(chan struct{}, max(atOnce, 1))
		for i, s := range sites {
			room <- struct{}{}
			go func() {
				t, err := op.do(ctx, s)
				ends[i] <- end{t, err}
				<-room
			}()
		}
	}()
	doc := changeDoc{Schema: "solotick.change/v1", Did: op.did, Records: []changeItem{}}
	code, failed, unchanged := exitOK, 0, 0
	for i, s := range sites {
		e := <-ends[i]
		doc.Records = append(doc.Records, changeOf(s, e.told, e.err))
		switch {
		case e.err != nil:
			failed++
			c := exitCode(e.err)
			if !asJSON && failed <= mostFailures {
				if len(sites) == 1 {
					return e.err
				}
				a.end(cmd, e.err)
			}
			if code == exitOK || code == c {
				code = c
			} else {
				code = exitFailed
			}
			continue
		case !e.told.wrote:
			unchanged++
		}
		if !asJSON {
			a.sayf("%s: %s\n", s, e.told.text)
		}
	}
	if asJSON {
		if err := a.json(doc); err != nil {
			return err
		}
	} else if len(sites) > 1 {
		a.summary(cmd, len(sites), unchanged, failed)
	}
	return exit(code)
}

// summary tells what became of many records, beside the data.
func (a *app) summary(cmd *cobra.Command, n, unchanged, failed int) {
	text := fmt.Sprintf("%s: %d of %d records written", cmd.CommandPath(), n-unchanged-failed, n)
	if unchanged > 0 {
		text += fmt.Sprintf(", %d had no need", unchanged)
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if failed > mostFailures {
		text += fmt.Sprintf(", of which the first %d are told; --json tells all", mostFailures)
	}
	fmt.Fprintln(a.stderr, text)
}

func changeOf(s site, t told, err error) changeItem {
	item := changeItem{Name: s.name, Job: s.job, Outcome: "done", Text: t.text}
	var f *failure
	switch {
	case errors.As(err, &f):
		item.Outcome, item.Text, item.Means, item.ToDo = "failed", f.Error(), f.means, f.do
		return item
	case err != nil:
		item.Outcome, item.Text = "failed", err.Error()
		return item
	case !t.wrote:
		item.Outcome = "unchanged"
	}
	item.Record = fieldsOf(t.after)
	return item
}
