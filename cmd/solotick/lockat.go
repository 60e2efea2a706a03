package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// lockKeys are the keys of a job that a lock has too, as flags.
var lockKeys = []string{"lease", "kill_grace", "spread"}

// lockFlags are what "lock" and "elect" have in common.
type lockFlags struct {
	file   string
	weaker bool
	log    logFlags
}

func (f *lockFlags) add(c *cobra.Command) {
	fl := c.Flags()
	for _, d := range dnsFlags {
		fl.String(d.flag, "", d.usage)
	}
	addKeyFlags(fl)
	fl.StringVarP(&f.file, "config", "c", "", "a file whose sections dns, seal and sign are used (default: as for run, unless --zone is given)")
	for _, j := range jobFlags {
		for _, key := range lockKeys {
			if j.key == key {
				fl.String(flagOf(j.key), "", j.usage)
			}
		}
	}
	weakerFlag(c, &f.weaker)
	f.log.add(c)
	if l := fl.Lookup("log-level"); l.DefValue == "info" {
		f.log.level, l.DefValue = "warn", "warn" // what the command itself prints is what matters
	}
}

// A contender is this process, which wants one lock.
type contender struct {
	*solotick.Agent
	svc  *service
	name string // as on the command line
	at   string // the record's, without the last dot

	withheld []string // variables that its command does not inherit

	mu   sync.Mutex
	seen record.Record // the newest that was seen
	when time.Time     // by the register's time
}

// contend makes the agent of a lock. Nobody is asked anything yet.
func (a *app) contend(flags *pflag.FlagSet, f lockFlags, name string) (*contender, error) {
	c, job, err := a.lockConfig(flags, f.file, name)
	if err != nil {
		return nil, err
	}
	svc, err := openService(c.DNS)
	if err != nil {
		return nil, err
	}
	if err := a.mayStart(svc, f.weaker); err != nil {
		var known *failure
		if errors.As(err, &known) {
			known.about, known.means = "the lock", "nothing was started, since two might hold it at once"
		}
		return nil, err
	}
	log, err := a.logger(f.log)
	if err != nil {
		return nil, err
	}
	warnOfKeys(log, svc, c)
	id, err := solotick.NewID(c.Agent.ID)
	if err != nil {
		return nil, configFailure(err)
	}
	k := &contender{svc: svc, name: name, at: job.Record, withheld: withheldBy(a.placePath(flags, f.file), c)}
	k.Agent = &solotick.Agent{
		Job: solotick.Job{Name: name}, Policy: lockPolicy(job, svc.swapTime, flags.Changed("lease")),
		ID: id, Log: log, Observe: k.see, Form: c.Ring.Form(k.at),
	}
	if err := k.connect(); err != nil {
		return nil, err
	}
	log.Info("solotick "+buildInfo().Version, "agent", id, "lock", name, "record", k.at, "provider", svc.dns.Provider, "class", svc.class.String())
	return k, nil
}

func (k *contender) connect() error {
	w, err := k.svc.window()
	if err != nil {
		return err
	}
	if k.Register, err = k.svc.register(k.at); err != nil {
		return err
	}
	k.Look = w.at(k.at)
	if err := k.Policy.Check(); err != nil {
		return usage("%w", err)
	}
	return nil
}

// lockPolicy is the policy of a lock. Where a swap takes long a lease that nobody
// has chosen is as long as it has to be.
func lockPolicy(j config.Job, swap time.Duration, chosen bool) elect.Policy {
	p := elect.Policy{Lock: true, Lease: j.Lease, KillGrace: j.KillGrace, Spread: j.Spread, SwapTime: swap}
	if least := 3 * (swap + p.KillGrace + time.Second); !chosen && p.Lease < least {
		p.Lease = (least + time.Second - 1).Truncate(time.Second)
	}
	p.Fill()
	return p
}

// lockConfig judges the flags as those of a job whose record is the lock's. A name
// with a dot is a DNS name, any other is one in the zone.
func (a *app) lockConfig(flags *pflag.FlagSet, file, name string) (*config.Config, config.Job, error) {
	from, place, err := a.place(flags, file)
	if err != nil {
		return nil, config.Job{}, err
	}
	at := strings.TrimSuffix(strings.ToLower(name), ".")
	if !strings.Contains(at, ".") {
		at += "." + strings.TrimSuffix(fmt.Sprint(place["dns"].(map[string]any)["zone"]), ".")
	}
	job := map[string]any{"every": "1h", "exec": []string{"true"}, "record": strings.ReplaceAll(at, "${", "$${")}
	for _, key := range lockKeys {
		take(job, flags, flagOf(key), key)
	}
	c, err := madeConfig("lock", name, job, place)
	if err != nil {
		return nil, config.Job{}, usage("%s", strings.ReplaceAll(err.Error(), "--record: ", plain(name)+": "))
	}
	j := c.Jobs[0]
	if from == nil {
		return c, j, nil
	}
	for _, other := range from.Jobs {
		if other.Record == j.Record {
			return nil, j, usage("%s is the record of the job %s, which tells when that runs: a lock needs a name of its own", j.Record, other.Name)
		}
	}
	return from, j, nil
}

