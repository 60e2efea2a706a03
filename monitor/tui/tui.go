// Package tui shows on a terminal what is known of records: which of them are fine,
// when they run next, who ran them, and what servers show of them.
//
// [Run] is the whole of it: a live view of a [monitor.History], which somebody else
// feeds, until its user quits. It gives the terminal back as it was, however it
// ends.
//
// It asks no server anything and writes nothing: what an operator changes is for
// the commands. Where there is no terminal, it is of no use.
package tui

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"golang.org/x/term"

	"github.com/solotick/solotick/monitor"
)

// A Config is what a view shows, and where.
type Config struct {
	History *monitor.History
	In, Out *os.File       // the terminal; nil: those of the process
	Color   bool           // colours may be used
	Unicode bool           // the terminal shows more than ASCII
	Local   *time.Location // the user's; nil: that of the machine
	Notices <-chan string  // what the user should know, in few words; nil: nothing
}

// Run shows the view until its user quits, or ctx ends; both are no error. It
// returns an error if the terminal cannot be used.
func Run(ctx context.Context, c Config) error {
	updates, cancel := c.History.Subscribe(4096)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	return run(ctx, cmp.Or(c.In, os.Stdin), cmp.Or(c.Out, os.Stdout), c.Color, newModel(c, updates, done, time.Now()))
}

// patience is how long a terminal may take for the last screen.
const patience = 2 * time.Second

func run(ctx context.Context, in, out *os.File, colour bool, m tea.Model) error {
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("tui: no terminal to read keys from: %w", err)
	}
	profile := colorprofile.ASCII
	if colour {
		profile = colorprofile.ANSI
	}
	g := &guard{Model: m}
	p := tea.NewProgram(g, tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithColorProfile(profile), tea.WithFPS(30))
	ended := make(chan error, 1)
	go func() {
		_, err := p.Run()
		ended <- err
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		go p.Quit()
		select {
		case err = <-ended:
		case <-time.After(patience):
			// Nobody takes what is written to the terminal.
			_ = term.Restore(int(in.Fd()), before)
			return nil
		}
	}
	if err == nil {
		err = g.err()
	}
	if err != nil {
		return fmt.Errorf("tui: %w", err)
	}
	return nil
}
