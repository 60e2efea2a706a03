package registertest

import (
	"net"
	"sync"
	"testing"
)

// A Proxy is a TCP relay in front of a register's server that can lose what is
// sent. Tests put it between a client and a real server.
type Proxy struct {
	Addr string // where clients connect

	target   string
	listener net.Listener

	mu           sync.Mutex
	loseRequests bool
	loseReplies  bool
	conns        map[net.Conn]bool
	closed       bool
	wg           sync.WaitGroup
}

// NewProxy starts a relay to target on a free port of 127.0.0.1, which ends
// with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Addr: listener.Addr().String(), target: target, listener: listener,
		conns: make(map[net.Conn]bool),
	}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		p.closed = true
		for conn := range p.conns {
			conn.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// LoseReplies makes the relay swallow what the server sends, from now on: when
// the server has answered, the client's connection ends instead.
func (p *Proxy) LoseReplies(lose bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loseReplies = lose
}

// LoseRequests makes the relay swallow what clients send, from now on: their
// connection ends instead, and the server never hears of it.
func (p *Proxy) LoseRequests(lose bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loseRequests = lose
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		if !p.track(client, server) {
			return
		}
		p.wg.Go(func() { p.relay(server, client, &p.loseRequests) })
		p.wg.Go(func() { p.relay(client, server, &p.loseReplies) })
	}
}

// track notes connections to close at the end; false if that has come already.
func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if p.closed {
			conn.Close()
			continue
		}
		p.conns[conn] = true
	}
	return !p.closed
}

// relay copies from one connection to the other until one of them ends or lose
// is set when something arrives.
func (p *Proxy) relay(to, from net.Conn, lose *bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		lost := *lose
		p.mu.Unlock()
		if n > 0 && !lost {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if lost || err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	p.mu.Lock()
	delete(p.conns, to)
	delete(p.conns, from)
	p.mu.Unlock()
}

// ClosedPort is an address of loopback, HOST:PORT, that refuses connections.
func ClosedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
