//go:build linux

package zone

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestMain lets the test binary be the server that tests kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ZONE_TEST_SERVE"); dir != "" {
		if err := serveChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serveChild(dir string) error {
	s, err := Open(Config{
		Listen: []string{"127.0.0.1:0"}, Dir: dir, Zones: []Zone{{Name: testOrigin}}, AllowUpdate: loopback, Log: quiet(),
	})
	if err != nil {
		return err
	}
	if limit := os.Getenv("ZONE_TEST_FSIZE"); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	fmt.Println(s.Addr())
	return s.Serve(context.Background())
}

// child starts the server in a process of its own, and returns how to kill it. No address: it was killed before it had one.
func child(t *testing.T, dir string, env ...string) (cmd *exec.Cmd, out *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	cmd.Env = append(append(os.Environ(), "ZONE_TEST_SERVE="+dir), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	return cmd, bufio.NewReader(pipe)
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // an error says that it has ended
	_ = cmd.Wait()
}

// setText is an update that puts one text in the place of what is at the name.
func setText(name, text string) *dns.Msg {
	m := new(dns.Msg)
	m.SetUpdate(testOrigin)
	h := dns.RR_Header{Name: name + "." + testOrigin, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 5}
	txt := &dns.TXT{Hdr: h, Txt: []string{text}}
	m.RemoveRRset([]dns.RR{txt})
	m.Insert([]dns.RR{txt})
	return m
}

func textAt(addr, name string) (string, error) {
	m := new(dns.Msg)
	m.SetQuestion(name+"."+testOrigin, dns.TypeTXT)
	c := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	got, _, err := c.Exchange(m, addr)
	if err != nil {
		return "", err
	}
	if got.Rcode == dns.RcodeNameError {
		return "0", nil
	}
	if len(got.Answer) != 1 {
		return "", fmt.Errorf("%s has %v", name, got.Answer)
	}
	return strings.Join(got.Answer[0].(*dns.TXT).Txt, ""), nil
}

// TestKill kills the server with SIGKILL in the midst of updates, a hundred times: nothing that was acknowledged is lost.
func TestKill(t *testing.T) {
	const rounds, clients = 100, 4
	dir := t.TempDir()
	var acked, sent [clients]int
	for round := range rounds {
		cmd, out := child(t, dir)
		addr, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("round %d: the server does not start: %v", round, err)
		}
		addr = strings.TrimSpace(addr)
		for i := range clients {
			text, err := textAt(addr, fmt.Sprintf("n%d", i))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := strconv.Atoi(text); err != nil || n < acked[i] || n > sent[i] {
				t.Fatalf("round %d: n%d has %q, acknowledged %d, sent %d", round, i, text, acked[i], sent[i])
			}
		}
		var inRound atomic.Int32
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				c := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
				conn, err := c.Dial(addr)
				if err != nil {
					return
				}
				defer conn.Close()
				for {
					sent[i]++
					got, _, err := c.ExchangeWithConn(setText(fmt.Sprintf("n%d", i), strconv.Itoa(sent[i])), conn)
					if err != nil || got.Rcode != 0 {
						return
					}
					acked[i] = sent[i]
					inRound.Add(1)
				}
			})
		}
		enough := int32(1 + rand.IntN(60))
		eventually(t, 20*time.Second, func() string {
			if n := inRound.Load(); n < enough {
				return fmt.Sprintf("round %d: %d updates acknowledged, want %d", round, n, enough)
			}
			return ""
		})
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) // a random moment is the point
		kill(cmd)
		wg.Wait()
	}
	total := 0
	for _, n := range acked {
		total += n
	}
	t.Logf("%d acknowledged updates, none lost in %d kills amid traffic", total, rounds)
}

// TestKillAtStart kills the server while it makes its database: the next one starts.
func TestKillAtStart(t *testing.T) {
	for range 20 {
		dir := filepath.Join(t.TempDir(), "data")
		cmd, _ := child(t, dir)
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // a random moment is the point
		kill(cmd)
		cmd, out := child(t, dir)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatalf("the server does not start: %v", err)
		}
		kill(cmd)
	}
}

