package clash

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
)

var (
	ticks   = flag.Int("clash.ticks", 0, "ticks of the long backlog at each server; 0: 4,000 at our own and 900 at others")
	records = flag.Int("clash.records", 0, "records that fall due at once at each server; 0: 500 at our own and 100 at others")
	each    = flag.Int("clash.each", 0, "ticks of each of them; 0: 12 at our own and 1 at others")
	servers = flag.String("clash.servers", "own,bind,knot,powerdns", "where to clash")
	limit   = flag.Duration("clash.limit", 10*time.Minute, "for one part at one server")
)

const processes = 8

// TestClash has eight processes fight over one record with a long backlog, and then over
// hundreds of records that fall due at once.
func TestClash(t *testing.T) {
	for _, kind := range strings.Split(*servers, ",") {
		t.Run(kind, func(t *testing.T) {
			t.Parallel() // what is killed is waited for, and so are disks
			key := dnstest.NewKey("agents")
			at := battle{t: t, addr: openServer(t, kind, key), key: key}
			n, m, of := 900, 100, 1
			if kind == ownServer {
				n, m, of = 4_000, 500, 12
			}
			at.backlog(cmp.Or(*ticks, n))
			at.atOnce(cmp.Or(*records, m), cmp.Or(*each, of))
		})
	}
}

// A battle is one server and what happens there.
type battle struct {
	t    *testing.T
	addr string
	key  dnstest.Key
}

// A side is a process that fights, and how to end it.
type side struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// begin has this binary play a part. It ends with the test.
func begin(t *testing.T, env string, plan any, out io.Writer) *side {
	t.Helper()
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &side{cmd: exec.Command(self), ended: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), env+"="+string(text), "GOMAXPROCS=2")
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if _, err = s.cmd.StdinPipe(); err == nil { // closed when this process is gone: see play
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.kill)
	return s
}

func (s *side) kill() {
	_ = s.cmd.Process.Kill() // only fails if it has ended
	<-s.ended
}

// leave asks processes to end and waits for that.
func leave(t *testing.T, sides []*side) {
	t.Helper()
	for _, s := range sides {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, s := range sides {
		select {
		case <-s.ended:
		case <-time.After(time.Minute):
			t.Fatal("a process does not end")
		}
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("a process ended with %d", code)
		}
	}
}

// backlog is one record with n ticks that nobody ran, one for each second. Agents live
// for a few moments, and some processes are killed.
func (b *battle) backlog(n int) {
	last := time.Now().Unix() - 1
	first := last - int64(n) + 1
	p := plan{
		Records: []string{"backlog." + zoneName}, Every: time.Second, Lease: 3 * time.Second, Most: n + 1e6,
		Lives: 100 * time.Millisecond, Faulty: 200, Long: 50,
	}
	b.prepare(p.Records, first, 1)
	kills := 0
	began := time.Now()
	s := b.fight(&p, func(sides []*side) bool {
		_, r := b.shown(p.Records[0])
		if at := int(r.TimerOld - first); kills < 2 && at > (kills+1)*n/3 {
			i := inRun(b.t, p.Dir)
			for end := time.Now().Add(2 * time.Second); i < 0 && time.Now().Before(end); i = inRun(b.t, p.Dir) {
				time.Sleep(5 * time.Millisecond)
			}
			if i < 0 { // there was no long run
				i = rand.IntN(len(sides))
			}
			kills++
			sides[i].kill()
			sides[i] = b.side(&p, i)
		}
		return !r.Claimed && r.TimerOld >= last
	})[p.Records[0]]
	took := time.Since(began)
	b.check(p.Records[0], s, first, n, 1)
	counts := s.counts()
	b.t.Logf("backlog: %d ticks in %.1f s, run by %d agents, %d processes killed; %s", n, took.Seconds(), agents(s), kills, counts)
	for _, what := range []string{"swaps", "refused", "uncertain", "loads"} {
		if counts.n[what] == 0 {
			b.t.Errorf("there were no %s: nothing was fought over", what)
		}
	}
	if agents(s) < processes || kills != 2 && n >= 100 {
		b.t.Errorf("%d agents, %d processes killed: nothing was fought over", agents(s), kills)
	}
}

