package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A Report is what became of a scenario.
type Report struct {
	Agents int
	For    time.Duration
	Seed   uint64

	// Ticks are those that fell due from the first one of the record on, up to an hour
	// before the end, or the last quarter of a scenario of less than four, or to a run in
	// progress that began before that: what comes of a late one is seen. Each is one of the next five, which tell how often it was
	// run to an end.
	Ticks  int64
	Once   int64
	Twice  int64 // two times or more, and not as the record wanted a further attempt
	Failed int64 // not once with success, and so the record says
	Passed int64 // coalesced or skipped: a later tick was claimed in their place
	Missed int64 // nothing at all, or passed over before it was another tick's turn: what must not be

	Runs          int64 // begun
	Unarbitrated  int64
	Beside        int64 // runs that began while another one of the same job was in progress
	Overlaps      int64 // of these, both with a claim: what must not be
	Lost          int64 // runs that ended with their process, or were cut
	Takeovers     int64
	FirstTakeover time.Duration // since the start; 0: there was none
	FenceBroken   int64         // claims whose fence was not greater than every one before: what must not be
	ClaimedTwice  int64         // claims of a tick whose attempt was not greater than every one before: what must not be

	Early    int64         // first attempts that began before their tick, as a clock was ahead: by less than a second where the register tells its time
	Earliest time.Duration // by how much at most
	StartLag Distribution  // of first attempts, from the tick to the start
	Takeover Distribution  // from the last sign of life of a holder, killed, halted or not heard of, to the start of who took over

	Looks     int64 // questions to the name servers
	Loads     int64
	Swaps     SwapCount
	Throttled int64   // requests beyond the provider's limit
	Busiest   float64 // the share of the provider's limit that was used at most; 0: there is none

	due int64 // ticks in all of the scenario

	// Course is a digest of every step and when it was: two runs with one are the same.
	Course string
}

// Broken tells whether there was what must not be.
func (r *Report) Broken() bool {
	return r.Missed > 0 || r.FenceBroken > 0 || r.ClaimedTwice > 0 || r.Overlaps > 0
}

// PerTick is how many requests to the register a tick took, Loads and Swaps of all agents.
func (r *Report) PerTick() float64 {
	return float64(r.Loads+r.Swaps.Sent) / float64(max(r.due, 1))
}

// A SwapCount is what became of the swaps.
type SwapCount struct {
	Sent      int64
	Done      int64
	Conflict  int64
	Uncertain int64
	Failed    int64
}

// A tally counts while a scenario happens.
type tally struct {
	Report
	schedule elect.Schedule
	start    int64 // epoch second
	policy   *elect.Policy
	ahead    int64 // seconds that an agent's time may be ahead
	ticks    map[int64]*tickCount
	settled  int64 // every tick up to it is counted
	running  int
	holding  int // of these, with a claim
	fence    int64
	gone     struct { // the holder that was killed last
		id string
		at time.Duration
	}
	taken  time.Duration // the last sign of life of whose claim was taken over; 0: the run has begun
	course hash.Hash
	line   []byte // of the course, not yet taken in
}

// A tickCount is what became of one tick.
type tickCount struct {
	ended  int
	ok     int
	failed bool
	silent bool // it was passed over too early
	handed int  // attempts after which the record wanted another one
	tries  int  // the last attempt that was claimed
}

func (t *tally) begin(s *Scenario) {
	t.Agents, t.For, t.Seed = s.Agents, s.For, s.Seed
	t.schedule, t.start = s.Policy.Schedule, s.Start.Unix()
	t.ticks, t.course = map[int64]*tickCount{}, sha256.New()
	t.settled = t.start - 1
	t.policy, t.ahead = &s.Policy, int64((s.Policy.Skew+s.Clocks.Offset)/time.Second)+1
}

// of is the count of a tick.
func (t *tally) of(tick int64) *tickCount {
	c := t.ticks[tick]
	if c == nil {
		c = new(tickCount)
		t.ticks[tick] = c
	}
	return c
}

