package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/ballot"
	"github.com/solotick/solotick/register/cloudtest"
)

// TestBallot: a register by ballots passes where lists are fresh, as it assumes, and
// is found out where they are not.
func TestBallot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		trail  time.Duration
		passes bool
	}{
		{"fresh lists", 0, true},
		{"lists that show others later", 40 * time.Millisecond, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			service := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{Sets: true})
			lists := &trailing{by: c.trail}
			var all []*ballot.Client
			s := Subject{Provider: "libdns", Zone: testZone, Class: ballot.Class, Open: func(name string) (register.Register, error) {
				client, err := ballot.New(ballot.Config{
					Provider: &trailingClient{Provider: service.Client(cloudtest.Token), lists: lists}, Zone: testZone, Timeout: 10 * time.Second,
				})
				if err != nil {
					return nil, err
				}
				all = append(all, client)
				return client.Register(name)
			}}
			s.Leave = func(ctx context.Context) error {
				var errs []error
				for _, client := range all {
					errs = append(errs, client.Leave(ctx))
				}
				for _, name := range []string{s.Name, s.Neighbour} {
					errs = append(errs, all[0].Forget(ctx, name))
				}
				return errors.Join(errs...)
			}
			s.Name, s.Neighbour = Scratch(s.Zone)
			r := Run(t.Context(), s, Options{Swaps: 10, Creates: 5, Chain: 5, Cuts: 5}, nil)
			if r.Passed != c.passes || !r.Conclusive() {
				t.Errorf("passed %v, want %v:\n%s", r.Passed, c.passes, r.Text())
			}
			if left, err := service.Client(cloudtest.Token).GetRecords(t.Context(), testZone+"."); c.passes && (err != nil || len(left) > 0 || r.Leftovers != nil) {
				t.Errorf("left in the zone: %v, %v, told: %v", left, err, r.Leftovers)
			}
			if !c.passes && !slices.Contains(failures(r), checkReads) {
				t.Errorf("%q failed, want %q among them:\n%s", failures(r), checkReads, r.Text())
			}
		})
	}
}

// trailing has lists show what others have written only a while later.
type trailing struct {
	by time.Duration

	mu      sync.Mutex
	changes []change
}

type change struct {
	at     time.Time
	before []libdns.Record
}

type trailingClient struct {
	ballot.Provider
	lists *trailing
	own   map[string]bool // names that it has written itself, which it sees as they are
}

func (c *trailingClient) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	c.lists.mu.Lock()
	defer c.lists.mu.Unlock()
	now, err := c.Provider.GetRecords(ctx, zone)
	if err != nil {
		return nil, err
	}
	c.lists.changes = slices.DeleteFunc(c.lists.changes, func(ch change) bool { return time.Since(ch.at) > c.lists.by })
	if len(c.lists.changes) == 0 {
		return now, nil
	}
	seen := slices.DeleteFunc(slices.Clone(c.lists.changes[0].before), func(r libdns.Record) bool { return c.own[r.RR().Name] })
	return append(seen, slices.DeleteFunc(now, func(r libdns.Record) bool { return !c.own[r.RR().Name] })...), nil
}

// write notes what was there before.
func (c *trailingClient) write(ctx context.Context, zone string, records []libdns.Record, do func(context.Context, string, []libdns.Record) ([]libdns.Record, error)) ([]libdns.Record, error) {
	c.lists.mu.Lock()
	defer c.lists.mu.Unlock()
	for _, r := range records {
		if c.own == nil {
			c.own = map[string]bool{}
		}
		c.own[r.RR().Name] = true
	}
	before, err := c.Provider.GetRecords(ctx, zone)
	if err != nil {
		return nil, err
	}
	c.lists.changes = append(c.lists.changes, change{time.Now(), before})
	return do(ctx, zone, records)
}

func (c *trailingClient) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return c.write(ctx, zone, records, c.Provider.AppendRecords)
}

func (c *trailingClient) SetRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return c.write(ctx, zone, records, c.Provider.SetRecords)
}

func (c *trailingClient) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return c.write(ctx, zone, records, c.Provider.DeleteRecords)
}
