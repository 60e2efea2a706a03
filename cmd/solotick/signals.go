package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// twin is how soon after a signal another is the same once more: who ends a process
// by its group as well, as timeout does, sends it two.
const twin = 100 * time.Millisecond

// Signals are what a command that runs on hears from outside.
type signals struct {
	reload <-chan os.Signal // HUP
	again  <-chan int       // the number of a second TERM or INT: end now
	stop   func()           // listen no more
}

// signals returns a context that ends at the first TERM or INT. Once it was called, a
// write to a pipe that nobody reads fails, rather than ending the process: the
// loss of a log's reader is no reason to drop a run.
func (a *app) signals(ctx context.Context) (context.Context, signals) {
	ctx, cancel := context.WithCancel(ctx)
	end, hup := make(chan os.Signal, 2), make(chan os.Signal, 1)
	again := make(chan int, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case <-done:
				// The second of two may be under way although all has ended.
				time.AfterFunc(twin-time.Since(first), func() { signal.Stop(end) })
				return
			case s := <-end:
				if !first.IsZero() && time.Since(first) < twin {
					continue
				}
				if first.IsZero() {
					first = time.Now()
					cancel()
					if isTerminal(a.stderr) {
						fmt.Fprintln(a.stderr, "\nending; once more ends now")
					}
					continue
				}
				n, _ := s.(syscall.Signal)
				again <- int(n)
				return
			}
		}
	}()
	return ctx, signals{reload: hup, again: again, stop: func() {
		signal.Stop(hup)
		cancel()
		close(done)
	}}
}
