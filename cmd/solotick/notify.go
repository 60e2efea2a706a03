package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/notify"
)

func (a *app) notifyCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use: "test [NAME...]", Short: "Send a test message to each notifier of the file",
		Long: `Send a test message to the notifiers of the file, or to those named, and tell what
became of it. 1 if any was not accepted.`,
		Example: "  solotick notify test\n  solotick notify test ops -c solotick.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.notifyTest(ctx, file, args, asJSON)
		},
	}
	a.fileFlag(c, &file)
	jsonFlag(c, &asJSON)
	return group("notify", "Where people are told", c)
}

// A notified is what became of one test message.
type notified struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Result string  `json:"result"` // accepted, refused or unknown
	TookMS float64 `json:"took_ms"`
	Error  string  `json:"error,omitempty"`
}

func (a *app) notifyTest(ctx context.Context, file string, names []string, asJSON bool) error {
	c, err := a.loadConfig(file)
	if err != nil {
		return err
	}
	chosen, err := choose(c, names)
	if err != nil {
		return err
	}
	doc := struct {
		Schema    string     `json:"schema"`
		Notifiers []notified `json:"notifiers"`
	}{"solotick.notify-test/v1", []notified{}}
	code := exitOK
	for _, n := range chosen {
		one := tryNotifier(ctx, n)
		doc.Notifiers = append(doc.Notifiers, one)
		if one.Result != "accepted" {
			code = exitFailed
		}
		if !asJSON {
			t := map[string]tone{"accepted": good, "unknown": doubtful, "refused": bad}[one.Result]
			a.sayf("%s %s (%s): %s, %.0f ms\n", a.sign(a.stdout, t), one.Name, one.Kind, a.paint(a.stdout, t, one.Result), one.TookMS)
			if one.Error != "" {
				a.sayf("  %s\n", wrap(one.Error, 90, "  "))
			}
		}
	}
	if asJSON {
		if err := a.json(doc); err != nil {
			return err
		}
	}
	return exit(code)
}

// choose finds notifiers by their names; none stands for all.
func choose(c *config.Config, names []string) ([]config.Notifier, error) {
	if len(c.Notify) == 0 {
		return nil, &failure{code: exitConfig, err: errors.New("the file has no notifiers"), means: "nobody is told anything", do: "add a section notify: to the file; solotick init shows one"}
	}
	if len(names) == 0 {
		return c.Notify, nil
	}
	var all []config.Notifier
	for _, name := range names {
		i := slices.IndexFunc(c.Notify, func(n config.Notifier) bool { return n.Name == name })
		if i < 0 {
			var known []string
			for _, n := range c.Notify {
				known = append(known, n.Name)
			}
			hint := didYouMean("", name, known)
			if hint == "" {
				hint = "; it has: " + strings.Join(known, ", ")
			}
			return nil, usage("no notifier %q in the file%s", name, hint)
		}
		all = append(all, c.Notify[i])
	}
	return all, nil
}

func tryNotifier(ctx context.Context, n config.Notifier) notified {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	now := time.Now().UTC().Truncate(time.Second)
	begin := time.Now()
	_, err := n.Notify(ctx, &notify.Message{
		Kind: notify.Test, Severity: notify.Info, Job: "test", Alert: n.Name, Title: "A test of Solotick",
		Text: fmt.Sprintf("If you can read this, messages to %q arrive.", n.Name), Tick: now, Attempt: 1, Agent: "TEST", Since: now,
	})
	one := notified{Name: n.Name, Kind: n.Kind, Result: "accepted", TookMS: float64(time.Since(begin).Microseconds()) / 1000}
	switch {
	case errors.Is(err, notify.ErrUncertain):
		one.Result = "unknown"
	case err != nil:
		one.Result = "refused"
	}
	if err != nil {
		one.Error = err.Error()
	}
	return one
}
