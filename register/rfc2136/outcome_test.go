package rfc2136

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/solotick/solotick/register"
)

// errPlain stands for an error that is no outcome of a swap: not applied.
var errPlain = errors.New("none of the outcomes")

func wantOutcome(t *testing.T, err, want error) {
	t.Helper()
	outcomes := []error{register.ErrConflict, register.ErrUncertain, register.ErrRefused}
	for _, outcome := range outcomes {
		if is := errors.Is(err, outcome); is != (outcome == want) {
			t.Errorf("error %v: is %q is %v, want %v", err, outcome, is, !is)
		}
	}
	if (want == nil) != (err == nil) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// TestUpdateReplies has one row for each kind of reply to an UPDATE (RFC 2136
// section 2.2 and 7.8), and what it means for the swap.
func TestUpdateReplies(t *testing.T) {
	rcode := func(code int) answer { return answer{rcode: code} }
	unsigned := func(code int) answer { return answer{rcode: code, unsigned: true} }
	for _, row := range []struct {
		name    string
		answer  answer
		applied bool
		want    error
		text    string // part of the error
	}{
		{"NOERROR", rcode(dns.RcodeSuccess), true, nil, ""},
		{"NOERROR but ignored", rcode(dns.RcodeSuccess), false, register.ErrUncertain, "write ignored"},
		{"NXRRSET", rcode(dns.RcodeNXRrset), false, register.ErrConflict, "NXRRSET"},
		{"YXRRSET", rcode(dns.RcodeYXRrset), false, register.ErrConflict, "YXRRSET"},
		{"NXDOMAIN", rcode(dns.RcodeNameError), false, register.ErrConflict, "NXDOMAIN"},
		{"YXDOMAIN", rcode(dns.RcodeYXDomain), false, register.ErrConflict, "YXDOMAIN"},
		{"NXRRSET of a copy that was applied", rcode(dns.RcodeNXRrset), true, register.ErrConflict, "NXRRSET"},
		{"NOTAUTH", rcode(dns.RcodeNotAuth), false, register.ErrRefused, "NOTAUTH: the server serves the zone t.test and knows key agent"},
		{"NOTAUTH unsigned", unsigned(dns.RcodeNotAuth), false, register.ErrRefused, "NOTAUTH"},
		{"BADKEY for want of a grant", answer{rcode: dns.RcodeNotAuth, tsigError: dns.RcodeBadKey}, false, register.ErrRefused, "BADKEY: the server serves the zone t.test and knows key agent"},
		{"BADSIG", answer{rcode: dns.RcodeNotAuth, tsigError: dns.RcodeBadSig}, false, register.ErrRefused, "BADSIG: the server knows key agent, but with another secret"},
		{"BADTRUNC", answer{rcode: dns.RcodeNotAuth, tsigError: dns.RcodeBadTrunc}, false, register.ErrRefused, "BADTRUNC"},
		{"NOTZONE", rcode(dns.RcodeNotZone), false, register.ErrRefused, "NOTZONE: the server says that the name is not in the zone t.test"},
		{"REFUSED", rcode(dns.RcodeRefused), false, register.ErrRefused, "REFUSED: the server serves the zone t.test and knows key agent"},
		{"REFUSED unsigned", unsigned(dns.RcodeRefused), false, register.ErrRefused, "REFUSED"},
		{"FORMERR", unsigned(dns.RcodeFormatError), false, register.ErrRefused, "FORMERR: the server, or something in between, does not know signed dynamic updates"},
		{"NOTIMP", unsigned(dns.RcodeNotImplemented), false, register.ErrRefused, "NOTIMP: the server, or something in between, does not know signed dynamic updates"},
		{"SERVFAIL, not applied", rcode(dns.RcodeServerFailure), false, register.ErrUncertain, "SERVFAIL"},
		{"SERVFAIL, applied", rcode(dns.RcodeServerFailure), true, register.ErrUncertain, "SERVFAIL"},
		{"SERVFAIL unsigned", unsigned(dns.RcodeServerFailure), false, register.ErrUncertain, "SERVFAIL"},
		{"unknown code", rcode(14), false, register.ErrUncertain, "RCODE14"},
		{"NOERROR unsigned", unsigned(dns.RcodeSuccess), true, register.ErrUncertain, "did not sign"},
		{"NXRRSET unsigned", unsigned(dns.RcodeNXRrset), true, register.ErrUncertain, "did not sign"},
		{"RST", answer{reset: true}, true, register.ErrUncertain, "no reply"},
		{"EOF", answer{end: true}, true, register.ErrUncertain, "closed the connection"},
		{"half a reply", answer{mangle: func(wire []byte) []byte { return wire[:len(wire)-20] }}, true, register.ErrUncertain, "no DNS message"},
		{"garbage", answer{mangle: func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n") }}, true, register.ErrUncertain, ""},
		{"nothing", answer{mangle: func([]byte) []byte { return nil }}, true, register.ErrUncertain, "no DNS message"},
		{"another id", answer{edit: func(m *dns.Msg) { m.Id++ }}, true, register.ErrUncertain, "another request"},
		{"no reply at all", answer{edit: func(m *dns.Msg) { m.Response = false }}, true, register.ErrUncertain, "another request"},
		{"another opcode", answer{edit: func(m *dns.Msg) { m.Opcode = dns.OpcodeQuery }}, true, register.ErrUncertain, "another request"},
		{"bad MAC", answer{mangle: func(wire []byte) []byte {
			wire[3] ^= dns.RcodeNXRrset // from NOERROR
			return wire
		}}, true, register.ErrUncertain, "does not verify"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.hold("before")
			f.onUpdate = func(*dns.Msg) (answer, bool) { return row.answer, row.applied }
			r := f.register()
			old, err := r.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s, err := r.Swap(t.Context(), old, []string{"after"})
			wantOutcome(t, err, row.want)
			if err != nil && !strings.Contains(err.Error(), row.text) {
				t.Errorf("error %q has no %q", err, row.text)
			}
			if err == nil && (len(s.Texts) != 1 || s.Texts[0] != "after") {
				t.Errorf("texts %q, want after", s.Texts)
			}
			if n := len(f.sent()); n != 1 {
				t.Errorf("%d updates were sent, want one", n)
			}
		})
	}
}

// TestUpdateTimeout: a server that says nothing is uncertain, as soon as the
// context or the timeout ends.
func TestUpdateTimeout(t *testing.T) {
	f := newFake(t)
	f.onUpdate = func(*dns.Msg) (answer, bool) { return answer{hang: true}, true }
	cause := map[string]error{"timeout": context.DeadlineExceeded, "deadline": context.DeadlineExceeded, "cancel": context.Canceled}
	for name, end := range map[string]func(*record) (context.Context, context.CancelFunc){
		"timeout": func(r *record) (context.Context, context.CancelFunc) {
			r.client.timeout = 50 * time.Millisecond
			return context.WithCancel(t.Context())
		},
		"deadline": func(*record) (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 50*time.Millisecond)
		},
		"cancel": func(*record) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		r := f.register()
		ctx, cancel := end(r)
		start := time.Now()
		_, err := r.Swap(ctx, register.Snapshot{}, []string{"after"})
		cancel()
		wantOutcome(t, err, register.ErrUncertain)
		if !errors.Is(err, cause[name]) {
			t.Errorf("%s: error %v, want %v", name, err, cause[name])
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

// TestQueryReplies has one row for each kind of reply to the question of a Load.
func TestQueryReplies(t *testing.T) {
	alias := func(m *dns.Msg) {
		rr, _ := dns.NewRR(testName + ". 60 IN CNAME elsewhere.example.")
		m.Answer = []dns.RR{rr}
	}
	above := func(m *dns.Msg) {
		rr, _ := dns.NewRR(testZone + " 60 IN DNAME other.example.")
		m.Answer = []dns.RR{rr}
	}
	for _, row := range []struct {
		name   string
		answer answer
		want   error
		text   string
	}{
		{"NOERROR", answer{}, nil, ""},
		{"NXDOMAIN", answer{rcode: dns.RcodeNameError, edit: func(m *dns.Msg) { m.Answer = nil }}, nil, ""},
		{"NOERROR unsigned", answer{unsigned: true}, errPlain, "not signed"},
		{"no authority", answer{edit: func(m *dns.Msg) { m.Authoritative = false }}, register.ErrRefused, "LAME"},
		{"alias", answer{edit: alias}, register.ErrRefused, "CNAME: the name is an alias of elsewhere.example"},
		{"below a DNAME", answer{edit: above}, register.ErrRefused, "CNAME: all names below t.test are aliases, by its DNAME record"},
		{"REFUSED", answer{rcode: dns.RcodeRefused}, register.ErrRefused, "REFUSED"},
		{"NOTAUTH", answer{rcode: dns.RcodeNotAuth, unsigned: true}, register.ErrRefused, "NOTAUTH"},
		{"BADKEY", answer{rcode: dns.RcodeNotAuth, tsigError: dns.RcodeBadKey}, register.ErrRefused, "BADKEY"},
		{"FORMERR", answer{rcode: dns.RcodeFormatError, unsigned: true}, register.ErrRefused, "FORMERR"},
		{"SERVFAIL", answer{rcode: dns.RcodeServerFailure}, errPlain, "SERVFAIL"},
		{"another question", answer{edit: func(m *dns.Msg) { m.Question[0].Name = "other.t.test." }}, errPlain, "another question"},
		{"truncated", answer{edit: func(m *dns.Msg) { m.Truncated = true }}, errPlain, "truncated"},
		{"another id", answer{edit: func(m *dns.Msg) { m.Id++ }}, errPlain, "another request"},
		{"RST", answer{reset: true}, errPlain, "no reply"},
		{"EOF", answer{end: true}, errPlain, "closed the connection"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.onQuery = func(*dns.Msg) answer { return row.answer }
			_, err := f.register().Load(t.Context())
			wantOutcome(t, err, row.want)
			if err != nil && !strings.Contains(err.Error(), row.text) {
				t.Errorf("error %q has no %q", err, row.text)
			}
		})
	}
}

// TestReadBack: a success is one only if it can be read.
func TestReadBack(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer answer
		proved bool // an earlier swap was read back
		held   []string
		want   error
	}{
		{"somebody else's", answer{}, false, []string{"theirs"}, register.ErrUncertain},
		{"somebody else's, after proof", answer{}, true, []string{"theirs"}, nil},
		{"the old one, after proof", answer{}, true, []string{"before"}, register.ErrUncertain},
		{"nothing", answer{}, false, nil, register.ErrUncertain},
		{"unsigned", answer{unsigned: true}, true, []string{"after"}, register.ErrUncertain},
		{"refused", answer{rcode: dns.RcodeRefused}, true, []string{"after"}, register.ErrUncertain},
		{"no authority", answer{edit: func(m *dns.Msg) { m.Authoritative = false }}, true, []string{"after"}, register.ErrUncertain},
		{"lost", answer{reset: true}, true, []string{"after"}, register.ErrUncertain},
		{"alias", answer{edit: func(m *dns.Msg) {
			rr, _ := dns.NewRR(testName + ". 60 IN CNAME elsewhere.example.")
			m.Answer = []dns.RR{rr}
		}}, true, nil, register.ErrRefused},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.hold("before")
			r := f.register()
			old, err := r.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if row.proved {
				f.hold()
				if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"before"}); err != nil {
					t.Fatal(err)
				}
			}
			f.mu.Lock()
			f.onQuery = func(*dns.Msg) answer { return row.answer }
			f.mu.Unlock()
			f.hold(row.held...)
			f.mu.Lock()
			f.onUpdate = func(*dns.Msg) (answer, bool) { return answer{}, false } // it is all in held
			f.mu.Unlock()
			s, err := r.Swap(t.Context(), old, []string{"after"})
			wantOutcome(t, err, row.want)
			if err == nil && !cmp.Equal(s.Texts, []string{"after"}) {
				t.Errorf("texts %q, want what was swapped in", s.Texts)
			}
		})
	}
}

