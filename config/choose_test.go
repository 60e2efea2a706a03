package config

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

// choices are what keys of one mapping have to do with each other: those that are
// decided, and the values that go with them.
type choices struct {
	keys   map[string]bool
	values map[string]string
}

// one decides for one of several keys.
func (c choices) one(g *gen, of ...string) string {
	c.none(of...)
	chosen := g.pick("one", of...)
	c.keys[chosen] = true
	return chosen
}

func (c choices) none(of ...string) {
	for _, k := range of {
		c.keys[k] = false
	}
}

func (c choices) fix(key, value string) { c.keys[key], c.values[key] = true, value }

// shell decides whether a command is one text.
func (c choices) shell(g *gen, command string) {
	c.keys["shell"] = false
	if g.maybe("shell") {
		c.fix("shell", "true")
		c.fix(command, "echo ${HOME} | wc")
	}
}

func (g *gen) choices(name string) choices {
	c := choices{make(map[string]bool), make(map[string]string)}
	switch name {
	case "file":
		if c.one(g, "jobs", "jobs_from") == "jobs" {
			delete(c.keys, "jobs_from")
		}
	case "defaults":
		for _, r := range rowsOf(jobKeys) {
			if !slices.Contains([]string{"dir", "env", "output", "overlap", "affinity", "poll", "skew", "head_start", "spread"}, r.name) {
				c.keys[r.name] = false
			}
		}
	case "job":
		g.job(c)
	case "step":
		g.step(c)
	case "on_failure":
		c.fix("alert", g.channel())
	case "request":
		body := g.pick("body", "", "body", "json", "form")
		c.none("body", "json", "form")
		if body != "" {
			c.keys[body] = true
			c.fix("method", g.pick("method", "POST", "PUT", "PATCH"))
		}
	case "exec":
		c.shell(g, "command")
	default:
		g.elsewhere(name, c)
	}
	return c
}

// elsewhere are the choices of what is not about jobs.
func (g *gen) elsewhere(name string, c choices) {
	switch name {
	case "dns":
		g.provider(c)
	case "notifier":
		var kinds []string
		for _, r := range rowsOf(channelKeys) {
			kinds = append(kinds, r.name)
		}
		c.one(g, kinds...)
	case "slack":
		if c.one(g, "webhook", "token") == "token" {
			c.fix("channel", "C0123456789")
		} else {
			c.none("followup", "dedupe")
		}
	case "email":
		if c.keys["password"] = g.maybe("password"); c.keys["password"] {
			c.keys["user"] = true
		}
	case "report":
		c.one(g, "token", "hmac")
	case "tls":
		own := g.maybe("certificate")
		c.keys["cert"], c.keys["key"] = own, own
	case "jobs_from":
		switch c.one(g, "https", "s3", "file") {
		case "https":
			c.fix("url", "https://example.com/jobs.yaml")
			c.none("region", "endpoint", "anonymous")
		case "s3":
			c.fix("url", "s3://bucket/jobs.yaml")
			c.none("headers")
		default:
			c.fix("url", "/etc/jobs.yaml")
			c.none("region", "endpoint", "anonymous", "headers")
		}
	}
}

// provider decides for one, and so for its keys.
func (g *gen) provider(c choices) {
	p := providers[rapid.IntRange(0, len(providers)-1).Draw(g.T, "provider")]
	c.fix("provider", p.name)
	for _, r := range rowsOf(dnsKeys) {
		if !p.knows(r.name) {
			c.keys[r.name] = false
		}
	}
	for _, k := range p.need {
		c.keys[k] = true
	}
	switch p.name {
	case "route53":
		keys := g.maybe("keys")
		c.keys["access_key_id"], c.keys["secret_access_key"] = keys, keys
		if !keys {
			c.none("session_token")
		}
	case "ocidns":
		c.none("instance_principal")
	case "azuredns":
		if c.keys["client_secret"] = g.maybe("secret"); c.keys["client_secret"] {
			c.keys["client_id"], c.keys["tenant_id"] = true, true
		}
	case "command":
		if c.one(g, "command", "url") == "command" {
			c.none("token")
		}
	}
}

func (g *gen) channel() string { return g.pick("channel", g.channels...) }

func (g *gen) job(c choices) {
	if c.one(g, "every", "cron") == "cron" {
		c.none("offset")
	} else {
		c.none("time_zone")
	}
	c.keys["shell"] = false
	if c.one(g, "exec", "steps") == "exec" {
		c.shell(g, "exec")
	}
	if g.once = g.maybe("once") && g.maybe("really"); g.once {
		c.fix("guarantee", atMostOnce)
		c.none("attempts", "takeovers", "without_register", "outage_after", "on_failure")
	} else {
		c.fix("guarantee", atLeastOnce)
	}
	if len(g.channels) == 0 {
		c.none("on_failure")
	}
	if c.keys["start_deadline"] = g.maybe("deadline"); c.keys["start_deadline"] {
		c.fix("catch_up", "none")
	}
	if after, decided := c.keys["outage_after"]; after || !decided && g.maybe("outage") {
		c.fix("outage_after", "11m")
		c.none("without_register")
	} else {
		c.keys["outage_after"] = false
	}
}

