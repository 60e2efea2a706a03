package config

import (
	"time"

	"go.yaml.in/yaml/v4"
)

// A step is one item of steps: as the file says it.
type step struct {
	id      string
	when    raw
	expect  raw
	mayFail bool
	timeout time.Duration

	exec  argv
	shell bool
	dir   string
	env   fields

	http *request

	alert string
	set   raw
	telling

	node *yaml.Node
	path string
	at   places
}

// telling is what steps with an alert and on_failure have in common.
type telling struct {
	text, title, clear raw
	severity           string
	remind             time.Duration
	after              int
}

// A failureAlert is on_failure.
type failureAlert struct {
	alert string
	telling

	node *yaml.Node
	path string
	at   places
}

var severities = []string{"info", "warning", "error", "critical"}

var stepKeys = append([]key[step]{
	{name: "id", also: []string{"name"}, doc: "how the step is called in messages and expressions", to: func(s *step) any { return &s.id }, rule: rule{check: checkStepID, pattern: stepID}},
	{name: "if", also: []string{"when", "condition"}, doc: "the step is done if this is true; of an alert: what is told about", to: func(s *step) any { return &s.when }},
	{name: "http", also: []string{"request", "get", "url", "uri", "fetch"}, doc: "a request: a URL, or a mapping with one", to: func(s *step) any { return &s.http }},
	{name: "exec", also: []string{"command", "cmd", "run", "script"}, doc: "a program and its arguments, or with shell: true one text", to: func(s *step) any { return &s.exec }},
	{name: "alert", also: []string{"notify", "slack"}, doc: "who is told that if: has turned true, and that it has turned false: a name under notify:", to: func(s *step) any { return &s.alert }},
	{name: "set", also: []string{"state"}, doc: "a text that the next run gets as state, on whichever agent", to: func(s *step) any { return &s.set }},
	{name: "expect", also: []string{"assert", "require"}, doc: "what has to be true afterwards; if absent, code 0 or a status from 200 to 299", to: func(s *step) any { return &s.expect }},
	{name: "may_fail", also: []string{"continue_on_error", "ignore_errors", "allow_failure"}, doc: "whether the job goes on if the step fails", to: func(s *step) any { return &s.mayFail }},
	{name: "timeout", doc: "how long the step may take", to: func(s *step) any { return &s.timeout }, rule: rule{least: second / 1000}},
	{name: "shell", doc: "exec: is one text for /bin/sh -c", to: func(s *step) any { return &s.shell }},
	{name: "dir", also: []string{"cwd", "workdir", "working_directory"}, doc: "the working directory", to: func(s *step) any { return &s.dir }},
	{name: "env", also: []string{"environment"}, doc: "variables beside the job's", to: func(s *step) any { return &s.env }},
}, tellingKeys(func(s *step) *telling { return &s.telling })...)

var failureKeys = append([]key[failureAlert]{
	{name: "alert", also: []string{"notify"}, doc: "who is told: a name under notify:", to: func(f *failureAlert) any { return &f.alert }, rule: rule{required: true}},
}, tellingKeys(func(f *failureAlert) *telling { return &f.telling })...)

func tellingKeys[T any](of func(*T) *telling) []key[T] {
	return []key[T]{
		{name: "text", also: []string{"message", "body", "msg"}, doc: "what is told; if absent the condition, or why the job failed", to: func(t *T) any { return &of(t).text }},
		{name: "title", also: []string{"subject"}, doc: "its first line; if absent the job's name", to: func(t *T) any { return &of(t).title }},
		{name: "clear", also: []string{"resolved", "recovery", "recovered"}, doc: "what is told when it is over; false: nothing", to: func(t *T) any { return &of(t).clear }},
		{name: "severity", also: []string{"level", "priority"}, doc: "how bad it is", to: func(t *T) any { return &of(t).severity }, rule: rule{def: "warning", oneOf: severities}},
		{name: "remind", also: []string{"repeat", "repeat_interval"}, doc: "the time after which it is told again while it lasts; if absent never", to: func(t *T) any { return &of(t).remind }, rule: rule{least: second, most: 366 * 24 * hour}},
		{name: "after", also: []string{"for", "threshold"}, doc: "for how many runs in a row it has to last before anybody is told", to: func(t *T) any { return &of(t).after }, rule: rule{def: "1", least: 1, most: 4000}},
	}
}

