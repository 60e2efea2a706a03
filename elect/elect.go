// Package elect decides what one agent does next about one job.
//
// [Decide] is the whole protocol: a pure function of a job's [Policy], of what
// this process remembers ([Self]) and of the time. Its answer is one [Action].
// The methods of Self are the other half, the act-step: they note what an action
// led to. An agent, a simulator and an explorer are three drivers of the same
// loop: decide, act, note.
//
// [Health] judges a record from outside, for people and monitors.
//
// The package reads no clock, touches no network, draws no random number and
// knows no provider. The words, the rows and their order are those of
// docs/protocol.md, sections 5 to 8.
package elect

import (
	"errors"
	"fmt"
	"time"

	"github.com/solotick/solotick/record"
)

// A Schedule says when ticks fall, in epoch seconds; [schedule.Schedule] is one.
type Schedule interface {
	Next(after int64) int64 // the first tick strictly later; 0: none
	Prev(at int64) int64    // the latest tick at or before; 0: none
}

// CatchUp says what happens to ticks that nobody ran when they were due.
type CatchUp uint8

// The ways to catch up.
const (
	CatchUpOnce CatchUp = iota // run the latest missed tick, once
	CatchUpNone                // skip what is older than StartDeadline
	CatchUpAll                 // run them one by one, at most CatchUpMost
)

// Overlap says what happens to a tick that falls due while its job still runs.
type Overlap uint8

// The ways to overlap.
const (
	OverlapWait    Overlap = iota // one run afterwards
	OverlapSkip                   // no run for it
	OverlapReplace                // the run in progress is ended
)

// WithoutRegister says what an agent does about a tick while its register
// cannot be reached (protocol section 8).
type WithoutRegister uint8

// What to do without the register.
const (
	WithoutDNS    WithoutRegister = iota // run if DNS shows that nobody did
	WithoutAlways                        // run even if DNS shows nothing
	WithoutWait                          // never run
)

// A Policy is how one job is run. Every agent of a job has the same one, save
// while it is being changed. [Policy.Fill] sets the defaults.
type Policy struct {
	Schedule Schedule
	// Lock has the record be a lock, or a leadership: there is no schedule, whoever
	// wants it claims it, and the run is for how long it is held (protocol section
	// 11). Timeout bounds that; what is said below of ticks and attempts means
	// nothing to it, and nobody holds it without the register.
	Lock bool

	Lease     time.Duration // how long a claim lasts; whole seconds
	SwapTime  time.Duration // what one swap takes at most, where that is more than a request: see Check
	KillGrace time.Duration // from the order to stop to the kill; 0 beside a Lease: there is no time between
	Skew      time.Duration // between any two agents' idea of now
	HeadStart time.Duration // what the incumbent gets; 0 beside a Lease: nothing
	Spread    time.Duration // over which everybody else is spread; 0 beside a Lease: not at all
	PollMin   time.Duration // between two looks of an idle agent, at least
	PollMax   time.Duration // and at most

	Timeout         time.Duration // of one run; 0: none
	Attempts        int           // runs of one tick that may fail, the first included
	Takeovers       int           // runs of one tick that may be lost, beyond Attempts; 0: 3, negative: none
	CatchUp         CatchUp
	CatchUpMost     int           // ticks that CatchUpAll runs at most
	StartDeadline   time.Duration // for CatchUpNone; 0: half the interval
	Overlap         Overlap
	AtMostOnce      bool
	NoAffinity      bool // no head start for the incumbent
	WithoutRegister WithoutRegister
	OutageAfter     time.Duration // 0: half the time to the next tick, at most 30 s
}

