package tui

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/solotick/solotick/elect"
)

// A style is how a text looks: one colour of the terminal's own sixteen, which its
// user has chosen to be readable, and what goes with it.
type style uint8

const (
	normal style = iota
	fine
	doubtful
	bad
	faint
	accent
	colours = 1<<4 - 1

	bold    style = 1 << 4
	reverse style = 1 << 5
)

func toneOf(l elect.Level) style {
	switch l {
	case elect.LevelFine:
		return fine
	case elect.LevelDoubtful:
		return doubtful
	case elect.LevelBad:
		return bad
	}
	return faint
}

// A span is a text that looks the same all through.
type span struct {
	text  string
	style style
}

// A line is one line of the screen. What is put into one is plain, and its width is
// known.
type line struct {
	spans []span
	width int
}

// put appends a text.
func (l *line) put(text string, s style) *line {
	text = plain(text)
	if text == "" {
		return l
	}
	l.width += cells(text)
	if n := len(l.spans) - 1; n >= 0 && l.spans[n].style == s {
		l.spans[n].text += text
		return l
	}
	l.spans = append(l.spans, span{text, s})
	return l
}

// to appends space up to a column, at least one cell if there is anything before
// it.
func (l *line) to(column int) *line {
	n := column - l.width
	if n < 1 && l.width > 0 {
		n = 1
	}
	if n > 0 {
		l.put(strings.Repeat(" ", n), normal)
	}
	return l
}

// join appends another line.
func (l *line) join(o line) *line {
	l.spans = append(l.spans, o.spans...)
	l.width += o.width
	return l
}

// cut takes away what is beyond a width, and says so with more.
func (l *line) cut(width int, more string) *line {
	if l.width <= width {
		return l
	}
	room := width - cells(more)
	if room < 0 {
		more, room = "", width
	}
	var out line
	last := normal
	for _, s := range l.spans {
		last = s.style
		if n := cells(s.text); n <= room {
			out.spans, out.width, room = append(out.spans, s), out.width+n, room-n
			continue
		}
		out.put(head(s.text, room), s.style)
		break
	}
	*l = *out.put(more, last)
	return l
}

// field is a text in a column of a fixed width.
func (l *line) field(text string, width int, s style, more string) *line {
	text = plain(text)
	var f line
	f.put(text, s).cut(width, more)
	if n := width - f.width; n > 0 {
		f.put(strings.Repeat(" ", n), normal)
	}
	return l.join(f)
}

// right is field with its text at the right.
func (l *line) right(text string, width int, s style, more string) *line {
	var f line
	f.put(text, s).cut(width, more)
	if n := width - f.width; n > 0 {
		l.put(strings.Repeat(" ", n), normal)
	}
	return l.join(f)
}

// plain makes text from outside safe to show: no control characters, and none
// about whose width terminals disagree, since they would shift all that follows.
func plain(text string) string {
	if !odd(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && r >= ' ':
			return r
		case !unicode.IsGraphic(r), unicode.In(r, unicode.M), !sure(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func odd(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return true
		}
	}
	return false
}

// sure says whether a character has the same width, one or two cells, alone and
// beside others, by either way in which terminals measure.
func sure(r rune) bool {
	if unicode.Is(regional, r) || unicode.Is(joining, r) {
		return false
	}
	w, among := ansi.StringWidthWc(string(r)), "a"+string(r)+"a"
	return w > 0 && w+2 == ansi.StringWidth(among) && w+2 == ansi.StringWidthWc(among)
}

var (
	// Two of these are one flag.
	regional = &unicode.RangeTable{R32: []unicode.Range32{{Lo: 0x1F1E6, Hi: 0x1F1FF, Stride: 1}}}
	// These join others: letters of Hangul that make up one syllable, and shades of
	// skin.
	joining = &unicode.RangeTable{
		R16: []unicode.Range16{{Lo: 0x1100, Hi: 0x11FF, Stride: 1}, {Lo: 0xA960, Hi: 0xA97F, Stride: 1}, {Lo: 0xD7B0, Hi: 0xD7FF, Stride: 1}},
		R32: []unicode.Range32{{Lo: 0x1F3FB, Hi: 0x1F3FF, Stride: 1}},
	}
)

// cells is the width of a plain text.
func cells(text string) int {
	if !odd(text) {
		return len(text)
	}
	return ansi.StringWidthWc(text)
}

// head is as much of a plain text as has room.
func head(text string, room int) string {
	n := 0
	for i, r := range text {
		w := 1
		if r > unicode.MaxASCII {
			w = ansi.StringWidthWc(string(r))
		}
		if n += w; n > room {
			return text[:i]
		}
	}
	return text
}

// wrap breaks a text into lines at its spaces; a word that is too long is broken
// anywhere.
func wrap(text string, width int) []string {
	if width < 1 {
		return nil
	}
	var all []string
	cur := ""
	for _, word := range strings.Fields(plain(text)) {
		for cells(word) > width {
			if cur != "" {
				all, cur = append(all, cur), ""
			}
			h := head(word, width)
			if h == "" {
				return all // not one wide character has room
			}
			all, word = append(all, h), word[len(h):]
		}
		switch {
		case cur == "":
			cur = word
		case cells(cur)+1+cells(word) > width:
			all, cur = append(all, cur), word
		default:
			cur += " " + word
		}
	}
	if cur != "" {
		all = append(all, cur)
	}
	return all
}

// A painter turns lines into what a terminal shows.
type painter struct {
	colour, unicode bool
}

var codes = [...]string{normal: "", fine: "32", doubtful: "33", bad: "31", faint: "2", accent: "36"}

// paint is one line as text for a terminal.
func (p painter) paint(b *strings.Builder, l line) {
	for _, s := range l.spans {
		text := s.text
		if !p.unicode {
			text = ascii(text)
		}
		code := p.code(s.style)
		if code == "" {
			b.WriteString(text)
			continue
		}
		b.WriteString("\x1b[" + code + "m" + text + "\x1b[m")
	}
}

func (p painter) code(s style) string {
	var all []string
	if s&bold != 0 {
		all = append(all, "1")
	}
	if s&reverse != 0 {
		all = append(all, "7")
	}
	if c := codes[s&colours]; c != "" && (p.colour || c == codes[faint]) {
		all = append(all, c)
	}
	return strings.Join(all, ";")
}

// ascii is for a terminal that shows nothing else. Wide characters keep their
// width.
func ascii(text string) string {
	if !odd(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r <= unicode.MaxASCII {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Repeat("?", max(cells(string(r)), 1)))
	}
	return b.String()
}