// TestDiskFull: the process may write only so much to a file. Updates end in SERVFAIL, and what was acknowledged is there.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	cmd, out := child(t, dir, "ZONE_TEST_FSIZE=200000")
	addr, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr = strings.TrimSpace(addr)
	c := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	acked, refused := 0, 0
	for i := 0; refused < 20; i++ {
		got, _, err := c.Exchange(setText(fmt.Sprintf("n%d", i), strings.Repeat("x", 250)+strconv.Itoa(i)), addr)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case got.Rcode == dns.RcodeSuccess && refused == 0:
			acked = i + 1
		case got.Rcode == dns.RcodeServerFailure:
			refused++
		default:
			t.Fatalf("update %d after %d refusals: %s", i, refused, dns.RcodeToString[got.Rcode])
		}
		if i > 5000 {
			t.Fatal("the disk was never full")
		}
	}
	if acked < 100 {
		t.Fatalf("full after %d updates", acked)
	}
	check := func(when, addr string) {
		for i := range acked + 5 {
			text, err := textAt(addr, fmt.Sprintf("n%d", i))
			want := strings.Repeat("x", 250) + strconv.Itoa(i)
			if i >= acked {
				want = "0"
			}
			if err != nil || text != want && !(i == acked && when == "after a restart") { // the first refused one may have landed
				t.Fatalf("%s, n%d of %d acknowledged is %q, %v", when, i, acked, text, err)
			}
		}
	}
	check("on the full disk", addr)
	kill(cmd)
	_, out = child(t, dir)
	if addr, err = out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	check("after a restart", strings.TrimSpace(addr))
}

