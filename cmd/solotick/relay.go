package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// A relay passes the signals that this process gets on to a command that it runs.
// Without one, a signal that ends processes ends what this one waits for.
type relay struct {
	heard chan os.Signal
	done  chan struct{} // closed when nobody listens any more

	mu    sync.Mutex
	to    chan os.Signal // nil: there is no command
	over  chan struct{}  // closed when the command has ended
	ended syscall.Signal // that ended the wait; 0: none
	last  syscall.Signal // that was passed on and ends processes; 0: none
	wait  func()         // ends the wait
	end   func()         // what a signal does without a command: wait, or another
}

// relaySignals listens from now on. A signal that comes while there is no command
// calls wait.
func relaySignals(wait func()) *relay {
	r := &relay{heard: make(chan os.Signal, 64), done: make(chan struct{}), wait: wait, end: wait}
	for _, s := range passedOn() {
		if !signal.Ignored(s) { // as nohup has it
			signal.Notify(r.heard, s)
		}
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a reader that is gone is no reason to leave a command alone
	go func() {
		for {
			select {
			case s := <-r.heard:
				r.take(s)
			case <-r.done:
				return
			}
		}
	}()
	return r
}

func (r *relay) take(s os.Signal) {
	n, _ := s.(syscall.Signal)
	if to, over := r.way(n); to != nil {
		// A second one is taken only when the first has been passed on.
		for _, s := range []os.Signal{asPassedOn(s), nil} {
			select {
			case to <- s:
			case <-over:
			}
		}
	}
	suspendWith(n)
}

// way is where a signal goes; without a command it is judged here.
func (r *relay) way(n syscall.Signal) (chan<- os.Signal, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !endsProcesses(n):
	case r.to != nil:
		r.last = n
	default:
		if r.ended == 0 {
			r.ended = n
		}
		r.end()
	}
	return r.to, r.over
}

// begin has signals go to a command from now on. It is too late for one if a signal
// has ended the wait: then nothing is begun any more.
func (r *relay) begin() (<-chan os.Signal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != 0 {
		return nil, false
	}
	r.to, r.over, r.last = make(chan os.Signal), make(chan struct{}), 0
	return r.to, true
}

// finish says that the command has ended, and returns the signal that asked for
// that, or 0. A signal now calls end.
func (r *relay) finish(end func()) syscall.Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil {
		close(r.over)
	}
	r.to, r.end = nil, end
	return r.last
}

// again has a signal end a wait, as before the command, or one that came since.
func (r *relay) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end = r.wait; r.ended != 0 {
		r.wait()
	}
}

// stop listens no more, and returns the signal that ended a wait, or 0.
func (r *relay) stop() syscall.Signal {
	signal.Stop(r.heard)
	close(r.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}
