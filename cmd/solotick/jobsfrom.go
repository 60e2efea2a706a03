package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
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

	reading sync.Mutex // of who reads a text, which may take seconds; before mu

	mu       sync.Mutex
	now      jobList     // what runs do
	newest   jobList     // without mistakes
	was      jobList     // the last one that agents could be made of
	seen     string      // of the text that was looked at last, good or bad
	bad      listTrouble // why that text is not in force; zero: it is
	news     bool        // newest was not taken yet
	trouble  listTrouble // why the newest list is not in force; zero: it is
	since    time.Time   // when the trouble began
	good     time.Time   // when the list was last found as it is in force
	checking bool        // in the background
	next     time.Time   // when it is looked at without a tick
}

// A jobList is one list of jobs.
type jobList struct {
	jobs []config.Job
	text []byte // that they are made of
	sum  string // of text
}

// A listTrouble is why the newest list is not in force.
type listTrouble struct {
	what string // one of those below; empty: there is none
	err  error
}

const (
	unreadable = "the list of jobs cannot be read; the jobs go on with the old one"
	mistaken   = "the list of jobs has mistakes; the jobs go on with the old one"
	unusable   = "the list of jobs cannot be used; the jobs go on with the old one"
	unfit      = "the list of jobs cannot be used beside the new configuration; its jobs are let go until it can"
)

// newJobsFrom begins with the list that before had, if it comes from the same
// place and is trusted; nil: there is none.
func newJobsFrom(c *config.Config, before *jobsFrom, log *slog.Logger) (*jobsFrom, error) {
	if c.From == nil {
		return nil, nil
	}
	s, err := source.New(c.From.Source)
	if err != nil {
		return nil, fmt.Errorf("jobs_from: %w", err)
	}
	j := &jobsFrom{source: s, base: c, log: log}
	if before != nil {
		before.mu.Lock()
		defer before.mu.Unlock()
		if o, was := c.From.Source, before.was; was.text != nil && trusts(before.base.From.Source, o, was.sum) {
			jobs, err := j.read(was.text)
			j.take(jobList{jobs, was.text, was.sum}, err, unfit)
		}
	}
	return j, nil
}

// trusts says that a list that was taken by the options before needs no other look
// by the new ones: it is from the same place, and no more is asked of it.
func trusts(before, o source.Options, sum string) bool {
	return o.URL == before.URL && o.PublicKey == before.PublicKey && (o.SHA256 == "" || strings.EqualFold(strings.TrimSpace(o.SHA256), sum))
}

// patience is how long a run waits for the list. A place that did not answer a
// moment ago is not waited for in every run.
func (j *jobsFrom) patience() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.trouble.what == unreadable {
		return time.Second
	}
	return whole
}

// whole is longer than a source may take by its own timeout.
const whole = 2 * time.Minute

// check looks at the list for a run, and takes it if it is another one.
func (j *jobsFrom) check(ctx context.Context) { j.checkFor(ctx, j.patience()) }

func (j *jobsFrom) checkFor(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	doc, err := j.source.Fetch(ctx)
	if !j.noted(ctx, doc, err) {
		return
	}
	// Who only asks what is in force does not wait for a text to be read.
	j.reading.Lock()
	defer j.reading.Unlock()
	if !j.noted(ctx, doc, nil) {
		return // somebody else has read it meanwhile
	}
	jobs, err := j.read(doc.Text)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.take(jobList{jobs, doc.Text, doc.SHA256}, err, mistaken)
}

// noted takes down what a look has found, and says whether it is a text to be read.
func (j *jobsFrom) noted(ctx context.Context, doc source.Document, err error) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = time.Now().Add(50*time.Second + rand.N(10*time.Second))
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled): // it was not waited for
	case err != nil:
		j.fail(listTrouble{unreadable, err})
	case doc.SHA256 == j.now.sum:
		j.seen = doc.SHA256
		if doc.SHA256 == j.was.sum {
			j.well()
		}
	case doc.SHA256 == j.seen && (j.bad.what == mistaken || j.bad.what == unfit):
		j.fail(j.bad)
	default: // what could not be used may be of use by now
		return true
	}
	return false
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
	return j.base.Parse(j.source.String(), text)
}

// take makes a list the one in force if it could be read; else what is the trouble.
func (j *jobsFrom) take(l jobList, err error, what string) {
	again := j.seen == l.sum
	j.seen = l.sum
	if err != nil {
		j.bad = listTrouble{what, err}
		j.fail(j.bad)
		return
	}
	j.newest, j.news = l, true
	if again {
		return // runs wait for it to be accepted
	}
	j.now = j.newest
	j.log.Info("list of jobs read", "from", j.source.String(), "jobs", len(l.jobs), "sha256", l.sum[:12])
}

// accept notes that a list is of use.
func (j *jobsFrom) accept(l jobList) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.was = l
	if j.newest.sum == l.sum {
		j.now = l
		j.well()
	}
}

// refuse puts back the list before one that turned out not to be of use.
func (j *jobsFrom) refuse(l jobList, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad = listTrouble{unusable, err}
	j.fail(j.bad)
	if j.now.sum == l.sum {
		j.now = j.was
	}
}

func (j *jobsFrom) well() {
	j.good = time.Now()
	if j.trouble.what != "" {
		j.log.Info("the list of jobs is well again", "from", j.source.String(), "after", time.Since(j.since).Round(time.Second))
		j.trouble = listTrouble{}
	}
}

// fail tells of a trouble once. A place that cannot be reached has many words for
// that, one for each run that does not wait for it any longer.
func (j *jobsFrom) fail(t listTrouble) {
	if j.trouble.what == "" {
		j.since = time.Now()
	}
	level := slog.LevelError
	if j.trouble.what == t.what && (t.what == unreadable || j.trouble.err.Error() == t.err.Error()) {
		level = slog.LevelDebug
	}
	j.log.Log(context.Background(), level, t.what, "err", t.err)
	j.trouble = t
}

// definition tells how it is with the list.
func (j *jobsFrom) definition() definition {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := definition{Source: "jobs_from", From: j.source.String(), OK: j.trouble.what == "", Hash: j.was.sum, Jobs: len(j.was.jobs)}
	if !j.good.IsZero() {
		good := j.good
		d.Good = &good
	}
	if j.trouble.what != "" {
		since := j.since
		d.Error, d.Since = j.trouble.err.Error(), &since
	}
	return d
}

// taken returns the newest list, and whether it is another one since the last call:
// then it is to be accepted or refused.
func (j *jobsFrom) taken() (jobList, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	news := j.news
	j.news = false
	return j.newest, news
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
		j.checkFor(ctx, whole)
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
	for i := range j.now.jobs {
		if j.now.jobs[i].Name == name {
			return j.now.jobs[i], nil
		}
	}
	return config.Job{}, fmt.Errorf("%w: the list of jobs no longer has it", steps.ErrSkipped)
}
