// Package clouddns is the register in a zone of Google Cloud DNS, by its API
// (dns/v1).
//
// A [Client] stands for one zone and one credential, and any number of registers
// share it, one for each name:
//
//	client, err := clouddns.New(clouddns.Config{Zone: "example.com", Project: "acme"})
//	r, err := client.Register("canary.example.com")
//
// A swap is one Change: it deletes the TXT record set exactly as it was last read,
// values and TTL, and adds the new one. "Deletions must match existing data
// exactly", and a Change is applied atomically or not at all (the API's discovery
// document). A create only adds, which the service refuses where a set is there.
// Swaps of several names that meet go as one Change, and loads as one list.
//
// It makes no zones, uses no call that overwrites (rrsets.patch), and refuses
// names whose records a routing policy chooses.
package clouddns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// Class is what the service promises: it documents the comparison and that it is
// one step with the change.
const Class = register.Exact

// Defaults of [Config].
const (
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 10 * time.Second
	// DefaultRate and DefaultBurst are for reads, and again for writes. Google
	// documents that a project has a quota of each by the minute, and that the
	// console shows them, but no number: this is 300 a minute.
	DefaultRate  = 5.0
	DefaultBurst = 50
)

// Lag is how long the name servers usually trail the API. Google documents no
// figure: a Change that is "done" was sent to the servers, which "might not be
// updated yet". This one is assumed.
const Lag = 30 * time.Second

// defaultEndpoint is the API's own address.
const defaultEndpoint = "https://dns.googleapis.com"

// maxTTL is 2^31 - 1 seconds (RFC 2181 section 8).
const maxTTL = (1<<31 - 1) * time.Second

// maxBody is for a page of a list; its size is the service's to choose.
const maxBody = 16 << 20

// A Config says which records to hold where, and by which credential.
type Config struct {
	// Zone is the DNS name of the zone.
	Zone string
	// Project is the project that has the zone; empty: that of the credential.
	Project string
	// ManagedZone is Google's name of the zone, or its number; empty: the project's
	// one zone of that DNS name, for which the credential must be allowed to list
	// zones.
	ManagedZone string
	// Credentials is the JSON of a service account's key, or of any other
	// credential that Google's libraries know.
	Credentials register.Secret
	// CredentialsFile has the same in a file. Without both, the default
	// credentials are used: GOOGLE_APPLICATION_CREDENTIALS, those of gcloud, or
	// those that Google gives to a machine or a workload.
	CredentialsFile string
	// Endpoint is another server that speaks the API; empty: Google's.
	Endpoint string
	// TTL is that of the records, in whole seconds.
	TTL time.Duration
	// Timeout is for one operation; the context may end it earlier.
	Timeout time.Duration
	// Rate is how many reads a second, and how many writes, all registers of the
	// client send over time, and Burst how many at once.
	Rate  float64
	Burst int
}

// A Client is one zone and one credential, shared by the registers of many names.
// It is safe for concurrent use.
type Client struct {
	zone     string // the DNS name, with the final dot
	project  string // as configured
	managed  string // as configured
	endpoint string
	ttl      int64
	timeout  time.Duration

	http  *web.Client
	token *tokens
	found shared[place] // where the zone has to be found
	known atomic.Pointer[place]
	sent  atomic.Int64

	reads, writes *batch.Budget
	loads         *batch.Batcher[string, loaded]
	swaps         *batch.Batcher[change, stored]
	pages         atomic.Int64 // how many a list of the zone had, the last time; 0: not known
}

