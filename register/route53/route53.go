// Package route53 is the register in a public hosted zone of Amazon Route 53.
//
// A [Client] stands for one zone and one set of credentials, and any number of
// registers share it, one for each name:
//
//	client, err := route53.New(route53.Config{Zone: "example.com"})
//	r, err := client.Register("canary.example.com")
//
// A swap is one change batch: DELETE of the TXT record set exactly as it was last
// read, values and TTL, and CREATE of the new one. Route 53 makes all changes of a
// batch or none, and refuses a DELETE whose values are not the current ones and a
// CREATE where a set is there. UPSERT, which overwrites, is never sent. Swaps of
// several names that meet go as one batch, and loads as shared pages of a list; a
// conflict of one fails no other.
//
// Credentials are those of the configuration, or found as by every program that
// uses Amazon's library: the environment, ~/.aws, the role of the container or the
// machine. The library's own retries are off. AWS_ENDPOINT_URL is not heeded for
// Route 53: which server is asked stands in the configuration.
//
// It makes no zones and no credentials, knows nothing of private zones, and
// refuses names whose records a routing policy chooses.
package route53

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// Class is what the service documents: the comparison and the change are one
// transaction.
const Class = register.Exact

// Defaults of [Config]. The rate is what Route 53 allows an account, of all its
// actions together (Developer Guide, "Throttling for Amazon Route 53 API requests").
const (
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 10 * time.Second
	DefaultRate    = 10.0
	DefaultBurst   = 50
	DefaultRegion  = "us-east-1"
)

// Lag is how long the name servers trail the API at most as a rule: changes
// "propagate to all Route 53 authoritative DNS servers within 60 seconds" (API
// reference, ChangeResourceRecordSets).
const Lag = 60 * time.Second

// maxTTL is 2^31 - 1 seconds (the API's description, TTL).
const maxTTL = (1<<31 - 1) * time.Second

// maxBody is for a page of 300 record sets of 100 values each.
const maxBody = 32 << 20

// A Config says which records to hold where, and as whom.
type Config struct {
	// Zone is a public hosted zone, by its name.
	Zone string
	// ZoneID is its id. Empty: the account's one public zone of that name, for
	// which the credentials must allow to list zones by name.
	ZoneID string

	// AccessKeyID, SecretAccessKey and SessionToken are a key. Without one,
	// credentials are found as by every program that uses Amazon's library.
	AccessKeyID     string
	SecretAccessKey register.Secret
	SessionToken    register.Secret // only of a temporary key
	// Profile is the one of ~/.aws/config and ~/.aws/credentials to use; empty:
	// AWS_PROFILE, or the default one.
	Profile string
	// RoleARN is a role to assume with these credentials; empty: none.
	RoleARN string
	// Region says which partition the account is in: aws, aws-cn or aws-us-gov.
	// Empty: that of the profile or the environment, or DefaultRegion.
	Region string
	// Endpoint is another server that speaks the API; empty: Amazon's.
	Endpoint string

	// TTL is that of the records, in whole seconds.
	TTL time.Duration
	// Timeout is for one operation, waiting for its turn included; the context may
	// end it earlier.
	Timeout time.Duration
	// Rate is how many requests a second all registers of the client send over
	// time, and Burst how many at once. What the account allows is shared by all
	// who use it.
	Rate  float64
	Burst int
}

// A Client is one zone and one set of credentials, shared by the registers of many
// names. It is safe for concurrent use.
type Client struct {
	cfg     Config
	zone    string // absolute, as Route 53 writes it
	ttl     int64
	timeout time.Duration

	web  *web.Client
	http aws.HTTPClient // counts, and is what tests replace
	sts  string         // the endpoint of STS that tests replace
	sent atomic.Int64

	budget  *batch.Budget
	loads   *batch.Batcher[string, loaded]
	changes *batch.Batcher[change, time.Time]

	opening chan struct{} // held by who opens the account
	skewed  atomic.Bool   // a signature was refused, perhaps for the clock, and none accepted since

	mu      sync.Mutex
	account *account        // nil: not opened yet
	zoneID  string          // empty: not found yet
	alone   map[string]bool // names whose change was refused by itself, and which go without others
	cursor  string          // what a list of several names goes on from, as it is sorted
	part    float64         // of the names that are wanted, shown by one page
}

