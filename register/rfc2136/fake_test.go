package rfc2136

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/internal/dnsmsg"
)

const (
	testZone = "t.test."
	testName = "canary.t.test"
	testKey  = "hmac-sha256:agent:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
)

// An answer is what the fake server does with a request.
type answer struct {
	rcode    int
	unsigned bool
	// tsigError goes into the TSIG record; a BADTIME is signed and tells the time.
	tsigError uint16
	noMAC     bool                // the TSIG record is there, but empty
	edit      func(*dns.Msg)      // before it is signed
	mangle    func([]byte) []byte // what goes over the wire, without the length
	reset     bool                // RST in its place
	end       bool                // FIN in its place
	hang      bool                // nothing in its place
}

// A fake is a DNS server that holds one RRset, and answers as its script says.
type fake struct {
	t        *testing.T
	listener net.Listener
	key      Key
	stop     chan struct{}
	wg       sync.WaitGroup

	mu       sync.Mutex
	rdata    [][]byte // at testName
	skew     time.Duration
	now      func() time.Time
	onUpdate func(*dns.Msg) (answer, bool) // and whether it is applied
	onQuery  func(*dns.Msg) answer
	updates  []*dns.Msg
}

// newFake starts a server that applies every update.
func newFake(t *testing.T) *fake {
	t.Helper()
	return newFakeAt(t, "127.0.0.1:0")
}

func newFakeAt(t *testing.T, address string) *fake {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, listener: listener, key: key, stop: make(chan struct{}), now: time.Now}
	f.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		close(f.stop)
		listener.Close()
		f.wg.Wait()
	})
	return f
}

func (f *fake) config() Config {
	return Config{Server: f.listener.Addr().String(), Zone: testZone, Key: f.key, Timeout: 10 * time.Second}
}

// register is a client of the fake, in the test's package, so with its seams.
func (f *fake) register() *record {
	f.t.Helper()
	return open(f.t, f.config(), testName).(*record)
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		wire := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, wire); err != nil {
			return
		}
		req := new(dns.Msg)
		if err := req.Unpack(wire); err != nil {
			f.t.Errorf("fake server: a request that is no message: %v", err)
			return
		}
		if !f.reply(conn, req) {
			return
		}
	}
}

func (f *fake) reply(conn net.Conn, req *dns.Msg) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := new(dns.Msg).SetReply(req)
	m.Authoritative = true
	var a answer
	switch {
	case req.Opcode == dns.OpcodeUpdate:
		f.updates = append(f.updates, req)
		apply := true
		if f.onUpdate != nil {
			a, apply = f.onUpdate(req)
		}
		if apply {
			f.apply(req)
		}
		m.Answer, m.Ns = nil, nil
	case req.Question[0].Qtype == dns.TypeSOA:
		soa, _ := dns.NewRR(testZone + " 60 IN SOA ns hostmaster 1 2 3 4 5")
		m.Answer = append(m.Answer, soa)
	default:
		if req.Question[0].Name == testName+"." {
			for _, rdata := range f.rdata {
				m.Answer = append(m.Answer, dnsmsg.TXT(testName+".", dns.ClassINET, 60, rdata))
			}
		}
		if f.onQuery != nil {
			a = f.onQuery(req)
		}
	}
	return f.send(conn, req, m, a)
}

// apply does what an update asks for, without looking at its prerequisites.
func (f *fake) apply(req *dns.Msg) {
	for _, rr := range req.Ns {
		if rr.Header().Class == dns.ClassANY {
			f.rdata = nil
			continue
		}
		rdata, err := dnsmsg.Rdata(rr)
		if err != nil {
			f.t.Errorf("fake server: %v", err)
		}
		f.rdata = append(f.rdata, rdata)
	}
}

func (f *fake) send(conn net.Conn, req, m *dns.Msg, a answer) bool {
	if a.hang {
		f.mu.Unlock()
		<-f.stop
		f.mu.Lock()
		return false
	}
	if a.end {
		return false
	}
	if a.reset {
		conn.(*net.TCPConn).SetLinger(0)
		return false
	}
	m.Rcode = a.rcode
	if a.edit != nil {
		a.edit(m)
	}
	wire, err := m.Pack()
	if !a.unsigned {
		server := f.now().Add(f.skew)
		m.SetTsig(f.key.Name, f.key.Algorithm+".", 300, server.Unix())
		if tsig := m.IsTsig(); a.tsigError != 0 {
			tsig.Error = a.tsigError
			if a.tsigError == dns.RcodeBadTime {
				tsig.TimeSigned = req.IsTsig().TimeSigned
				tsig.OtherLen, tsig.OtherData = 6, fmt.Sprintf("%012x", server.Unix())
			}
		}
		if a.noMAC {
			wire, err = m.Pack()
		} else {
			wire, _, err = dns.TsigGenerate(m, string(f.key.Secret), req.IsTsig().MAC, false)
		}
	}
	if err != nil {
		f.t.Errorf("fake server: %v", err)
		return false
	}
	if a.mangle != nil {
		wire = a.mangle(wire)
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...))
	return err == nil
}

func (f *fake) hold(texts ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rdata = nil
	for _, text := range texts {
		rdata, err := dnsmsg.TextRdata(text)
		if err != nil {
			f.t.Fatal(err)
		}
		f.rdata = append(f.rdata, rdata)
	}
}

func (f *fake) sent() []*dns.Msg {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.updates
}

// prerequisites shows a section as type, class and rdata.
func show(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		h := rr.Header()
		line := fmt.Sprintf("%s %d %s %s", h.Name, h.Ttl, dns.ClassToString[h.Class], dns.TypeToString[h.Rrtype])
		if rdata, err := dnsmsg.Rdata(rr); err == nil && len(rdata) > 0 {
			line += " " + hex.EncodeToString(rdata)
		}
		out = append(out, line)
	}
	return out
}
