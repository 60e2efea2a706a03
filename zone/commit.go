package zone

import (
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

// commit evaluates a batch in order, each update on top of those before it, makes it durable, shows it, and answers. If
// the disk fails nobody is told anything but SERVFAIL, not even who lost to an update that is not there now.
func (s *Server) commit(batch []*change, seen *replays) {
	rcodes := make([]int, len(batch))
	defer func() {
		for i, c := range batch {
			c.rcode <- rcodes[i]
		}
	}()
	fail := func() {
		for i := range rcodes {
			rcodes[i] = rcodeServFail
		}
	}
	if s.broken != nil && !s.repair() {
		fail()
		return
	}
	views := map[*tree]*view{}
	var order []*view
	committed := uint64(0)
	for i, c := range batch {
		v := views[c.tree]
		if v == nil {
			v = newView(c.tree)
			views[c.tree] = v
		}
		if rcodes[i] = checkPrerequisites(v, c.prereq); rcodes[i] != rcodeNoError {
			continue
		}
		if seen.refuses(c.replay) {
			rcodes[i] = rcodeRefused
			continue
		}
		var changed bool
		if changed, rcodes[i] = apply(v, c.update, s.config.Limits.Records); changed {
			committed++
			seen.add(c.replay)
		}
	}
	for _, v := range views {
		if len(v.changed) > 0 {
			order = append(order, v)
		}
	}
	if len(order) == 0 {
		return
	}
	if err := s.store.commit(order); err != nil {
		s.breakDown(err)
		fail()
		return
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
