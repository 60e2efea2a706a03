package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// Limits bound what a [History] keeps.
type Limits struct {
	Runs   int           // of all records together; 0: 400,000
	Events int           // of all records together; 0: 100,000
	Age    time.Duration // of the oldest; 0: 30 days
	// Text is how many bytes of what agents have told are kept in memory, of all
	// records together; 0: 256 MiB. Beyond that the output, errors and steps of the
	// oldest runs are dropped, and the runs stay.
	Text int
}

func (l *Limits) fill() {
	l.Runs = cmp.Or(l.Runs, 400_000)
	l.Events = cmp.Or(l.Events, 100_000)
	l.Age = cmp.Or(l.Age, 30*24*time.Hour)
	l.Text = cmp.Or(l.Text, 256<<20)
}

// Of one record no more is kept than that, and no less than that however many
// records there are.
const (
	mostRuns, leastRuns     = 20_000, 20
	mostEvents, leastEvents = 5_000, 10
	// newestEvents is how many events of all records together can be listed.
	newestEvents = 2_000
	// leastText is a few reports as long as they may be.
	leastText = 64 << 10
)

// A History is what was seen to happen to records. It is safe for concurrent use.
type History struct {
	limits Limits
	file   *file // nil: in memory only

	mu      sync.Mutex
	tracks  map[string]*track
	names   []string // of tracks, sorted
	apart   time.Duration
	events  []Event // the newest of all records
	eventID uint64
	runID   uint64
	readers map[chan Update]*bool // to whether something was lost
}

// An Update says that a record was looked at.
type Update struct {
	Name   string
	Events []Event // what that showed to have happened
	Lost   bool    // the reader was too slow for updates before this one
}

// NewHistory returns a history that is kept in memory.
func NewHistory(l Limits) *History {
	l.fill()
	return &History{limits: l, tracks: map[string]*track{}, apart: 3 * time.Minute, readers: map[chan Update]*bool{}}
}

// Watch adds records, or changes what is known about those that are there. What is
// seen of others is not kept.
func (h *History) Watch(targets ...Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := max(h.limits.Text/max(len(h.tracks)+len(targets), 1), leastText)
	for _, t := range targets {
		if old := h.tracks[t.Name]; old != nil {
			old.target, old.good.Target, old.failed.Target = t, t, t
			continue
		}
		one := &track{target: t, next: h.nextRun}
		if h.file != nil {
			h.file.load(t.Name, one, text)
		}
		h.tracks[t.Name] = one
		h.names = append(h.names, t.Name)
	}
	slices.Sort(h.names)
}

// nextRun is called with mu held.
func (h *History) nextRun() uint64 {
	h.runID++
	return h.runID
}

// Forget drops records. What a file keeps of them is dropped when it is too old.
func (h *History) Forget(names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range names {
		delete(h.tracks, n)
	}
	h.names = slices.DeleteFunc(h.names, func(n string) bool { return h.tracks[n] == nil })
}

// Targets are the records that are watched, sorted by name.
func (h *History) Targets() []Target {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Target, 0, len(h.names))
	for _, n := range h.names {
		all = append(all, h.tracks[n].target)
	}
	return all
}

// Apart says how far apart two looks at a record are at most without a gap between
// them. It is 3 minutes until somebody says so.
func (h *History) Apart(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.apart = d
}

// See takes a look in and returns what it shows to have happened since the last
// one.
func (h *History) See(s Sight) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[s.Target.Name]
	if t == nil {
		return nil
	}
	t.see(s, h.apart)
	return h.publish(t, true)
}

// Sweep takes in that time has passed, which alone makes a record late, and
// returns what is to be told of that.
func (h *History) Sweep(now time.Time) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Event
	for _, n := range h.names {
		t := h.tracks[n]
		t.at = now
		t.judge(now)
		all = append(all, h.publish(t, false)...)
	}
	return all
}

// publish gives what a track found out to those who want to know. The caller holds
// mu.
func (h *History) publish(t *track, looked bool) []Event {
	events := t.fresh
	t.fresh = nil
	for i := range events {
		h.eventID++
		e := &events[i]
		e.ID, e.Name, e.Job = h.eventID, t.target.Name, t.target.Job
		if e.Time.IsZero() {
			e.Time = t.at
		}
		e.Time = e.Time.UTC().Truncate(time.Millisecond)
	}
	t.count(events)
	t.events = keepLast(append(t.events, events...), h.share(h.limits.Events, leastEvents, mostEvents))
	h.events = keepLast(append(h.events, events...), newestEvents)
	t.runs = keepLast(t.runs, h.share(h.limits.Runs, leastRuns, mostRuns))
	old := t.at.Add(-h.limits.Age).Unix()
	for len(t.runs) > 0 && t.runs[0].Over && t.runs[0].At() < old {
		t.runs = t.runs[1:]
	}
	if h.file != nil && (looked || len(events)+len(t.dirty) > 0) {
		h.file.note(t, events)
	}
	t.dirty = t.dirty[:0]
	if !looked && len(events) == 0 {
		return nil
	}
	for c, lost := range h.readers {
		select {
		case c <- Update{t.target.Name, events, *lost}:
			*lost = false
		default:
			*lost = true
		}
	}
	return events
}

