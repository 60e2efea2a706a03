package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/internal/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLookup(t *testing.T, cfg Config) *Lookup {
	t.Helper()
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// only is the answer of the one server that a Lookup has.
func only(t *testing.T, l *Lookup, name string) Answer {
	t.Helper()
	answers, err := l.All(t.Context(), name)
	if err != nil || len(answers) != 1 {
		t.Fatalf("%d answers, error %v, want one", len(answers), err)
	}
	return answers[0]
}

func TestRealServers(t *testing.T) {
	long := make([]string, 20)
	for i := range long {
		long[i] = strings.Repeat(string(rune('a'+i)), 100)
	}
	records := []string{
		`one 30 TXT "{\"id\":\"VDNDNQNWQY\"}"`, `two TXT "a;b" "c\\d"`, `two TXT ""`, "other A 127.0.0.1", "below.terminal A 127.0.0.1",
		"alias CNAME one", "chain CNAME alias", "outside CNAME www.example.com.", "*.wild TXT wild", "*.wildalias CNAME one", "sub NS ns.example.com.",
	}
	for _, text := range long {
		records = append(records, "long TXT "+text)
	}
	for _, kind := range dnstest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			key := dnstest.NewKey("agent")
			server := dnstest.Run(t, dnstest.Config{Kind: kind, Keys: []dnstest.Key{key}, Records: records})
			l := newLookup(t, Config{Servers: []string{server.Addr}, Probe: true})
			for _, want := range []Answer{
				{Name: "one.t.test", Texts: []string{`{"id":"VDNDNQNWQY"}`}, TTL: 30 * time.Second},
				{Name: "ONE.t.test", Texts: []string{`{"id":"VDNDNQNWQY"}`}, TTL: 30 * time.Second},
				{Name: "two.t.test", Texts: []string{"", `a;bc\d`}, TTL: 60 * time.Second},
				{Name: "long.t.test", Texts: long, TTL: 60 * time.Second, TCP: true},
				{Name: "other.t.test", Status: NoData},
				{Name: "terminal.t.test", Status: NoData},
				{Name: "t.test", Status: NoData},
				{Name: "none.t.test", Status: NoName},
				{Name: "alias.t.test", Texts: []string{`{"id":"VDNDNQNWQY"}`}, TTL: 30 * time.Second, Alias: "one.t.test"},
				{Name: "chain.t.test", Texts: []string{`{"id":"VDNDNQNWQY"}`}, TTL: 30 * time.Second, Alias: "one.t.test"},
				{Name: "outside.t.test", Status: NoData, Alias: "www.example.com"},
				{Name: "any.wild.t.test", Texts: []string{"wild"}, TTL: 60 * time.Second, Wildcard: "*.wild.t.test"},
				{Name: "any.wildalias.t.test", Texts: []string{`{"id":"VDNDNQNWQY"}`}, TTL: 30 * time.Second, Alias: "one.t.test", Wildcard: "*.wildalias.t.test"},
			} {
				got := only(t, l, want.Name)
				if got.Err != nil {
					t.Errorf("%s: %v", want.Name, got.Err)
					continue
				}
				if got.Latency <= 0 || got.Server.Addr != server.Addr {
					t.Errorf("%s: latency %s of server %v", want.Name, got.Latency, got.Server)
				}
				if len(want.Texts) > 0 {
					want.Status = Found
				}
				want.Server, want.Latency, want.Authoritative = got.Server, got.Latency, true
				slices.Sort(got.Texts)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", want.Name, diff)
				}
			}
			if a := only(t, l, "below.sub.t.test"); !errors.Is(a.Err, ErrLame) {
				t.Errorf("below a delegation: %v, want ErrLame", a.Err)
			}
			if a := only(t, l, "www.example.com"); !errors.Is(a.Err, ErrRefused) {
				t.Errorf("another zone: %v, want ErrRefused", a.Err)
			}
		})
	}
}

func TestKey(t *testing.T) {
	for _, kind := range dnstest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			k := dnstest.NewKey("agent")
			server := dnstest.Run(t, dnstest.Config{Kind: kind, Keys: []dnstest.Key{k}, Records: []string{"one TXT text"}})
			key := Key{Name: k.Name, Algorithm: k.Algorithm}
			for _, row := range []struct {
				name, secret string
				want         error
			}{
				{"agent", k.Secret, nil},
				{"agent", dnstest.NewKey("agent").Secret, ErrRefused},
				{"nobody", k.Secret, ErrRefused},
			} {
				key.Name = row.name
				key.Secret = dnsmsg.Secret(row.secret)
				a := only(t, newLookup(t, Config{Servers: []string{server.Addr}, Key: key}), "one.t.test")
				if !errors.Is(a.Err, row.want) {
					t.Errorf("key %s: error %v, want %v", row.name, a.Err, row.want)
				}
				if row.want == nil && time.Since(a.Time).Abs() > 3*time.Second {
					t.Errorf("time %s of a signed answer", a.Time)
				}
				if a.Err != nil && strings.Contains(a.Err.Error(), row.secret) {
					t.Errorf("the error shows the secret")
				}
			}
		})
	}
}

