package manual

import (
	"fmt"
	"strings"
)

// prose writes a help text: paragraphs, which are filled, and lines that begin with
// two spaces, which are not.
func (w *writer) prose(text string) {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		n := 1
		switch kept := isKept(lines[i]); {
		case lines[i] == "":
			if i+1 < len(lines) && !isKept(lines[i+1]) {
				w.line(".PP")
			}
		default:
			for i+n < len(lines) && lines[i+n] != "" && isKept(lines[i+n]) == kept {
				n++
			}
			if kept {
				w.literal(lines[i : i+n])
				break
			}
			for _, l := range lines[i : i+n] {
				w.line(escape(l))
			}
		}
		i += n
	}
}

func isKept(line string) bool { return strings.HasPrefix(line, "  ") }

// literal writes lines as they are, indented.
func (w *writer) literal(lines []string) {
	if !strings.HasPrefix(w.last, ".") { // behind a macro it does nothing
		w.line(".PP")
	}
	w.line(".RS 2")
	w.line(".nf")
	for _, l := range lines {
		w.line(escape(strings.TrimPrefix(l, "  ")))
	}
	w.line(".fi")
	w.line(".RE")
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

// inRoff are characters that roff would take for something else, or print as a
// typographer likes them and no shell does.
var inRoff = strings.NewReplacer(
	`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`, "\t", "    ",
)

// escape writes a text so that it is shown as it is, wherever in a line it stands.
func escape(text string) string {
	var b strings.Builder
	for _, r := range inRoff.Replace(text) {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, `\[u%04X]`, r)
	}
	if out := b.String(); strings.HasPrefix(out, ".") {
		return `\&` + out
	}
	return b.String()
}

// quoted is escape for an argument of a macro between quotation marks.
func quoted(text string) string { return strings.ReplaceAll(escape(text), `"`, `\(dq`) }
