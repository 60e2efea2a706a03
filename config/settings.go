package config

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/schedule"
)

// A Setting is one value that is in force, for people. Nothing of it is a secret,
// unless the file itself holds one where none is expected.
type Setting struct {
	Path  string `json:"path"`  // as in jobs.canary.every
	Value string `json:"value"` // of a secret, and of what may be one, its length only
	From  string `json:"from"`  // the line and where else it came from, or what it follows from
}

// Inspect returns all values that are in force by a file, in its order, each
// followed by the defaults of what stands beside it. What defaults: says is told
// of each job that takes it. The error is as that of [Load].
func Inspect(path string) ([]Setting, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	w := newWalker(path, data)
	in := inspector{w: w, dns: &c.DNS, jobs: make(map[string]*Job)}
	for i := range c.Jobs {
		in.jobs[c.Jobs[i].Name] = &c.Jobs[i]
	}
	in.file(w.document(data))
	return in.settings, nil
}

// An inspector goes through a file that is known to be right.
type inspector struct {
	w        *walker // for what comes from elsewhere
	dns      *DNS
	jobs     map[string]*Job
	defaults *yaml.Node
	inherits bool // what is being told stands under defaults:
	settings []Setting
}

func (in *inspector) say(path, value, from string) {
	in.settings = append(in.settings, Setting{Path: path, Value: value, From: from})
}

// line is where a value stands, and where it came from.
func (in *inspector) line(n *yaml.Node, origins ...string) string {
	from := fmt.Sprintf("line %d", n.Line)
	if in.inherits {
		from += ", defaults"
	}
	for _, o := range origins {
		from += ", " + o
	}
	return from
}

// each calls do with the keys and values of a mapping.
func each(n *yaml.Node, do func(name string, value *yaml.Node)) {
	n = follow(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		do(follow(n.Content[i]).Value, follow(n.Content[i+1]))
	}
}

func (in *inspector) file(root *yaml.Node) {
	s := mappingOf("file", fileKeys)
	each(root, func(name string, v *yaml.Node) {
		if name == "defaults" {
			in.defaults = v
		}
	})
	has := make(map[string]bool)
	each(root, func(name string, v *yaml.Node) {
		has[name] = true
		switch r := s.row(name); name {
		case "defaults":
		case "jobs":
			each(v, func(job string, v *yaml.Node) { in.job(join("jobs", job), job, v, r.rows) })
		default:
			in.value(v, name, r)
		}
	})
	if !has["agent"] {
		in.absent("agent", s.row("agent").rows, nil)
	}
}

// row is a key's row.
func (s shape) row(name string) row {
	return s.rows[slices.IndexFunc(s.rows, func(r row) bool { return r.name == name })]
}

// absent tells the defaults of the keys that a mapping has not.
func (in *inspector) absent(path string, rows []row, has map[string]bool) {
	for _, r := range rows {
		if r.def != "" && !has[r.name] {
			in.say(join(path, r.name), r.def, "default")
		}
	}
}

// job tells what a job says itself, what it takes from defaults:, and the rest.
func (in *inspector) job(path, name string, n *yaml.Node, rows []row) {
	s := shape{rows: rows}
	has := make(map[string]bool)
	each(n, func(key string, v *yaml.Node) {
		has[key] = true
		in.value(v, join(path, key), s.row(key))
	})
	if in.defaults != nil {
		own := make(map[string]bool)
		for key := range has {
			own[key] = true
			for _, other := range replaces[key] {
				own[other] = true
			}
		}
		in.inherits = true
		each(in.defaults, func(key string, v *yaml.Node) {
			if !own[key] {
				has[key] = true
				in.value(v, join(path, key), s.row(key))
			}
		})
		in.inherits = false
	}
	in.follows(path, in.jobs[name], has)
	in.absent(path, rows, has)
}

