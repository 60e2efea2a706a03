package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/solotick/solotick/docs"
	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/internal/journal"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/nagios"
	"github.com/solotick/solotick/report"
)

// ofCommands are the documents of read commands, by the names of their schemas.
var ofCommands = map[string]any{
	"status": monitor.Document{}, "next": nextDoc{}, "record": recordDoc{}, "check": nagios.Document{}, "history": historyDoc{}, "runs": monitor.Runs{},
	"explain": tickDoc{}, "simulate": simulatedDoc{}, "cost": costDoc{}, "change": changeDoc{}, "journal": journal.Document{}, "report": report.Report{},
}

const schemaHome = "https://raw.githubusercontent.com/solotick/solotick/main/docs/"

// compileSchemas compiles every schema that is published for a document.
func compileSchemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range docs.Schemas() {
		text, _ := docs.Schema(name)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = c.AddResource(schemaHome+"solotick-"+name+".schema.json", doc)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	all := map[string]*jsonschema.Schema{}
	for _, name := range docs.Schemas() {
		s, err := c.Compile(schemaHome + "solotick-" + name + ".schema.json")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = s
	}
	return all
}

// TestSchemasAreShipped has every schema of a document in docs be one that the
// program prints, and that says which document it is of.
func TestSchemasAreShipped(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	title := regexp.MustCompile(`"title": "solotick\.([a-z]+)/v1"`)
	var found []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m := title.FindSubmatch(text)
		if m == nil {
			continue // of the configuration
		}
		name := string(m[1])
		found = append(found, name)
		if filepath.Base(f) != "solotick-"+name+".schema.json" {
			t.Errorf("%s is of solotick.%s/v1", f, name)
		}
		if shipped, ok := docs.Schema(name); !ok || !bytes.Equal(shipped, text) {
			t.Errorf("%s is not part of the program: see docs/schemas.go", f)
		}
	}
	if !slices.Equal(found, docs.Schemas()) {
		t.Errorf("in docs are %v, in the program %v", found, docs.Schemas())
	}
}

// TestSchemasDescribe compares each schema with the type that is printed: every
// field is described, with the type that it has, and no other.
func TestSchemasDescribe(t *testing.T) {
	compileSchemas(t)
	for name, doc := range ofCommands {
		d := describer{t: t}
		d.compare(name, reflect.TypeOf(doc), d.file(name))
	}
}

// A node is a schema as it is written, and the file that it stands in.
type node struct {
	file string
	v    map[string]any
}

type describer struct{ t *testing.T }

func (d describer) file(name string) node {
	text, ok := docs.Schema(name)
	if !ok {
		d.t.Fatalf("there is no schema of %s", name)
	}
	n := node{file: name}
	if err := json.Unmarshal(text, &n.v); err != nil {
		d.t.Fatalf("%s: %v", name, err)
	}
	return n
}

// follow is what a $ref stands for.
func (d describer) follow(at string, n node) node {
	target, is := n.v["$ref"].(string)
	if !is {
		return n
	}
	file, inside, _ := strings.Cut(target, "#")
	to := node{file: n.file}
	if file != "" {
		to.file = strings.TrimSuffix(strings.TrimPrefix(file, "solotick-"), ".schema.json")
	}
	to.v = d.file(to.file).v
	for part := range strings.SplitSeq(strings.Trim(inside, "/"), "/") {
		if part == "" {
			continue
		}
		next, ok := to.v[part].(map[string]any)
		if !ok {
			d.t.Fatalf("%s: nothing is at %s", at, target)
		}
		to.v = next
	}
	return d.follow(at, to)
}

// properties are those of an object, of the parts that it is made of too, and which
// of them are required.
func (d describer) properties(at string, n node) (map[string]node, []string) {
	all := map[string]node{}
	var required []string
	parts, _ := n.v["allOf"].([]any)
	for _, part := range parts {
		v, _ := part.(map[string]any)
		more, names := d.properties(at, d.follow(at, node{n.file, v}))
		for name, one := range more {
			all[name] = one
		}
		required = append(required, names...)
	}
	own, _ := n.v["properties"].(map[string]any)
	for name, v := range own {
		object, _ := v.(map[string]any)
		all[name] = node{n.file, object}
	}
	names, _ := n.v["required"].([]any)
	for _, name := range names {
		required = append(required, fmt.Sprint(name))
	}
	return all, required
}

func (d describer) compare(at string, typ reflect.Type, n node) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	kind := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer", reflect.Float64: "number",
		reflect.Slice: "array", reflect.Struct: "object", reflect.Map: "object",
	}[typ.Kind()]
	if typ == reflect.TypeFor[time.Time]() {
		kind = "string"
		if n.v["format"] != "date-time" {
			d.t.Errorf("%s: the schema does not say that it is a time", at)
		}
	}
	if said := d.typeOf(n); said != kind {
		d.t.Errorf("%s is %s, and the schema says %q", at, kind, said)
	}
	switch {
	case kind == "array":
		items, _ := n.v["items"].(map[string]any)
		d.compare(at+"[]", typ.Elem(), d.follow(at, node{n.file, items}))
	case typ.Kind() == reflect.Struct && kind == "object":
		d.fields(at, typ, n)
	}
}

// typeOf is the type of what a schema takes, also where that follows from its values.
func (d describer) typeOf(n node) string {
	if s, ok := n.v["type"].(string); ok {
		return s
	}
	one := n.v["const"]
	if list, ok := n.v["enum"].([]any); ok && len(list) > 0 {
		one = list[0]
	}
	switch one.(type) {
	case string:
		return "string"
	case float64:
		return "integer"
	}
	if n.v["allOf"] != nil {
		return "object"
	}
	return ""
}

