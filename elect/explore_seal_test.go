package elect

import (
	"slices"
	"time"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// This file is what the explorer knows of keys. What an agent makes of a text, the
// real code says; what it should make of it, [explorer.opens].

// sealings are the configurations of agents that have not the same keys.
func sealings(with func(string, func(*config))) {
	hand := []kind{sealed, movedIn, deleted, damaged, rollback}
	with("one has the wrong key", func(c *config) {
		c.rings = [][]uint8{{1}, {2}}
		c.faults, c.limits, c.until = 2, upTo(2, join(hand, []kind{crash, freeze, swapUnheard, swapLate, shutdown})...), 128
	})
	with("register away, keys rolled out", func(c *config) {
		c.rings = [][]uint8{{2, 1}, {1, 2}, {1}}
		c.policy = func(p *Policy) { p.OutageAfter = 2 * time.Second }
		c.agents, c.faults, c.limits, c.until = 3, 2, all(away, sealed, movedIn, crash, swapUnheard, lookStale), 125
	})
	with("keys rolled out", func(c *config) {
		c.rings = [][]uint8{{2, 1}, {1, 2}, {1}}
		c.agents, c.faults, c.limits, c.until = 3, 2, all(join(hand, []kind{crash, swapUnheard, swapLate, freeze})...), 125
	})
}

// opens says whether agent i has what a text takes to be read.
func (x *explorer) opens(i int, t text) bool {
	return t.key == 0 || !t.moved && slices.Contains(x.cfg.rings[i], t.key)
}

// unreadable tells texts that no agent is to open.
func (t text) unreadable() bool { return t.state == record.Unopenable || t.moved }

// writes is the key that agent i seals with; 0: none.
func (x *explorer) writes(i int) uint8 {
	if x.cfg.rings == nil {
		return 0
	}
	return x.cfg.rings[i][0]
}

// written is a record as agent i writes it over a text.
func (x *explorer) written(i int, r record.Record, old text) text {
	return text{state: record.Present, rec: r, foreign: old.foreign, key: x.writes(i)}
}

// A reader is one text as one agent reads it.
type reader struct {
	agent int
	text  text
}

// opened is what agent i makes of a text, by the real code.
func (x *explorer) opened(i int, t text) (record.State, record.Record) {
	if x.cfg.rings == nil || t.state != record.Present {
		return t.state, t.rec
	}
	if s, ok := x.read[reader{i, t}]; ok {
		return s.State, s.Record
	}
	at := exploredName
	if t.moved {
		at = "other." + at
	}
	by := seal.Ring{Seal: []seal.Key{exploredKey(t.key)}}
	set := record.ReadAs(x.ring(i).Form(exploredName), []string{by.Form(at).Close(t.rec.String())}, 0)
	x.read[reader{i, t}] = set
	return set.State, set.Record
}

const exploredName = "job.example.com"

func exploredKey(n uint8) seal.Key { return seal.NewKey([32]byte{n}) }

func (x *explorer) ring(i int) *seal.Ring {
	r := new(seal.Ring)
	for _, n := range x.cfg.rings[i] {
		r.Seal = append(r.Seal, exploredKey(n))
	}
	return r
}

// sealing adds what protects a text, where anything does.
func (h *hash) sealing(t *text) {
	if t.key > 0 {
		h.word(uint64(t.key))
		h.flags(t.moved)
	}
}
