package cloudtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A discovery is Google's own description of one of its APIs, by which requests and
// answers are checked: paths, parameters, and the types of what a body holds. It
// knows nothing that the service checks beyond that.
type discovery struct {
	Parameters map[string]*discoSchema // of every method
	Schemas    map[string]*discoSchema
	Resources  map[string]*discoResource

	methods []*discoMethod
}

type discoResource struct {
	Methods   map[string]*discoMethod
	Resources map[string]*discoResource
}

// A discoMethod is one method of the API.
type discoMethod struct {
	ID, HTTPMethod, Path string
	Parameters           map[string]*discoSchema
	Request, Response    *discoSchema

	path  *regexp.Regexp
	names []string // of what the path's expression finds
}

// A discoSchema is the type of a value.
type discoSchema struct {
	Ref                       string `json:"$ref"`
	Type, Format, Pattern     string
	Location                  string // of a parameter
	Enum                      []string
	Required, ReadOnly        bool
	Properties                map[string]*discoSchema
	Items, AdditionalProperty *discoSchema
}

// UnmarshalJSON gives additionalProperties its name: it is the type of one of them.
func (s *discoSchema) UnmarshalJSON(data []byte) error {
	type plain discoSchema
	read := struct {
		*plain
		AdditionalProperties *discoSchema
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	s.AdditionalProperty = read.AdditionalProperties
	return nil
}

// inPath are the variables of a path: one segment, or with a plus several.
var inPath = regexp.MustCompile(`\{(\+?)(\w+)\}`)

// readDiscovery reads a description.
func readDiscovery(data []byte) (*discovery, error) {
	d := &discovery{}
	if err := json.Unmarshal(data, d); err != nil {
		return nil, err
	}
	var collect func(map[string]*discoResource) error
	collect = func(resources map[string]*discoResource) error {
		for _, r := range resources {
			for _, m := range r.Methods {
				if err := m.compile(); err != nil {
					return err
				}
				d.methods = append(d.methods, m)
			}
			if err := collect(r.Resources); err != nil {
				return err
			}
		}
		return nil
	}
	if err := collect(d.Resources); err != nil {
		return nil, err
	}
	if len(d.methods) == 0 {
		return nil, errors.New("a description without methods")
	}
	return d, nil
}

func (m *discoMethod) compile() error {
	var expr strings.Builder
	at := 0
	for _, found := range inPath.FindAllStringSubmatchIndex(m.Path, -1) {
		expr.WriteString(regexp.QuoteMeta(m.Path[at:found[0]]))
		if found[2] < found[3] {
			expr.WriteString(`([^:]+)`)
		} else {
			expr.WriteString(`([^/:]+)`)
		}
		m.names = append(m.names, m.Path[found[4]:found[5]])
		at = found[1]
	}
	expr.WriteString(regexp.QuoteMeta(m.Path[at:]))
	var err error
	m.path, err = regexp.Compile("^/" + expr.String() + "$")
	return err
}

// A discoCall is a request that is as the description has it: the method, the
// parameters of path and query, and the body.
type discoCall struct {
	method *discoMethod
	params map[string]string
	body   []byte
}

// check says whether a request is one that the API describes.
func (d *discovery) check(r *http.Request) (*discoCall, error) {
	for _, m := range d.methods {
		params, ok := m.match(r)
		if !ok {
			continue
		}
		c := &discoCall{method: m, params: params}
		return c, d.checkCall(c, r)
	}
	return nil, fmt.Errorf("no method is %s %s", r.Method, r.URL.Path)
}

// match says whether a request is one of the method, and which parameters its path
// has.
func (m *discoMethod) match(r *http.Request) (map[string]string, bool) {
	values := m.path.FindStringSubmatch(r.URL.Path)
	if values == nil || m.HTTPMethod != r.Method {
		return nil, false
	}
	params := map[string]string{}
	for i, name := range m.names {
		params[name] = values[i+1]
		if s := m.Parameters[name]; s == nil || s.checkText(values[i+1]) != nil {
			return nil, false
		}
	}
	return params, true
}

func (d *discovery) checkCall(c *discoCall, r *http.Request) error {
	m := c.method
	for name, values := range r.URL.Query() {
		s := m.Parameters[name]
		if s == nil {
			s = d.Parameters[name]
		}
		if s == nil || s.Location != "query" || len(values) != 1 {
			return fmt.Errorf("%s has no parameter %q, or it is given twice", m.ID, name)
		}
		c.params[name] = values[0]
	}
	for name, s := range m.Parameters {
		value, given := c.params[name]
		switch {
		case given:
			if err := s.checkText(value); err != nil {
				return fmt.Errorf("%s: parameter %q: %w", m.ID, name, err)
			}
		case s.Required:
			return fmt.Errorf("%s: the parameter %q is required", m.ID, name)
		}
	}
	var err error
	if c.body, err = io.ReadAll(r.Body); err != nil {
		return err
	}
	switch {
	case m.Request == nil && len(c.body) > 0:
		return fmt.Errorf("%s takes no body", m.ID)
	case m.Request == nil:
		return nil
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return fmt.Errorf("%s takes JSON, and not %q", m.ID, r.Header.Get("Content-Type"))
	}
	if err := d.checkBody(m.Request, c.body, true); err != nil {
		return fmt.Errorf("%s: %w", m.ID, err)
	}
	return nil
}

// checkBody says whether a body is of a type. What is read-only is no part of a
// request.
func (d *discovery) checkBody(s *discoSchema, body []byte, request bool) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body is more than one value")
	}
	return d.checkValue("body", s, value, request)
}

