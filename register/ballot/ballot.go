// Package ballot is the register at any DNS provider, through its libdns module
// (github.com/libdns), although none of them can compare and swap.
//
// Whoever has such a module has a register:
//
//	client, err := ballot.New(ballot.Config{Provider: &desec.Provider{Token: token}, Service: "desec", Zone: "example.com"})
//	r, err := client.Register("canary.example.com")
//
// Package libdnsproviders has some of them, and what is known of each. The example
// of this package shows another one.
//
// Every process has a TXT record of its own, such as kq3d7xwa._b.canary.example.com,
// which nobody else writes, so that it does no harm that the last writer wins.
// Through these records the processes decide one version of the register after the
// other by ballots (Paxos): a swap is done when its version was decided, and it
// conflicts when another one was. That takes two writes and four lists of the zone,
// and no assumption about time, clocks or the number of processes. It does assume
// that a list shows every write that was acknowledged before it was asked for,
// hence [Class]; no provider promises that, and a conformance run on one's own
// account shows whether it holds. It also assumes that no process is brought back
// twice from an image of its memory, so that a record has one writer; and deleting the
// records of processes that are gone assumes that a write that is under way takes
// effect within 23 hours, or never.
//
// The texts themselves stand at the name only as a copy for dig and for looks by
// DNS, written after the decision: it may be behind, and what others write there is
// no part of the register, but for what stood there before the first swap. A name
// that is to be emptied by hand needs all agents stopped, and all names below _b
// deleted with it.
//
// For a service at which only one record set can be written there is
// Config.Settle: claim, wait, look. Its class is [SettleClass], and a swap takes
// [Config.SettleTime].
//
// The package makes no zones and no credentials, and never retries a swap.
package ballot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libdns/libdns"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/register"
)

// Class is what the register promises, and SettleClass with Config.Settle.
const (
	Class       = register.Ballot
	SettleClass = register.Timed
)

// Defaults of [Config].
const (
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 10 * time.Second
	// Lag is how long name servers may trail what was written. It is assumed, after the
	// services that document it: none of those in libdnsproviders does.
	Lag = 60 * time.Second
	// DefaultSend and DefaultEffect are parts of SettleTime.
	DefaultSend   = time.Second
	DefaultEffect = 30 * time.Second
)

const (
	// idleOwner is after how long without a write an incarnation ends itself, and
	// idleOther after how long unchanged it counts as ended to others. What lies
	// between is for writes that are under way, and for clocks.
	idleOwner = time.Hour
	idleOther = 24 * time.Hour
)

// A Provider is a libdns module with its credential.
type Provider interface {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordSetter
	libdns.RecordDeleter
}

// Traits are what is known of a service and its module. The zero Traits are right
// for every one of them, if slower than need be.
type Traits struct {
	// MinTTL is the lowest TTL that the service takes; 0: any.
	MinTTL time.Duration
	// MaxText is how many octets a TXT value may have; 0: it is not known.
	MaxText int
	// Replaces says that SetRecords puts a new RRset in the place of the old one in
	// one request. Otherwise it may take away the old one first, or not at all, and
	// is never used.
	Replaces bool
	// Whole says that the list of a zone comes in one answer. A list that comes in
	// pages can leave a record out when another is deleted meanwhile, and is read
	// again where something in the zone has vanished.
	Whole bool
	// Most is how many records a list has at most without being cut short, perhaps;
	// 0: lists are never cut. A longer one is an error, since it may hide something.
	Most int
	// Quoted says that the module takes and gives TXT values as in a zone file, in
	// quotes.
	Quoted bool
	// NoQuotes says that the service takes no quotes and backslashes in a TXT value.
	// Texts with these are not copied to the name.
	NoQuotes bool
	// Refused says what to do about an error that means that the service will not
	// serve this caller: credential, zone, policy; empty: it means something else.
	Refused func(error) string
	// Throttled tells an error that means that the service takes no more requests for
	// now; nil: none does.
	Throttled func(error) bool
	// Limits is how many requests the service takes, in words, for who runs into that.
	Limits string
}

// A Config says which records to hold where.
type Config struct {
	Provider Provider
	Service  string // its name in errors; empty: libdns
	Zone     string
	Traits   Traits
	// TTL is that of the records, in whole seconds; at least Traits.MinTTL, which is
	// the default where it is above DefaultTTL.
	TTL time.Duration
	// Timeout is for one operation with all its requests; the context may end it
	// earlier.
	Timeout time.Duration
	// Secrets are what no error may show.
	Secrets []register.Secret

	// Settle holds the record at the name itself, for services at which nothing else
	// can be written; Traits.Replaces must hold. The texts of two swaps must never be
	// the same.
	Settle bool
	// Send is the longest time from the beginning of a look to the sending of the
	// write that follows from it, Effect the longest from the handing of a write to the
	// module to its effect, and Behind how far the service's lists may be behind. A
	// module may wait before it sends; a write that takes longer than half of Effect is
	// given up. That a write which was sent by then takes effect in the other half is
	// an assumption: no time-out bounds it.
	Send, Effect, Behind time.Duration
}

