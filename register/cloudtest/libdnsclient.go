package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
)

// A LibDNSClient is a libdns module of one process.
type LibDNSClient struct {
	service *LibDNS
	token   string

	mu       sync.Mutex
	onWrites []Fault
	onReads  []Fault
	down     bool
	delay    time.Duration
}

// Client returns a module with a credential: [Token], or a wrong one.
func (s *LibDNS) Client(token string) *LibDNSClient { return &LibDNSClient{service: s, token: token} }

// OnWrites adds faults to the script of this client's writes.
func (c *LibDNSClient) OnWrites(faults ...Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onWrites = append(c.onWrites, faults...)
}

// OnReads adds faults to the script of this client's lists.
func (c *LibDNSClient) OnReads(faults ...Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onReads = append(c.onReads, faults...)
}

// SetDown has every connection of this client be refused.
func (c *LibDNSClient) SetDown(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// Delay has every request of this client take so long.
func (c *LibDNSClient) Delay(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

var (
	errRefusedConn = errors.New("dial tcp 192.0.2.1:443: connect: connection refused")
	errReset       = errors.New("read: connection reset by peer")
	errThrottled   = errors.New("429 Too Many Requests")
	errServer      = errors.New("500 Internal Server Error")
)

// begin is what every request begins with: the fault that it meets, or an error.
func (c *LibDNSClient) begin(ctx context.Context, zone string, write bool) (Fault, error) {
	c.mu.Lock()
	script := &c.onReads
	if write {
		script = &c.onWrites
	}
	f := Pass
	if len(*script) > 0 {
		f, *script = (*script)[0], (*script)[1:]
	}
	down, delay := c.down, c.delay
	c.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
	}
	switch {
	case ctx.Err() != nil:
		return f, ctx.Err()
	case down:
		return f, errRefusedConn
	case c.token != Token:
		return f, fmt.Errorf("401 Unauthorized: token %s is not valid", c.token)
	case zone != c.service.zone+".":
		return f, fmt.Errorf("404 Not Found: no zone %q", zone)
	}
	c.service.mu.Lock()
	if write {
		c.service.writes++
	} else {
		c.service.reads++
	}
	c.service.mu.Unlock()
	switch f {
	case LoseRequest:
		return f, errReset
	case ServerError:
		return f, errServer
	case Unavailable:
		return f, errors.New("503 Service Unavailable")
	case Throttle:
		return f, errThrottled
	case Hang:
		<-ctx.Done()
		return f, ctx.Err()
	}
	return f, nil
}

// finish does a write, or what a fault makes of it. The steps are what the module
// sends one after the other.
func (c *LibDNSClient) finish(f Fault, steps []func()) error {
	do := func() {
		for _, step := range steps {
			c.service.mu.Lock()
			c.service.note()
			step()
			c.service.mu.Unlock()
			runtime.Gosched()
		}
	}
	switch f {
	case Late:
		c.service.mu.Lock()
		c.service.late = append(c.service.late, do)
		c.service.mu.Unlock()
		return errReset
	case LoseReply:
		do()
		return errReset
	case DoneError:
		do()
		return errServer
	}
	do()
	return nil
}

// GetRecords implements libdns.RecordGetter.
func (c *LibDNSClient) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	f, err := c.begin(ctx, zone, false)
	if err != nil {
		return nil, err
	}
	if f != Pass {
		return nil, errReset
	}
	s := c.service
	var out []libdns.Record
	for offset := 0; ; {
		s.mu.Lock()
		all := s.records
		if s.behind > 0 && len(s.history) > 0 {
			all = s.history[max(0, len(s.history)-s.behind)]
		}
		end := len(all)
		if s.opt.Page > 0 {
			end = min(end, offset+s.opt.Page)
		}
		for i := min(offset, end); i < end; i++ {
			out = append(out, s.record(all[i]))
		}
		more := end < len(all)
		s.mu.Unlock()
		if !more {
			return out, nil
		}
		offset = end
		runtime.Gosched()
	}
}

// record is a record as the module gives it. The id, where there is one, is what
// deletions go by.
func (s *LibDNS) record(r libRecord) libdns.Record {
	if s.opt.Opaque {
		name := s.zone
		if r.name != "@" {
			name = r.name + "." + s.zone
		}
		return libRR{libdns.RR{Name: name, TTL: r.ttl, Type: r.typ, Data: r.data}, r.id}
	}
	if r.typ == "TXT" {
		return libdns.TXT{Name: r.name, TTL: r.ttl, Text: r.data, ProviderData: r.id}
	}
	return libdns.RR{Name: r.name, TTL: r.ttl, Type: r.typ, Data: r.data}
}

// A libRR is the record of a module that has a type of its own for them.
type libRR struct {
	rr libdns.RR
	id int
}

func (r libRR) RR() libdns.RR { return r.rr }

func idOf(r libdns.Record) int {
	switch r := r.(type) {
	case libRR:
		return r.id
	case libdns.TXT:
		id, _ := r.ProviderData.(int)
		return id
	}
	return 0
}

