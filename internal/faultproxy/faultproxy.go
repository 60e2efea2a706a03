// Package faultproxy is a relay in front of a DNS server that does to messages what
// networks do: it drops, delays, duplicates, reorders, corrupts and truncates them,
// each way for itself, by chance from a seed or as a test says message by message.
//
// A test puts it between agents and a server, on UDP and TCP at one port:
//
//	p := faultproxy.New(t, "127.0.0.1:5300", 1)
//	p.Replies(faultproxy.Faults{Drop: 0.3})
//
// What befalls only the messages of one kind is said by Only and If:
//
//	p.Requests(faultproxy.Faults{Only: "tcp", If: faultproxy.Update, Late: 1, LateBy: time.Minute})
//
// Over TCP it knows where a DNS message ends (RFC 1035 section 4.2.2), so that it is
// always messages that are lost and never a stream that is torn, unless that is asked
// for.
package faultproxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Faults are what happens to the messages of one direction. Shares are of all of
// them, 0 to 1, and drawn for each.
type Faults struct {
	// Only is "udp" or "tcp" where these faults are those of one, beside what was
	// set for the other; empty: of both.
	Only string
	// If says which messages these faults are for; the others are sent as they
	// come. nil: all.
	If func(message []byte) bool

	Drop      float64
	Duplicate float64 // it comes twice
	Corrupt   float64 // one of its bits is another
	Truncate  float64 // its second half is missing
	// Late messages come after LateBy, so that later ones overtake them.
	Late   float64
	LateBy time.Duration
	Delay  time.Duration // of each

	// Edit says what is sent in the place of a message, before the rest happens to
	// it: nothing, itself, something else or more. nil: itself. It is called for
	// one message at a time, and must not call the proxy's methods.
	Edit func(message []byte) [][]byte
	// Slice has a stream come in pieces of so many bytes; 0: whole. TCP only.
	Slice int
	// Reset ends the connection amid each message (RST). TCP only.
	Reset bool
}

// A Proxy is a running relay.
type Proxy struct {
	Addr string // HOST:PORT, for UDP and TCP

	target   string
	udp      net.PacketConn
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	rnd      *rand.Rand
	faults   [2][2]Faults
	held     chan struct{} // closed when requests go on; nil: nothing is held
	deaf     bool          // TCP connections are accepted, and nothing else
	cut      bool          // nothing comes through, and nobody is told
	refusing bool          // connections are reset at once, and datagrams dropped
	conns    map[net.Conn]bool
	closed   bool
	passed   [2]int
	struck   int
}

const (
	requests = 0
	replies  = 1

	udp = 0
	tcp = 1
)

// Update says whether a message is a dynamic update, or the answer to one (RFC 2136
// section 2.2).
func Update(message []byte) bool { return len(message) > 2 && message[2]>>3&0xf == 5 }

// New starts a relay to target on a free port of 127.0.0.1. It ends with the test.
func New(t testing.TB, target string, seed uint64) *Proxy {
	t.Helper()
	p := &Proxy{target: target, rnd: rand.New(rand.NewPCG(seed, 1)), conns: map[net.Conn]bool{}}
	for try := 0; ; try++ {
		var err error
		if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			p.Addr = p.listener.Addr().String()
			if p.udp, err = net.ListenPacket("udp", p.Addr); err == nil {
				break
			}
			p.listener.Close()
		}
		if try == 20 {
			t.Fatalf("faultproxy: no port is free for both UDP and TCP: %v", err)
		}
	}
	p.wg.Go(p.accept)
	p.wg.Go(p.datagrams)
	t.Cleanup(p.close)
	return p
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.listener.Close()
	p.udp.Close()
	p.wg.Wait()
}

// Requests has these faults happen to what clients send, from now on.
func (p *Proxy) Requests(f Faults) { p.set(requests, f) }

// Replies has these faults happen to what the server sends, from now on.
func (p *Proxy) Replies(f Faults) { p.set(replies, f) }

// Heal ends all faults.
func (p *Proxy) Heal() {
	p.set(requests, Faults{})
	p.set(replies, Faults{})
	p.Deaf(false)
	p.Cut(false)
	p.Refuse(false)
}

func (p *Proxy) set(way int, f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.Only != "tcp" {
		p.faults[way][udp] = f
	}
	if f.Only != "udp" {
		p.faults[way][tcp] = f
	}
}

// Hold keeps every request until release is called, and delivers them then.
func (p *Proxy) Hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
	held := p.held
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held == held {
			close(held)
			p.held = nil
		}
	}
}

// Deaf has new TCP connections be accepted and nothing more come of them.
func (p *Proxy) Deaf(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = is
}

// Cut has nothing come through any more, and nobody be told of it: connections that
// are accepted by then or later are silent.
func (p *Proxy) Cut(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = is
}

// Refuse resets every TCP connection, and drops every datagram.
func (p *Proxy) Refuse(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = is
	if is {
		for c := range p.conns {
			if _, ok := c.(*net.TCPConn); ok { // those for datagrams are needed again
				reset(c)
			}
		}
	}
}

// Passed tells how many messages have come from clients and from the server.
func (p *Proxy) Passed() (asked, answered int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[requests], p.passed[replies]
}

// Struck tells how many messages and connections a fault has befallen: a test whose
// fault never came proves nothing.
func (p *Proxy) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// A parcel is a message to be sent on, and when.
type parcel struct {
	data  []byte
	delay time.Duration
}

