// Package monitor watches records as anybody can: by DNS alone, without
// credentials and without a word from any agent.
//
// [Eyes] looks at a record through every server that is asked and gives a
// [Sight]; [Judge] says what it amounts to, as an [Item]. Programs that look once
// need no more:
//
//	eyes, err := monitor.NewEyes(monitor.EyesConfig{})
//	item := monitor.Judge(eyes.Look(ctx, monitor.Target{Name: "canary.example.com"}), time.Now())
//
// Who goes on looking has an [Observer] feed a [History], which works out what
// happened between two looks: runs, takeovers, pauses, a record that went back. It
// tells only what was seen. What passed between two looks is a gap and not a guess.
//
// The package shows nothing to anybody: pages, metrics and alarms are made of what
// it knows, in the packages below it. The words for what a record amounts to are
// those of [elect.Health].
package monitor

import (
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/seal"
)

// A Target is a record that is looked at.
type Target struct {
	Name   string       // of the record, absolute, without the final dot
	Job    string       // which it is in a file; may be empty
	Policy elect.Policy // a zero one judges by the record alone
	Ring   *seal.Ring   // the keys that the observer has for the record; nil: none. Not changed afterwards
}

// String is the job's name, or else the record's.
func (t Target) String() string {
	if t.Job != "" {
		return t.Job
	}
	return t.Name
}
