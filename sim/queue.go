package sim

import "time"

// A kind is what an event is.
type kind uint8

const (
	wake    kind = iota // an agent decides again
	answers             // a request of an agent is answered, or given up
	ends                // a run is over: these three wait for a machine that is halted
	guards              // the guard of a run looks whether its time is over
	reaches             // a swap is at the register
	begins              // an agent starts
	pauses
	crashes
	restarts
	stops
	kills
	steps // a clock is set
)

// An event is something to come. Of two at one moment the first planned is the first.
type event struct {
	at    time.Duration
	n     uint64
	agent int32
	kind  kind
	arg   uint32 // which wake, request, life or run it is meant for: others are void
}

func (a *event) before(b *event) bool { return a.at < b.at || a.at == b.at && a.n < b.n }

// A queue is a heap of events with four children a node, which is kinder to caches than
// two.
type queue struct {
	heap []event
	n    uint64
}

func (q *queue) plan(e event) {
	q.n++
	e.n = q.n
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&q.heap[up]) {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = e
}

func (q *queue) next() (event, bool) {
	if len(q.heap) == 0 {
		return event{}, false
	}
	first := q.heap[0]
	last := q.heap[len(q.heap)-1]
	q.heap = q.heap[:len(q.heap)-1]
	n := len(q.heap)
	if n == 0 {
		return first, true
	}
	i := 0
	for {
		least := 4*i + 1
		if least >= n {
			break
		}
		for c := least + 1; c < min(4*i+5, n); c++ {
			if q.heap[c].before(&q.heap[least]) {
				least = c
			}
		}
		if last.before(&q.heap[least]) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = last
	return first, true
}
