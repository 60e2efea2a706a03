package elect

import (
	"testing"
	"time"
)

func TestCheckOfTheLease(t *testing.T) {
	for _, c := range []struct {
		name              string
		lease, swap, kill time.Duration
		want              string // the error; "": none
	}{
		{"a request is quick", 12 * time.Second, 0, 3 * time.Second, ""},
		{"no room for the end of a run", 11 * time.Second, 0, 3 * time.Second, "lease 11s: want at least three times kill_grace + 1s, 12s"},
		{"a swap that takes its time", 201 * time.Second, 63 * time.Second, 3 * time.Second, ""},
		{"no room for three of them", 200 * time.Second, 63 * time.Second, 3 * time.Second, "lease 3m20s: want at least three times what a swap takes, 1m3s, + kill_grace + 1s, 3m21s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Policy{Schedule: grid(600), Lease: c.lease, SwapTime: c.swap, KillGrace: c.kill}
			p.Fill()
			got := ""
			if err := p.Check(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// What goes with the lease is filled with it or not at all: zero is a choice beside one.
func TestFill(t *testing.T) {
	for _, c := range []struct {
		name                           string
		p                              Policy
		lease, kill, headStart, spread time.Duration
	}{
		{"nothing is set", Policy{}, 15 * time.Second, 3 * time.Second, 2 * time.Second, 3 * time.Second},
		{"all but the lease", Policy{KillGrace: 1, HeadStart: 2, Spread: 4}, 15 * time.Second, 1, 2, 4},
		{"the lease", Policy{Lease: 3 * time.Second}, 3 * time.Second, 0, 0, 0},
		{"the lease and one more", Policy{Lease: 6 * time.Second, KillGrace: time.Second}, 6 * time.Second, time.Second, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.p
			p.Fill()
			if p.Lease != c.lease || p.KillGrace != c.kill || p.HeadStart != c.headStart || p.Spread != c.spread {
				t.Errorf("%v %v %v %v", p.Lease, p.KillGrace, p.HeadStart, p.Spread)
			}
			p.Schedule = grid(600)
			if err := p.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckOfALock(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Policy
		want string // the error; "": none
	}{
		{"no schedule is needed", Policy{Lock: true}, ""},
		{"nor wanted", Policy{Lock: true, Schedule: grid(60)}, "a lock has no schedule"},
		{"no at-most-once", Policy{Lock: true, AtMostOnce: true}, "a lock is not held at most once"},
		{"a job has one", Policy{}, "no schedule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.p.Fill()
			got := ""
			if err := c.p.Check(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
