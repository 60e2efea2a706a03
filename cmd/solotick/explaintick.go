package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/journal"
	"github.com/solotick/solotick/record"
)

// A tickDoc is what "explain --json" prints.
type tickDoc struct {
	Schema   string              `json:"schema"`
	Time     time.Time           `json:"time"`
	Name     string              `json:"name"` // of the record
	Job      string              `json:"job,omitempty"`
	Tick     time.Time           `json:"tick"`
	Schedule *tickOnSchedule     `json:"schedule,omitempty"` // absent: it is not known
	Record   tickRecord          `json:"record"`
	Agents   []journal.Judgement `json:"agents"`
	Sources  []tickSource        `json:"sources"`
	Timeline []tickMoment        `json:"timeline"`
	Hints    []string            `json:"hints,omitempty"`
}

// tickOnSchedule is where the tick stands in the job's schedule.
type tickOnSchedule struct {
	IsTick bool       `json:"is_tick"`
	Before *time.Time `json:"before,omitempty"`
	After  *time.Time `json:"after,omitempty"`
}

// tickRecord is what DNS shows now, and what that tells of the tick.
type tickRecord struct {
	Text   string `json:"text"`
	Error  string `json:"error,omitempty"`
	Server string `json:"server,omitempty"`
	Raw    string `json:"raw,omitempty"`
}

// A tickSource is where events came from.
type tickSource struct {
	From   string `json:"from"`
	Events int    `json:"events"` // of the job
	Error  string `json:"error,omitempty"`
}

// A tickMoment is one line of what happened.
type tickMoment struct {
	Time  time.Time `json:"time"`
	Agent string    `json:"agent"`
	Did   string    `json:"did"`
	Text  string    `json:"text"`
}

func (a *app) explainCommand() *cobra.Command {
	var q query
	var when string
	var from []string
	var asJSON bool
	c := &cobra.Command{
		Use: "explain NAME [--tick T] [--from FILE|URL]... [@server]", Short: "Tell why agents did or did not run a tick",
		Long: `Tell of one tick who read the record, who wrote what and when, and why each agent did
or did not run it. T is RFC 3339, an epoch second, HH:MM:SS of today in UTC, or latest:
the latest tick that was claimed.

DNS alone tells who has claimed the latest tick. The rest is known to the agents: to
each as long as it lives and answers at agent.listen, and to the file that agent.events
names. Name them with --from, as many as you like: http://10.0.0.5:9480, or a file; - is
the standard input. Without --from what the agent's own file names is read here.`,
		Example: "  solotick explain canary --tick latest\n" +
			"  solotick explain canary --tick 10:02:00 --from http://10.0.0.5:9480 --from http://10.0.0.6:9480\n" +
			"  solotick explain canary.example.com --tick 2026-11-27T10:02:00Z --from web1.events --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.parse(args); err != nil {
				return err
			}
			if len(q.names) != 1 {
				return usage("want the NAME of one job or record, got %d", len(q.names))
			}
			return a.explain(cmd.Context(), &q, when, from, asJSON)
		},
	}
	a.queryFlags(c, &q)
	c.Flags().StringVar(&when, "tick", "latest", "the tick: RFC 3339, epoch second, HH:MM:SS of today, or latest")
	c.Flags().StringArrayVar(&from, "from", nil, "an agent's address, or a file of events; may be given several times")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) explain(ctx context.Context, q *query, when string, from []string, asJSON bool) error {
	tick, err := parseTick(when, time.Now())
	if err != nil {
		return usage("--tick %w", err)
	}
	sites, err := a.asked(q)
	if err != nil {
		return err
	}
	s := q.ask(ctx, sites[0])
	if tick.IsZero() && s.err == nil && s.Set.Record.TimerOld > 0 {
		tick = time.Unix(s.Set.Record.TimerOld, 0).UTC()
	}
	given := len(from) > 0
	if !given {
		from = ownSources(q)
	}
	found := a.collect(ctx, s.site, from, tick)
	if tick.IsZero() {
		if tick = latestTick(found.entries); tick.IsZero() {
			return cmp.Or(s.err, error(&failure{
				code: exitFailed, err: fmt.Errorf("no tick of %s was claimed yet, as far as can be seen from here", s.site),
				means: "nothing has run", do: "solotick status " + s.site.String() + "; or name a tick with --tick",
			}))
		}
	}
	doc := a.explained(s, tick, found, given)
	if asJSON {
		if err := a.json(doc); err != nil {
			return err
		}
	} else {
		a.tellTick(doc)
	}
	return exit(explainCode(s, found, given))
}

