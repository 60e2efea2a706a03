package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/source"
	"github.com/solotick/solotick/steps"
)

// A jobsFrom is the list of jobs that lies elsewhere. It is looked at for every
// tick of a job of it, by the agent that runs the tick, and once a minute by
// every agent, as there may be other jobs or other ticks. The last list that
// could be used stays in force while the newest cannot.
type jobsFrom struct {
	source *source.Source
	base   *config.Config
	log    *slog.Logger
	parse  func(name string, text []byte) ([]config.Job, error)

	reading sync.Mutex // of who reads a text, which may take seconds; before mu

	mu       sync.Mutex
	jobs     []config.Job // in force
	text     []byte       // that they are made of
	sum      string       // of text
	seen     string       // of the text that was looked at last, good or bad
	news     bool         // jobs have changed since they were taken
	trouble  error        // why the newest list is not in force; nil: it is
	since    time.Time    // when the trouble began
	good     time.Time    // when the list was last found as it is in force
	checking bool         // in the background
	next     time.Time    // when it is looked at without a tick
}

// newJobsFrom begins with the list that before had, if it comes from the same
// place; nil: there is none.
func newJobsFrom(c *config.Config, before *jobsFrom, log *slog.Logger) (*jobsFrom, error) {
	if c.From == nil {
		return nil, nil
	}
	s, err := source.New(c.From.Source)
	if err != nil {
		return nil, fmt.Errorf("jobs_from: %w", err)
	}
	j := &jobsFrom{source: s, base: c, log: log, parse: c.Parse}
	if before != nil && before.base.From.Source.URL == c.From.Source.URL {
		before.mu.Lock()
		defer before.mu.Unlock()
		if before.text != nil {
			j.take(before.text, before.sum)
		}
	}
	return j, nil
}

// patience is how long a run waits for the list. A place that did not answer a
// moment ago is not waited for in every run.
func (j *jobsFrom) patience() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.trouble != nil && !errors.As(j.trouble, new(config.Diagnostics)) {
		return time.Second
	}
	return time.Minute // the source has a timeout of its own
}

// check looks at the list and takes it if it is another one.
func (j *jobsFrom) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, j.patience())
	defer cancel()
	doc, err := j.source.Fetch(ctx)
	if j.noted(ctx, doc, err) {
		j.take(doc.Text, doc.SHA256)
	}
}

// noted takes down what a look has found, and says whether it is a text to be read.
func (j *jobsFrom) noted(ctx context.Context, doc source.Document, err error) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = time.Now().Add(50*time.Second + rand.N(10*time.Second))
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
	case err != nil:
		j.fail("the list of jobs cannot be read; the jobs go on with the old one", fmt.Errorf("%s: %w", j.source, err))
	case doc.SHA256 == j.sum:
		j.seen = doc.SHA256
		j.well()
	default:
		return doc.SHA256 != j.seen
	}
	return false
}

// take makes a text the list in force, if it can be used. Who only asks what is in
// force does not wait for that.
func (j *jobsFrom) take(text []byte, sum string) {
	j.reading.Lock()
	defer j.reading.Unlock()
	j.mu.Lock()
	known := sum == j.seen
	j.mu.Unlock()
	if known {
		return // somebody else has read it meanwhile
	}
	jobs, err := j.read(text)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen = sum
	if err != nil {
		j.fail("the list of jobs has mistakes; the jobs go on with the old one", err)
		return
	}
	j.jobs, j.text, j.sum, j.news = jobs, text, sum, true
	j.log.Info("list of jobs read", "from", j.source.String(), "jobs", len(jobs), "sha256", sum[:12])
	j.well()
}

// read makes jobs of a text. Somebody else has written it: what nobody has thought
// of must not end the jobs of all agents at once.
func (j *jobsFrom) read(text []byte) (jobs []config.Job, err error) {
	defer func() {
		if p := recover(); p != nil {
			j.log.Error("the list of jobs cannot be read because of a mistake in solotick: please report it", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			jobs, err = nil, config.Diagnostics{{File: j.source.String(), Message: "it cannot be read because of a mistake in solotick"}}
		}
	}()
	return j.parse(j.source.String(), text)
}

// refuse puts back the list before one that turned out not to be of use.
func (j *jobsFrom) refuse(err error, before []config.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.jobs, j.sum, j.text = before, "", nil
	j.fail("the list of jobs cannot be used; the jobs go on with the old one", err)
}

func (j *jobsFrom) well() {
	j.good = time.Now()
	if j.trouble != nil {
		j.log.Info("the list of jobs is well again", "from", j.source.String(), "after", time.Since(j.since).Round(time.Second))
		j.trouble = nil
	}
}

// fail tells of a trouble once.
func (j *jobsFrom) fail(what string, err error) {
	if j.trouble == nil {
		j.since = time.Now()
	}
	if j.trouble == nil || j.trouble.Error() != err.Error() {
		j.log.Error(what, "err", err)
	}
	j.trouble = err
}

// definition tells how it is with the list.
func (j *jobsFrom) definition() definition {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := definition{Source: "jobs_from", From: j.source.String(), OK: j.trouble == nil, Hash: j.sum, Jobs: len(j.jobs)}
	if !j.good.IsZero() {
		good := j.good
		d.Good = &good
	}
	if j.trouble != nil {
		since := j.since
		d.Error, d.Since = j.trouble.Error(), &since
	}
	return d
}

// taken returns the jobs if they have changed since the last call.
func (j *jobsFrom) taken() ([]config.Job, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	news := j.news
	j.news = false
	return j.jobs, news
}

// look has the list looked at in the background, if it is time.
func (j *jobsFrom) look(ctx context.Context, now bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.checking || !now && time.Now().Before(j.next) {
		return
	}
	j.checking = true
	go func() {
		j.check(ctx)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.checking = false
	}()
}

// job is a job as it is to be run now.
func (j *jobsFrom) job(ctx context.Context, name string) (config.Job, error) {
	j.check(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.jobs {
		if j.jobs[i].Name == name {
			return j.jobs[i], nil
		}
	}
	return config.Job{}, fmt.Errorf("%w: the list of jobs no longer has it", steps.ErrSkipped)
}
