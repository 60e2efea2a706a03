// Package zone is an authoritative DNS server for a few zones that change often: the register of a set of agents that have no
// DNS server of their own, and the one that demo and the tests start.
//
// Commonly: Open a Config with a directory and a zone, Serve until the context ends. Updates (RFC 2136) need a TSIG key with
// grants (RFC 8945) and are on disk before they are answered; BIND, Knot and others follow as secondaries through NOTIFY and
// AXFR (RFC 1996, 5936).
//
// It does not resolve for others, sign zones (DNSSEC), forward updates, send increments (IXFR is answered with the whole zone)
// or act as a secondary. All zones are held in memory.
package zone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what a server serves, where, and to whom. Only Dir and Zones are required.
type Config struct {
	// Listen are the addresses for UDP and TCP, "127.0.0.1:5300" if there are none. Port 0 takes a free one. On a host with
	// several addresses name each: a datagram to 0.0.0.0 is answered from the address that the kernel prefers.
	Listen []string
	// Dir holds the database, and nothing else. It is made if missing.
	Dir   string
	Zones []Zone
	Keys  []Key
	// AllowUpdate lets addresses change everything in every zone without a key. An address can be forged: it is for tests
	// and closed networks, and every start says so in the log.
	AllowUpdate []netip.Prefix
	// AllowTransfer lets addresses fetch whole zones without a key.
	AllowTransfer []netip.Prefix
	// Notify are the secondaries ("192.0.2.1:53") that are told of every change.
	Notify []string
	Limits Limits
	Log    *slog.Logger // slog.Default if nil
}

// Zone is one zone. It lives in the database; the other fields matter only when it is not there yet.
type Zone struct {
	Name string
	// File is a master file (RFC 1035 section 5). Without one the zone begins with SOA and NS alone.
	File string
	// NameServer is the host in the SOA and the NS record of a zone without a file; "ns." before Name if empty.
	NameServer string
}

// Key is a TSIG key. A query may be signed with any; an update needs a grant, a transfer Transfer.
type Key struct {
	Name      string
	Algorithm string // hmac-sha256, hmac-sha384 or hmac-sha512
	Secret    []byte // at least 16 octets
	Grants    []Grant
	Transfer  bool
	// MinMAC is the shortest truncated MAC accepted (RFC 8945 section 5.2.2.1), in octets: half a full one or more; 0: a full
	// one only.
	MinMAC int
}

// Limits bound what clients can take. A zero field takes the default in its comment.
type Limits struct {
	Conns        int           // TCP connections, 512; beyond, whoever has the most gives one up for whoever has few
	ConnsPerAddr int           // of one address (IPv6: /64), 128
	Idle         time.Duration // a TCP connection without a request, or amid one: 10 s
	Write        time.Duration // a client that does not read: 5 s
	Rate         int           // UDP answers a second to one address (IPv6: /64), bursts of twice that: 2000; loopback is free
	Pending      int           // updates in progress; more by TCP wait, by UDP get SERVFAIL: 256
	Records      int           // in one zone, beyond which updates are refused: 1,000,000
	Transfers    int           // at a time: 8
}

func (l *Limits) setDefaults() {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Conns, 512},
		{&l.ConnsPerAddr, 128},
		{&l.Rate, 2000},
		{&l.Pending, 256},
		{&l.Records, 1000000},
		{&l.Transfers, 8},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if l.Idle <= 0 {
		l.Idle = 10 * time.Second
	}
	if l.Write <= 0 {
		l.Write = 5 * time.Second
	}
}

// Stats counts since Open.
type Stats struct {
	Queries   uint64 // requests other than updates, transfers included
	Updates   uint64 // UPDATE requests
	Committed uint64 // updates that changed something
	Refused   uint64 // requests over a limit, answered or not
	Panics    uint64 // requests that a mistake in this program kept from an answer
}

// Server is a running server.
type Server struct {
	config  Config
	log     *slog.Logger
	keys    map[string]*key
	zones   map[string]*tree // by origin; fixed after Open
	stored  map[string]*tree // these and the ones in the database that are not served
	socks   []*sockets
	updates chan *change
	done    chan struct{} // closed by Close
	pending chan struct{} // one element per update in progress

	store  *store
	broken error // of the last commit; the committer's
	retry  time.Time

	complain  complaints
	conns     connCount
	rates     rateTable
	transfers chan struct{}
	notifiers []*notifier

	stats struct{ queries, updates, committed, refused, panics atomic.Uint64 }
	wg    sync.WaitGroup // goroutines other than Serve's caller
	once  sync.Once
}

