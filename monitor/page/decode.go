package page

import (
	"cmp"
	"html/template"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// A key is one key of a record and what it says.
type key struct {
	Name    string
	Value   string        // as the record has it
	Means   template.HTML // what it says now
	Meaning string        // what the key is for, as the protocol has it
}

// decode takes the record apart.
func (p *jobPage) decode() {
	if p.Item.Raw == "" {
		return
	}
	r, err := record.Parse(cmp.Or(p.Item.Opened, p.Item.Raw))
	if err != nil {
		return // it was seen to be none; the raw text is shown
	}
	for _, k := range monitor.Keys(r) {
		row := key{Name: k.Name, Value: k.Value, Meaning: k.Meaning}
		switch {
		case k.At == 0:
		case k.Past:
			row.Means = p.Clock.past(k.At)
		default:
			row.Means = p.Clock.due(k.At)
		}
		p.Keys = append(p.Keys, row)
	}
}

// due is a second to come, as a time and a distance.
func (c clock) due(sec int64) template.HTML {
	if !sane(sec) {
		return "no time that a calendar has"
	}
	t := time.Unix(sec, 0)
	return c.Stamp(t) + ", " + c.In(t)
}

// past is a second that was, as a time and a distance.
func (c clock) past(sec int64) template.HTML {
	if !sane(sec) {
		return "no time that a calendar has"
	}
	t := time.Unix(sec, 0)
	return c.Stamp(t) + ", " + c.Ago(t)
}

// sane says that a second is one that can be written as a time.
func sane(sec int64) bool { return sec > 0 && sec <= 253402300799 }
