package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Reference is docs/reference/configuration.md: the table, for people.
func Reference() string {
	p := &referencer{}
	p.f("# Configuration\n\n")
	p.f("<!-- Generated from the table of package config: go test ./config -rewrite -->\n\n")
	p.f("Every key of the file, as the program has it. How they go together: [the guide](../guide.md#the-file),\n")
	p.f("[automation](../automation.md), [registers](../providers.md). For editors there is [a schema](../solotick.schema.json);\n")
	p.f("`solotick validate FILE` reports every mistake at once, and `solotick config show` each value in force.\n\n")
	p.f("Any value, but no key, expression or argument of a command, may come from elsewhere: `${env:NAME}`,\n")
	p.f("`${env:NAME:-default}`, `${file:/path}`, `${credential:NAME}`, `${vcap:service.path}`. *Secret* values have to. A duration is a number with a unit,\n")
	p.f("as in `1h30m`, `15s` or `500ms`. Templates have expressions in `{{ }}`.\n")
	p.section("The file", "", mappingOf("file", fileKeys), 2)
	p.providers()
	p.section("A list of jobs from elsewhere", "what `jobs_from` points at", mappingOf("list", listingKeys), 2)
	return p.String()
}

type referencer struct {
	strings.Builder
	done []string // names of mappings
}

func (p *referencer) f(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// section is a mapping, and those below it that were not told of yet.
func (p *referencer) section(title, about string, s shape, level int) {
	p.done = append(p.done, s.name)
	p.f("\n%s %s\n\n", strings.Repeat("#", min(level, 4)), title)
	if about != "" {
		p.f("%s.\n\n", strings.ToUpper(about[:1])+strings.TrimSuffix(about[1:], ":"))
	}
	if s.name == "defaults" {
		p.f("The keys of [a job](#job), but for `record`.\n")
		return
	}
	p.f("| key | type | default | |\n| --- | --- | --- | --- |\n")
	for _, r := range s.rows {
		p.f("| `%s` | %s | %s | %s |\n", r.name, p.kind(r), p.def(r), cell(r.doc+r.bounds()+r.numbers()))
	}
	for _, r := range s.rows {
		if r.shape.rows != nil && !slices.Contains(p.done, r.shape.name) {
			about := r.doc
			if r.kind == isMapping && r.name != r.shape.name {
				about = "" // it has other keys too
			}
			p.section(r.shape.heading(), about, r.shape, level+1)
		}
	}
}

// heading is how a mapping is called: the key, or what its items are.
func (s shape) heading() string {
	return map[string]string{"notifier": "notifier", "job": "job", "step": "step"}[s.name] + map[bool]string{true: "`" + s.name + "`"}[s.kind == isMapping]
}

func (p *referencer) kind(r row) string {
	switch r.kind {
	case isSecret:
		return map[bool]string{true: "secret", false: "text"}[r.secret]
	case isCondition:
		return "expression"
	case isTemplate:
		return "template"
	case isClear:
		return "template, or `false`"
	case isBool:
		return "`true` or `false`"
	case isInt:
		return "number"
	case isDuration:
		return "duration"
	case isArgv:
		return "list, or text"
	case isList:
		return "list of texts"
	case isSecrets:
		return "names and texts"
	case isFields:
		return "names and templates"
	case isAny:
		return "anything"
	case isMappings:
		return "list of [" + r.shape.name + "s](#" + r.shape.name + ")"
	case isNamed:
		return "names and [" + r.shape.name + "s](#" + r.shape.name + ")"
	case isMapping:
		text := "[mapping](#" + r.shape.name + ")"
		if r.short != nil {
			text += ", or its `" + r.short.name + "`"
		}
		return text
	}
	if len(r.oneOf) > 0 && len(r.oneOf) < 6 {
		return "`" + strings.Join(r.oneOf, "`, `") + "`"
	}
	return "text"
}

func (p *referencer) def(r row) string {
	switch {
	case r.required:
		return "*required*"
	case r.def != "":
		return "`" + r.def + "`"
	case r.kind == isBool:
		return "`false`"
	}
	return ""
}

// numbers are the bounds of a number.
func (r row) numbers() string {
	if r.kind != isInt || r.most == 0 || r.least == r.most {
		return ""
	}
	return fmt.Sprintf(" (%d to %d)", r.least, r.most)
}

// cell is a text in a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}

// providers are the keys of dns that each takes.
func (p *referencer) providers() {
	p.f("\n## Providers\n\nWhich keys of [`dns`](#dns) a provider takes beside `%s`; **needed** ones are bold.\n\n", strings.Join(commonKeys, "`, `"))
	p.f("| `provider` | keys | least TTL | `head_start` of jobs |\n| --- | --- | --- | --- |\n")
	for _, one := range providers {
		var keys []string
		for _, k := range one.keys {
			if k = "`" + k + "`"; slices.Contains(one.need, strings.Trim(k, "`")) {
				k = "**" + k + "**"
			}
			keys = append(keys, k)
		}
		p.f("| `%s` | %s | %s | %s |\n", one.name, strings.Join(keys, ", "), short(max(one.ttl, time.Second)), short(one.lag))
	}
}