var (
	zoneIDs = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)
	regions = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
)

// New returns a client. It asks nobody.
func New(cfg Config) (*Client, error) {
	zone, err := dnsmsg.Absolute(cfg.Zone)
	if err != nil {
		return nil, fmt.Errorf("route53: zone: %w", err)
	}
	cfg.ZoneID = strings.TrimPrefix(cfg.ZoneID, "/hostedzone/")
	cfg.Endpoint = strings.TrimSuffix(cfg.Endpoint, "/")
	ttl, timeout := cmp.Or(cfg.TTL, DefaultTTL), cmp.Or(cfg.Timeout, DefaultTimeout)
	limits := batch.Limits{Rate: cmp.Or(cfg.Rate, DefaultRate), Burst: cmp.Or(cfg.Burst, DefaultBurst)}
	switch {
	case cfg.ZoneID != "" && !zoneIDs.MatchString(cfg.ZoneID):
		return nil, fmt.Errorf("route53: %q is no id of a hosted zone: want one as Z0123456789ABCDEFGHIJ", cfg.ZoneID)
	case ttl < time.Second || ttl > maxTTL || ttl%time.Second != 0:
		return nil, fmt.Errorf("route53: a TTL of %s: want whole seconds, from 1 to %d", ttl, maxTTL/time.Second)
	case timeout < 0:
		return nil, fmt.Errorf("route53: a timeout of %s", timeout)
	case limits.Rate < 0 || limits.Burst < 0:
		return nil, fmt.Errorf("route53: a rate of %g requests a second and a burst of %d", limits.Rate, limits.Burst)
	case cfg.Region != "" && !regions.MatchString(cfg.Region):
		return nil, fmt.Errorf("route53: %q is no region: want one as eu-central-1", cfg.Region)
	case cfg.Endpoint != "" && !strings.HasPrefix(cfg.Endpoint, "https://") && !strings.HasPrefix(cfg.Endpoint, "http://"):
		return nil, errors.New("route53: want an endpoint that begins with https://")
	case (cfg.AccessKeyID == "") != cfg.SecretAccessKey.IsZero():
		return nil, errors.New("route53: an access key is an id and a secret: one of them is missing")
	case cfg.AccessKeyID == "" && !cfg.SessionToken.IsZero():
		return nil, errors.New("route53: a session token belongs to an access key, and there is none")
	case cfg.AccessKeyID != "" && cfg.Profile != "":
		return nil, errors.New("route53: an access key and a profile: give one of them")
	}
	c := &Client{
		cfg: cfg, zone: wireName(zone), ttl: int64(ttl / time.Second), timeout: timeout, zoneID: cfg.ZoneID,
		web:     web.New(web.Options{Redirects: web.Never, Timeout: timeout, MaxBody: maxBody, Proxy: true}),
		budget:  batch.NewBudget(limits),
		opening: make(chan struct{}, 1), alone: make(map[string]bool), part: 1,
	}
	c.http = counted{c.web.RoundTripper(), &c.sent}
	c.loads = batch.New(batch.Options[string, loaded]{Send: c.sendLoads, Budget: c.budget, Timeout: timeout, Parallel: 2})
	c.changes = batch.New(batch.Options[change, time.Time]{
		Send: c.sendChanges, Fits: c.fits, Budget: c.budget, Timeout: timeout, Unknown: register.ErrUncertain, Parallel: 4,
	})
	return c, nil
}

