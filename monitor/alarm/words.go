package alarm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	Paused:      {"has been paused for a long time", "have been paused for a long time", "paused"},
	Stale:       {"is shown as it was by some server", "are shown as they were by some server", "shown as it was by some server"},
	Unreachable: {"cannot be seen", "cannot be seen", "out of sight"},
}

var kindOf = map[alert.Kind]notify.Kind{
	alert.Firing: notify.Firing, alert.Reminder: notify.Reminder, alert.Cleared: notify.Cleared, alert.Passed: notify.Passed,
}

// message is what is told.
func (b *book) message(inc *incident, step alert.Step, now int64) notify.Message {
	m := notify.Message{
		Kind: kindOf[step.Kind], Severity: ranks[max(inc.view().rank, 1)], Job: cmp.Or(inc.job, inc.name), Alert: string(inc.kind),
		Tick: time.Unix(now, 0).UTC(), Since: time.Unix(inc.since, 0).UTC(), Doubt: step.Doubt, Observed: true,
	}
	if !inc.on() {
		m.Severity = ranks[max(inc.worst, 1)]
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
		text += ", since " + time.Unix(t.since, 0).UTC().Format(timeForm)
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
		m.Title, m.Text = fmt.Sprintf("%d jobs are no longer %s", inc.most, over), "At most so many were at a time."
		if inc.most == 1 {
			m.Title, m.Text = "1 job is no longer "+over, ""
		}
	}
	if step.Kind == alert.Passed {
		m.Text = strings.TrimSpace("Nobody could be told in between. " + m.Text)
	}
	m.Text = strings.TrimSpace("It lasted " + lasting(max(now-inc.since, 0)) + ". " + m.Text)
}

func (b *book) wordsMany(m *notify.Message, inc *incident) {
	all := slices.SortedFunc(maps.Values(inc.members), func(x, y *trouble) int {
		return cmp.Or(cmp.Compare(x.since, y.since), cmp.Compare(x.of.name, y.of.name))
	})
	all = slices.DeleteFunc(all, func(t *trouble) bool { return !t.holds() })
	n, total := len(all), max(len(b.records), len(all))
	what, lines := inc.phrases(all)
	switch {
	case total == 1:
		m.Title = all[0].of.String() + " " + what
	case n == total:
		m.Title = fmt.Sprintf("all %d jobs %s", total, what)
	default:
		m.Title = fmt.Sprintf("%d of %d jobs %s", n, total, what)
	}
	if inc.kind == Unreachable {
		if n == total && n > 1 {
			m.Title = fmt.Sprintf("none of the %d jobs can be seen", n)
		}
		m.Title = "DNS does not answer: " + m.Title
		lines = append(lines, "Nothing is known of them from here until it does, and nothing else is told about them. Their agents need not be affected.")
	}
	if inc.most > n {
		lines = append(lines, fmt.Sprintf("At most there were %d at a time so far.", inc.most))
	}
	for _, t := range all[:min(n, firstNames)] {
		lines = append(lines, "- "+t.of.String()+": "+clip(cmp.Or(t.brief, t.text), 300))
	}
	if n > firstNames {
		lines = append(lines, fmt.Sprintf("- and %d more", n-firstNames))
	}
	m.Text = strings.Join(lines, "\n")
}

// phrases are what is to be said of many, and how many of them it concerns.
func (inc *incident) phrases(all []*trouble) (what string, lines []string) {
	missed := 0
	for _, t := range all {
		if t.severity == notify.Critical {
			missed++
		}
	}
	switch {
	case len(all) == 1:
		return all[0].phrase(), nil
	case inc.kind == Late && missed == len(all):
		return "have missed ticks", nil
	case inc.kind == Late && missed == 0:
		return "are late", nil
	case inc.kind == Late:
		lines = []string{fmt.Sprintf("%d have missed ticks, %d are late.", missed, len(all)-missed)}
	}
	return phrases[inc.kind].many, lines
}

// sentence begins with a capital letter, unless that would change a name, and ends
// with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if word, _, _ := strings.Cut(text, " "); !strings.Contains(word, ".") {
		text = strings.ToUpper(text[:1]) + text[1:] // of other than ASCII nothing changes
	}
	return strings.TrimSuffix(text, ".") + "."
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
