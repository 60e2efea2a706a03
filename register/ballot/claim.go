package ballot

import "time"

// A claim is a swap where nothing but the record set itself can be written: look,
// write, wait, and look who was the last. It is M. Fischer's algorithm (in L.
// Lamport, "A Fast Mutual Exclusion Algorithm", 1987), without clock and network, as
// an op is for ballots.
//
// Why one wins, while the times hold: whoever writes has begun to look, at most send
// before, and seen the version that is to be replaced, and the write takes effect
// within effect. When my own write is acknowledged it has taken effect, and nobody
// who begins to look lag later sees that version any more: so the last write of
// those who saw it takes effect within send + effect + lag. Whoever is found after
// that is never replaced by one of them.
type claim struct {
	old, want    string // tags
	send, settle time.Duration
	began        time.Duration
	wrote        bool
}

// A claimVerb is what a claim wants done next.
type claimVerb int

const (
	claimLooks claimVerb = iota
	claimWrites
	claimWaits
	claimEnds
)

// A claimStep is one thing to do.
type claimStep struct {
	verb    claimVerb
	wait    time.Duration
	outcome outcome
}

// settleTime is how long a claim waits. The two clocks may differ by 0.1 %.
func settleTime(send, effect, lag time.Duration) time.Duration {
	sum := send + effect + lag
	return sum + sum/1000 + time.Second
}

func newClaim(old, want string, send, settle time.Duration) claim {
	return claim{old: old, want: want, send: send, settle: settle}
}

func (c *claim) start(now time.Duration) claimStep {
	c.began = now
	return claimStep{verb: claimLooks}
}

// looked is told the tag of what is there.
func (c *claim) looked(tag string) claimStep {
	switch {
	case !c.wrote && tag == c.old:
		return claimStep{verb: claimWrites}
	case c.wrote && tag == c.want:
		return claimStep{verb: claimEnds, outcome: done}
	}
	return claimStep{verb: claimEnds, outcome: conflict}
}

// inTime says whether the write may still be sent. It is asked right before that.
func (c *claim) inTime(now time.Duration) bool { return now-c.began <= c.send }

// sent is told that the write goes out now.
func (c *claim) sent() { c.wrote = true }

// acknowledged is told that the write has taken effect.
func (c *claim) acknowledged() claimStep { return claimStep{verb: claimWaits, wait: c.settle} }

func (c *claim) waited() claimStep { return claimStep{verb: claimLooks} }

// gaveUp ends a claim where it is.
func (c *claim) gaveUp() claimStep {
	if c.wrote {
		return claimStep{verb: claimEnds, outcome: uncertain}
	}
	return claimStep{verb: claimEnds, outcome: failed}
}
