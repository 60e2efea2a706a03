// Package lookup reads TXT records as the public sees them: from the name
// servers that have authority for a name, or from servers that are given,
// resolvers among them, as with dig @server.
//
// The common case is one question to one of the authoritative servers:
//
//	l, err := lookup.New(lookup.Config{})
//	answer, err := l.One(ctx, "canary.example.com")
//
// [Lookup.All] asks every server side by side and tells what each one says, which
// shows a secondary that lags or a resolver that serves from its cache.
//
// What it reads may be old: an answer may justify not to act, never to act. It
// does not validate DNSSEC, and a question without a key can be answered by
// anybody on the way.
package lookup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/internal/dnsmsg"
)

// A Key is a TSIG key. Package register/rfc2136 reads one from a file.
type Key = dnsmsg.Key

// Why a server gave no answer. Every error of an [Answer] is one of these, with
// its cause, or says what is wrong with the answer.
var (
	// ErrTimeout says that nothing that answers the question came in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrUnreachable says that the server cannot be reached: no such host, no
	// route, or nothing listens there.
	ErrUnreachable = errors.New("unreachable")
	// ErrRefused says that the server will not answer this client: REFUSED or
	// NOTAUTH.
	ErrRefused = errors.New("refused")
	// ErrLame says that the server has no authority for the name, and does not
	// ask those who have.
	ErrLame = errors.New("not a server of this name")
	// ErrFailed says that the server answered with another error code, such as
	// SERVFAIL.
	ErrFailed = errors.New("the server failed")
)

// DefaultTimeout is that of a [Config] without one.
const DefaultTimeout = 5 * time.Second

const (
	// hedge is how long a server is waited for before the next one is asked too.
	hedge = 500 * time.Millisecond
	// keepServers is how long a list of authoritative servers is used.
	keepServers = 10 * time.Minute
)

// A Config says whom to ask. The zero value finds the authoritative servers with
// the resolvers of this machine.
type Config struct {
	// Servers are asked, and nobody else: host names or addresses, and after a
	// colon the port if it is not 53. None: the authoritative servers of each
	// name, which the resolvers are asked for.
	Servers []string
	// Resolvers find the authoritative servers; none: those of /etc/resolv.conf.
	Resolvers []string
	// Key signs the questions to Servers, if it has a name; only signed answers
	// are taken then. Authoritative servers that were found are asked without,
	// since the secondaries among them need not know it.
	Key Key
	// Timeout is for one server, both over UDP and TCP.
	Timeout time.Duration
	// Probe asks each server a second question, whether a wildcard answers for
	// the name.
	Probe bool
}

// A Lookup asks DNS. It is safe for concurrent use.
type Lookup struct {
	cfg     Config
	servers []Server // given
	port    string   // of authoritative servers: 53, but for tests

	mu    sync.Mutex
	next  int // where One begins
	good  int // the resolver that answered last
	found map[string]servers
}

type servers struct {
	list  []Server
	until time.Time
}

// A Server is one address of a name server.
type Server struct {
	Name string // as it was given, or as the zone names it
	Addr string // host:port
}

// A Status says what a server has at a name.
type Status int

// The answers that DNS has.
const (
	NoAnswer Status = iota // see the error
	Found                  // TXT records
	NoData                 // the name, but no TXT record
	NoName                 // not even the name: NXDOMAIN
)

func (s Status) String() string {
	return [...]string{"no answer", "found", "no TXT record", "no such name"}[s]
}

// An Answer is what one server says about one name.
type Answer struct {
	Name   string // as asked, without the final dot
	Server Server
	Err    error // no answer: every other field below is empty

	Status Status
	Texts  []string // every TXT value, its strings joined; order means nothing
	// TTL is how long the answer may be kept: of an authoritative server the
	// record's own, of a cache what is left of it.
	TTL time.Duration
	// Age is how long a cache has had the answer, as far as an authoritative
	// server that All asked as well tells the full TTL; else 0.
	Age           time.Duration
	Authoritative bool
	// Alias is the name that a CNAME leads to, and where the texts are from.
	Alias string
	// Wildcard is the wildcard that answers for the name, if [Config.Probe] has
	// found one.
	Wildcard string
	// Time is the server's clock, of a signed answer; else zero.
	Time    time.Time
	Latency time.Duration
	TCP     bool // the answer was too long for UDP
}