// counted is the HTTP client of Amazon's library: no redirects, and nothing twice.
type counted struct {
	http.RoundTripper
	sent *atomic.Int64
}

func (c counted) Do(req *http.Request) (*http.Response, error) {
	c.sent.Add(1)
	return c.RoundTrip(req)
}

type fateKey struct{}

// A fate is what became of the one request of a change. Amazon's library keeps
// nothing of an error but that the context has ended, if it has, and so not whether
// anything was sent.
type fate struct {
	sent bool
	err  error // no answer
}

// uncertain says whether the service may have done what was asked, if there is no
// answer of its own.
func (f *fate) uncertain() bool {
	return f.sent && (f.err == nil || errors.Is(f.err, web.ErrUncertain))
}

// noted notes the fate of a request in its context.
type noted struct{ aws.HTTPClient }

func (n noted) Do(req *http.Request) (*http.Response, error) {
	resp, err := n.HTTPClient.Do(req)
	if f, ok := req.Context().Value(fateKey{}).(*fate); ok {
		f.sent, f.err = true, err
	}
	return resp, err
}

// Register returns the register of the TXT records at name, which is absolute
// with or without the final dot, and in the zone.
func (c *Client) Register(name string) (register.Register, error) {
	fqdn, err := dnsmsg.Absolute(name)
	if err != nil {
		return nil, fmt.Errorf("route53: name: %w", err)
	}
	wire := wireName(fqdn)
	if wire != c.zone && !strings.HasSuffix(wire, "."+c.zone) {
		return nil, fmt.Errorf("route53: %s is not in the zone %s", name, plainName(c.zone))
	}
	return &record{client: c, name: wire}, nil
}

func plainName(name string) string { return strings.TrimSuffix(name, ".") }

// Requests is how many requests were sent so far.
func (c *Client) Requests() int64 { return c.sent.Load() }

// Close closes idle connections.
func (c *Client) Close() { c.web.Close() }

// record is the register of one name.
type record struct {
	client *Client
	name   string // as Route 53 writes it
}

func (r *record) fail(op string, err error) (register.Snapshot, error) {
	return register.Snapshot{}, fmt.Errorf("route53: %s %s: %w", op, plainName(r.name), err)
}

// Load asks Route 53's API for the TXT record set, in a list that begins after
// Load was called.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	found, err := r.read(ctx)
	if err != nil {
		return r.fail("load", err)
	}
	s, err := found.set.snapshot(found.at)
	if err != nil {
		return r.fail("load", err)
	}
	return s, nil
}

func (r *record) read(ctx context.Context) (loaded, error) {
	found, err := r.client.loads.Do(ctx, r.name)
	if err == nil {
		err = found.err
	}
	return found, err
}

// Swap implements register.Register.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	was, err := setOf(old)
	if err != nil {
		return r.fail("swap", err)
	}
	next, err := setWith(texts, was, r.client.ttl)
	if err != nil {
		return r.fail("swap", err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	at, err := r.swap(ctx, was, next)
	if err != nil {
		return r.fail("swap", err)
	}
	s, err := next.snapshot(at)
	if err != nil { // what we quoted ourselves, or have read before
		return r.fail("swap", fmt.Errorf("%w: it was applied, but %w", register.ErrUncertain, err))
	}
	return s, nil
}

func (r *record) swap(ctx context.Context, was, next rrset) (time.Time, error) {
	if len(was.Values) == 0 && len(next.Values) == 0 {
		// No change says "if nothing is there, leave it so".
		found, err := r.read(ctx)
		if err == nil && len(found.set.Values) > 0 {
			err = fmt.Errorf("%w (there are TXT records)", register.ErrConflict)
		}
		return found.at, err
	}
	at, err := r.client.changes.Do(ctx, change{name: r.name, was: was, next: next})
	if no := (*rejection)(nil); errors.As(err, &no) {
		err = r.judge(ctx, was, no)
	}
	return at, err
}
