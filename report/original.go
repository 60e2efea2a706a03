package report

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// An original is what the agents of 2022 posted when they ran their task:
//
//	{"name":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"passcode":1641466583}
//
// name is the agent, timerold the tick that it runs, timer the next one, and
// passcode a number that the server compares.
type original struct {
	Name     string          `json:"name"`
	Timer    json.RawMessage `json:"timer"`
	TimerOld json.RawMessage `json:"timerold"`
	Passcode json.RawMessage `json:"passcode"`
}

// parseOriginal reads such a body, and its passcode as a text.
func parseOriginal(body []byte) (Report, string, error) {
	var o original
	if err := json.Unmarshal(body, &o); err != nil {
		return Report{}, "", fail(badRequest, "%s", reason(err))
	}
	if o.Name == "" || o.TimerOld == nil {
		return Report{}, "", fail(badRequest, `want a report ("schema": %q), or {"name", "timer", "timerold"} as sync-agents-over-dns sends it`, Schema)
	}
	tick, ok := epoch(o.TimerOld)
	if !ok {
		return Report{}, "", fail(badRequest, "timerold: want the tick in epoch seconds")
	}
	r := Report{Agent: o.Name, Tick: tick, Attempt: 1, Original: true}
	if o.Timer != nil {
		if r.Next, ok = epoch(o.Timer); !ok {
			return Report{}, "", fail(badRequest, "timer: want the next tick in epoch seconds")
		}
	}
	if err := r.Check(); err != nil {
		return Report{}, "", fail(badRequest, "%s", err)
	}
	return r, bare(o.Passcode), nil
}

// epoch reads epoch seconds, whether a number or a text.
func epoch(raw json.RawMessage) (time.Time, bool) {
	f, err := strconv.ParseFloat(bare(raw), 64)
	if err != nil || f != math.Trunc(f) || f <= 0 || f > float64(maxTime.Unix()) {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0).UTC(), true
}

// bare is a JSON number or text without its quotes.
func bare(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
