// Package ocidns is the register in a zone of Oracle Cloud Infrastructure DNS, by its
// API (20180115).
//
// A [Client] stands for one zone and one credential, and any number of registers
// share it, one for each name:
//
//	client, err := ocidns.New(ocidns.Config{Zone: "example.com"})
//	r, err := client.Register("canary.example.com")
//
// A swap replaces the TXT record set (UpdateRRSet, DeleteRRSet) with the entity-tag
// of what was read as If-Match, and a create adds to it (PatchRRSet) with PROHIBIT as
// its precondition. Both are documented, but not how a failed precondition of a create
// is told: where an answer says no in other words than 409 and 412, the set is read
// again, and the swap was a conflict if it is not what it was.
//
// It makes no zones, writes nothing without a precondition, and sends one request for
// each load and swap: the API has no conditions for several names at once.
package ocidns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// Class is what the service promises: it documents conditions, but not all of their
// outcomes, and nobody has been seen to try them.
const Class = register.Conditional

// Defaults of [Config].
const (
	// DefaultTTL is twice what Oracle recommends at least.
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 10 * time.Second
	// DefaultRate and DefaultBurst are assumed: Oracle documents that there is a
	// limit (429 TooManyRequests), and no number.
	DefaultRate  = 5.0
	DefaultBurst = 50
)

// Lag is how long the name servers usually trail the API. Oracle documents no figure;
// this one is assumed.
const Lag = 30 * time.Second

// maxTTL is 604800 seconds, the largest that the service takes.
const maxTTL = 7 * 24 * time.Hour

// A Config says which records to hold where, and by which credential.
type Config struct {
	// Zone is the DNS name of the zone.
	Zone string
	// ZoneID is its OCID; needed for a private zone.
	ZoneID string
	// ConfigFile is a file as the oci command line has it, and Profile one of those
	// in it; empty: ~/.oci/config, and DEFAULT.
	ConfigFile, Profile string
	// Passphrase is that of the key that the file names, if the file does not have it.
	Passphrase register.Secret
	// InstancePrincipal uses what Oracle gives to the instance, and no file.
	InstancePrincipal bool
	// Region is where the zone is managed, as us-ashburn-1; empty: that of the
	// credential.
	Region string
	// Endpoint is another server that speaks the API; empty: Oracle's.
	Endpoint string
	// TTL is that of the records, in whole seconds.
	TTL time.Duration
	// Timeout is for one operation; the context may end it earlier.
	Timeout time.Duration
	// Rate is how many requests a second all registers of the client send over time,
	// and Burst how many at once.
	Rate  float64
	Burst int
}

// A Client is one zone and one credential, shared by the registers of many names. It
// is safe for concurrent use.
type Client struct {
	cfg  Config
	zone string // the DNS name, without the final dot

	http   *web.Client
	budget *batch.Budget
	sent   atomic.Int64
	open   singleflight.Group
	cred   atomic.Pointer[credential] // nil: not got yet
}

// New returns a client. It asks nobody.
func New(cfg Config) (*Client, error) {
	zone, err := dnsmsg.Absolute(cfg.Zone)
	if err != nil {
		return nil, fmt.Errorf("ocidns: zone: %w", err)
	}
	cfg.TTL, cfg.Timeout = cmp.Or(cfg.TTL, DefaultTTL), cmp.Or(cfg.Timeout, DefaultTimeout)
	cfg.Rate, cfg.Burst = cmp.Or(cfg.Rate, DefaultRate), cmp.Or(cfg.Burst, DefaultBurst)
	switch {
	case cfg.TTL < time.Second || cfg.TTL > maxTTL || cfg.TTL%time.Second != 0:
		return nil, fmt.Errorf("ocidns: a TTL of %s: want whole seconds, from 1 to %d", cfg.TTL, maxTTL/time.Second)
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("ocidns: a timeout of %s", cfg.Timeout)
	case cfg.Rate < 0 || cfg.Burst < 0:
		return nil, fmt.Errorf("ocidns: a rate of %g requests a second and a burst of %d", cfg.Rate, cfg.Burst)
	case cfg.Endpoint != "" && !strings.HasPrefix(cfg.Endpoint, "https://") && !strings.HasPrefix(cfg.Endpoint, "http://"):
		return nil, errors.New("ocidns: want an endpoint that begins with https://")
	case cfg.InstancePrincipal && (cfg.ConfigFile != "" || cfg.Profile != "" || !cfg.Passphrase.IsZero()):
		return nil, errors.New("ocidns: the instance's principal and a file: want one of them")
	}
	c := &Client{
		cfg: cfg, zone: strings.TrimSuffix(zone, "."),
		http:   web.New(web.Options{Redirects: web.Never, Timeout: cfg.Timeout, Proxy: true}),
		budget: batch.NewBudget(batch.Limits{Rate: cfg.Rate, Burst: cfg.Burst}),
	}
	if !cfg.InstancePrincipal {
		cred, err := c.byFile()
		if err != nil {
			return nil, fmt.Errorf("ocidns: %w", err)
		}
		c.cred.Store(cred)
	}
	return c, nil
}

// Requests is how many requests were sent to the API so far.
func (c *Client) Requests() int64 { return c.sent.Load() }

// Close closes idle connections.
func (c *Client) Close() { c.http.Close() }

// Register returns the register of the TXT records at name, which is absolute with
// or without the final dot, and in the zone.
func (c *Client) Register(name string) (register.Register, error) {
	domain, err := c.inZone(name)
	if err != nil {
		return nil, fmt.Errorf("ocidns: %w", err)
	}
	return &record{client: c, name: domain}, nil
}

func (c *Client) inZone(name string) (string, error) {
	fqdn, err := dnsmsg.Absolute(name)
	if err != nil {
		return "", fmt.Errorf("name: %w", err)
	}
	domain := strings.TrimSuffix(fqdn, ".")
	if domain != c.zone && !strings.HasSuffix(domain, "."+c.zone) {
		return "", fmt.Errorf("%s is not in the zone %s", name, c.zone)
	}
	return domain, nil
}

// record is the register of one name.
type record struct {
	client *Client
	name   string // without the final dot
}

func (r *record) fail(op string, err error) error {
	return fmt.Errorf("ocidns: %s %s: %w", op, r.name, err)
}

// Load reads the record set.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.cfg.Timeout)
	defer cancel()
	set, err := r.client.read(ctx, r.name)
	if err != nil {
		return register.Snapshot{}, r.fail("load", err)
	}
	s, err := set.snapshot()
	if err != nil {
		return register.Snapshot{}, r.fail("load", err)
	}
	return s, nil
}

// Swap implements register.Register.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.cfg.Timeout)
	defer cancel()
	s, err := r.swap(ctx, old, texts)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	return s, nil
}

func (r *record) swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	was, err := versionOf(old)
	if err != nil {
		return register.Snapshot{}, err
	}
	values, err := was.valuesFor(texts)
	if err != nil {
		return register.Snapshot{}, err
	}
	if was.ETag == "" && len(values) == 0 { // no request says "nothing is there, and so it shall stay"
		set, err := r.client.read(ctx, r.name)
		if err == nil && len(set.values) > 0 {
			err = register.ErrConflict
		}
		if err != nil {
			return register.Snapshot{}, err
		}
		return set.snapshot()
	}
	set, err := r.client.write(ctx, r.name, was, values)
	if err != nil {
		return register.Snapshot{}, r.client.judge(ctx, r.name, was, err)
	}
	return set.snapshot()
}
