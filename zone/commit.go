package zone

import (
	"fmt"
	"runtime/debug"
	"time"
)

const (
	maxBatch   = 256             // updates in one transaction
	retryAfter = 2 * time.Second // between attempts to write after the disk failed
)

// change is one UPDATE that waits for the committer.
type change struct {
	tree   *tree
	prereq []record
	update []record
	replay replay
	rcode  chan int // receives one

	remembered bool // as a replay; the committer's
}

// submit has the committer make a change, and waits until it is on disk or refused.
func (s *Server) submit(c *change) int {
	select {
	case s.updates <- c:
		return <-c.rcode
	case <-s.done:
		return rcodeServFail
	}
}

// commitLoop is the only writer of trees and store. All updates that arrive while the disk is busy share the next
// transaction, so that the rate of updates is not bounded by that of syncs.
func (s *Server) commitLoop() {
	defer s.store.close()
	seen := newReplays()
	for {
		var batch []*change
		select {
		case c := <-s.updates:
			batch = append(batch, c)
		case <-s.done:
			return
		}
	gather:
		for len(batch) < maxBatch {
			select {
			case c := <-s.updates:
				batch = append(batch, c)
			default:
				break gather
			}
		}
		s.commit(batch, seen)
	}
}

// commit makes a batch of changes and tells everyone what came of his. If the disk fails nobody is told anything but
// SERVFAIL, not even who lost to an update that is not there now.
func (s *Server) commit(batch []*change, seen *replays) {
	rcodes := make([]int, len(batch))
	err := s.broken
	if err == nil || s.repair() {
		if err = s.tryCommit(batch, rcodes, seen); err != nil {
			s.breakDown(err)
		}
	}
	for i, c := range batch {
		if err != nil {
			rcodes[i] = rcodeServFail
			if c.remembered {
				seen.forget(c.replay)
			}
		}
		c.rcode <- rcodes[i]
	}
}

// tryCommit evaluates a batch in order, each update on top of those before it, makes it durable, and shows it. After an
// error nobody knows what is on disk.
func (s *Server) tryCommit(batch []*change, rcodes []int, seen *replays) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.stats.panics.Add(1)
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	views := map[*tree]*view{}
	committed := uint64(0)
	for i, c := range batch {
		v := views[c.tree]
		if v == nil {
			v = newView(c.tree)
			views[c.tree] = v
		}
		changed := false
		rcodes[i] = rcodeServFail
		s.safely(func() { changed, rcodes[i] = s.evaluate(v, c, seen) })
		if changed {
			committed++
		}
	}
	var order []*view
	for _, v := range views {
		if len(v.changed) > 0 {
			order = append(order, v)
		}
	}
	if len(order) == 0 {
		return nil
	}
	if err := s.store.commit(order); err != nil {
		return err
	}
	s.stats.committed.Add(committed)
	for _, v := range order {
		v.tree.mu.Lock()
		for key, n := range v.changed {
			v.tree.put(key, n)
		}
		v.tree.mu.Unlock()
	}
	s.notify(order)
	return nil
}

// evaluate makes one update on v: all of it or nothing.
func (s *Server) evaluate(v *view, c *change, seen *replays) (changed bool, rcode int) {
	if rcode := checkPrerequisites(v, c.prereq); rcode != rcodeNoError {
		return false, rcode
	}
	if seen.refuses(c.replay) {
		return false, rcodeRefused
	}
	if changed, rcode = apply(v, c.update, s.config.Limits.Records); changed {
		seen.add(c.replay)
		c.remembered = true
	}
	return changed, rcode
}

func (s *Server) breakDown(err error) {
	if s.broken == nil {
		s.log.Error("the disk failed: every update is answered SERVFAIL until a new database file can be written", "err", err)
	}
	s.broken, s.retry = err, time.Now().Add(retryAfter)
}

// repair writes all that was acknowledged into a new file, and reports whether updates can be accepted again.
func (s *Server) repair() bool {
	if time.Now().Before(s.retry) {
		return false
	}
	if err := s.store.rewrite(s.stored); err != nil {
		s.breakDown(err)
		return false
	}
	s.log.Info("the disk works again: updates are accepted")
	s.broken = nil
	return true
}
