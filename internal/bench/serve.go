package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/record"
)

const (
	watched     = 10_000
	watchedFor  = 2 * time.Minute
	claimsEvery = 20 * time.Millisecond
)

// serve watches 10,000 records on one server with one "solotick serve", while some
// of them change, and tells how its questions are spread, what it holds, and how
// fast it answers.
func (b *bench) serve(ctx context.Context) error {
	for _, kept := range []bool{false, true} {
		if err := b.serveOnce(ctx, kept); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) serveOnce(ctx context.Context, kept bool) error {
	w, err := b.newMany()
	if err != nil {
		return err
	}
	defer w.server.stop()
	c, err := newCounter(w.server.addr)
	if err != nil {
		return err
	}
	defer c.close()
	o, err := b.observe(w.names, c.addr, kept)
	if err != nil {
		return err
	}
	defer o.stop()
	begin := time.Now()
	if err := o.ready(ctx); err != nil {
		return err
	}
	first := time.Since(begin)
	changing, stop := context.WithCancel(ctx)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer stop()
	var written atomic.Int64
	writer.Go(func() { w.change(changing, &written) })
	before, err := cpuOf(o.pid)
	if err != nil {
		return err
	}
	c.reset()
	if !sleep(ctx, time.Now().Add(watchedFor)) {
		return ctx.Err()
	}
	perSecond := c.perSecond()
	after, err := cpuOf(o.pid)
	if err != nil {
		return err
	}
	rows := [][]string{
		{"until every record was looked at once", first.Round(time.Second).String()},
		{"questions a second", spread(perSecond)},
		{"records that changed meanwhile", fmt.Sprint(written.Load() / 2)},
		{"processor time a minute", ms((after - before) / time.Duration(watchedFor/time.Minute))},
	}
	times, err := o.times(ctx)
	if err != nil {
		return err
	}
	rows = append(rows, times...)
	now, peak, err := residentOf(o.pid)
	if err != nil {
		return err
	}
	rows = append(rows, []string{"resident, after those answers", mib(now)}, []string{"at most so far", mib(peak)})
	where := "in memory"
	if kept {
		where = "in a file"
	}
	table(fmt.Sprintf("One serve that watches %d records on one server for %v, its history %s", watched, watchedFor, where), rows...)
	return nil
}

// spread tells how even a rate is.
func spread(perSecond []int) string {
	sorted := slices.Sorted(slices.Values(perSecond))
	sum := 0
	for _, n := range sorted {
		sum += n
	}
	if sum == 0 {
		return "none"
	}
	mean := float64(sum) / float64(len(sorted))
	most := sorted[len(sorted)-1]
	return fmt.Sprintf("%.0f mean; %d least, %d p50, %d p99, %d most: %.2f times the mean",
		mean, sorted[0], sorted[len(sorted)/2], sorted[len(sorted)*99/100], most, float64(most)/mean)
}

// A many is a server with many records.
type many struct {
	server *server
	names  string // a file with their names
}

func recordOf(i int, now time.Time) record.Record {
	sec := now.Unix()
	return record.Record{ID: "VDNDNQNWQY", Timer: sec + 30 + int64(i%600), TimerOld: sec - 30, Seq: sec * 1000, Last: record.OK}
}

func (b *bench) newMany() (*many, error) {
	var zone, names strings.Builder
	fmt.Fprintf(&zone, "$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 30\n@ NS ns\nns A 127.0.0.1\n", zoneName)
	for i := range watched {
		fmt.Fprintf(&zone, "job%05d TXT %s\n", i, strconv.Quote(recordOf(i, time.Now()).String()))
		fmt.Fprintf(&names, "job%05d.%s\n", i, zoneName)
	}
	m := &many{names: filepath.Join(b.dir, "names")}
	file := filepath.Join(b.dir, "zone")
	err := errors.Join(os.WriteFile(file, []byte(zone.String()), 0o600), os.WriteFile(m.names, []byte(names.String()), 0o600))
	if err != nil {
		return nil, err
	}
	m.server, err = b.ownOf(zoneName+"="+file, "--allow-update", "127.0.0.1")
	return m, err
}

// change has one record after the other claimed, and given back.
func (m *many) change(ctx context.Context, written *atomic.Int64) {
	for i := 0; ; i++ {
		if !sleep(ctx, time.Now().Add(claimsEvery)) {
			return
		}
		now := time.Now()
		claim := recordOf(i, now)
		claim.Claimed, claim.Until, claim.Lease = true, now.Unix()+15, 15
		idle := recordOf(i-100, now)
		idle.Seq++
		if m.write(i%watched, claim) == nil && i >= 100 && m.write((i-100)%watched, idle) == nil {
			written.Add(2)
		}
	}
}

func (m *many) write(i int, r record.Record) error {
	u := new(dns.Msg)
	u.SetUpdate(zoneName + ".")
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: fmt.Sprintf("job%05d.%s.", i, zoneName), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{strings.ReplaceAll(r.String(), `"`, `\"`)}}
	u.RemoveRRset([]dns.RR{rr})
	u.Insert([]dns.RR{rr})
	resp, err := dns.Exchange(u, m.server.addr)
	if err == nil && resp.Rcode != dns.RcodeSuccess {
		err = errors.New(dns.RcodeToString[resp.Rcode])
	}
	return err
}

