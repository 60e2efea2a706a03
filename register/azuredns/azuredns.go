// Package azuredns is the register in Azure DNS: the TXT record set of a name in a
// public zone.
//
// A [Client] stands for one zone and one identity, and any number of registers
// share it, one for each name:
//
//	client, err := azuredns.New(azuredns.Config{Zone: "example.com", Subscription: id, ResourceGroup: "dns"})
//	r, err := client.Register("canary.example.com")
//
// A swap is one PUT of the record set with If-Match and the ETag that was read, or
// with If-None-Match: * where there was none; a removal is a DELETE with If-Match.
// Azure DNS makes a new ETag with every update and compares it in the same step. No
// write ever goes without one of the two, since that would overwrite whatever is
// there. A set that is there keeps its metadata, and values of others in it their
// strings.
//
// Without a secret the identity is found as by every program that uses Microsoft's
// library: the environment, the workload identity of a pod, the managed identity
// of the machine. Tokens are asked for by that library itself, by the proxy of the
// environment; all else goes once, and is never repeated.
//
// It makes no zones and no identities, and knows nothing of private zones.
package azuredns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// Class is what Microsoft documents of ETags: "PUT only succeeds if resource exists
// and Etag matches".
const Class = register.Exact

// Defaults of [Config]. Azure DNS allows 200 creations, updates and deletions each
// a minute and zone, and ten times as many reads, of all clients together; a burst
// and a minute at the default rate are 200.
const (
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 10 * time.Second
	DefaultRate    = 3.0
	DefaultBurst   = 20
)

// Lag is how far the name servers trail the API at most as a rule: changed records
// "typically appear in the Azure DNS name servers within 60 seconds" (FAQ of Azure
// DNS).
const Lag = 60 * time.Second

// readsPerWrite is how many reads are allowed for each write.
const readsPerWrite = 10

// maxTTL is 2^31 - 1 seconds, as documented.
const maxTTL = (1<<31 - 1) * time.Second

// A Config says which records to hold where, and as whom.
type Config struct {
	// Zone is a public zone, by its name.
	Zone string
	// Subscription is the id of the zone's subscription, ResourceGroup the name of
	// the group in it.
	Subscription, ResourceGroup string
	// TenantID, ClientID and ClientSecret are an application registered in Microsoft
	// Entra. Without a secret, ClientID chooses the workload identity or the
	// user-assigned managed identity, and without both the default chain of
	// Microsoft's library is asked.
	TenantID, ClientID string
	ClientSecret       register.Secret
	// Cloud is "public" (also if empty), "china" or "government".
	Cloud string
	// Endpoint is another server that speaks the API of Azure Resource Manager, as
	// in tests: https, or http on loopback. Empty: that of the cloud.
	Endpoint string
	// TTL is that of the record sets, in whole seconds.
	TTL time.Duration
	// Timeout is for one operation, with the wait for its turn and for a token; the
	// context may end it earlier.
	Timeout time.Duration
	// Rate is how many writes a second this client sends over time, and Burst how
	// many at once; for reads it is ten times as many.
	Rate  float64
	Burst int
}

// A Client is one zone and one identity, shared by the registers of many names. It
// is safe for concurrent use.
type Client struct {
	zone, subscription, group string
	clientID                  string // for people, in remedies
	ttl                       int64  // in seconds
	timeout                   time.Duration
	scope                     string // of tokens
	credential                azcore.TokenCredential
	sets                      *armdns.RecordSetsClient
	web                       *web.Client
	reads, writes             *batch.Budget
	requests                  atomic.Int64
}

var (
	subscriptionID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)
	groupName      = regexp.MustCompile(`^[\p{L}\p{N}_().-]{1,90}$`)
	// A name goes into a URL as it is.
	domain = regexp.MustCompile(`^(\*\.)?([0-9A-Za-z_-]{1,63}\.)*[0-9A-Za-z_-]{1,63}$`)
)

// New returns a client. It asks nobody.
func New(cfg Config) (*Client, error) { return newClient(cfg, nil, nil) }

// newClient is New with what tokens are asked through, and what requests are sent
// through; nil: the library's own, and internal/web.
func newClient(cfg Config, identity policy.Transporter, api http.RoundTripper) (*Client, error) {
	c, err := cfg.client()
	if err != nil {
		return nil, fmt.Errorf("azuredns: %w", err)
	}
	where, err := cfg.cloud()
	if err != nil {
		return nil, fmt.Errorf("azuredns: %w", err)
	}
	if c.credential, err = cfg.credential(where, identity); err != nil {
		return nil, fmt.Errorf("azuredns: %w", err)
	}
	if api == nil {
		api = c.web.RoundTripper()
	}
	service := where.Services[cloud.ResourceManager]
	c.scope = service.Audience + "/.default"
	c.sets, err = armdns.NewRecordSetsClient(cfg.Subscription, c.credential, &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Cloud: where, Retry: policy.RetryOptions{MaxRetries: -1}, Telemetry: policy.TelemetryOptions{Disabled: true},
			Transport:                       transport{api},
			InsecureAllowCredentialWithHTTP: strings.HasPrefix(service.Endpoint, "http:"), // on loopback only
		},
		DisableRPRegistration: true, // it would write to the subscription, and repeat the request
	})
	if err != nil {
		return nil, fmt.Errorf("azuredns: %w", err)
	}
	return c, nil
}

