//go:build unix

package steps

import "sync"

// Guards keeps one guard started in advance, an idle process that saves a
// command the time of starting it. The zero value keeps none until the first
// run or [Guards.Fill]. It is safe for concurrent use.
type Guards struct {
	mu     sync.Mutex
	spare  *supervisor
	closed bool
}

// Fill starts the spare guard if there is none. A failure is told by the next
// command, which then tries again.
func (g *Guards) Fill() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spare == nil && !g.closed {
		g.spare, _ = newSupervisor(nil)
	}
}

// Close ends the spare guard and keeps none from now on.
func (g *Guards) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.spare != nil {
		g.spare.discard()
		g.spare = nil
	}
}

// take returns the spare guard, or nil.
func (g *Guards) take() *supervisor {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.spare
	g.spare = nil
	return s
}