// explainCode is 0 if all could be asked that was named: DNS, and the sources.
func explainCode(s sight, found gathered, given bool) int {
	failed := 0
	for _, one := range found.sources {
		if one.Error != "" {
			failed++
		}
	}
	switch {
	case s.err != nil && len(found.entries) == 0:
		return exitCode(s.err)
	case given && failed > 0:
		return exitFailed
	}
	return exitOK
}

// explained is all that is told of a tick.
func (a *app) explained(s sight, tick time.Time, found gathered, given bool) tickDoc {
	now := time.Now()
	doc := tickDoc{
		Schema: "solotick.explain/v1", Time: now.UTC().Truncate(time.Millisecond), Name: s.name, Job: s.job, Tick: tick,
		Schedule: onSchedule(s.policy.Schedule, tick), Record: tickRecord{Text: "DNS does not tell"},
		Agents: []journal.Judgement{}, Sources: found.sources, Timeline: []tickMoment{},
	}
	if s.err != nil {
		doc.Record.Error = s.err.Error()
	} else {
		doc.Record = tickRecord{Text: recordOf(s, tick, now), Server: s.Answer().Server.Addr, Raw: s.Text()}
	}
	about := journal.Around(found.entries, tick)
	for i := range about {
		e := &about[i]
		doc.Timeline = append(doc.Timeline, tickMoment{e.Time, e.Agent, e.Did, e.Text()})
	}
	doc.Agents = append(doc.Agents, journal.Explain(found.entries, tick, now, s.policy.AtMostOnce)...)
	if sched := doc.Schedule; sched != nil && !sched.IsTick {
		text := "the schedule has no tick at " + tick.Format(time.RFC3339)
		if sched.Before != nil && sched.After != nil {
			text += fmt.Sprintf("; it has %s and %s. A trigger may have been run then", sched.Before.Format(time.RFC3339), sched.After.Format(time.RFC3339))
		}
		doc.Hints = append(doc.Hints, text)
	}
	switch {
	case len(found.entries) > 0:
	case given:
		doc.Hints = append(doc.Hints, "what was named with --from has no events of this job: an agent keeps the latest of each job, and forgets them when it ends")
	default:
		doc.Hints = append(doc.Hints, "what each agent saw is known to the agent: --from http://HOST:PORT, if its file has agent: { listen: HOST:PORT }; or --from FILE, if it has agent: { events: FILE }")
	}
	return doc
}

// onSchedule says where a tick stands; nil: the schedule is not known.
func onSchedule(s elect.Schedule, tick time.Time) *tickOnSchedule {
	if s == nil {
		return nil
	}
	t := tick.Unix()
	return &tickOnSchedule{IsTick: s.Prev(t) == t, Before: instant(s.Prev(t - 1)), After: instant(s.Next(t))}
}

// recordOf is what the record tells of a tick now.
func recordOf(s sight, tick, now time.Time) string {
	r, t := s.Set.Record, tick.Unix()
	if s.Set.State != record.Present {
		return s.Health(now).Text
	}
	who, at := plain(r.ID), moment(r.TimerOld, now)
	switch {
	case r.TimerOld > t:
		return fmt.Sprintf("a later tick, that of %s, was claimed since, by %s; a record keeps no history", at, who)
	case r.TimerOld == t && r.Claimed:
		return fmt.Sprintf("%s has claimed it, attempt %d, and runs it or has vanished", who, r.Attempt())
	case r.TimerOld == t && r.Attempt() > 1:
		return fmt.Sprintf("attempt %d of it ended as %s; the next one is due at %s", r.Attempt()-1, r.Last, moment(r.Timer, now))
	case r.TimerOld == t && s.policy.AtMostOnce:
		return fmt.Sprintf("%s has claimed it; how it ended is told with the next claim", who)
	case r.TimerOld == t && r.Last != record.None:
		return fmt.Sprintf("%s ran it, and it ended as %s", who, plain(string(r.Last)))
	case r.TimerOld == t:
		return fmt.Sprintf("%s ran it", who)
	case tick.After(now):
		return "the tick has not come yet; the next one in the record is " + moment(r.Timer, now)
	case r.Pause < 0 || r.Pause > now.Unix():
		return "nobody has claimed it: the job is paused " + pauseWords(r, now)
	case r.Timer > t:
		return fmt.Sprintf("nobody has claimed it, and nobody will: the record goes from %s to %s", at, moment(r.Timer, now))
	}
	return "nobody has claimed it yet: " + s.Health(now).Text
}

