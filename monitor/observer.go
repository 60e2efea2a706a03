package monitor

import (
	"cmp"
	"container/heap"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// An Observer looks at all records of a history, again and again, each on its own
// beat, so that the questions are spread evenly over time however many records
// there are.
type Observer struct {
	Eyes    *Eyes
	History *History
	// Every is the time between two looks at a record; 0: what fits the number of
	// records, from 5 s to a minute.
	Every time.Duration
	Rate  float64              // looks a second at most; 0: 200
	Log   *slog.Logger         // nil: silent
	Saw   func(Sight, []Event) // nil: none. After each look; must not block

	see func(ctx context.Context, t Target, all bool) Sight // replaced in tests

	asked, failed atomic.Int64
	beat          atomic.Int64 // when the loop last turned, in Unix seconds
	round         atomic.Bool  // every record was looked at once
}

const (
	// atOnce is how many looks are under way at most.
	atOnce = 64
	// few records are looked at through all their servers, and again as soon as
	// something is due.
	few = 100
)

// soon is how long after a run is due its record is looked at. An incumbent that
// lives has claimed it by the first, and if it does not live, somebody else by the
// second.
var soon = [...]time.Duration{300 * time.Millisecond, 4 * time.Second}

// Interval is the time between two looks at one of n records.
func (o *Observer) Interval(n int) time.Duration {
	if o.Every > 0 {
		return o.Every
	}
	fits := time.Duration(float64(n) / o.rate() * 2 * float64(time.Second))
	return min(max(fits, 5*time.Second), time.Minute)
}

func (o *Observer) rate() float64 { return cmp.Or(o.Rate, 200) }

// Questions are how many looks were answered so far, and how many were not.
func (o *Observer) Questions() (ok, failed int64) { return o.asked.Load(), o.failed.Load() }

// Alive says whether the observer's loop turns, and whether every record was
// looked at once.
func (o *Observer) Alive(now time.Time) (turns, complete bool) {
	return now.Unix()-o.beat.Load() < 30, o.round.Load()
}

// A stop is a record and when it is looked at next.
type stop struct {
	name string
	due  time.Time
	slot time.Time // of its beat
	gone bool

	looked bool // once
}

type stops []*stop

func (s stops) Len() int           { return len(s) }
func (s stops) Less(i, j int) bool { return s[i].due.Before(s[j].due) }
func (s stops) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *stops) Push(x any)        { *s = append(*s, x.(*stop)) }
func (s *stops) Pop() any {
	old := *s
	last := old[len(old)-1]
	*s = old[:len(old)-1]
	return last
}

// Run looks until ctx ends and returns nil then. Records that are added to the
// history, or dropped, are noticed within seconds.
func (o *Observer) Run(ctx context.Context) error {
	var looks sync.WaitGroup
	defer looks.Wait()
	limit := rate.NewLimiter(rate.Limit(o.rate()), 1)
	free := make(chan struct{}, atOnce)
	back := make(chan *stop, atOnce)
	known := map[string]*stop{}
	var queue stops
	sweep := time.NewTicker(time.Second)
	defer sweep.Stop()
	o.meet(known, &queue, time.Now())
	unwritten := false
	for n := 0; ; {
		wait := time.Hour
		if len(queue) > 0 {
			wait = time.Until(queue[0].due)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-sweep.C:
			if n++; n%5 == 0 || len(known) <= few {
				o.History.Sweep(time.Now())
			}
			if n%3 == 0 {
				o.meet(known, &queue, time.Now())
			}
			o.beat.Store(time.Now().Unix())
			unwritten = o.complain(unwritten)
		case s := <-back:
			if !s.gone {
				heap.Push(&queue, s)
			}
		case <-timer.C:
			if len(queue) == 0 {
				continue
			}
			s := heap.Pop(&queue).(*stop)
			if s.gone {
				continue
			}
			if limit.Wait(ctx) != nil {
				return nil
			}
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			records := len(known)
			looks.Go(func() {
				o.look(ctx, s, records)
				<-free
				select {
				case back <- s:
				case <-ctx.Done():
				}
			})
		}
		timer.Stop()
	}
}

// complain says, once, that what is seen cannot be kept.
func (o *Observer) complain(before bool) (unwritten bool) {
	err := o.History.Trouble()
	switch unwritten = err != nil; {
	case o.Log == nil || before == unwritten:
	case unwritten:
		o.Log.Warn("what is seen cannot be written to the file of the history, and is lost if this ends now; it is tried again", "err", err)
	default:
		o.Log.Info("the history is written again")
	}
	return unwritten
}

// meet takes in which records the history is about now. New ones are looked at at
// once, as fast as the rate allows, and then each on a beat of its own.
func (o *Observer) meet(known map[string]*stop, queue *stops, now time.Time) {
	targets := o.History.Targets()
	every := o.Interval(len(targets))
	o.History.Apart(3*every + 10*time.Second)
	here := make(map[string]bool, len(targets))
	for i, t := range targets {
		here[t.Name] = true
		if known[t.Name] != nil {
			continue
		}
		slot := now.Add(every * time.Duration(i) / time.Duration(len(targets)))
		s := &stop{name: t.Name, due: now.Add(time.Duration(float64(i) / o.rate() * float64(time.Second))), slot: slot}
		known[t.Name] = s
		heap.Push(queue, s)
	}
	for name, s := range known {
		if !here[name] {
			s.gone = true
			delete(known, name)
		}
	}
	if !o.round.Load() {
		o.round.Store(o.asked.Load()+o.failed.Load() >= int64(len(targets)))
	}
}

// look looks at one record and says when it is looked at next.
func (o *Observer) look(ctx context.Context, s *stop, records int) {
	t, ok := o.History.Target(s.name)
	if !ok {
		return
	}
	sight := o.ask(ctx, t, records <= few)
	if ctx.Err() != nil {
		return // not the servers' fault
	}
	if sight.Err != nil {
		o.failed.Add(1)
		if o.Log != nil {
			o.Log.Debug("not seen", "record", s.name, "err", sight.Err)
		}
	} else {
		o.asked.Add(1)
	}
	events := o.History.See(sight)
	if o.Saw != nil {
		o.Saw(sight, events)
	}
	s.due = o.nextLook(s, sight, records, time.Now())
}

// ask asks one server, or all of them.
func (o *Observer) ask(ctx context.Context, t Target, all bool) Sight {
	switch {
	case o.see != nil:
		return o.see(ctx, t, all)
	case all:
		return o.Eyes.Look(ctx, t)
	}
	return o.Eyes.Glance(ctx, t)
}

// nextLook is the next beat, or sooner if something is due before that.
func (o *Observer) nextLook(s *stop, sight Sight, records int, now time.Time) time.Time {
	every := o.Interval(records)
	if late := now.Sub(s.slot); late >= 0 {
		s.slot = s.slot.Add((late/every + 1) * every)
	}
	if !s.looked && s.slot.Sub(now) < every/2 {
		s.slot = s.slot.Add(every) // the first look was not on the beat
	}
	s.looked = true
	next := s.slot
	if records > few || sight.Err != nil {
		return next
	}
	r := sight.Set.Record
	if r.Claimed && now.Add(2*time.Second).Before(next) {
		return now.Add(2 * time.Second) // its end, or its renewal
	}
	for _, d := range soon {
		if due := time.Unix(max(r.Timer, r.Pause), 0).Add(d); due.After(now) && due.Before(next) {
			return due
		}
	}
	return next
}

// Target is the record of that name, if it is watched.
func (h *History) Target(name string) (Target, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tracks[name]; t != nil {
		return t.target, true
	}
	return Target{}, false
}