func (d *discovery) checkValue(where string, s *discoSchema, value any, request bool) error {
	if s.Ref != "" {
		if s = d.Schemas[s.Ref]; s == nil {
			return fmt.Errorf("%s is of a type that is not described", where)
		}
	}
	wrong := fmt.Errorf("%s is no %s: %v", where, s.Type, value)
	switch s.Type {
	case "object":
		fields, ok := value.(map[string]any)
		if !ok {
			return wrong
		}
		return d.checkFields(where, s, fields, request)
	case "array":
		items, ok := value.([]any)
		if !ok {
			return wrong
		}
		for i, item := range items {
			if err := d.checkValue(fmt.Sprintf("%s[%d]", where, i), s.Items, item, request); err != nil {
				return err
			}
		}
	case "string":
		text, ok := value.(string)
		if !ok {
			return wrong
		}
		if err := s.checkText(text); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	case "integer", "number":
		n, ok := value.(json.Number)
		if !ok {
			return wrong
		}
		if err := s.checkText(n.String()); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			return wrong
		}
	case "any":
	default:
		return fmt.Errorf("%s is of the unknown type %q", where, s.Type)
	}
	return nil
}

func (d *discovery) checkFields(where string, s *discoSchema, fields map[string]any, request bool) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := s.Properties[name]
		if field == nil {
			field = s.AdditionalProperty
		}
		switch {
		case field == nil:
			return fmt.Errorf("%s has no field %q", where, name)
		case field.ReadOnly && request:
			return fmt.Errorf("%s.%s is the service's to set", where, name)
		}
		if err := d.checkValue(where+"."+name, field, fields[name], request); err != nil {
			return err
		}
	}
	return nil
}

// bits are the formats of whole numbers, which may also be those of texts.
var bits = map[string]struct {
	size   int
	signed bool
}{"int32": {32, true}, "uint32": {32, false}, "int64": {64, true}, "uint64": {64, false}}

// checkText says whether a text is a value of the type: as a parameter, as a JSON
// string, or as the digits of a JSON number.
func (s *discoSchema) checkText(text string) error {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		return fmt.Errorf("%q is none of %q", text, s.Enum)
	}
	if s.Pattern != "" {
		if ok, err := regexp.MatchString(s.Pattern, text); err != nil || !ok {
			return fmt.Errorf("%q is not as %s", text, s.Pattern)
		}
	}
	var err error
	switch f, whole := bits[s.Format]; {
	case whole && f.signed:
		_, err = strconv.ParseInt(text, 10, f.size)
	case whole:
		_, err = strconv.ParseUint(text, 10, f.size)
	case s.Type == "integer":
		if _, ok := new(big.Int).SetString(text, 10); !ok {
			err = fmt.Errorf("%q is no whole number", text)
		}
	case s.Type == "number":
		_, err = strconv.ParseFloat(text, 64)
	case s.Type == "boolean":
		_, err = strconv.ParseBool(text)
	case s.Format == "byte":
		_, err = base64.StdEncoding.DecodeString(text)
	}
	return err
}
