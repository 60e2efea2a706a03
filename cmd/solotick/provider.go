package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/elect"
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

// A service is where the records of one file are, with the one client of its
// provider that all registers of this process share.
type service struct {
	dns   config.DNS
	class register.Class
	about string // the server or account and the credential, for people; no secret

	open     func(name string) (register.Register, error)
	examine  func(ctx context.Context, names ...string) []register.Finding // nil: it has nothing to tell
	requests func() int64                                                  // sent so far; nil: not counted
	leave    func(ctx context.Context) error                               // takes out of the zone what the client keeps there for itself; nil: it keeps nothing
	forget   func(ctx context.Context, name string) error                  // and what all clients keep there for a record that nobody uses any more
	swapTime time.Duration                                                 // that one swap may need, if more than a request
	gate     int                                                           // requests of one kind of jobs that may be under way

	key     rfc2136.Key // that looks are signed with, at dns.Server
	warning string      // about the credential, for people
	mark    [sha256.Size]byte
}

// A client is what every provider's package has.
type client interface {
	Register(name string) (register.Register, error)
	Examine(ctx context.Context, names ...string) []register.Finding
	Requests() int64
}

// hold has a service use the client of a provider. Those of APIs join what is
// asked at the same time by themselves, so that many may ask.
func (s *service) hold(c client, err error) (*service, error) {
	if err != nil {
		return nil, configFailure(err)
	}
	s.open, s.examine, s.requests, s.gate = c.Register, c.Examine, c.Requests, 4096
	if l, ok := c.(interface{ Leave(context.Context) error }); ok {
		s.leave = l.Leave
	}
	if f, ok := c.(interface {
		Forget(ctx context.Context, name string) error
	}); ok {
		s.forget = f.Forget
	}
	return s, nil
}

// classOf is what the provider of a file promises.
func classOf(d config.DNS) register.Class {
	switch d.Provider {
	case "rfc2136":
		return register.Exact
	case "route53":
		return route53.Class
	case "cloudflare":
		return cloudflare.Class
	case "clouddns":
		return clouddns.Class
	case "ocidns":
		return ocidns.Class
	case "command":
		return register.Class(d.Class)
	case "azuredns":
		return azuredns.Class
	}
	if d.Settle > 0 {
		return ballot.SettleClass
	}
	return ballot.Class
}

// limitsOf are how many requests a second the account of a file may send over time,
// and at once; 0: as many as one likes.
func limitsOf(d config.DNS) (rate float64, atOnce int) {
	switch d.Provider {
	case "rfc2136", "command":
	case "route53":
		rate, atOnce = route53.DefaultRate, route53.DefaultBurst
	case "cloudflare":
		rate, atOnce = cloudflare.DefaultRate, cloudflare.DefaultBurst
	case "clouddns":
		rate, atOnce = clouddns.DefaultRate, clouddns.DefaultBurst
	case "azuredns":
		rate, atOnce = azuredns.DefaultRate, azuredns.DefaultBurst
	case "ocidns":
		rate, atOnce = ocidns.DefaultRate, ocidns.DefaultBurst
	case "desec": // 100 writes an hour, of eight requests that a swap takes three
		rate, atOnce = 0.07, 20
	case "digitalocean": // 5,000 requests an hour
		rate, atOnce = 1.3, 100
	default: // not known, and so assumed
		rate, atOnce = 1, 30
	}
	if d.Rate > 0 {
		rate, atOnce = perSecond(d), burst(d)
	}
	return rate, atOnce
}