func (g *gen) step(c choices) {
	kinds := []string{"http", "exec"}
	if !g.once {
		kinds = append(kinds, "set")
	}
	if !g.once && len(g.channels) > 0 {
		kinds = append(kinds, "alert")
	}
	g.steps++
	kind := c.one(g, "http", "exec", "set", "alert")
	if !slices.Contains(kinds, kind) {
		c.keys[kind] = false
		kind = "http"
	}
	for _, r := range rowsOf(stepKeys) {
		if r.name != "id" && !slices.Contains(kindKeys[kind], r.name) {
			c.keys[r.name] = false
		}
	}
	c.keys[kind] = true
	switch kind {
	case "exec":
		c.shell(g, "exec")
	case "alert":
		c.fix("id", fmt.Sprintf("s%d", g.steps))
		c.fix("alert", g.channel())
		c.keys["if"] = true
	}
}

// special draws values that have to be more than their type says; nil: there is
// nothing special about it.
func (g *gen) special(in, name string) *yaml.Node {
	if v, ok := g.fixed[name]; ok {
		return g.oneOf(scalar(v), quoted(v))
	}
	key := in + "." + name
	switch key {
	case "job.record":
		return scalar(fmt.Sprintf("R%d.example.com", g.jobs))
	case "step.id":
		return scalar(fmt.Sprintf("s%d", g.steps))
	case "dns.ttl":
		return scalar(g.duration(hour, 24*hour, true))
	case "job.every":
		return scalar(g.duration(hour, 24*hour, true))
	case "job.offset":
		return scalar(g.duration(0, 59*minute, true))
	case "job.timeout":
		return scalar(g.duration(hour, 2*hour, false))
	case "step.timeout":
		return scalar(g.duration(second/1000, hour, false))
	case "job.lease":
		return scalar(g.duration(15*second, 15*minute, true))
	case "job.kill_grace":
		return scalar(g.duration(0, 4*second, false))
	case "jobs_from.public_key":
		return quoted(base64.StdEncoding.EncodeToString([]byte("Ed" + strings.Repeat("x", 40))))
	}
	if words, ok := specials[key]; ok {
		return quoted(g.pick(key, words...))
	}
	return nil
}

// specials are words that will do, by the key that they are for.
var specials = map[string][]string{
	"dns.zone":           {"example.com", "Example.COM."},
	"dns.server":         {"ns1.example.com", "192.0.2.1:5353", "[2001:db8::1]:53", "${env:CONFIG_TEST_NONE:-ns1}"},
	"agent.listen":       {"127.0.0.1:9480", ":9480", "[::1]:0", "${env:CONFIG_TEST_NONE:-:9480}"},
	"dns.name_servers":   {"ns1.example.com", "192.0.2.1:5353"},
	"dns.endpoint":       {"https://api.example.com", "http://127.0.0.1:8080", "${env:CONFIG_TEST_URL}"},
	"dns.url":            {"https://api.example.com/register", "http://[::1]:8080/"},
	"dns.mode":           {"batch"},
	"dns.config_file":    {"/etc/solotick/oci"},
	"dns.credentials":    {"${env:CONFIG_TEST_TOKEN}"},
	"dns.tsig":           {"${env:CONFIG_TEST_KEY}", "agents:${env:CONFIG_TEST_TOKEN}"},
	"agent.events":       {"/var/log/solotick/events", "${env:CONFIG_TEST_NONE:-/tmp/e}"},
	"report.url":         {"https://solotick.example.com/report", "http://127.0.0.1:8080/report", "${env:CONFIG_TEST_URL}"},
	"agent.id":           {"WEB1", "${env:CONFIG_TEST_NONE:-A}"},
	"slack.webhook":      {"${env:CONFIG_TEST_URL}"},
	"slack.api":          {"https://slack.example.com/api/"},
	"webhook.url":        {"https://hooks.example.com", "https://hooks.example.com/${env:CONFIG_TEST_TOKEN}", "${env:CONFIG_TEST_URL}"},
	"email.host":         {"mail.example.com"},
	"email.user":         {"solotick"},
	"email.from":         {"solotick@example.com"},
	"chat.url":           {"${env:CONFIG_TEST_URL}"},
	"ntfy.url":           {"https://ntfy.example.com"},
	"ntfy.topic":         {"alerts", "${env:CONFIG_TEST_NONE:-x}"},
	"pagerduty.url":      {"https://events.eu.pagerduty.com/v2/enqueue"},
	"ping.url":           {"https://hc.example.com/x"},
	"ping.fail_url":      {"https://hc.example.com/x/fail"},
	"notifier.url":       {"${env:CONFIG_TEST_SHOUTRRR}"},
	"tls.ca":             {"${env:CONFIG_TEST_CERT}"},
	"tls.cert":           {"${env:CONFIG_TEST_CERT}"},
	"tls.key":            {"${env:CONFIG_TEST_CERTKEY}"},
	"jobs_from.url":      {"https://example.com/jobs.yaml", "${env:CONFIG_TEST_URL}"},
	"jobs_from.sha256":   {strings.Repeat("0a", 32)},
	"jobs_from.region":   {"eu-central-1"},
	"jobs_from.endpoint": {"https://s3.example.com"},
	"seal.keys":          {"${env:CONFIG_TEST_SEAL}"},
	"sign.key":           {"${env:CONFIG_TEST_SIGN}"},
	"sign.verify":        {VerifyKey.String(), "${env:CONFIG_TEST_VERIFY}"},
	"job.cron":           {"*/5 7-19 * * MON-FRI", "@hourly"},
	"job.time_zone":      {"Europe/Berlin", "UTC"},
	"request.url":        {"https://api.example.com", "HTTP://api.example.com/{{ tick }}", "{{ job }}", "${env:CONFIG_TEST_URL}?x=1"},
	"step.dir":           {"/srv"},
	"step.set":           {"word", "{{ tick }}, {{ job }}"},
	"step.expect":        {"ok", "took < 5 or error != \"\""},
}