func TestBadTime(t *testing.T) {
	badTime := answer{rcode: dns.RcodeNotAuth, tsigError: dns.RcodeBadTime}
	for _, skew := range []time.Duration{400 * time.Second, -412 * time.Second, 26 * time.Hour} {
		f := newFake(t)
		f.skew = skew
		// It refuses what is more than 300 s from its own clock.
		check := func(m *dns.Msg) answer {
			d := time.Unix(int64(m.IsTsig().TimeSigned), 0).Sub(f.now().Add(f.skew))
			if d.Abs() > 300*time.Second {
				return badTime
			}
			return answer{}
		}
		f.onUpdate = func(m *dns.Msg) (answer, bool) {
			a := check(m)
			return a, a.rcode == 0
		}
		f.onQuery = check

		// The swap is corrected, once, and what follows is right from the start.
		r := f.register()
		s, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
		if err != nil {
			t.Fatalf("skew %s: %v", skew, err)
		}
		if d := s.Time.Sub(time.Now().Add(skew)).Abs(); d > 5*time.Second {
			t.Errorf("skew %s: time %s, which is %s off", skew, s.Time, d)
		}
		if n := len(f.sent()); n != 2 {
			t.Errorf("skew %s: %d updates, want a refused one and a good one", skew, n)
		}
		if _, err := r.Swap(t.Context(), s, []string{"second"}); err != nil || len(f.sent()) != 3 {
			t.Errorf("skew %s: error %v, %d updates, want 3", skew, err, len(f.sent()))
		}
		if s, err := f.register().Load(t.Context()); err != nil || !cmp.Equal(s.Texts, []string{"second"}) {
			t.Errorf("skew %s: load: %q, error %v", skew, s.Texts, err)
		}
	}
}

