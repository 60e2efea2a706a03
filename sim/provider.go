package sim

import (
	"math/rand/v2"
	"time"
)

// A Provider is how the register and its name servers behave.
type Provider struct {
	Name string
	Load Delay // from a request to its answer; an effect is in the middle
	Swap Delay
	Look Delay         // a question to the name servers
	Lag  time.Duration // what an agent is told of Publish: the least head start
	// Publish is from a write to when the name servers show it; writes are shown in
	// their order.
	Publish Delay

	LostRequest float64 // the share of swaps that do not arrive and get no answer
	LostReply   float64 // of swaps that arrive and get no answer
	Late        float64 // of swaps that get no answer and arrive after LateBy
	LateBy      Delay
	LoadFails   float64 // of Loads without an answer
	LookFails   float64 // of questions without an answer

	Loads, Swaps Limit // what an account may ask for; of a Limit that is the same for both, both count
	Shared       bool  // Loads is for both
	Mute         bool  // it tells no time of day

	PerLoad, PerSwap int    // requests that each takes; 0: 1
	Latencies        string // where the times come from
	Tariff           Tariff
}

// A Limit is how many requests are served: Burst at once, and Requests in each Per.
// What is too much is refused, and with Block everything after it for so long.
type Limit struct {
	Requests int // 0: no limit
	Per      time.Duration
	Burst    int // 0: Requests
	Block    time.Duration
}

func (p *Provider) fill() {
	p.Load, p.Swap, p.Look = p.Load.or(30*time.Millisecond), p.Swap.or(40*time.Millisecond), p.Look.or(20*time.Millisecond)
	for _, l := range []*Limit{&p.Loads, &p.Swaps} {
		if l.Requests > 0 && l.Per == 0 {
			l.Per = time.Second
		}
		if l.Burst == 0 {
			l.Burst = l.Requests
		}
	}
}

func (d Delay) or(median time.Duration) Delay {
	if d == (Delay{}) {
		return Delay{Min: median / 4, Median: median}
	}
	return d
}

// A bucket is a limit as it is used up.
type bucket struct {
	limit   Limit
	left    float64
	at      time.Duration
	blocked time.Duration // until then
	lowest  float64       // that was ever left
}

func newBucket(l Limit) bucket {
	return bucket{limit: l, left: float64(l.Burst), lowest: float64(l.Burst)}
}

// take tells whether one more request is served.
func (b *bucket) take(now time.Duration) bool {
	l := &b.limit
	if l.Requests == 0 {
		return true
	}
	b.left = min(float64(l.Burst), b.left+float64(l.Requests)*float64(now-b.at)/float64(l.Per))
	b.at = now
	if now < b.blocked {
		return false
	}
	if b.left < 1 {
		b.blocked = now + l.Block
		return false
	}
	b.left--
	b.lowest = min(b.lowest, b.left)
	return true
}

// used is the share of the burst that was taken at most.
func (b *bucket) used() float64 {
	if b.limit.Requests == 0 {
		return 0
	}
	return 1 - b.lowest/float64(b.limit.Burst)
}

// chance is true for a share of all cases.
func chance(rnd *rand.Rand, share float64) bool { return share > 0 && rnd.Float64() < share }
