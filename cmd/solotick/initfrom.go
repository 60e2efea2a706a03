package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/record"
)

// An original is a deployment of sync-agents-over-dns that is to be moved.
type original struct {
	env   bool
	file  string // its config.ini
	timer int64  // in its record; 0: not known
	look  bool
	query query

	subdomain, domain, url string
	passcode               string // only to know whether it is a number
}

// move makes the file for an original deployment.
func (a *app) move(ctx context.Context, s *starter, o *original) (string, error) {
	switch {
	case o.timer < 0:
		return "", usage("--timer %d: want epoch seconds", o.timer)
	case len(o.query.names) > 0:
		return "", usage("unexpected argument %q", o.query.names[0])
	case len(o.query.servers) > 0 && !o.look:
		return "", usage("@%s is for --look", o.query.servers[0])
	}
	if err := o.read(a.env); err != nil {
		return "", err
	}
	old := strings.ToLower(o.subdomain + "." + o.domain)
	s.fill(strings.ReplaceAll(strings.ToLower(o.subdomain), ".", "-"), o.domain)
	name := strings.ToLower(o.subdomain) + "." + s.zone
	if strings.HasSuffix(old, "."+s.zone) {
		name = old
	}
	if s.job+"."+s.zone != name {
		s.record = name
	}
	if err := s.check(); err != nil {
		return "", err
	}
	if o.look {
		if err := o.lookUp(ctx, old); err != nil {
			return "", err
		}
	}
	return o.text(s, old), nil
}

// read takes the original's names, those of the environment first.
func (o *original) read(env func(string) string) error {
	ini := make(map[string]string)
	if o.file != "" {
		data, err := os.ReadFile(o.file)
		if err != nil {
			return &failure{code: exitConfig, err: fmt.Errorf("--from: %w", err)}
		}
		if ini, err = parseINI(string(data)); err != nil {
			return &failure{code: exitConfig, err: fmt.Errorf("--from %s: %w", o.file, err)}
		}
	}
	get := func(name string) string {
		value := ini[strings.ToLower(name)]
		if o.env {
			value = cmp.Or(env(name), value)
		}
		return value
	}
	o.subdomain, o.domain, o.url = strings.Trim(get("SUBDOMAIN"), "."), strings.Trim(get("DOMAIN"), "."), get("URL")
	o.passcode = env("PASSCODE")
	if err := o.complete(); err != nil {
		return err
	}
	u, err := url.Parse(o.url)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usage("URL is no address that begins with https:// or http://") // it may hold a secret
	}
	return nil
}