func TestServerAway(t *testing.T) {
	server := dnstest.Run(t, dnstest.Config{Kind: dnstest.Knot, Records: []string{"one TXT text"}})
	l := newLookup(t, Config{Servers: []string{server.Addr}, Timeout: 200 * time.Millisecond})
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	if a := only(t, l, "one.t.test"); !errors.Is(a.Err, ErrTimeout) || errors.Is(a.Err, ErrUnreachable) || !strings.Contains(a.Err.Error(), server.Addr) {
		t.Errorf("a paused server: %v, want ErrTimeout with its address", a.Err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := l.One(ctx, "one.t.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	server.Kill()
	if a := only(t, l, "one.t.test"); !errors.Is(a.Err, ErrUnreachable) || errors.Is(a.Err, ErrTimeout) {
		t.Errorf("a killed server: %v, want ErrUnreachable", a.Err)
	}
	nowhere := newLookup(t, Config{Servers: []string{"no-such-host.invalid:53"}, Timeout: 5 * time.Second})
	if a := only(t, nowhere, "one.t.test"); !errors.Is(a.Err, ErrUnreachable) && !errors.Is(a.Err, ErrTimeout) {
		t.Errorf("a host that does not exist: %v", a.Err)
	}
}

// fakeServer answers over UDP and TCP on one port of host, as handle says; nil
// stands for silence.
func fakeServer(t *testing.T, host string, handle func(q *dns.Msg) *dns.Msg) (port string) {
	t.Helper()
	var listener net.Listener
	var packets net.PacketConn
	for range 20 { // until one port is free for both
		var err error
		if listener, err = net.Listen("tcp", host+":0"); err != nil {
			t.Fatal(err)
		}
		if packets, err = net.ListenPacket("udp", listener.Addr().String()); err == nil {
			break
		}
		listener.Close()
	}
	if packets == nil {
		t.Fatal("no port is free for UDP and TCP")
	}
	serveFake(t, listener, packets, handle)
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port
}

func serveFake(t *testing.T, listener net.Listener, packets net.PacketConn, handle func(q *dns.Msg) *dns.Msg) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if r := handle(q); r != nil {
			w.WriteMsg(r)
		}
	})
	for _, s := range []*dns.Server{{Listener: listener, Handler: handler}, {PacketConn: packets, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		done := make(chan struct{})
		go func() {
			s.ActivateAndServe()
			close(done)
		}()
		<-started
		t.Cleanup(func() {
			s.Shutdown()
			<-done
		})
	}
}

// zoneAnswer answers a question from lines of a zone file, like a server of the
// zone t.test.
func zoneAnswer(q *dns.Msg, lines ...string) *dns.Msg {
	r := new(dns.Msg).SetReply(q)
	r.Authoritative = true
	exists := false
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
			continue
		}
		exists = true
		if t := rr.Header().Rrtype; t == q.Question[0].Qtype || t == dns.TypeCNAME {
			r.Answer = append(r.Answer, rr)
		}
	}
	if !exists {
		r.Rcode = dns.RcodeNameError
	}
	if len(r.Answer) == 0 {
		soa, _ := dns.NewRR("t.test. 60 IN SOA ns.t.test. hostmaster.t.test. 1 2 3 4 5")
		r.Ns = append(r.Ns, soa)
	}
	return r
}

var delegation = []string{
	"t.test. 60 IN SOA ns.t.test. hostmaster.t.test. 1 2 3 4 5",
	"t.test. 60 IN NS ns2.t.test.", "t.test. 60 IN NS ns1.t.test.",
	"ns1.t.test. 60 IN A 127.0.0.1", "ns2.t.test. 60 IN A 127.0.0.2",
}

// twoServers is a Lookup that finds two authoritative servers through a
// resolver.
func twoServers(t *testing.T, cfg Config, first, second func(q *dns.Msg) *dns.Msg) *Lookup {
	t.Helper()
	port := fakeServer(t, "127.0.0.1", first)
	listener, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	serveFake(t, listener, packets, second)
	resolver := fakeServer(t, "127.0.0.1", func(q *dns.Msg) *dns.Msg {
		if !q.RecursionDesired {
			t.Error("a resolver is asked without recursion")
		}
		r := zoneAnswer(q, append([]string{"alias.t.test. 60 IN CNAME www.example.com."}, delegation...)...)
		r.Authoritative, r.RecursionAvailable = false, true
		if q.Question[0].Name == "alias.t.test." { // its SOA is another zone's
			soa, _ := dns.NewRR("example.com. 60 IN SOA ns.example.com. h.example.com. 1 2 3 4 5")
			r.Ns = []dns.RR{soa}
		}
		return r
	})
	cfg.Resolvers = []string{"127.0.0.1:" + resolver}
	l := newLookup(t, cfg)
	l.port = port
	return l
}

