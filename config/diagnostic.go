package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Diagnostic is one mistake in a file. It holds no secret.
type Diagnostic struct {
	File    string `json:"file"`
	Line    int    `json:"line"`             // from 1; 0: the file as a whole
	Column  int    `json:"column"`           // in characters, from 1
	Path    string `json:"path,omitempty"`   // as in jobs.canary.every
	Message string `json:"message"`          // what is wrong
	Hint    string `json:"hint,omitempty"`   // what to do
	Source  string `json:"source,omitempty"` // the line
	Length  int    `json:"length,omitempty"` // characters of it that are meant
}

// Diagnostics are all mistakes in a file, in the order of their places. It is
// the error of [Load] and [Parse], and marshals to a JSON array.
type Diagnostics []Diagnostic

// Error returns all of them as compilers print theirs: the place, the message,
// the line with a mark under it, and a hint.
func (d Diagnostics) Error() string {
	var b strings.Builder
	for i, one := range d {
		if i > 0 {
			b.WriteByte('\n')
		}
		one.write(&b)
	}
	return b.String()
}

func (d Diagnostic) write(b *strings.Builder) {
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(b, ":%d:%d", d.Line, d.Column)
	}
	b.WriteString(": ")
	if d.Path != "" {
		b.WriteString(d.Path + ": ")
	}
	b.WriteString(d.Message)
	if d.Source != "" {
		line, column, length := d.clip()
		fmt.Fprintf(b, "\n%5d | %s", d.Line, line)
		if column <= utf8.RuneCountInString(line)+1 {
			fmt.Fprintf(b, "\n      | %s^%s", strings.Repeat(" ", column-1), strings.Repeat("~", max(length-1, 0)))
		}
	}
	if d.Hint != "" {
		b.WriteString("\n        hint: " + d.Hint)
	}
}

// widest is how much of a long line is shown.
const widest = 120

// clip returns the part of the source line to show, and the mark's place in it.
func (d Diagnostic) clip() (line string, column, length int) {
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // a tab too: the mark has to stand below its place
			return ' '
		}
		return r
	}, d.Source))
	column = max(d.Column, 1)
	from := 0
	if len(runes) > widest {
		from = max(0, min(column-1-widest/4, len(runes)-widest))
		runes = runes[from:min(from+widest, len(runes))]
	}
	column -= from
	return string(runes), column, min(d.Length, len(runes)-column+1)
}

// sorted brings diagnostics into the order of the file, without doubles: what
// is wrong in defaults is wrong in every job.
func (d Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(d, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(d, func(a, b Diagnostic) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Message == b.Message
	})
}
