package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/internal/spell"
	"github.com/solotick/solotick/internal/web"
)

// A key is one key of a mapping: the table that everything here follows.
type key[T any] struct {
	name string
	also []string // what it is called elsewhere, for hints
	doc  string
	to   func(*T) any // where its value goes; the type of the pointer says what it is
	rule
}

// A rule bounds a value. The zero rule allows whatever the type does.
type rule struct {
	required    bool
	def         string   // what an absent key stands for, as a file would write it
	oneOf       []string // the only values
	least, most int64    // of a number, or of a duration in nanoseconds; most 0: no limit
	seconds     bool     // a duration in whole seconds
	secret      bool     // it has to come from elsewhere
	check       func(string) error
	pattern     string // what check takes, for the schema: at least that
}

// A place is where a value stands.
type place struct {
	key, value *yaml.Node
	path       string
	good       bool // the value could be used
}

// places are those of the keys of one mapping.
type places map[string]place

// given says whether a key is there with a value that could be used.
func (p places) given(name string) bool { return p[name].good }

// A walker goes through one file and collects what is wrong.
type walker struct {
	file     string
	lines    []string
	mistakes Diagnostics
	digest   hash.Hash              // of what came from elsewhere
	hide     map[int][]string       // by line: what is not to be shown of it
	zones    map[string]zoneOrError // read once
	parts    []string               // what came from elsewhere, each by itself
	fetched  []string               // values that came from elsewhere
	absent   int                    // mistakes that are none on a machine where all is there
	hushed   []string               // those of parts that may be secret

	remembered []string // sums of what came from elsewhere, in order
	common     string   // a hash of what all jobs share

	zone     string        // that holds the records
	lag      time.Duration // of the zone's name servers
	values   int           // of JSON
	channels map[string]*Notifier
	clients  map[string]*web.Client // one for all requests that go the same way
	allow    *Allow                 // what a list from elsewhere may do; nil: the text is the agent's own file

	spent     int    // bytes that were said, see spend
	stepsSaid int    // of all jobs
	shared           // by all jobs of a list from elsewhere
	tooMuch   string // why no more of it is looked at
	whole     string // a hash of the text; empty: not needed yet
	ofAll     string // a hash of what no single job says
}

func newWalker(file string, data []byte) *walker {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return &walker{
		file:   file,
		lines:  strings.Split(strings.ToValidUTF8(string(data), "\uFFFD"), "\n"),
		digest: sha256.New(),
		hide:   make(map[int][]string),
		zones:  make(map[string]zoneOrError),

		channels: make(map[string]*Notifier),
		clients:  make(map[string]*web.Client),
	}
}

// document returns the one document of the file, or nil.
func (w *walker) document(data []byte) *yaml.Node {
	if len(data) > maxFile {
		w.mistakes = append(w.mistakes, Diagnostic{File: w.file, Message: "larger than 1 MiB"})
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	var doc, second yaml.Node
	if err == nil {
		err = loader.Load(&doc)
	}
	if errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		w.mistakes = append(w.mistakes, Diagnostic{File: w.file, Message: "there is nothing in it", Hint: "see solotick init"})
		return nil
	}
	if err != nil {
		w.syntax(err)
		return nil
	}
	if err := loader.Load(&second); err == nil {
		w.mistake(&second, "", "remove the --- line, or make two files", "a second document")
	} else if !errors.Is(err, io.EOF) {
		w.syntax(err)
	}
	return doc.Content[0]
}