// kindKeys are the keys that only some kinds of steps have.
var kindKeys = map[string][]string{
	"http":  {"if", "expect", "may_fail", "timeout"},
	"exec":  {"if", "expect", "may_fail", "timeout", "shell", "dir", "env"},
	"alert": {"if", "text", "title", "clear", "severity", "remind", "after"},
	"set":   {"if"},
}

// A request is http: as the file says it.
type request struct {
	url       raw
	method    string
	headers   fields
	body      raw
	json      *yaml.Node
	form      fields
	timeout   time.Duration
	retries   int
	redirects string
	maxBody   int
	tls       *tlsKeys
	proxy     bool

	path string
	at   places
}

var requestKeys = []key[request]{
	{name: "url", also: []string{"uri", "href"}, doc: "where it goes", to: func(r *request) any { return &r.url }, rule: rule{required: true, pattern: webURL}},
	{name: "method", also: []string{"verb"}, doc: "if absent GET, or POST with a body", to: func(r *request) any { return &r.method }, rule: rule{oneOf: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}}},
	{name: "headers", also: []string{"header"}, doc: "header fields", to: func(r *request) any { return &r.headers }},
	{name: "body", also: []string{"data", "text", "payload"}, doc: "a text to send", to: func(r *request) any { return &r.body }},
	{name: "json", doc: "a value to send as JSON; a text in it that is one {{ expression }} keeps that one's type", to: func(r *request) any { return &r.json }},
	{name: "form", doc: "fields to send as an HTML form does", to: func(r *request) any { return &r.form }},
	{name: "timeout", doc: "how long one try may take", to: func(r *request) any { return &r.timeout }, rule: rule{def: "30s", least: second / 1000, most: hour}},
	{name: "retries", also: []string{"retry", "attempts"}, doc: "how often it is sent again where that can do nothing twice", to: func(r *request) any { return &r.retries }, rule: rule{def: "0", least: 0, most: 10}},
	{name: "redirects", also: []string{"follow", "follow_redirects"}, doc: "whether an answer that points elsewhere is followed", to: func(r *request) any { return &r.redirects }, rule: rule{def: "follow", oneOf: []string{"follow", "same-host", "never"}}},
	{name: "max_body", also: []string{"max_size"}, doc: "the size of an answer at most, in bytes", to: func(r *request) any { return &r.maxBody }, rule: rule{def: "1048576", least: 1, most: 64 << 20}},
	{name: "tls", doc: "certificates", to: func(r *request) any { return &r.tls }},
	{name: "proxy", doc: "whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment are used", to: func(r *request) any { return &r.proxy }},
}

// tlsKeys are tls: as the file says it.
type tlsKeys struct {
	CA         string
	Cert       string
	Key        Secret
	ServerName string
	Insecure   bool
}

var tlsTable = []key[tlsKeys]{
	{name: "ca", also: []string{"ca_cert", "cacert"}, doc: "certificates of authorities in PEM, as ${file:/path}, in place of the system's", to: func(t *tlsKeys) any { return &t.CA }},
	{name: "cert", also: []string{"certificate", "client_cert"}, doc: "this client's certificate in PEM, as ${file:/path}", to: func(t *tlsKeys) any { return &t.Cert }},
	{name: "key", also: []string{"client_key", "private_key"}, doc: "its key in PEM, as ${file:/path}", to: func(t *tlsKeys) any { return &t.Key }, rule: rule{secret: true}},
	{name: "server_name", also: []string{"sni"}, doc: "the name that the server has to have, if it is not the URL's", to: func(t *tlsKeys) any { return &t.ServerName }},
	{name: "insecure", also: []string{"skip_verify", "insecure_skip_verify"}, doc: "true: anybody may be the server", to: func(t *tlsKeys) any { return &t.Insecure }},
}