// atOnce is many records with a few ticks each that nobody ran.
func (b *battle) atOnce(n, of int) {
	const hour = 3600
	latest := time.Now().Unix() / hour * hour
	first := latest - int64(of-1)*hour
	p := plan{Every: time.Hour, Lease: 15 * time.Second, Most: of + 10, Faulty: 50}
	for i := range n {
		p.Records = append(p.Records, fmt.Sprintf("job%d.%s", i, zoneName))
	}
	b.prepare(p.Records, first, hour)
	began := time.Now()
	left := slices.Clone(p.Records)
	all := b.fight(&p, func([]*side) bool {
		for len(left) > 0 {
			if _, r := b.shown(left[0]); r.Claimed || r.TimerOld < latest {
				return false
			}
			left = left[1:]
		}
		return true
	})
	took := time.Since(began)
	total := count{n: map[string]int{}}
	for _, name := range p.Records {
		s := all[name]
		if s == nil {
			b.t.Fatalf("nobody knows %s", name)
		}
		b.check(name, s, first, of, hour)
		for what, k := range s.counts().n {
			total.n[what] += k
		}
	}
	b.t.Logf("at once: %d records with %d ticks each in %.1f s; %s", n, of, took.Seconds(), total)
	if total.n["refused"] == 0 {
		b.t.Error("no swap was refused: nothing was fought over")
	}
}

// prepare writes records of which the first tick is due.
func (b *battle) prepare(names []string, first, every int64) {
	b.t.Helper()
	for _, name := range names {
		reg := b.register(name)
		ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
		s, err := reg.Load(ctx)
		if err == nil {
			r := record.Record{ID: "NOBODY", Timer: first, TimerOld: first - every, Seq: 1, Last: record.OK}
			_, err = reg.Swap(ctx, s, []string{r.String()})
		}
		cancel()
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *battle) register(name string) register.Register {
	b.t.Helper()
	p := plan{Server: b.addr, Zone: zoneName, Key: b.key}
	client, err := p.client()
	if err != nil {
		b.t.Fatal(err)
	}
	reg, err := client.Register(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return reg
}

// shown is what the register holds. A server that is fought over may have no
// connection to spare.
func (b *battle) shown(name string) ([]string, record.Record) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	reg := b.register(name)
	s, err := reg.Load(ctx)
	for ; err != nil && ctx.Err() == nil; s, err = reg.Load(ctx) {
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil || len(s.Texts) != 1 {
		b.t.Fatalf("%s holds %q: %v", name, s.Texts, err)
	}
	r, err := record.Parse(s.Texts[0])
	if err != nil {
		b.t.Fatal(err)
	}
	return s.Texts, r
}

// side starts one process. In two of them agents live for as long as they do: who is
// only there for a moment never sees a claim of somebody killed lapse.
func (b *battle) side(p *plan, i int) *side {
	own := *p
	own.Process = i
	if i < 2 {
		own.Lives = 0
	}
	return begin(b.t, agentEnv, own, os.Stderr)
}

// fight has all processes do what the plan says until it is over, and returns what they
// wrote, with what each register holds in the end as the last operation.
func (b *battle) fight(p *plan, over func([]*side) bool) map[string]*story {
	b.t.Helper()
	p.Dir, p.Server, p.Zone, p.Key = b.t.TempDir(), b.addr, zoneName, b.key
	sides := make([]*side, processes)
	for i := range sides {
		sides[i] = b.side(p, i)
	}
	for began := time.Now(); !over(sides); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > *limit {
			b.t.Fatalf("not over within %v", *limit)
		}
		for _, s := range sides {
			select {
			case <-s.ended:
				b.t.Fatalf("a process has ended: %v", s.cmd.ProcessState)
			default:
			}
		}
	}
	leave(b.t, sides)
	all := read(b.t, p.Dir)
	for name, s := range all {
		call := time.Duration(clock())
		texts, _ := b.shown(name)
		s.ops = append(s.ops, op{client: -1, load: true, call: call, ret: time.Duration(clock()), text: joined(texts), out: done})
	}
	return all
}
