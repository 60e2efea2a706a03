package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
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
	close    func()                                                        // idle connections; it may be used all the same
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
	Close()
}

// hold has a service use the client of a provider. Those of APIs join what is
// asked at the same time by themselves, so that many may ask.
func (s *service) hold(c client, err error) (*service, error) {
	if err != nil {
		return nil, configFailure(err)
	}
	s.open, s.examine, s.requests, s.close, s.gate = c.Register, c.Examine, c.Requests, c.Close, 4096
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

// policy is a job's policy over this register.
func (s *service) policy(j config.Job) elect.Policy {
	p := policyOf(j)
	p.SwapTime = s.swapTime
	return p
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

// String names the provider, the zone and what to expect of it.
func (s *service) String() string {
	text := fmt.Sprintf("%s, zone %s", s.dns.Provider, s.dns.Zone)
	if s.about != "" {
		text = fmt.Sprintf("%s: %s, zone %s", s.dns.Provider, s.about, s.dns.Zone)
	}
	return text + fmt.Sprintf("; class %s: %s", s.class, s.class.Promise())
}

func (s *service) brief() monitor.Register {
	return monitor.Register{Provider: s.dns.Provider, Zone: s.dns.Zone, Class: s.class.String()}
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