// follows tells what is in force for a job because of something else.
func (in *inspector) follows(path string, j *Job, has map[string]bool) {
	say := func(key, value, from string) {
		if !has[key] {
			has[key] = true
			in.say(join(path, key), value, from)
		}
	}
	say("record", j.Record, "the job's name and the zone")
	if has["every"] {
		say("offset", short(schedule.Offset(j.Name, j.Every)), "the job's name")
		has["time_zone"] = true // has no meaning
	}
	if lag := in.dns.Lag(); lag > 2*time.Second && j.HeadStart == lag {
		say("head_start", short(lag), "provider: "+in.dns.Provider)
	}
	if j.Guarantee == atMostOnce {
		say("takeovers", "0", "guarantee: "+atMostOnce)
		say("without_register", j.WithoutRegister, "guarantee: "+atMostOnce)
	}
}

// value tells the value of a key, or all values below it.
func (in *inspector) value(n *yaml.Node, path string, r row) {
	n = follow(n)
	switch r.kind {
	case isMapping:
		in.mapping(n, path, r.shape)
	case isMappings:
		for i, item := range n.Content {
			in.mapping(follow(item), fmt.Sprintf("%s[%d]", path, i), r.shape)
		}
	case isNamed:
		each(n, func(name string, v *yaml.Node) { in.mapping(v, join(path, name), r.shape) })
	case isSecrets, isFields:
		item := row{shape: shape{kind: isTemplate}}
		if r.kind == isSecrets {
			item = row{rule: rule{secret: true}, shape: shape{kind: isSecret}}
		}
		each(n, func(name string, v *yaml.Node) {
			item.name = name
			in.scalar(v, join(path, name), item)
		})
	case isList, isArgv:
		in.list(n, path, r)
	case isAny:
		in.json(n, path, r)
	case isText, isSecret, isCondition, isTemplate, isClear, isBool, isInt, isDuration:
		in.scalar(n, path, r)
	}
}

func (in *inspector) mapping(n *yaml.Node, path string, s shape) {
	has := make(map[string]bool)
	if n.Kind != yaml.MappingNode {
		in.value(n, path, *s.short)
		has[s.short.name] = true
	} else {
		each(n, func(key string, v *yaml.Node) {
			has[key] = true
			in.value(v, join(path, key), s.row(key))
		})
	}
	switch {
	case s.name == "step" && !has["alert"]:
		return // its defaults are for alerts
	case s.name == "dns":
		in.provider(path, has)
		return
	}
	in.absent(path, s.rows, has)
}

// provider tells what is in force at the provider, and follows from which it is.
func (in *inspector) provider(path string, has map[string]bool) {
	d := in.dns
	p, _ := providerOf(d.Provider)
	if !has["ttl"] {
		in.say(join(path, "ttl"), short(d.TTL), "provider: "+d.Provider)
	}
	if !has["timeout"] {
		in.say(join(path, "timeout"), short(d.Timeout), "provider: "+d.Provider)
	}
	in.absent(path, rowsOf(keysOf(p)), has)
}

// list tells a list, or one text in its place.
func (in *inspector) list(n *yaml.Node, path string, r row) {
	item := r.item()
	if r.kind == isArgv {
		item.kind = isArgv
	}
	if n.Kind != yaml.SequenceNode {
		in.scalar(n, path, item)
		return
	}
	var words, origins []string
	for _, c := range n.Content {
		word, from := in.shown(follow(c), item)
		if word == "" || strings.ContainsAny(word, " ,[]{}:#\"'`") || strings.ContainsFunc(word, unicode.IsControl) {
			word = strconv.Quote(word)
		}
		words, origins = append(words, word), append(origins, from...)
	}
	in.say(path, "["+strings.Join(words, ", ")+"]", in.line(n, origins...))
}

// json tells all that json: sends.
func (in *inspector) json(n *yaml.Node, path string, r row) {
	n = follow(n)
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		each(n, func(name string, v *yaml.Node) { in.json(v, join(path, name), row{name: name}) })
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		for i, c := range n.Content {
			in.json(c, fmt.Sprintf("%s[%d]", path, i), r)
		}
	case n.Kind == yaml.ScalarNode:
		in.scalar(n, path, row{name: r.name, shape: shape{kind: isTemplate}})
	default:
		in.say(path, map[yaml.Kind]string{yaml.MappingNode: "{}", yaml.SequenceNode: "[]"}[n.Kind], in.line(n))
	}
}

