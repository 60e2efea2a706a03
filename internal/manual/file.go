package manual

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// File returns the page, in section 5, of a file that the given JSON Schema
// (draft 2020-12) describes: what each key means, of what kind its value is, and
// what it is if absent. The schema has all its mappings with keys of their own below
// $defs. See names other pages.
func File(name, short string, text []byte, see []string, e Edition) (Page, error) {
	var top node
	if err := json.Unmarshal(text, &top); err != nil {
		return Page{}, fmt.Errorf("manual: the schema of %s: %w", name, err)
	}
	f := file{defs: top.Defs}
	f.head(name, 5, short, e)
	f.section("DESCRIPTION")
	f.prose(top.Description)
	f.section("KEYS")
	f.mapping(&top)
	for i := 0; i < len(f.queue); i++ { // grows meanwhile
		d := f.queue[i]
		f.section(d)
		def := f.defs.get(d)
		if def == nil {
			return Page{}, fmt.Errorf("manual: the schema of %s: there is no $defs/%s", name, d)
		}
		f.mapping(def)
	}
	f.seeAlso(see)
	return f.page(name, 5), nil
}

// A file is the page of a file in the making.
type file struct {
	writer
	defs  nodes
	queue []string // of definitions that have a section, in order
}

// mapping writes the keys of n.
func (f *file) mapping(n *node) {
	for _, m := range n.Properties {
		head := bold(m.name)
		if kind := f.kind(m.node); kind != "" {
			head += " (" + escape(kind) + ")"
		}
		f.entry(head)
		about := m.node.Description
		if slices.Contains(n.Required, m.name) {
			about = strings.TrimSpace(about + "; required")
		}
		if d := m.node.Default; d != nil {
			about += fmt.Sprintf(" (default %v)", d)
		}
		f.prose(strings.TrimPrefix(about, "; "))
	}
}

// kind is what a value has to be, in a few words.
func (f *file) kind(n *node) string {
	var kinds []string
	f.kinds(n, &kinds)
	return strings.Join(kinds, ", or ")
}

func (f *file) kinds(n *node, kinds *[]string) {
	add := func(kind string) {
		if !slices.Contains(*kinds, kind) {
			*kinds = append(*kinds, kind)
		}
	}
	switch {
	case n == nil:
	case len(n.Enum) > 0:
		var words []string
		for _, v := range n.Enum {
			words = append(words, fmt.Sprint(v))
		}
		add(strings.Join(words, ", "))
	case n.Ref != "":
		name := strings.TrimPrefix(n.Ref, "#/$defs/")
		if d := f.defs.get(name); d == nil || len(d.Properties) > 0 {
			f.refer(name)
			add("see " + name)
			return
		}
		add("text")
	case len(n.AnyOf) > 0:
		for i := range n.AnyOf {
			if other := &n.AnyOf[i]; !isPlaceholder(other) {
				f.kinds(other, kinds)
			}
		}
	case strings.HasPrefix(n.PatternError, "a duration"):
		add("duration")
	case n.has("integer"):
		add("number")
	case n.has("array"):
		var of []string
		for i := range n.PrefixItems {
			f.kinds(&n.PrefixItems[i], &of)
		}
		f.kinds(n.Items, &of)
		add(strings.TrimSpace("list of " + strings.Join(of, ", or ")))
	case n.has("object"):
		of := f.kind(n.Additional)
		if of == "" {
			of = "anything"
		}
		add("names, each with " + of)
	case n.has("boolean") && !n.has("number"):
		add("true, false")
	case n.has("string"):
		add("text")
	}
}

// refer sees to it that a definition gets a section.
func (f *file) refer(name string) {
	if !slices.Contains(f.queue, name) {
		f.queue = append(f.queue, name)
	}
}

// isPlaceholder finds what stands beside the words of a choice only because any
// value may come from elsewhere, as ${env:NAME}.
func isPlaceholder(n *node) bool {
	return n.has("string") && strings.HasPrefix(n.Pattern, `(^|[^$])\$\{`) && n.PatternError == ""
}

// A node is one JSON Schema, as far as it is told here.
type node struct {
	Ref          string   `json:"$ref"`
	Description  string   `json:"description"`
	Type         words    `json:"type"`
	Enum         []any    `json:"enum"`
	Default      any      `json:"default"`
	Pattern      string   `json:"pattern"`
	PatternError string   `json:"patternErrorMessage"`
	Required     []string `json:"required"`
	Properties   nodes    `json:"properties"`
	Additional   *node    `json:"additionalProperties"`
	PrefixItems  []node   `json:"prefixItems"`
	Items        *node    `json:"items"`
	AnyOf        []node   `json:"anyOf"`
	Defs         nodes    `json:"$defs"`
}

func (n *node) has(kind string) bool { return slices.Contains(n.Type, kind) }

// UnmarshalJSON accepts the schemas true and false as well.
func (n *node) UnmarshalJSON(text []byte) error {
	if string(text) == "true" || string(text) == "false" {
		return nil
	}
	type plain node
	return json.Unmarshal(text, (*plain)(n))
}

// words are one text or a list of them.
type words []string

func (w *words) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		text = slices.Concat([]byte{'['}, text, []byte{']'})
	}
	return json.Unmarshal(text, (*[]string)(w))
}

// nodes are schemas by name, in the order of the text.
type nodes []struct {
	name string
	node *node
}

func (ns nodes) get(name string) *node {
	for _, n := range ns {
		if n.name == name {
			return n.node
		}
	}
	return nil
}

func (ns *nodes) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		n := new(node)
		if err := d.Decode(n); err != nil {
			return err
		}
		*ns = append(*ns, struct {
			name string
			node *node
		}{fmt.Sprint(name), n})
	}
	return nil
}
