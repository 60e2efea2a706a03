package cloudflare

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// Class is what follows from Cloudflare's documentation, and what nobody was seen
// to try: see the package's comment.
const Class = register.Conditional

// Defaults of [Config]. Cloudflare allows 1,200 requests in five minutes to all that
// one user does, and then none for five minutes. What this client sends in any five
// minutes at the default rate and burst is 1,140.
const (
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 10 * time.Second
	DefaultRate    = 3.6
	DefaultBurst   = 60
)

// Lag is how far the name servers usually trail the API. Cloudflare documents no
// time; others have observed seconds.
const Lag = 5 * time.Second

// endpoint is Cloudflare's own.
const endpoint = "https://api.cloudflare.com/client/v4"

// The TTLs that Cloudflare takes. Below a minute is for Enterprise zones.
const (
	minTTL = 30 * time.Second
	maxTTL = 86400 * time.Second
)

// pageSize is how many records a page of a list has. What Cloudflare documents as
// the most is far above, and no zone but those of Enterprise has more records.
const pageSize = 5000

// A Config says which records to hold where, and with which token.
type Config struct {
	// Zone is the zone's name.
	Zone string
	// ZoneID is its id. Empty: it is looked up by the name, for which the token needs
	// the permission Zone Read.
	ZoneID string
	// Token is an API token with the permission DNS Write (in the dashboard: Zone,
	// DNS, Edit) for the zone. [Token] tells how to make one.
	Token register.Secret
	// Endpoint is another server that speaks the API, with the path before /zones:
	// https, or http on loopback. Empty: Cloudflare's.
	Endpoint string
	// TTL is that of the records, in whole seconds: at least 60, or 30 in an
	// Enterprise zone. Cloudflare's "automatic" is none.
	TTL time.Duration
	// Timeout is for one operation, with the wait for its turn; the context may end
	// it earlier.
	Timeout time.Duration
	// Rate is how many requests a second this client sends over time, and Burst how
	// many at once. All programs and people that use one user's tokens share what
	// Cloudflare allows.
	Rate  float64
	Burst int
}

// A Client is one zone and one token, shared by the registers of many names. Swaps
// that come together go as one batch, and Loads as one list. It is safe for
// concurrent use.
type Client struct {
	zone     string // in lower case, without the final dot
	endpoint string // without the final slash
	token    register.Secret
	ttl      int // in seconds
	timeout  time.Duration
	pageSize int
	web      *web.Client
	budget   *batch.Budget
	loads    *batch.Batcher[string, listed]
	swaps    *batch.Batcher[*change, landed]
	requests atomic.Int64
	large    atomic.Bool // the zone does not go into one page, so that names are listed each by itself

	configured bool // the id of the zone is

	mu      sync.Mutex
	id      string // of the zone, once it is known
	sure    bool   // that the id is that of the zone, as far as the token may know
	tooMany int    // answers in a row that it was one request too many, and did not say for how long
}

var (
	// A name goes into a URL as it is.
	domain = regexp.MustCompile(`^([0-9a-z_-]{1,63}\.)*[0-9a-z_-]{1,63}$`)
	zoneID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	// What Cloudflare documents as the formats of global API keys.
	globalKey = regexp.MustCompile(`^(cfk_.*|[0-9a-f]{37,45})$`)
	bearer    = regexp.MustCompile(`^[!-~]+$`)
)

// New returns a client. It asks nobody.
func New(cfg Config) (*Client, error) {
	c := &Client{
		zone: strings.ToLower(strings.TrimSuffix(cfg.Zone, ".")), id: cfg.ZoneID, configured: cfg.ZoneID != "",
		endpoint: strings.TrimSuffix(cmp.Or(cfg.Endpoint, endpoint), "/"), token: cfg.Token,
		timeout: cmp.Or(cfg.Timeout, DefaultTimeout), pageSize: pageSize,
	}
	ttl, rate, burst := cmp.Or(cfg.TTL, DefaultTTL), cmp.Or(cfg.Rate, DefaultRate), cmp.Or(cfg.Burst, DefaultBurst)
	if err := c.check(ttl, rate, burst); err != nil {
		return nil, fmt.Errorf("cloudflare: %w", err)
	}
	c.ttl = int(ttl / time.Second)
	c.web = web.New(web.Options{Timeout: c.timeout, Redirects: web.Never, MaxBody: 64 << 20, Proxy: true})
	c.budget = batch.NewBudget(batch.Limits{Rate: rate, Burst: burst})
	c.loads = batch.New(batch.Options[string, listed]{
		Send: c.list, Fits: func([]string, string) bool { return !c.large.Load() },
		Budget: c.budget, Timeout: c.timeout, Parallel: 2,
	})
	c.swaps = batch.New(batch.Options[*change, landed]{
		Send: c.send, Fits: fits, Budget: c.budget, Timeout: c.timeout, Unknown: register.ErrUncertain, Parallel: 2,
	})
	return c, nil
}

func (c *Client) check(ttl time.Duration, rate float64, burst int) error {
	token := c.token.Reveal()
	switch {
	case !domain.MatchString(c.zone):
		return fmt.Errorf("zone: %q is no name of a zone", c.zone)
	case c.id != "" && !zoneID.MatchString(c.id):
		return fmt.Errorf("zone id: %q is none: want 32 digits from 0 to f, as the zone's overview in the dashboard shows them", c.id)
	case token == "":
		return errors.New("token: there is none")
	case globalKey.MatchString(token):
		return errors.New("token: this is the global API key, which may do everything in the account, and is not taken: make an API token for the zone alone")
	case !bearer.MatchString(token):
		return errors.New("token: it has a space, a line end or another sign that no token has")
	case ttl == time.Second:
		return errors.New("a TTL of 1 s means \"automatic\" to Cloudflare, which is 5 minutes: want at least 60 s")
	case ttl < minTTL || ttl > maxTTL || ttl%time.Second != 0:
		return fmt.Errorf("a TTL of %s: want whole seconds, from 60 (in Enterprise zones 30) to 86400", ttl)
	case c.timeout < 0:
		return fmt.Errorf("a timeout of %s", c.timeout)
	case rate < 0 || burst < 0:
		return errors.New("a rate or burst below zero")
	}
	u, err := url.Parse(c.endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return errors.New("endpoint: want https:// and a host, or http:// on loopback")
	}
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Register returns the register of the TXT records at name, which is absolute
// with or without the final dot, and in the zone.
func (c *Client) Register(name string) (register.Register, error) {
	r, err := c.record(name)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c *Client) record(name string) (*record, error) {
	fqdn := strings.ToLower(strings.TrimSuffix(name, "."))
	switch {
	case !domain.MatchString(fqdn):
		return nil, fmt.Errorf("cloudflare: name: %q is no domain name of letters, digits, - and _", name)
	case fqdn != c.zone && !strings.HasSuffix(fqdn, "."+c.zone):
		return nil, fmt.Errorf("cloudflare: %s is not in the zone %s", fqdn, c.zone)
	case len(guardOf(fqdn)) > 253:
		return nil, fmt.Errorf("cloudflare: %s is too long: there has to be room for %s before it", fqdn, guardLabel)
	}
	return &record{client: c, name: fqdn}, nil
}

// Requests is how many requests were sent so far.
func (c *Client) Requests() int64 { return c.requests.Load() }

// Close closes idle connections.
func (c *Client) Close() { c.web.Close() }
