package steps

import "slices"

// A variable is one of the environment of commands, with what it means to them:
// docs/reference/environment.md is made of these tables.
type variable struct {
	name, doc string
	lock      bool // also under a lock, where there is no tick
}

// told are all that a command is told by its environment. None of it is inherited: a
// fence of one lock or run is none of another's.
var told = []variable{
	{name: "SOLOTICK_JOB", doc: "the job's name"},
	{name: "SOLOTICK_TICK", doc: "the tick, in epoch seconds: the same for every attempt, so what a job should be idempotent by"},
	{name: "SOLOTICK_ATTEMPT", doc: "1, and one more for each run of this tick that failed or was lost"},
	{name: "SOLOTICK_FENCE", doc: "a number that only ever grows; a downstream system that remembers the greatest can reject a stale run. Empty if unarbitrated", lock: true},
	{name: "SOLOTICK_AGENT", doc: "the agent's id", lock: true},
	{name: "SOLOTICK_DEADLINE", doc: "when the run will be ended at the latest, in epoch seconds, if that is known", lock: true},
	{name: "SOLOTICK_LAST", doc: "how the run before ended: `ok`, `failed`, `timeout`, `lost`, `replaced`, `skipped`"},
	{name: "SOLOTICK_UNARBITRATED", doc: "1: run without the register, others may run this tick too"},
	{name: "SOLOTICK_STATE", doc: "what the job left behind in its latest run, on whichever agent"},
	{name: "SOLOTICK_STATE_OUT", doc: "a file; what is in it at the end (96 bytes at most, readable by anybody in DNS) is the next run's `SOLOTICK_STATE`"},
	{name: "SOLOTICK_LOCK", doc: "under `lock` and `elect`: the record's name", lock: true},
}

// traced are told to a run beside them.
var traced = []variable{
	{name: "TRACEPARENT", doc: "the run's trace, as W3C Trace Context has it; attempts at one tick share one, on whichever machine"},
	{name: "TRACESTATE", doc: "empty: what the agent inherited belongs to another parent"},
}

// alerted are told to the program of a notifier beside those of its run.
var alerted = []variable{
	{name: "SOLOTICK_ALERT", doc: "which of the job's alerts it is"},
	{name: "SOLOTICK_KIND", doc: "what is told of it: `firing`, `reminder`, `cleared`, `passed` (it was there and is gone), `test`"},
	{name: "SOLOTICK_SEVERITY", doc: "how bad it is"},
	{name: "SOLOTICK_TITLE", doc: "the message's first line"},
	{name: "SOLOTICK_TEXT", doc: "the rest, at most 30,000 characters, without control characters"},
	{name: "SOLOTICK_SINCE", doc: "since when it lasts, in epoch seconds"},
	{name: "SOLOTICK_KEY", doc: "the same for one message that is sent twice"},
}

func isTold(name string) bool {
	return slices.ContainsFunc(told, func(v variable) bool { return v.name == name })
}
