package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor/nagios"
)

// A check is what the plugin was asked.
type check struct {
	query

	limits  nagios.Limits
	paused  string
	verbose int
	asJSON  bool
	version bool
}

func (a *app) checkCommand() *cobra.Command {
	q := check{query: query{timeout: 10 * time.Second, often: true}}
	c := &cobra.Command{
		Use: "check [NAME...] [@server...]", Short: "Be a plugin of Nagios or Icinga; asks DNS, needs no credentials",
		Long: `Say in the form of a monitoring plugin whether jobs run as they should: one line,
performance data, and the exit code 0 OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN. A NAME
with a dot is a DNS name and needs no file; else it is a job of the file; without
names, all jobs of the file. Of several the worst counts, and each has a line.

What is late is a warning; what is missed, failing or damaged is critical. -w and -c
take the place of late and missed: RANGEs of seconds for which a run has been due (so
that the file is --config here). A RANGE alerts outside of it: 90 (below 0 or above
90), 90: (below 90), '~:90' (above 90), 10:90; or inside with @10:90.

If only a cache answers, the record is judged for the moment at which the cache asked
for it. Everything that keeps this command from knowing is UNKNOWN.`,
		Example: "  solotick check canary.example.com -w 90 -c 180\n" +
			"  solotick check canary.example.com --resolver 192.0.2.53 --behind 120,600\n" +
			"  solotick check --config /etc/solotick/solotick.yaml --paused ok",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.plugged = true
			switch {
			case q.version:
				a.sayf("%s\n", buildInfo())
				return exit(nagios.Unknown.Code())
			case a.env(checkEnv) == "":
				return a.superviseCheck(cmd.Context(), q.timeout)
			}
			state, err := a.check(cmd.Context(), &q, args)
			if err != nil {
				a.sayf("%s", nagios.Failure(err.Error()))
			}
			return exit(checkedCode + state.Code())
		},
	}
	q.flags(c)
	a.plugin = c
	return c
}

func (q *check) flags(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.VarP(rangeFlag{&q.limits.Late.Warn}, "warning", "w", "seconds for which a run has been due (default: when it is late)")
	f.VarP(rangeFlag{&q.limits.Late.Crit}, "critical", "c", "as --warning (default: when it is missed)")
	f.Var(thresholdsFlag{&q.limits.SinceLast}, "since-last", "ranges of seconds since the latest tick that was claimed")
	f.Var(thresholdsFlag{&q.limits.Overdue}, "overdue", "ranges of how many ticks should have begun and have not")
	f.Var(thresholdsFlag{&q.limits.Behind}, "behind", "ranges of seconds that a server shows the record behind the newest")
	f.StringVar(&q.paused, "paused", "warning", "the `STATE` of a paused job: ok, warning or critical; nothing else is judged of it")
	f.StringVar(&q.file, "config", "", "the `FILE`, for its schedules; of a NAME with a dot not needed")
	f.StringSliceVar(&q.resolvers, "resolver", nil, "ask this resolver as well, ADDRESS[:PORT], to see what it shows; may be repeated")
	keyFlag(c, &q.keys)
	f.IntVarP(&q.port, "port", "p", 53, "port of @server")
	f.VarP(secondsFlag{&q.timeout}, "timeout", "t", "for all of it, in seconds or such as 1m")
	f.Var(secondsFlag{&q.ttl}, "ttl", "that of the record, where only caches are asked (default: the file's, else 60)")
	f.CountVarP(&q.verbose, "verbose", "v", "tell more, in lines after the first")
	f.BoolVarP(&q.version, "version", "V", false, "print the version")
	jsonFlag(c, &q.asJSON)
}

// check looks and says what there is.
func (a *app) check(ctx context.Context, q *check, args []string) (nagios.State, error) {
	switch q.paused {
	case "ok", "warning", "critical":
		q.limits.Paused = nagios.State(q.paused)
	default:
		return nagios.Unknown, fmt.Errorf("--paused %q: want ok, warning or critical", q.paused)
	}
	if err := q.parse(args); err != nil {
		return nagios.Unknown, err
	}
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	sights, err := a.sights(ctx, &q.query)
	if err != nil {
		return nagios.Unknown, err
	}
	now := time.Now()
	var results []nagios.Result
	seen := map[string]bool{}
	for _, s := range sights {
		if seen[s.name] {
			continue // performance data must not have a label twice
		}
		seen[s.name] = true
		switch {
		case exitCode(s.err) == exitUsage:
			return nagios.Unknown, s.err
		case ctx.Err() != nil && s.Err != nil:
			s.Err = fmt.Errorf("%w within %s", lookup.ErrTimeout, seconds(q.timeout))
		}
		item, old := q.judge(s, now)
		results = append(results, q.limits.Judge(item, now.Add(-old), old))
	}
	text, state := nagios.Report(results, q.verbose)
	if q.asJSON {
		return state, a.json(nagios.NewDocument(results, now))
	}
	return state, a.sayf("%s", text)
}

// endCheck is the end of a plugin: whatever went wrong is UNKNOWN, on stdout, where
// monitoring systems look.
func (a *app) endCheck(err error) int {
	var f *failure
	switch {
	case !a.plugged && err == nil: // the help was shown
		return nagios.Unknown.Code()
	case errors.As(err, &f) && f.err == nil:
		return f.code
	case err != nil:
		a.sayf("%s", nagios.Failure(err.Error()))
		return nagios.Unknown.Code()
	case a.unsaid != nil:
		return nagios.Unknown.Code()
	}
	return nagios.OK.Code()
}

// A rangeFlag is a flag with one range.
type rangeFlag struct{ *nagios.Range }

func (f rangeFlag) Type() string { return "RANGE" }

func (f rangeFlag) Set(text string) (err error) {
	*f.Range, err = nagios.ParseRange(text)
	return orQuote(text, err)
}

// orQuote says what to do if a shell took the ~ of a range for a home folder.
func orQuote(text string, err error) error {
	if err != nil && strings.Contains(text, "/") {
		return fmt.Errorf("%w; a shell makes a folder of ~ unless it is quoted", err)
	}
	return err
}

// A thresholdsFlag is a flag with one range or two.
type thresholdsFlag struct{ *nagios.Thresholds }

func (f thresholdsFlag) Type() string { return "WARNING,CRITICAL" }

func (f thresholdsFlag) String() string {
	if f.Thresholds == nil || *f.Thresholds == (nagios.Thresholds{}) {
		return ""
	}
	return f.Warn.String() + "," + f.Crit.String()
}

func (f thresholdsFlag) Set(text string) (err error) {
	*f.Thresholds, err = nagios.ParseThresholds(text)
	return orQuote(text, err)
}

// A secondsFlag is a duration, for which plugins write a number of seconds.
type secondsFlag struct{ *time.Duration }

func (f secondsFlag) Type() string { return "SECONDS" }

func (f secondsFlag) String() string {
	if f.Duration == nil || *f.Duration == 0 {
		return ""
	}
	return strconv.FormatFloat(f.Seconds(), 'f', -1, 64)
}

func (f secondsFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if strings.Trim(text, "0123456789") == "" {
		d, err = time.ParseDuration(text + "s")
	}
	if err != nil || d < time.Second || d > 24*time.Hour {
		return errors.New("want a number of seconds, from 1 to 86400, or one with a unit such as 1m")
	}
	*f.Duration = d
	return nil
}