// openService is the only switch over the names of providers. It asks nobody
// anything yet.
func openService(d config.DNS) (*service, error) {
	s := &service{dns: d, class: classOf(d), gate: mostRequests}
	switch d.Provider {
	case "rfc2136":
		return s.rfc2136()
	case "route53":
		return s.hold(route53.New(route53.Config{
			Zone: d.Zone, ZoneID: d.ZoneID, AccessKeyID: d.AccessKeyID, SecretAccessKey: d.SecretAccessKey, SessionToken: d.SessToken,
			Profile: d.Profile, RoleARN: d.RoleARN, Region: d.Region, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout,
			Rate: perSecond(d), Burst: burst(d),
		}))
	case "cloudflare":
		return s.hold(cloudflare.New(cloudflare.Config{
			Zone: d.Zone, ZoneID: d.ZoneID, Token: d.Token, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout,
			Rate: perSecond(d), Burst: burst(d),
		}))
	case "clouddns":
		if err := s.markCredentials(); err != nil {
			return nil, err
		}
		return s.hold(clouddns.New(clouddns.Config{
			Zone: d.Zone, Project: d.Project, ManagedZone: d.ManagedZone, Credentials: d.Credentials, CredentialsFile: d.CredentialsFile,
			Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout, Rate: perSecond(d), Burst: burst(d),
		}))
	case "ocidns":
		return s.hold(ocidns.New(ocidns.Config{
			Zone: d.Zone, ZoneID: d.ZoneID, ConfigFile: d.ConfigFile, Profile: d.Profile, Passphrase: d.Passphrase, InstancePrincipal: d.InstancePrincipal,
			Region: d.Region, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout, Rate: perSecond(d), Burst: burst(d),
		}))
	case "command":
		return s.hold(command.New(command.Config{
			Program: d.Command, URL: d.URL, Token: d.Token, Zone: d.Zone, TTL: d.TTL, Timeout: d.Timeout, Class: register.Class(d.Class),
		}))
	case "azuredns":
		return s.hold(azuredns.New(azuredns.Config{
			Zone: d.Zone, Subscription: d.Subscription, ResourceGroup: d.ResourceGroup, TenantID: d.TenantID, ClientID: d.ClientID,
			ClientSecret: d.ClientSecret, Cloud: d.Cloud, Endpoint: d.Endpoint, TTL: d.TTL, Timeout: d.Timeout, Rate: perSecond(d), Burst: burst(d),
		}))
	}
	return s.ballots()
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

// policy is a job's policy over this register.
func (s *service) policy(j config.Job) elect.Policy {
	p := policyOf(j)
	p.SwapTime = s.swapTime
	return p
}

// ballots has a service use a libdns module.
func (s *service) ballots() (*service, error) {
	d := s.dns
	known, ok := libdnsproviders.Lookup(d.Provider)
	if !ok {
		return nil, configFailure(fmt.Errorf("dns.provider %q is not known: want one of %s", d.Provider, strings.Join(config.Providers(), ", ")))
	}
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
		s.swapTime = cfg.SettleTime() + d.Timeout
		cfg.Timeout = s.swapTime
	}
	return s.hold(ballot.New(cfg))
}

// register is the register of the record at name.
func (s *service) register(name string) (register.Register, error) {
	r, err := s.open(name)
	if err != nil {
		return nil, configFailure(err)
	}
	return r, nil
}

// same says whether a service would be opened again in just the same way.
func (s *service) same(t *service) bool {
	return reflect.DeepEqual(s.dns, t.dns) && s.key == t.key && s.mark == t.mark
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

// String names the provider, the zone and what to expect of it.
func (s *service) String() string {
	text := fmt.Sprintf("%s, zone %s", s.dns.Provider, s.dns.Zone)
	if s.about != "" {
		text = fmt.Sprintf("%s: %s, zone %s", s.dns.Provider, s.about, s.dns.Zone)
	}
	return text + fmt.Sprintf("; class %s: %s", s.class, s.class.Promise())
}

func (s *service) brief() agentRegister {
	return agentRegister{s.dns.Provider, s.dns.Zone, s.class.String()}
}

// attrs are the service in a log.
func (s *service) attrs() []any {
	return []any{slog.String("provider", s.dns.Provider), slog.String("zone", s.dns.Zone), slog.String("class", s.class.String())}
}

// mayStart refuses to run jobs over a register that is weaker than exact, unless
// the user has said that this is known or has seen it hold.
func (a *app) mayStart(s *service, accepted bool) error {
	if !s.class.Weaker() || accepted || s.dns.AcceptWeaker || a.hasPassed(s) {
		return nil
	}
	return &failure{
		code:  exitConfig,
		err:   fmt.Errorf("the class of %s is %s, which is weaker than exact: %s", s.dns.Provider, s.class, s.class.Promise()),
		means: "nothing was started, since a tick might run twice",
		do:    "solotick conformance -c FILE tries it on your own zone; or accept it: dns.accept_weaker: true in the file, or --accept-weaker",
	}
}

func weakerFlag(c *cobra.Command, v *bool) {
	c.Flags().BoolVar(v, "accept-weaker", false, "start although the register's class is weaker than exact")
}

// outside are the servers that show the records to people: those that the file
// names; none: those that the zone names.
func outside(d *config.DNS) []string {
	if len(d.NameServers) == 0 && d.Server != "" {
		return []string{d.Server}
	}
	return d.NameServers
}