// Fill replaces zero fields by the defaults of protocol section 6. KillGrace,
// HeadStart and Spread go with Lease: beside one that is set they are taken as they
// are, since zero is a choice for each of them, and the defaults are too long for a
// short lease. Whoever sets Lease sets these too: without a KillGrace a run is told
// to stop when its time is over, and has none left to do so in.
func (p *Policy) Fill() {
	if p.Lock && p.Schedule == nil {
		p.Schedule = noTicks{}
	}
	if p.Lease == 0 {
		p.Lease = 15 * time.Second
		p.KillGrace = orElse(p.KillGrace, 3*time.Second)
		p.HeadStart = orElse(p.HeadStart, 2*time.Second)
		p.Spread = orElse(p.Spread, 3*time.Second)
	}
	p.Skew = orElse(p.Skew, 2*time.Second)
	p.PollMin = orElse(p.PollMin, 50*time.Second)
	p.PollMax = max(orElse(p.PollMax, 60*time.Second), p.PollMin)
	p.Attempts = orElse(p.Attempts, 1)
	p.CatchUpMost = orElse(p.CatchUpMost, 100)
	if p.Takeovers == 0 {
		p.Takeovers = 3
	}
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Margin is what an observer adds to a lease before it counts a claim as
// lapsed: one second and 5 % of the lease.
func Margin(lease time.Duration) time.Duration { return time.Second + lease/20 }

// BackOff is the delay before attempt try+1: 5 s doubled for each attempt, at
// most LongestBackOff.
func BackOff(try int) time.Duration {
	if try > 7 {
		return LongestBackOff
	}
	return min(5*time.Second<<max(try-1, 0), LongestBackOff)
}

// LongestBackOff bounds BackOff.
const LongestBackOff = 5 * time.Minute

// LoadEvery is how long an agent goes at most without asking its register
// itself, and how old a clock sample may be for a swap.
const LoadEvery = 10 * time.Minute

// Now is one reading of a process's clocks.
type Now struct {
	Time    time.Time     // the register's time, as [Clock] knows it
	Told    bool          // the register tells its time; else Time is the wall clock
	Elapsed time.Duration // monotonic; an observer counts on it
	Held    time.Duration // monotonic and counting through suspend; a holder counts on it. Never behind Elapsed
}

// A Verb is a kind of Action.
type Verb uint8

// The verbs.
const (
	Wait Verb = iota // until At, or until something happens
	Look             // ask DNS
	Load             // ask the register
	Swap             // replace the record that is in view by Next
	Run              // start the job
	Stop             // order the run to stop
	End              // leave: stopping, and nothing of this process is left in the record
)

var verbs = [...]string{"wait", "look", "load", "swap", "run", "stop", "end"}

func (v Verb) String() string { return verbs[v] }

// A Reason is why an Action was decided, in words for logs and transcripts.
type Reason uint8

// The reasons, in the order of the rows.
const (
	NotDue Reason = iota
	FirstLook
	Poll
	Confirm
	BackingOff
	RunTimeout
	WindowOver
	ShutdownOver
	Superseded
	Left
	OutcomeOpen
	Sealed
	Newer
	ClaimGone
	Renewal
	Running
	RanUnarbitrated
	RunEnded
	RunFailed
	HandOver
	Claimed
	NoRecord
	RecordLost
	RecordDamaged
	ClockBroken
	RunningElsewhere
	ClaimLapsed
	ClaimExhausted
	ScheduleChanged
	RetryTooFar
	RetryLeft
	Paused
	TooLate
	TickDue
	RegisterAway
	LockFree
	JobsRecord
)

var reasons = [...]string{
	NotDue: "not due", FirstLook: "first look", Poll: "poll", Confirm: "confirm before acting", BackingOff: "backing off",
	RunTimeout: "run timed out", WindowOver: "trust window over", ShutdownOver: "shutdown grace over", Superseded: "next tick replaces the run",
	Left: "stopping", OutcomeOpen: "outcome open", Sealed: "cannot open the record", Newer: "record is newer than my claim",
	ClaimGone: "my claim is gone from the record", Renewal: "renewal", Running: "running", RanUnarbitrated: "ran without the register",
	RunEnded: "run ended", RunFailed: "run failed, attempts left", HandOver: "hand over", Claimed: "claimed, not started",
	NoRecord: "no record yet", RecordLost: "record vanished", RecordDamaged: "record is damaged", ClockBroken: "record from the future",
	RunningElsewhere: "running elsewhere", ClaimLapsed: "claim lapsed", ClaimExhausted: "claim lapsed, no takeover left",
	ScheduleChanged: "timer beyond the schedule", RetryTooFar: "retry beyond any back-off", RetryLeft: "retry left over from at-least-once", Paused: "paused",
	TooLate: "too late for this tick", TickDue: "tick due", RegisterAway: "register away",
	LockFree: "lock is free", JobsRecord: "record of a job, not of a lock",
}

func (r Reason) String() string { return reasons[r] }

// Loud says that people should hear of an action with this reason.
func (r Reason) Loud() bool {
	switch r {
	case RecordLost, RecordDamaged, ClockBroken, ClaimLapsed, ClaimExhausted, ClaimGone, Sealed, WindowOver, RetryTooFar, JobsRecord:
		return true
	}
	return false
}

// Claims says that a swap for this reason is a claim, which a run follows.
func (r Reason) Claims() bool { return r == TickDue || r == LockFree || r == ClaimLapsed }

// An Action is what to do next: one verb, and why.
type Action struct {
	Verb   Verb
	Why    Reason
	At     time.Duration // Wait: on Now.Elapsed, when to decide again
	Next   record.Record // Swap: the record to write
	Again  bool          // Swap: the very text whose outcome is open
	Result record.Result // Stop: how the run shall count, unless it still ends by itself
	Tick   int64         // Run
	Loose  bool          // Run, Stop: of an unarbitrated run
	intent intent        // what the row waits for; kept by Self.Took
}

// Runs is how often one tick may be claimed in all.
func (p *Policy) Runs() int { return p.Attempts + max(p.Takeovers, 0) }

// Check reports what cannot work in a filled Policy. A lease has room for a swap
// and what follows it three times: to claim, to renew, and to renew once more
// where somebody else wrote in between.
func (p *Policy) Check() error {
	var errs []error
	bad := func(is bool, text string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(text, args...))
		}
	}
	bad(p.Schedule == nil, "no schedule")
	bad(p.Lock && p.Schedule != noTicks{}, "a lock has no schedule")
	bad(p.Lock && p.AtMostOnce, "a lock is not held at most once")
	least, swap := 3*(p.SwapTime+p.KillGrace+time.Second), ""
	if p.SwapTime > 0 {
		swap = fmt.Sprintf("what a swap takes, %v, + ", p.SwapTime)
	}
	bad(p.Lease < least, "lease %v: want at least three times %skill_grace + 1s, %v", p.Lease, swap, least)
	bad(p.Lease > 15*time.Minute, "lease %v: want at most 15m", p.Lease)
	bad(p.Lease%time.Second != 0, "lease %v: want whole seconds", p.Lease)
	bad(min(p.SwapTime, p.KillGrace, p.Skew, p.HeadStart, p.Spread, p.Timeout, p.StartDeadline, p.OutageAfter) < 0, "a duration is negative")
	bad(p.Attempts < 1, "attempts %d: want at least 1", p.Attempts)
	bad(p.AtMostOnce && p.Attempts > 1, "attempts %d: at-most-once runs nothing twice", p.Attempts)
	return errors.Join(errs...)
}
