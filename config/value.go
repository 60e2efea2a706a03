package config

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
	"golang.org/x/net/http/httpguts"

	"github.com/solotick/solotick/internal/spell"
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
	before, parts := len(w.mistakes), len(w.parts)
	n = follow(n)
	switch to := to.(type) {
	case *string:
		if t, ok := w.text(n, path, "text"); ok && w.allowed(n, path, t, r) {
			*to = t.value
		}
		if r.check == nil && len(r.oneOf) == 0 {
			w.hush(parts)
		}
	case *Secret:
		w.conceal(n, path)
		if t, ok := w.text(n, path, "text"); ok {
			w.hush(parts)
			*to = NewSecret(t.value)
			if r.secret && t.from == "" {
				w.mistake(n, path, "${env:NAME}, ${file:/path}, ${credential:NAME} or ${vcap:service.path}", "a secret does not belong into this file")
			} else if r.check != nil {
				w.checkSecret(n, path, t, r)
			}
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
		w.dns(n, path, to)
	case *[]Secret:
		*to = w.secretList(n, path, r)
	case *sealing:
		w.seals(n, path, to)
	case *signing:
		w.signs(n, path, to)
	case *Agent:
		preset(agentKeys, to)
		object(w, n, path, agentKeys, to)
	case *[]string:
		*to = w.list(n, path, r)
		w.hush(parts)
	case **Report:
		*to = w.report(n, path)
	case *map[string]Secret:
		*to = w.secrets(n, path)
	case *raw:
		w.raw(n, path, to)
	case *fields:
		*to = w.fields(n, path)
	case **tlsKeys:
		*to = new(tlsKeys)
		object(w, n, path, tlsTable, *to)
	case **request:
		*to = w.request(n, path)
	case **failureAlert:
		*to = w.failureAlert(n, path)
	case *Allow:
		object(w, n, path, allowKeys, to)
	default:
		return w.service(n, path, to) && len(w.mistakes) == before
	}
	return len(w.mistakes) == before
}

// checkSecret is allowed for a value that no message may show.
func (w *walker) checkSecret(n *yaml.Node, path string, t text, r rule) {
	if err := r.check(t.value); err != nil {
		message, hint := problemOf(err)
		w.mistake(n, path, hint, "%s %s", t.shown(), message)
	}
}

// list returns a list of texts; a single text is a list of one.
func (w *walker) list(n *yaml.Node, path string, r rule) []string {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	all := []string{}
	for i, item := range items {
		item, at := follow(item), path
		if n.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		if t, ok := w.text(item, at, "text"); ok && w.allowed(item, at, t, r) {
			all = append(all, t.value)
		}
	}
	return all
}

// secrets returns the fields of a header, whose values may be secret.
func (w *walker) secrets(n *yaml.Node, path string) map[string]Secret {
	all := make(map[string]Secret)
	w.pairs(n, path, func(k, v *yaml.Node) {
		var s Secret
		if !httpguts.ValidHeaderFieldName(k.Value) {
			w.mistake(k, path, "", "%q is no name of a header field", k.Value)
		}
		if w.value(v, join(path, k.Value), &s, rule{}) {
			all[k.Value] = s
		}
	})
	return all
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
	if w.spend(len(n.Value)); w.full() {
		return text{}, false
	}
	value, replaced, err := w.interpolate(n.Value)
	w.spend(len(value))
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

// hush notes that what came from elsewhere since then may be secret.
func (w *walker) hush(since int) { w.hushed = append(w.hushed, w.parts[since:]...) }

// words are those of an error that another package made, without the values from
// elsewhere that it may quote.
func (w *walker) words(err error) string {
	text := err.Error()
	for _, v := range w.fetched {
		escaped := strconv.Quote(v)
		for _, v := range []string{v, escaped[1 : len(escaped)-1]} {
			if len(v) > 2 { // what is shorter is in every text, and hides nothing
				text = strings.ReplaceAll(text, v, hidden)
			}
		}
	}
	return text
}

// remember has a value from elsewhere count for [Config.Equal].
func (w *walker) remember(path, value string) {
	fmt.Fprintf(w.digest, "%q %q\n", path, value)
	w.fetched = append(w.fetched, value)
	w.remembered = append(w.remembered, fmt.Sprintf("%x", sha256.Sum256([]byte(path+"\x00"+value))))
}

func (w *walker) allowed(n *yaml.Node, path string, t text, r rule) bool {
	if len(r.oneOf) > 0 && !slices.Contains(r.oneOf, t.value) {
		hint := "one of " + strings.Join(r.oneOf, ", ")
		if meant := spell.Closest(t.value, r.oneOf); meant != "" {
			hint = fmt.Sprintf("did you mean %q? %s", meant, hint)
		}
		w.mistake(n, path, hint, "cannot be %s", t.shown())
		return false
	}
	if r.check == nil {
		return true
	}
	if r.pattern == endpointURL && hasUser(t.value) {
		if t.from == "" {
			w.conceal(n, path)
		}
		w.mistake(n, path, "leave it out: what proves who asks has keys of its own", "a URL with a user or a password in it")
		return false
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
		w.mistake(n, path, path[strings.LastIndexByte(path, '.')+1:]+": [program, argument, ...]", "the list is empty")
	}
	for i, item := range n.Content {
		if w.full() {
			break
		}
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
	w.spend(len(n.Value))
	value := n.Value
	for _, kind := range []string{"${env:", "${file:", "${credential:", "${vcap:"} {
		bare := strings.ReplaceAll(value, "$"+kind, "")
		if strings.Contains(bare, kind) {
			elsewhere := "give it to the command by env:, where ps does not show it"
			if strings.HasPrefix(path, "dns.") {
				elsewhere = "the program finds it in the agent's environment, or in a file"
			}
			w.mistake(n, path, elsewhere+"; or write $"+kind+"...}", "%s...} is not replaced in arguments", kind)
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
		w.variableName(k, at, k.Value)
		var s Secret
		if w.value(v, at, &s, rule{}) {
			all = append(all, Variable{Name: k.Value, Value: s})
		}
	})
	return all
}

func (w *walker) variableName(n *yaml.Node, path, name string) {
	switch {
	case !isVariable(name):
		w.mistake(n, path, "letters, digits and _, not a digit first", "%q is no name of a variable", name)
	case strings.HasPrefix(name, "SOLOTICK_"):
		w.mistake(n, path, "", "SOLOTICK_ variables are set by solotick")
	}
}