// keepLast keeps the end of a list. It copies only when a quarter is too much, so
// that a list which is full does not move with each addition.
func keepLast[T any](list []T, n int) []T {
	if len(list) > n+n/4+8 {
		return slices.Clone(list[len(list)-n:])
	}
	return list
}

// share is what one record may have of what all have together.
func (h *History) share(all, least, most int) int {
	return min(max(all/max(len(h.tracks), 1), least), most)
}

// Tell takes in what an agent tells of a run of its own. The name must be that of a
// record that is watched.
func (h *History) Tell(name string, r Run) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[name]
	if t == nil {
		return fmt.Errorf("monitor: %s is not watched", name)
	}
	old := t.find(r.Tick, r.Attempt, r.Agent)
	if old == nil {
		r.Over = true
		t.tell(r)
		t.told(r.Detail, h.share(h.limits.Text, leastText, h.limits.Text))
		h.publish(t, true)
		return nil
	}
	old.Over = true
	if r.Detail != nil {
		t.text -= old.Detail.size()
		old.Detail = r.Detail
		t.told(r.Detail, h.share(h.limits.Text, leastText, h.limits.Text))
	}
	if r.Result != "" {
		old.Result = r.Result
	}
	old.Fence, old.Ended = orElse(old.Fence, r.Fence), orElse(old.Ended, r.Ended)
	t.dirty = append(t.dirty, old.n)
	h.publish(t, true)
	return nil
}

// Items are all records, judged now, sorted by name.
func (h *History) Items(now time.Time) []Item {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Item, 0, len(h.names))
	for _, n := range h.names {
		all = append(all, h.tracks[n].item(now))
	}
	return all
}

// Item is one record, judged now.
func (h *History) Item(name string, now time.Time) (Item, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[name]
	if t == nil {
		return Item{}, false
	}
	return t.item(now), true
}

// Runs are those of a record that stand between two epoch seconds, both included,
// in the order in which they began.
func (h *History) Runs(name string, from, to int64) []Run {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[name]
	if t == nil {
		return nil
	}
	lapsed := t.rec.Claimed && (t.cond == elect.HealthLate || t.cond == elect.HealthMissed)
	var all []Run
	for _, r := range t.runs {
		if at := r.At(); at >= from && at <= to {
			r.Over = r.Over || lapsed // its holder may still come back, and then it is not
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b Run) int { return cmp.Compare(a.At(), b.At()) })
	return all
}

// Spans are when a record was looked at, within two epoch seconds. What lies
// between two of them is a gap: nothing is known of it.
func (h *History) Spans(name string, from, to int64) []Span {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[name]
	if t == nil {
		return nil
	}
	var all []Span
	for _, s := range t.spans {
		if s.To >= from && s.From <= to {
			all = append(all, Span{max(s.From, from), min(s.To, to)})
		}
	}
	return all
}

// Events are those of a record, the newest first: at most limit, and none whose ID
// is not below before, where that is not 0. Without a name they are of all records,
// of which the newest 2,000 are kept.
func (h *History) Events(name string, before uint64, limit int) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.events
	if name != "" {
		t := h.tracks[name]
		if t == nil {
			return nil
		}
		list = t.events
	}
	var all []Event
	for _, e := range slices.Backward(list) {
		if len(all) == limit {
			break
		}
		if before == 0 || e.ID < before {
			all = append(all, e)
		}
	}
	return all
}

// Subscribe returns what is seen from now on. A reader that is slower than buffer
// allows loses updates and is told so by the next one. After cancel nothing comes
// any more.
func (h *History) Subscribe(buffer int) (updates <-chan Update, cancel func()) {
	c := make(chan Update, max(buffer, 1))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers[c] = new(bool)
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.readers, c)
	}
}

// item is the record as it was last seen; if nobody answers now, that is said, and
// not what it would amount to.
func (t *track) item(now time.Time) Item {
	switch {
	case t.failed.Err == nil && !t.seen:
		return Item{Name: t.target.Name, Job: t.target.Job, Text: "not looked at yet", Servers: []Server{}}
	case t.failed.Err == nil:
		item := Judge(t.good, now)
		if t.good.Set.State == record.Unopenable && !t.changed.IsZero() {
			at := t.changed.UTC().Truncate(time.Millisecond)
			item.Changed = &at
			item.Text += "; it last changed at " + clock(at.Unix())
		}
		return item
	}
	item := Judge(t.failed, now)
	if t.seen {
		was := Judge(t.good, t.good.Time)
		item.Text = fmt.Sprintf("DNS does not tell; %s ago: %s", Distance(now.Sub(t.good.Time)), was.Text)
		item.ID, item.LastTick, item.Last, item.Raw, item.Bytes, item.Seen = was.ID, was.LastTick, was.Last, was.Raw, was.Bytes, was.Seen
		item.Fence, item.Written, item.Attempt = was.Fence, was.Written, was.Attempt
	}
	return item
}