// step counts what an agent does.
func (t *tally) step(w *world, s Step) {
	t.digest(&s)
	if s.Verb != elect.Run {
		return
	}
	if s.Ended {
		c := t.of(s.Tick)
		c.ended++
		if s.Result == record.OK || s.Result == record.Skipped {
			c.ok++
		}
		return
	}
	t.Runs++
	if t.running > 0 {
		t.Beside++
	}
	t.running++
	if s.Loose {
		t.Unarbitrated++
		return
	}
	if t.holding > 0 {
		t.Overlaps++
	}
	t.holding++
	lag := w.unix(w.now).Sub(time.Unix(s.Tick, 0))
	if s.Attempt <= 1 {
		t.StartLag.add(max(lag, 0))
		if lag < 0 {
			t.Early++
			t.Earliest = max(t.Earliest, -lag)
		}
	}
	if t.taken > 0 {
		t.Takeover.add(w.now - t.taken)
		t.taken = 0
	}
}

// over is the end of a run, by itself or not.
func (t *tally) over(loose bool) {
	t.running--
	if !loose {
		t.holding--
	}
}

// digest takes a step into the course.
func (t *tally) digest(s *Step) {
	b := binary.LittleEndian.AppendUint64(t.line, uint64(s.At))
	b = append(append(b, s.Agent...), byte(s.Verb), byte(s.Why), byte(s.Outcome))
	if s.Verb == elect.Run || s.Verb == elect.Stop {
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Tick))
		b = binary.LittleEndian.AppendUint32(b, uint32(s.Attempt))
		b = append(b, s.Result...)
	}
	if len(b) > 4<<10 {
		t.course.Write(b)
		b = b[:0]
	}
	t.line = b
}

// vanished counts the runs that end with their process.
func (t *tally) vanished(w *world, a *agent) {
	for i := range a.runs {
		if a.runs[i].is {
			if !a.runs[i].dead {
				t.over(a.runs[i].loose)
			}
			t.Lost++
		}
	}
	if last := &w.shown[len(w.shown)-1].texts.rec; last.Claimed && last.ID == a.self.ID {
		t.gone.id, t.gone.at = a.self.ID, a.lively()
	}
}

// lastSign is the last sign of life of the holder of the record: where it is neither
// dead nor halted, what it wrote last.
func (t *tally) lastSign(w *world) time.Duration {
	is := &w.shown[len(w.shown)-2] // the one that was just written over
	if id := is.texts.rec.ID; id == t.gone.id {
		return t.gone.at
	} else if i := slices.IndexFunc(w.agents, func(a agent) bool { return a.up && a.self.ID == id }); i >= 0 && w.now < w.agents[i].frozen {
		return w.agents[i].halted
	}
	return is.at
}

// wrote notes what a swap has changed.
func (t *tally) wrote(w *world, old, next content) {
	r, was := next.rec, old.rec
	if claims := r.Claimed && !(was.Claimed && was.ID == r.ID && was.TimerOld == r.TimerOld && was.Attempt() == r.Attempt()); claims {
		if r.Seq <= t.fence {
			t.FenceBroken++
		}
		t.fence = max(t.fence, r.Seq)
		if c := t.of(r.TimerOld); r.Attempt() > c.tries {
			c.tries = r.Attempt()
		} else {
			t.ClaimedTwice++
		}
		t.taken = 0
		if was.Claimed {
			t.Takeovers++
			t.taken = t.lastSign(w)
			if t.FirstTakeover == 0 {
				t.FirstTakeover = w.now
			}
		}
	}
	if !r.Claimed && r.Attempt() <= 1 && (r.Last == record.Failed || r.Last == record.Timeout || r.Last == record.Lost || r.Last == record.Replaced) && was.TimerOld == r.TimerOld {
		t.of(r.TimerOld).failed = true
	}
	if was.Claimed && !r.Claimed && r.Attempt() > 1 && was.TimerOld == r.TimerOld {
		t.of(r.TimerOld).handed++
	}
	if old.state == record.Absent {
		t.settled = max(t.settled, r.Timer-1) // the job begins with that tick
		return
	}
	t.passes(w, &was, &r)
	t.settle(min(r.TimerOld, r.Timer-1), w)
}

