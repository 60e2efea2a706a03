package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/register"
)

func (a *app) runCommand() *cobra.Command {
	var file, job string
	var dry, now, asJSON, weaker bool
	var log logFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "The agent: run all jobs of a file",
		Long: `Run all jobs of a file, each of its ticks on one of all the agents that have the
file. TERM or INT: nothing more is claimed, a run in progress may end within
agent.grace, and is else handed over to another agent; a second one ends at once.

The file is read again when its text has changed, and on HUP also what it takes
from elsewhere. A changed job is picked up with its next run; a file with a
mistake is reported, and the old one kept. A list of jobs that lies elsewhere
(jobs_from) is looked at for every tick, and once a minute.

With --dry-run: tell what the next run of each job would do, and end. Requests by
GET and HEAD are sent, and conditions are worked out from what comes back; nothing
else is sent, run, told or written. 1 if a run would fail.

With --now: run the job that --job names once, on this machine, outside its schedule,
to try it. Nothing is claimed or written, so that agents may run it at the same time;
all else is real: commands, requests, alerts. The exit code is that of the command, or
1 if a job of steps has failed. With --json a report of the run is printed, and what
commands print goes to stderr.`,
		Example: "  solotick run -c solotick.yaml\n  solotick run -c solotick.yaml --log-format json --log-level debug\n  solotick run -c solotick.yaml --dry-run --job canary\n  solotick run --job canary --now",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			switch {
			case dry && now:
				return usage("--dry-run and --now: want one or the other")
			case dry:
				return a.dryRun(ctx, file, job, asJSON)
			case now && job == "":
				return usage("--now runs one job: name it with --job")
			case now:
				return a.runNow(ctx, file, job, asJSON)
			case job != "" || asJSON:
				return usage("--job and --json are for --dry-run and --now: an agent runs all jobs of its file")
			}
			stop() // an agent has a way of its own to end
			return a.run(cmd.Context(), file, weaker, log)
		},
	}
	a.fileFlag(c, &file)
	c.Flags().BoolVar(&dry, "dry-run", false, "tell what the next runs would do, and end")
	c.Flags().BoolVar(&now, "now", false, "with --job: run it once, here and now, outside its schedule")
	c.Flags().StringVar(&job, "job", "", "with --dry-run or --now: this job only")
	jsonFlag(c, &asJSON)
	weakerFlag(c, &weaker)
	log.add(c)
	return c
}

func (a *app) run(ctx context.Context, file string, weaker bool, lf logFlags) error {
	log, err := a.logger(lf)
	if err != nil {
		return err
	}
	path, err := a.configPath(file)
	if err != nil {
		return err
	}
	c, err := a.loadConfig(path)
	if err != nil {
		return err
	}
	id, err := solotick.NewID(c.Agent.ID)
	if err != nil {
		return configFailure(err)
	}
	if a.env("GOGC") == "" {
		debug.SetGCPercent(50) // an idle agent makes little garbage, and should be small rather than fast
	}
	attrs := []any{"agent", id, "config", path, "jobs", len(c.Jobs), "provider", c.DNS.Provider, "class", classOf(c.DNS).String(), "pid", os.Getpid()}
	if instance := a.env("CF_INSTANCE_INDEX"); instance != "" {
		attrs = append(attrs, "instance", instance) // of Cloud Foundry: here only, and in no record
	}
	log.Info("solotick "+buildInfo().Version, attrs...)
	warnOfOpenFiles(log, secretFiles(path)...)
	f := newFleet(id, log, a.stdout, a.stderr)
	f.grace, f.file = c.Agent.Grace, path
	f.mayUse = func(s *service) error { return a.mayStart(s, weaker) }
	r := &reloader{path: path, log: log, fleet: f, last: c, hash: c.Hash, good: time.Now()}
	ctx, sig := a.signals(ctx)
	defer sig.stop()
	r.desk = newDesk(f.id)
	if err := a.outlets(c, f, r.desk, log); err != nil {
		return err
	}
	if err := r.desk.answer(ctx, c, f, log); err != nil {
		return err
	}
	crews, err := r.begin(ctx)
	if err != nil {
		return configFailure(err)
	}
	r.tell()
	f.apply(ctx, crews)
	return exit(f.keep(ctx, sig, func(hup bool) []*crew { return r.news(ctx, hup) }))
}

// muster makes crews of the jobs of a file, and of those of a list that lies
// elsewhere.
func (f *fleet) muster(c *config.Config, more []config.Job) ([]*crew, error) {
	svc, err := f.service(c)
	if err != nil {
		return nil, err
	}
	to, err := svc.connect()
	if err != nil {
		return nil, err
	}
	var members []member
	for _, j := range c.Jobs {
		members = append(members, memberOf(c, j, svc))
	}
	for _, j := range more {
		m := memberOf(c, j, svc)
		m.From = true
		members = append(members, m)
	}
	crews, err := f.prepare(members, to)
	if err == nil {
		f.hide(c, svc)
		if f.svc != nil && f.svc != svc {
			f.svc.close() // jobs that still use it until they are replaced connect anew
		}
		f.svc = svc
	}
	return crews, err
}

// service opens the service of a file, or goes on with the one in use if it is the
// same: the jobs that stay and those that come share what their account allows.
func (f *fleet) service(c *config.Config) (*service, error) {
	s, err := openService(c.DNS)
	if err != nil {
		return nil, err
	}
	if f.svc != nil && f.svc.same(s) {
		s.close()
		return f.svc, nil
	}
	if err := f.mayUse(s); err != nil {
		return nil, err
	}
	warnOfKeys(f.log, s, c)
	if s.class.Weaker() {
		f.log.Warn("this register is weaker than exact", append(s.attrs(), "means", s.class.Promise())...)
	}
	return s, nil
}

