package config

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"golang.org/x/net/http/httpguts"

	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/steps"
)

// request reads http:, a URL or a mapping.
func (w *walker) request(n *yaml.Node, path string) *request {
	r := &request{path: path}
	preset(requestKeys, r)
	if n.Kind == yaml.ScalarNode {
		w.value(n, path, &r.url, rule{})
		return r
	}
	r.at = object(w, n, path, requestKeys, r)
	var given []string
	for _, name := range []string{"body", "json", "form"} {
		if r.at[name].key != nil {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		p := r.at[given[1]]
		w.mistake(p.key, p.path, "leave one of them out", "%s are all given: a request has one body", strings.Join(given, " and "))
	}
	if p := r.at["method"]; p.good && len(given) > 0 && (r.method == http.MethodGet || r.method == http.MethodHead) {
		w.mistake(p.value, p.path, "leave method out for POST", "a %s request has no body", r.method)
	}
	return r
}

// http makes the request of a step.
func (w *walker) http(s *step, c *expression.Compiler) *steps.HTTP {
	r := s.http
	h := &steps.HTTP{Method: r.method, Client: w.client(r)}
	if r.url.node == nil {
		return h
	}
	h.URL = w.compile(c, r.url)
	if text, ok := h.URL.Constant(); ok && (text != "" || r.url.node.Value == "") {
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			w.mistake(r.url.node, r.url.path, "as in https://api.example.com/v1/jobs", "is no URL that begins with https:// or http://")
		}
	}
	for _, f := range r.headers {
		if !httpguts.ValidHeaderFieldName(f.name) {
			w.mistake(f.text.node, f.text.path, "", "%q is no name of a header field", f.name)
		}
		h.Header = append(h.Header, steps.Field{Name: f.name, Text: w.compile(c, f.text)})
	}
	switch {
	case r.body.node != nil:
		t := w.compile(c, r.body)
		h.Body = &steps.Body{Text: &t}
	case r.json != nil:
		v := w.json(c, r.json, join(r.path, "json"), 0)
		h.Body = &steps.Body{JSON: &v}
	case r.form != nil:
		h.Body = &steps.Body{Form: []steps.Field{}}
		for _, f := range r.form {
			h.Body.Form = append(h.Body.Form, steps.Field{Name: f.name, Text: w.compile(c, f.text)})
		}
	}
	return h
}

// maxValues is how many values all JSON of a file may have.
const maxValues = 20_000

// json makes a JSON value of what json: says.
func (w *walker) json(c *expression.Compiler, n *yaml.Node, path string, depth int) steps.Value {
	n = follow(n)
	if w.values++; depth > 50 || w.values > maxValues { // aliases can be nested without end
		if w.values <= maxValues+1 {
			w.mistake(n, path, "", "is nested too deeply, or too large")
		}
		return steps.Value{}
	}
	switch n.Kind {
	case yaml.MappingNode:
		v := steps.Value{IsMap: true}
		w.pairs(n, path, func(k, item *yaml.Node) {
			v.Members = append(v.Members, steps.Member{Name: k.Value, Value: w.json(c, item, join(path, k.Value), depth+1)})
		})
		return v
	case yaml.SequenceNode:
		v := steps.Value{IsList: true}
		for i, item := range n.Content {
			if w.full() || w.values > maxValues {
				break
			}
			v.List = append(v.List, w.json(c, item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		return v
	}
	switch n.ShortTag() {
	case "!!null":
		return steps.Value{}
	case "!!bool":
		return steps.Value{Fixed: n.Value == "true" || n.Value == "True" || n.Value == "TRUE"}
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return steps.Value{Fixed: i}
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && f-f == 0 { // JSON has no infinity
			return steps.Value{Fixed: f}
		}
	}
	t := w.compile(c, raw{n, path})
	return steps.Value{Text: &t}
}

// client returns a client for a request's options. Those that may go to the same
// places in the same way share their connections.
func (w *walker) client(r *request) *web.Client {
	o := web.Options{
		Timeout: r.timeout, MaxBody: int64(r.maxBody), Retries: r.retries, Proxy: r.proxy,
		Redirects: map[string]web.Redirects{"same-host": web.SameHost, "never": web.Never}[r.redirects],
	}
	if w.allow != nil {
		o.Room = w.room
		o.Reach = web.Reach{Public: true, Private: w.allow.prefixes()}
		if p := r.at["proxy"]; r.proxy {
			w.mistake(p.value, p.path, "", "a job from elsewhere may not use the agent's proxy, which reaches what the agent may not")
		}
	}
	way := fmt.Sprint(r.proxy)
	if r.tls != nil {
		way += fmt.Sprintf(" %q %q %q %q %v", r.tls.CA, r.tls.Cert, r.tls.Key.Reveal(), r.tls.ServerName, r.tls.Insecure)
		o.TLS = w.tls(r.tls, r.at["tls"])
	}
	shared := w.clients[way]
	if shared == nil {
		shared = web.New(o)
		w.clients[way] = shared
	}
	return shared.With(o)
}

func (w *walker) tls(t *tlsKeys, p place) *tls.Config {
	c, err := web.TLS([]byte(t.CA), []byte(t.Cert), []byte(t.Key.Reveal()), t.ServerName, t.Insecure)
	if err != nil && p.good {
		w.mistake(p.key, p.path, "", "%s", w.words(err))
	}
	return c
}
