package ballot

import (
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// left is what a process that is gone has left: a version that was decided.
func left(by string, slot uint64) owned {
	s := slip{slot: slot, mbal: 1, bal: 1, prev: "x", id: by + "-1", text: []string{"old"}}
	if slot == 1 {
		s.prev = zeroID
	}
	return owned{by, s}
}

var old = []owned{left("b5", 3)}

// searches are small enough to be searched whole. Where lists are not atomic, each
// record is read by itself, and everything can happen between two of them.
var searches = []search{
	{name: "two create", scripts: []string{"S", "SL"}, rounds: 2},
	{name: "two swap", scripts: []string{"LS", "LSL"}, begin: old, rounds: 2},
	{name: "two swap a text that stood there", scripts: []string{"LS", "LS"}, plain: "plain", rounds: 2},
	{name: "a crash", scripts: []string{"S", "S"}, rounds: 1, crashes: 1},
	{name: "a lost write", scripts: []string{"LS", "LS"}, begin: old, rounds: 2, losses: 1},
	{name: "records are deleted", scripts: []string{"LSSE", "L"}, begin: old, rounds: 1, deletes: 2},
	{name: "two swap and one loads", scripts: []string{"S", "S", "L"}, rounds: 1},
	{name: "two crashes, atomic lists", scripts: []string{"S", "SL"}, rounds: 1, crashes: 2, atomic: true},
	{name: "two lost writes, atomic lists", scripts: []string{"LSLS", "LS"}, begin: old, rounds: 2, losses: 2, atomic: true},
	{name: "a lost write and a crash, atomic lists", scripts: []string{"S", "SL"}, rounds: 1, losses: 1, crashes: 1, atomic: true},
	{name: "three versions, atomic lists", scripts: []string{"LSS", "LSSL"}, begin: old, rounds: 2, losses: 1, atomic: true},
	{name: "the time is up, atomic lists", scripts: []string{"LSLS", "LS"}, begin: old, rounds: 2, giveUps: 1, losses: 1, atomic: true},
	{name: "records are deleted, atomic lists", scripts: []string{"LSSE", "LS"}, begin: old, rounds: 2, deletes: 2, losses: 1, atomic: true},
	{name: "three swap, atomic lists", scripts: []string{"S", "S", "SL"}, rounds: 1, atomic: true},
	{name: "three swap, one write lost, atomic lists", scripts: []string{"S", "S", "L"}, rounds: 1, losses: 1, atomic: true},
}

// stale are searches with lists that do not show what was acknowledged. Nothing
// holds then, which is why the class is not Exact.
var stale = []search{
	{name: "stale lists: Loads", scripts: []string{"LS", "L"}, begin: old, rounds: 1, stale: 2, wrong: "although"},
	{name: "stale lists: swaps", scripts: []string{"S", "S"}, rounds: 1, stale: 4, wrong: "two versions"},
}

// TestExplore searches every order of every step.
func TestExplore(t *testing.T) {
	t.Parallel()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	total, ends := 0, map[string]int{}
	for _, cfg := range append(searches, stale...) {
		start := time.Now()
		x := explore(cfg)
		total += len(x.seen)
		for end, n := range x.ends {
			ends[end] += n
		}
		t.Logf("%-40s %8d states %5.1f s  %s", cfg.name, len(x.seen), time.Since(start).Seconds(), x.broken)
		switch {
		case cfg.wrong == "" && x.broken != "":
			t.Errorf("%s", x.explain())
			if *exploreFirst {
				return
			}
		case !strings.Contains(x.broken, cfg.wrong):
			t.Errorf("%s: found %q, want a violation: %s", cfg.name, x.broken, cfg.wrong)
		}
	}
	t.Logf("%d states in all; %v", total, ends)
	for _, how := range []string{"load done", "load failed", "swap done", "swap conflict", "swap uncertain", "swap failed"} {
		if ends[how] == 0 {
			t.Errorf("no %s in any search: it searches nothing", how)
		}
	}
}