// passes looks at the ticks that a write has left behind without a run: another one has
// to be due in their place, or catch_up or overlap allows for that. Nobody passes over a
// tick that is still to come.
func (t *tally) passes(w *world, was, r *record.Record) {
	now := w.unix(w.now).Unix() + t.ahead
	inRun := was.Claimed || was.Attempt() > 1 || t.running > 0 // what falls due meanwhile may be skipped
	early := now
	if t.policy.CatchUp != elect.CatchUpNone && !(inRun && t.policy.Overlap == elect.OverlapSkip) {
		early = t.schedule.Prev(now+1) - 1
	}
	last := leftBehind(r)
	for tick := t.schedule.Next(leftBehind(was)); tick != 0 && tick <= last; tick = t.schedule.Next(tick) {
		if c := t.ticks[tick]; tick > early && tick != r.TimerOld && (c == nil || c.ended == 0) {
			t.of(tick).silent = true
		}
	}
}

// leftBehind is the last moment whose tick a record has left behind. Of a tick that is to be
// tried again, the timer says when.
func leftBehind(r *record.Record) int64 {
	if !r.Claimed && r.Attempt() > 1 {
		return r.TimerOld
	}
	return max(r.TimerOld, r.Timer-1)
}

// settle judges the ticks that the record has left behind an hour ago.
func (t *tally) settle(upTo int64, w *world) {
	limit := min(upTo, w.unix(w.now).Unix()-3600)
	for {
		tick := t.schedule.Next(t.settled)
		if tick == 0 || tick > limit {
			return
		}
		t.judge(tick, true)
		t.settled = tick
	}
}

// judge counts a tick. Left says that the record has gone past it.
func (t *tally) judge(tick int64, left bool) {
	c := t.ticks[tick]
	delete(t.ticks, tick)
	t.Ticks++
	switch {
	case c != nil && c.ok > 1 || c != nil && c.ended > c.handed+1 && c.ok > 0:
		t.Twice++
	case c != nil && c.ok == 1:
		t.Once++
	case c != nil && (c.failed || c.ended > 0):
		t.Failed++
	case left && (c == nil || !c.silent):
		t.Passed++
	default:
		t.Missed++
	}
}

func (t *tally) swapped(out elect.Outcome) {
	switch s := &t.Swaps; out {
	case elect.Done:
		s.Done++
	case elect.Conflict:
		s.Conflict++
	case elect.Uncertain:
		s.Uncertain++
	default:
		s.Failed++
	}
}

func (w *world) report() *Report {
	t := &w.tally
	t.course.Write(t.line)
	t.Course = hex.EncodeToString(t.course.Sum(nil))
	last := w.shown[len(w.shown)-1].texts.rec
	end := w.unix(w.s.For - min(time.Hour, w.s.For/4)).Unix()
	if last.Claimed && t.holding > 0 {
		end = min(end, last.TimerOld-1) // what comes after a run in progress has to wait
	}
	for {
		tick := t.schedule.Next(t.settled)
		if tick == 0 || tick > end {
			break
		}
		t.judge(tick, tick <= leftBehind(&last))
		t.settled = tick
	}
	for tick := t.schedule.Next(t.start - 1); tick != 0 && tick < w.unix(w.s.For).Unix(); tick = t.schedule.Next(tick) {
		t.due++
	}
	t.Busiest = max(w.loads.used(), w.swaps.used())
	t.StartLag.sum()
	t.Takeover.sum()
	r := t.Report
	return &r
}

// A Distribution is how long something took: its quantiles are exact to 2 %.
type Distribution struct {
	Count                        int64
	P50, P90, P99, P999, Longest time.Duration
	Buckets                      []Bucket

	counts map[int32]int64
}

// A Bucket has how many took at most so long, and longer than the one before.
type Bucket struct {
	AtMost time.Duration
	Count  int64
}

const perOctave = 36 // 2^(1/36) is 1.02

func (d *Distribution) add(v time.Duration) {
	if d.counts == nil {
		d.counts = map[int32]int64{}
	}
	d.Count++
	d.counts[bucketOf(v)]++
	d.Longest = max(d.Longest, v)
}

// sum works out what is told of the counts.
func (d *Distribution) sum() {
	keys := make([]int32, 0, len(d.counts))
	for k := range d.counts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		d.Buckets = append(d.Buckets, Bucket{topOf(k), d.counts[k]})
	}
	at := func(q float64) time.Duration {
		want, have := int64(q*float64(d.Count)), int64(0)
		for _, b := range d.Buckets {
			if have += b.Count; have > want {
				return min(b.AtMost, d.Longest)
			}
		}
		return d.Longest
	}
	d.P50, d.P90, d.P99, d.P999 = at(0.5), at(0.9), at(0.99), at(0.999)
}
