package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/azuredns"
	"github.com/solotick/solotick/register/ballot"
	"github.com/solotick/solotick/register/ballot/libdnsproviders"
	"github.com/solotick/solotick/register/clouddns"
	"github.com/solotick/solotick/register/cloudflare"
	"github.com/solotick/solotick/register/command"
	"github.com/solotick/solotick/register/ocidns"
	"github.com/solotick/solotick/register/rfc2136"
	"github.com/solotick/solotick/register/route53"
)

// A kind is one provider as the command line knows it.
type kind struct {
	class  register.Class // empty: as the file declares
	rate   float64        // requests a second that the account may send over time; 0: any number
	burst  int            // and at once
	open   func(*service) (*service, error)
	policy func(d config.DNS, records []string) (string, error) // the least that a credential needs
}

// kinds are the providers, by their names in the file: the only place that tells
// them apart.
var kinds = map[string]kind{
	"rfc2136":    {register.Exact, 0, 0, (*service).rfc2136, tsigPolicy},
	"route53":    {route53.Class, route53.DefaultRate, route53.DefaultBurst, (*service).route53, route53Policy},
	"clouddns":   {clouddns.Class, clouddns.DefaultRate, clouddns.DefaultBurst, (*service).clouddns, clouddnsPolicy},
	"azuredns":   {azuredns.Class, azuredns.DefaultRate, azuredns.DefaultBurst, (*service).azuredns, azurednsPolicy},
	"cloudflare": {cloudflare.Class, cloudflare.DefaultRate, cloudflare.DefaultBurst, (*service).cloudflare, cloudflarePolicy},
	"ocidns":     {ocidns.Class, ocidns.DefaultRate, ocidns.DefaultBurst, (*service).ocidns, ocidnsPolicy},
	"command":    {"", 0, 0, (*service).command, commandPolicy},

	"desec":        {ballot.Class, 0.07, 20, (*service).ballots, ballotPolicy}, // 100 writes an hour, of eight requests that a swap takes three
	"digitalocean": {ballot.Class, 1.3, 100, (*service).ballots, ballotPolicy}, // 5,000 requests an hour
	"gandi":        {ballot.Class, 1, 30, (*service).ballots, ballotPolicy},    // not known, and so assumed, as are the next two
	"hetzner":      {ballot.Class, 1, 30, (*service).ballots, ballotPolicy},
	"ovh":          {ballot.Class, 1, 30, (*service).ballots, ballotPolicy},
}

// classOf is what the provider of a file promises.
func classOf(d config.DNS) register.Class {
	if d.Settle > 0 {
		return ballot.SettleClass
	}
	return cmp.Or(kinds[d.Provider].class, register.Class(d.Class), register.Conditional)
}

// limitsOf are how many requests a second the account of a file may send over time,
// and at once; 0: as many as one likes.
func limitsOf(d config.DNS) (rate float64, atOnce int) {
	if d.Rate > 0 {
		return perSecond(d), burst(d)
	}
	k := kinds[d.Provider]
	return k.rate, k.burst
}

// openService opens the provider of a file. It asks nobody anything yet.
func openService(d config.DNS) (*service, error) {
	k, ok := kinds[d.Provider]
	if !ok {
		return nil, configFailure(fmt.Errorf("dns.provider %q is not known: want one of %s", d.Provider, strings.Join(config.Providers(), ", ")))
	}
	return k.open(&service{dns: d, class: classOf(d), gate: mostRequests, close: func() {}})
}

// policyOfProvider is the least that a credential of a provider needs.
func policyOfProvider(d config.DNS, records []string) (string, error) {
	k, ok := kinds[d.Provider]
	if !ok {
		return "", usage("--provider %q is not known: want one of %s", d.Provider, strings.Join(config.Providers(), ", "))
	}
	return k.policy(d, records)
}

// perSecond is the rate that the file allows; 0: what the provider documents.
func perSecond(d config.DNS) float64 { return float64(d.Rate) / 60 }

// burst is how many requests at once go with the rate that the file allows: those
// of six seconds, as most providers have it.
func burst(d config.DNS) int { return (d.Rate + 9) / 10 }

