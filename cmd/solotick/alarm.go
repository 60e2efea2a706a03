package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/alarm"
	"github.com/solotick/solotick/notify"
)

// alarmFlags say whom an observer tells what goes wrong.
type alarmFlags struct {
	notify []string
	ping   string
}

func (f *alarmFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.notify, "notify", nil, "tell this notifier of the file what goes wrong with the records; may be repeated")
	c.Flags().StringVar(&f.ping, "ping", "", "ask for this URL every minute while all is well, or for that of a notifier ping: of the file")
}

// alarmDesk is what tells people, to be run beside the observer; nil: nobody is told
// anything. What was told is kept beside data, if that is not empty.
func (a *app) alarmDesk(f alarmFlags, file, data string, h *monitor.History, log *slog.Logger) (*alarm.Desk, error) {
	if len(f.notify) == 0 && f.ping == "" {
		return nil, nil
	}
	var c *config.Config
	if len(f.notify) > 0 || !isURL(f.ping) {
		var err error
		if c, err = a.loadConfig(file); err != nil {
			return nil, err
		}
	}
	d, err := a.alarms(c, f.notify, h, log)
	if err != nil {
		return nil, err
	}
	if data != "" {
		d.File = data + ".alarms"
	}
	if f.ping != "" {
		if d.Ping, err = pingTo(c, f.ping); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// alarms is a desk that tells the named notifiers of the file.
func (a *app) alarms(c *config.Config, names []string, h *monitor.History, log *slog.Logger) (*alarm.Desk, error) {
	d := &alarm.Desk{History: h, Log: log}
	if len(names) == 0 {
		return d, nil
	}
	chosen, err := choose(c, names)
	if err != nil {
		return nil, err
	}
	for _, n := range chosen {
		if !slices.ContainsFunc(d.Places, func(p alarm.Place) bool { return p.Name == n.Name }) {
			d.Places = append(d.Places, alarm.Place{Name: n.Name, Referenced: n.Referenced, Notifier: n.Notifier})
		}
	}
	return d, nil
}

func isURL(text string) bool { return strings.Contains(text, "://") }

// pingTo is where an observer says that all is well: a URL, or the notifier of that
// name in the file, where the URL can be kept secret.
func pingTo(c *config.Config, to string) (notify.Notifier, error) {
	if isURL(to) {
		p := &notify.Ping{URL: notify.NewSecret(to), Method: "GET"}
		if err := p.Check(); err != nil {
			return nil, usage("--ping: %w", err)
		}
		return p, nil
	}
	chosen, err := choose(c, []string{to})
	if err != nil {
		return nil, err
	}
	if _, ok := chosen[0].Notifier.(*notify.Ping); !ok {
		return nil, &failure{
			code: exitConfig, err: fmt.Errorf("--ping: the notifier %q is %s, which would tell people every minute that all is well", to, chosen[0].Kind),
			means: "nothing was started", do: "name a notifier ping: of the file, or a URL",
		}
	}
	return chosen[0].Notifier, nil
}