// TestBadTimeForEver: a server that is never satisfied is asked twice.
func TestBadTimeForEver(t *testing.T) {
	f := newFake(t)
	f.skew = -412 * time.Second
	f.onUpdate = func(*dns.Msg) (answer, bool) {
		return answer{rcode: dns.RcodeNotAuth, tsigError: dns.RcodeBadTime}, false
	}
	_, err := f.register().Swap(t.Context(), register.Snapshot{}, []string{"first"})
	wantOutcome(t, err, register.ErrRefused)
	if err == nil || !strings.Contains(err.Error(), "BADTIME") || !strings.Contains(err.Error(), "chronyc tracking") {
		t.Errorf("error %v, want one with BADTIME and the remedy", err)
	}
	if n := len(f.sent()); n != 2 {
		t.Errorf("%d updates, want 2", n)
	}
	refusal := (*Refusal)(nil)
	if !errors.As(err, &refusal) || refusal.Code != "BADTIME" {
		t.Errorf("error %v, want a Refusal with code BADTIME", err)
	}
}

// TestForgedBadTime: a BADTIME whose MAC does not verify, or has none, moves no
// clock and sends no second update.
func TestForgedBadTime(t *testing.T) {
	for _, row := range []struct {
		name  string
		forge func(*answer)
		want  error
	}{
		{"wrong MAC", func(a *answer) {
			a.mangle = func(wire []byte) []byte {
				wire[len(wire)-1] ^= 1 // of the server's time
				return wire
			}
		}, register.ErrUncertain},
		{"no MAC", func(a *answer) { a.noMAC = true }, register.ErrRefused},
	} {
		f := newFake(t)
		f.skew = time.Hour
		a := answer{rcode: dns.RcodeNotAuth, tsigError: dns.RcodeBadTime}
		row.forge(&a)
		f.onUpdate = func(*dns.Msg) (answer, bool) { return a, true }
		r := f.register()
		_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
		wantOutcome(t, err, row.want)
		if got := r.client.offset.Load(); got != 0 || len(f.sent()) != 1 {
			t.Errorf("%s: offset %d s after %d updates, want 0 and 1", row.name, got, len(f.sent()))
		}
	}
}

