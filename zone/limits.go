package zone

import (
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// connCount holds the TCP connections under their bounds.
type connCount struct {
	mu      sync.Mutex
	limits  Limits
	open    map[net.Conn]netip.Addr
	perAddr map[netip.Addr]int
	closed  bool
}

func (c *connCount) init(l Limits) {
	c.limits, c.open, c.perAddr = l, map[net.Conn]netip.Addr{}, map[netip.Addr]int{}
}

// host is what counts as one client: an address, of IPv6 the /64 that anybody with one address has all of.
func host(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		p, _ := addr.Prefix(64) // cannot fail: it has 128 bits
		addr = p.Addr()
	}
	return addr
}

// add reports whether the connection may stay. Where all places are taken, whoever has the most gives one up for whoever has
// at least two fewer: a few addresses that hold on to what they have keep nobody out.
func (c *connCount) add(conn net.Conn, addr netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	addr = host(addr)
	if c.closed || c.perAddr[addr] >= c.limits.ConnsPerAddr {
		return false
	}
	if len(c.open) >= c.limits.Conns && !c.evict(c.perAddr[addr]+2) {
		return false
	}
	c.open[conn] = addr
	c.perAddr[addr]++
	return true
}

// evict closes a connection of the address that has the most, if that is at least so many.
func (c *connCount) evict(least int) bool {
	var most netip.Addr
	for addr, n := range c.perAddr {
		if n >= least {
			most, least = addr, n
		}
	}
	for conn, addr := range c.open {
		if addr == most {
			_ = conn.Close() // its goroutine sees the error
			c.drop(conn)
			return true
		}
	}
	return false
}

func (c *connCount) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(conn)
}

func (c *connCount) drop(conn net.Conn) {
	addr, ok := c.open[conn]
	if !ok { // it was evicted
		return
	}
	delete(c.open, conn)
	if c.perAddr[addr]--; c.perAddr[addr] <= 0 {
		delete(c.perAddr, addr)
	}
}

func (c *connCount) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Close() // its goroutine sees the error
	}
}

// rateTable is a token bucket for each address, in a table of fixed size: two addresses may share one, by a hash that no
// client can guess.
type rateTable struct {
	seed    maphash.Seed
	rate    int64 // a second
	buckets [8192]struct {
		mu     sync.Mutex
		last   int64 // unix nanoseconds
		tokens int64 // thousandths
		odd    bool

		counted int64 // unix nanoseconds
		extra   int64 // octets
	}
}

func (t *rateTable) init(rate int) { t.seed, t.rate = maphash.MakeSeed(), int64(rate) }

// take spends a token. Of the requests beyond the rate every other one gets slip: a truncated answer, so that a client whose
// address is being forged can come by TCP.
func (t *rateTable) take(addr netip.Addr, now time.Time) (ok, slip bool) {
	if addr.Unmap().IsLoopback() {
		return true, false
	}
	addr = host(addr)
	b := &t.buckets[maphash.Comparable(t.seed, addr)%uint64(len(t.buckets))]
	b.mu.Lock()
	defer b.mu.Unlock()
	full, ns := 2000*t.rate, now.UnixNano()
	b.last = min(b.last, ns) // a clock that was set back starves nobody
	passed := min(ns-b.last, int64(10*time.Second))
	if earned := passed / 1000 * t.rate / 1000; earned > 0 { // less is kept for the next time
		b.tokens, b.last = min(full, b.tokens+earned), ns
	}
	if b.tokens >= 1000 {
		b.tokens -= 1000
		return true, false
	}
	b.odd = !b.odd
	return false, b.odd
}

// What is sent by UDP to an address is at most so many times what came from there, and so many octets a second more, bursts of
// twice that: whoever forges somebody's address gains little. What would be more is truncated, and asked for by TCP.
const (
	amplification = 3
	extraOctets   = 32 << 10
)

// surplus reports whether an answer to the address may be larger than the question allows.
func (t *rateTable) surplus(addr netip.Addr, now time.Time) bool {
	if addr.Unmap().IsLoopback() {
		return true
	}
	b := &t.buckets[maphash.Comparable(t.seed, host(addr))%uint64(len(t.buckets))]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counted = min(b.counted, now.UnixNano()) // as above
	passed := min(now.UnixNano()-b.counted, int64(10*time.Second))
	if earned := passed / 1000 * extraOctets / 1e6; earned > 0 { // less is kept for the next time
		b.extra, b.counted = min(2*extraOctets, b.extra+earned), now.UnixNano()
	}
	return b.extra > 0
}

// spend takes what an answer was larger than the question allows.
func (t *rateTable) spend(addr netip.Addr, octets int) {
	if octets <= 0 || addr.Unmap().IsLoopback() {
		return
	}
	b := &t.buckets[maphash.Comparable(t.seed, host(addr))%uint64(len(t.buckets))]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.extra -= int64(octets)
}

// complaints logs what clients do wrong, each kind once a second at most: who can send a packet shall not fill a disk.
type complaints struct {
	log   *slog.Logger
	mu    sync.Mutex
	kinds map[string]*complaint // by message, of which there are a few
}

type complaint struct {
	last    time.Time
	skipped int
}

func (c *complaints) add(msg string, args ...any) {
	c.mu.Lock()
	k := c.kinds[msg]
	if k == nil {
		k = new(complaint)
		c.kinds[msg] = k
	}
	if time.Since(k.last) < time.Second {
		k.skipped++
		c.mu.Unlock()
		return
	}
	skipped := k.skipped
	k.last, k.skipped = time.Now(), 0
	c.mu.Unlock()
	if skipped > 0 {
		args = append(args, "others_not_logged", skipped)
	}
	c.log.Warn(msg, args...)
}