// syntax reports what the parser cannot read. It stops at the first such place.
func (w *walker) syntax(err error) {
	var load *yaml.LoadError
	d := Diagnostic{File: w.file, Message: "not YAML: " + err.Error()}
	if errors.As(err, &load) {
		d.Line, d.Column, d.Message = load.Mark.Line, load.Mark.Column, "not YAML: "+load.Message
		if load.ContextMsg != "" && load.ContextMark.Line > 0 {
			d.Message += fmt.Sprintf(", %s from line %d on", load.ContextMsg, load.ContextMark.Line)
		}
		switch {
		case strings.Contains(load.Message, "tab character") || d.Line > 0 && d.Line <= len(w.lines) && strings.HasPrefix(strings.TrimLeft(w.lines[d.Line-1], " "), "\t"):
			d.Hint = "YAML is indented by spaces only"
		case strings.Contains(load.Message, "mapping values are not allowed"):
			d.Hint = "a value with \": \" in it needs quotes, or the line is indented too far"
		case strings.Contains(load.Message, "did not find expected") && strings.Contains(w.source(d.Line), "${"):
			d.Hint = "within { } and [ ] a value with ${...} needs quotes"
		}
	}
	d.Message = said(d.Message)
	d.Source, d.Length = w.source(d.Line), 1
	w.mistakes = append(w.mistakes, d)
}

// mistake notes what is wrong at a node.
func (w *walker) mistake(n *yaml.Node, path, hint, format string, args ...any) {
	if w.full() {
		w.mistakes = append(w.mistakes, Diagnostic{}) // it counts, and is not told
		return
	}
	d := Diagnostic{File: w.file, Line: n.Line, Column: n.Column, Path: said(path), Message: said(fmt.Sprintf(format, args...)), Hint: said(hint), Length: 1}
	d.Source = w.source(n.Line)
	if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "\n") {
		d.Length = utf8.RuneCountInString(n.Value)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			d.Length += 2
		}
		if strings.Contains(d.Source, hidden) {
			d.Length = 1 // not even the length of a secret
		}
		d.Length = max(1, min(d.Length, utf8.RuneCountInString(d.Source)-d.Column+1))
	}
	w.mistakes = append(w.mistakes, d)
}

// looksSecret finds the value of a key that is likely to be one, for files that
// do not even parse.
var looksSecret = regexp.MustCompile(`(?i)^(.*(?:tsig|secret|passw|token|webhook|authorization|api.?key|cookie|credential)[\w-]*["']?\s*:\s*)(["']?[^"'\s].*)$`)

// looksLikePath is a value of tsig that is the path of a file.
var looksLikePath = regexp.MustCompile(`(?i)tsig["']?\s*:\s*["']?/[^"']*["']?$`)

