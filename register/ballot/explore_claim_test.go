package ballot

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// This file explores claims in whole seconds: a record set that the last writer
// wins, and processes that may take any time for anything but what is assumed.

// A timing is one bounded configuration.
type timing struct {
	name    string
	procs   int
	until   int  // seconds
	lag     int  // by which reads may be behind
	told    int  // the lag that the settle time counts with
	late    int  // writes that take effect at any time
	lost    int  // writes of which a process hears nothing
	winners bool // two are expected
}

const (
	claimSend   = 1 // seconds
	claimEffect = 2
)

type claimant struct {
	stage byte // 0 not begun, 1 looks, 2 is to write, 3 sent, 4 waits, 5 ended
	c     claim
	wake  int
	how   outcome
}

type flying struct {
	used, landed, late bool
	sent               int
}

type ring struct {
	now    int
	held   byte // 0: what was there at first, or 1 + the process
	before byte
	at     int // when it was changed
	procs  [3]claimant
	writes [3]flying
	late   int
	lost   int
}

func claimTag(n byte) string { return string('0' + rune(n)) }

type ringSearch struct {
	cfg    timing
	seen   map[ringKey]struct{}
	path   []string
	broken string
	ends   map[outcome]int
}

// A ringKey is a state, with times as far as they still matter.
type ringKey [32]byte

func (x *ringSearch) key(w ring) ringKey {
	k := ringKey{byte(w.now), w.held, w.before, byte(w.late), byte(w.lost)}
	ago := func(since, most int) byte { return byte(min(w.now-since, most)) }
	if w.at > 0 {
		k[5] = 1 + ago(w.at, x.cfg.lag)
	}
	for i := range x.cfg.procs {
		p, f := &w.procs[i], &w.writes[i]
		b := k[6+8*i:]
		b[0], b[1] = p.stage, byte(p.how)
		if p.c.wrote {
			b[2] = 1
		}
		if p.stage == 1 || p.stage == 2 {
			b[3] = ago(int(p.c.began/time.Second), claimSend+1)
		}
		if p.stage == 4 {
			b[4] = byte(max(0, p.wake-w.now))
		}
		if f.used && !f.landed {
			b[5] = 1 + ago(f.sent, claimEffect)
			if f.late {
				b[6] = 1
			}
		}
		if f.landed {
			b[7] = 1
		}
	}
	return k
}

func (x *ringSearch) visit(w ring) {
	if x.broken != "" {
		return
	}
	k := x.key(w)
	if _, ok := x.seen[k]; ok {
		return
	}
	x.seen[k] = struct{}{}
	won := 0
	for i := range x.cfg.procs {
		if p := w.procs[i]; p.stage == 5 && p.how == done {
			won++
			if w.held != byte(i)+1 {
				won += 2 // it was told done, and is gone
			}
		}
	}
	if won > 1 {
		x.broken = strings.Join(x.path, "\n  ")
		return
	}
	step := func(what string, next ring) {
		x.path = append(x.path, what)
		x.visit(next)
		x.path = x.path[:len(x.path)-1]
	}
	x.each(w, step)
	for i := range x.cfg.procs {
		if f := w.writes[i]; f.used && !f.landed && !f.late && w.now >= f.sent+claimEffect {
			return // it has to take effect first
		}
	}
	if w.now < x.cfg.until {
		next := w
		next.now++
		step("a second passes", next)
	}
}

func (x *ringSearch) each(w ring, step func(string, ring)) {
	now := time.Duration(w.now) * time.Second
	for i := range x.cfg.procs {
		name := fmt.Sprintf("%d at %d ", i, w.now)
		if f := w.writes[i]; f.used && !f.landed {
			next := w
			next.writes[i].landed = true
			next.before, next.held, next.at = w.held, byte(i)+1, w.now
			step(name+"write takes effect", next)
		}
		next := w
		p := &next.procs[i]
		switch p.stage {
		case 0:
			settle := settleTime(claimSend*time.Second, claimEffect*time.Second, time.Duration(x.cfg.told)*time.Second)
			p.c = newClaim(claimTag(0), claimTag(byte(i)+1), claimSend*time.Second, settle)
			x.follow(p, p.c.start(now), w.now)
			step(name+"begins to look", next)
		case 1:
			for _, tag := range x.shown(w) {
				next := w
				p := &next.procs[i]
				x.follow(p, p.c.looked(claimTag(tag)), w.now)
				step(fmt.Sprint(name, "sees ", tag), next)
			}
		case 2:
			if !p.c.inTime(now) {
				x.follow(p, p.c.gaveUp(), w.now)
				step(name+"is too late", next)
				return
			}
			p.c.sent()
			p.stage = 3
			next.writes[i] = flying{used: true, sent: w.now}
			step(name+"sends", next)
			if w.late < x.cfg.late {
				next.late++
				next.writes[i].late = true
				step(name+"sends, and it will be late", next)
			}
		case 3:
			if w.writes[i].landed {
				x.follow(p, p.c.acknowledged(), w.now)
				step(name+"is acknowledged", next)
			}
			if w.lost < x.cfg.lost {
				next := w
				next.lost++
				p := &next.procs[i]
				x.follow(p, p.c.gaveUp(), w.now)
				step(name+"hears nothing", next)
			}
		case 4:
			if w.now >= p.wake {
				x.follow(p, p.c.waited(), w.now)
				step(name+"has waited", next)
			}
		}
	}
}

// shown is what a read may show.
func (x *ringSearch) shown(w ring) []byte {
	if w.at > 0 && w.now < w.at+x.cfg.lag {
		return []byte{w.held, w.before}
	}
	return []byte{w.held}
}

func (x *ringSearch) follow(p *claimant, s claimStep, now int) {
	switch s.verb {
	case claimLooks:
		p.stage = 1
	case claimWrites:
		p.stage = 2
	case claimWaits:
		p.stage, p.wake = 4, now+int((s.wait+time.Second-1)/time.Second)
	case claimEnds:
		p.stage, p.how = 5, s.outcome
		x.ends[s.outcome]++
	}
}

// TestExploreClaims searches every order of what claims do.
func TestExploreClaims(t *testing.T) {
	total, ends := 0, map[outcome]int{}
	for _, cfg := range []timing{
		{name: "two claim", procs: 2, until: 14},
		{name: "two claim, one write lost", procs: 2, until: 14, lost: 1},
		{name: "three claim", procs: 3, until: 11, lost: 1},
		{name: "two claim, lists are behind", procs: 2, until: 14, lag: 2, told: 2},
		{name: "two claim, a write takes effect too late", procs: 2, until: 14, late: 1, winners: true},
		{name: "two claim, lists are behind and nobody knows", procs: 2, until: 14, lag: 3, winners: true},
	} {
		start := time.Now()
		x := &ringSearch{cfg: cfg, seen: map[ringKey]struct{}{}, ends: ends}
		x.visit(ring{})
		total += len(x.seen)
		found := ""
		if x.broken != "" {
			found = "two swaps were told done, or one is gone"
		}
		t.Logf("%-46s %7d states %4.1f s  %s", cfg.name, len(x.seen), time.Since(start).Seconds(), found)
		if (x.broken != "") != cfg.winners {
			t.Errorf("%s: violated %v, want %v\n  %s", cfg.name, x.broken != "", cfg.winners, x.broken)
			if *exploreFirst {
				return
			}
		}
	}
	t.Logf("%d states in all; %v", total, ends)
	for _, how := range []outcome{done, conflict, uncertain, failed} {
		if ends[how] == 0 {
			t.Errorf("no claim ended %v: it searches nothing", how)
		}
	}
}