func text(value string) func(*dns.Msg) *dns.Msg {
	return func(q *dns.Msg) *dns.Msg {
		return zoneAnswer(q, append([]string{`canary.t.test. 60 IN TXT "` + value + `"`, `alias.t.test. 60 IN CNAME www.example.com.`}, delegation...)...)
	}
}

func TestFindsServers(t *testing.T) {
	l := twoServers(t, Config{}, text("one"), text("two"))
	want := []Server{{"ns1.t.test", "127.0.0.1:" + l.port}, {"ns2.t.test", "127.0.0.2:" + l.port}}
	for _, name := range []string{"canary.t.test", "a.b.c.t.test", "t.test", "alias.t.test"} {
		got, err := l.Servers(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	answers, err := l.All(t.Context(), "canary.t.test")
	if err != nil || len(answers) != 2 {
		t.Fatalf("%d answers, error %v", len(answers), err)
	}
	for i, want := range []string{"one", "two"} {
		if a := answers[i]; a.Err != nil || !cmp.Equal(a.Texts, []string{want}) || !a.Authoritative || a.Server.Name != fmt.Sprintf("ns%d.t.test", i+1) {
			t.Errorf("server %d: %+v, want %s", i+1, a, want)
		}
	}
}

// TestOneTakesTurns: one question goes to one server, and they take turns.
func TestOneTakesTurns(t *testing.T) {
	var asked atomic.Int64
	count := func(answer func(*dns.Msg) *dns.Msg) func(*dns.Msg) *dns.Msg {
		return func(q *dns.Msg) *dns.Msg {
			asked.Add(1)
			return answer(q)
		}
	}
	l := twoServers(t, Config{}, count(text("one")), count(text("two")))
	seen := make(map[string]int)
	for range 10 {
		a, err := l.One(t.Context(), "canary.t.test")
		if err != nil {
			t.Fatal(err)
		}
		seen[a.Texts[0]]++
	}
	if diff := cmp.Diff(map[string]int{"one": 5, "two": 5}, seen); diff != "" || asked.Load() != 10 {
		t.Errorf("%d questions (-want +got):\n%s", asked.Load(), diff)
	}
}

// TestOneGoesOn: a server that fails or is silent costs no answer.
func TestOneGoesOn(t *testing.T) {
	rcode := func(code int) func(*dns.Msg) *dns.Msg {
		return func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, code) }
	}
	for name, bad := range map[string]func(*dns.Msg) *dns.Msg{
		"silent":   func(*dns.Msg) *dns.Msg { return nil },
		"SERVFAIL": rcode(dns.RcodeServerFailure),
		"REFUSED":  rcode(dns.RcodeRefused),
		"lame":     rcode(dns.RcodeSuccess),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := twoServers(t, Config{}, bad, text("two"))
			for range 4 {
				a, err := l.One(t.Context(), "canary.t.test")
				if err != nil || !cmp.Equal(a.Texts, []string{"two"}) {
					t.Errorf("%q, error %v, want the other server's answer", a.Texts, err)
				}
			}
		})
	}
}

func TestErrorsAreTold(t *testing.T) {
	rcode := func(code int) func(*dns.Msg) *dns.Msg {
		return func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, code) }
	}
	l := twoServers(t, Config{}, rcode(dns.RcodeServerFailure), rcode(dns.RcodeSuccess))
	_, err := l.One(t.Context(), "canary.t.test")
	if !errors.Is(err, ErrFailed) || !errors.Is(err, ErrLame) || !strings.Contains(err.Error(), "ns1.t.test") || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("error %v, want both causes with their servers", err)
	}
	if len(l.found) != 0 {
		t.Error("servers that all failed are kept")
	}

	silent := fakeServer(t, "127.0.0.1", func(*dns.Msg) *dns.Msg { return nil })
	l = newLookup(t, Config{Resolvers: []string{"127.0.0.1:" + silent}, Timeout: 100 * time.Millisecond})
	if _, err := l.One(t.Context(), "canary.t.test"); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "resolver 127.0.0.1:"+silent) {
		t.Errorf("a silent resolver: %v", err)
	}
	if _, err := l.All(t.Context(), "a..b"); err == nil {
		t.Error("a name that is none is asked for")
	}
}

