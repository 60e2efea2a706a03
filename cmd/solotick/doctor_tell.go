package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/source"
)

// elsewhere reads the list of jobs that lies elsewhere.
func (d *doctor) elsewhere(ctx context.Context, c *config.Config) []config.Job {
	if c.From == nil {
		return nil
	}
	s, err := source.New(c.From.Source)
	if err != nil {
		d.failed(exitConfig)
		d.tell("", "jobs_from", failed, "", "%v", err)
		return nil
	}
	began := time.Now()
	doc, err := s.Fetch(ctx)
	if err != nil {
		code, do := exitUnreachable, ""
		switch {
		case errors.Is(err, source.ErrDenied):
			code, do = exitRefused, "let this machine's own identity read it; agents need nothing else there"
		case errors.Is(err, source.ErrUntrusted), errors.Is(err, source.ErrNotFound), errors.Is(err, source.ErrTooLarge):
			code = exitConfig
		}
		d.failed(code)
		d.tell("", "jobs_from", failed, do, "%s: %v", s, err)
		return nil
	}
	jobs, err := c.Parse(s.String(), doc.Text)
	if err != nil {
		d.failed(exitConfig)
		d.tell("", "jobs_from", failed, "solotick validate --fetch shows all of it; agents go on with the last list that they could use", "the list has mistakes: %s", firstMistake(err))
		return nil
	}
	d.tell("", "jobs_from", passed, "", "%s: %d job%s, sha256 %s, in %s", s, len(jobs), plural(len(jobs)), doc.SHA256[:12], millis(time.Since(began)))
	return jobs
}

// firstMistake is the first of all mistakes in a line, with how many there are.
func firstMistake(err error) string {
	var all config.Diagnostics
	if !errors.As(err, &all) || len(all) == 0 {
		return err.Error()
	}
	d := all[0]
	text := fmt.Sprintf("%s:%d:%d: %s: %s", d.File, d.Line, d.Column, d.Path, d.Message)
	if d.Hint != "" {
		text += " (" + d.Hint + ")"
	}
	if n := len(all) - 1; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return text
}

// notifiers asks what can be asked without telling anybody anything.
func (d *doctor) notifiers(ctx context.Context, c *config.Config) {
	for _, n := range c.Notify {
		slack, ok := n.Notifier.(*notify.Slack)
		if !ok || !slack.Webhook.IsZero() {
			d.tell("", "notify", skipped, "", "%s (%s): nothing is sent here; solotick notify test %s sends a message", n.Name, n.Kind, n.Name)
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		who, err := slack.Who(ctx)
		cancel()
		if err != nil {
			d.failed(exitFailed)
			d.tell("", "notify", failed, "", "%s (%s): %v", n.Name, n.Kind, err)
			continue
		}
		if slack.ByName() {
			d.tell("", "notify", advice, "name the channel by its ID (in Slack: the channel's details, at the end); solotick notify test "+n.Name+" sends a message",
				"%s (%s): the token is that of %s; the channel is named %s, and when somebody renames it, no message arrives and only the log says so", n.Name, n.Kind, who, slack.Channel)
			continue
		}
		d.tell("", "notify", passed, "", "%s (%s): the token is that of %s; solotick notify test %s sends a message", n.Name, n.Kind, who, n.Name)
	}
}

// sayFinding prints a finding as a line or some.
func (a *app) sayFinding(f finding) {
	t := map[verdict]tone{passed: good, advice: doubtful, failed: bad, skipped: neutral}[f.Is]
	a.sayf("%s %s %-11s %s\n", a.sign(a.stdout, t), a.paint(a.stdout, t, fmt.Sprintf("%-7s", f.Is)), f.Check, wrap(f.Text, 76, strings.Repeat(" ", 22)))
	if f.Do != "" {
		a.sayf("%22sto do: %s\n", "", wrap(f.Do, 68, strings.Repeat(" ", 29)))
	}
}