// complete says what is missing.
func (o *original) complete() error {
	var missing []string
	for _, one := range []struct{ name, value string }{{"SUBDOMAIN", o.subdomain}, {"DOMAIN", o.domain}, {"URL", o.url}} {
		if one.value == "" {
			missing = append(missing, one.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	where := "in the environment"
	if o.file != "" {
		where = "in " + o.file
	}
	return &failure{
		code: exitUsage, err: fmt.Errorf("%s of sync-agents-over-dns is not %s", strings.Join(missing, ", "), where),
		do: "SUBDOMAIN=canary DOMAIN=example.com URL=https://example.com/runs solotick init --from-env",
	}
}

// parseINI reads the original's config.ini as its parser does, as far as such a
// file goes: sections, name: value or name = value, and lines of comment. Names
// are in small letters.
func parseINI(text string) (map[string]string, error) {
	values := make(map[string]string)
	section := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		at := strings.IndexAny(trimmed, ":=")
		switch {
		case trimmed == "", trimmed[0] == '#', trimmed[0] == ';':
		case trimmed[0] == '[' && strings.HasSuffix(trimmed, "]"):
			section = strings.ToLower(trimmed[1 : len(trimmed)-1])
		case line[0] == ' ' || line[0] == '\t':
			return nil, fmt.Errorf("line %d is indented, and would continue the one before", i+1)
		case at < 1:
			return nil, fmt.Errorf("line %d is neither a section nor name: value", i+1)
		case section == "default":
			values[strings.ToLower(strings.TrimSpace(trimmed[:at]))] = strings.TrimSpace(trimmed[at+1:])
		}
	}
	return values, nil
}

// lookUp takes the timer from the original's record.
func (o *original) lookUp(ctx context.Context, name string) error {
	s := o.query.ask(ctx, site{name: name})
	if s.err != nil {
		return s.err
	}
	if s.Set.State != record.Present {
		err := fmt.Errorf("there is no record at %s that could be read: it is %s", name, s.Set.State)
		if s.Set.Detail != nil {
			err = fmt.Errorf("%w: %w", err, s.Set.Detail)
		}
		return &failure{code: exitFailed, err: err, do: "give its timer by --timer, or leave out --look: the ticks then are where the job's name puts them"}
	}
	o.timer = s.Set.Record.Timer
	return nil
}

// text is the file.
func (o *original) text(s *starter, old string) string {
	var b strings.Builder
	b.WriteString(schemaHeader + "#\n")
	fmt.Fprintf(&b, "# The job of sync-agents-over-dns at %s, for Solotick. What to do, in this order\n", old)
	b.WriteString("# (more in docs/guide.md, \"From sync-agents-over-dns\"):\n#\n")
	for i, step := range o.steps(s, old) {
		for k, line := range strings.Split(step, "\n") {
			fmt.Fprintf(&b, "#   %-3s%s\n", []string{strconv.Itoa(i+1) + ".", ""}[min(k, 1)], line)
		}
	}
	b.WriteString("#\n# An editor completes and checks this file after: solotick schema > solotick.schema.json\nversion: 1\n")
	b.WriteString(s.dns())
	b.WriteString("  ttl: 60s\t# as the original's\n")
	fmt.Fprintf(&b, "jobs:\n  %s:\n", word(s.job))
	if s.record != "" {
		fmt.Fprintf(&b, "    record: %s\n", s.record)
	}
	b.WriteString("    every: 60s\n")
	if o.timer > 0 {
		at := time.Unix(o.timer, 0).UTC()
		offset := time.Duration(o.timer%60) * time.Second
		fmt.Fprintf(&b, "    offset: %s\t# so that there is a tick at the record's timer, %d: %s\n", offset, o.timer, at.Format(time.RFC3339))
	} else {
		b.WriteString("    # offset: 0s\t# --timer or --look would put a tick at the record's timer\n")
	}
	b.WriteString("    timeout: 40s\n    steps:\n" + o.request())
	return aligned(b.String())
}

// request is the original's POST. It is a text, and not json:, since a value from
// elsewhere is a text there, and the passcode is a number.
func (o *original) request() string {
	address := strconv.Quote(strings.NewReplacer("${", "$${", "{{", "%7B%7B").Replace(o.url))
	note := ""
	if u, err := url.Parse(o.url); err != nil || u.User != nil || u.RawQuery != "" {
		address, note = `"${env:URL}"`, "\t# may hold a secret, so it stays out of the file"
	}
	passcode := "${env:PASSCODE}"
	if _, err := strconv.ParseFloat(o.passcode, 64); err != nil && o.passcode != "" {
		passcode = `"` + passcode + `"`
	}
	return fmt.Sprintf(`      - id: post
        http:
          url: %s%s
          method: POST
          headers: { Content-Type: "application/json; charset=utf-8" }
          # timer is the next tick and timerold this one, as the original has them
          body: '{"name": "{{ agent }}", "timer": {{ timer }}, "timerold": {{ tick }}, "passcode": %s}'
        # expect: true	# the original took any answer; here a status has to be from 200 to 299
`, address, note, passcode)
}

// steps are what a person has to do.
func (o *original) steps(s *starter, old string) []string {
	file := cmp.Or(s.output, "solotick.yaml")
	where, key, last := o.place(s, old, file)
	secrets := "export PASSCODE=...   the number that agent.py sends; on each machine"
	if strings.Contains(o.request(), "${env:URL}") {
		secrets = "export PASSCODE=... URL=...   the number that agent.py sends, and the address; on each machine"
	}
	return []string{
		where,
		key,
		secrets,
		fmt.Sprintf("solotick validate --explain %[1]s && solotick doctor -c %[1]s", file),
		"Stop every original agent: they write without comparing, and the job would run twice.",
		fmt.Sprintf("solotick run -c %s   on each machine, within a minute", file),
		fmt.Sprintf("solotick status -c %s", file),
		last + "USEDNSRESOLVER has no counterpart: agents look through DNS,\nand compare when they write.",
	}
}

// place is what a person has to do for the register, for its credential, and about the
// original's when all is done.
func (o *original) place(s *starter, old, file string) (where, key, last string) {
	if s.provider == "cloudflare" && s.name() == old {
		return fmt.Sprintf(`A register. The record stays where it is, at Cloudflare, and is read as it is.
Whether a swap is safe there: solotick conformance -c %s, then accept_weaker
(more in docs/providers/cloudflare.md)`, file),
			"CLOUDFLARE_TOKEN of the original serves, if it is an API token for the zone:\nsolotick keygen policy -c " + file, ""
	}
	last = "Revoke CLOUDFLARE_TOKEN. "
	key = "The credential, on each machine: solotick keygen policy -c " + file
	at := "at " + s.provider
	if s.provider == "rfc2136" {
		key = fmt.Sprintf("solotick keygen tsig --zone %s %s   and the key on each machine,\nas %s, readable for the agent alone", s.zone, s.name(), s.tsig)
		at = "at a server that takes signed updates:\nBIND, Knot DNS, PowerDNS, or solotick zone serve"
	}
	if s.name() != old {
		return fmt.Sprintf(`A register. Have %[1]s %[2]s.
When the agents run, replace the TXT record of %[3]s at Cloudflare
by a CNAME to %[4]s, for whoever looks at the old name.`, s.zone, at, old, s.name()), key, last
	}
	return fmt.Sprintf(`A register. The original kept its record at Cloudflare, and it may stay there: run this
again with --provider cloudflare. Else have %[1]s %[2]s;
or delegate a zone below it, and run this again with --zone jobs.%[1]s.`, s.zone, at), key, last
}