func (in *inspector) scalar(n *yaml.Node, path string, r row) {
	value, origins := in.shown(n, r)
	in.say(path, value, in.line(n, origins...))
}

// namesSecret finds names of what is likely to be secret, for values that are
// written where they should not be.
var namesSecret = regexp.MustCompile(`(?i)secret|passw|passcode|passphrase|token|authorization|credential|cookie|signature|api[-_]?key`)

// veiled stands for a text that nobody is shown.
func veiled(text string) string {
	n := utf8.RuneCountInString(text)
	if n == 1 {
		return "«set, 1 character»"
	}
	return fmt.Sprintf("«set, %d characters»", n)
}

// shown is what may be shown of a single value, and where it came from.
func (in *inspector) shown(n *yaml.Node, r row) (value string, origins []string) {
	written := n.Value
	switch r.kind {
	case isCondition:
		return written, nil
	case isArgv:
		word, _ := in.w.argument(n, "")
		return word, nil
	}
	value, replaced, _ := in.w.interpolate(written)
	origins, masked := sources(written)
	switch r.kind {
	case isSecret:
		return in.secret(written, value, r), origins
	case isTemplate, isClear:
		if replaced {
			return masked, origins
		}
		if namesSecret.MatchString(r.name) && !strings.Contains(written, "{{") {
			return veiled(value), nil
		}
		return written, nil
	case isDuration:
		d, _ := parseDuration(value)
		return short(d), origins
	case isText:
		switch {
		case replaced && r.pattern == endpointURL:
			return cmp.Or(address(written, value), veiled(value)), origins
		case replaced && len(r.oneOf) == 0 && r.check == nil:
			return veiled(value), origins
		case r.pattern == dnsName:
			return canonical(value), origins
		}
	}
	return value, origins
}

// secret is what may be shown of a value that may be a secret: of an address
// what everybody may know.
func (in *inspector) secret(written, value string, r row) string {
	switch {
	case r.secret:
	case fromElsewhere.MatchString(written):
		if address := address(written, value); address != "" {
			return address
		}
	case strings.HasPrefix(value, "/"), strings.Contains(value, "://"):
		return value
	}
	return veiled(value)
}

// whole finds a text that is one value from elsewhere and perhaps a path.
var whole = regexp.MustCompile(`^\$\{(env|file|credential|vcap):[^}]*\}([/?#].*)?$`)

// headOfURL finds the scheme and the host of a URL.
var headOfURL = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#]*@)?([^/?#@]+)`)

// address is the scheme and the host of a URL of which something came from
// elsewhere; empty: it is none, or its host is a part of what came.
func address(written, value string) string {
	pieces, _ := expand(written, func(string) (string, error) { return "\x00", nil })
	text, _ := joined(pieces)
	if whole.MatchString(written) {
		text = value
	}
	m := headOfURL.FindStringSubmatch(text)
	if m == nil || strings.Contains(m[2], "\x00") {
		return ""
	}
	head := m[1] + m[2]
	if head != text {
		head += "/..."
	}
	return head
}

// sources tells where the parts of a text come from that are not written in it,
// and the text without what it has for the case that they are not there.
func sources(text string) (origins []string, masked string) {
	pieces, _ := expand(text, func(inside string) (string, error) {
		kind, arg, _ := strings.Cut(inside, ":")
		origin := kind + " " + arg
		if name, _, hasDefault := strings.Cut(arg, ":-"); kind == "env" && hasDefault {
			origin, inside = "env "+name, "env:"+name
			if os.Getenv(name) == "" {
				origin = "the default of " + origin
			}
		}
		origins = append(origins, origin)
		return "${" + inside + "}", nil
	})
	masked, _ = joined(pieces)
	return origins, masked
}
