package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/zone"
)

// CloudflareDNS is a name server of a zone of [Cloudflare], a real one, to which
// changes come record by record: DNS may show no value at a name, or an old one
// beside a new one. Its methods are safe for concurrent use.
type CloudflareDNS struct {
	// Addr is where it answers, by UDP and TCP, on loopback.
	Addr string

	t    testing.TB
	zone string

	mu         sync.Mutex
	wake       *sync.Cond
	queue      []cloudflareStep
	shown      map[string]CloudflareRecord // by id: what DNS has
	delay      time.Duration
	held       bool
	madeFirst  bool
	busy, over bool
}

// A cloudflareStep is one record that comes or goes.
type cloudflareStep struct {
	record CloudflareRecord
	gone   bool
}

// ServeDNS starts a name server of a zone, which ends with the test. It shows what
// is in the zone, and then every change at once, until told otherwise.
func (f *Cloudflare) ServeDNS(zoneID string) *CloudflareDNS {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := f.zone(zoneID)
	server, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: f.t.TempDir(), Zones: []zone.Zone{{Name: z.name}},
		AllowUpdate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	d := &CloudflareDNS{Addr: server.Addr(), t: f.t, zone: dns.Fqdn(z.name), shown: map[string]CloudflareRecord{}}
	d.wake = sync.NewCond(&d.mu)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		if err := server.Serve(ctx); err != nil {
			f.t.Errorf("name server: %v", err)
		}
	})
	wg.Go(func() { d.run(ctx) })
	f.t.Cleanup(func() {
		d.mu.Lock()
		d.over = true
		d.mu.Unlock()
		cancel()
		d.wake.Broadcast()
		wg.Wait()
	})
	d.change(nil, z.records)
	z.dns = append(z.dns, d)
	return d
}

// Hold keeps changes back until Step, or until it is set to false.
func (d *CloudflareDNS) Hold(held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = held
	d.wake.Broadcast()
}

// Delay has each record that comes or goes take so long, one after the other.
func (d *CloudflareDNS) Delay(each time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delay = each
}

// MadeFirst has the records that a change makes come before those that it deletes
// go, so that DNS shows both, instead of neither.
func (d *CloudflareDNS) MadeFirst(first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.madeFirst = first
}

// Step lets the next record come or go, and returns when DNS shows it; false: there
// is none.
func (d *CloudflareDNS) Step() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return false
	}
	d.step()
	return true
}

// Settle waits until DNS shows every change.
func (d *CloudflareDNS) Settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for (len(d.queue) > 0 || d.busy) && !d.over {
		d.wake.Wait()
	}
}

// become makes records those of the zone, and has them go to its name servers. The
// caller holds the server's mu.
func (z *cloudflareZone) become(records []CloudflareRecord) {
	for _, d := range z.dns {
		d.change(z.records, records)
	}
	z.records = records
}

// change queues the difference of two states of the zone.
func (d *CloudflareDNS) change(was, is []CloudflareRecord) {
	same := func(a CloudflareRecord) func(CloudflareRecord) bool {
		return func(b CloudflareRecord) bool { return a.ID == b.ID && a.Content == b.Content && a.Name == b.Name }
	}
	var gone, made []cloudflareStep
	for _, r := range was {
		if !slices.ContainsFunc(is, same(r)) {
			gone = append(gone, cloudflareStep{r, true})
		}
	}
	for _, r := range is {
		if !slices.ContainsFunc(was, same(r)) {
			made = append(made, cloudflareStep{r, false})
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.madeFirst {
		gone, made = made, gone
	}
	d.queue = append(append(d.queue, gone...), made...)
	d.wake.Broadcast()
}

// run lets records come and go until ctx ends.
func (d *CloudflareDNS) run(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		for (len(d.queue) == 0 || d.held) && !d.over {
			d.wake.Wait()
		}
		if d.over {
			return
		}
		d.busy = true
		if delay := d.delay; delay > 0 {
			d.mu.Unlock()
			timer := time.NewTimer(delay)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
			d.mu.Lock()
		}
		if len(d.queue) > 0 && !d.held && !d.over {
			d.step()
		}
		d.busy = false
		d.wake.Broadcast()
	}
}

// step does the first of the queue. The caller holds mu.
func (d *CloudflareDNS) step() {
	s := d.queue[0]
	d.queue = d.queue[1:]
	switch {
	case !s.gone:
		d.shown[s.record.ID] = s.record
	case d.shown[s.record.ID].Content == s.record.Content: // else it was edited, and is another now
		delete(d.shown, s.record.ID)
	}
	if err := d.update(s.record.Name, s.record.Type); err != nil {
		d.t.Errorf("name server: %s %s: %v", s.record.Type, s.record.Name, err)
	}
}

// update makes what the server has at a name and type that of the records shown.
func (d *CloudflareDNS) update(name, kind string) error {
	m := new(dns.Msg).SetUpdate(d.zone)
	m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.StringToType[kind], Class: dns.ClassINET}}})
	for _, r := range d.shown {
		if r.Name != name || r.Type != kind {
			continue
		}
		content := r.Content
		switch {
		case kind == "CNAME":
			content = dns.Fqdn(content)
		case kind == "TXT" && !strings.HasPrefix(content, `"`):
			content = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(content) + `"`
		}
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", dns.Fqdn(r.Name), r.TTL, kind, content))
		if err != nil {
			return err
		}
		m.Insert([]dns.RR{rr})
	}
	reply, _, err := (&dns.Client{Net: "tcp", Timeout: 10 * time.Second}).Exchange(m, d.Addr)
	if err == nil && reply.Rcode != dns.RcodeSuccess {
		err = errors.New(dns.RcodeToString[reply.Rcode])
	}
	return err
}
