package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// A face is how a condition looks: a sign and a word, since a colour alone is not
// for everybody.
type face struct {
	Key  string // what it is called in addresses
	Word string
	Tone string // the colour's class
	Sign string // the drawing's name
	Text string // the sign where nothing can be drawn
	rank int    // the worst first
}

// The faces of what is no condition.
const (
	silent = elect.Condition("no_answer")
	unseen = elect.Condition("not_seen")
)

var faces = func() map[elect.Condition]face {
	m := map[elect.Condition]face{}
	for i, f := range []face{
		{Key: string(elect.HealthMissed), Tone: "bad", Sign: "cross", Text: "✖"},
		{Key: string(elect.HealthFailing), Tone: "bad", Sign: "failing", Text: "✖"},
		{Key: string(elect.HealthDamaged), Tone: "bad", Sign: "damaged", Text: "✖"},
		{Key: string(silent), Tone: "blind", Sign: "question", Text: "?"},
		{Key: string(elect.HealthAbsent), Tone: "blind", Sign: "absent", Text: "○"},
		{Key: string(elect.HealthSealed), Tone: "blind", Sign: "sealed", Text: "?"},
		{Key: string(elect.HealthLate), Tone: "doubt", Sign: "late", Text: "▲"},
		{Key: string(elect.HealthRetrying), Tone: "doubt", Sign: "retry", Text: "▲"},
		{Key: string(elect.HealthPaused), Tone: "pause", Sign: "pause", Text: "‖"},
		{Key: string(unseen), Tone: "blind", Sign: "absent", Text: "○", Word: "not looked at yet"},
		{Key: string(elect.HealthRunning), Tone: "run", Sign: "run", Text: "▶"},
		{Key: string(elect.HealthHeld), Tone: "run", Sign: "held", Text: "●"},
		{Key: string(elect.HealthOnTime), Tone: "ok", Sign: "ok", Text: "●"},
		{Key: string(elect.HealthFree), Tone: "ok", Sign: "free", Text: "○"},
	} {
		f.rank = i
		if f.Word == "" {
			f.Word = elect.Condition(f.Key).Words()
		}
		m[elect.Condition(f.Key)] = f
	}
	return m
}()

// condition is that of an item, or why it has none.
func condition(item monitor.Item) elect.Condition {
	switch {
	case item.Error != "":
		return silent
	case item.State == "":
		return unseen
	}
	return item.State
}

// faceOf is how an item looks. A condition of a later version looks like what is
// not known.
func faceOf(item monitor.Item) face {
	c := condition(item)
	if f, ok := faces[c]; ok {
		return f
	}
	return face{Key: string(c), Word: c.Words(), Tone: "blind", Sign: "question", Text: "?", rank: faces[silent].rank}
}

// level is how bad an item is.
func level(item monitor.Item) elect.Level {
	if c := condition(item); c != silent && c != unseen {
		return c.Level()
	}
	return elect.LevelUnknown
}

// notes are what is odd about a record itself, and what other servers show of it,
// which changes with every tick: they have a note each, after the others.
func notes(item monitor.Item) (own, others []string) {
	n := 0
	for _, s := range item.Servers {
		if !s.Newest {
			n++
		}
	}
	n = max(len(item.Notes)-n, 0)
	return item.Notes[:n], item.Notes[n:]
}

// A count is how many records have a face.
type count struct {
	face
	N int
}

// tally counts faces, the worst first.
func tally(items []monitor.Item) []count {
	n := map[string]count{}
	for _, item := range items {
		f := faceOf(item)
		c := n[f.Key]
		c.face = f
		c.N++
		n[f.Key] = c
	}
	var all []count
	for _, c := range n {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b count) int { return a.rank - b.rank })
	return all
}

// A verdict is what all records amount to.
type verdict struct {
	Text  string // one sentence
	Tone  string
	Sign  string
	Short string // before the title of the window; empty if all is fine
	Icon  string
}