// TestSilentResolver: a resolver that is dead costs one wait, not one a question.
func TestSilentResolver(t *testing.T) {
	l := twoServers(t, Config{}, text("one"), text("one"))
	var asked atomic.Int64
	silent := fakeServer(t, "127.0.0.1", func(*dns.Msg) *dns.Msg {
		asked.Add(1)
		return nil
	})
	l.cfg.Resolvers = []string{"127.0.0.1:" + silent, l.cfg.Resolvers[0]}
	a, err := l.One(t.Context(), "canary.t.test")
	if err != nil || !cmp.Equal(a.Texts, []string{"one"}) {
		t.Fatalf("%q, error %v, want the answer that the other resolver leads to", a.Texts, err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the silent resolver was asked %d times, want once", n)
	}
}

// TestTruncated: half an answer is none, and where TCP does not work either, the error says so.
func TestTruncated(t *testing.T) {
	short := func(q *dns.Msg) *dns.Msg {
		r := text("half")(q)
		r.Truncated = true
		return r
	}
	port := fakeServer(t, "127.0.0.1", short)
	a := only(t, newLookup(t, Config{Servers: []string{"127.0.0.1:" + port}}), "canary.t.test")
	if !errors.Is(a.Err, ErrFailed) || !strings.Contains(a.Err.Error(), "TCP") {
		t.Errorf("truncated over TCP: %+v", a)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // elsewhere
	if err != nil {
		t.Fatal(err)
	}
	serveFake(t, listener, packets, short)
	a = only(t, newLookup(t, Config{Servers: []string{packets.LocalAddr().String()}}), "canary.t.test")
	if !errors.Is(a.Err, ErrUnreachable) || !strings.Contains(a.Err.Error(), "over TCP") {
		t.Errorf("TCP refused: %v, want ErrUnreachable and why TCP", a.Err)
	}
}

// TestNames: a name may be written in several ways.
func TestNames(t *testing.T) {
	port := fakeServer(t, "127.0.0.1", func(q *dns.Msg) *dns.Msg {
		return zoneAnswer(q, `canary.t.test. 60 IN TXT "one"`, `b\195\188cher.t.test. 60 IN TXT "two"`)
	})
	l := newLookup(t, Config{Servers: []string{"127.0.0.1:" + port}})
	for name, want := range map[string]string{
		"CANARY.t.test": "one", `\099anary.t.test.`: "one", "b\xc3\xbccher.t.test": "two",
	} {
		if a := only(t, l, name); a.Err != nil || !cmp.Equal(a.Texts, []string{want}) {
			t.Errorf("%q: %q, error %v, want %s", name, a.Texts, a.Err, want)
		}
	}
}

// TestAge: an authoritative answer beside a cached one tells how old that is.
func TestAge(t *testing.T) {
	auth := fakeServer(t, "127.0.0.1", text("new"))
	cache := fakeServer(t, "127.0.0.1", func(q *dns.Msg) *dns.Msg {
		r := zoneAnswer(q, `canary.t.test. 13 IN TXT "old"`)
		r.Authoritative, r.RecursionAvailable = false, true
		return r
	})
	l := newLookup(t, Config{Servers: []string{"127.0.0.1:" + auth, "127.0.0.1:" + cache}})
	answers, err := l.All(t.Context(), "canary.t.test")
	if err != nil {
		t.Fatal(err)
	}
	if a := answers[0]; a.Age != 0 || !a.Authoritative || a.TTL != time.Minute {
		t.Errorf("authoritative: %+v", a)
	}
	if a := answers[1]; a.Age != 47*time.Second || a.Authoritative || a.TTL != 13*time.Second || !cmp.Equal(a.Texts, []string{"old"}) {
		t.Errorf("cached: %+v, want an age of 47 s", a)
	}
}

func TestNew(t *testing.T) {
	key := Key{Name: "agent", Algorithm: "hmac-sha256", Secret: "c2VjcmV0"}
	for name, cfg := range map[string]Config{
		"server":   {Servers: []string{""}},
		"port":     {Servers: []string{"ns1:"}},
		"at":       {Servers: []string{"@ns1"}},
		"resolver": {Resolvers: []string{"a b"}},
		"timeout":  {Timeout: -1},
		"key":      {Key: key},
		"bad key":  {Servers: []string{"ns1"}, Key: Key{Name: "agent"}},
	} {
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "lookup: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	l := newLookup(t, Config{Servers: []string{"ns1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"}, Key: key})
	var got []string
	for _, s := range l.servers {
		got = append(got, s.Addr)
	}
	want := []string{"ns1:53", "192.0.2.1:5353", "[2001:db8::1]:53", "[2001:db8::1]:5353"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}
