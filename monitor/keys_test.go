package monitor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// TestKeys has every key of a record be told, each once and in the order in which it
// is written.
func TestKeys(t *testing.T) {
	const idle = "the agent that made the latest claim: the incumbent"
	for text, want := range map[string][]monitor.Key{
		`{}`: {
			{Name: "id", Meaning: idle},
			{Name: "timer", Value: "0", Meaning: "no tick to come"},
			{Name: "timerold", Value: "0", Past: true, Meaning: "no tick was claimed yet"},
		},
		`{"id":"A","timer":90,"timerold":60,"entryid":"e","seq":60500,"until":75,"lease":15,"try":2,"last":"lost","pause":-1,"why":"w","state":"s","new":{"a":[1]},"b":"c"}`: {
			{Name: "id", Value: "A", Meaning: idle},
			{Name: "timer", Value: "90", At: 90, Meaning: "the next tick to be claimed"},
			{Name: "timerold", Value: "60", At: 60, Past: true, Meaning: "the latest tick that was claimed"},
			{Name: "entryid", Value: "e", Meaning: "the provider's id of the record: from the original's agents, kept and not needed"},
			{Name: "seq", Value: "60500", At: 60, Past: true, Meaning: "the fence and version: it only ever grows, and tells about when it was written"},
			{Name: "until", Value: "75", At: 75, Meaning: "about when the claim lapses, for people"},
			{Name: "lease", Value: "15", Meaning: "seconds that the claim lasts from its last renewal; agents go by it"},
			{Name: "try", Value: "2", Meaning: "the attempt at the tick timerold"},
			{Name: "last", Value: "lost", Meaning: "how the latest run ended"},
			{Name: "pause", Value: "-1", Meaning: "paused by an operator, until somebody resumes it"},
			{Name: "why", Value: "w", Meaning: "the operator's reason"},
			{Name: "state", Value: "s", Meaning: "the job's own memory, which rides from run to run"},
			{Name: "new", Value: `{"a":[1]}`, Meaning: "not known to this version; it is kept"},
			{Name: "b", Value: `"c"`, Meaning: "not known to this version; it is kept"},
		},
		`{"id":"A","timer":65,"timerold":60,"try":2,"pause":99}`: {
			{Name: "id", Value: "A", Meaning: idle},
			{Name: "timer", Value: "65", At: 65, Meaning: "the retry of the tick timerold"},
			{Name: "timerold", Value: "60", At: 60, Past: true, Meaning: "the latest tick that was claimed"},
			{Name: "try", Value: "2", Meaning: "the attempt at the tick timerold"},
			{Name: "pause", Value: "99", At: 99, Meaning: "when the operator's pause ends"},
		},
	} {
		r, err := record.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, monitor.Keys(r)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}
