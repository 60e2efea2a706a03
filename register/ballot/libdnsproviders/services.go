package libdnsproviders

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/libdns/desec"
	"github.com/libdns/digitalocean"
	"github.com/libdns/gandi"
	"github.com/libdns/hetzner/v2"
	"github.com/libdns/libdns"
	"github.com/libdns/ovh"
	goovh "github.com/ovh/go-ovh/ovh"

	"github.com/solotick/solotick/register/ballot"
)

var desecService = Service{
	Name: "desec", Title: "deSEC", Module: "github.com/libdns/desec v1.1.1",
	Traits: ballot.Traits{
		MinTTL:   time.Hour, // the module raises every TTL to that (provider.go, rrSetTTL)
		Replaces: true,      // SetRecords is one bulk PUT (provider.go, putRRSets)
		Whole:    true,      // one answer up to 500 record sets, and an error above (package comment)
		Throttled: func(err error) bool {
			return statusIn(err, "unexpected status code ") == 429 || strings.Contains(err.Error(), "waiting for cooldown")
		},
		Refused: func(err error) string {
			return remedies(statusIn(err, "unexpected status code "), "make a token at desec.io/tokens", "give the token a policy with perm_write for TXT at the name and below it")
		},
	},
	Limits: "300 writes a day and domain, 100 an hour, 15 a minute, 2 a second (documented): a swap takes 3, so at most 100 a day",
	Notes: []string{
		"for jobs that run hourly or less often",
		"the zone must have fewer than 500 record sets",
		"a request over the limit is waited for, as long as the operation's time lasts, and not refused",
	},
	open: func(s Settings) (ballot.Provider, error) {
		if s.Token.IsZero() {
			return nil, errNoToken
		}
		return &desec.Provider{Token: s.Token.Reveal()}, nil
	},
}

var digitaloceanService = Service{
	Name: "digitalocean", Title: "DigitalOcean", Module: "github.com/libdns/digitalocean v0.0.0-20250606071607-dfa7af5c2e31",
	Traits: ballot.Traits{
		MinTTL:  30 * time.Second, // observed by others
		MaxText: 500,              // about 512 with quotes, observed by others (dnscontrol)
		Throttled: func(err error) bool {
			var answer *godo.ErrorResponse
			return errors.As(err, &answer) && answer.Response != nil && answer.Response.StatusCode == 429
		},
		Refused: func(err error) string {
			var answer *godo.ErrorResponse
			if !errors.As(err, &answer) || answer.Response == nil {
				return ""
			}
			return remedies(answer.Response.StatusCode, "make a token at cloud.digitalocean.com/account/api/tokens", "give the token the scopes domain:read, domain:create, domain:update and domain:delete")
		},
	},
	Limits: "5,000 requests an hour and 250 a minute (documented); a list is a request for every 20 records of the zone",
	Notes: []string{
		"best a zone of its own, with few jobs: lists come in pages of 20, and are read again when other records of the zone are deleted meanwhile",
		"a text with a backslash does not survive as a copy for DNS (observed by others); the register itself is not concerned",
	},
	open: func(s Settings) (ballot.Provider, error) {
		if s.Token.IsZero() {
			return nil, errNoToken
		}
		return &digitalocean.Provider{APIToken: s.Token.Reveal()}, nil
	},
}

var gandiService = Service{
	Name: "gandi", Title: "Gandi LiveDNS", Module: "github.com/libdns/gandi v1.1.0",
	Traits: ballot.Traits{
		MinTTL: 5 * time.Minute, // observed by others (lego)
		Quoted: true,            // the module gives and takes values as the service does (client.go)
		// The service has pages (documented) and the module asks for none: what is not
		// said is how many records it then gives.
		Most:      100,
		Throttled: func(err error) bool { return statusIn(err, "LiveDNS returned a ") == 429 },
		Refused: func(err error) string {
			return remedies(statusIn(err, "LiveDNS returned a "), "make a personal access token in the account's settings", "give the token the right to manage the domain's technical configuration")
		},
	},
	Limits: "not known here",
	Notes: []string{
		"the zone must have fewer than 100 records",
	},
	open: func(s Settings) (ballot.Provider, error) {
		if s.Token.IsZero() {
			return nil, errNoToken
		}
		return &gandiModule{gandi.Provider{BearerToken: s.Token.Reveal()}}, nil
	},
}

// gandiModule deletes the only value of a record set, too: the module compares it
// without its quotes, and any other value with them (client.go, deleteRecord).
type gandiModule struct{ gandi.Provider }

// DeleteRecords implements libdns.RecordDeleter.
func (m *gandiModule) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	for _, record := range records {
		_, err := m.Provider.DeleteRecords(ctx, zone, []libdns.Record{record})
		if rr := record.RR(); err != nil && strings.Contains(err.Error(), "Can't find such a DNS value") {
			rr.Data = strings.Trim(rr.Data, `"`)
			_, err = m.Provider.DeleteRecords(ctx, zone, []libdns.Record{rr})
		}
		if err != nil && statusIn(err, "LiveDNS returned a ") != 404 { // else it is gone already
			return nil, err
		}
	}
	return records, nil
}

