package alarm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/notify"
)

// firstNames is how many records a message about many names.
const firstNames = 10

// phrases are what is said of each kind: of one job, of many, and when it is over.
var phrases = map[Kind]struct{ one, many, over string }{
	Late:        {"is late", "are late or have missed ticks", "late"},
	Failing:     {"is failing", "are failing", "failing"},
	Flapping:    {"changes hands too often", "change hands too often", "changing hands too often"},
	Tampered:    {"has something wrong with its record", "have something wrong with their records", "in trouble with its record"},
	Duplicate:   {"was claimed twice for one attempt", "were claimed twice for one attempt", "claimed twice for one attempt"},
	Absent:      {"has no record", "have no record", "without a record"},
	Unreadable:  {"has a record that cannot be read", "have records that cannot be read", "unreadable"},
	Paused:      {"is still paused", "are still paused", "paused"},
	Stale:       {"is shown as it was by some server", "are shown as they were by some server", "shown as it was by some server"},
	Unreachable: {"cannot be seen", "cannot be seen", "out of sight"},
}

var kindOf = map[alert.Kind]notify.Kind{
	alert.Firing: notify.Firing, alert.Reminder: notify.Reminder, alert.Cleared: notify.Cleared, alert.Passed: notify.Passed,
}

// message is what is told.
func (b *book) message(inc *incident, step alert.Step, rank int, now int64) notify.Message {
	m := notify.Message{
		Kind: kindOf[step.Kind], Severity: ranks[rank], Job: cmp.Or(inc.job, inc.name), Alert: string(inc.kind),
		Tick: time.Unix(now, 0).UTC(), Since: time.Unix(inc.since, 0).UTC(), Doubt: step.Doubt, Observed: true,
	}
	if rank == 0 { // it is over
		m.Severity = ranks[max(inc.worst(), 1)]
	}
	over := step.Kind == alert.Cleared || step.Kind == alert.Passed
	switch {
	case inc.kind == Gap:
		m.Title, m.Text = "the observer was away", inc.text
	case over:
		b.wordsOver(&m, inc, step, now)
	case inc.name == "":
		b.wordsMany(&m, inc)
	default:
		for _, t := range inc.members {
			m.Title = m.Job + " " + t.phrase()
			m.Text = sentence(t.text) + "\n" + b.where(t)
		}
	}
	return m
}

// worst is how bad it was said to be.
func (inc *incident) worst() (rank int) {
	for _, at := range inc.told {
		rank = max(rank, at.rank)
	}
	return rank
}

func (t *trouble) phrase() string {
	if t.kind == Late && t.severity == notify.Critical {
		return "has missed ticks"
	}
	return phrases[t.kind].one
}

// where says which record it is about, and how to look at it.
func (b *book) where(t *trouble) string {
	text := "Record " + t.of.name
	if t.since > 0 {
		text += ", since " + time.Unix(t.since, 0).UTC().Format("2006-01-02 15:04:05Z")
	}
	return text + ". Look with: solotick status " + t.of.name
}

func (b *book) wordsOver(m *notify.Message, inc *incident, step alert.Step, now int64) {
	m.Text = sentence(inc.text)
	over := phrases[inc.kind].over
	switch {
	case inc.name != "":
		m.Title = m.Job + " is no longer " + over
	case inc.kind == Unreachable:
		m.Title, m.Text = "DNS answers again", ""
	default:
		m.Title = fmt.Sprintf("no job is %s any more, after %s", over, upTo(inc.most))
		m.Text = ""
	}
	if step.Kind == alert.Passed {
		m.Text = strings.TrimSpace("Nobody could be told in between. " + m.Text)
	}
	m.Text = strings.TrimSpace("It lasted " + lasting(max(now-inc.since, 0)) + ". " + m.Text)
}

func upTo(n int) string {
	if n == 1 {
		return "1 was"
	}
	return fmt.Sprintf("up to %d were", n)
}

func (b *book) wordsMany(m *notify.Message, inc *incident) {
	all := slices.SortedFunc(maps.Values(inc.members), func(x, y *trouble) int {
		return cmp.Or(cmp.Compare(x.since, y.since), cmp.Compare(x.of.name, y.of.name))
	})
	n, total := len(all), max(len(b.records), len(all))
	what := phrases[inc.kind].many
	if n == 1 {
		what = all[0].phrase()
	}
	switch {
	case total == 1:
		m.Title = all[0].of.String() + " " + what
	case n == total:
		m.Title = fmt.Sprintf("all %d jobs %s", total, what)
	default:
		m.Title = fmt.Sprintf("%d of %d jobs %s", n, total, what)
	}
	var lines []string
	if inc.kind == Late {
		missed := 0
		for _, t := range all {
			if t.severity == notify.Critical {
				missed++
			}
		}
		lines = append(lines, fmt.Sprintf("%d late, and %d of which another tick is overdue too.", n-missed, missed))
	}
	if inc.kind == Unreachable {
		m.Title = "DNS does not answer: " + m.Title
		lines = append(lines, "Nothing is known of them from here until it does, and nothing else is told about them. Their agents need not be affected.")
	}
	if inc.most > n {
		lines = append(lines, fmt.Sprintf("%d at most so far.", inc.most))
	}
	for _, t := range all[:min(n, firstNames)] {
		lines = append(lines, "- "+t.of.String()+": "+clip(t.text, 300))
	}
	if n > firstNames {
		lines = append(lines, fmt.Sprintf("- and %d more", n-firstNames))
	}
	m.Text = strings.Join(lines, "\n")
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(text)
	return strings.ToUpper(string(r)) + strings.TrimSuffix(text[n:], ".") + "."
}

// clip bounds a text of one line.
func clip(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + " ..."
}

// lasting is a number of seconds for people.
func lasting(s int64) string {
	switch {
	case s < 120:
		return fmt.Sprintf("%d s", s)
	case s < 2*3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 2*86400:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d days", s/86400)
}
