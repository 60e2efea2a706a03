package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schema returns a JSON Schema (draft 2020-12) of the file, made of the same
// table that decodes it, for editors. It refuses what has the wrong form: unknown
// and missing keys, values of another kind, words and durations that are none.
// What needs more than the form to be judged, such as an expression, the name of a
// notifier, or a key that defaults: may have, it leaves to [Load].
func Schema() []byte {
	const about = "The configuration of Solotick: the DNS zone, and the jobs. Any value, but no key, expression or argument of a command, may come from elsewhere: ${env:NAME}, ${env:NAME:-default}, ${file:/path}, ${credential:NAME}, ${vcap:service.path}."
	return render("solotick.schema.json", "Solotick's file", about, mappingOf("file", fileKeys))
}

// JobsSchema returns a JSON Schema of a list of jobs that lies elsewhere: see
// [Config.Parse].
func JobsSchema() []byte {
	const about = "Jobs of Solotick, in a list that jobs_from: of an agent's file points at. What they may do is for that file to say."
	return render("solotick-jobs.schema.json", "Solotick's list of jobs", about, mappingOf("list", listingKeys))
}

// home is where the schemas of the newest version are.
const home = "https://raw.githubusercontent.com/solotick/solotick/main/docs/"

func render(file, title, about string, s shape) []byte {
	b := builder{defs: make(map[string]*schema)}
	top := b.mapping(s)
	top.Draft, top.ID, top.Title, top.Doc = "https://json-schema.org/draft/2020-12/schema", home+file, title, about
	for _, name := range sortedNames(b.defs) {
		top.Defs = append(top.Defs, member{name, b.defs[name]})
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(top); err != nil {
		panic("config: " + err.Error()) // nothing in it that could not be encoded
	}
	return out.Bytes()
}

// A schema is one JSON Schema, with the keywords that are used here.
type schema struct {
	Draft      string             `json:"$schema,omitempty"`
	ID         string             `json:"$id,omitempty"`
	Ref        string             `json:"$ref,omitempty"`
	Title      string             `json:"title,omitempty"`
	Doc        string             `json:"description,omitempty"`
	Type       any                `json:"type,omitempty"` // a name or a list of them
	Enum       []any              `json:"enum,omitempty"`
	Pattern    string             `json:"pattern,omitempty"`
	Error      string             `json:"patternErrorMessage,omitempty"` // of VS Code and the YAML language server
	MinLength  int                `json:"minLength,omitempty"`
	Min        *int64             `json:"minimum,omitempty"`
	Max        *int64             `json:"maximum,omitempty"`
	Default    any                `json:"default,omitempty"`
	Required   []string           `json:"required,omitempty"`
	Properties members            `json:"properties,omitempty"`
	Names      *schema            `json:"propertyNames,omitempty"`
	Others     *schema            `json:"additionalProperties,omitempty"`
	MinProps   int                `json:"minProperties,omitempty"`
	MaxProps   int                `json:"maxProperties,omitempty"`
	First      []*schema          `json:"prefixItems,omitempty"`
	Items      *schema            `json:"items,omitempty"`
	MinItems   int                `json:"minItems,omitempty"`
	MaxItems   int                `json:"maxItems,omitempty"`
	Dependent  map[string]*schema `json:"dependentSchemas,omitempty"`
	Not        *schema            `json:"not,omitempty"`
	If         *schema            `json:"if,omitempty"`
	Then       *schema            `json:"then,omitempty"`
	AllOf      []*schema          `json:"allOf,omitempty"`
	AnyOf      []*schema          `json:"anyOf,omitempty"`
	OneOf      []*schema          `json:"oneOf,omitempty"`
	Defs       members            `json:"$defs,omitempty"`

	never bool // the schema that nothing fulfils
}

// MarshalJSON writes false for that schema.
func (s *schema) MarshalJSON() ([]byte, error) {
	if s.never {
		return []byte("false"), nil
	}
	type plain schema
	return marshal((*plain)(s))
}

// A member is a schema with a name, in the order of the table.
type member struct {
	name string
	*schema
}

type members []member

// MarshalJSON writes an object.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, one := range m {
		b.WriteByte("{,"[min(i, 1)])
		text, err := marshal(one.schema)
		if err != nil {
			return nil, err
		}
		b.WriteString(strconv.Quote(one.name) + ":")
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal is json.Marshal that leaves < and > as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// A builder makes the schema of shapes. What is used in several places, or is
// large, becomes a definition.
type builder struct{ defs map[string]*schema }

func never() *schema { return &schema{never: true} }

func ref(name string) *schema { return &schema{Ref: "#/$defs/" + name} }

// forbid is that none of some keys is there.
func forbid(keys ...string) *schema {
	s := &schema{}
	for _, k := range keys {
		s.Properties = append(s.Properties, member{k, never()})
	}
	return s
}

// define makes a definition once.
func (b *builder) define(name string, make func() *schema) *schema {
	if _, ok := b.defs[name]; !ok {
		b.defs[name] = nil // of what contains itself
		b.defs[name] = make()
	}
	return ref(name)
}

// row is the schema of a key's value.
func (b *builder) row(r row) *schema {
	s := b.value(r)
	s.Doc = r.doc + r.bounds()
	if r.def != "" {
		s.Default = r.def
		if n, err := strconv.Atoi(r.def); err == nil && r.kind == isInt {
			s.Default = n
		}
	}
	return s
}

// bounds are those of a duration, in words.
func (r row) bounds() string {
	least, most := short(time.Duration(r.least)), short(time.Duration(r.most))
	text := ""
	switch {
	case r.kind != isDuration:
	case r.least != 0 && r.most != 0:
		text = fmt.Sprintf(" (from %s to %s)", least, most)
	case r.least != 0:
		text = fmt.Sprintf(" (at least %s)", least)
	case r.most != 0:
		text = fmt.Sprintf(" (at most %s)", most)
	}
	if r.seconds {
		text += ", in whole seconds"
	}
	return text
}

func (b *builder) value(r row) *schema {
	switch r.kind {
	case isMapping:
		if r.short != nil {
			return &schema{AnyOf: []*schema{b.value(*r.short), b.named(r.shape)}}
		}
		return b.named(r.shape)
	case isMappings:
		return &schema{Type: "array", Items: b.named(r.shape), MinItems: 1, MaxItems: maxSteps}
	case isNamed:
		return &schema{Type: "object", Names: &schema{Pattern: r.words}, Others: b.named(r.shape)}
	case isSecrets, isFields:
		return &schema{Type: "object", Names: b.words(r.words), Others: b.text()}
	case isList:
		item := b.value(r.item())
		return &schema{AnyOf: []*schema{item, {Type: "array", Items: item}}}
	case isArgv:
		return b.argv()
	case isAny:
		return &schema{}
	case isText, isSecret, isCondition, isTemplate, isClear, isBool, isInt, isDuration:
	}
	return b.scalar(r)
}

// named is the schema of a mapping as a definition, if it is worth one.
func (b *builder) named(s shape) *schema {
	return b.define(s.name, func() *schema { return b.mapping(s) })
}

// mapping is the schema of a mapping with known keys.
func (b *builder) mapping(s shape) *schema {
	m := &schema{Type: "object", Others: never()}
	for _, r := range s.rows {
		m.Properties = append(m.Properties, member{r.name, b.row(r)})
		if r.required {
			m.Required = append(m.Required, r.name)
		}
	}
	b.rules(s, m)
	return m
}

// words is the schema of the names in a mapping of names to texts.
func (b *builder) words(pattern string) *schema {
	switch pattern {
	case "":
		return nil
	case variableName:
		return &schema{Pattern: pattern, Not: &schema{Pattern: "^SOLOTICK_"}}
	}
	return &schema{Pattern: pattern}
}

const (
	// elsewhere is a value that comes from elsewhere, within a text.
	elsewhere = `(^|[^$])\$\{(env|file|credential|vcap):[^}]*\}`
	// texts are all that have no ${ but those of elsewhere and $${.
	texts = `^([^$]|\$+[^${]|\$\$+\{|\$\{(env|file|credential|vcap):[^}]*\})*\$*$`
	// periods are what parseDuration reads.
	periods = `^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
)

// scalars are the types of a text: a number and true need no quotes.
var scalars = []string{"string", "number", "boolean"}

func (b *builder) text() *schema {
	return b.define("text", func() *schema {
		return &schema{Type: scalars, Pattern: texts, Error: "${ is for ${env:NAME}, ${file:/path}, ${credential:NAME} and ${vcap:service.path}; write $${ for the two characters themselves"}
	})
}

// scalar is the schema of a single value.
func (b *builder) scalar(r row) *schema {
	switch r.kind {
	case isCondition:
		return &schema{Type: []string{"string", "boolean"}, Pattern: `\S`, Not: &schema{Type: "string", Pattern: `\$\{`}}
	case isBool:
		return &schema{Type: []string{"boolean", "string"}, Pattern: "^(true|false)$|" + elsewhere}
	case isInt:
		s := &schema{Type: []string{"integer", "string"}, Pattern: "^[-+]?[0-9]+$|" + elsewhere, Min: &r.least}
		if r.most != 0 {
			s.Max = &r.most
		}
		return s
	case isDuration:
		return &schema{Type: "string", Pattern: periods + "|" + elsewhere, Error: "a duration is a number with its unit: 500ms, 60s, 5m, 1h30m"}
	case isSecret:
		switch {
		case r.name == "tsig" || r.name == "credentials":
			return &schema{Type: "string", Pattern: `^/|` + elsewhere, Error: "the absolute path of a key file, or ${env:NAME}"}
		case r.secret:
			return &schema{Type: "string", Pattern: elsewhere, Error: "a secret does not belong into this file: ${env:NAME}, ${file:/path}, ${credential:NAME} or ${vcap:service.path}"}
		}
	case isText, isTemplate, isClear, isArgv, isList, isSecrets, isFields, isAny, isMapping, isMappings, isNamed:
	}
	switch {
	case len(r.oneOf) > 0:
		words := &schema{}
		for _, word := range r.oneOf {
			words.Enum = append(words.Enum, word)
		}
		return &schema{AnyOf: []*schema{words, {Type: "string", Pattern: elsewhere}}}
	case r.pattern != "" && r.kind == isTemplate:
		return &schema{Type: "string", Pattern: r.pattern + `|\{\{|` + elsewhere}
	case r.pattern != "":
		return &schema{Type: scalars, Pattern: r.pattern + "|" + elsewhere}
	}
	return b.text()
}

// argv is the schema of a command: where ps would show it, nothing comes from
// elsewhere.
func (b *builder) argv() *schema {
	argument := b.define("argument", func() *schema {
		return &schema{Type: scalars, Not: &schema{Type: "string", Pattern: strings.TrimSuffix(elsewhere, `[^}]*\}`)}}
	})
	program := &schema{Ref: argument.Ref, MinLength: 1}
	return &schema{AnyOf: []*schema{program, {Type: "array", First: []*schema{program}, Items: argument, MinItems: 1}}}
}