var hetznerService = Service{
	Name: "hetzner", Title: "Hetzner", Module: "github.com/libdns/hetzner/v2 v2.0.0",
	Traits: ballot.Traits{
		MinTTL:    time.Minute, // util.go, minTTL
		Quoted:    true,        // the module leaves a text that is in quotes as it is (util.go, fromRecord)
		Throttled: func(err error) bool { return hcloud.IsError(err, hcloud.ErrorCodeRateLimitExceeded) },
		Refused: func(err error) string {
			const token, grant = "make a token in the Cloud console's project, under Security", "the token needs read and write"
			switch {
			case hcloud.IsError(err, hcloud.ErrorCodeUnauthorized):
				return remedies(401, token, grant)
			case hcloud.IsError(err, hcloud.ErrorCodeForbidden, hcloud.ErrorCodeTokenReadonly):
				return remedies(403, token, grant)
			case hcloud.IsError(err, hcloud.ErrorCodeNotFound), errors.Is(err, errNoZone):
				return remedies(404, token, grant)
			}
			return ""
		},
	},
	Limits: "so many requests an hour and project, which its answers tell in headers (observed by others); a change is acknowledged when its action has succeeded, which is asked for every half second or so",
	Notes: []string{
		"zones of the old DNS console have to be moved to the Cloud console first",
		"the token is good for everything in the project: give the zone a project of its own",
	},
	open: func(s Settings) (ballot.Provider, error) {
		if s.Token.IsZero() {
			return nil, errNoToken
		}
		return &hetznerModule{hetzner.New(s.Token.Reveal())}, nil
	},
}

var errNoZone = errors.New("no such zone")

// hetznerModule reports a zone that is not there: the module goes on with none, and
// panics (provider.go, GetRecords).
type hetznerModule struct{ *hetzner.Provider }

// GetRecords implements libdns.RecordGetter.
func (m *hetznerModule) GetRecords(ctx context.Context, zone string) (records []libdns.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			records, err = nil, fmt.Errorf("%w: %s", errNoZone, zone)
		}
	}()
	return m.Provider.GetRecords(ctx, zone)
}

var ovhService = Service{
	Name: "ovh", Title: "OVHcloud", Module: "github.com/libdns/ovh v1.1.0",
	Traits: ballot.Traits{
		MinTTL:   time.Minute, // models.go, toOvhRecord
		NoQuotes: true,        // the module takes the quotes out of a text (models.go)
		Throttled: func(err error) bool {
			var answer *goovh.APIError
			return errors.As(err, &answer) && answer.Code == 429
		},
		Refused: func(err error) string {
			var answer *goovh.APIError
			if !errors.As(err, &answer) || recordGone(err) {
				return ""
			}
			return remedies(answer.Code, "make an application key and a consumer key", "the consumer key needs GET, POST, PUT and DELETE on /domain/zone/<zone>/*")
		},
	},
	Limits: "not known here; a list is one request, and one more for every record of the zone",
	Notes: []string{
		"best a zone of its own, with few records: a swap is four lists, so the time-out and the lease have to be longer",
		"records in JSON are not copied to the name, as their quotes would be lost: agents read by the API alone",
		"a change is published by a refresh of the zone, which comes with every call",
	},
	open: func(s Settings) (ballot.Provider, error) {
		if s.Endpoint == "" || s.ApplicationKey == "" || s.ApplicationSecret.IsZero() || s.ConsumerKey.IsZero() {
			return nil, errors.New("want an endpoint, an application key and secret, and a consumer key")
		}
		return &ovhModule{&ovh.Provider{
			Endpoint: s.Endpoint, ApplicationKey: s.ApplicationKey,
			ApplicationSecret: s.ApplicationSecret.Reveal(), ConsumerKey: s.ConsumerKey.Reveal(),
		}}, nil
	},
}

// ovhModule lists again where a record vanished between the list of ids and the look
// at it, on which the module's list fails (client.go, getRecords).
type ovhModule struct{ *ovh.Provider }

// GetRecords implements libdns.RecordGetter.
func (m *ovhModule) GetRecords(ctx context.Context, zone string) (records []libdns.Record, err error) {
	for range 5 {
		records, err = m.Provider.GetRecords(ctx, zone)
		if err == nil || !recordGone(err) {
			break
		}
	}
	return records, err
}

// recordGone says whether an answer is about a record, and not about the zone.
func recordGone(err error) bool {
	var answer *goovh.APIError
	return errors.As(err, &answer) && answer.Code == 404 && !strings.Contains(answer.Message, "service does not exist")
}

// statusIn is the status that an error's text tells after some words, 0: none.
func statusIn(err error, words string) int {
	_, after, ok := strings.Cut(err.Error(), words)
	if !ok {
		return 0
	}
	var status int
	if _, err := fmt.Sscanf(after, "%3d", &status); err != nil {
		return 0
	}
	return status
}
