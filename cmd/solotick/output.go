package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// json prints one document. Every document has a schema field.
func (a *app) json(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func jsonFlag(c *cobra.Command, v *bool) {
	c.Flags().BoolVar(v, "json", false, "print JSON, with a schema field")
}

func (a *app) checkColor() error {
	switch a.color {
	case "auto", "always", "never":
		return nil
	}
	return usage("--color %q: want auto, always or never", a.color)
}

// colored says whether w takes colours: --color, then NO_COLOR (no-color.org),
// CLICOLOR_FORCE and TERM, then whether it is a terminal.
func (a *app) colored(w io.Writer) bool {
	switch {
	case a.color == "always":
		return true
	case a.color == "never", a.env("NO_COLOR") != "":
		return false
	case a.env("CLICOLOR_FORCE") != "" && a.env("CLICOLOR_FORCE") != "0":
		return true
	}
	return a.env("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// unicode says whether the user's locale shows more than ASCII.
func (a *app) unicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(a.env(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// A tone is how good a thing is. It has a sign and a colour; the word beside
// them says the same, so that neither is needed.
type tone uint8

const (
	good tone = iota
	doubtful
	bad
	neutral
)

// sign is a tone's mark, coloured where w takes colours.
func (a *app) sign(w io.Writer, t tone) string {
	mark := [...]string{"+", "!", "x", "-"}[t]
	if a.unicode() {
		mark = [...]string{"●", "▲", "✖", "○"}[t]
	}
	return a.paint(w, t, mark)
}

func (a *app) paint(w io.Writer, t tone, text string) string {
	if !a.colored(w) {
		return text
	}
	return "\x1b[" + [...]string{"32", "33", "31", "2"}[t] + "m" + text + "\x1b[0m"
}