// treat says what becomes of a message, and which faults are its own.
func (p *Proxy) treat(way, network int, message []byte) ([]parcel, Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed[way]++
	f := p.faults[way][network]
	if f.If != nil && !f.If(message) {
		f = Faults{}
	}
	all := [][]byte{message}
	if f.Edit != nil {
		all = f.Edit(message)
	}
	chance := func(share float64) bool { return share > 0 && p.rnd.Float64() < share }
	var out []parcel
	for _, m := range all {
		if p.refusing || p.cut || chance(f.Drop) {
			continue
		}
		m = append([]byte(nil), m...)
		if chance(f.Corrupt) && len(m) > 0 {
			m[p.rnd.IntN(len(m))] ^= 1 << p.rnd.IntN(8)
		}
		if chance(f.Truncate) {
			m = m[:len(m)/2]
		}
		delay := f.Delay
		if chance(f.Late) {
			delay += f.LateBy
		}
		out = append(out, parcel{m, delay})
		if chance(f.Duplicate) {
			out = append(out, parcel{m, f.Delay + time.Duration(p.rnd.Int64N(int64(50*time.Millisecond)))})
		}
	}
	asItWas := len(out) == 1 && out[0].delay == 0 && bytes.Equal(out[0].data, message)
	if !asItWas || network == tcp && (f.Reset || f.Slice > 0) {
		p.struck++
	}
	return out, f
}

// wait returns when requests are not held any more; false: never.
func (p *Proxy) wait() bool {
	p.mu.Lock()
	held := p.held
	p.mu.Unlock()
	if held != nil {
		<-held
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed
}

// later calls send after a while, in the background.
func (p *Proxy) later(delay time.Duration, send func()) {
	if delay <= 0 {
		send()
		return
	}
	p.wg.Go(func() {
		end := time.Now().Add(delay)
		for time.Now().Before(end) {
			time.Sleep(min(time.Until(end), 20*time.Millisecond))
			p.mu.Lock()
			closed := p.closed
			p.mu.Unlock()
			if closed {
				break // and sent to nobody
			}
		}
		send()
	})
}

// datagrams relays UDP: each client has a socket to the server of its own.
func (p *Proxy) datagrams() {
	buf := make([]byte, 64<<10)
	servers := map[string]net.Conn{}
	for {
		n, client, err := p.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		message := append([]byte(nil), buf[:n]...)
		server := servers[client.String()]
		if server == nil {
			if server, err = net.Dial("udp", p.target); err != nil || !p.track(server) {
				continue
			}
			servers[client.String()] = server
			p.wg.Go(func() { p.answers(server, client) })
		}
		p.wg.Go(func() {
			if !p.wait() {
				return
			}
			parcels, _ := p.treat(requests, udp, message)
			for _, m := range parcels {
				p.later(m.delay, func() { _, _ = server.Write(m.data) })
			}
		})
	}
}

func (p *Proxy) answers(server net.Conn, client net.Addr) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			if p.isClosed() {
				return
			}
			continue // a server that is away refuses: it may come back
		}
		parcels, _ := p.treat(replies, udp, buf[:n])
		for _, m := range parcels {
			p.later(m.delay, func() { _, _ = p.udp.WriteTo(m.data, client) })
		}
	}
}

func (p *Proxy) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// track notes a connection to be closed at the end; false if that has come.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) forget(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.track(client) {
			return
		}
		p.mu.Lock()
		deaf, refusing := p.deaf || p.cut, p.refusing
		if deaf || refusing {
			p.struck++
		}
		p.mu.Unlock()
		switch {
		case refusing:
			reset(client)
			p.forget(client)
		case deaf: // it hears nothing until the end
		default:
			p.wg.Go(func() { p.stream(client) })
		}
	}
}

// stream relays one connection.
func (p *Proxy) stream(client net.Conn) {
	defer p.forget(client)
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	if !p.track(server) {
		return
	}
	defer p.forget(server)
	var both sync.WaitGroup
	both.Go(func() {
		p.copy(requests, server, client)
		server.Close()
	})
	p.copy(replies, client, server)
	client.Close()
	both.Wait()
}

// copy relays the messages of one direction of a connection. It returns when no
// more come and those that are late have been sent: a request arrives although its
// client has given up meanwhile.
func (p *Proxy) copy(way int, to, from net.Conn) {
	var sending sync.Mutex
	var late sync.WaitGroup
	defer late.Wait()
	for {
		message, err := readMessage(from)
		if err != nil || way == requests && !p.wait() {
			return
		}
		parcels, f := p.treat(way, tcp, message)
		for _, m := range parcels {
			late.Add(1)
			p.later(m.delay, func() {
				defer late.Done()
				sending.Lock()
				defer sending.Unlock()
				writeMessage(to, m.data, f)
			})
		}
		if f.Reset {
			reset(from)
			return
		}
	}
}

func readMessage(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

// writeMessage sends a message as a stream has it, whole or in pieces.
func writeMessage(w net.Conn, message []byte, f Faults) {
	data := append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	if f.Reset {
		_, _ = w.Write(data[:len(data)/2])
		reset(w)
		return
	}
	size := f.Slice
	if size == 0 {
		size = len(data)
	}
	for len(data) > 0 {
		n := min(size, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			return
		}
		if data = data[n:]; len(data) > 0 {
			time.Sleep(time.Millisecond) // so that it is not one segment after all
		}
	}
}

// reset ends a connection as a machine that is gone does.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.Close()
}