// New returns a Lookup. It asks nobody anything.
func New(cfg Config) (*Lookup, error) {
	// Where to begin differs, so that many agents do not all ask the same server.
	l := &Lookup{cfg: cfg, port: "53", next: rand.IntN(1 << 16), found: make(map[string]servers)}
	if l.cfg.Timeout == 0 {
		l.cfg.Timeout = DefaultTimeout
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("lookup: a timeout of %s", cfg.Timeout)
	}
	if cfg.Key.Name != "" {
		if len(cfg.Servers) == 0 {
			return nil, errors.New("lookup: a key needs the servers that know it")
		}
		key, err := cfg.Key.Normalize()
		if err != nil {
			return nil, fmt.Errorf("lookup: %w", err)
		}
		l.cfg.Key = key
	}
	for _, list := range [][]string{cfg.Servers, cfg.Resolvers} {
		for _, server := range list {
			if address(server, "53") == "" {
				return nil, fmt.Errorf("lookup: server %q: want a host name or address, and a port if it is not 53", server)
			}
		}
	}
	for _, server := range cfg.Servers {
		l.servers = append(l.servers, Server{Name: server, Addr: address(server, "53")})
	}
	return l, nil
}

// address is host:port for host, host:port and IPv6 addresses with or without
// brackets; empty if it is none of them.
func address(server, port string) string {
	host, given, err := net.SplitHostPort(server)
	if err != nil {
		host, given = strings.Trim(server, "[]"), port
	}
	if host == "" || given == "" || strings.ContainsAny(host, "/ @") {
		return ""
	}
	return net.JoinHostPort(host, given)
}

// One asks one of the servers, in turn, and the next one too when that fails or
// takes long. It returns the first answer. An authoritative server that was
// found, and answers without authority, counts as failed.
func (l *Lookup) One(ctx context.Context, name string) (Answer, error) {
	list, err := l.Servers(ctx, name)
	if err != nil {
		return Answer{}, err
	}
	l.mu.Lock()
	first := l.next % len(list)
	l.next++
	l.mu.Unlock()

	a, _, err := race(ctx, list, first, func(ctx context.Context, server Server) (Answer, error) {
		a := l.ask(ctx, server, name)
		return a, a.Err
	})
	if err != nil {
		l.forget(name)
	}
	return a, err
}

// race asks the servers from first on, each one when those before it have failed
// or take long. It returns the first answer, and who gave it.
func race[T any](ctx context.Context, list []Server, first int, ask func(context.Context, Server) (T, error)) (answer T, by int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		answer T
		by     int
		err    error
	}
	results := make(chan result, len(list))
	asked := 0
	askNext := func() <-chan time.Time {
		if asked == len(list) {
			return nil
		}
		by := (first + asked) % len(list)
		asked++
		go func() {
			answer, err := ask(ctx, list[by])
			results <- result{answer, by, err}
		}()
		return time.After(hedge)
	}
	late := askNext()
	var failed []error
	for {
		select {
		case <-late:
			late = askNext()
		case r := <-results:
			if r.err == nil {
				return r.answer, r.by, nil
			}
			if failed = append(failed, r.err); len(failed) == len(list) {
				return answer, 0, errors.Join(failed...)
			}
			late = askNext()
		}
	}
}

// All asks every server at once. There is one answer for each, in the order of
// [Lookup.Servers]; the error is for servers that could not be found.
func (l *Lookup) All(ctx context.Context, name string) ([]Answer, error) {
	list, err := l.Servers(ctx, name)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(list))
	var wg sync.WaitGroup
	for i, server := range list {
		wg.Go(func() { answers[i] = l.ask(ctx, server, name) })
	}
	wg.Wait()

	var full time.Duration
	for _, a := range answers {
		if a.Authoritative && a.Status == Found {
			full = max(full, a.TTL)
		}
	}
	for i, a := range answers {
		if a.Err == nil && !a.Authoritative && a.Status == Found && a.TTL < full {
			answers[i].Age = full - a.TTL
		}
	}
	return answers, nil
}

// Servers returns the servers that a question about name goes to.
func (l *Lookup) Servers(ctx context.Context, name string) ([]Server, error) {
	fqdn, err := absolute(name)
	if err != nil {
		return nil, err
	}
	if len(l.servers) > 0 {
		return l.servers, nil
	}
	l.mu.Lock()
	known, ok := l.found[fqdn]
	l.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.list, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*l.cfg.Timeout)
	defer cancel()
	list, err := l.authorities(ctx, fqdn)
	if err != nil {
		return nil, fmt.Errorf("lookup: the name servers of %s: %w", trim(fqdn), err)
	}
	l.mu.Lock()
	l.found[fqdn] = servers{list, time.Now().Add(keepServers)}
	l.mu.Unlock()
	return list, nil
}

func (l *Lookup) forget(name string) {
	fqdn, _ := absolute(name)
	l.mu.Lock()
	delete(l.found, fqdn)
	l.mu.Unlock()
}

func absolute(name string) (string, error) {
	fqdn, err := dnsmsg.Absolute(name)
	if err != nil {
		return "", fmt.Errorf("lookup: %w", err)
	}
	return fqdn, nil
}

func trim(fqdn string) string { return cmp.Or(strings.TrimSuffix(fqdn, "."), ".") }