// New returns a client. It asks nobody.
func New(cfg Config) (*Client, error) {
	zone, err := dnsmsg.Absolute(cfg.Zone)
	if err != nil {
		return nil, fmt.Errorf("clouddns: zone: %w", err)
	}
	ttl, timeout := cmp.Or(cfg.TTL, DefaultTTL), cmp.Or(cfg.Timeout, DefaultTimeout)
	endpoint := strings.TrimSuffix(cmp.Or(cfg.Endpoint, defaultEndpoint), "/")
	rate, burst := cmp.Or(cfg.Rate, DefaultRate), cmp.Or(cfg.Burst, DefaultBurst)
	switch {
	case ttl < time.Second || ttl > maxTTL || ttl%time.Second != 0:
		return nil, fmt.Errorf("clouddns: a TTL of %s: want whole seconds, from 1 to %d", ttl, maxTTL/time.Second)
	case timeout < 0:
		return nil, fmt.Errorf("clouddns: a timeout of %s", timeout)
	case rate < 0 || burst < 0:
		return nil, fmt.Errorf("clouddns: a rate of %g requests a second and a burst of %d", rate, burst)
	case !strings.HasPrefix(endpoint, "https://") && !strings.HasPrefix(endpoint, "http://"):
		return nil, errors.New("clouddns: want an endpoint that begins with https://")
	case strings.Contains(cfg.Project+cfg.ManagedZone, "/"):
		return nil, errors.New("clouddns: a project or a managed zone is a name without slashes")
	}
	token, err := newTokens(cfg.Credentials, cfg.CredentialsFile, timeout)
	if err != nil {
		return nil, fmt.Errorf("clouddns: %w", err)
	}
	c := &Client{
		zone: zone, project: cfg.Project, managed: cfg.ManagedZone, endpoint: endpoint,
		ttl: int64(ttl / time.Second), timeout: timeout, token: token,
		http:   web.New(web.Options{Redirects: web.Never, Timeout: timeout, MaxBody: maxBody, Proxy: true}),
		reads:  batch.NewBudget(batch.Limits{Rate: rate, Burst: burst}),
		writes: batch.NewBudget(batch.Limits{Rate: rate, Burst: burst}),
	}
	c.loads = batch.New(batch.Options[string, loaded]{
		Send: c.sendLoads, Budget: c.reads, Timeout: timeout, Parallel: 4, Unknown: errNoAnswer,
	})
	c.swaps = batch.New(batch.Options[change, stored]{
		Send: c.sendSwaps, Fits: fits, Budget: c.writes, Timeout: timeout, Parallel: 4, Unknown: register.ErrUncertain,
	})
	return c, nil
}

// Requests is how many requests were sent to the API so far.
func (c *Client) Requests() int64 { return c.sent.Load() }

// Close closes idle connections.
func (c *Client) Close() {
	c.http.Close()
	c.token.close()
}

// Register returns the register of the TXT records at name, which is absolute
// with or without the final dot, and in the zone.
func (c *Client) Register(name string) (register.Register, error) {
	fqdn, err := c.inZone(name)
	if err != nil {
		return nil, fmt.Errorf("clouddns: %w", err)
	}
	return &record{client: c, name: fqdn}, nil
}

func (c *Client) inZone(name string) (string, error) {
	fqdn, err := dnsmsg.Absolute(name)
	if err != nil {
		return "", fmt.Errorf("name: %w", err)
	}
	if fqdn != c.zone && !strings.HasSuffix(fqdn, "."+c.zone) {
		return "", fmt.Errorf("%s is not in the zone %s", name, undotted(c.zone))
	}
	return fqdn, nil
}

func undotted(name string) string { return strings.TrimSuffix(name, ".") }

// record is the register of one name.
type record struct {
	client *Client
	name   string
}

func (r *record) fail(op string, err error) error {
	return fmt.Errorf("clouddns: %s %s: %w", op, undotted(r.name), err)
}

// Load lists the record set, alone or with others that are loaded at about the
// same time. The list begins after Load was called.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	s, err := r.load(ctx)
	if err != nil {
		return register.Snapshot{}, r.fail("load", err)
	}
	return s, nil
}

func (r *record) load(ctx context.Context) (register.Snapshot, error) {
	if err := r.client.ready(ctx); err != nil {
		return register.Snapshot{}, err
	}
	found, err := r.client.loads.Do(ctx, r.name)
	if err != nil {
		return register.Snapshot{}, err
	}
	return snapshot(found.set, found.at)
}

// Swap implements register.Register.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	s, err := r.swap(ctx, old, texts)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	return s, nil
}

func (r *record) swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	was, err := setOfTag(r.name, old)
	if err != nil {
		return register.Snapshot{}, err
	}
	next, err := setOfTexts(r.name, r.client.ttl, texts, was)
	if err != nil {
		return register.Snapshot{}, err
	}
	if was == nil && next == nil { // no Change says "nothing is there, and so it shall stay"
		s, err := r.load(ctx)
		if err == nil && len(s.Texts) > 0 {
			err = register.ErrConflict
		}
		return s, err
	}
	if err := r.client.ready(ctx); err != nil {
		return register.Snapshot{}, err
	}
	now, err := r.client.swaps.Do(ctx, change{name: r.name, deletion: was, addition: next})
	if err != nil {
		return register.Snapshot{}, err
	}
	return snapshot(now.set, now.at)
}

// ready sees to it that there is a token and that the zone is known, so that
// nothing but the request itself can take time once its outcome matters.
func (c *Client) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := c.token.get(ctx); err != nil {
		return err
	}
	_, err := c.place(ctx)
	return err
}

// timeOf is the service's time, of an answer's head.
func timeOf(h http.Header) time.Time {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