// take checks records to write.
func (s *LibDNS) take(records []libdns.Record) ([]libRecord, error) {
	var out []libRecord
	for _, r := range records {
		rr := r.RR()
		if id := idOf(r); id != 0 { // as it was given
			rr.Name = libdns.RelativeName(rr.Name, s.zone)
		}
		switch {
		case rr.Name == "" || strings.HasSuffix(rr.Name, ".") || strings.HasSuffix(rr.Name, s.zone):
			return nil, fmt.Errorf("422: name %q is not relative", rr.Name)
		case rr.TTL < s.opt.MinTTL:
			return nil, fmt.Errorf("422: TTL %s is below %s", rr.TTL, s.opt.MinTTL)
		case s.opt.MaxText > 0 && len(rr.Data) > s.opt.MaxText:
			return nil, fmt.Errorf("422: data is %d octets long, at most %d are allowed", len(rr.Data), s.opt.MaxText)
		case s.opt.NoQuotes && strings.ContainsAny(rr.Data, `"\`):
			return nil, errors.New("422: data holds a character that is not allowed")
		}
		for _, label := range strings.Split(rr.Name, ".") {
			if len(label) == 0 || len(label) > 63 {
				return nil, fmt.Errorf("422: name %q has a label of %s octets", rr.Name, strconv.Itoa(len(label)))
			}
		}
		out = append(out, libRecord{name: strings.ToLower(rr.Name), typ: rr.Type, ttl: rr.TTL, data: rr.Data})
	}
	return out, nil
}

// AppendRecords implements libdns.RecordAppender.
func (c *LibDNSClient) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	f, err := c.begin(ctx, zone, true)
	if err != nil {
		return nil, err
	}
	s := c.service
	add, err := s.take(records)
	if err != nil {
		return nil, err
	}
	var steps []func()
	if s.opt.Sets {
		for k, more := range bySet(add) {
			steps = append(steps, s.rewrite(k.name, k.typ, func(set []libRecord) []libRecord {
				set = slices.DeleteFunc(set, func(o libRecord) bool {
					return slices.ContainsFunc(more, func(r libRecord) bool { return r.data == o.data })
				})
				return append(set, more...)
			}))
		}
	} else {
		for _, r := range add {
			steps = append(steps, func() { s.add(r) })
		}
	}
	if err := c.finish(f, steps); err != nil {
		return nil, err
	}
	return records, nil
}

// A setKey names a record set.
type setKey struct{ name, typ string }

func bySet(records []libRecord) map[setKey][]libRecord {
	sets := map[setKey][]libRecord{}
	for _, r := range records {
		k := setKey{r.name, r.typ}
		sets[k] = append(sets[k], r)
	}
	return sets
}

// rewrite reads a record set now, and returns what writes it back, changed.
func (s *LibDNS) rewrite(name, typ string, change func([]libRecord) []libRecord) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set []libRecord
	for _, r := range s.records {
		if r.name == name && r.typ == typ {
			set = append(set, r)
		}
	}
	set = change(set)
	return func() { s.replace(name, typ, set) }
}

// replace puts a record set in the place of what is there. The caller holds mu.
func (s *LibDNS) replace(name, typ string, set []libRecord) {
	s.records = slices.DeleteFunc(slices.Clone(s.records), func(r libRecord) bool { return r.name == name && r.typ == typ })
	for _, r := range set {
		s.add(r)
	}
}

// SetRecords implements libdns.RecordSetter.
func (c *LibDNSClient) SetRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	f, err := c.begin(ctx, zone, true)
	if err != nil {
		return nil, err
	}
	s := c.service
	add, err := s.take(records)
	if err != nil {
		return nil, err
	}
	var steps []func()
	for k, set := range bySet(add) {
		if s.opt.Sets {
			steps = append(steps, func() { s.replace(k.name, k.typ, set) })
			continue
		}
		steps = append(steps, func() { s.replace(k.name, k.typ, nil) })
		for _, r := range set {
			steps = append(steps, func() { s.add(r) })
		}
	}
	if err := c.finish(f, steps); err != nil {
		return nil, err
	}
	return records, nil
}

// DeleteRecords implements libdns.RecordDeleter.
func (c *LibDNSClient) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	f, err := c.begin(ctx, zone, true)
	if err != nil {
		return nil, err
	}
	s := c.service
	var steps []func()
	for _, r := range records {
		rr := r.RR()
		rr.Name = libdns.RelativeName(rr.Name, s.zone)
		match := func(o libRecord) bool {
			return o.name == rr.Name && (rr.Type == "" || o.typ == rr.Type) && (rr.TTL == 0 || o.ttl == rr.TTL) && (rr.Data == "" || o.data == rr.Data)
		}
		if s.opt.Sets {
			steps = append(steps, func() { s.deleteFrom(rr, match) })
			continue
		}
		id := idOf(r)
		if id == 0 {
			return nil, errors.New("422: a record without an id")
		}
		steps = append(steps, func() {
			s.records = slices.DeleteFunc(slices.Clone(s.records), func(o libRecord) bool { return o.id == id })
		})
	}
	if err := c.finish(f, steps); err != nil {
		return nil, err
	}
	return records, nil
}

// deleteFrom reads a record set, lets others come in between, and writes it back. The
// caller holds mu.
func (s *LibDNS) deleteFrom(rr libdns.RR, match func(libRecord) bool) {
	s.mu.Unlock()
	write := s.rewrite(rr.Name, rr.Type, func(set []libRecord) []libRecord { return slices.DeleteFunc(set, match) })
	runtime.Gosched()
	s.mu.Lock()
	write()
}
