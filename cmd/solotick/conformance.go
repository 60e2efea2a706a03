package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/internal/conformance"
	"github.com/solotick/solotick/register"
)

// longRun is from when on a conformance run wants to be told that it may.
const longRun = 15 * time.Minute

type conformanceFlags struct {
	file             string
	rounds, racers   int
	json, markdown   bool
	anonymous, start bool
}

func (a *app) conformanceCommand() *cobra.Command {
	var f conformanceFlags
	c := &cobra.Command{
		Use: "conformance", Short: "Try whether the file's register keeps its promise, by race on a scratch record", Args: exactly(),
		Long: `Try on your own zone, with your own credential, what everything else relies on: that of
several clients that swap one record at the same time exactly one succeeds. Also tried
is whether an acknowledged write is what the next reader sees, what a lost reply
leaves behind, that stale writes are refused, which texts come back as they were, how
long a write takes into DNS, what the register's clock says, and what it all costs.

Nothing is asked. What will be done is printed first; then it writes to two names below
` + conformance.Label + `.ZONE that nobody else has, which the credential has to be allowed,
and removes them again, also after Ctrl-C. No job's record is touched. A run that was
killed leaves them behind: they are in nobody's way, and may be removed by hand.

The result is kept for this user, in $STATE_DIRECTORY, $XDG_STATE_HOME/solotick or
~/.local/state/solotick: doctor shows it, and where it is good, agents start over a class weaker
than exact. For an agent of another user or of systemd set STATE_DIRECTORY to its own.
The exit code is 0 if the register has passed and 1 if it has not.`,
		Example: "  solotick conformance -c solotick.yaml\n" +
			"  solotick conformance -c solotick.yaml --markdown --without-zone > report.md",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			told := context.AfterFunc(ctx, func() {
				time.AfterFunc(twin, stop) // a second signal ends at once
				if isTerminal(a.stderr) {
					fmt.Fprintln(a.stderr, "\nending: what was written is being removed; once more ends now")
				}
			})
			defer told()
			return a.conformance(ctx, f)
		},
	}
	a.fileFlag(c, &f.file)
	jsonFlag(c, &f.json)
	c.Flags().IntVar(&f.rounds, "rounds", 0, "rounds of swaps, and as many or fewer of all else (default 20, or 3 where a swap takes long)")
	c.Flags().IntVar(&f.racers, "racers", 0, "clients that swap one record at the same time (default 8, or 4)")
	c.Flags().BoolVar(&f.markdown, "markdown", false, "print a report to be pasted into an issue")
	c.Flags().BoolVar(&f.anonymous, "without-zone", false, "leave the zone's name out of the report")
	c.Flags().BoolVar(&f.start, "yes", false, "start also what takes more than a quarter of an hour")
	return c
}

func (f conformanceFlags) check() error {
	switch {
	case f.json && f.markdown:
		return usage("--json and --markdown are two forms of one report: take one")
	case f.rounds < 0 || f.rounds > 1000:
		return usage("--rounds %d: want 1 to 1000", f.rounds)
	case f.racers < 0 || f.racers == 1 || f.racers > 64:
		return usage("--racers %d: want 2 to 64", f.racers)
	}
	return nil
}

func (a *app) conformance(ctx context.Context, f conformanceFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	c, err := a.loadConfig(f.file)
	if err != nil {
		return err
	}
	svc, err := openService(c.DNS)
	if err != nil {
		return err
	}
	subject, err := svc.subject()
	if err != nil {
		return err
	}
	o := conformance.Options{
		Swaps: f.rounds, Creates: (f.rounds + 1) / 2, Racers: f.racers,
		Chain: min(f.rounds, 20), Cuts: min(f.rounds, 20), Writes: min(f.rounds, 5), Version: buildInfo().String(),
	}
	plan := conformance.NewPlan(subject, o)
	a.tellPlan(f, svc, plan)
	if plan.Takes > longRun && !f.start {
		return &failure{
			code: exitUsage, err: fmt.Errorf("it would take up to %d minutes", int(plan.Takes.Minutes()+0.5)),
			means: "nothing was written", do: "--yes starts it; --rounds 3 --racers 3 makes it shorter",
		}
	}
	report := conformance.Run(ctx, subject, o, func(r conformance.Result) {
		if !f.json && !f.markdown {
			a.sayFinding(finding{Check: r.Check, Is: verdict(r.Verdict), Text: r.Text, Do: r.Do})
		}
	})
	a.keep(svc, report)
	if f.anonymous {
		report = report.WithoutZone()
	}
	switch {
	case f.json:
		err = a.json(report)
	case f.markdown:
		err = a.sayf("%s", report.Markdown())
	default:
		err = a.sayf("\n%s in %s: %s\n", report.Provider, report.Zone, report.Outcome())
	}
	if err != nil {
		return err
	}
	return verdictOf(report)
}

// tellPlan says what will be done, beside the report where that is for a program.
func (a *app) tellPlan(f conformanceFlags, s *service, p conformance.Plan) {
	w := a.stdout
	if f.json || f.markdown {
		w = a.stderr
	}
	io.WriteString(w, s.String()+"\n- "+strings.Join(p.Lines, "\n- ")+"\n\n")
}

// verdictOf ends the command as the run ended.
func verdictOf(r conformance.Report) error {
	switch {
	case r.Passed:
		return nil
	case r.Interrupted:
		return exit(exitTryAgain)
	case r.Err() != nil && !r.Conclusive():
		return exit(exitCode(registerFailure(r.Err(), "")))
	}
	return exit(exitFailed)
}