// source returns a line of the file without the secrets that should not be in it.
func (w *walker) source(line int) string {
	if line < 1 || line > len(w.lines) || len(w.lines[line-1]) > mostLine {
		return ""
	}
	text := strings.TrimRight(w.lines[line-1], " \r")
	for _, secret := range w.hide[line] {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	if m := looksSecret.FindStringSubmatch(text); m != nil && !strings.Contains(m[2], "${") && !looksLikePath.MatchString(text) {
		text = m[1] + hidden
	}
	return text
}

// mistakeIn notes what is wrong at a place within a scalar: a line and a column
// from 1, as in the scalar's own text.
func (w *walker) mistakeIn(n *yaml.Node, path string, line, column int, hint, format string, args ...any) {
	before := len(w.mistakes)
	w.mistake(n, path, hint, format, args...)
	d := &w.mistakes[before]
	switch {
	case line < 1 || d.Source == "" || strings.Contains(d.Source, hidden):
		return
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		line += n.Line
		source := w.source(line)
		d.Line, d.Column = line, len(source)-len(strings.TrimLeft(source, " "))+column
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		if line > 1 || strings.Contains(n.Value, "\n") {
			return
		}
		d.Column = n.Column + column
	case line > 1:
		return
	default:
		d.Column = n.Column + column - 1
	}
	d.Source, d.Length = w.source(d.Line), 1
}

// places of secrets that may name a file.
var mayBePath = []string{"dns.tsig", "dns.credentials", "jobs_from", "jobs_from.url"}

// onlyFrom is what only says where a value comes from.
var onlyFrom = regexp.MustCompile(`^(\$?\$\{[^{}]*\})+$`)

// conceal keeps a value that should have come from elsewhere out of all messages.
func (w *walker) conceal(n *yaml.Node, path string) {
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Value[0] == '/' && slices.Contains(mayBePath, path) || onlyFrom.MatchString(n.Value) {
		return
	}
	if n.Line > 0 && n.Line <= len(w.lines) && strings.Contains(w.lines[n.Line-1], n.Value) {
		w.hide[n.Line] = append(w.hide[n.Line], n.Value)
		return
	}
	for line := n.Line; line <= n.Line+strings.Count(n.Value, "\n")+1 && line <= len(w.lines); line++ {
		if line > n.Line { // written in several lines, or with escapes: none of it is shown
			w.hide[line] = append(w.hide[line], strings.TrimSpace(w.lines[line-1]))
		} else if line > 0 && n.Column <= len(w.lines[line-1]) {
			w.hide[line] = append(w.hide[line], w.lines[line-1][n.Column-1:])
		}
	}
}

// follow returns the node that an alias means.
func follow(n *yaml.Node) *yaml.Node {
	for range 10 {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// pairs yields the keys of a mapping that are texts, each once.
func (w *walker) pairs(n *yaml.Node, path string, do func(k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		w.mistake(n, path, "", "want a mapping (key: value), got %s", kindOf(n))
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content) && !w.full(); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		w.spend(len(k.Value))
		switch {
		case k.Kind != yaml.ScalarNode:
			w.mistake(k, path, "", "a key has to be a word, got %s", kindOf(k))
		case k.Value == "<<":
			w.mistake(k, path, "what holds for all jobs belongs under defaults:", "merge keys are not supported")
		case seen[k.Value] > 0:
			w.mistake(k, path, "", "a second %q, the first is in line %d", k.Value, seen[k.Value])
		default:
			seen[k.Value] = k.Line
			do(k, v)
		}
	}
}

// object fills dst from a mapping with the given keys.
func object[T any](w *walker, n *yaml.Node, path string, keys []key[T], dst *T) places {
	return objectOf(w, n, path, keys, dst, unknownHint[T])
}

// objectOf is object with hints of its own at keys that are not known.
func objectOf[T any](w *walker, n *yaml.Node, path string, keys []key[T], dst *T, hint func(string, []key[T]) string) places {
	at := make(places)
	w.pairs(follow(n), path, func(k, v *yaml.Node) {
		i := slices.IndexFunc(keys, func(one key[T]) bool { return one.name == k.Value })
		if i < 0 {
			w.mistake(k, path, hint(k.Value, keys), "unknown key %q", k.Value)
			return
		}
		p := place{key: k, value: v, path: join(path, k.Value)}
		p.good = w.value(v, p.path, keys[i].to(dst), keys[i].rule)
		at[k.Value] = p
	})
	for _, k := range keys {
		if _, ok := at[k.name]; k.required && !ok && !w.full() && follow(n).Kind == yaml.MappingNode {
			w.mistake(n, path, "", "%q is missing", k.name)
		}
	}
	return at
}

func unknownHint[T any](word string, keys []key[T]) string {
	var names []string
	for _, k := range keys {
		if slices.Contains(k.also, strings.ToLower(word)) {
			return fmt.Sprintf("did you mean %q?", k.name)
		}
		names = append(names, k.name)
	}
	known := "known here: " + strings.Join(names, ", ")
	if meant := spell.Closest(word, names); meant != "" {
		return fmt.Sprintf("did you mean %q? %s", meant, known)
	}
	return known
}

// preset fills dst with the defaults of its keys, which are known to be right.
func preset[T any](keys []key[T], dst *T) {
	for _, k := range keys {
		if k.def == "" {
			continue
		}
		switch p := k.to(dst).(type) {
		case *string:
			*p = k.def
		case *bool:
			*p = k.def == "true"
		case *int:
			*p, _ = strconv.Atoi(k.def)
		case *time.Duration:
			*p, _ = time.ParseDuration(k.def)
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return "a single value"
}
