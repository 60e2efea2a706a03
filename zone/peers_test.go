package zone

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// program finds a program of a Debian package; without it the test fails.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("%s is missing: install bind9, bind9-dnsutils, knot and knot-dnsutils", name)
	return ""
}

// tool runs a client and returns what it printed.
func tool(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func hostPort(t *testing.T, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// freePort is a port that is free for both protocols.
func freePort(t *testing.T) string {
	t.Helper()
	sock, err := bind("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sock.close()
	_, port := hostPort(t, sock.addr)
	return port
}

// TestClients: nsupdate, knsupdate, dig and kdig, signed with each algorithm and not.
func TestClients(t *testing.T) {
	s := serve(t, updateZone, testKeys)
	host, port := hostPort(t, s.Addr())
	key := func(alg, name string) string { return alg + ":" + name + ":" + secretText }
	script := func(lines string) string {
		return fmt.Sprintf("server %s %s\nzone %s\n%s\nsend\nanswer\n", host, port, testOrigin, lines)
	}
	n := 0
	for _, client := range []string{"nsupdate", "knsupdate"} {
		for _, k := range []string{key("hmac-sha256", "all"), key("hmac-sha384", "all384"), key("hmac-sha512", "all512")} {
			for _, tcp := range []bool{false, true} {
				n++
				args := []string{"-y", k}
				if tcp {
					args = append(args, "-v")
				}
				name := fmt.Sprintf("c%d.example.com.", n)
				text := fmt.Sprintf(`"{\"id\":\"VDNDNQNWQY\",\"n\":%d,\"s\":\"a\\\\b;c\"}"`, n)
				out, err := tool(t, script(fmt.Sprintf("prereq nxdomain %s\nupdate add %s 5 TXT %s", name, name, text)), client, args...)
				if err != nil {
					t.Fatalf("%s %v: %v\n%s", client, args, err, out)
				}
				out, err = tool(t, script(fmt.Sprintf("prereq yxrrset %s TXT %s\nupdate delete %s TXT\nupdate add %s 5 TXT \"swapped\"", name, text, name, name)), client, args...)
				if err != nil {
					t.Fatalf("%s %v: swap: %v\n%s", client, args, err, out)
				}
				out, _ = tool(t, script(fmt.Sprintf("prereq yxrrset %s TXT %s\nupdate delete %s TXT", name, text, name)), client, args...)
				if !strings.Contains(out, "NXRRSET") {
					t.Errorf("%s %v: a stale swap gives\n%s", client, args, out)
				}
			}
		}
		out, _ := tool(t, script("update add q.example.com. 5 TXT x"), client, "-y", "hmac-sha256:all:"+secretText[:20]+"AAAA"+secretText[24:])
		if !strings.Contains(out, "BADSIG") {
			t.Errorf("%s with a wrong secret:\n%s", client, out)
		}
		out, _ = tool(t, script("update add q.example.com. 5 TXT x"), client, "-y", key("hmac-sha256", "nobody"))
		if !strings.Contains(out, "BADKEY") {
			t.Errorf("%s with an unknown key:\n%s", client, out)
		}
		out, _ = tool(t, script("update add q.example.com. 5 TXT x"), client)
		if !strings.Contains(out, "REFUSED") {
			t.Errorf("%s without a key:\n%s", client, out)
		}
	}
	for _, client := range []string{"dig", "kdig"} {
		for _, k := range []string{key("hmac-sha256", "all"), key("hmac-sha384", "all384"), key("hmac-sha512", "all512")} {
			for _, proto := range []string{"+notcp", "+tcp"} {
				out, err := tool(t, "", client, "@"+host, "-p", port, "-y", k, proto, "c1.example.com", "TXT")
				if err != nil || !strings.Contains(out, `"swapped"`) || !strings.Contains(out, "TSIG") || strings.Contains(strings.ToLower(out), "verify") {
					t.Errorf("%s %s: %v\n%s", client, proto, err, out)
				}
			}
		}
		out, err := tool(t, "", client, "@"+host, "-p", port, "-y", key("hmac-sha256", "xfr.key"), testOrigin, "AXFR")
		if err != nil || strings.Count(out, "SOA") < 2 || strings.Contains(strings.ToLower(out), "verify") {
			t.Errorf("%s AXFR: %v\n%s", client, err, out)
		}
		out, _ = tool(t, "", client, "@"+host, "-p", port, testOrigin, "AXFR")
		if strings.Contains(out, "hostmaster") {
			t.Errorf("%s has the zone without a key:\n%s", client, out)
		}
	}
}

// TestTransfer: the zone in many messages, each signed; for whom it is; IXFR.
func TestTransfer(t *testing.T) {
	var records strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&records, "n%d TXT \"%d-%s\"\n", i, i, strings.Repeat("x", i%100))
	}
	fmt.Fprintf(&records, "large TXT")
	for range 150 {
		fmt.Fprintf(&records, " %q", strings.Repeat("z", 255))
	}
	s := serve(t, records.String()+"\n", testKeys)
	want, _ := contents(t, s)
	m := new(dns.Msg)
	m.SetAxfr(testOrigin)
	m.SetTsig("xfr.key.", dns.HmacSHA256, 300, time.Now().Unix())
	tr := &dns.Transfer{TsigSecret: map[string]string{"xfr.key.": secretText}}
	in, err := tr.In(m, s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	got, soas, messages := []string{}, 0, 0
	for e := range in {
		if e.Error != nil {
			t.Fatalf("message %d: %v", messages, e.Error)
		}
		messages++
		for _, r := range e.RR {
			if r.Header().Rrtype == dns.TypeSOA {
				soas++
				continue
			}
			buf := make([]byte, maxMsg)
			n, err := dns.PackRR(r, buf, 0, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			tree := newTree("\x07example\x03com\x00")
			if err := tree.load(buf[:n]); err != nil {
				t.Fatal(err)
			}
			for _, n := range tree.nodes {
				got = append(got, recordText(t, n.name, &n.sets[0], n.sets[0].data[0]))
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || soas != 2 || messages < 5 {
		t.Errorf("%d messages, %d SOA: %s", messages, soas, diff)
	}

	for _, tc := range []struct {
		name    string
		key     string
		change  func(*dns.Msg)
		tcp     bool
		rcode   int
		answers int // -1: many
	}{
		{"AXFR, a key without the right", "all.", func(m *dns.Msg) { m.SetAxfr(testOrigin) }, true, dns.RcodeRefused, 0},
		{"AXFR of a name in the zone", "xfr.key.", func(m *dns.Msg) { m.SetAxfr("n1." + testOrigin) }, true, dns.RcodeNotAuth, 0},
		{"AXFR of another zone", "xfr.key.", func(m *dns.Msg) { m.SetAxfr("example.org.") }, true, dns.RcodeNotAuth, 0},
		{"IXFR, current", "xfr.key.", func(m *dns.Msg) { m.SetIxfr(testOrigin, 100, "ns.", "h.") }, true, 0, 1},
		{"IXFR, ahead", "xfr.key.", func(m *dns.Msg) { m.SetIxfr(testOrigin, 101, "ns.", "h.") }, true, 0, 1},
		{"IXFR, behind", "xfr.key.", func(m *dns.Msg) { m.SetIxfr(testOrigin, 99, "ns.", "h.") }, true, 0, -1},
		{"IXFR, behind, by UDP", "xfr.key.", func(m *dns.Msg) { m.SetIxfr(testOrigin, 99, "ns.", "h.") }, false, 0, 1},
		{"IXFR without a SOA", "xfr.key.", func(m *dns.Msg) { m.SetQuestion(testOrigin, dns.TypeIXFR) }, true, dns.RcodeFormatError, 0},
		{"IXFR, a key without the right", "all.", func(m *dns.Msg) { m.SetIxfr(testOrigin, 99, "ns.", "h.") }, true, dns.RcodeRefused, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := new(dns.Msg)
			tc.change(m)
			raw, _ := signed(t, m, tc.key, dns.HmacSHA256, time.Now(), 300)
			all := askAll(s, raw, tc.tcp)
			first := unpack(t, all[0])
			if first.Rcode != tc.rcode || tc.answers >= 0 && len(first.Answer) != tc.answers || tc.answers < 0 && len(all) < 5 {
				t.Errorf("%s, %d messages, %d records in the first", dns.RcodeToString[first.Rcode], len(all), len(first.Answer))
			}
			for i, raw := range all {
				if m := unpack(t, raw); m.IsTsig() == nil || tc.rcode == 0 && !m.Authoritative || (i == 0) != (len(m.Question) == 1) {
					t.Errorf("message %d: %v", i, m.MsgHdr)
				}
			}
		})
	}
}

// TestSlowTransfer: a secondary that does not read is cut off, and updates go on meanwhile.
func TestSlowTransfer(t *testing.T) {
	var records strings.Builder
	for i := range 40000 {
		fmt.Fprintf(&records, "n%d TXT \"%s\"\n", i, strings.Repeat("x", 250))
	}
	s := serve(t, records.String(), func(c *Config) { c.Limits = Limits{Write: 300 * time.Millisecond, Transfers: 1} })
	conn := dial(t, s)
	m := new(dns.Msg)
	m.SetAxfr(testOrigin)
	dc := dns.Conn{Conn: conn}
	if err := dc.WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() string {
		if len(s.transfers) == 0 {
			return "the transfer has not begun"
		}
		return ""
	})
	if got := unpack(t, ask(t, s, pack(t, m), true)); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("one transfer too many: %s", dns.RcodeToString[got.Rcode])
	}
	if got := unpack(t, ask(t, s, pack(t, updateMessage(t, "add q 5 TXT x")), true)); got.Rcode != 0 {
		t.Errorf("an update during a transfer: %s", dns.RcodeToString[got.Rcode])
	}
	eventually(t, 5*time.Second, func() string {
		if len(s.transfers) != 0 {
			return "the transfer goes on though nobody reads"
		}
		return ""
	})
}

// TestSecondaries: BIND and Knot follow, by NOTIFY and AXFR, both with TSIG, through changes and restarts of this server.
func TestSecondaries(t *testing.T) {
	bindPort, knotPort := freePort(t), freePort(t)
	s := open(t, updateZone, testKeys, func(c *Config) {
		c.Notify = []string{"127.0.0.1:" + bindPort, "127.0.0.1:" + knotPort}
	})
	_, port := hostPort(t, s.Addr())
	secondaries := map[string]string{
		"BIND": startBINDSecondary(t, bindPort, port),
		"Knot": startKnotSecondary(t, knotPort, port),
	}
	run(t, s)
	follow := func(s *Server) {
		t.Helper()
		want, serial := contents(t, s)
		for i := range want { // Knot keeps names in lower case
			want[i] = strings.ToLower(want[i])
		}
		slices.Sort(want)
		for name, addr := range secondaries {
			eventually(t, 15*time.Second, func() string {
				got, have, err := transferFrom(t, addr)
				if err != nil {
					return name + ": " + err.Error()
				}
				if have != serial {
					return fmt.Sprintf("%s has serial %d, not %d", name, have, serial)
				}
				for i := range got {
					got[i] = strings.ToLower(got[i])
				}
				slices.Sort(got)
				return cmp.Diff(want, got)
			})
		}
	}
	follow(s)
	for i := range 20 {
		raw, _ := signed(t, updateMessage(t, fmt.Sprintf("delset a TXT\nadd a 5 TXT v%d\nadd n%d 5 TXT x", i, i)), "all.", dns.HmacSHA256, time.Now(), 300)
		if got := unpack(t, ask(t, s, raw, true)); got.Rcode != 0 {
			t.Fatal(dns.RcodeToString[got.Rcode])
		}
		if i%10 == 9 {
			follow(s)
		}
	}
	// Changes that no secondary was told of: they are told when the server is back.
	s.Close()
	config := s.config
	config.Listen, config.Notify = []string{"127.0.0.1:0"}, nil
	silent, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := signed(t, updateMessage(t, "add silent 5 TXT x"), "all.", dns.HmacSHA256, time.Now(), 300)
	if got := unpack(t, ask(t, silent, raw, true)); got.Rcode != 0 {
		t.Fatal(dns.RcodeToString[got.Rcode])
	}
	silent.Close()
	config.Listen, config.Notify = []string{"127.0.0.1:" + port}, s.config.Notify
	again, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	run(t, again)
	follow(again)
}

// transferFrom is a secondary's copy of the zone, in the form of contents.
func transferFrom(t *testing.T, addr string) (lines []string, serial uint32, err error) {
	t.Helper()
	m := new(dns.Msg)
	m.SetAxfr(testOrigin)
	in, err := new(dns.Transfer).In(m, addr)
	if err != nil {
		return nil, 0, err
	}
	copied := newTree("\x07example\x03com\x00")
	for e := range in {
		if e.Error != nil {
			return nil, 0, e.Error
		}
		for _, r := range e.RR {
			if soa, ok := r.(*dns.SOA); ok {
				serial = soa.Serial
				continue
			}
			buf := make([]byte, maxMsg)
			n, err := dns.PackRR(r, buf, 0, nil, false)
			if err != nil {
				return nil, 0, err
			}
			if err := copied.load(buf[:n]); err != nil {
				return nil, 0, fmt.Errorf("%v: %w", r, err)
			}
		}
	}
	lines, _ = contents(t, &Server{zones: map[string]*tree{copied.origin: copied}})
	return lines, serial, nil
}

func startBINDSecondary(t *testing.T, port, primary string) string {
	t.Helper()
	dir := t.TempDir()
	conf := fmt.Sprintf(`key "xfr.key" { algorithm hmac-sha256; secret %q; };
server 127.0.0.1 { keys { "xfr.key"; }; };
options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; lock-file none;
  session-keyfile %q; recursion no; dnssec-validation no; notify no; min-refresh-time 1; };
controls { };
zone "example.com" { type secondary; file "zone"; masterfile-format text; primaries { 127.0.0.1 port %s key "xfr.key"; };
  allow-transfer { 127.0.0.1; }; };
`, secretText, dir, port, filepath.Join(dir, "session.key"), primary)
	return startServer(t, dir, conf, port, "named", "-g", "-c")
}

func startKnotSecondary(t *testing.T, port, primary string) string {
	t.Helper()
	dir := t.TempDir()
	conf := fmt.Sprintf(`server:
  listen: 127.0.0.1@%s
  rundir: %q
log:
  - target: stderr
    any: info
database:
  storage: %q
key:
  - id: xfr.key.
    algorithm: hmac-sha256
    secret: %s
remote:
  - id: primary
    address: 127.0.0.1@%s
    key: xfr.key.
acl:
  - id: notify
    address: 127.0.0.1
    action: [notify, transfer]
zone:
  - domain: example.com
    storage: %q
    file: zone
    master: primary
    acl: notify
`, port, dir, dir, secretText, primary, dir)
	return startServer(t, dir, conf, port, "knotd", "-c")
}

// startServer starts a server that ends with the test, and shows its log if the test fails.
func startServer(t *testing.T, dir, conf, port, name string, args ...string) string {
	t.Helper()
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program(t, name), append(args, file)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &log, &log, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // an error says that it has ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, log.String())
		}
	})
	return "127.0.0.1:" + port
}
