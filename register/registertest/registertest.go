// Package registertest checks a register against the contract of package
// register, one subtest for each sentence of it, and has the tools to break one:
// [Faulty] loses, delays and doubles swaps, [Proxy] loses what goes over TCP.
//
// A provider's test calls [Test] with a function that makes fresh records:
//
//	registertest.Test(t, func(t *testing.T) registertest.Fixture { ... })
//
// There are no capability flags and no skips: an exact register passes all of
// it or is not exact. Test says nothing about what happens when the register's
// server dies, nor about speed.
package registertest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
)

// A Fixture is one fresh record, at which nothing is, and the ways to reach it.
type Fixture struct {
	// Provider and Name are what an error has to name.
	Provider, Name string
	// Secrets are what no error may show.
	Secrets []string
	// Open returns one more client of the record, each with connections of its
	// own.
	Open func() register.Register
	// Neighbour returns a client of another record that the same credential may
	// write, at which nothing is.
	Neighbour func() register.Register
	// LoseReply returns a client of the record that gets no reply to its next
	// swap, although the register applies it.
	LoseReply func() register.Register
	// LoseRequest returns a client of the record whose next swap does not reach
	// the register, and who cannot know that.
	LoseRequest func() register.Register
	// Unreachable returns a client that nobody answers: the connection is
	// refused.
	Unreachable func() register.Register
}

// timeout is for one operation: far above what a busy machine needs.
const timeout = 20 * time.Second

// Test runs the conformance suite. It calls fresh once a subtest.
func Test(t *testing.T, fresh func(t *testing.T) Fixture) {
	for _, c := range []struct {
		sentence string
		check    func(t *testing.T, f Fixture)
	}{
		{"nothing at the name is no error", absent},
		{"an old without texts creates", create},
		{"create over something conflicts and changes nothing", createOver},
		{"the result of a swap is what a Load would give", resultIsLoad},
		{"a chain of swaps needs no Load", chain},
		{"a stale snapshot conflicts and changes nothing", stale},
		{"empty texts remove", remove},
		{"old comes from another client as well", otherClient},
		{"every text survives byte for byte", bytesSurvive},
		{"several texts are one set", severalTexts},
		{"old is the whole set", wholeSet},
		{"a Load sees the latest swap", loadIsFresh},
		{"the time is in whole seconds", wholeSeconds},
		{"a neighbour is untouched", neighbour},
		{"of many swaps of one snapshot one wins", oneWins},
		{"of many creates one wins", oneCreates},
		{"a lost reply is uncertain", lostReply},
		{"a lost request is uncertain", lostRequest},
		{"a refused connection is no outcome", unreachable},
		{"a context that has ended sends nothing", cancelledBefore},
		{"a context that ends meanwhile leaves one of two truths", cancelledDuring},
		{"one client is safe for concurrent use", concurrentUse},
		{"operations are linearizable", linearizable},
		{"errors name the provider and the record and no secret", errorTexts},
	} {
		t.Run(c.sentence, func(t *testing.T) { c.check(t, fresh(t)) })
	}
}

func opContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	return ctx
}

func load(t *testing.T, r register.Register) register.Snapshot {
	t.Helper()
	s, err := r.Load(opContext(t))
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return s
}

func swap(t *testing.T, r register.Register, old register.Snapshot, texts ...string) register.Snapshot {
	t.Helper()
	s, err := r.Swap(opContext(t), old, texts)
	if err != nil {
		t.Fatalf("swap to %q: %v", texts, err)
	}
	return s
}

func wantTexts(t *testing.T, s register.Snapshot, want ...string) {
	t.Helper()
	if diff := cmp.Diff(set(want), set(s.Texts)); diff != "" {
		t.Fatalf("texts (-want +got):\n%s", diff)
	}
}

// wantHeld asks a client of its own what the register holds.
func wantHeld(t *testing.T, f Fixture, want ...string) {
	t.Helper()
	wantTexts(t, load(t, f.Open()), want...)
}

// set is texts as the set that they are, for comparison.
func set(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	if len(texts) == 0 {
		return nil
	}
	return texts
}