// TestUpdateMessages: every update carries the whole old RRset, string by
// string, or its absence, as a prerequisite.
func TestUpdateMessages(t *testing.T) {
	f := newFake(t)
	r := f.register()
	f.mu.Lock()
	f.rdata = [][]byte{{1, 'b', 1, 'c'}, {0}, {2, 'b', 'c'}} // "b" "c"; ""; "bc"
	f.mu.Unlock()
	old, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		old   register.Snapshot
		texts []string
		pre   []string
		up    []string
	}{
		{
			register.Snapshot{},
			[]string{"x", "x", strings.Repeat("y", 256)},
			[]string{"canary.t.test. 0 NONE TXT"},
			[]string{
				"canary.t.test. 60 IN TXT 0178",
				"canary.t.test. 60 IN TXT ff" + strings.Repeat("79", 255) + "0179",
			},
		},
		{
			old,
			[]string{"x"},
			[]string{"canary.t.test. 0 IN TXT 00", "canary.t.test. 0 IN TXT 01620163", "canary.t.test. 0 IN TXT 026263"},
			[]string{"canary.t.test. 0 ANY TXT", "canary.t.test. 60 IN TXT 0178"},
		},
		{ // what is somebody else's keeps its strings
			old,
			[]string{"x", "bc", "bc"},
			[]string{"canary.t.test. 0 IN TXT 00", "canary.t.test. 0 IN TXT 01620163", "canary.t.test. 0 IN TXT 026263"},
			[]string{"canary.t.test. 0 ANY TXT", "canary.t.test. 60 IN TXT 01620163", "canary.t.test. 60 IN TXT 0178", "canary.t.test. 60 IN TXT 026263"},
		},
		{
			old, nil,
			[]string{"canary.t.test. 0 IN TXT 00", "canary.t.test. 0 IN TXT 01620163", "canary.t.test. 0 IN TXT 026263"},
			[]string{"canary.t.test. 0 ANY TXT"},
		},
	} {
		f.hold()
		if _, err := r.Swap(t.Context(), step.old, step.texts); err != nil {
			t.Fatal(err)
		}
		m := f.sent()[len(f.sent())-1]
		if diff := cmp.Diff(step.pre, show(m.Answer)); diff != "" {
			t.Errorf("to %.20q: prerequisites (-want +got):\n%s", step.texts, diff)
		}
		if diff := cmp.Diff(step.up, show(m.Ns)); diff != "" {
			t.Errorf("to %.20q: updates (-want +got):\n%s", step.texts, diff)
		}
		if q := m.Question[0]; q.Name != testZone || q.Qtype != dns.TypeSOA || q.Qclass != dns.ClassINET {
			t.Errorf("zone section %v", q)
		}
	}
}