func (s *service) rfc2136() (*service, error) {
	d := s.dns
	var err error
	switch {
	case d.TSIGFile != "":
		s.key, s.warning, err = rfc2136.ReadKeyFile(d.TSIGFile)
	case !d.TSIG.IsZero():
		s.key, err = rfc2136.ParseKey(d.TSIG.Reveal())
	default:
		err = errors.New("dns.tsig is missing: agents write with a TSIG key")
	}
	if err != nil {
		return nil, &failure{
			code: exitConfig, err: err, means: "nothing was started or changed",
			do: "solotick keygen tsig RECORD makes a key's file, for the server and every agent",
		}
	}
	c, err := rfc2136.New(rfc2136.Config{Server: d.Server, Zone: d.Zone, Key: s.key, TTL: d.TTL, Timeout: d.Timeout})
	if err != nil {
		return nil, configFailure(err)
	}
	s.open = c.Register
	s.about = fmt.Sprintf("%s, key %s (%s)", d.Server, strings.TrimSuffix(s.key.Name, "."), s.key.Algorithm)
	return s, nil
}

func (s *service) route53() (*service, error) {
	d := s.dns
	return s.hold(route53.New(route53.Config{
		Zone: d.Zone, ZoneID: d.ZoneID, AccessKeyID: d.AccessKeyID, SecretAccessKey: d.SecretAccessKey, SessionToken: d.SessToken,
		Profile: d.Profile, RoleARN: d.RoleARN, Region: d.Region, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout,
		Rate: perSecond(d), Burst: burst(d),
	}))
}

func (s *service) clouddns() (*service, error) {
	if err := s.markCredentials(); err != nil {
		return nil, err
	}
	d := s.dns
	return s.hold(clouddns.New(clouddns.Config{
		Zone: d.Zone, Project: d.Project, ManagedZone: d.ManagedZone, Credentials: d.Credentials, CredentialsFile: d.CredentialsFile,
		Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout, Rate: perSecond(d), Burst: burst(d),
	}))
}

// markCredentials takes note of a file with credentials: another text is another
// client.
func (s *service) markCredentials() error {
	if s.dns.CredentialsFile == "" {
		return nil
	}
	data, err := os.ReadFile(s.dns.CredentialsFile)
	if err != nil {
		return configFailure(fmt.Errorf("dns.credentials: %w", err))
	}
	s.mark = sha256.Sum256(data)
	return nil
}

func (s *service) azuredns() (*service, error) {
	d := s.dns
	return s.hold(azuredns.New(azuredns.Config{
		Zone: d.Zone, Subscription: d.Subscription, ResourceGroup: d.ResourceGroup, TenantID: d.TenantID, ClientID: d.ClientID,
		ClientSecret: d.ClientSecret, Cloud: d.Cloud, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout, Rate: perSecond(d), Burst: burst(d),
	}))
}

func (s *service) cloudflare() (*service, error) {
	d := s.dns
	return s.hold(cloudflare.New(cloudflare.Config{
		Zone: d.Zone, ZoneID: d.ZoneID, Token: d.Token, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout,
		Rate: perSecond(d), Burst: burst(d),
	}))
}

func (s *service) ocidns() (*service, error) {
	d := s.dns
	return s.hold(ocidns.New(ocidns.Config{
		Zone: d.Zone, ZoneID: d.ZoneID, ConfigFile: d.ConfigFile, Profile: d.Profile, Passphrase: d.Passphrase, InstancePrincipal: d.InstancePrincipal,
		Region: d.Region, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout, Rate: perSecond(d), Burst: burst(d),
	}))
}

func (s *service) command() (*service, error) {
	d := s.dns
	return s.hold(command.New(command.Config{
		Program: d.Command, URL: d.URL, Token: d.Token, Zone: d.Zone, TTL: d.TTL, Timeout: d.Timeout, Class: s.class,
	}))
}

// ballots has a service use a libdns module.
func (s *service) ballots() (*service, error) {
	d := s.dns
	known, _ := libdnsproviders.Lookup(d.Provider)
	with := libdnsproviders.Settings{
		Token: d.Token, Endpoint: d.Region, ApplicationKey: d.ApplicationKey, ApplicationSecret: d.ApplicationSecret, ConsumerKey: d.ConsumerKey,
	}
	module, err := known.Open(with)
	if err != nil {
		return nil, configFailure(fmt.Errorf("%s: %w", d.Provider, err))
	}
	cfg := ballot.Config{
		Provider: module, Service: known.Name, Zone: d.Zone, Traits: known.Traits, TTL: d.TTL, Timeout: d.Timeout, Secrets: with.Secrets(),
		Settle: d.Settle > 0, Effect: d.Settle,
	}
	if cfg.Settle {
		s.swapTime = ballot.DefaultSend + d.Settle + cfg.SettleTime() // protocol section 4: S = W + D
	}
	return s.hold(ballot.New(cfg))
}