// subject is what a conformance run tries: clients of their own for each that it
// asks for, as other processes would have them.
func (s *service) subject() (conformance.Subject, error) {
	w, err := s.window()
	if err != nil {
		return conformance.Subject{}, err
	}
	c := conformance.Subject{
		Provider: s.dns.Provider, Zone: s.dns.Zone, Class: s.class,
		Look: func(ctx context.Context, name string) ([]string, error) {
			seen, err := w.at(name)(ctx)
			return seen.Texts, err
		},
		Throttled: func(err error) bool { return errors.Is(err, register.ErrThrottled) },
	}
	c.Name, c.Neighbour = conformance.Scratch(s.dns.Zone)
	all := []*service{s}
	c.Open = func(name string) (register.Register, error) {
		one, err := openService(s.dns)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		return one.register(name)
	}
	if s.leave != nil {
		c.Leave = func(ctx context.Context) error {
			var errs []error
			for _, one := range all {
				errs = append(errs, one.leave(ctx))
			}
			if s.forget == nil {
				return errors.Join(append(errs, errors.New("what decided the last version stays, since somebody might use it"))...)
			}
			for _, name := range []string{c.Name, c.Neighbour} {
				errs = append(errs, s.forget(ctx, name))
			}
			return errors.Join(errs...)
		}
	}
	if s.requests != nil {
		c.Requests = func() (n int64) {
			for _, one := range all {
				n += one.requests()
			}
			return n
		}
	}
	// Agents who are at work keep half of what the account may send.
	rate, burst := limitsOf(s.dns)
	c.Rate, c.Burst = rate/2, burst/2
	return c, nil
}

// keep remembers a result for doctor, and for agents that are about to start.
func (a *app) keep(s *service, r conformance.Report) {
	if !r.Conclusive() {
		return
	}
	dir, err := conformance.StateDir(a.env)
	if err == nil {
		err = conformance.Save(dir, conformance.Saved{
			Provider: s.dns.Provider, Zone: s.dns.Zone, Account: s.account(),
			When: r.Began, Version: buildInfo().Version, Class: r.Class, Passed: r.Passed,
		})
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "solotick: the result is not kept, so doctor will not know of it: %v\n", err)
	}
}

// lastConformance is how the latest run of this provider, zone and account went.
func (a *app) lastConformance(s *service) (conformance.Saved, error) {
	dir, err := conformance.StateDir(a.env)
	if err != nil {
		return conformance.Saved{}, err
	}
	return conformance.Find(dir, s.dns.Provider, s.dns.Zone, s.account())
}

// account tells apart what may differ between two registers of one zone: whose they
// are, by which key, and how they work. None of it is a secret: of a key it is the name,
// of which another has other rights. A token has none, and one that was renewed is the
// same account's.
func (s *service) account() string {
	d := s.dns
	var all []string
	for _, part := range []string{
		s.key.Name, d.Server, d.Endpoint, d.ZoneID, d.AccessKeyID, d.Profile, d.RoleARN, d.Project, d.ManagedZone,
		d.Subscription, d.ResourceGroup, d.ClientID, endpointOf(d.URL), strings.Join(d.Command, " "),
	} {
		if part != "" {
			all = append(all, part)
		}
	}
	if d.Settle > 0 {
		all = append(all, d.Settle.String())
	}
	return strings.Join(all, " ")
}

// endpointOf tells one URL from another without its path and query, either of which
// may be all that proves who asks.
func endpointOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.RawQuery == "" && strings.Trim(u.Path, "/") == "" {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return u.Scheme + "://" + u.Host + "/#" + hex.EncodeToString(sum[:4])
}

// tried tells how the latest conformance run went, if there was one or should have
// been.
func (d *doctor) tried() {
	const check = "conformance"
	again := "solotick conformance"
	if d.file != "" {
		again = "solotick conformance -c " + d.file
	}
	last, err := d.app.lastConformance(d.svc)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && last.Class != d.svc.class:
		switch {
		case !d.svc.class.Weaker():
		case d.svc.dns.AcceptWeaker:
			d.tell("", check, advice, again, "whether it does, nobody has tried on this machine")
		default:
			d.tell("", check, advice, again+"; or accept it: dns.accept_weaker: true in the file",
				"whether it does, nobody has tried on this machine: agents do not start here before it was tried or accepted")
		}
	case err != nil:
		d.tell("", check, advice, again+" writes it anew", "what an earlier run has found cannot be used: %v", err)
	case !last.Passed:
		d.failed(exitFailed)
		d.tell("", check, failed, again+" tries it again, and says what is wrong", "the register did not keep its promise on %s (solotick %s)", last.When.Format(time.DateOnly), last.Version)
	default:
		d.tell("", check, passed, "", "the register kept its promise on %s (solotick %s)", last.When.Format(time.DateOnly), last.Version)
	}
}

// hasPassed says whether a register weaker than exact was seen to hold here.
func (a *app) hasPassed(s *service) bool {
	last, err := a.lastConformance(s)
	return err == nil && last.Passed && last.Class == s.class
}

// provider tells what the provider's own client finds out.
func (d *doctor) provider(ctx context.Context, sites []site) {
	if d.svc.examine == nil {
		return
	}
	var names []string
	for _, s := range sites {
		names = append(names, s.name)
	}
	for _, f := range d.svc.examine(ctx, names...) {
		is := passed
		if !f.OK {
			is, d.unwell = failed, true
		}
		d.tell("", f.Check, is, f.Do, "%s", f.Text)
	}
}
