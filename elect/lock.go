package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// This file holds what is different where the record is a lock (protocol section
// 11): there is no tick to be due, to be retried or to be lost. All other rows are
// those of a job.

// noTicks is the schedule of a lock.
type noTicks struct{}

func (noTicks) Next(int64) int64 { return 0 }
func (noTicks) Prev(int64) int64 { return 0 }

// IsLock tells the record of a lock from that of a job, which has a next tick from
// its creation on and keeps its latest.
func IsLock(r record.Record) bool { return r.Timer == 0 && r.TimerOld == 0 }

// newLock creates the record of a lock, in a place that was seen empty or damaged
// for a lease and a margin: who holds it puts its claim back within that time, or
// has been told to stop.
func (d *decision) newLock(why Reason) Action {
	s, p := d.s, d.p
	r := record.Record{ID: s.ID}
	if s.Known && IsLock(s.Last) {
		last := s.Last.Last
		if s.Last.Claimed {
			last = record.Lost
		}
		r, why = idle(s.Last, last), orReason(why, RecordLost)
	}
	return d.staggered(d.v.First+p.Lease+Margin(p.Lease), d.swap(why, r))
}

// free is a lock that nobody holds and nobody has paused. Those who want it spread
// out from the moment it was freed at, as its seq tells it. One that has been free
// for longer is taken at once. Who held it last knows that first, and gives way to
// those who have to look.
func (d *decision) free(r record.Record) Action {
	var way time.Duration
	if d.s.Claim.Phase != NoClaim && r.ID == d.s.ID {
		way = d.p.Lease / 3
	}
	due := min(d.v.First, d.at(time.UnixMilli(r.Seq))) + d.stagger(r.Seq, way)
	switch {
	case d.now.Elapsed < due:
		return d.wait(LockFree, due)
	case d.v.Last < due && d.s.blind >= due:
		return Action{Verb: Load, Why: LockFree}
	case d.v.Last < due:
		return Action{Verb: Look, Why: LockFree} // once more, before anybody writes
	}
	r.Try = 0
	return d.swap(LockFree, d.claimed(r))
}

// mayHold: a lock may have been claimed without this process knowing, and the
// register was not asked since. It would keep others out for a lease and a margin.
func (d *decision) mayHold() bool {
	s := d.s
	return d.p.Lock && s.open(d.p, d.now) && !s.Open.Told && s.Fails < 2
}

// seize ends the claim of a holder that has vanished.
func (d *decision) seize(r record.Record) Action {
	r.Last, r.Try = record.Lost, 0
	if d.paused(r) {
		return d.swap(Paused, idle(r, record.Lost))
	}
	return d.swap(ClaimLapsed, d.claimed(r))
}