func (d describer) fields(at string, typ reflect.Type, n node) {
	properties, required := d.properties(at, n)
	var known []string
	for _, f := range jsonFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		known = append(known, name)
		here := at + "." + name
		p, ok := properties[name]
		if !ok {
			d.t.Errorf("%s is not described", here)
			continue
		}
		target := d.follow(here, p)
		if p.v["description"] == nil && target.v["description"] == nil {
			d.t.Errorf("%s has no description", here)
		}
		if may := strings.Contains(options, "omit"); may == slices.Contains(required, name) {
			d.t.Errorf("%s: it may be absent: %v, and the schema says the opposite", here, may)
		}
		d.compare(here, f.Type, target)
	}
	for name := range properties {
		if !slices.Contains(known, name) {
			d.t.Errorf("%s.%s is described, and there is no such field", at, name)
		}
	}
}

// jsonFields are the fields of a type as JSON has them: those of a struct in it that
// has no name are its own.
func jsonFields(typ reflect.Type) (all []reflect.StructField) {
	for f := range typ.Fields() {
		switch {
		case f.Anonymous && f.Tag.Get("json") == "":
			all = append(all, jsonFields(f.Type)...)
		case f.IsExported() && f.Tag.Get("json") != "-":
			all = append(all, f)
		}
	}
	return all
}

// TestOutputsAreValid has read commands print documents of records of every kind,
// and compares them with the schemas.
func TestOutputsAreValid(t *testing.T) {
	key := dnstest.NewKey("operator")
	s := dnstest.Run(t, dnstest.Config{Kind: dnstest.BIND, Keys: []dnstest.Key{key}, Records: []string{"alias CNAME idle"}})
	now := time.Now().Unix()
	names := putAll(t, s, map[string][]string{
		"idle":     {fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d,"last":"ok","state":"x","new":{"a":1}}`, now+30, now-30, (now-29)*1000), "v=spf1 -all"},
		"claimed":  {fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d,"until":%d,"lease":15,"try":2,"last":"lost"}`, now+60, now, now*1000, now+15)},
		"lapsed":   {fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d,"until":%d,"lease":15}`, now-240, now-300, (now-300)*1000, now-285)},
		"paused":   {fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d,"pause":-1,"why":"db"}`, now+30, now-30, (now-29)*1000)},
		"retry":    {fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d,"try":2,"last":"failed"}`, now+10, now-30, (now-5)*1000)},
		"original": {fmt.Sprintf(`{"id": "MAWDAHDOQH", "timer": %d, "timerold": %d, "entryid": "1b603cac"}`, now+30, now-41)},
		"lock":     {fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":0,"timerold":0,"seq":%d,"until":%d,"lease":15}`, now*1000, now+15)},
		"damaged":  {`{"id":"VDND`},
		"sealed":   {"st1.k.AAAA"},
		"odd":      {`{"id":"A\u001b[31m","timer":9007199254740991,"timerold":-5,"seq":9007199254740991,"last":"x"}`},
		"absent":   nil,
		"alias":    nil,
	})
	schemas := compileSchemas(t)
	here, away := "@"+s.Addr, "@127.0.0.1:1"
	for _, args := range [][]string{
		slices.Concat([]string{"status", here, "--resolver", "127.0.0.1:1"}, names),
		{"status", "a.t.test", away},
		slices.Concat([]string{"next", here}, names),
		{"next", "a.t.test", away},
		slices.Concat([]string{"record", "get", here}, names),
		{"record", "get", "a.t.test", away},
		slices.Concat([]string{"check", here, "--resolver", "127.0.0.1:1", "-w", "10:", "--since-last", "5,@6:7"}, names),
		{"check", "a.t.test", away},
		slices.Concat([]string{"history", here}, names),
		slices.Concat([]string{"history", "--for", "3s", "--every", "1s", here}, names),
		{"history", "a.t.test", away, "--for", "1s"},
	} {
		_, stdout, stderr := invoke(t, append(args, "--json")...)
		if stderr != "" {
			t.Errorf("%s: on stderr\n%s", args, stderr)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
		if err != nil {
			t.Errorf("%s: %v\n%s", args, err, stdout)
			continue
		}
		if err := schemas[args[0]].Validate(doc); err != nil {
			t.Errorf("%s: %v\n%s", args, err, stdout)
		}
		if args[0] == "history" {
			for _, r := range doc.(map[string]any)["records"].([]any) {
				if err := schemas["runs"].Validate(r); err != nil {
					t.Errorf("%s: a record is no solotick.runs/v1: %v", args, err)
				}
			}
		}
	}
	// A document that is none is refused, or all this would say nothing.
	for name := range ofCommands {
		for _, text := range []string{`{}`, `{"schema":"solotick.` + name + `/v2"}`, `[]`} {
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if schemas[name].Validate(doc) == nil {
				t.Errorf("%s counts as a solotick.%s/v1", text, name)
			}
		}
	}
}

// putAll puts texts at names of the zone and returns their full names.
func putAll(t *testing.T, s *dnstest.Server, all map[string][]string) (names []string) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	fmt.Fprintf(&script, "server %s %s\nzone %s\n", host, port, s.Zone)
	for name, texts := range all {
		full := name + "." + s.Zone
		names = append(names, strings.TrimSuffix(full, "."))
		for _, text := range texts {
			fmt.Fprintf(&script, "update add %s 60 TXT %s\n", full, strconv.QuoteToASCII(text))
		}
	}
	script.WriteString("send\n")
	k := s.Keys[0]
	cmd := exec.Command("nsupdate", "-v", "-t", "5", "-y", k.Algorithm+":"+k.Name+":"+k.Secret)
	cmd.Stdin = strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("nsupdate: %v: %s", err, out)
	}
	slices.Sort(names)
	return names
}