// client checks a configuration and makes of it all but what the library needs.
func (cfg *Config) client() (*Client, error) {
	c := &Client{
		zone: strings.ToLower(strings.TrimSuffix(cfg.Zone, ".")), subscription: cfg.Subscription, group: cfg.ResourceGroup,
		clientID: cfg.ClientID, timeout: cfg.Timeout,
	}
	ttl := cfg.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	rate, burst := cfg.Rate, cfg.Burst
	if rate == 0 {
		rate = DefaultRate
	}
	if burst == 0 {
		burst = DefaultBurst
	}
	switch {
	case !domain.MatchString(c.zone) || c.zone[0] == '*':
		return nil, fmt.Errorf("zone: %q is no name of a zone", cfg.Zone)
	case !subscriptionID.MatchString(c.subscription):
		return nil, fmt.Errorf("subscription: %q is no id of a subscription: az account show --query id", c.subscription)
	case !groupName.MatchString(c.group):
		return nil, fmt.Errorf("resource group: %q is no name of a resource group", c.group)
	case ttl < time.Second || ttl > maxTTL || ttl%time.Second != 0:
		return nil, fmt.Errorf("a TTL of %s: want whole seconds, from 1 to %d", ttl, maxTTL/time.Second)
	case c.timeout < 0:
		return nil, fmt.Errorf("a timeout of %s", c.timeout)
	case rate < 0 || burst < 0:
		return nil, errors.New("a rate or burst below zero")
	}
	c.ttl = int64(ttl / time.Second)
	c.web = web.New(web.Options{Timeout: c.timeout, Redirects: web.Never, Proxy: true})
	c.writes = batch.NewBudget(batch.Limits{Rate: rate, Burst: burst})
	c.reads = batch.NewBudget(batch.Limits{Rate: readsPerWrite * rate, Burst: readsPerWrite * burst})
	return c, nil
}

// cloud is where the cloud's services are.
func (cfg *Config) cloud() (cloud.Configuration, error) {
	all := map[string]cloud.Configuration{"": cloud.AzurePublic, "public": cloud.AzurePublic, "china": cloud.AzureChina, "government": cloud.AzureGovernment}
	where, ok := all[cfg.Cloud]
	if !ok {
		return where, fmt.Errorf("cloud: %q: want public, china or government", cfg.Cloud)
	}
	if cfg.Endpoint == "" {
		return where, nil
	}
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return where, errors.New("endpoint: want https:// and a host, or http:// on loopback")
	}
	audience := where.Services[cloud.ResourceManager].Audience
	where.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{
		cloud.ResourceManager: {Endpoint: strings.TrimSuffix(cfg.Endpoint, "/"), Audience: audience},
	}
	return where, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
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
	if !domain.MatchString(fqdn) || len(fqdn) > 253 {
		return nil, fmt.Errorf("azuredns: name: %q is no domain name of letters, digits, - and _", name)
	}
	relative, ok := strings.CutSuffix(fqdn, "."+c.zone)
	switch {
	case fqdn == c.zone:
		relative = "@"
	case !ok:
		return nil, fmt.Errorf("azuredns: %s is not in the zone %s", fqdn, c.zone)
	}
	return &record{client: c, name: fqdn, relative: relative}, nil
}

// Requests is how many requests were sent to Azure Resource Manager so far.
func (c *Client) Requests() int64 { return c.requests.Load() }

// Close closes idle connections.
func (c *Client) Close() { c.web.Close() }

// A transport sends the requests of the vendor's client, and notes in the call
// what became of each.
type transport struct{ http.RoundTripper }

// Do implements policy.Transporter.
func (t transport) Do(req *http.Request) (*http.Response, error) {
	n, ok := req.Context().Value(callKey{}).(*call)
	if !ok || n.sent {
		// The library repeats a request that was answered with a challenge.
		return nil, errors.New("sent once already")
	}
	n.sent = true
	n.token = strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	if req.Body != nil {
		// Its own copy: after a challenge the library winds the body back, which may
		// still be on its way.
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	n.client.requests.Add(1)
	resp, err := t.RoundTrip(req)
	if err != nil {
		n.err = err
		return nil, err
	}
	n.read(resp)
	return resp, nil
}

// within bounds an operation by the client's time, and returns what notes its
// request.
func (c *Client) within(ctx context.Context) (context.Context, context.CancelFunc, *call) {
	n := &call{client: c}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, callKey{}, n), c.timeout)
	return ctx, cancel, n
}

// timedOut says whether an error is one of time, also of a library's own clock.
func timedOut(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}
