package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

// put replaces the value of a site.
func (s site) put(n *yaml.Node) { s.parent.Content[s.at] = n }

func (s site) value() *yaml.Node { return s.parent.Content[s.at] }

// drop takes the key of a site out.
func (s site) drop() {
	s.parent.Content = append(s.parent.Content[:s.at-1:s.at-1], s.parent.Content[s.at+1:]...)
}

func mappingNode(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: content}
}

func listNode(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: content}
}

// A mistake is one that can be made at some sites.
type mistake struct {
	what string
	at   func(site) bool
	make func(*gen, site)
}

var mistakes = []mistake{
	{"unknown key", func(s site) bool { return s.in != "" }, func(g *gen, s site) {
		s.parent.Content = append(s.parent.Content, scalar(g.pick("key", "nothing", s.row.name+"x", "<<", "")), scalar("x"))
	}},
	{"null", func(s site) bool { return s.row.kind != isAny }, func(_ *gen, s site) { s.put(scalar("null")) }},
	{"missing", func(s site) bool { return s.row.required }, func(_ *gen, s site) { s.drop() }},
	{"a mapping for a scalar or a list", func(s site) bool {
		return s.row.kind <= isDuration || s.row.kind == isArgv || s.row.kind == isList || s.row.kind == isMappings
	}, func(_ *gen, s site) { s.put(mappingNode(scalar("a"), scalar("b"))) }},
	{"a list for something else", func(s site) bool {
		return s.row.kind != isArgv && s.row.kind != isList && s.row.kind != isMappings && s.row.kind != isAny &&
			(s.row.short == nil || s.row.short.kind != isArgv)
	}, func(_ *gen, s site) { s.put(listNode(scalar("a"))) }},
	{"a list of lists", func(s site) bool {
		return s.row.kind == isArgv || s.row.kind == isList || s.row.kind == isMappings
	}, func(_ *gen, s site) { s.put(listNode(listNode(scalar("a")))) }},
	{"a scalar for a mapping", func(s site) bool {
		return s.row.kind >= isSecrets && s.row.kind != isAny && s.row.short == nil
	}, func(_ *gen, s site) { s.put(scalar("a")) }},
	{"no such word", func(s site) bool { return len(s.row.oneOf) > 0 }, func(_ *gen, s site) { s.put(scalar(s.row.oneOf[0] + "x")) }},
	{"no duration", func(s site) bool { return s.row.kind == isDuration }, func(g *gen, s site) {
		s.put(g.oneOf(scalar("60"), scalar("0"), quoted("60"), scalar("1d"), scalar("soon"), scalar("5 s"), scalar("-5s"), scalar("+5s"), scalar("1e3s"), scalar("5S"), quoted("")))
	}},
	{"no number", func(s site) bool { return s.row.kind == isInt }, func(g *gen, s site) {
		s.put(g.oneOf(scalar("many"), scalar("1.5"), quoted("0x10"), quoted("1 "), scalar("true"), quoted(""), scalar(fmt.Sprint(s.row.least-1))))
	}},
	{"no bool", func(s site) bool { return s.row.kind == isBool }, func(g *gen, s site) {
		s.put(g.oneOf(scalar("yes"), scalar("1"), quoted("True"), quoted("")))
	}},
	{"a secret in the file", func(s site) bool { return s.row.secret }, func(_ *gen, s site) { s.put(quoted("t0k3n")) }},
	{"no ${}", func(s site) bool {
		return s.row.kind == isText && s.in != "tls" && s.row.name != "cron"
	}, func(g *gen, s site) {
		s.put(g.oneOf(quoted("${HOME}"), quoted("${env:HOME"), quoted("$$${HOME} ${x:y}"), quoted("${}")))
	}},
	{"${} in a command", func(s site) bool { return s.row.kind == isArgv }, func(g *gen, s site) {
		s.put(g.oneOf(quoted("x ${env:HOME}"), listNode(scalar("x"), quoted("${file:/x}")), listNode(quoted("a$${env:}${vcap:x}"))))
	}},
	{"another name", func(s site) bool { return s.row.kind == isNamed || s.row.words != "" && len(s.value().Content) > 0 }, func(g *gen, s site) {
		name := map[string][]string{
			variableName: {"1A", "A-B", "", "SOLOTICK_X"}, headerName: {"a b", "a:b", ""}, jobName: {"A", "a.b", "-a", "a-", ""}, stepID: {"A", "1a", "a-b", ""},
		}[s.row.words]
		if s.in == "webhook" || s.in == "jobs_from" {
			name = []string{"a b", ""}
		}
		s.value().Content[0] = quoted(g.pick("name", name...))
	}},
	{"no notifier", func(s site) bool { return s.in == "notifier" }, func(_ *gen, s site) { s.drop() }},
	{"no program", func(s site) bool { return s.row.kind == isArgv }, func(g *gen, s site) {
		s.put(g.oneOf(listNode(), listNode(quoted(""))))
	}},
	{"no address", func(s site) bool { return s.row.pattern != "" }, func(_ *gen, s site) { s.put(quoted("- / -")) }},
}

