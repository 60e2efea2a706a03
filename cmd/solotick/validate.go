package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/source"
)

// A validated is what "validate --json" prints.
type validated struct {
	Schema    string             `json:"schema"`
	File      string             `json:"file"`
	OK        bool               `json:"ok"`
	Mistakes  config.Diagnostics `json:"mistakes"`
	Notifiers []namedNotifier    `json:"notifiers"`
	From      *listedJobs        `json:"jobs_from,omitempty"`  // absent: there is no list elsewhere
	Reports   string             `json:"reports_to,omitempty"` // scheme and host
	Jobs      []explained        `json:"jobs"`
}

// A namedNotifier is one of notify:.
type namedNotifier struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// listedJobs is the list of jobs that lies elsewhere.
type listedJobs struct {
	URL    string `json:"url"`  // without user, password and query
	Read   bool   `json:"read"` // false: without --fetch it is not looked at
	SHA256 string `json:"sha256,omitempty"`
	Jobs   int    `json:"jobs"`
}

func (a *app) validateCommand() *cobra.Command {
	var file string
	var v validation
	c := &cobra.Command{
		Use: "validate [FILE]", Short: "Check the file, and tell what follows from it",
		Long: `Check the file: all mistakes at once, each with its place and a hint. With --explain,
tell for each job when it runs, how late a takeover may be, what is written, what its
steps do and who is told, and where a tick may run twice or not at all. No server is
asked anything; but with --fetch the list of jobs that jobs_from: names is read and
checked too.`,
		Example: "  solotick validate --explain solotick.yaml\n  solotick validate --fetch --json -c solotick.yaml",
		Args:    atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if file != "" {
					return usage("the file is named twice, with -c and as an argument")
				}
				file = args[0]
			}
			return a.validate(cmd.Context(), file, v)
		},
	}
	a.fileFlag(c, &file)
	c.Flags().BoolVar(&v.explain, "explain", false, "tell what follows from the file for each job")
	c.Flags().BoolVar(&v.fetch, "fetch", false, "also read the list of jobs that jobs_from: names")
	jsonFlag(c, &v.json)
	return c
}

// A validation is how a file is to be checked.
type validation struct{ explain, fetch, json bool }

func (a *app) validate(ctx context.Context, file string, how validation) error {
	path, err := a.configPath(file)
	if err != nil {
		return err
	}
	v := validated{Schema: "solotick.validate/v1", File: path, Mistakes: config.Diagnostics{}, Notifiers: []namedNotifier{}, Jobs: []explained{}}
	c, more, err := v.check(ctx, path, how.fetch)
	v.OK = err == nil
	if err != nil {
		return a.invalid(v, err, how.json)
	}
	now := time.Now()
	jobs := append(c.Jobs[:len(c.Jobs):len(c.Jobs)], more...)
	for i, j := range jobs {
		e := explainJob(j, v.Notifiers, len(c.Agent.ID), &c.Ring, now)
		e.Elsewhere = i >= len(c.Jobs)
		v.Jobs = append(v.Jobs, e)
	}
	if how.json {
		return a.json(v)
	}
	var b strings.Builder
	v.write(&b, len(c.Jobs))
	if how.explain {
		b.WriteString(agentWords(c.Agent))
		for i, e := range v.Jobs {
			e.write(&b, policyOf(jobs[i]), now)
		}
	}
	return a.sayf("%s", b.String())
}

// check reads the file, and the list elsewhere if it is to be fetched.
func (v *validated) check(ctx context.Context, path string, fetch bool) (*config.Config, []config.Job, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, nil, configFailure(err)
	}
	svc, err := openService(c.DNS)
	if err != nil {
		return nil, nil, err
	}
	for _, j := range c.Jobs {
		p := svc.policy(j)
		if err := p.Check(); err != nil {
			return nil, nil, configFailure(fmt.Errorf("job %s: %w", j.Name, err))
		}
	}
	if r := c.Agent.Report; r != nil {
		v.Reports = schemeAndHost(r.URL.Reveal())
	}
	for _, n := range c.Notify {
		v.Notifiers = append(v.Notifiers, namedNotifier{n.Name, n.Kind})
	}
	if c.From == nil {
		return c, nil, nil
	}
	s, err := source.New(c.From.Source)
	if err != nil {
		return nil, nil, configFailure(fmt.Errorf("jobs_from: %w", err))
	}
	defer s.Close()
	v.From = &listedJobs{URL: s.String()}
	if !fetch {
		return c, nil, nil
	}
	doc, err := s.Fetch(ctx)
	if err != nil {
		return nil, nil, listFailure(err)
	}
	v.From.Read, v.From.SHA256 = true, doc.SHA256
	more, err := c.Parse(s.String(), doc.Text)
	if err != nil {
		return nil, nil, configFailure(err)
	}
	v.From.Jobs = len(more)
	return c, more, nil
}

// listFailure is why the list of jobs cannot be had.
func listFailure(err error) error {
	f := &failure{
		code: exitUnreachable, err: fmt.Errorf("the file is right, but the list of jobs cannot be read: %w", err),
		means: "nothing was started or changed; agents that have the list go on with it, and others with the jobs of the file alone",
	}
	switch {
	case errors.Is(err, context.Canceled):
		f.code = exitTryAgain
	case errors.Is(err, source.ErrDenied):
		f.code = exitRefused
	case errors.Is(err, source.ErrNotFound), errors.Is(err, source.ErrUntrusted), errors.Is(err, source.ErrTooLarge):
		f.code = exitConfig
	}
	return f
}

// invalid tells why the file is not right.
func (a *app) invalid(v validated, err error, asJSON bool) error {
	if !asJSON {
		return err
	}
	if !errors.As(err, &v.Mistakes) {
		v.Mistakes = append(v.Mistakes, config.Diagnostic{File: v.File, Message: err.Error()})
	}
	if err := a.json(v); err != nil {
		return err
	}
	return exit(exitCode(err))
}

// write tells that all is well.
func (v *validated) write(b *strings.Builder, jobs int) {
	fmt.Fprintf(b, "%s: ok, %d job%s", v.File, jobs, plural(jobs))
	if n := len(v.Notifiers); n > 0 {
		fmt.Fprintf(b, ", %d notifier%s", n, plural(n))
	}
	b.WriteByte('\n')
	switch f := v.From; {
	case f == nil:
	case f.Read:
		fmt.Fprintf(b, "%s: ok, %d job%s, sha256 %s\n", f.URL, f.Jobs, plural(f.Jobs), f.SHA256)
	default:
		fmt.Fprintf(b, "%s: more jobs, which were not looked at; --fetch does\n", f.URL)
	}
}

// agentWords tell where an agent with these settings can be watched.
func agentWords(a config.Agent) string {
	var b strings.Builder
	if a.Listen != "" {
		fmt.Fprintf(&b, "each agent answers /metrics, /livez, /readyz, /status and /events at %s\n", a.Listen)
	}
	if a.Events != "" {
		fmt.Fprintf(&b, "it appends what it reads, decides and writes to %s, 8 MiB and as much of what came before, for solotick explain --from\n", a.Events)
	}
	if r := a.Report; r != nil {
		how, output := "with a token", "without what commands print"
		if !r.HMAC.IsZero() {
			how = "signed"
		}
		if r.Output {
			output = "with the end of what commands print"
		}
		fmt.Fprintf(&b, "it tells of each run to %s, %s, %s\n", schemeAndHost(r.URL.Reveal()), how, output)
	}
	return b.String()
}

// schemeAndHost are what anybody may know of a URL.
func schemeAndHost(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host
}
