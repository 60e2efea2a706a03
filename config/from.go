package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/source"
)

// A From says where more jobs are, and what they may do.
type From struct {
	Source source.Options
	Allow  Allow
}

// Format prints the address without what may be secret in it, whatever the verb.
func (f From) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.Source) }

// An Allow is what jobs from elsewhere may do on this machine, beside asking
// public addresses and telling the notifiers of the agent's own file.
type Allow struct {
	Exec    bool     // run commands
	Private []string // reach these private addresses, as prefixes
	Env     []string // have these variables of the agent's environment, by ${env:}
	Files   []string // have these files, by ${file:}
}

func (a *Allow) prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range a.Private {
		if p, err := parsePrefix(text); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, problem{"is neither an address nor a prefix", "as in 10.0.0.0/8, 127.0.0.1 or fd00::/8"}
	}
	if p.Masked() != p {
		return p, problem{"has bits set behind its length", "write " + p.Masked().String()}
	}
	return p, nil
}

// fromKeys are jobs_from: as the file says it.
type fromRaw struct {
	url               Secret
	headers           map[string]Secret
	timeout           time.Duration
	maxSize           int
	sha256, publicKey string
	region, endpoint  string
	anonymous         bool
	insecure, proxy   bool
	tls               *tlsKeys
	allow             Allow
}

var fromKeys = []key[fromRaw]{
	{name: "url", also: []string{"uri", "from", "source"}, doc: "https://, s3://bucket/key, gs://bucket/object, azblob://account/container/blob, or the absolute path of a file", to: func(f *fromRaw) any { return &f.url }, rule: rule{required: true, pattern: sourceURL}},
	{name: "headers", also: []string{"header"}, doc: "header fields, for https", to: func(f *fromRaw) any { return &f.headers }},
	{name: "timeout", doc: "how long it may take; a run does not begin before it is known whether the list has changed", to: func(f *fromRaw) any { return &f.timeout }, rule: rule{def: "5s", least: second / 10, most: minute}},
	{name: "max_size", also: []string{"max_body"}, doc: "the size of the list at most, in bytes", to: func(f *fromRaw) any { return &f.maxSize }, rule: rule{def: "1048576", least: 1, most: maxFile}},
	{name: "sha256", also: []string{"checksum", "hash"}, doc: "the list has to have this SHA-256, in hex", to: func(f *fromRaw) any { return &f.sha256 }, rule: rule{pattern: sum256}},
	{name: "public_key", also: []string{"minisign", "signature", "key"}, doc: "the list has to be signed for this public key of minisign; its signature is beside it, with .minisig at the end", to: func(f *fromRaw) any { return &f.publicKey }},
	{name: "region", doc: "of an S3 bucket; if absent it is found out", to: func(f *fromRaw) any { return &f.region }},
	{name: "endpoint", doc: "another server that speaks S3, or the API of Google or Azure", to: func(f *fromRaw) any { return &f.endpoint }},
	{name: "anonymous", doc: "true: an object that anybody may read is read without credentials", to: func(f *fromRaw) any { return &f.anonymous }},
	{name: "insecure", doc: "true: http:// will do, and whoever is in between can change the jobs", to: func(f *fromRaw) any { return &f.insecure }},
	{name: "proxy", doc: "whether HTTPS_PROXY and NO_PROXY of the environment are used", to: func(f *fromRaw) any { return &f.proxy }},
	{name: "tls", doc: "certificates", to: func(f *fromRaw) any { return &f.tls }},
	{name: "allow", also: []string{"permit", "permissions"}, doc: "what these jobs may do on this machine", to: func(f *fromRaw) any { return &f.allow }},
}