func TestForeignSnapshot(t *testing.T) {
	f := newFake(t)
	for _, tag := range []string{"", "etag", "zz", " "} {
		_, err := f.register().Swap(t.Context(), register.Snapshot{Texts: []string{"before"}, Tag: tag}, []string{"after"})
		wantOutcome(t, err, errPlain)
	}
	_, err := f.register().Swap(t.Context(), register.Snapshot{}, []string{strings.Repeat("x", 70000)})
	wantOutcome(t, err, errPlain)
	_, err = f.register().Swap(t.Context(), register.Snapshot{}, []string{strings.Repeat("x", 40000), strings.Repeat("y", 40000)})
	wantOutcome(t, err, errPlain)
	if n := len(f.sent()); n != 0 {
		t.Errorf("%d updates were sent, want none", n)
	}
}

func TestNew(t *testing.T) {
	key, err := ParseKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	good := Config{Server: "ns1.example.com", Zone: "Example.COM", Key: key}
	for name, change := range map[string]func(*Config){
		"no server":    func(c *Config) { c.Server = "" },
		"no port":      func(c *Config) { c.Server = "ns1:" },
		"no zone":      func(c *Config) { c.Zone = "" },
		"bad zone":     func(c *Config) { c.Zone = "a..b" },
		"no key":       func(c *Config) { c.Key = Key{} },
		"weak key":     func(c *Config) { c.Key.Algorithm = "hmac-md5" },
		"bad TTL":      func(c *Config) { c.TTL = -time.Second },
		"half a TTL":   func(c *Config) { c.TTL = 1500 * time.Millisecond },
		"long TTL":     func(c *Config) { c.TTL = 1 << 31 * time.Second },
		"bad time-out": func(c *Config) { c.Timeout = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "rfc2136: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	c, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "canary", "canary.example.org", "badexample.com", "a..example.com"} {
		if _, err := c.Register(name); err == nil {
			t.Errorf("name %q is taken", name)
		}
	}
	for _, name := range []string{"canary.example.com", "CANARY.example.com.", "example.com"} {
		if _, err := c.Register(name); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for server, want := range map[string]string{
		"ns1": "ns1:53", "ns1:5353": "ns1:5353", "127.0.0.1": "127.0.0.1:53", "::1": "[::1]:53", "[::1]": "[::1]:53", "[::1]:5353": "[::1]:5353",
	} {
		good.Server = server
		if c, err := New(good); err != nil || c.address() != want {
			t.Errorf("server %q: %v, error %v, want %s", server, c, err, want)
		}
	}
}

// TestOneAddress: of a host's addresses the first one that answers is kept, and
// another one is not tried while it is the host's.
func TestOneAddress(t *testing.T) {
	first := newFake(t)
	_, port, err := splitServer(first.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	second := newFakeAt(t, "127.0.0.2:"+port)
	cfg := first.config()
	cfg.Server = "ns1.t.test:" + port
	r := open(t, cfg, testName).(*record)
	addresses := []string{"127.0.0.1", "127.0.0.2"}
	r.client.lookupHost = func(context.Context, string) ([]string, error) { return addresses, nil }
	s, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
	if err != nil {
		t.Fatal(err)
	}
	addresses = []string{"127.0.0.2", "127.0.0.1"}
	if s, err = r.Swap(t.Context(), s, []string{"second"}); err != nil {
		t.Fatal(err)
	}
	first.listener.Close()
	_, err = r.Swap(t.Context(), s, []string{"third"})
	wantOutcome(t, err, errPlain)
	if n, m := len(first.sent()), len(second.sent()); n != 2 || m != 0 {
		t.Errorf("the first address has %d updates and the second %d, want 2 and 0", n, m)
	}
	addresses = []string{"127.0.0.2"}
	if _, err = r.Swap(t.Context(), register.Snapshot{}, []string{"third"}); err != nil {
		t.Errorf("after the host has moved: %v", err)
	}
}

// TestEscapedName: a name may be written in several ways.
func TestEscapedName(t *testing.T) {
	f := newFake(t)
	s, err := f.register().Swap(t.Context(), register.Snapshot{}, []string{"first"})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, f.config(), `\099ANARY.t.te\115t.`)
	if got, err := r.Load(t.Context()); err != nil || got.Tag != s.Tag {
		t.Fatalf("%v, error %v, want what was written", got.Texts, err)
	}
	if _, err := r.Swap(t.Context(), s, []string{"second"}); err != nil {
		t.Error(err)
	}
}

// TestLateReadBack: a server that shows a write a moment after it has acknowledged
// it, as BIND with inline signing does, has not ignored it.
func TestLateReadBack(t *testing.T) {
	f := newFake(t)
	f.hold("before")
	r := f.register()
	old, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	f.mu.Lock()
	f.onUpdate = func(*dns.Msg) (answer, bool) { return answer{}, false }
	f.onQuery = func(m *dns.Msg) answer {
		if reads++; reads == 3 { // what is held is read before this is called
			f.rdata = [][]byte{append([]byte{5}, "after"...)}
		}
		return answer{}
	}
	f.mu.Unlock()
	s, err := r.Swap(t.Context(), old, []string{"after"})
	if err != nil || !cmp.Equal(s.Texts, []string{"after"}) || reads != 4 {
		t.Errorf("texts %q, error %v after %d reads; want what was swapped in after 4", s.Texts, err, reads)
	}
	// A write that changes nothing shows at once.
	began := time.Now()
	if _, err := r.Swap(t.Context(), s, []string{"after"}); err != nil || time.Since(began) > settleTime/2 {
		t.Errorf("a swap that changes nothing: error %v after %s", err, time.Since(began))
	}
}