// TestFailedSync: after a failed fsync nothing is acknowledged, shown or said about the zone until a new file is written.
func TestFailedSync(t *testing.T) {
	log := new(testLog)
	s := open(t, updateZone, func(c *Config) { c.Log = logTo(log) })
	var failing atomic.Bool
	s.store.sync = func() error {
		if failing.Load() {
			return syscall.EIO
		}
		return nil
	}
	failing.Store(true)
	raw := pack(t, updateMessage(t, "yxrrset b TXT b\ndelset b TXT\nadd b 300 TXT c"))
	var wg sync.WaitGroup
	var rcodes [32]int
	for i := range rcodes {
		wg.Go(func() { rcodes[i] = int(askAll(s, raw, true)[0][3] & 15) })
	}
	wg.Wait()
	for i, rcode := range rcodes {
		if rcode != rcodeServFail { // above all not NXRRSET, which would say that another one won
			t.Errorf("update %d of a batch that failed: %s", i, dns.RcodeToString[rcode])
		}
	}
	failing.Store(false)
	if rcode := askAll(s, raw, true)[0][3] & 15; rcode != rcodeServFail {
		t.Errorf("the same file is trusted again at once: %s", dns.RcodeToString[int(rcode)])
	}
	if m := query(t, s, "b.example.com.", dns.TypeTXT); m.Answer[0].(*dns.TXT).Txt[0] != "b" {
		t.Errorf("the failed update is shown: %v", m.Answer)
	}
	eventually(t, 10*time.Second, func() string {
		if rcode := askAll(s, raw, true)[0][3] & 15; rcode != 0 {
			return dns.RcodeToString[int(rcode)]
		}
		return ""
	})
	for _, want := range []string{"level=ERROR", "SERVFAIL", "works again"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
	want, _ := contents(t, s)
	got, serial := contents(t, reopen(t, s))
	if diff := cmp.Diff(want, got); diff != "" || serial != 101 {
		t.Errorf("after a restart, serial %d: %s", serial, diff)
	}
}

// TestDamage flips, clears and cuts off parts of a database: it opens with everything or refuses, and never trips.
func TestDamage(t *testing.T) {
	var records strings.Builder
	for i := range 300 {
		fmt.Fprintf(&records, "n%d TXT \"%d-%s\"\n", i, i, strings.Repeat("x", i%200))
	}
	for i := range 40 {
		fmt.Fprintf(&records, "big TXT \"%d-%s\"\n", i, strings.Repeat("y", 200)) // over one page
	}
	s := open(t, records.String(), func(c *Config) { c.Zones = append(c.Zones, Zone{Name: "other.test"}) })
	for i := range 50 { // free pages, and a header behind the other
		if got := unpack(t, ask(t, s, pack(t, setText(fmt.Sprintf("n%d", i*5), "new")), true)); got.Rcode != 0 {
			t.Fatal(got.Rcode)
		}
	}
	s.Close()
	path := filepath.Join(s.config.Dir, dataFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	trial := filepath.Join(dir, dataFile)
	opened, refused := 0, 0
	try := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(trial, data, 0o600); err != nil {
			t.Fatal(err)
		}
		st, zones, created, err := openStore(dir)
		if err != nil {
			refused++
			if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "backup") {
				t.Fatalf("%s: %v", what, err)
			}
			return
		}
		defer st.close()
		opened++
		if created || len(zones) != 2 {
			t.Fatalf("%s: opened with %d zones", what, len(zones))
		}
		for origin, want := range s.stored {
			if !sameTree(want, zones[origin]) {
				t.Fatalf("%s: zone %s has changed", what, textName(origin))
			}
		}
	}
	try("untouched", good)
	if opened != 1 {
		t.Fatal("the untouched file does not open")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for off := 0; off < len(good); off += 1 + rng.IntN(max(1, len(good)/2000)) {
		bad := append([]byte(nil), good...)
		bad[off] ^= []byte{1, 0x80, 0xFF}[rng.IntN(3)]
		try(fmt.Sprintf("octet %d of %d flipped", off, len(good)), bad)
	}
	for off := 0; off < len(good); off += 512 {
		bad := append([]byte(nil), good...)
		clear(bad[off:min(off+512, len(bad))])
		try(fmt.Sprintf("sector at %d cleared", off), bad)
		try(fmt.Sprintf("cut at %d", off), good[:off])
	}
	for page := 0; page < len(good); page += 4096 { // one page written over another
		bad := append([]byte(nil), good...)
		copy(bad[page:page+4096], good[rng.IntN(len(good)/4096)*4096:])
		try(fmt.Sprintf("page at %d overwritten", page), bad)
	}
	t.Logf("%d refused, %d opened with everything", refused, opened)
	if refused < 500 || opened < 20 {
		t.Error("too few of one outcome for the test to mean anything")
	}
}

func sameTree(a, b *tree) bool {
	if len(a.nodes) != len(b.nodes) || a.size != b.size {
		return false
	}
	for key, n := range a.nodes {
		if !sameNode(n, b.nodes[key]) {
			return false
		}
	}
	return true
}

func TestOpenRefuses(t *testing.T) {
	config := Config{Listen: []string{"127.0.0.1:0"}, Dir: t.TempDir(), Zones: []Zone{{Name: testOrigin}}, Log: quiet()}
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("two servers on one directory: %v", err)
	}
	s.Close()
	path := filepath.Join(config.Dir, dataFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config); !errors.Is(err, errDamaged) {
		t.Errorf("the file was deleted: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config); !errors.Is(err, errDamaged) {
		t.Errorf("the file is empty: %v", err)
	}
}

// TestZonesAdded: a zone new in the configuration is made, and the others stay.
func TestZonesAdded(t *testing.T) {
	s := open(t, updateZone)
	if got := unpack(t, ask(t, s, pack(t, updateMessage(t, "add n 5 TXT x")), true)); got.Rcode != 0 {
		t.Fatal(got.Rcode)
	}
	want, _ := contents(t, s)
	s.Close()
	config := s.config
	for _, zones := range [][]Zone{{{Name: "two.test"}}, {{Name: testOrigin}, {Name: "three.test"}}} {
		config.Zones = zones
		next, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		s = next
		s.Close()
	}
	if got, _ := contents(t, s); !cmp.Equal(want, got) {
		t.Errorf("the first zone has changed: %s", cmp.Diff(want, got))
	}
	if len(s.stored) != 3 {
		t.Errorf("%d zones on disk, want 3", len(s.stored))
	}
}

// TestSwapRace: of clients that swap the same value one wins, in each of many rounds.
func TestSwapRace(t *testing.T) {
	s := open(t, updateZone)
	const rounds, clients = 300, 8
	for round := range rounds {
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range clients {
			old := fmt.Sprintf("yxrrset r TXT v%d\n", round-1)
			if round == 0 {
				old = "nxrrset r TXT\n"
			}
			raw := pack(t, updateMessage(t, old+fmt.Sprintf("delset r TXT\nadd r 5 TXT v%d\nadd w%d-%d 5 TXT x", round, round, i)))
			wg.Go(func() {
				switch rcode := askAll(s, raw, true)[0][3] & 15; rcode {
				case rcodeNoError:
					won.Add(1)
				case rcodeNXRRSet, rcodeYXRRSet:
				default:
					t.Errorf("%s", dns.RcodeToString[int(rcode)])
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d has %d winners", round, won.Load())
		}
		if got := query(t, s, "r.example.com.", dns.TypeTXT); got.Answer[0].(*dns.TXT).Txt[0] != fmt.Sprintf("v%d", round) {
			t.Fatalf("round %d is answered and not seen: %v", round, got.Answer)
		}
	}
	if _, serial := contents(t, s); serial != 100+rounds {
		t.Errorf("serial %d after %d changes", serial, rounds)
	}
}
