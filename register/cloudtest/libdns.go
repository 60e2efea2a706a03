package cloudtest

import (
	"slices"
	"strings"
	"sync"
	"time"
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
