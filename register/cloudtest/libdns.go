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

// A LibDNS is a DNS provider behind a libdns module, in memory: [LibDNS.Client] is
// the module with one account's credential, in the hands of one process. Nothing in
// it compares and swaps.
//
// Documented by libdns: what the four methods do, relative names, TTLs, and that a
// deletion matches exactly and ignores what is not there. Observed in the source of
// modules: that a set is made of a deletion and a creation (Hetzner, Linode), that
// what changes one value of a record set reads all of it and writes all of it back
// (deSEC, Gandi), that lists come in pages by offset (DigitalOcean), that some
// modules give libdns.RR in the place of libdns.TXT (DigitalOcean, Gandi), and that
// records have to be handed back as they were given (DigitalOcean). Assumed: that a
// list shows what was acknowledged, but for [LibDNS.Behind].
type LibDNS struct {
	zone string // without the last dot
	opt  LibDNSOptions

	mu      sync.Mutex
	records []libRecord // in the order of their ids
	nextID  int
	history [][]libRecord // before each write
	behind  int
	late    []func()
	reads   int
	writes  int
}

// LibDNSOptions are how a provider and its module are made.
type LibDNSOptions struct {
	// Sets is for a service whose unit is the record set, and SetRecords one request.
	// Otherwise each record has an id, and SetRecords deletes and creates.
	Sets bool
	// Page is how many records a page of a list has, 0: all. Between two pages anything
	// can happen.
	Page int
	// Opaque has the module give libdns.RR with absolute names.
	Opaque bool
	// MinTTL and MaxText are what the service takes; 0: anything.
	MinTTL  time.Duration
	MaxText int
	// NoQuotes refuses quotes and backslashes in a text.
	NoQuotes bool
}

type libRecord struct {
	id   int
	name string // relative; "@" for the zone
	typ  string
	ttl  time.Duration
	data string
}

// Token is the credential that a LibDNS takes.
const Token = "libdns-token"

// NewLibDNS returns a provider with an empty zone.
func NewLibDNS(zone string, opt LibDNSOptions) *LibDNS {
	return &LibDNS{zone: strings.TrimSuffix(zone, "."), opt: opt, nextID: 1}
}

// Put makes texts the TXT records at a relative name, as somebody by hand.
func (s *LibDNS) Put(name string, texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note()
	s.records = slices.DeleteFunc(s.records, func(r libRecord) bool { return r.name == name && r.typ == "TXT" })
	for _, text := range texts {
		s.add(libRecord{name: name, typ: "TXT", ttl: time.Minute, data: text})
	}
}

// Texts returns what the TXT records at a relative name say, sorted.
func (s *LibDNS) Texts(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	for _, r := range s.records {
		if r.name == name && r.typ == "TXT" {
			texts = append(texts, r.data)
		}
	}
	slices.Sort(texts)
	return texts
}

// Names returns the names that have TXT records, sorted.
func (s *LibDNS) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, r := range s.records {
		if r.typ == "TXT" {
			names = append(names, r.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Behind has lists show the zone as it was before its latest writes, 0: as it is.
func (s *LibDNS) Behind(writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = writes
}

// Land has every late write take effect now, in the order in which they were sent.
func (s *LibDNS) Land() {
	s.mu.Lock()
	late := s.late
	s.late = nil
	s.mu.Unlock()
	for _, do := range late {
		do()
	}
}

// Count tells how many lists and writes the provider was asked for.
func (s *LibDNS) Count() (reads, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.writes
}

// note keeps the zone as it is, for lists that are behind. The caller holds mu.
func (s *LibDNS) note() {
	s.history = append(s.history, slices.Clone(s.records))
	s.history = s.history[max(0, len(s.history)-16):]
}

// add adds a record. The caller holds mu.
func (s *LibDNS) add(r libRecord) {
	r.id = s.nextID
	s.nextID++
	s.records = append(s.records, r)
}

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
