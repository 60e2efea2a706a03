package config

import (
	"net/url"

	"go.yaml.in/yaml/v4"
)

// report reads agent.report:.
func (w *walker) report(n *yaml.Node, path string) *Report {
	r := new(Report)
	preset(reportKeys, r)
	at := object(w, n, path, reportKeys, r)
	token, hmac := at["token"], at["hmac"]
	switch {
	case follow(n).Kind != yaml.MappingNode:
	case token.key != nil && hmac.key != nil:
		w.mistake(hmac.key, hmac.path, "leave one of them out", "token and hmac are both given")
	case token.key == nil && hmac.key == nil:
		w.mistake(n, path, "token: ${env:SOLOTICK_REPORT_TOKEN}, or hmac: with a key to sign with", "nothing proves who sends the reports")
	case token.good && r.Token.IsZero():
		w.mistake(token.value, token.path, "", "the token is empty")
	case hmac.good && r.HMAC.IsZero():
		w.mistake(hmac.value, hmac.path, "", "the key is empty")
	}
	p := at["url"]
	if !p.good {
		return r
	}
	switch u, err := url.Parse(r.URL.Reveal()); {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		w.mistake(p.value, p.path, "as in https://serve.example.com/api/v1/reports", "is no URL that begins with https:// or http://")
	case u.Scheme == "http" && token.good && !isLoopback(u.Hostname()):
		w.mistake(p.value, p.path, "https://, or hmac: in place of token:", "is not for a token: anybody on the way could read it")
	}
	return r
}
