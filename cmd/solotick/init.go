package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
)

// A starter is what a first file is made of.
type starter struct {
	provider string
	job      string
	record   string // if it is not the job's name in the zone
	zone     string
	server   string
	tsig     string // the key's file
	output   string // the file to make; empty: stdout
}

func (a *app) initCommand() *cobra.Command {
	var s starter
	var o original
	c := &cobra.Command{
		Use: "init [@server...]", Short: "Print a first file, with comments",
		Long: `Print a file to begin with: one job that asks an API, and tells a Slack channel. What
to do with it is in its comments. Nothing is written but with -o, and no file is
overwritten.

With --from-env or --from, print the file for a deployment of sync-agents-over-dns: the
same record and the same POST. SUBDOMAIN, DOMAIN and URL are taken from the
environment, or from its config.ini; the passcode is left to the environment of the
agents, as PASSCODE. With --timer or --look the ticks go on as the record has them.`,
		Example: "  solotick init --zone example.com --job canary > solotick.yaml\n" +
			"  SUBDOMAIN=canary DOMAIN=example.com URL=https://example.com/runs solotick init --from-env --look\n" +
			"  solotick init --from config.ini --zone jobs.example.com --timer 1642500093 -o jobs.yaml",
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.query.parse(args); err != nil {
				return err
			}
			return a.init(cmd, &s, &o)
		},
	}
	f := c.Flags()
	f.StringVar(&s.provider, "provider", "rfc2136", "how records are written: "+strings.Join(config.Providers(), ", "))
	f.StringVar(&s.job, "job", "", "the job's name (default canary, or the original's SUBDOMAIN)")
	f.StringVar(&s.zone, "zone", "", "the DNS zone that holds the records (default example.com, or the original's DOMAIN)")
	f.StringVar(&s.server, "server", "", "its primary server (default: ns1. and the zone)")
	f.StringVar(&s.tsig, "tsig", "/etc/solotick/solotick.key", "the file of the TSIG key, on the agents")
	f.StringVarP(&s.output, "output", "o", "", "a new file to write to, in place of stdout")
	f.BoolVar(&o.env, "from-env", false, "move sync-agents-over-dns: take its names from the environment")
	f.StringVar(&o.file, "from", "", "move sync-agents-over-dns: take its names from its config.ini")
	f.Int64Var(&o.timer, "timer", 0, "the timer in the original's record, in epoch seconds")
	f.BoolVar(&o.look, "look", false, "ask DNS, or @server, for the original's record")
	f.IntVarP(&o.query.port, "port", "p", 53, "port of @server")
	if err := c.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(config.Providers(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is above
	}
	return c
}

func (a *app) init(cmd *cobra.Command, s *starter, o *original) error {
	var text string
	switch {
	case o.env || o.file != "":
		var err error
		if text, err = a.move(cmd.Context(), s, o); err != nil {
			return err
		}
	case o.look || len(o.query.servers) > 0 || len(o.query.names) > 0 || cmd.Flags().Changed("timer"):
		return usage("--timer, --look and @server are for --from-env or --from, which move an original deployment")
	default:
		s.fill("canary", "example.com")
		if err := s.check(); err != nil {
			return err
		}
		text = s.text()
	}
	if s.output == "" {
		return a.sayf("%s", text)
	}
	return s.write(text)
}

// fill sets what was left out.
func (s *starter) fill(job, zone string) {
	if s.job == "" {
		s.job = job
	}
	if s.zone == "" {
		s.zone = zone
	}
	s.zone = strings.ToLower(strings.TrimSuffix(s.zone, "."))
	if s.server == "" {
		s.server = "ns1." + s.zone
	}
}

// check has package config say what could not stand in a file.
func (s *starter) check() error {
	dns := "  provider: " + strconv.Quote(s.provider) + "\n  zone: " + strconv.Quote(s.zone) + "\n"
	if s.provider == "rfc2136" {
		dns += "  server: " + strconv.Quote(s.server) + "\n"
	} else if slices.Contains(config.Providers(), s.provider) {
		dns += unset.ReplaceAllString(s.credential(), "$1:-x}")
	}
	text := fmt.Sprintf("version: 1\ndns:\n%sjobs: { %q: { every: 60s, exec: [x]", dns, s.job)
	if s.record != "" {
		text += fmt.Sprintf(", record: %q", s.record)
	}
	_, err := config.Parse("init", []byte(text+" } }\n"))
	var all config.Diagnostics
	if errors.As(err, &all) {
		d := all[0]
		flag := "--job"
		for prefix, name := range map[string]string{"dns.provider": "--provider", "dns.zone": "--zone", "dns.server": "--server"} {
			if strings.HasPrefix(d.Path, prefix) {
				flag = name
			}
		}
		hint := ""
		if d.Hint != "" {
			hint = " (" + d.Hint + ")"
		}
		return usage("%s: %s%s", flag, d.Message, hint)
	}
	abs, err := filepath.Abs(s.tsig)
	if err != nil || strings.ContainsAny(s.tsig, "{}$\n\r") {
		return usage("--tsig %q: want the path of a file, without braces", s.tsig)
	}
	s.tsig = abs
	return nil
}

// name is the full name of the job's record.
func (s *starter) name() string {
	if s.record != "" {
		return s.record
	}
	return s.job + "." + s.zone
}

// word is a text as YAML has it, in quotes where it needs them.
func word(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == "" && strings.Trim(text, "0123456789.-_") != "" {
		switch strings.ToLower(text) {
		case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		default:
			return text
		}
	}
	return strconv.Quote(text)
}

