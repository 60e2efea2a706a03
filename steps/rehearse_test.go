//go:build linux

package steps_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/steps"
)

// rehearse tells what a run of a plan would do, a line for each step.
func rehearse(t *testing.T, p *steps.Plan, state string) string {
	t.Helper()
	run := steps.Run{
		Job: "canary", Record: "canary.example.com", Agent: "A", Tick: first, Attempt: 1, Attempts: 1, Fence: 7, Last: "ok",
		State: state, Grace: time.Second, Deadline: time.Now().Add(time.Minute),
	}
	var all strings.Builder
	for _, l := range p.Rehearse(t.Context(), run) {
		mark := ""
		switch {
		case l.Failed:
			mark = " FAILS"
		case l.Done:
			mark = " done"
		}
		fmt.Fprintf(&all, "%s%s: %s\n", l.Step, mark, l.Text)
	}
	return all.String()
}

// told is a state in which an alert was told.
func told(name string) string {
	var b alert.Book
	b.Set(alert.IDOf(name), alert.Status{Phase: alert.Told, Since: first.Unix() - 60, Told: first.Unix() - 60})
	return b.String()
}

func TestRehearse(t *testing.T) {
	b := newBuilder(t)
	a := newAPI(t)
	client := web.New(web.Options{})
	defer client.Close()
	ring := new(phone)
	ring.down(errors.New("must not be told"))
	cmd := shell("touch " + t.TempDir() + "/must-not-be")
	get := func(path string) *steps.HTTP { return &steps.HTTP{URL: b.text(a.URL + path), Client: client} }
	post := &steps.HTTP{Method: "POST", URL: b.text(a.URL + "/login"), Client: client}
	onFailure := &steps.Alert{Name: "on_failure", Channel: "ops", To: ring, Text: b.text("{{ step }} {{ result }}")}
	expect := func(source string) *steps.Step { return &steps.Step{Expect: b.when(source, steps.KindHTTP)} }

	b.knows("login", steps.KindHTTP)
	b.knows("log", steps.KindHTTP)
	b.knows("warn", steps.KindAlert)
	for _, tt := range []struct {
		name  string
		plan  *steps.Plan
		state string
		want  string
		asked int
	}{
		{
			"what depends on a step that was not done is not sent", &steps.Plan{Steps: []steps.Step{
				{ID: "login", HTTP: post},
				{ID: "log", HTTP: get("/log")},
				{HTTP: get("/jobs?token={{ steps.login.json?.token }}")},
				{HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client, Header: []steps.Field{{Name: "X-Key", Text: b.text(`{{ steps["login"].text }}`)}}}},
				{If: b.when("steps.log.ok"), Command: &cmd},
				{Set: b.set("{{ steps.login.status }}")},
				{If: b.when(`state != ""`), Command: &cmd},
			}}, "",
			`login: would send POST URL/login 
log done: GET HOST: 200 in T
3: would send GET URL/jobs?token={{ steps.login.json?.token }}, which is not known here, since login was not done
4: would send GET URL, which is not known here, since login was not done
5: if steps.log.ok is true; would run touch
6: would leave a state that is not known here, since login was not done
7: if state != "": not known here, since 6 was not done
`, 1,
		},
		{
			"names that begin alike, and other ways to name a step", &steps.Plan{Steps: []steps.Step{
				{ID: "log", HTTP: post},
				{ID: "login", HTTP: get("/login")},
				{If: b.when("steps.login.ok"), Command: &cmd},
				{If: b.when(`steps["log"].ok`), Command: &cmd},
				{If: b.when("steps?.log.ok"), Command: &cmd},
				{If: b.when("let s = steps; s.log.ok"), Command: &cmd},
			}}, "",
			`log: would send POST URL/login 
login done: GET HOST: 200 in T
3: if steps.login.ok is true; would run touch
4: if steps["log"].ok: not known here, since log was not done
5: if steps?.log.ok: not known here, since log was not done
6: if let s = steps; s.log.ok: not known here, since log was not done
`, 1,
		},
		{
			"a step that may fail fails no run", &steps.Plan{Steps: []steps.Step{
				{ID: "log", HTTP: get("/log"), Expect: expect("status == 500").Expect, MayFail: true},
				{If: b.when("not steps.log.ok"), Set: b.set("x")},
			}, OnFailure: onFailure}, "",
			`log done: it fails, and may: expected status == 500; got status 200 and "{\"items\": []}"
2: if not steps.log.ok is true; would leave the state "x"
on_failure: the run is well; nothing to tell (it was not true before)
`, 1,
		},
		{
			"a run that fails", &steps.Plan{Steps: []steps.Step{{ID: "log", HTTP: get("/log"), Expect: expect("status == 500").Expect}, {Command: &cmd}}, OnFailure: onFailure}, "",
			`log FAILS: expected status == 500; got status 200 and "{\"items\": []}"
on_failure: the run fails; would tell ops (firing): canary: log failed
`, 1,
		},
		{
			"an alert is known to later steps", &steps.Plan{Steps: []steps.Step{
				{ID: "warn", Alert: &steps.Alert{Name: "warn", Channel: "ops", To: ring, When: b.when("tick > 0")}},
				{If: b.when("steps.warn.firing"), Command: &cmd},
			}}, "",
			`warn: if tick > 0 is true; would tell ops (firing): canary: tick > 0
2: if steps.warn.firing is true; would run touch
`, 0,
		},
		{
			"an alert that is not known", &steps.Plan{Steps: []steps.Step{
				{ID: "login", HTTP: post},
				{ID: "warn", Alert: &steps.Alert{Name: "warn", Channel: "ops", To: ring, When: b.when("steps.login.ok")}},
				{If: b.when("steps.warn.firing"), Command: &cmd},
			}, OnFailure: onFailure}, told("on_failure"),
			`login: would send POST URL/login 
warn: if steps.login.ok: not known here, since login was not done
3: if steps.warn.firing: not known here, since warn was not done
on_failure: whether the run is well is not known here, since login was not done
`, 0,
		},
		{
			"a run that has nothing to do says nothing", &steps.Plan{Steps: []steps.Step{{If: b.when("false"), Command: &cmd}}, OnFailure: onFailure}, told("on_failure"),
			`1: skipped: if false is false
on_failure: every step is skipped; nothing to tell
`, 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.mu.Lock()
			a.asked = nil
			a.mu.Unlock()
			got := rehearse(t, tt.plan, tt.state)
			got = strings.NewReplacer(a.URL, "URL", strings.TrimPrefix(a.URL, "http://"), "HOST").Replace(got)
			var lines []string
			for line := range strings.Lines(got) {
				if i := strings.Index(line, ": 200 in "); i >= 0 {
					line = line[:i] + ": 200 in T\n"
				}
				if i := strings.Index(line, " touch "); i >= 0 {
					line = line[:i] + " touch\n"
				}
				lines = append(lines, line)
			}
			if diff := cmp.Diff(tt.want, strings.Join(lines, "")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(a.asked) != tt.asked {
				t.Errorf("asked %q, want %d", a.asked, tt.asked)
			}
		})
	}
}
