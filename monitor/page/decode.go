package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

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
	r, err := record.Parse(p.Item.Raw)
	if err != nil {
		return // it was seen to be none; the raw text is shown
	}
	c := p.Clock
	add := func(name, value string, means template.HTML, meaning string) {
		p.Keys = append(p.Keys, key{name, value, means, meaning})
	}
	num := func(v int64) string { return strconv.FormatInt(v, 10) }
	add("id", r.ID, "", "the agent that made the latest claim: the incumbent")
	add("timer", num(r.Timer), c.due(r.Timer), "the next tick to be claimed, or a retry, or an operator's “run now”")
	add("timerold", num(r.TimerOld), c.past(r.TimerOld), "the latest tick that was claimed")
	if r.EntryID != "" {
		add("entryid", r.EntryID, "", "the provider's id of the record: from the agents of 2022, kept and not needed")
	}
	if r.Seq != 0 {
		add("seq", num(r.Seq), "written "+c.past(r.Seq/1000), "the fence: it only ever grows, so that a late write can be told from a newer one")
	}
	if r.Claimed {
		add("until", num(r.Until), c.due(r.Until), "about when the claim lapses; for people")
		add("lease", num(r.Lease), template.HTML(length(time.Duration(r.Lease)*time.Second)), "how long the claim lasts from its last renewal; agents go by it")
	}
	if r.Try != 0 {
		add("try", strconv.Itoa(r.Try), "", tryMeaning(r))
	}
	if r.Last != "" {
		add("last", string(r.Last), "", "how the latest run ended")
	}
	switch {
	case r.Pause < 0:
		add("pause", num(r.Pause), "until somebody resumes it", "the job is paused by an operator")
	case r.Pause > 0:
		add("pause", num(r.Pause), c.due(r.Pause), "the job is paused by an operator until then")
	}
	if r.Why != "" {
		add("why", r.Why, "", "the operator's reason")
	}
	if r.State != "" {
		add("state", r.State, "", "the job's own memory, which rides from run to run")
	}
	for _, k := range extras(r.Extra) {
		add(k[0], k[1], "", "not known to this version; it is kept")
	}
}

func tryMeaning(r record.Record) string {
	if !r.Claimed && r.Try > 1 {
		return "timer is a retry of the tick in timerold: this attempt"
	}
	return "the attempt at the tick in timerold"
}

// due is a second to come, as a time and a distance.
func (c clock) due(sec int64) template.HTML {
	if !sane(sec) {
		return template.HTML(template.HTMLEscapeString(none(sec)))
	}
	t := time.Unix(sec, 0)
	return c.Stamp(t) + ", " + c.In(t)
}

// past is a second that was, as a time and a distance.
func (c clock) past(sec int64) template.HTML {
	if !sane(sec) {
		return template.HTML(template.HTMLEscapeString(none(sec)))
	}
	t := time.Unix(sec, 0)
	return c.Stamp(t) + ", " + c.Ago(t)
}

func none(sec int64) string {
	if sec == 0 {
		return "none yet"
	}
	return "no time that a calendar has"
}

// sane says that a second is one that can be written as a time.
func sane(sec int64) bool { return sec > 0 && sec <= 253402300799 }

// extras are the unknown members of a record, as they are written.
func extras(members string) [][2]string {
	if members == "" {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader("{" + members + "}"))
	var all [][2]string
	if _, err := dec.Token(); err != nil {
		return nil
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return all
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return all
		}
		all = append(all, [2]string{fmt.Sprint(name), string(v)})
	}
	return all
}
