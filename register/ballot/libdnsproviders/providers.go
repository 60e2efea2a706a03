// Package libdnsproviders has the libdns modules that Solotick comes with, for
// package ballot, and what is known of each service and of its module: deSEC,
// DigitalOcean, Gandi, Hetzner and OVH.
//
//	service, _ := libdnsproviders.Lookup("desec")
//	module, err := service.Open(libdnsproviders.Settings{Token: token})
//	client, err := ballot.New(ballot.Config{Provider: module, Service: service.Name, Traits: service.Traits, Zone: "example.com"})
//
// What is said of the services comes from their documentation and from others who
// have used them, as noted; no service was asked, and the modules were tried against
// fakes of the services alone. Requests are sent by the modules' own HTTP clients,
// which obey HTTPS_PROXY, and some of them send a request again by themselves; with
// records that have one writer that does no harm.
//
// Every other module works too: it is given to package ballot by the program that
// imports it.
package libdnsproviders

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/ballot"
)

// Settings are the credential of a service; each needs some of them.
type Settings struct {
	// Token is that of deSEC, DigitalOcean, Gandi (a personal access token) and Hetzner
	// (of the project in the Cloud console that has the zone).
	Token register.Secret
	// Endpoint is ovh-eu, ovh-ca or ovh-us; the three others are of OVH as well.
	Endpoint          string
	ApplicationKey    string
	ApplicationSecret register.Secret
	ConsumerKey       register.Secret
}

// Secrets are those of the settings, for ballot.Config.
func (s Settings) Secrets() []register.Secret {
	return []register.Secret{s.Token, s.ApplicationSecret, s.ConsumerKey}
}

// A Service is a DNS provider whose module is here.
type Service struct {
	Name   string // as in the configuration
	Title  string
	Module string // and its version
	Traits ballot.Traits
	// Limits are the service's, on requests, in words and with where that is from.
	Limits string
	// Notes say what to know before using it.
	Notes []string

	open func(Settings) (ballot.Provider, error)
}

// Services are all, by name.
func Services() []Service {
	all := []Service{desecService, digitaloceanService, gandiService, hetznerService, ovhService}
	for i := range all {
		all[i].Traits.Limits = all[i].Limits
	}
	return all
}

// Names are the names of all.
func Names() []string {
	var names []string
	for _, s := range Services() {
		names = append(names, s.Name)
	}
	return names
}

// Lookup returns the service of that name.
func Lookup(name string) (Service, bool) {
	all := Services()
	i := slices.IndexFunc(all, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return all[i], true
}

// Open returns the module of the service of that name, with a credential.
func Open(name string, s Settings) (ballot.Provider, error) {
	service, ok := Lookup(name)
	if !ok {
		return nil, fmt.Errorf("libdns: no module for %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	return service.Open(s)
}

// Open returns the service's module with a credential. It asks nobody.
func (s Service) Open(with Settings) (ballot.Provider, error) {
	module, err := s.open(with)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return module, nil
}

var errNoToken = errors.New("no token")

// remedies are what to do about the answers that mean the same everywhere.
func remedies(status int, token, grant string) string {
	switch status {
	case 401:
		return "the credential is not valid: " + token
	case 403:
		return "the credential may not do this: " + grant
	case 404:
		return "the account of this credential has no such zone: check the zone's name, and whose credential it is"
	}
	return ""
}