// parseTick reads what names a tick; zero: the latest.
func parseTick(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "latest" {
		return time.Time{}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 && n <= latest {
		return time.Unix(n, 0).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && t.Unix() > 0 {
		return t.UTC().Truncate(time.Second), nil
	}
	if t, err := time.Parse(time.TimeOnly, strings.TrimSuffix(text, "Z")); err == nil {
		y, m, d := now.UTC().Date()
		return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC), nil
	}
	return time.Time{}, errors.New(strconv.Quote(clip(text, 40)) + ": want a time as in 2026-01-02T15:04:05Z, an epoch second, 15:04:05 of today in UTC, or latest")
}

// latestTick is the latest tick that events tell of as claimed.
func latestTick(all []journal.Entry) time.Time {
	var last int64
	for i := range all {
		if s := all[i].Seen; s != nil {
			last = max(last, s.TimerOld)
		}
	}
	if last == 0 || last > latest {
		return time.Time{}
	}
	return time.Unix(last, 0).UTC()
}

// verdicts are the words and tones of what became of a tick at one agent.
var verdicts = map[journal.Verdict]struct {
	words string
	tone  tone
}{
	journal.DidRun: {"ran", good}, journal.DidNotRun: {"did not run", neutral}, journal.Unknown: {"not known", doubtful},
}

// tellTick tells of a tick on a terminal.
func (a *app) tellTick(doc tickDoc) {
	title := doc.Name
	if doc.Job != "" {
		title = doc.Job + " (" + doc.Name + ")"
	}
	a.sayf("%s  the tick of %s\n", title, doc.Tick.Format("2006-01-02 15:04:05Z"))
	said := doc.Record.Text
	if doc.Record.Error != "" {
		said += ": " + doc.Record.Error
	} else {
		said += a.paint(a.stdout, neutral, " ("+doc.Record.Server+")")
	}
	a.sayf("  %-24s %s\n", "the record, now", wrap(said, 92, strings.Repeat(" ", 27)))
	for _, j := range doc.Agents {
		v := verdicts[j.Verdict]
		a.sayf("  %s %s\n", a.sign(a.stdout, v.tone), wrap(fmt.Sprintf("%s %s: %s", j.Agent, v.words, j.Text), 112, "    "))
	}
	for _, s := range doc.Sources {
		if s.Error != "" {
			fmt.Fprintf(a.stderr, "solotick explain: %s: %s\n", plain(s.From), lines(s.Error))
		}
	}
	if len(doc.Timeline) > 0 {
		a.sayf("\n")
	}
	day := doc.Tick.Format(time.DateOnly)
	agents := 0
	for _, m := range doc.Timeline {
		agents = max(agents, len(m.Agent))
	}
	for _, m := range doc.Timeline {
		at := m.Time.Format("15:04:05.000Z")
		if d := m.Time.Format(time.DateOnly); d != day {
			at, day = d+" "+at, d
		}
		a.sayf("  %s  %-*s  %s\n", a.paint(a.stdout, neutral, at), agents, plain(m.Agent), wrap(m.Text, 92, strings.Repeat(" ", 19+agents)))
	}
	a.notes(doc.Hints)
}

// ownSources are those that the agent's own file names.
func ownSources(q *query) (all []string) {
	if q.agent == nil {
		return nil
	}
	if q.agent.Listen != "" {
		all = append(all, reachable(q.agent.Listen))
	}
	if q.agent.Events != "" {
		all = append(all, q.agent.Events)
	}
	return slices.Compact(all)
}

// instant is an epoch second for JSON; 0, and what no calendar holds, is absent.
func instant(sec int64) *time.Time {
	if sec <= 0 || sec > latest {
		return nil
	}
	t := time.Unix(sec, 0).UTC()
	return &t
}
