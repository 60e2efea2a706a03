package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Delay is a random time: at least Min, half of the time at most Median, and in
// 99 of 100 cases at most P99, as a log-normal distribution has it. Without Median it
// is always Min; without P99 it is ten times Median.
type Delay struct{ Min, Median, P99 time.Duration }

// Fixed is a Delay that is always the same.
func Fixed(d time.Duration) Delay { return Delay{Min: d} }

// z99 is how many standard deviations of the normal distribution hold 99 %.
const z99 = 2.3263478740408408

func (d Delay) draw(rnd *rand.Rand) time.Duration {
	over := float64(d.Median - d.Min)
	if d.Median == 0 || over <= 0 {
		return max(d.Min, d.Median)
	}
	p99 := float64(d.P99 - d.Min)
	if d.P99 == 0 {
		p99 = 10 * over
	}
	sigma := math.Log(max(p99/over, 1)) / z99
	return d.Min + time.Duration(min(over*math.Exp(sigma*rnd.NormFloat64()), 1e15))
}

// after is when the next of what is repeated begins: all moments are as likely.
func (r Repeated) after(rnd *rand.Rand) time.Duration {
	return time.Duration(min(rnd.ExpFloat64()*float64(r.Every), 1e18))
}

// bucketOf is the bucket of a time, of which there are 36 for each doubling from a
// millisecond on.
func bucketOf(d time.Duration) int32 {
	ms := float64(d) / 1e6
	if ms <= 1 {
		return 0
	}
	return int32(math.Ceil(math.Log2(ms) * perOctave))
}

func topOf(bucket int32) time.Duration {
	return time.Duration(math.Exp2(float64(bucket)/perOctave) * 1e6)
}