var allowKeys = []key[Allow]{
	{name: "exec", also: []string{"commands"}, doc: "whether they may run commands", to: func(a *Allow) any { return &a.Exec }},
	{name: "private", also: []string{"networks", "addresses"}, doc: "private addresses that they may reach", to: func(a *Allow) any { return &a.Private }, rule: rule{check: checkPrefix}},
	{name: "env", also: []string{"environment"}, doc: "variables of the agent's environment that they may have by ${env:}", to: func(a *Allow) any { return &a.Env }},
	{name: "files", also: []string{"file"}, doc: "files that they may have by ${file:}", to: func(a *Allow) any { return &a.Files }},
}

func checkPrefix(text string) error {
	_, err := parsePrefix(text)
	return err
}

// from reads jobs_from:.
func (w *walker) from(n *yaml.Node) *From {
	if n == nil {
		return nil
	}
	f := fromRaw{}
	preset(fromKeys, &f)
	before := len(w.mistakes)
	at := make(places)
	if n = follow(n); n.Kind == yaml.ScalarNode {
		w.value(n, "jobs_from", &f.url, rule{})
	} else {
		at = object(w, n, "jobs_from", fromKeys, &f)
	}
	if len(w.mistakes) > before {
		return nil
	}
	o := source.Options{
		URL: f.url.Reveal(), Timeout: f.timeout, MaxSize: int64(f.maxSize), SHA256: f.sha256, PublicKey: f.publicKey,
		Region: f.region, Endpoint: f.endpoint, Anonymous: f.anonymous, Insecure: f.insecure, Proxy: f.proxy,
	}
	if f.tls != nil {
		o.TLS = w.tls(f.tls, at["tls"])
	}
	if len(f.headers) > 0 {
		o.Header = make(http.Header)
		for name, v := range f.headers {
			o.Header.Set(name, v.Reveal())
		}
	}
	s, err := source.New(o)
	if err != nil {
		w.mistake(n, "jobs_from", "", "%s", w.words(err))
	} else {
		o.Name = w.nameOf(s)
	}
	return &From{Source: o, Allow: f.allow}
}

// nameOf is the address of a source for people, without what came from elsewhere.
// Of an address that came from elsewhere as a whole, the host is left.
func (w *walker) nameOf(s *source.Source) string {
	name := s.String()
	for _, value := range w.parts {
		u, err := url.Parse(value)
		switch {
		case len(value) < 4:
		case err == nil && u.Host != "" && strings.HasPrefix(name, u.Scheme+"://"+u.Host+u.EscapedPath()):
			return u.Scheme + "://" + u.Host + "/" + hidden
		default:
			name = strings.ReplaceAll(strings.ReplaceAll(name, value, hidden), (&url.URL{Path: value}).EscapedPath(), hidden)
		}
	}
	return name
}

// Parse reads a list of jobs from elsewhere, with the zone and the notifiers of
// c: jobs beside those of c itself, whose names and records are taken. name stands
// in the errors, which are always [Diagnostics].
func (c *Config) Parse(name string, data []byte) ([]Job, error) {
	w := newWalker(name, data)
	w.allow = new(Allow)
	if c.From != nil {
		*w.allow = c.From.Allow
	}
	w.zone, w.lag, w.shared = c.DNS.Zone, c.DNS.Lag(), c.shared
	for i := range c.Notify {
		w.channels[c.Notify[i].Name] = &c.Notify[i]
	}
	root := w.document(data)
	if root == nil {
		return nil, w.wrong()
	}
	var l listing
	object(w, root, "", listingKeys, &l)
	w.common = fmt.Sprintf("%s %+v", c.common, w.allow)
	jobs := w.jobs(l.defaults, l.jobs, c.Jobs)
	if len(w.mistakes) > 0 || w.tooMuch != "" {
		return nil, w.wrong()
	}
	return slices.Clip(jobs), nil
}

// commonHash is a hash of what all jobs share: where people are told.
func (w *walker) commonHash(n *yaml.Node) string {
	h := sha256.New()
	if n != nil {
		w.hashNode(h, n)
	}
	for _, one := range w.remembered {
		fmt.Fprintf(h, "%q\n", one)
	}
	return hex.EncodeToString(h.Sum(nil))
}
