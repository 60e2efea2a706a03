package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/steps"
)

type lockOnce struct {
	lockFlags
	try     bool
	wait    time.Duration
	maxHold time.Duration
}

func (a *app) lockCommand() *cobra.Command {
	var f lockOnce
	c := &cobra.Command{
		Use:   "lock NAME [flags] -- COMMAND ARG...",
		Short: "Run a command while holding a lock",
		Long: `Run a command while holding a lock, which is a DNS TXT record: of all machines that
use this name, one at a time runs its command. NAME is a name in the zone, or with a
dot a full DNS name; a lock has a record of its own, which is made when it is first
used. Where that is is told by --zone, --server and --tsig-file, or by the dns section
of a file.

The lock is renewed while the command runs, and given back when it ends. A command
whose lock is lost, because the register cannot be reached or somebody freed it by
hand, is told to end (TERM), and killed with all its processes after --kill-grace,
before anybody else can hold the lock. The same happens if solotick itself is killed
or halted. SOLOTICK_FENCE is greater with every holder: where it matters, have the
system that the command writes to refuse a smaller one than it has seen.

The command has the standard input, output and error of solotick, and gets the signals
that solotick gets. It runs in a session of its own, without a controlling terminal.
Its exit code is that of solotick, 128+n after signal n; 1 if it would be 0 and the
lock was lost. While waiting a signal ends solotick with 128+n, and no command is
started any more.

A lock that is held is waited for, without end or for --wait; with --try the exit code
is 75 at once. That of a holder who vanished is taken over after a lease and a margin
(17 s), and so long it takes too when a lock is used for the first time: --try waits
for that.`,
		Example: "  solotick lock deploy -- ./deploy.sh --all\n" +
			"  solotick lock deploy --try -c /etc/solotick/solotick.yaml -- ./deploy.sh\n" +
			"  solotick lock migrate.example.com --wait 5m --max-hold 30m -- sh -c 'psql -v fence=$SOLOTICK_FENCE -f migrate.sql'",
		RunE: func(cmd *cobra.Command, args []string) error { return a.lock(cmd, f, args) },
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&f.try, "try", false, "do not wait: 75 if somebody else holds it")
	c.Flags().DurationVar(&f.wait, "wait", 0, "wait no longer than this, then 75 (default: without end)")
	c.Flags().DurationVar(&f.maxHold, "max-hold", 0, "stop the command when it was held for so long (default: never)")
	f.lockFlags.add(c)
	return c
}

// lockArgs are the name and the command behind the dash.
func lockArgs(cmd *cobra.Command, args []string) (name string, argv []string, err error) {
	dash := cmd.ArgsLenAtDash()
	if dash < 0 {
		dash = len(args)
	}
	switch {
	case dash == 0:
		return "", nil, usage("NAME is missing: it stands before --")
	case dash > 1:
		return "", nil, usage("unexpected argument %q: the command stands behind --, as in: -- ./job.sh --fast", args[1])
	}
	return args[0], args[1:], nil
}

func (a *app) lock(cmd *cobra.Command, f lockOnce, args []string) error {
	name, argv, err := lockArgs(cmd, args)
	switch {
	case err != nil:
		return err
	case len(argv) == 0:
		return usage("the command is missing: it stands behind --, as in: -- ./job.sh --fast")
	case f.wait < 0 || f.maxHold < 0:
		return usage("a duration is negative")
	case f.try && f.wait > 0:
		return usage("--try and --wait: want one or the other")
	}
	k, err := a.contend(cmd.Flags(), f.lockFlags, name)
	if err != nil {
		return err
	}
	k.Policy.Timeout = f.maxHold
	program := a.under(argv)
	if err := program.Check(); err != nil {
		return notStarted(err)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	signals := relaySignals(cancel)
	defer k.leave(k.Log)
	held, err := a.take(ctx, k, f)
	if err != nil {
		if n := signals.stop(); n != 0 {
			return exit(128 + int(n))
		}
		return k.failed(err, "command", "it was not run")
	}
	t := a.hold(k, held, program, signals)
	if n := signals.stop(); !t.begun && n != 0 {
		return exit(128 + int(n))
	}
	return t.end(k)
}

// take waits for the lock as the flags have it.
func (a *app) take(ctx context.Context, k *contender, f lockOnce) (*solotick.Lock, error) {
	if f.try {
		ctx, cancel := context.WithTimeout(ctx, tryTime(&k.Policy))
		defer cancel()
		return k.TryLock(ctx)
	}
	if f.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.wait)
		defer cancel()
	}
	if isTerminal(a.stderr) {
		said := time.AfterFunc(2*time.Second, func() { fmt.Fprintf(a.stderr, "waiting: %s\n", k.holder()) })
		defer said.Stop()
	}
	return k.Lock(ctx)
}

