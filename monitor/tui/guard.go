package tui

import (
	"fmt"
	"runtime/debug"
	"sync"

	tea "charm.land/bubbletea/v2"
)

// A guard is a view that a panic ends as q does, so that the terminal is given back
// first and the panic told afterwards.
type guard struct {
	tea.Model

	mu    sync.Mutex
	first error // of the panics
}

// caught is to be deferred. It says with quit what to do instead.
func (g *guard) caught(quit func()) {
	if r := recover(); r != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.first == nil {
			g.first = fmt.Errorf("a mistake in the program: %v\n%s", r, debug.Stack())
		}
		quit()
	}
}

func (g *guard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.first
}

// Init implements tea.Model.
func (g *guard) Init() tea.Cmd { return g.command(g.Model.Init()) }

// Update implements tea.Model.
func (g *guard) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	defer g.caught(func() { next, cmd = g, tea.Quit })
	_, cmd = g.Model.Update(msg)
	return g, g.command(cmd)
}

// command is a command that is guarded, with those that it stands for.
func (g *guard) command(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer g.caught(func() { msg = tea.QuitMsg{} })
		msg = cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for i, one := range batch {
				batch[i] = g.command(one)
			}
		}
		return msg
	}
}
