package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/steps"
)

// TestJSONDurations wants seconds, also below groups and With, and nothing else changed.
func TestJSONDurations(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: io.Discard, stderr: &out, env: func(string) string { return "" }}
	log, err := a.logger(logFlags{format: "json", level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	log.With("lease", time.Minute).WithGroup("run").Info("ran", "took", 3031*time.Millisecond, "fence", int64(1795417503000), "result", "ok")
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "ran", "lease": 60.0,
		"run": map[string]any{"took": 3.031, "fence": 1795417503000.0, "result": "ok"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
}

// hostile are texts of a server or of a list that would write over a terminal, or
// begin a line that nobody has logged.
var hostile = []string{"\x1b]0;owned\x07", "\u009b2J", "a\nINFO faked", "\u202egnp.exe", "\xff\x1b[2J", "a\u2028b"}

// showsOneLine checks what was printed of a hostile text.
func showsOneLine(t *testing.T, printed string, lines int) {
	t.Helper()
	if n := strings.Count(printed, "\n"); n != lines || strings.ContainsFunc(printed, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Errorf("%d lines: %q", n, printed)
	}
}

// TestHostileLog logs texts of others in lines for people.
func TestHostileLog(t *testing.T) {
	for _, text := range hostile {
		var out bytes.Buffer
		a := &app{stdout: io.Discard, stderr: &out, env: func(string) string { return "" }}
		log, err := a.logger(logFlags{format: "text", level: "info"})
		if err != nil {
			t.Fatal(err)
		}
		log.With("from", text).Info("what it printed", "output", text, "err", errors.New(text), "job", text)
		showsOneLine(t, out.String(), 1)
	}
}

// TestHostileWords prints texts of others.
func TestHostileWords(t *testing.T) {
	for _, text := range hostile {
		var out bytes.Buffer
		a := &app{stdout: &out, stderr: &out, env: func(string) string { return "" }}
		a.showRehearsal(dryRunOfJob{Job: "canary", Note: text, Steps: []steps.Line{{Step: "api", Text: text, Answer: text}}})
		showsOneLine(t, out.String(), 4)

		out.Reset()
		d := &doctor{app: a}
		d.tell("", "jobs_from", failed, text, "%s", text)
		showsOneLine(t, out.String(), 2)

		out.Reset()
		a.end(&cobra.Command{Use: "solotick"}, &failure{code: 1, err: errors.New(text)})
		showsOneLine(t, out.String(), 1+strings.Count(text, "\n"))
	}
}

// TestLogAdvises has what to do about an error in the line that warns of it.
func TestLogAdvises(t *testing.T) {
	refused := fmt.Errorf("load: %w", &register.Problem{Err: register.ErrRefused, Do: "make a token"})
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		a := &app{stdout: io.Discard, stderr: &out, env: func(string) string { return "" }}
		log, err := a.logger(logFlags{format: format, level: "debug"})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			err  error
			want string
		}{
			{refused, "make a token"},
			{&failure{err: errors.New("weaker"), do: "accept it"}, "accept it"},
			{errors.New("lost"), ""},
		} {
			out.Reset()
			log.With("job", "canary").Warn("cannot read", "err", test.err, "tries", 1)
			if got := out.String(); strings.Contains(got, "to_do") != (test.want != "") || !strings.Contains(got, test.want) {
				t.Errorf("%s: %v: %s", format, test.err, got)
			}
		}
		out.Reset()
		log.Debug("cannot read", "err", refused)
		if got := out.String(); strings.Contains(got, "to_do") {
			t.Errorf("%s: %s", format, got)
		}
	}
}