// judge sums up. A pause is meant by somebody, and is said without alarm.
func judge(items []monitor.Item, counts []count) verdict {
	var bad, doubt, blind, paused, waiting int
	for _, item := range items {
		switch c := condition(item); {
		case c == unseen:
			waiting++
		case c == elect.HealthPaused:
			paused++
		case level(item) == elect.LevelBad:
			bad++
		case level(item) == elect.LevelDoubtful:
			doubt++
		case level(item) == elect.LevelUnknown:
			blind++
		}
	}
	n := len(items)
	v := verdict{Tone: "ok", Sign: "ok", Icon: "icon-fine.svg"}
	if bad+doubt+blind > 0 {
		worst := counts[0]
		v.Tone, v.Sign, v.Short = worst.Tone, worst.Sign, fmt.Sprintf("%s %d %s", worst.Text, worst.N, worst.Word)
	}
	switch {
	case bad > 0:
		v.Text, v.Icon = sentence(bad, n, "does not do its work", "do not do their work"), "icon-bad.svg"
	case blind == n && waiting == 0 && n > 0:
		v.Text, v.Icon = "DNS tells nothing of "+these(n), "icon-blind.svg"
	case doubt+blind > 0:
		v.Text, v.Icon = sentence(doubt+blind, n, "needs a look", "need a look"), "icon-doubt.svg"
	case waiting > 0:
		v.Text, v.Tone, v.Sign, v.Icon = sentence(waiting, n, "was not looked at yet", "were not looked at yet"), "blind", "absent", "icon-blind.svg"
	case paused > 0:
		v.Text, v.Tone, v.Sign = sentence(paused, n, "is paused", "are paused")+", the rest is fine", "pause", "pause"
		if paused == n {
			v.Text = sentence(paused, n, "is paused", "are paused")
		}
	case n == 1:
		v.Text = "The job is fine"
	default:
		v.Text = fmt.Sprintf("All %d jobs are fine", n)
	}
	return v
}

func sentence(k, n int, one, many string) string {
	switch {
	case n == 1:
		return "The job " + one
	case k == n:
		return fmt.Sprintf("All %d jobs %s", n, many)
	case k == 1:
		return fmt.Sprintf("1 of %d jobs %s", n, one)
	}
	return fmt.Sprintf("%d of %d jobs %s", k, n, many)
}

func these(n int) string {
	if n == 1 {
		return "the job"
	}
	return fmt.Sprintf("all %d jobs", n)
}

// An end is how a run looks.
type end struct {
	Class string // of its block: ok, fail, lost, skip, run or dim
	Word  string
	Tone  string
	Sign  string
}

// endOf is how a run ended, as far as it was seen.
func endOf(r monitor.Run) end {
	switch {
	case !r.Over:
		return end{"run", "running", "run", "run"}
	case r.Result == record.OK:
		return end{"ok", "ok", "ok", "ok"}
	case r.Result == record.Failed, r.Result == record.Timeout:
		return end{"fail", string(r.Result), "bad", "failing"}
	case r.Result == record.Lost:
		return end{"lost", "lost", "doubt", "lost"}
	case r.Result == record.Replaced, r.Result == record.Skipped:
		return end{"skip", string(r.Result), "blind", "skip"}
	case r.Result == record.None:
		return end{"dim", "end not seen", "blind", "absent"}
	}
	return end{"dim", string(r.Result), "blind", "question"} // of a later version
}

// kinds are what events are called where the sentence does not say it.
func kindWords(k monitor.Kind) string { return strings.ReplaceAll(string(k), "_", " ") }

// tone is the colour of a level.
func tone(l elect.Level) string {
	switch l {
	case elect.LevelFine:
		return "ok"
	case elect.LevelDoubtful:
		return "doubt"
	case elect.LevelBad:
		return "bad"
	}
	return "blind"
}

// plural is a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