// A counter passes questions on and notes when they came.
type counter struct {
	addr string
	conn *net.UDPConn
	to   *net.UDPAddr

	mu    sync.Mutex
	times []time.Time
}

func newCounter(server string) (*counter, error) {
	to, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	c := &counter{addr: conn.LocalAddr().String(), conn: conn, to: to}
	go c.pass()
	return c, nil
}

func (c *counter) pass() {
	buf := make([]byte, 4096)
	for {
		n, from, err := c.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.times = append(c.times, time.Now())
		c.mu.Unlock()
		go c.answer(slices.Clone(buf[:n]), from)
	}
}

func (c *counter) answer(question []byte, from *net.UDPAddr) {
	up, err := net.DialUDP("udp", nil, c.to)
	if err != nil {
		return
	}
	defer up.Close()
	buf := make([]byte, 4096)
	if _, err = up.Write(question); err == nil && up.SetReadDeadline(time.Now().Add(2*time.Second)) == nil {
		if n, err := up.Read(buf); err == nil {
			_, _ = c.conn.WriteToUDP(buf[:n], from) // what is lost is asked again
		}
	}
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = nil
}

// perSecond is how many questions came in each whole second.
func (c *counter) perSecond() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.times) == 0 {
		return nil
	}
	begin := c.times[0]
	all := make([]int, int(c.times[len(c.times)-1].Sub(begin)/time.Second)+1)
	for _, t := range c.times {
		all[int(t.Sub(begin)/time.Second)]++
	}
	return all[:max(len(all)-1, 1)] // the last second is not whole
}

func (c *counter) close() { _ = c.conn.Close() }

// An observing is a "solotick serve" as a process of its own.
type observing struct {
	url  string
	pid  int
	stop func()
}

func (b *bench) observe(names, server string, kept bool) (*observing, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_ = l.Close()
	args := []string{"serve", "--listen", addr, "--names-from", names, "@" + server, "--log-level", "warn"}
	if kept {
		args = append(args, "--data", filepath.Join(b.dir, "history"))
	}
	cmd := exec.Command(b.solotick, args...)
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, endWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &observing{"http://" + addr, cmd.Process.Pid, func() {
		_ = cmd.Process.Kill() // only fails if it has ended
		_ = cmd.Wait()
	}}, nil
}

// ready waits until every record was looked at.
func (o *observing) ready(ctx context.Context) error {
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		if _, err := get(o.url + "/readyz"); err == nil {
			return nil
		}
		if !sleep(ctx, time.Now().Add(time.Second)) {
			return ctx.Err()
		}
	}
	return errors.New("not every record was looked at in 3 minutes")
}

// times asks for all kinds of answers.
func (o *observing) times(ctx context.Context) ([][]string, error) {
	var rows [][]string
	for _, path := range []string{"/", "/wall", "/records/job00042." + zoneName, "/api/v1/records?limit=10000", "/api/v1/records", "/status.json", "/metrics", "/badge/job00042." + zoneName + ".svg"} {
		var took []time.Duration
		size := 0
		for range 5 {
			if !sleep(ctx, time.Now().Add(1100*time.Millisecond)) { // so that nothing is kept from the answer before
				return nil, ctx.Err()
			}
			begin := time.Now()
			n, err := get(o.url + path)
			if err != nil {
				return nil, err
			}
			took, size = append(took, time.Since(begin)), n
		}
		rows = append(rows, []string{path, fmt.Sprintf("%s p50, %s at most, %d KiB", ms(quantile(took, .5)), ms(quantile(took, 1)), size/1024)})
	}
	return rows, nil
}

// get reads an answer and returns how long it is.
func get(url string) (int, error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return int(n), err
}
