package monitor

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/solotick/solotick/record"
)

// A Key is one key of a record, for people.
type Key struct {
	Name    string
	Value   string // as the record has it
	At      int64  // the epoch second that it tells; 0: it tells none
	Past    bool   // At is of something that has happened
	Meaning string // what the key is for, as docs/protocol.md section 3 has it
}

// Keys takes a record apart, in the order in which it is written. Keys that it does
// not have are left out, and those that this version does not know are the last.
func Keys(r record.Record) []Key {
	var keys []Key
	add := func(when bool, k Key) {
		if when {
			keys = append(keys, k)
		}
	}
	num := func(v int64) string { return strconv.FormatInt(v, 10) }
	add(true, Key{Name: "id", Value: r.ID, Meaning: "the agent that made the latest claim: the incumbent"})
	add(true, Key{Name: "timer", Value: num(r.Timer), At: r.Timer, Meaning: timerMeaning(r)})
	add(true, Key{Name: "timerold", Value: num(r.TimerOld), At: r.TimerOld, Past: true, Meaning: timerOldMeaning(r)})
	add(r.EntryID != "", Key{Name: "entryid", Value: r.EntryID, Meaning: "the provider's id of the record: from the original's agents, kept and not needed"})
	add(r.Seq != 0, Key{Name: "seq", Value: num(r.Seq), At: r.Seq / 1000, Past: true, Meaning: "the fence and version: it only ever grows, and tells about when it was written"})
	add(r.Claimed, Key{Name: "until", Value: num(r.Until), At: r.Until, Meaning: "about when the claim lapses, for people"})
	add(r.Claimed, Key{Name: "lease", Value: num(r.Lease), Meaning: "seconds that the claim lasts from its last renewal; agents go by it"})
	add(r.Try != 0, Key{Name: "try", Value: strconv.Itoa(r.Try), Meaning: "the attempt at the tick timerold"})
	add(r.Last != record.None, Key{Name: "last", Value: string(r.Last), Meaning: "how the latest run ended"})
	add(r.Pause < 0, Key{Name: "pause", Value: "-1", Meaning: "paused by an operator, until somebody resumes it"})
	add(r.Pause > 0, Key{Name: "pause", Value: num(r.Pause), At: r.Pause, Meaning: "when the operator's pause ends"})
	add(r.Why != "", Key{Name: "why", Value: r.Why, Meaning: "the operator's reason"})
	add(r.State != "", Key{Name: "state", Value: r.State, Meaning: "the job's own memory, which rides from run to run"})
	for _, k := range members(r.Extra) {
		k.Meaning = "not known to this version; it is kept"
		keys = append(keys, k)
	}
	return keys
}

func timerMeaning(r record.Record) string {
	switch {
	case r.Timer == 0:
		return "no tick to come"
	case r.Attempt() > 1 && !r.Claimed:
		return "the retry of the tick timerold"
	}
	return "the next tick to be claimed"
}

func timerOldMeaning(r record.Record) string {
	if r.TimerOld == 0 {
		return "no tick was claimed yet"
	}
	return "the latest tick that was claimed"
}

// members are the unknown members of a record, as they are written.
func members(extra string) []Key {
	dec := json.NewDecoder(strings.NewReader("{" + extra + "}"))
	if _, err := dec.Token(); err != nil {
		return nil
	}
	var all []Key
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return all
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return all
		}
		all = append(all, Key{Name: fmt.Sprint(name), Value: string(value)})
	}
	return all
}
