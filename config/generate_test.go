package config

import (
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

// A gen draws files from the table that are right: what keys have to do with each
// other is in choices, and what values have to be beyond their type in special.
type gen struct {
	*rapid.T
	channels []string          // names of notifiers
	jobs     int               // so far
	steps    int               // so far, in all jobs
	once     bool              // in a job that is at-most-once
	fixed    map[string]string // values that go with a choice, in the mapping at hand
	sites    []site
}

// A site is a drawn value: what stands at its row of the table.
type site struct {
	row    row
	in     string     // the name of the mapping
	parent *yaml.Node // the mapping
	at     int        // in its content
	path   string
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
}

func quoted(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: text, Tag: "!!str", Style: yaml.DoubleQuotedStyle}
}

func (g *gen) pick(what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(g.T, what)
}

func (g *gen) maybe(what string) bool { return rapid.Bool().Draw(g.T, what) }

// file draws a whole file.
func (g *gen) file() *yaml.Node {
	return g.mapping(mappingOf("file", fileKeys), "")
}

// mapping draws a mapping with known keys.
func (g *gen) mapping(s shape, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	chosen := g.choices(s.name)
	for _, r := range s.rows {
		if want, decided := chosen.keys[r.name]; decided && !want || !decided && !r.required && !g.maybe(r.name) {
			continue
		}
		at := join(path, r.name)
		n.Content = append(n.Content, scalar(r.name), nil)
		place := len(n.Content) - 1
		g.sites = append(g.sites, site{r, s.name, n, place, at})
		g.fixed = chosen.values
		n.Content[place] = g.value(s.name, r, at)
	}
	return n
}

// value draws what stands at a row.
func (g *gen) value(in string, r row, path string) *yaml.Node {
	if v := g.special(in, r.name); v != nil {
		return v
	}
	switch r.kind {
	case isMapping:
		if r.short != nil && g.maybe("short") {
			return g.value(r.shape.name, *r.short, path)
		}
		return g.mapping(r.shape, path)
	case isMappings:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range rapid.IntRange(1, 3).Draw(g.T, "items") {
			list.Content = append(list.Content, g.mapping(r.shape, fmt.Sprintf("%s[%d]", path, i)))
		}
		return list
	case isNamed:
		return g.named(r, path)
	case isSecrets, isFields:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i := range rapid.IntRange(0, 2).Draw(g.T, "names") {
			name := fmt.Sprintf("%c_%d", 'A'+i, i)
			n.Content = append(n.Content, scalar(name), g.line())
			g.sites = append(g.sites, site{row{name: name, shape: shape{kind: isText}}, "", n, len(n.Content) - 1, join(path, name)})
		}
		return n
	case isList:
		return g.list(r)
	case isArgv:
		return g.argv()
	case isAny:
		return g.json(2)
	case isText, isSecret, isCondition, isTemplate, isClear, isBool, isInt, isDuration:
	}
	return g.scalar(r)
}

func (g *gen) named(r row, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range rapid.IntRange(1, 3).Draw(g.T, r.name) {
		name := fmt.Sprintf("%s%d", r.name, i)
		n.Content = append(n.Content, scalar(name), nil)
		place := len(n.Content) - 1
		g.jobs++
		n.Content[place] = g.mapping(r.shape, join(path, name))
		if r.name == "notify" {
			g.channels = append(g.channels, name)
		}
	}
	return n
}

func (g *gen) list(r row) *yaml.Node {
	words := map[string]string{"private": "10.0.0.0/8", "env": "HOME", "files": "/etc/x", "to": "a@example.com"}
	item := scalar(words[r.name])
	if g.maybe("single") {
		return item
	}
	return &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{item, scalar(words[r.name])}}
}

func (g *gen) argv() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{scalar("./job.sh")}}
	for range rapid.IntRange(0, 2).Draw(g.T, "arguments") {
		list.Content = append(list.Content, g.oneOf(scalar("5"), scalar("true"), quoted("${HOME} $${env:X}"), quoted("")))
	}
	return list
}

func (g *gen) oneOf(nodes ...*yaml.Node) *yaml.Node {
	return nodes[rapid.IntRange(0, len(nodes)-1).Draw(g.T, "which")]
}

func (g *gen) text() *yaml.Node { return g.oneOf(g.line(), quoted("two\nlines")) }

func (g *gen) line() *yaml.Node {
	return g.oneOf(scalar("word"), quoted(""), scalar("8080"), scalar("true"), scalar("1.5"),
		quoted("$HOME $ $$"), quoted("$${x} and $$$${y}"), quoted("a ${env:CONFIG_TEST_NONE:-b} c"))
}

func (g *gen) json(depth int) *yaml.Node {
	switch rapid.IntRange(0, 3+depth).Draw(g.T, "json") {
	case 0:
		return g.oneOf(scalar("null"), scalar("5"), scalar("1.5"), scalar("true"))
	case 1, 2, 3:
		return g.oneOf(g.text(), quoted("{{ tick }}"))
	case 4:
		return &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{g.json(depth - 1), g.json(depth - 1)}}
	}
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("a"), g.json(depth - 1), scalar("b c"), g.json(depth - 1)}}
}

// scalar draws a single value by its type and bounds.
func (g *gen) scalar(r row) *yaml.Node {
	written := ""
	switch r.kind {
	case isCondition:
		return g.oneOf(scalar("true"), quoted(`job == "x" and attempt > 1`), quoted("tick > 0"))
	case isTemplate:
		return g.oneOf(g.text(), quoted("{{ job }} at {{ tick }}"))
	case isClear:
		return g.oneOf(g.text(), scalar("false"))
	case isBool:
		written = g.pick("bool", "true", "false")
	case isInt:
		most := r.most
		if most == 0 {
			most = r.least + 50
		}
		written = strconv.FormatInt(rapid.Int64Range(r.least, most).Draw(g.T, "number"), 10)
	case isDuration:
		written = g.duration(r.least, r.most, r.seconds)
	case isSecret:
		return quoted("${env:CONFIG_TEST_TOKEN}")
	default:
		if len(r.oneOf) == 0 {
			return g.text()
		}
		written = g.pick("word", r.oneOf...)
	}
	return g.oneOf(scalar(written), quoted(written), quoted("${env:CONFIG_TEST_NONE:-"+written+"}"))
}

// duration writes one in one of the ways there are.
func (g *gen) duration(least, most int64, seconds bool) string {
	if most == 0 {
		most = least + hour
	}
	d := time.Duration(rapid.Int64Range(least, most).Draw(g.T, "duration"))
	if whole := d.Truncate(time.Second); seconds || g.maybe("whole") && whole >= time.Duration(least) {
		d = whole
	}
	switch {
	case d%time.Second == 0 && g.maybe("in seconds"):
		return fmt.Sprintf("%ds", d/time.Second)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d.0m", d/time.Minute)
	}
	return d.String()
}
