package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A Setting is one value of a file, for people.
type Setting struct {
	Path  string `json:"path"`  // as in jobs.canary.every
	Value string `json:"value"` // of a secret, and of what may be one, its length only
	From  string `json:"from"`  // the line, where else it came from, or that it is the default
}

// tell notes the value of a scalar.
func (w *walker) tell(n *yaml.Node, path string, to any) {
	if w.allow != nil {
		return // nobody asks for those of a list
	}
	n = follow(n)
	switch to := to.(type) {
	case *argv:
		w.settings = append(w.settings, Setting{path, strings.Join(to.words, " "), fmt.Sprintf("line %d", n.Line)})
		return
	case *[]string:
		w.settings = append(w.settings, Setting{path, strings.Join(*to, ", "), fmt.Sprintf("line %d", n.Line)})
		return
	}
	if n.Kind != yaml.ScalarNode {
		return
	}
	s := Setting{Path: path, From: fmt.Sprintf("line %d", n.Line)}
	switch to := to.(type) {
	case *Secret:
		s.Value = fmt.Sprintf("«set, %d characters»", utf8.RuneCountInString(to.Reveal()))
	case *time.Duration:
		s.Value = short(*to)
	case *string, *int, *bool, *raw:
		s.Value = n.Value
	default:
		return
	}
	if strings.Contains(strings.ReplaceAll(n.Value, "$${", ""), "${") {
		if text, ok := to.(*string); ok {
			s.Value = fmt.Sprintf("«set, %d characters»", utf8.RuneCountInString(*text))
		}
		if _, ok := to.(*raw); !ok {
			s.From += ", " + n.Value
		}
	}
	w.settings = append(w.settings, s)
}

// tellDefaults notes the values of keys that are absent from a mapping.
func tellDefaults[T any](w *walker, keys []key[T], at places, path string) {
	if w.allow != nil {
		return
	}
	for _, k := range keys {
		if k.def != "" && at[k.name].key == nil {
			w.settings = append(w.settings, Setting{Path: join(path, k.name), Value: k.def, From: "default"})
		}
	}
}

// tellInherited notes what a job takes from the defaults of the file and from
// ours.
func (w *walker) tellInherited(own, at places, path string) {
	if w.allow != nil {
		return
	}
	for _, k := range jobKeys {
		p, ok := at[k.name]
		switch {
		case own[k.name].key != nil:
		case ok:
			for _, s := range w.inherited {
				if rest, below := strings.CutPrefix(s.Path, p.path); below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
					w.settings = append(w.settings, Setting{Path: join(path, k.name) + rest, Value: s.Value, From: s.From + ", defaults"})
				}
			}
		case k.def != "":
			w.settings = append(w.settings, Setting{Path: join(path, k.name), Value: k.def, From: "default"})
		}
	}
}

// mark is where what is remembered from here on begins.
func (w *walker) mark() int { return len(w.remembered) }

// shareSum takes down what all jobs have in common: the defaults, and all that came
// from elsewhere so far.
func (w *walker) shareSum(defaults *yaml.Node) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", w.common, w.sum(defaults))
	for _, one := range w.remembered {
		fmt.Fprintf(h, "%q\n", one)
	}
	w.ofAll = hex.EncodeToString(h.Sum(nil))
}

// hashOf is a job's [Job.Hash]: of what the file says of it, and of all that
// came from elsewhere for it.
func (w *walker) hashOf(mark int, n *yaml.Node) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", w.ofAll, w.sum(n))
	for _, one := range w.remembered[mark:] {
		fmt.Fprintf(h, "%q\n", one)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hashNode writes what a node says. What an alias stands for is the whole text,
// so to say: aliases can be nested so that there is no end to them.
func (w *walker) hashNode(h io.Writer, n *yaml.Node) {
	fmt.Fprintf(h, "%d %d %q %q\n", n.Kind, len(n.Content), n.ShortTag(), n.Value)
	if n.Kind == yaml.AliasNode {
		fmt.Fprintln(h, w.wholeText())
		return
	}
	for _, c := range n.Content {
		w.hashNode(h, c)
	}
}