// unset finds a variable of the environment, which need not be set yet.
var unset = regexp.MustCompile(`(\$\{env:[A-Z0-9_]+)\}`)

// dns is that part of the file.
func (s *starter) dns() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dns:\n  provider: %s", s.provider)
	if s.provider == "rfc2136" {
		b.WriteString("\t# BIND, Knot DNS, PowerDNS, or solotick zone serve")
	}
	fmt.Fprintf(&b, "\n  zone: %s\n", word(s.zone))
	b.WriteString(s.credential())
	if classOf(config.DNS{Provider: s.provider}).Weaker() {
		fmt.Fprintf(&b, "  # accept_weaker: true\t# once solotick conformance -c FILE has passed\n")
	}
	return b.String()
}

// credential is what dns: has to say of a provider beyond the zone.
func (s *starter) credential() string {
	switch s.provider {
	case "rfc2136":
		tsig := "${file:" + s.tsig + "}"
		if strings.ContainsAny(tsig, " #'\"\\&*!|>%@`") {
			tsig = strconv.Quote(tsig)
		}
		return fmt.Sprintf("  server: %s\t# the zone's primary server; host or host:port\n  tsig: %s\n", word(s.server), tsig)
	case "route53":
		return "  # credentials are found as AWS programs do: AWS_PROFILE, AWS_ACCESS_KEY_ID, the role of an instance, task or pod\n"
	case "clouddns":
		return "  project: my-project\n  # credentials: /etc/solotick/key.json\t# else found as Google's programs do\n"
	case "azuredns":
		return "  subscription: 00000000-0000-0000-0000-000000000000\n  resource_group: dns\t# the machine's own identity, or client_id with client_secret\n"
	case "ocidns":
		return "  instance_principal: true\t# else the credentials of ~/.oci/config, or of config_file: PATH\n"
	case "ovh":
		return "  region: ovh-eu\n  application_key: 0123456789abcdef\n  application_secret: ${env:OVH_APPLICATION_SECRET}\n  consumer_key: ${env:OVH_CONSUMER_KEY}\n"
	case "command":
		return "  command: [/usr/local/bin/register]\t# docs/providers.md has what it is asked\n"
	}
	return fmt.Sprintf("  token: ${env:%s_TOKEN}\n", strings.ToUpper(s.provider))
}

// firstSteps are what has to be there before an agent can write.
func (s *starter) firstSteps() string {
	if s.provider == "rfc2136" {
		return fmt.Sprintf(`#   1. solotick keygen tsig %s   makes a key, and tells what the DNS server has to know
#   2. copy the key to each machine, as %s, readable for the agent alone
`, s.name(), s.tsig)
	}
	return fmt.Sprintf(`#   1. solotick keygen policy --provider %s --zone %s %s   tells the least that the credential has to be allowed
#   2. make that credential, and have each machine find it
`, s.provider, s.zone, s.name())
}

const schemaHeader = "# yaml-language-server: $schema=./solotick.schema.json\n"

// text is the file.
func (s *starter) text() string {
	file := cmp.Or(s.output, "solotick.yaml")
	return schemaHeader + aligned(fmt.Sprintf(`#
# The file of a Solotick agent, the same on each machine. What to do:
#
%[1]s#   3. export SLACK_WEBHOOK=https://hooks.slack.com/services/...
#   4. solotick validate --explain %[2]s
#   5. solotick doctor -c %[2]s
#   6. solotick run -c %[2]s   on each machine
#
# An editor completes and checks this file after: solotick schema > solotick.schema.json
version: 1
`, s.firstSteps(), file)+s.dns()+fmt.Sprintf(`notify:
  ops:	# or webhook, email, teams, discord, ntfy, pagerduty, ping, exec
    slack: { webhook: "${env:SLACK_WEBHOOK}" }
# defaults:	# what holds for every job that does not say otherwise
#   lease: 15s
jobs:
  %s:	# its record: %s
    every: 60s	# or cron: "*/5 7-19 * * MON-FRI", with time_zone: Europe/Berlin
    timeout: 40s
    steps:
      - id: api
        http: { url: "https://api.example.com/v1/jobs?state=failed", timeout: 5s, retries: 2 }
        expect: status == 200
      # - id: restart	# a command finds job, tick and fence in its environment
      #   if: any(steps.api.json?.items ?? [], .age_h > 24)
      #   exec: [/usr/local/bin/restart-stale, --max, "5"]
      - alert: ops	# tells when its condition turns true, and when it turns false again
        if: len(steps.api.json?.items ?? []) > 0
        remind: 4h
        text: "{{ len(steps.api.json.items) }} failed jobs"
    on_failure: { alert: ops, after: 3 }
`, word(s.job), s.name()))
}

// aligned puts the comments that follow a tab below each other.
func aligned(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if before, comment, ok := strings.Cut(line, "\t"); ok {
			lines[i] = fmt.Sprintf("%-32s%s", before, comment)
			if len(before) > 30 {
				lines[i] = before + "  " + comment
			}
		}
	}
	return strings.Join(lines, "\n")
}

// write makes the file, and overwrites none.
func (s *starter) write(text string) error {
	f, err := os.OpenFile(s.output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return &failure{code: exitFailed, err: fmt.Errorf("%s exists and is left as it is", s.output), do: "choose another file with -o"}
	case err != nil:
		return &failure{code: exitFailed, err: fmt.Errorf("cannot make the file: %w", err)}
	}
	_, err = f.WriteString(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(s.output)
		return &failure{code: exitFailed, err: fmt.Errorf("cannot write the file: %w", err)}
	}
	return nil
}