// Open reads the database, checks all of it, and binds the addresses. It refuses a damaged database rather than start with
// less than was acknowledged.
func Open(config Config) (*Server, error) {
	config.Limits.setDefaults()
	if len(config.Listen) == 0 {
		config.Listen = []string{"127.0.0.1:5300"}
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	s := &Server{
		config: config, log: config.Log, keys: map[string]*key{}, zones: map[string]*tree{},
		updates: make(chan *change), done: make(chan struct{}), pending: make(chan struct{}, config.Limits.Pending),
		transfers: make(chan struct{}, config.Limits.Transfers),
	}
	s.complain = complaints{log: s.log, kinds: map[string]*complaint{}}
	s.conns.init(config.Limits)
	s.rates.init(config.Limits.Rate)
	if err := s.configure(); err != nil {
		return nil, fmt.Errorf("zone server: %w", err)
	}
	store, zones, created, err := openStore(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("zone server: %w", err)
	}
	s.store, s.stored = store, zones
	if created {
		s.log.Info("new zone database", "file", filepath.Join(config.Dir, dataFile))
	}
	if err = s.openZones(); err == nil {
		err = s.listen()
	}
	if err != nil {
		store.close()
		return nil, fmt.Errorf("zone server: %w", err)
	}
	if len(config.AllowUpdate) > 0 {
		s.log.Warn("anybody at these addresses can change every record WITHOUT A KEY", "allow_update", config.AllowUpdate)
	}
	s.makeNotifiers()
	s.wg.Go(s.commitLoop)
	return s, nil
}

func (s *Server) configure() error {
	if s.config.Dir == "" {
		return errors.New("no data directory")
	}
	if len(s.config.Zones) == 0 {
		return errors.New("no zone to serve")
	}
	for _, c := range s.config.Keys {
		k, err := newKey(c)
		if err != nil {
			return err
		}
		if s.keys[k.name] != nil {
			return fmt.Errorf("key %s is there twice", textName(k.name))
		}
		s.keys[k.name] = k
	}
	return nil
}

// openZones fills s.zones from the database, and the database with the zones that it lacks.
func (s *Server) openZones() error {
	missing := false
	for _, z := range s.config.Zones {
		origin, err := wireName(z.Name)
		if err != nil {
			return err
		}
		if s.zones[origin] != nil {
			return fmt.Errorf("zone %s is there twice", textName(origin))
		}
		if t := s.stored[origin]; t != nil {
			s.zones[origin] = t
			if z.File != "" {
				s.log.Info("the database holds the zone already; its file is not read", "zone", textName(origin), "file", z.File)
			}
			continue
		}
		missing = true
		t, err := s.create(z, origin)
		if err != nil {
			return err
		}
		s.zones[origin], s.stored[origin] = t, t
		s.log.Info("new zone", "zone", textName(origin), "records", t.size, "file", z.File)
	}
	for origin := range s.stored {
		if s.zones[origin] == nil {
			s.log.Warn("the database holds a zone that is not served", "zone", textName(origin))
		}
	}
	if missing {
		if err := s.store.rewrite(s.stored); err != nil {
			return fmt.Errorf("writing the database: %w", err)
		}
	}
	return nil
}

func (s *Server) create(z Zone, origin string) (*tree, error) {
	if z.File != "" {
		return readZoneFile(origin, z.File)
	}
	host := z.NameServer
	if host == "" {
		host = "ns." + z.Name
	}
	return newZone(origin, host, time.Now())
}

// Addr is the first address listened on, with its port.
func (s *Server) Addr() string { return s.socks[0].addr }

// Stats tells the counters.
func (s *Server) Stats() Stats {
	return Stats{
		Queries: s.stats.queries.Load(), Updates: s.stats.updates.Load(), Committed: s.stats.committed.Load(),
		Refused: s.stats.refused.Load(), Panics: s.stats.panics.Load(),
	}
}

// Serve answers until ctx ends or the server is closed, then closes it. It returns nil in both cases.
func (s *Server) Serve(ctx context.Context) error {
	for _, n := range s.notifiers {
		s.wg.Go(func() { s.runNotifier(n) })
	}
	s.serveSockets()
	select {
	case <-ctx.Done():
	case <-s.done:
	}
	return s.Close()
}

// Close ends the server: what is being committed is committed, and no more is accepted. It waits for the end.
func (s *Server) Close() error {
	s.once.Do(func() {
		close(s.done)
		for _, sock := range s.socks {
			sock.close()
		}
		s.conns.closeAll()
	})
	s.wg.Wait()
	return nil
}