// spoil makes one mistake in the file that was drawn, and tells which.
func (g *gen) spoil() string {
	m := rapid.SampledFrom(mistakes).Draw(g.T, "mistake")
	var sites []site
	for _, s := range g.sites {
		if m.at(s) && !strings.Contains(s.path, ".json.") {
			sites = append(sites, s)
		}
	}
	if len(sites) == 0 {
		g.Skip("no place for this mistake")
	}
	s := rapid.SampledFrom(sites).Draw(g.T, "site")
	m.make(g, s)
	return m.what + " at " + s.path
}

// change puts something into the file that was drawn that may be right or wrong.
func (g *gen) change() string {
	s := rapid.SampledFrom(g.sites).Draw(g.T, "site")
	how := g.pick("how", "value", "key", "drop")
	switch how {
	case "value":
		s.put(g.anything(2))
	case "key":
		other := rapid.SampledFrom(g.sites).Draw(g.T, "other")
		set(s.parent, other.row.name, clone(other.value())) // the other may be around this one
	default:
		s.drop()
	}
	return how + " at " + s.path
}

// set gives a mapping a key with a value, in place of one that it may have.
func set(n *yaml.Node, name string, value *yaml.Node) {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			n.Content[i+1] = value
			return
		}
	}
	n.Content = append(n.Content, scalar(name), value)
}

func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = nil
	for _, one := range n.Content {
		c.Content = append(c.Content, clone(one))
	}
	return &c
}

func (g *gen) anything(depth int) *yaml.Node {
	switch rapid.IntRange(0, 8).Draw(g.T, "anything") {
	case 0:
		if depth > 0 {
			return listNode(g.anything(depth-1), g.anything(depth-1))
		}
	case 1:
		if depth > 0 {
			return mappingNode(scalar(g.pick("key", "a", "url", "exec", "if", "A_1", "<<")), g.anything(depth-1))
		}
	case 2:
		return g.oneOf(listNode(), mappingNode(), scalar("null"), scalar("~"))
	case 3:
		return g.oneOf(g.text(), scalar("True"), scalar("0x10"), scalar("1e3"), scalar("5.0"), scalar("-1"), scalar("+5"), scalar("05"), scalar("2026-01-01"), scalar(".5"))
	case 4:
		return g.oneOf(scalar("5s"), scalar("1h30m"), scalar("9999999999h"), quoted("5"), quoted("-0"), scalar("0s"))
	case 5:
		return quoted(rapid.StringMatching(`[$a{}: /\n]{0,6}(\$\{env:(CONFIG_TEST_TOKEN|CONFIG_TEST_NONE:-5s|CONFIG_TEST_NONE)\})?[$}a]{0,2}`).Draw(g.T, "text"))
	case 6:
		return g.oneOf(scalar("https://example.com/x"), scalar("http:///x"), scalar("s3://b/k"), scalar("/etc/x"), scalar("example.com"), scalar("a@example.com"))
	case 7:
		return g.oneOf(scalar("none"), scalar("wait"), scalar("ops"), scalar("notify0"), scalar("GET"), scalar("* * * * *"), quoted("{{ tick }}"), quoted("{{ tick"))
	}
	return scalar(g.pick("word", "word", "true", "false", "8080"))
}
