package cloudtest

import (
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// route53Model is Amazon's description of the API, of which
// testdata/route53/README.md says where it comes from.
//
//go:embed testdata/route53/api-2.json
var route53Model []byte

// An awsModel is Amazon's description of one of its APIs that speak XML, as far as
// requests are concerned.
type awsModel struct {
	Operations map[string]struct {
		HTTP struct {
			Method     string
			RequestURI string
		}
		Input struct {
			Shape        string
			LocationName string
			XMLNamespace struct{ URI string }
		}
	}
	Shapes map[string]awsShape
}

type awsShape struct {
	Type     string
	Required []string
	Members  map[string]awsMember
	Member   awsMember // of a list
	Enum     []string
	Min, Max *float64
	Pattern  string
}

type awsMember struct {
	Shape        string
	Location     string // uri, querystring, header; empty: in the body
	LocationName string
}

var parsedRoute53 = sync.OnceValues(func() (*awsModel, error) {
	m := &awsModel{}
	return m, json.Unmarshal(route53Model, m)
})

// check finds the operation that a request is for, and everything in which it is
// not as described. Only operations that have a name are known.
func (m *awsModel) check(r *http.Request, body []byte, known ...string) (operation string, parameters map[string]string, err error) {
	for _, operation := range known {
		op := m.Operations[operation]
		in := m.Shapes[op.Input.Shape]
		path, ok := matchPath(op.HTTP.RequestURI, r.URL.EscapedPath())
		if !ok || r.Method != op.HTTP.Method {
			continue
		}
		parameters = make(map[string]string)
		query := r.URL.Query()
		for name, member := range in.Members {
			value, there := "", false
			switch member.Location {
			case "uri":
				value, there = path[member.LocationName]
			case "querystring":
				value, there = query.Get(member.LocationName), query.Has(member.LocationName)
				query.Del(member.LocationName)
			default:
				continue
			}
			if !there && slices.Contains(in.Required, name) {
				err = errors.Join(err, fmt.Errorf("%s is missing", name))
			}
			if there {
				parameters[name] = value
				err = errors.Join(err, m.checkText(name, member.Shape, value))
			}
		}
		for name := range query {
			err = errors.Join(err, fmt.Errorf("there is no parameter %s", name))
		}
		if op.Input.LocationName == "" {
			if len(body) > 0 {
				err = errors.Join(err, errors.New("there is a body"))
			}
			return operation, parameters, err
		}
		root := node{}
		if parse := xml.Unmarshal(body, &root); parse != nil {
			return operation, parameters, errors.Join(err, fmt.Errorf("the body is no XML: %w", parse))
		}
		if want := (xml.Name{Space: op.Input.XMLNamespace.URI, Local: op.Input.LocationName}); root.XMLName != want {
			err = errors.Join(err, fmt.Errorf("the body is a %s of %q, want a %s of %q", root.XMLName.Local, root.XMLName.Space, want.Local, want.Space))
		}
		return operation, parameters, errors.Join(err, m.checkNode(op.Input.LocationName, op.Input.Shape, root))
	}
	return "", nil, errors.New("no such operation")
}

// matchPath finds the parameters of a path by its template.
func matchPath(template, path string) (map[string]string, bool) {
	want, got := strings.Split(strings.Trim(template, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	found := make(map[string]string)
	if len(want) != len(got) {
		return nil, false
	}
	for i, part := range want {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			value, err := url.PathUnescape(got[i])
			if err != nil {
				return nil, false
			}
			found[strings.TrimSuffix(name, "}")] = value
		} else if part != got[i] {
			return nil, false
		}
	}
	return found, true
}

// A node is an element of a body.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

func (m *awsModel) checkNode(where, shape string, n node) error {
	s := m.Shapes[shape]
	switch s.Type {
	case "structure":
		return m.checkStructure(where, s, n)
	case "list":
		var errs []error
		for i, item := range n.Nodes {
			if want := s.Member.LocationName; item.XMLName.Local != want {
				errs = append(errs, fmt.Errorf("%s: a %s, want a %s", where, item.XMLName.Local, want))
				continue
			}
			errs = append(errs, m.checkNode(fmt.Sprintf("%s[%d]", where, i), s.Member.Shape, item))
		}
		return errors.Join(append(errs, s.between(where, "elements", float64(len(n.Nodes))))...)
	}
	if len(n.Nodes) > 0 {
		return fmt.Errorf("%s: elements within a %s", where, s.Type)
	}
	return m.checkText(where, shape, n.Text)
}

func (m *awsModel) checkStructure(where string, s awsShape, n node) error {
	var errs []error
	seen := make(map[string]bool)
	for _, child := range n.Nodes {
		name := child.XMLName.Local
		member, ok := s.Members[name]
		switch {
		case !ok || member.Location != "":
			errs = append(errs, fmt.Errorf("%s: there is no %s", where, name))
		case seen[name]:
			errs = append(errs, fmt.Errorf("%s: %s more than once", where, name))
		default:
			errs = append(errs, m.checkNode(where+"."+name, member.Shape, child))
		}
		seen[name] = true
	}
	for _, name := range s.Required {
		if s.Members[name].Location == "" && !seen[name] {
			errs = append(errs, fmt.Errorf("%s: %s is missing", where, name))
		}
	}
	return errors.Join(errs...)
}

// checkText checks what is written as text.
func (m *awsModel) checkText(where, shape, text string) error {
	s := m.Shapes[shape]
	var errs []error
	switch s.Type {
	case "string":
		errs = append(errs, s.between(where, "characters", float64(utf8.RuneCountInString(text))))
	case "integer", "long":
		n, err := strconv.ParseInt(text, 10, 64)
		errs = append(errs, err, s.between(where, "", float64(n)))
	case "boolean":
		if text != "true" && text != "false" {
			errs = append(errs, fmt.Errorf("%s: %q is no boolean", where, text))
		}
	default:
		errs = append(errs, fmt.Errorf("%s: a %s, which this check does not know", where, s.Type))
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		errs = append(errs, fmt.Errorf("%s: %q is none of %s", where, text, strings.Join(s.Enum, ", ")))
	}
	if s.Pattern != "" {
		whole, err := regexp.Compile("^(?:" + strings.ReplaceAll(s.Pattern, `\p{ASCII}`, `[\x00-\x7F]`) + ")$")
		if err == nil && !whole.MatchString(text) {
			err = fmt.Errorf("%s: %q does not match %s", where, text, s.Pattern)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s awsShape) between(where, of string, n float64) error {
	if s.Min != nil && n < *s.Min || s.Max != nil && n > *s.Max {
		return fmt.Errorf("%s: %g %s is out of range", where, n, of)
	}
	return nil
}

// readAll reads a body that is in memory already.
func readAll(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	return body
}
