// Package nagios judges records as a monitoring plugin does: for Nagios, Icinga,
// Naemon, Centreon and whatever else runs the Monitoring Plugins.
//
// In the common case [Limits.Judge] makes a [Result] of each record that was looked
// at, and [Report] the text and the exit code of all of them:
//
//	result := nagios.Limits{}.Judge(monitor.Judge(sight, now), now, 0)
//	text, state := nagios.Report([]nagios.Result{result}, 0)
//
// What a record amounts to, and the words for it, are those of [elect.Health];
// thresholds only say from when on that is a warning or critical. The package asks
// nobody and reads no clock. The rules for exit codes, ranges and performance data
// are those of the Monitoring Plugins Development Guidelines, and where these leave
// something open, of draft-kaestle-monitoring-plugins-interface.
package nagios

import (
	"slices"
	"strings"

	"github.com/solotick/solotick/elect"
)

// A State is what a plugin says. The zero State says nothing.
type State string

// The states.
const (
	OK       State = "ok"
	Warning  State = "warning"
	Critical State = "critical"
	Unknown  State = "unknown" // nothing is known: neither good nor bad
)

// Code is the exit code of a state; that of Unknown for what is none.
func (s State) Code() int {
	switch s {
	case OK:
		return 0
	case Warning:
		return 1
	case Critical:
		return 2
	}
	return 3
}

// String is the state as a plugin writes it: "CRITICAL".
func (s State) String() string { return strings.ToUpper(string(s)) }

// severity orders states: that something is not known is worse than a doubt, and
// not as bad as what is known to be bad.
var severity = []State{"", OK, Warning, Unknown, Critical}

// Worse is the worse one of two states: Critical, then Unknown, Warning and OK.
func Worse(a, b State) State {
	if slices.Index(severity, b) > slices.Index(severity, a) {
		return b
	}
	return a
}

// stateOf is what a level of [elect.Health] is to a plugin.
func stateOf(l elect.Level) State {
	switch l {
	case elect.LevelFine:
		return OK
	case elect.LevelDoubtful:
		return Warning
	case elect.LevelBad:
		return Critical
	}
	return Unknown
}