// see keeps what was seen last. DNS may show older records than the register has.
func (k *contender) see(ev solotick.Event) {
	if ev.Err != nil || ev.Verb != elect.Load && ev.Verb != elect.Look && ev.Verb != elect.Swap {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if ev.Verb != elect.Look || ev.Record.Seq >= k.seen.Seq {
		k.seen, k.when = ev.Record, ev.Time
	}
}

// latest is the newest record that was seen, and when, by the register's time.
func (k *contender) latest() (record.Record, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen, k.when
}

// holder says who holds it, or why nobody does, for people.
func (k *contender) holder() string {
	r, now := k.latest()
	until := elect.Until(&k.Policy, now, r)
	switch {
	case now.IsZero():
		return k.at + " could not be read yet"
	case r == (record.Record{}):
		return k.at + " has no record yet; the first one is made when there has been none for " + seconds(k.Policy.Lease+elect.Margin(k.Policy.Lease))
	case r.Claimed && until < now.Unix():
		return fmt.Sprintf("%s was held by %s, who has not renewed it as it should by %s; it is taken over when it was seen unchanged for %s",
			k.at, plain(r.ID), moment(until, now), seconds(r.LeaseOr(k.Policy.Lease)+elect.Margin(r.LeaseOr(k.Policy.Lease))))
	case r.Claimed:
		return fmt.Sprintf("%s is held by %s, and by nobody else before about %s", k.at, plain(r.ID), moment(until, now))
	case r.Pause < 0 || r.Pause > now.Unix():
		return fmt.Sprintf("%s is paused %s", k.at, pauseWords(r, now))
	}
	return k.at + " did not come free"
}

// failed words why the lock was not had; about is what depends on it, and means what
// became of that.
func (k *contender) failed(err error, about, means string) error {
	f := &failure{code: exitTryAgain, about: about, means: means}
	switch {
	case errors.Is(err, solotick.ErrHeld), errors.Is(err, solotick.ErrPaused):
		f.err, f.do = errors.New(k.holder()), "nothing, or try again later"
		if errors.Is(err, solotick.ErrPaused) {
			f.do = "wait, or solotick resume " + k.at
		}
	case errors.Is(err, solotick.ErrOfJob):
		f.code, f.err = exitConfig, fmt.Errorf("%s is the record of a job, which tells when that runs; it was left alone", k.at)
		f.do = "take another name; or, if the job is no more: solotick record get " + k.at + ", and remove it"
	case errors.Is(err, context.DeadlineExceeded):
		if cause := registerCause(err); cause != nil {
			return aboutThat(registerFailure(cause, means), about)
		}
		f.err, f.do = errors.New(k.holder()), "wait for longer, or look: solotick status "+k.at
	default:
		return aboutThat(registerFailure(bare(err), means), about)
	}
	return f
}

// bare is an error of the library without its own prefix: the command's is there.
func bare(err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "solotick: ") {
		return inner
	}
	return err
}

// registerCause is what the register said last, if it was that which kept the lock
// from being had.
func registerCause(err error) error {
	var both interface{ Unwrap() []error }
	if errors.As(err, &both) {
		return both.Unwrap()[1]
	}
	return nil
}

func aboutThat(err error, about string) error {
	var f *failure
	if errors.As(err, &f) {
		f.about = about
	}
	return err
}

// lostWords is why a lock is held no longer, for people.
func lostWords(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case cause == nil, cause.Error() == elect.WindowOver.String():
		return "was lost: it could not be renewed in time"
	case cause.Error() == elect.Newer.String():
		return "was lost: somebody else has taken or freed it"
	case errors.Is(cause, solotick.ErrTimeout):
		return "was held for as long as --max-hold allows"
	default:
		return "was lost: " + cause.Error()
	}
}

// leave says at the provider that this process writes nothing more.
func (k *contender) leave(log *slog.Logger) {
	if k.svc.leave == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := k.svc.leave(ctx); err != nil {
		log.Debug("what this process kept in the zone stays there for a day", "err", err)
	}
}
