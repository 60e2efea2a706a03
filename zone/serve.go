package zone

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// sockets are the two of one address.
type sockets struct {
	addr string
	udp  *net.UDPConn
	tcp  *net.TCPListener
}

func (s *sockets) close() {
	_ = s.udp.Close() // ends the loops that read
	_ = s.tcp.Close()
}

func (s *Server) listen() error {
	for _, addr := range s.config.Listen {
		sock, err := bind(addr)
		if err != nil {
			for _, other := range s.socks {
				other.close()
			}
			return err
		}
		s.socks = append(s.socks, sock)
	}
	return nil
}

// bind takes one port for both protocols. A free port for TCP may be taken for UDP, so a few are tried.
func bind(addr string) (*sockets, error) {
	for try := 0; ; try++ {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			udp := u.(*net.UDPConn)
			_ = udp.SetReadBuffer(4 << 20) // as far as the kernel allows
			return &sockets{addr: l.Addr().String(), udp: udp, tcp: l.(*net.TCPListener)}, nil
		}
		_ = l.Close()
		if _, port, _ := net.SplitHostPort(addr); port != "0" || try == 20 {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
}

func (s *Server) serveSockets() {
	for _, sock := range s.socks {
		for range max(2, runtime.GOMAXPROCS(0)) {
			s.wg.Go(func() { s.serveUDP(sock.udp) })
		}
		s.wg.Go(func() { s.serveTCP(sock.tcp) })
	}
}

// newRequest has room for what a client by UDP may send; by TCP it grows.
func newRequest() *request { return &request{in: make([]byte, 4096)} }

func (s *Server) serveUDP(conn *net.UDPConn) {
	r := newRequest()
	for {
		n, from, err := conn.ReadFromUDPAddrPort(r.in[:cap(r.in)])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(time.Millisecond) // an error that an answer earlier on has brought, by ICMP; never a tight loop
			continue
		}
		r.in = r.in[:n]
		r.client = client{addr: from}
		if ok, slip := s.rates.take(from.Addr(), time.Now()); !ok {
			s.stats.refused.Add(1)
			if slip {
				s.safely(func() { writeUDP(conn, from, truncated(r.in)) })
			}
			continue
		}
		var answer []byte
		var job func(send)
		s.safely(func() { answer, job = s.datagram(r, time.Now()) })
		switch {
		case job != nil:
			s.wg.Go(func() { s.safely(func() { job(func(msg []byte) error { return writeUDP(conn, from, msg) }) }) })
			r = newRequest()
		case answer != nil:
			_ = writeUDP(conn, from, answer) // a lost answer is asked for again
		}
	}
}

// datagram answers one message that came by UDP, from an address that anybody may have written there.
func (s *Server) datagram(r *request, now time.Time) (answer []byte, job func(send)) {
	r.small = !s.rates.surplus(r.client.addr.Addr(), now)
	answer, job = s.handle(r)
	s.rates.spend(r.client.addr.Addr(), len(answer)-amplification*len(r.in))
	return answer, job
}

func writeUDP(conn *net.UDPConn, to netip.AddrPort, msg []byte) error {
	if msg == nil {
		return nil
	}
	_, err := conn.WriteToUDPAddrPort(msg, to)
	return err
}

// truncated is the shortest answer that sends a client to TCP: its own header, and nothing else.
func truncated(raw []byte) []byte {
	if len(raw) < headerLen || raw[2]&0x80 != 0 {
		return nil
	}
	out := append([]byte(nil), raw[:headerLen]...)
	out[2] = out[2]&0x79 | 0x80 | 0x02
	out[3] = 0
	clear(out[4:])
	return out
}

// safely keeps a mistake in answering one request from ending the server.
func (s *Server) safely(f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.stats.panics.Add(1)
			s.complain.add("a request made the server panic and goes unanswered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}

func (s *Server) serveTCP(l *net.TCPListener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("accept failed", "err", err) // no file descriptors, commonly
			select {
			case <-time.After(100 * time.Millisecond):
			case <-s.done:
			}
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		if !s.conns.add(conn, from.Addr()) {
			s.stats.refused.Add(1)
			_ = conn.Close() // over a limit
			continue
		}
		s.wg.Go(func() {
			defer s.conns.remove(conn)
			s.serveConn(conn, from)
		})
	}
}

// maxPipelined is how many answers of one connection may be under way; then its requests wait.
const maxPipelined = 64

// serveConn answers the messages of one connection (RFC 7766): in order those that need no disk, the others when they are
// done.
func (s *Server) serveConn(conn net.Conn, from netip.AddrPort) {
	w := &connWriter{conn: conn, timeout: s.config.Limits.Write}
	jobs := make(chan struct{}, maxPipelined)
	var running sync.WaitGroup
	defer func() {
		running.Wait()
		_ = w.flush() // the client may be gone
		_ = conn.Close()
	}()
	in := bufio.NewReaderSize(conn, 4096)
	r := newRequest()
	for {
		if in.Buffered() < 2 {
			if w.flush() != nil {
				return
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(s.config.Limits.Idle)) // fails on a closed connection only, as the read then does
		if err := readMessage(in, r, conn, s.config.Limits.Idle); err != nil {
			return
		}
		r.client = client{addr: from, tcp: true}
		var answer []byte
		var job func(send)
		s.safely(func() { answer, job = s.handle(r) })
		switch {
		case job != nil:
			jobs <- struct{}{}
			running.Go(func() {
				defer func() { <-jobs }()
				s.safely(func() {
					job(func(msg []byte) error { return errors.Join(w.write(msg), w.flush()) })
				})
			})
			r = newRequest()
		case answer != nil:
			if w.write(answer) != nil {
				return
			}
		default:
			return // what gets no answer by TCP is no DNS
		}
	}
}

// readMessage reads one message into r.in. The time for it starts with its length, so that a client cannot feed it octet by
// octet for ever.
func readMessage(in *bufio.Reader, r *request, conn net.Conn, timeout time.Duration) error {
	var length [2]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if in.Buffered() < n {
		if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
	}
	if cap(r.in) < n {
		r.in = make([]byte, n)
	}
	r.in = r.in[:n]
	_, err := io.ReadFull(in, r.in)
	return err
}

// connWriter collects answers to pipelined requests, so that they share segments.
type connWriter struct {
	mu      sync.Mutex
	conn    net.Conn
	timeout time.Duration
	buf     []byte
}

func (w *connWriter) write(msg []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(len(msg)))
	w.buf = append(w.buf, msg...)
	if len(w.buf) < 16384 {
		return nil
	}
	return w.flushLocked()
}

func (w *connWriter) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushLocked()
}

func (w *connWriter) flushLocked() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return err
	}
	_, err := w.conn.Write(w.buf)
	w.buf = w.buf[:0]
	if err != nil {
		_ = w.conn.Close() // nothing more can be said on it: half a message may be out
	}
	return err
}
