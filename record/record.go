package record

// A Result says how a run ended.
type Result string

// The results of protocol.md section 3.
const (
	None     Result = ""
	OK       Result = "ok"
	Failed   Result = "failed"
	Timeout  Result = "timeout"
	Lost     Result = "lost"     // its holder vanished or was cut
	Replaced Result = "replaced" // ended for a newer tick
	Skipped  Result = "skipped"  // never started
)

// A Record is the content of one job's TXT record. Its fields are comparable
// with ==, and equal records have equal texts. The zero Record is what "{}" says.
type Record struct {
	ID       string // the agent that made the latest claim
	Timer    int64  // epoch second of the next tick to be claimed, or of a retry or trigger
	TimerOld int64  // epoch second of the latest tick claimed; 0: none yet
	EntryID  string // the provider's record id, as the original agents wrote it; kept
	Seq      int64  // fence and version, 0 .. 2^53-1, only ever grows
	Claimed  bool   // a run is in progress: until or lease is present
	Until    int64  // epoch second at which the claim lapses, for people
	Lease    int64  // seconds; 0 or over 900: the reader's own
	Try      int    // the attempt of tick TimerOld as written; 0: absent, reads as 1
	Last     Result
	Pause    int64  // 0: not paused; -1: for ever; else the epoch second of its end
	Why      string // the operator's reason
	State    string // the job's own text, decoded
	Extra    string // unknown members as read, canonical: `"k":v,"l":w`
}
