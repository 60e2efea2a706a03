package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A text is a scalar as it is used.
type text struct {
	value string
	from  string // what the file says instead, if the value came from elsewhere
}

// shown is what a message may say of it: a value from elsewhere may be a secret.
func (t text) shown() string {
	if t.from != "" {
		return "the value of " + t.from
	}
	return strconv.Quote(t.value)
}

// value puts what a node says where to points to, and says whether it could.
func (w *walker) value(n *yaml.Node, path string, to any, r rule) bool {
	before := len(w.mistakes)
	n = follow(n)
	switch to := to.(type) {
	case *string:
		if t, ok := w.text(n, path, "text"); ok && w.allowed(n, path, t, r) {
			*to = t.value
		}
	case *Secret:
		w.conceal(n)
		if t, ok := w.text(n, path, "text"); ok {
			*to = NewSecret(t.value)
		}
	case *bool:
		if t, ok := w.text(n, path, "true or false"); ok {
			*to = t.value == "true"
			if t.value != "true" && t.value != "false" {
				w.mistake(n, path, "", "want true or false, got %s", t.shown())
			}
		}
	case *int:
		if t, ok := w.text(n, path, "a number"); ok {
			w.number(n, path, t, to, r)
		}
	case *time.Duration:
		if t, ok := w.text(n, path, "a duration"); ok {
			w.duration(n, path, t, to, r)
		}
	case **time.Duration:
		*to = new(time.Duration)
		return w.value(n, path, *to, r)
	case **yaml.Node:
		*to = n
	case *argv:
		w.argv(n, path, to)
	case *[]Variable:
		*to = w.variables(n, path)
	case *[]step:
		*to = w.steps(n, path)
	case *DNS:
		preset(dnsKeys, to)
		w.dns(n, path, to)
	case *Agent:
		object(w, n, path, agentKeys, to)
	default:
		panic(fmt.Sprintf("config: %T in the table", to))
	}
	return len(w.mistakes) == before
}

// text returns a scalar as it is written, with what stands for ${...} in it. A
// number is a text too, so that PORT: 8080 needs no quotes.
func (w *walker) text(n *yaml.Node, path, want string) (text, bool) {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null":
		w.mistake(n, path, "", "want %s, got %s", want, kindOf(n))
		return text{}, false
	case n.Style&yaml.TaggedStyle != 0:
		w.mistake(n, path, "leave the tag out", "want %s, got one tagged %s", want, n.Tag)
		return text{}, false
	}
	value, replaced, err := interpolate(n.Value)
	if err != nil {
		message, hint := problemOf(err)
		w.mistake(n, path, hint, "%s", message)
		return text{}, false
	}
	if !replaced {
		return text{value: value}, true
	}
	w.remember(path, value)
	if strings.ContainsRune(value, 0) {
		w.mistake(n, path, "", "the value of %s holds a NUL", n.Value)
		return text{}, false
	}
	return text{value: value, from: n.Value}, true
}

// remember has a value from elsewhere count for [Config.Equal].
func (w *walker) remember(path, value string) {
	fmt.Fprintf(w.digest, "%q %q\n", path, value)
}

func (w *walker) allowed(n *yaml.Node, path string, t text, r rule) bool {
	if len(r.oneOf) > 0 && !slices.Contains(r.oneOf, t.value) {
		hint := "one of " + strings.Join(r.oneOf, ", ")
		if meant := closest(t.value, r.oneOf); meant != "" {
			hint = fmt.Sprintf("did you mean %q? %s", meant, hint)
		}
		w.mistake(n, path, hint, "cannot be %s", t.shown())
		return false
	}
	if r.check == nil {
		return true
	}
	if err := r.check(t.value); err != nil {
		message, hint := problemOf(err)
		w.mistake(n, path, hint, "%s %s", t.shown(), message)
		return false
	}
	return true
}

func (w *walker) number(n *yaml.Node, path string, t text, to *int, r rule) {
	i, err := strconv.Atoi(t.value)
	switch {
	case err != nil:
		w.mistake(n, path, "", "%s is not a whole number", t.shown())
	case int64(i) != r.least && r.least == r.most:
		w.mistake(n, path, fmt.Sprintf("only %d is known", r.least), "cannot be %s", t.shown())
	case int64(i) < r.least || r.most != 0 && int64(i) > r.most:
		w.mistake(n, path, fmt.Sprintf("from %d to %d", r.least, r.most), "cannot be %s", t.shown())
	default:
		*to = i
	}
}