func memberOf(c *config.Config, j config.Job, svc *service) member {
	return member{Name: j.Name, Record: j.Record, Form: c.Ring.Form(j.Record), Where: [3]any{svc.dns, svc.key, svc.mark}, Policy: svc.policy(j), Plan: j.Plan, Mark: j.Hash}
}

// connect gives the register of a member's record, and the look at it.
func (s *service) connect() (connect, error) {
	w, err := s.window()
	if err != nil {
		return nil, err
	}
	// Jobs from elsewhere do not keep those of the file waiting, however many they
	// are and however often they look.
	rooms := map[bool]gate{false: make(gate, s.gate), true: make(gate, s.gate)}
	return func(m member) (register.Register, look, error) {
		room := rooms[m.From]
		r, err := s.register(m.Record)
		if err != nil {
			return nil, nil, err
		}
		return bounded{r, room}, room.bounded(w.at(m.Record)), nil
	}, nil
}

// A reloader looks whether the file has changed, by its content: a time of
// change tells nothing about files that are swapped or mounted. The same for the
// list of jobs that lies elsewhere, if there is one.
type reloader struct {
	path  string
	log   *slog.Logger
	fleet *fleet
	last  *config.Config // that is in force
	hash  string         // of the text that was looked at last, good or bad
	gone  bool           // it could not be read
	from  *jobsFrom      // nil: there is no list elsewhere
	desk  *desk          // nil: none

	good    time.Time // when the file was last found as it is in force
	trouble error     // why the newest file is not in force; nil: it is
	since   time.Time // when the trouble began
	said    string    // the status that systemd was told
}

// well and ill note whether the newest file is in force.
func (r *reloader) well() { r.good, r.trouble = time.Now(), nil }

func (r *reloader) ill(what string, err error) {
	if r.trouble == nil {
		r.since = time.Now()
	}
	r.trouble = err
	r.log.Error(what, "err", err)
}

// tell tells the desk and systemd what the definitions are.
func (r *reloader) tell() {
	good := r.good // which goes on to change
	file := definition{Source: "file", From: r.path, OK: r.trouble == nil, Good: &good, Hash: r.last.Hash, Jobs: len(r.last.Jobs)}
	if r.trouble != nil {
		since := r.since
		file.Error, file.Since = r.trouble.Error(), &since
	}
	all := []definition{file}
	if r.from != nil {
		all = append(all, r.from.definition())
	}
	if r.desk != nil {
		r.desk.use(r.fleet.svc)
		r.desk.define(all)
	}
	jobs, rest := 0, ""
	for _, d := range all {
		jobs += d.Jobs
		if !d.OK {
			first, _, _ := strings.Cut(d.Error, "\n")
			rest += fmt.Sprintf("; the newest %s is not in force: %s", d.Source, first)
		}
	}
	if said := fmt.Sprintf("%d jobs%s", jobs, rest); said != r.said {
		r.said = said
		notifySystemd("STATUS=" + said)
	}
}

// begin makes the first crews. A list that cannot be had does not keep the jobs
// of the file from starting, and is looked for on and on.
func (r *reloader) begin(ctx context.Context) ([]*crew, error) {
	var err error
	if r.from, err = newJobsFrom(r.last, nil, r.log); err != nil {
		return nil, err
	}
	if r.from == nil {
		return r.fleet.muster(r.last, nil)
	}
	r.from.check(ctx)
	r.fleet.latest.Store(r.from)
	if crews := r.changed(); crews != nil {
		return crews, nil
	}
	return r.fleet.muster(r.last, nil)
}

// news returns other crews, if the file or the list asks for them.
func (r *reloader) news(ctx context.Context, hup bool) []*crew {
	defer r.tell()
	if crews := r.file(hup); crews != nil {
		return crews
	}
	if r.from == nil {
		return nil
	}
	r.from.look(ctx, hup)
	return r.changed()
}

// changed returns other crews if the list has changed, and they can be made.
func (r *reloader) changed() []*crew {
	list, news := r.from.taken()
	if !news {
		return nil
	}
	crews, err := r.fleet.muster(r.last, list.jobs)
	if err != nil {
		r.from.refuse(list, err)
		return nil
	}
	r.from.accept(list)
	return crews
}

// file returns other crews if the file asks for them.
func (r *reloader) file(hup bool) []*crew {
	hash, err := hashFile(r.path)
	if err != nil {
		if !r.gone || hup {
			r.ill("the configuration cannot be read; the jobs go on with the old one", err)
		}
		r.gone, r.hash = true, "" // what is there next is looked at, whatever it was before
		return nil
	}
	r.gone = false
	if hash == r.hash && !hup {
		if r.trouble == nil {
			r.well()
		}
		return nil
	}
	r.hash = hash
	c, err := config.Load(r.path)
	if err != nil {
		r.ill("the configuration has mistakes; the jobs go on with the old one", err)
		return nil
	}
	if c.Equal(r.last) && !hup {
		r.well()
		return nil
	}
	from, err := newJobsFrom(c, r.from, r.log)
	var list jobList
	var news bool
	if err == nil && from != nil {
		list, news = from.taken()
	}
	var crews []*crew
	if err == nil {
		crews, err = r.fleet.muster(c, list.jobs)
	}
	if err != nil {
		r.ill("the configuration cannot be used; the jobs go on with the old one", err)
		return nil
	}
	if !reflect.DeepEqual(c.Agent, r.last.Agent) {
		r.log.Warn("agent: is of the process: it changes when that is started again")
	}
	if news {
		from.accept(list)
	}
	r.well()
	if r.from != nil {
		r.from.source.Close()
	}
	r.last, r.from = c, from
	r.fleet.latest.Store(from)
	return crews
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
