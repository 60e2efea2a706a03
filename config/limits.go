package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/internal/web"
)

// The most that a list of jobs from elsewhere may hold. It has 1 MiB at most, and
// defaults and aliases can make any amount of that.
const (
	mostJobs  = 2000
	mostSteps = 10_000
	mostText  = 4 << 20 // bytes of all its values, those that are repeated each time
	mostWrong = 100     // mistakes that are told
)

const (
	mostLine  = 4096 // bytes of a line that a mistake shows; nobody has written a longer one
	mostWords = 1000 // bytes of what a mistake says
)

// stepCost is what each step costs that an expression may name: they are looked
// through for every one.
const stepCost = 50

// A shared is what all jobs of lists from elsewhere have together, so that those of
// the file have the rest.
type shared struct {
	room  *web.Room // for requests and answers: 256 MiB, or half of GOMEMLIMIT
	turns expression.Turns
}

func newShared() shared {
	return shared{
		room:  web.NewRoom(min(256<<20, debug.SetMemoryLimit(-1)/2)),
		turns: make(expression.Turns, max(1, runtime.GOMAXPROCS(0)/2)),
	}
}

// spend counts what a list from elsewhere says.
func (w *walker) spend(n int) {
	if w.spent += n + 16; w.spent > mostText {
		w.refuse("with what its aliases and defaults repeat, it says more than %d MiB", mostText>>20)
	}
}

// refuse says that a list is too much to be looked at any further.
func (w *walker) refuse(format string, args ...any) {
	if w.allow != nil && w.tooMuch == "" {
		w.tooMuch = fmt.Sprintf(format, args...)
	}
}

// full says that there is no use in going on.
func (w *walker) full() bool {
	return w.tooMuch != "" || w.allow != nil && len(w.mistakes) > 2*mostWrong
}

// wrong are the mistakes, in order; of a list from elsewhere the first ones.
func (w *walker) wrong() Diagnostics {
	if w.tooMuch != "" {
		return Diagnostics{{File: w.file, Message: w.tooMuch, Hint: "divide it among several agents' files, or say less"}}
	}
	if n := len(w.mistakes); w.allow != nil && n > mostWrong {
		some := w.mistakes[:mostWrong:mostWrong].sorted()
		return append(some, Diagnostic{File: w.file, Message: fmt.Sprintf("and more: these are the first %d mistakes", mostWrong)})
	}
	return w.mistakes.sorted()
}

// said makes the words of a mistake fit to be shown: what a file says may be in
// them, and hold anything.
func said(text string) string {
	if len(text) > mostWords {
		end := mostWords
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "..."
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// sum is a hash of what a node says.
func (w *walker) sum(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	h := sha256.New()
	w.hashNode(h, n)
	return hex.EncodeToString(h.Sum(nil))
}

// wholeText is a hash of the text itself.
func (w *walker) wholeText() string {
	if w.whole == "" {
		sum := sha256.Sum256([]byte(strings.Join(w.lines, "\n")))
		w.whole = hex.EncodeToString(sum[:])
	}
	return w.whole
}
