package sim

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestQueue has events come in the order of time, and of planning.
func TestQueue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var q queue
	var last event
	planned, came := 0, 0
	for planned < 20_000 || len(q.heap) > 0 {
		if planned < 20_000 && (len(q.heap) == 0 || rnd.IntN(3) > 0) {
			q.plan(event{at: last.at + time.Duration(rnd.IntN(50))})
			planned++
			continue
		}
		e, _ := q.next()
		if came > 0 && e.before(&last) {
			t.Fatalf("%+v comes after %+v", e, last)
		}
		last = e
		came++
	}
	if _, ok := q.next(); ok || came != planned {
		t.Errorf("%d of %d came", came, planned)
	}
}

// TestDelay has a delay keep to its quantiles.
func TestDelay(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	d := Delay{Min: 10 * time.Millisecond, Median: 50 * time.Millisecond, P99: time.Second}
	below, beyond, n := 0, 0, 100_000
	for range n {
		v := d.draw(rnd)
		switch {
		case v < d.Min:
			t.Fatalf("%v is less than %v", v, d.Min)
		case v < d.Median:
			below++
		case v > d.P99:
			beyond++
		}
	}
	if below < 49*n/100 || below > 51*n/100 || beyond < 8*n/1000 || beyond > 12*n/1000 {
		t.Errorf("%d of %d below the median, %d beyond the 99th percentile", below, n, beyond)
	}
	if v := Fixed(time.Second).draw(rnd); v != time.Second {
		t.Errorf("%v is not fixed", v)
	}
}

// TestDistribution has quantiles be right to 2 %.
func TestDistribution(t *testing.T) {
	var d Distribution
	for i := range 10_000 {
		d.add(time.Duration(i) * time.Millisecond)
	}
	d.sum()
	for want, got := range map[time.Duration]time.Duration{5 * time.Second: d.P50, 9 * time.Second: d.P90, 9900 * time.Millisecond: d.P99} {
		if off := got - want; off.Abs() > want/40 {
			t.Errorf("%v, want about %v", got, want)
		}
	}
	if d.Count != 10_000 || d.Longest != 9999*time.Millisecond {
		t.Errorf("%d, the longest %v", d.Count, d.Longest)
	}
}
