package monitor

import (
	"slices"
	"time"

	"github.com/solotick/solotick/record"
)

// A Run is one attempt at one tick, or one hold of a lock, as far as it was seen. Times are epoch seconds
// by the register's clock, as the record's seq tells them; 0: not seen.
type Run struct {
	Tick     int64         `json:"tick"` // 0: a lock was held
	Attempt  int           `json:"attempt"`
	Agent    string        `json:"agent"`
	Fence    int64         `json:"fence,omitempty"` // 0: not seen
	Began    int64         `json:"began,omitempty"` // its claim; 0 where the claim itself was not seen
	Ended    int64         `json:"ended,omitempty"` // its report
	Alive    int64         `json:"alive,omitempty"` // the latest claim or renewal that was seen
	Result   record.Result `json:"result,omitempty"`
	Over     bool          `json:"over"`               // it goes on no more, whether its end was seen or not
	Takeover bool          `json:"takeover,omitempty"` // of a tick that the agent before it lost
	Detail   *Detail       `json:"detail,omitempty"`   // what its agent has told; nil: nothing

	n       uint64 // its place in the file of a history
	counted bool   // in the totals
}

// A Detail is what an agent tells of its own run, which DNS cannot.
type Detail struct {
	Began        time.Time `json:"began"`
	TookMS       int64     `json:"took_ms"`
	Code         *int      `json:"code,omitempty"` // of the command
	Error        string    `json:"error,omitempty"`
	Output       string    `json:"output,omitempty"` // the end of it
	Steps        []Step    `json:"steps,omitempty"`
	Unarbitrated bool      `json:"unarbitrated,omitempty"`
	Trace        string    `json:"trace,omitempty"` // the id of its trace
}

// A Step is one step of a run.
type Step struct {
	ID     string `json:"id"`
	Kind   string `json:"kind,omitempty"`
	Result string `json:"result"`
	TookMS int64  `json:"took_ms"`
	Note   string `json:"note,omitempty"`
}

// size is about how many bytes a detail takes in memory.
func (d *Detail) size() int {
	if d == nil {
		return 0
	}
	n := len(d.Output) + len(d.Error) + len(d.Trace)
	for _, s := range d.Steps {
		n += 100 + len(s.ID) + len(s.Kind) + len(s.Note)
	}
	return n
}

// told counts what an agent has told of a run, and if that is more than there is room
// for in all, drops what was told of the oldest runs.
func (t *track) told(d *Detail, most int) {
	if t.text += d.size(); t.text <= most {
		return
	}
	t.text = 0
	for i := range slices.Backward(t.runs) {
		old := t.runs[i].Detail
		size := old.size()
		if t.text += size; size > 0 && t.text > most*3/4 && t.text > size {
			less := *old // a reader may have the other
			less.Output, less.Error, less.Steps = "", "", nil
			t.runs[i].Detail = &less
			t.text -= size - less.size()
		}
	}
}

// Lag is how long after its tick a run began: to the millisecond where its agent
// has told, to the second where its claim was seen. False: neither, or the run was
// not to begin with its tick, since one before it had failed.
func (r Run) Lag() (time.Duration, bool) {
	switch {
	case r.Tick == 0, r.Attempt > 1 && !r.Takeover:
		return 0, false
	case r.Detail != nil && !r.Detail.Began.IsZero():
		return max(r.Detail.Began.Sub(time.Unix(r.Tick, 0)), 0), true
	case r.Began == 0:
		return 0, false
	}
	return max(time.Duration(r.Began-r.Tick)*time.Second, 0), true
}

// Took is how long a run took, as exactly as its Lag.
func (r Run) Took() (time.Duration, bool) {
	switch {
	case r.Detail != nil && r.Detail.TookMS > 0:
		return time.Duration(r.Detail.TookMS) * time.Millisecond, true
	case r.Began == 0 || r.Ended == 0:
		return 0, false
	}
	return max(time.Duration(r.Ended-r.Began)*time.Second, 0), true
}

// At is where a run stands in time: when it began, or else the first moment that
// is known of it.
func (r Run) At() int64 {
	for _, t := range []int64{r.Began, r.Alive, r.Ended} {
		if t != 0 {
			return t
		}
	}
	return r.Tick
}

// A Span is a stretch of time in which a record was looked at without a gap, in
// epoch seconds.
type Span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}
