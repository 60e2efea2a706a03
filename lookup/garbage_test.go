package lookup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/internal/dnstest"
)

// garbage is what a forger or a broken server may send in place of the answer.
func garbage(q *dns.Msg) [][]byte {
	forged := func(edit func(*dns.Msg)) []byte {
		r := zoneAnswer(q, `canary.t.test. 60 IN TXT "forged"`)
		edit(r)
		wire, err := r.Pack()
		if err != nil {
			panic(err)
		}
		return wire
	}
	good := forged(func(*dns.Msg) {})
	return [][]byte{
		nil,
		{0},
		bytes.Repeat([]byte{0xff}, 600), good[:len(good)-5], good[:12],
		forged(func(r *dns.Msg) { r.Id++ }),
		forged(func(r *dns.Msg) { r.Response = false }),
		forged(func(r *dns.Msg) { r.Opcode = dns.OpcodeNotify }),
		forged(func(r *dns.Msg) { r.Question[0].Name = "canary.t.test.evil." }),
		forged(func(r *dns.Msg) { r.Question[0].Qtype = dns.TypeA }),
		forged(func(r *dns.Msg) { r.Question[0].Qclass = dns.ClassCHAOS }),
		forged(func(r *dns.Msg) { r.Question = nil }),
		forged(func(r *dns.Msg) { r.Question = append(r.Question, r.Question[0]) }),
	}
}

// TestGarbageIsIgnored: the answer is waited for among anything else, over UDP
// and TCP.
func TestGarbageIsIgnored(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	silent := make(chan bool, 1)
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) != nil {
				continue
			}
			for _, wire := range garbage(q) {
				conn.WriteTo(wire, from)
			}
			if len(silent) > 0 {
				continue
			}
			wire, _ := zoneAnswer(q, `canary.t.test. 60 IN TXT "real"`).Pack()
			conn.WriteTo(wire, from)
		}
	}()
	defer func() { conn.Close(); <-done }()

	l := newLookup(t, Config{Servers: []string{conn.LocalAddr().String()}, Timeout: 5 * time.Second})
	if a := only(t, l, "canary.t.test"); a.Err != nil || !cmp.Equal(a.Texts, []string{"real"}) {
		t.Errorf("%+v, want the real answer", a)
	}
	silent <- true
	l = newLookup(t, Config{Servers: []string{conn.LocalAddr().String()}, Timeout: 200 * time.Millisecond})
	start := time.Now()
	if a := only(t, l, "canary.t.test"); !errors.Is(a.Err, ErrTimeout) {
		t.Errorf("%+v, want ErrTimeout", a)
	}
	if took := time.Since(start); took < 150*time.Millisecond {
		t.Errorf("gave up after %s: garbage ended the waiting", took)
	}
}

// TestLostPackets: a question is sent again when the first ones are lost.
func TestLostPackets(t *testing.T) {
	var asked atomic.Int64
	port := fakeServer(t, "127.0.0.1", func(q *dns.Msg) *dns.Msg {
		if asked.Add(1) == 1 {
			return nil
		}
		return text("late")(q)
	})
	l := newLookup(t, Config{Servers: []string{"127.0.0.1:" + port}})
	if a := only(t, l, "canary.t.test"); a.Err != nil || a.Latency < resend {
		t.Errorf("%+v, want the answer to the second question", a)
	}
}

// TestSignedAnswersOnly: a question with a key takes no unsigned answer.
func TestSignedAnswersOnly(t *testing.T) {
	key := Key{Name: "agent.", Algorithm: "hmac-sha256", Secret: "c2VjcmV0"}
	port := fakeServer(t, "127.0.0.1", text("unsigned"))
	l := newLookup(t, Config{Servers: []string{"127.0.0.1:" + port}, Key: key, Timeout: 100 * time.Millisecond})
	if a := only(t, l, "canary.t.test"); !errors.Is(a.Err, ErrTimeout) {
		t.Errorf("%+v, want ErrTimeout", a)
	}
}

// FuzzAnswer: no message makes it panic, and none that is not an answer to the
// question is taken.
func FuzzAnswer(f *testing.F) {
	m := new(dns.Msg).SetQuestion("canary.t.test.", dns.TypeTXT)
	q, err := newQuestion(m, Key{})
	if err != nil {
		f.Fatal(err)
	}
	for _, wire := range garbage(m) {
		f.Add(wire)
	}
	wire, err := zoneAnswer(m, `canary.t.test. 60 IN TXT "real"`, "canary.t.test. 60 IN CNAME canary.t.test.").Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	key, err := Key{Name: "agent", Algorithm: "hmac-sha256", Secret: "c2VjcmV0"}.Normalize()
	if err != nil {
		f.Fatal(err)
	}
	captured, err := dnstest.Messages("../internal/dnsmsg/testdata/messages.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range captured {
		f.Add(c.Wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		q, name := q, "canary.t.test."
		if about := new(dns.Msg); about.Unpack(wire) == nil && len(about.Question) == 1 { // else few get past the question
			q.msg = new(dns.Msg)
			q.msg.Id, q.msg.Question, name = m.Id, about.Question, about.Question[0].Name
		}
		if len(wire) >= 2 { // else nearly none gets past the id
			binary.BigEndian.PutUint16(wire, q.msg.Id)
		}
		r, ok := q.answeredBy(wire)
		if ok {
			if r.Id != q.msg.Id || !r.Response {
				t.Errorf("taken: %v", r.Msg)
			}
			var a Answer
			if a.read(r.Msg, name) == nil && a.Status == Found && len(r.Question) != 1 {
				t.Errorf("texts %q of an answer without a question", a.Texts)
			}
		}
		if parsed := new(dns.Msg); parsed.Unpack(wire) == nil {
			if _, err := dnsmsg.Verify(wire, parsed, key, "00"); err == nil {
				t.Error("a signature was guessed")
			}
		}
	})
}