// tryTime is how long it takes at most to get a lock that nobody holds: to watch
// one whose holder has vanished, or to make its record, and what comes before and
// after that.
func tryTime(p *elect.Policy) time.Duration {
	return p.Lease + elect.Margin(p.Lease) + 2*p.Spread + 2*p.SwapTime + 5*time.Second
}

// under is a command as it runs under a lock.
func (a *app) under(argv []string) *steps.Command {
	c := &steps.Command{Argv: argv, Stdout: a.stdout, Stderr: a.stderr, MaxTail: -1}
	in, ok1 := a.stdin.(*os.File)
	out, ok2 := a.stdout.(*os.File)
	bad, ok3 := a.stderr.(*os.File)
	if ok1 && ok2 && ok3 {
		c.Stdio = []*os.File{in, out, bad}
	}
	return c
}

// A turn is one hold of a lock, and the command that ran under it.
type turn struct {
	begun bool // else a signal came first
	res   steps.Result
	err   error
	lost  bool
	why   string         // it was lost
	asked syscall.Signal // that was passed on last and ends processes; 0: none
}

// hold runs the command under the lock and gives that back.
func (a *app) hold(k *contender, held *solotick.Lock, program *steps.Command, signals *relay) (t turn) {
	to, ok := signals.begin()
	if !ok {
		a.release(k, held, signals, false)
		return t
	}
	run := steps.Run{
		Lock: k.name, Agent: held.Agent(), Fence: held.Fence(),
		Left: held.Left, Renewed: held.Renewed(), Grace: k.Policy.KillGrace, Signals: to, Withheld: k.withheld,
	}
	if k.Policy.Timeout > 0 {
		run.Deadline = time.Now().Add(k.Policy.Timeout)
	}
	ctx, stop := planContext(held.Context())
	defer stop()
	t.begun = true
	t.res, t.err = program.Do(ctx, run)
	t.lost, t.why = held.Context().Err() != nil || errors.Is(t.err, steps.ErrStopped), lostWords(held.Context())
	t.asked = a.release(k, held, signals, t.lost)
	return t
}

// end is how a turn ends the process.
func (t *turn) end(k *contender) error {
	var ended *steps.ExitError
	switch {
	case t.lost:
		f := &failure{
			code: t.res.Code, err: fmt.Errorf("%s %s", k.at, t.why), about: "command",
			means: "it was told to end, and was killed after " + seconds(k.Policy.KillGrace) + " if it had not; nothing of it is left",
			do:    "see whether what it did is whole; then run it again",
		}
		if f.code < 0 {
			f.means = lines(t.err.Error())
		}
		if f.code <= 0 {
			f.code = exitFailed
		}
		return f
	case errors.As(t.err, &ended), t.err == nil:
		return exit(t.res.Code)
	}
	return notStarted(t.err)
}

// release gives the lock back, unless a signal comes meanwhile. That it could not be
// is said, and is no failure of the command. One that was lost lapses anyway. It
// returns the signal that the command was asked to end by.
func (a *app) release(k *contender, held *solotick.Lock, signals *relay, lost bool) syscall.Signal {
	patience := 2 * time.Second
	if !lost {
		patience += max(held.Left(), 0)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	asked := signals.finish(cancel)
	defer signals.again()
	if err := held.Unlock(ctx); err != nil && !lost && !errors.Is(err, solotick.ErrLost) {
		fmt.Fprintf(a.stderr, "solotick: %s was not given back, and others have it only when it has lapsed, within %s: %v\n",
			k.at, seconds(k.Policy.Lease+elect.Margin(k.Policy.Lease)+k.Policy.Spread), lines(bare(err).Error()))
	}
	return asked
}

// notStarted is a command that there is none of, or whose end was not seen.
func notStarted(err error) error {
	f := &failure{code: exitFailed, err: err}
	switch {
	case errors.Is(err, steps.ErrNotFound):
		f.code = 127
	case errors.Is(err, steps.ErrNotExecutable):
		f.code = 126
	}
	return f
}
