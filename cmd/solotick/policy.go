package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/register/azuredns"
	"github.com/solotick/solotick/register/ballot/libdnsproviders"
	"github.com/solotick/solotick/register/clouddns"
	"github.com/solotick/solotick/register/cloudflare"
	"github.com/solotick/solotick/register/ocidns"
	"github.com/solotick/solotick/register/route53"
)

// A policyQuestion is what a credential is to be allowed.
type policyQuestion struct {
	file    string
	dns     config.DNS
	records []string // full names, without the last dot
}

func (a *app) keygenPolicyCommand() *cobra.Command {
	var q policyQuestion
	c := &cobra.Command{
		Use:   "policy [RECORD...]",
		Short: "Print the least that a provider's credential has to be allowed",
		Long: `Print what a credential for the provider has to be allowed, and no more: a policy, a
role, or what to choose on the provider's page. The provider and the records are those
of the file, or of the flags, which need no credential yet. Nothing is made or
changed.`,
		Example: "  solotick keygen policy -c solotick.yaml\n" +
			"  solotick keygen policy --provider route53 --zone example.com --zone-id Z0123456789 canary.example.com",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.askPolicy(&q, args); err != nil {
				return err
			}
			text, err := policyOfProvider(q.dns, q.records)
			if err != nil {
				return err
			}
			return a.sayf("%s", text)
		},
	}
	a.fileFlag(c, &q.file)
	f := c.Flags()
	f.StringVar(&q.dns.Provider, "provider", "", "the provider, if there is no file yet")
	f.StringVar(&q.dns.Zone, "zone", "", "with --provider: the zone")
	f.StringVar(&q.dns.ZoneID, "zone-id", "", "with --provider: the provider's id of the zone (default: a place to fill in)")
	f.StringVar(&q.dns.Project, "project", "", "with --provider clouddns: the project")
	f.StringVar(&q.dns.Subscription, "subscription", "", "with --provider azuredns: the subscription")
	f.StringVar(&q.dns.ResourceGroup, "resource-group", "", "with --provider azuredns: the resource group")
	return c
}

// askPolicy finds out of what the question is.
func (a *app) askPolicy(q *policyQuestion, names []string) error {
	if q.dns.Provider != "" {
		q.dns.Zone = strings.ToLower(strings.TrimSuffix(q.dns.Zone, "."))
		switch {
		case q.file != "":
			return usage("-c and --provider both say which provider: take one")
		case q.dns.Zone == "":
			return usage("--zone is missing: the zone that holds the records")
		case len(names) == 0:
			return usage("the name of a record is missing: solotick keygen policy --provider %s --zone %s canary.%[2]s", q.dns.Provider, q.dns.Zone)
		}
		for _, n := range names {
			n = strings.ToLower(strings.TrimSuffix(n, "."))
			if err := checkName(n); err != nil {
				return usage("record %q: %w", n, err)
			}
			if n != q.dns.Zone && !strings.HasSuffix(n, "."+q.dns.Zone) {
				return usage("record %s is not in the zone %s", n, q.dns.Zone)
			}
			q.records = append(q.records, n)
		}
		return nil
	}
	c, err := a.loadAll(q.file, a.lookConfig)
	if err != nil {
		var f *failure
		if errors.As(err, &f) && f.do == "" {
			f.do = "if the credential is still to be made, name all by flags: solotick keygen policy --provider PROVIDER --zone ZONE RECORD"
		}
		return err
	}
	sites, err := findSites(c, names)
	if err != nil {
		return err
	}
	q.dns = c.DNS
	for _, s := range sites {
		q.records = append(q.records, s.name)
	}
	return nil
}

func tsigPolicy(_ config.DNS, records []string) (string, error) {
	return "", &failure{
		code: exitUsage, err: errors.New("the credential of rfc2136 is a TSIG key, which is made with what the server has to grant it"),
		do: "solotick keygen tsig " + strings.Join(records, " "),
	}
}

func route53Policy(d config.DNS, records []string) (string, error) {
	return route53.Policy(cmp.Or(d.ZoneID, "ZONE-ID"), records), nil
}

func clouddnsPolicy(d config.DNS, _ []string) (string, error) {
	return clouddns.Role(cmp.Or(d.Project, "PROJECT")), nil
}

func azurednsPolicy(d config.DNS, records []string) (string, error) {
	return azuredns.Role(cmp.Or(d.Subscription, "SUBSCRIPTION"), cmp.Or(d.ResourceGroup, "RESOURCE-GROUP"), d.Zone, records), nil
}

func cloudflarePolicy(d config.DNS, _ []string) (string, error) { return cloudflare.Token(d.Zone), nil }

func ocidnsPolicy(d config.DNS, records []string) (string, error) {
	return ocidns.Policy("GROUP", "COMPARTMENT", d.Zone, records...), nil
}

func commandPolicy(config.DNS, []string) (string, error) {
	return "A register of your own decides by itself what it may do: see docs/providers.md.\n", nil
}

func ballotPolicy(d config.DNS, records []string) (string, error) {
	known, _ := libdnsproviders.Lookup(d.Provider)
	return tokenOf(known, records), nil
}

// tokenOf is what a credential of a service that only overwrites has to be
// allowed, as far as it can be limited there, and what to know before using it.
func tokenOf(s libdnsproviders.Service, records []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s, by %s. The credential has to read the whole zone, and to write TXT records at\n", s.Title, s.Module)
	for _, r := range records {
		fmt.Fprintf(&b, "#   %s and at every name below _b.%[1]s\n", r)
	}
	fmt.Fprintf(&b, "# Requests allowed: %s.\n", s.Limits)
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "# - %s\n", n)
	}
	return b.String()
}