func (w *walker) duration(n *yaml.Node, path string, t text, to *time.Duration, r rule) {
	d, err := parseDuration(t.value)
	switch least, most := time.Duration(r.least), time.Duration(r.most); {
	case err != nil:
		message, hint := problemOf(err)
		if t.from != "" {
			hint = durationHint("")
		}
		w.mistake(n, path, hint, "%s %s", t.shown(), message)
	case d < least:
		w.mistake(n, path, "at least "+short(least), "%s is too short", t.shown())
	case most != 0 && d > most:
		w.mistake(n, path, "at most "+short(most), "%s is too long", t.shown())
	case r.seconds && d%time.Second != 0:
		w.mistake(n, path, "", "%s is not a whole number of seconds", t.shown())
	default:
		*to = d
	}
}

// An argv is what exec: says: a list of arguments, or one text for a shell.
type argv struct {
	words []string
	text  bool
}

func (w *walker) argv(n *yaml.Node, path string, to *argv) {
	if n.Kind != yaml.SequenceNode {
		to.text = true
		if word, ok := w.argument(n, path); ok {
			to.words = []string{word}
		}
		return
	}
	if len(n.Content) == 0 {
		w.mistake(n, path, "exec: [program, argument, ...]", "the list is empty")
	}
	for i, item := range n.Content {
		if word, ok := w.argument(follow(item), fmt.Sprintf("%s[%d]", path, i)); ok {
			to.words = append(to.words, word)
		}
	}
}

// argument returns one argument as it is written, since ${...} is for a shell to
// see. But what looks like one of ours is a mistake, unless it is $${env:...}.
func (w *walker) argument(n *yaml.Node, path string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null":
		w.mistake(n, path, "", "want text, got %s", kindOf(n))
		return "", false
	case n.Style&yaml.TaggedStyle != 0:
		w.mistake(n, path, "leave the tag out", "want text, got one tagged %s", n.Tag)
		return "", false
	case strings.ContainsRune(n.Value, 0):
		w.mistake(n, path, "", "an argument with a NUL")
		return "", false
	}
	value := n.Value
	for _, kind := range []string{"${env:", "${file:", "${vcap:"} {
		bare := strings.ReplaceAll(value, "$"+kind, "")
		if strings.Contains(bare, kind) {
			w.mistake(n, path, "give it to the command by env:, where ps does not show it; or write $"+kind+"...}", "%s...} is not replaced in arguments", kind)
			return "", false
		}
		value = strings.ReplaceAll(value, "$"+kind, kind)
	}
	return value, true
}

// variables returns what env: says.
func (w *walker) variables(n *yaml.Node, path string) []Variable {
	var all []Variable
	w.pairs(n, path, func(k, v *yaml.Node) {
		at := join(path, k.Value)
		switch {
		case !isVariable(k.Value):
			w.mistake(k, at, "letters, digits and _, not a digit first", "%q is no name of a variable", k.Value)
		case strings.HasPrefix(k.Value, "SOLOTICK_"):
			w.mistake(k, at, "", "SOLOTICK_ variables are set by solotick")
		}
		var s Secret
		if w.value(v, at, &s, rule{}) {
			all = append(all, Variable{Name: k.Value, Value: s})
		}
	})
	return all
}

// A step is one item of steps: as the file says it.
type step struct {
	id      string
	exec    argv
	shell   bool
	timeout time.Duration
	dir     string
	env     []Variable

	node *yaml.Node
	path string
	at   places
}

func (w *walker) steps(n *yaml.Node, path string) []step {
	if n.Kind != yaml.SequenceNode {
		w.mistake(n, path, "steps: is a list, each item begins with -", "want a list, got %s", kindOf(n))
		return nil
	}
	if len(n.Content) == 0 || len(n.Content) > maxSteps {
		w.mistake(n, path, fmt.Sprintf("from 1 to %d", maxSteps), "%d steps", len(n.Content))
	}
	var all []step
	for i, item := range n.Content {
		s := step{node: item, path: fmt.Sprintf("%s[%d]", path, i)}
		s.at = object(w, item, s.path, stepKeys, &s)
		all = append(all, s)
	}
	return all
}
