// Package manual writes manual pages: of a tree of commands, of topics, and of a
// file that has a JSON Schema. Use [Commands] and [File].
//
// Help texts are plain text, and stay it: blank lines part paragraphs, and lines that
// begin with two spaces are kept as they are. No Markdown is understood, and nothing
// is looked up or dated that the caller did not say, so the same input gives the
// same bytes.
package manual

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// An Edition is what all pages have in common.
type Edition struct {
	Version string    // such as 1.2.3
	Date    time.Time // of the release; zero: the pages have no date
}

// A Page is one manual page, in roff with the man macros.
type Page struct {
	Name    string // such as solotick-run
	Section int
	Text    []byte
}

// File is the usual name of the file of a page, such as solotick-run.1.
func (p *Page) File() string { return fmt.Sprintf("%s.%d", p.Name, p.Section) }

// Commands returns a page in section 1 for root and each command below it that is
// not hidden, and one in section 7 for each topic of help. The pages are sorted as
// the tree is.
func Commands(root *cobra.Command, e Edition) []Page {
	var pages []Page
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		switch {
		case c.IsAdditionalHelpTopicCommand():
			pages = append(pages, topic(c, e))
		case c == root || c.IsAvailableCommand():
			pages = append(pages, command(c, e))
			for _, below := range c.Commands() {
				walk(below)
			}
		}
	}
	walk(root)
	return pages
}

// Topic returns a page of a text that belongs to no command. See names other
// pages, such as solotick(1).
func Topic(name string, section int, short, text string, see []string, e Edition) Page {
	var w writer
	w.head(name, section, short, e)
	w.section("DESCRIPTION")
	w.prose(text)
	w.seeAlso(see)
	return w.page(name, section)
}

func topic(c *cobra.Command, e Edition) Page {
	return Topic(nameOf(c), 7, c.Short, c.Long, []string{nameOf(c.Root()) + "(1)"}, e)
}

func nameOf(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func command(c *cobra.Command, e Edition) Page {
	var w writer
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	w.head(nameOf(c), 1, c.Short, e)
	w.section("SYNOPSIS")
	w.synopsis(c)
	w.section("DESCRIPTION")
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	w.prose(long)
	if c.HasAvailableSubCommands() {
		w.section("COMMANDS")
		for _, below := range c.Commands() {
			if below.IsAvailableCommand() {
				w.entry(bold(nameOf(below)) + "(1)")
				w.prose(below.Short)
			}
		}
	}
	w.flags("OPTIONS", c.NonInheritedFlags())
	w.flags("OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	if c.HasExample() {
		w.section("EXAMPLES")
		w.literal(strings.Split(c.Example, "\n"))
	}
	w.seeAlso(relatives(c))
	return w.page(nameOf(c), 1)
}

// relatives are the pages that a reader of this one may look for.
func relatives(c *cobra.Command) []string {
	var see []string
	if c.HasParent() {
		see = append(see, nameOf(c.Parent())+"(1)")
	}
	for _, other := range c.Commands() {
		if other.IsAdditionalHelpTopicCommand() {
			see = append(see, nameOf(other)+"(7)")
		}
	}
	if root := nameOf(c.Root()); c.Flag("config") != nil || !c.HasParent() {
		see = append(see, root+".yaml(5)")
	}
	return see
}

func (w *writer) synopsis(c *cobra.Command) {
	if c.HasAvailableSubCommands() {
		w.line(bold(c.CommandPath()) + " " + escape("COMMAND"))
		return
	}
	rest := strings.TrimPrefix(c.UseLine(), c.CommandPath())
	w.line(bold(c.CommandPath()) + escape(rest))
}

func (w *writer) flags(title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	w.section(title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		head := bold("--" + f.Name)
		if f.Shorthand != "" {
			head = bold("-"+f.Shorthand) + ", " + head
		}
		if kind != "" {
			head += " " + italic(kind)
		}
		w.entry(head)
		if shown := defaultOf(f); shown != "" {
			usage += " (default " + shown + ")"
		}
		w.prose(usage)
	})
}

// defaultOf is the value of a flag that is not given, if that tells anything.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return ""
	}
	if f.Value.Type() == "stringArray" || f.Value.Type() == "stringSlice" {
		return strings.Trim(f.DefValue, "[]")
	}
	return f.DefValue
}

// A writer makes one page.
type writer struct {
	bytes.Buffer
	last string // line
}

func (w *writer) page(name string, section int) Page {
	return Page{Name: name, Section: section, Text: w.Bytes()}
}

func (w *writer) head(name string, section int, short string, e Edition) {
	date := ""
	if !e.Date.IsZero() {
		date = e.Date.UTC().Format(time.DateOnly)
	}
	w.line(fmt.Sprintf(`.TH "%s" "%d" "%s" "%s" "%s"`, quoted(strings.ToUpper(name)), section, date,
		quoted(strings.TrimSpace("solotick "+e.Version)), "Solotick"))
	w.section("NAME")
	w.line(escape(name) + ` \- ` + escape(short))
}

func (w *writer) section(title string) { w.line(".SH " + escape(title)) }

// entry begins a tagged paragraph.
func (w *writer) entry(head string) {
	w.line(".TP")
	w.line(head)
}

func (w *writer) seeAlso(pages []string) {
	if len(pages) == 0 {
		return
	}
	w.section("SEE ALSO")
	for i, p := range pages {
		name, section, _ := strings.Cut(p, "(")
		end := "(" + section
		if i < len(pages)-1 {
			end += ","
		}
		w.line(bold(name) + end)
	}
}

func (w *writer) line(text string) {
	w.WriteString(text)
	w.WriteByte('\n')
	w.last = text
}
