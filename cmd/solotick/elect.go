package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/steps"
)

type electFlags struct {
	lockFlags
	http string
}

func (a *app) electCommand() *cobra.Command {
	var f electFlags
	c := &cobra.Command{
		Use:   "elect NAME [flags] [-- COMMAND ARG...]",
		Short: "Lead while this machine is the one to, for a program that runs on",
		Long: `Take part in an election, without end: of all machines that use this name, one at a
time leads. NAME and all that is said of a lost lock are as for "solotick lock".

With a command: it runs while this machine leads. When the leadership is lost it is
stopped, before another machine can lead, and is run again when this machine leads
again. When it ends by itself the leadership is given up at once, so that another
machine leads, and solotick ends with its exit code: whether it is to be started again
is for systemd or whatever started solotick. TERM and all other signals are passed on
to it; solotick ends with 0 if it was TERM or INT that ended the command.

Without a command: a line is printed when this machine leads, "leader AGENT fence N",
and "lost REASON" when it does no longer, --kill-grace before another can.

With --http, for a program beside it: GET / answers in JSON who leads and for how long,
and GET /leader the same, with status 200 on the leader and 503 elsewhere. It is judged
anew for every request. PORT alone and :PORT are of 127.0.0.1.`,
		Example: "  solotick elect scheduler -- ./scheduler --listen :8080\n" +
			"  solotick elect scheduler.example.com -c /etc/solotick/solotick.yaml --http 127.0.0.1:4040\n" +
			"  curl -fs http://127.0.0.1:4040/leader && ./only-on-the-leader.sh",
		RunE: func(cmd *cobra.Command, args []string) error { return a.elect(cmd, f, args) },
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&f.http, "http", "", "answer who leads at this address, [HOST:]PORT")
	f.lockFlags.add(c)
	return c
}

// A campaign is this process in an election without end.
type campaign struct {
	*contender
	leading atomic.Pointer[solotick.Lock] // nil: it does not
}

func (a *app) elect(cmd *cobra.Command, f electFlags, args []string) error {
	name, argv, err := lockArgs(cmd, args)
	if err != nil {
		return err
	}
	if cmd.ArgsLenAtDash() >= 0 && len(argv) == 0 {
		return usage("the command is missing behind --")
	}
	k, err := a.contend(cmd.Flags(), f.lockFlags, name)
	if err != nil {
		return err
	}
	defer k.leave(k.Log)
	c := &campaign{contender: k}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if f.http != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", loopback(f.http))
		if err != nil {
			return &failure{code: exitConfig, err: fmt.Errorf("--http: %w", err), about: "election", means: "nothing was started", do: "another address: [HOST:]PORT"}
		}
		k.Log.Info("answering / and /leader", "addr", l.Addr().String())
		go c.serve(ctx, l)
	}
	if len(argv) == 0 {
		return a.lead(ctx, cancel, c)
	}
	program := a.under(argv)
	if err := program.Check(); err != nil {
		return notStarted(err)
	}
	return a.leadWith(ctx, cancel, c, program)
}

// loopback is an address that is not open to others unless it says so.
func loopback(addr string) string {
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	if strings.HasPrefix(addr, ":") {
		return "127.0.0.1" + addr
	}
	return addr
}

// win waits until this process leads. The error is nil if it was asked to end.
func (c *campaign) win(ctx context.Context) (*solotick.Lock, error) {
	held, err := c.Lock(ctx)
	switch {
	case err == nil:
		c.leading.Store(held)
		c.Log.Info("leading", "lock", c.name, "fence", held.Fence())
		return held, nil
	case ctx.Err() != nil:
		return nil, nil
	}
	return nil, c.failed(err, "election", "this machine takes no part in it")
}

// lead tells by lines whether this process leads.
func (a *app) lead(ctx context.Context, cancel func(), c *campaign) error {
	signals := relaySignals(cancel)
	defer signals.stop()
	for {
		held, err := c.win(ctx)
		if held == nil {
			return err
		}
		err = a.sayf("leader %s fence %d\n", held.Agent(), held.Fence())
		why := "stopping"
		if err == nil {
			select {
			case <-held.Done():
				_, why, _ = strings.Cut(lostWords(held.Context()), ": ")
			case <-ctx.Done():
			}
		}
		c.leading.Store(nil)
		err = errors.Join(err, a.sayf("lost %s\n", why))
		a.release(c.contender, held, signals, held.Context().Err() != nil)
		if err != nil {
			return err // nobody reads it
		}
	}
}

// leadWith runs the program whenever this process leads, until it ends by itself.
func (a *app) leadWith(ctx context.Context, cancel func(), c *campaign, program *steps.Command) error {
	signals := relaySignals(cancel)
	defer signals.stop()
	for {
		held, err := c.win(ctx)
		if held == nil {
			return err
		}
		t := a.hold(c.contender, held, program, signals)
		c.leading.Store(nil)
		var ended *steps.ExitError
		switch asked := t.asked == syscall.SIGTERM || t.asked == syscall.SIGINT; {
		case !t.begun:
			return nil
		case t.lost && t.asked == 0:
			c.Log.Warn("the command was stopped: this machine leads no longer, and waits to lead again", "lock", c.name, "why", t.why)
		case asked && errors.As(t.err, &ended) && ended.Signal == t.asked:
			return nil
		default:
			return t.end(c.contender)
		}
	}
}
