package zone

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"time"
)

// notifier tells one secondary about the changes of one zone (RFC 1996). There is one for each pair, so that a secondary
// that is down does not delay the others.
type notifier struct {
	tree  *tree
	to    string
	local net.Addr
	dirty chan struct{} // one element: something has changed
}

// makeNotifiers has every secondary told once at the start, since a change may have been committed just before the end.
func (s *Server) makeNotifiers() {
	for _, to := range s.config.Notify {
		for _, t := range s.zones {
			n := &notifier{tree: t, to: to, dirty: make(chan struct{}, 1)}
			if ip := s.socks[0].tcp.Addr().(*net.TCPAddr).IP; !ip.IsUnspecified() {
				n.local = &net.UDPAddr{IP: ip} // secondaries know their primary by its address
			}
			n.dirty <- struct{}{}
			s.notifiers = append(s.notifiers, n)
		}
	}
}

func (s *Server) notify(views []*view) {
	for _, n := range s.notifiers {
		for _, v := range views {
			if v.tree == n.tree {
				select {
				case n.dirty <- struct{}{}:
				default:
				}
			}
		}
	}
}

const (
	notifyTimeout  = time.Second      // for an answer
	notifyInterval = time.Second / 10 // at least, between two changes told
	notifyBackoff  = 15 * time.Second // at most, between attempts; each tells the serial of its own moment
	notifyAttempts = 20
)

func (s *Server) runNotifier(n *notifier) {
	for {
		select {
		case <-n.dirty:
		case <-s.done:
			return
		}
		wait := time.Second
		for attempt := 1; ; attempt++ {
			err := n.tell()
			if err == nil {
				wait = notifyInterval
				break
			}
			if attempt == 1 || attempt == notifyAttempts {
				s.log.Warn("secondary does not answer NOTIFY", "secondary", n.to, "zone", textName(n.tree.origin), "attempt", attempt, "err", err)
			}
			if attempt == notifyAttempts {
				break // the next change, or its own refresh timer, brings it up to date
			}
			select {
			case <-time.After(wait):
				wait = min(2*wait, notifyBackoff)
			case <-s.done:
				return
			}
		}
		select {
		case <-time.After(wait):
		case <-s.done:
			return
		}
	}
}

// tell sends one NOTIFY and waits for its answer.
func (n *notifier) tell() error {
	d := net.Dialer{Timeout: notifyTimeout, LocalAddr: n.local}
	conn, err := d.Dial("udp", n.to)
	if err != nil {
		return err
	}
	defer conn.Close()
	soa := n.tree.currentSOA()
	id := uint16(rand.Uint32())
	m := message{id: id, flags: opNotify << 11, qname: []byte(n.tree.origin), qtype: typeSOA, qclass: classIN, qend: headerLen + len(n.tree.origin) + 4}
	var b builder
	b.begin(&m, 512)
	b.set(1, n.tree.origin, &soa)
	msg := b.finish(&m, nil, true, rcodeNoError, 0)
	msg[2] &^= 0x80 // a request
	if _, err := conn.Write(msg); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	for buf := make([]byte, 512); ; {
		got, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if got >= headerLen && binary.BigEndian.Uint16(buf) == id && buf[2]&0x80 != 0 {
			return nil // whatever it says: it knows
		}
	}
}