// SettleTime is how long a swap waits, with Config.Settle, from the acknowledgement
// of its write to the look that decides: longer than it takes anybody who had not
// seen the write to have their own take effect.
func (c Config) SettleTime() time.Duration {
	return settleTime(cmp.Or(c.Send, DefaultSend), cmp.Or(c.Effect, DefaultEffect), c.Behind)
}

// A Client is one provider and zone, shared by the registers of many names. It is
// safe for concurrent use.
type Client struct {
	cfg     Config
	zone    string // without the last dot
	lists   *batch.Batcher[struct{}, []libdns.Record]
	elapsed func() time.Duration // what tests replace
	sent    atomic.Int64

	mu      sync.Mutex
	records []*record
}

var (
	errNoList = errors.New("no whole list in time")
	errMost   = errors.New("the zone has so many records that the list may leave some out: use a zone with fewer")
)

// New returns a client. It asks the provider nothing.
func New(cfg Config) (*Client, error) {
	cfg.Service = cmp.Or(cfg.Service, "libdns")
	zone := strings.ToLower(strings.TrimSuffix(cfg.Zone, "."))
	cfg.TTL = cmp.Or(cfg.TTL, max(DefaultTTL, cfg.Traits.MinTTL))
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	switch {
	case cfg.Provider == nil:
		return nil, errors.New("ballot: no provider")
	case zone == "":
		return nil, errors.New("ballot: no zone")
	case cfg.TTL < max(time.Second, cfg.Traits.MinTTL) || cfg.TTL%time.Second != 0:
		return nil, fmt.Errorf("ballot: a TTL of %s at %s: want whole seconds, from %s", cfg.TTL, cfg.Service, max(time.Second, cfg.Traits.MinTTL))
	case cfg.Timeout < 0 || cfg.Send < 0 || cfg.Effect < 0 || cfg.Behind < 0:
		return nil, errors.New("ballot: a time below zero")
	case cfg.Settle && !cfg.Traits.Replaces:
		return nil, fmt.Errorf("ballot: %s does not replace a record set in one request, which settling needs", cfg.Service)
	}
	c := &Client{cfg: cfg, zone: zone, elapsed: elapsed}
	c.lists = batch.New(batch.Options[struct{}, []libdns.Record]{
		Send: c.list, Timeout: cfg.Timeout, Unknown: errNoList,
	})
	return c, nil
}

// Register returns the register of the texts at name, which is absolute with or
// without the last dot, and in the zone.
func (c *Client) Register(name string) (register.Register, error) {
	r, err := c.recordOf(name)
	if err != nil {
		return nil, err
	}
	if c.cfg.Settle {
		return &settled{record: r}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, r)
	return r, nil
}

// within is a name without its last dot, if it is in the zone.
func (c *Client) within(name string) (string, error) {
	fqdn := strings.ToLower(strings.TrimSuffix(name, "."))
	if fqdn != c.zone && !strings.HasSuffix(fqdn, "."+c.zone) {
		return "", fmt.Errorf("ballot: %s is not in the zone %s", name, c.zone)
	}
	return fqdn, nil
}

// Requests is how often the provider's module was called. Each call may be several
// requests of its own.
func (c *Client) Requests() int64 { return c.sent.Load() }

// Close does nothing: a libdns module has nothing to close. See [Client.Leave] for
// what to do before a process ends.
func (c *Client) Close() {}

// Leave says in this process's own records that it writes nothing more, so that
// others may delete them, or deletes them itself where that is safe. Its registers
// may be used all the same. It is worth its one or two requests in processes that
// are started often; without it a record stays for a day.
func (c *Client) Leave(ctx context.Context) error {
	c.mu.Lock()
	records := append([]*record(nil), c.records...)
	c.mu.Unlock()
	var errs []error
	for _, r := range records {
		if err := r.leave(ctx); err != nil {
			errs = append(errs, r.fail("leave", err))
		}
	}
	return errors.Join(errs...)
}

// list is one list of the zone, for all who wait for one.
func (c *Client) list(ctx context.Context, members []struct{}) ([][]libdns.Record, error) {
	c.sent.Add(1)
	all, err := c.cfg.Provider.GetRecords(ctx, c.zone+".")
	if err != nil {
		return nil, err
	}
	if most := c.cfg.Traits.Most; most > 0 && len(all) >= most {
		return nil, fmt.Errorf("%w: %s has %d", errMost, c.zone, len(all))
	}
	results := make([][]libdns.Record, len(members))
	for i := range results {
		results[i] = all
	}
	return results, nil
}
