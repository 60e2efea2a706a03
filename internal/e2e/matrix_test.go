package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/internal/faultproxy"
)

var (
	everyFault = flag.Bool("faults.all", false, "try every fault on every server, and not only the quick ones on one each")
	faultTable = flag.String("faults.table", "", "write what came of the faults into this page")
)

// A fault is one row of the matrix: something that happens to agents, servers or what
// is between them.
type fault struct {
	id    string // F01 and so on
	what  string // what happens
	how   string // how it is made to happen
	holds string // what must hold, beside what every trial wants
	on    []string
	quick string // the server on which "make test" tries it; empty: only "make faults" does
	not   string // why it cannot be tried at all; empty: it can
	try   func(m *trial)
	// shown are the tests that show it without agents as processes, or beside try, as
	// "package TestName, package TestName".
	shown string
}

// servers are those that faults are tried on, and how they start.
var servers = []struct {
	name  string
	start func(t *testing.T) *place
}{
	{"own", startOwn},
	{"bind", func(t *testing.T) *place { return start(t, dnstest.BIND) }},
	{"knot", func(t *testing.T) *place { return start(t, dnstest.Knot) }},
	{"powerdns", func(t *testing.T) *place { return start(t, dnstest.PowerDNS) }},
}

// A trial is one fault on one server.
type trial struct {
	*testing.T
	fault *fault
	at    *place
	links []*faultproxy.Proxy // one in front of each agent, where they were asked for

	took string // what was measured
}

// network puts a relay between the agents and the server. It comes before the cluster.
func (m *trial) network() *faultproxy.Proxy {
	p := faultproxy.New(m, m.at.addr, 1)
	m.at.through = p.Addr
	m.Cleanup(func() {
		if p.Struck() == 0 {
			m.Error("the fault has befallen no message")
		}
	})
	return p
}

// apart is a cluster whose agents reach the server each through a relay of its own.
func (m *trial) apart(extra ...string) *cluster {
	m.Helper()
	for i := range 3 {
		p := faultproxy.New(m, m.at.addr, uint64(i))
		m.links, m.at.each = append(m.links, p), append(m.at.each, p.Addr)
	}
	return m.cluster(extra...)
}

// link is the relay of one agent.
func (m *trial) link(c *cluster, a *agent) *faultproxy.Proxy {
	return m.links[slices.Index(c.agents, a)]
}

// heal ends what befalls all of them, and says when that was.
func (m *trial) heal() time.Time {
	for _, p := range m.links {
		p.Heal()
	}
	return time.Now()
}

// cluster starts three agents with a job of the fault's name.
func (m *trial) cluster(extra ...string) *cluster {
	m.Helper()
	c := newCluster(m.T, m.at, strings.ToLower(m.fault.id), extra...)
	c.more(1)
	return c
}

// measured is how long it took until all was well, or what else was counted, in words
// for the table. The last word counts.
func (m *trial) measured(format string, args ...any) { m.took = fmt.Sprintf(format, args...) }

// since measures from a moment until a run begins, and wants that within a limit.
func (m *trial) since(c *cluster, began time.Time, limit time.Duration) *run {
	m.Helper()
	var r *run
	c.await("a run after that", limit+30*time.Second, func() bool {
		runs := c.runs()
		i := slices.IndexFunc(runs, func(r *run) bool { return r.begin.After(began) })
		if i >= 0 {
			r = runs[i]
		}
		return i >= 0
	})
	took := r.begin.Sub(began)
	m.measured("%.1f s", took.Seconds())
	if took > limit {
		m.Errorf("a run begins %v after that, want %v", took, limit)
	}
	return r
}

// away is for how long a server, or the way to it, is away in a trial: two leases.
const away = 2 * lease

// healed is the bound for a run after all is well again: agents whose own claim or
// report is open may wait until that one's lapse, and look rarely before.
const healed = takeover + poll + 2*slack

// An outcome is what came of a trial.
type outcome struct{ fault, server, words string }

// TestFaults tries the matrix: the quick faults on one server each, or with
// -faults.all every fault on every server where it applies.
func TestFaults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var results []outcome
	t.Run("on", func(t *testing.T) {
		for i := range faults {
			f := &faults[i]
			for _, s := range servers {
				if f.try == nil || f.on != nil && !slices.Contains(f.on, s.name) || !*everyFault && f.quick != s.name {
					continue
				}
				t.Run(f.id+"-"+s.name, func(t *testing.T) {
					t.Parallel()
					m := &trial{T: t, fault: f, took: "holds"}
					t.Cleanup(func() { // also where it does not come to a start
						if t.Failed() {
							m.took = failedWords
						}
						mu.Lock()
						defer mu.Unlock()
						results = append(results, outcome{f.id, s.name, m.took})
					})
					m.at = s.start(t)
					f.try(m)
				})
			}
		}
	})
	if *faultTable != "" {
		if err := writeTable(*faultTable, results); err != nil {
			t.Error(err)
		}
	}
}

// TestMatrix holds that the matrix is whole: every fault is in it, can be tried or says
// why not, and enough of them are tried by "make test".
func TestMatrix(t *testing.T) {
	seen := map[string]bool{}
	quick := 0
	for _, f := range faults {
		switch {
		case seen[f.id]:
			t.Errorf("%s is there twice", f.id)
		case f.what == "" || f.how == "" || f.holds == "":
			t.Errorf("%s does not say what happens, how, and what must hold", f.id)
		case (f.try != nil || f.shown != "") == (f.not != ""):
			t.Errorf("%s is to be tried, or to say what shows it, or why it cannot be", f.id)
		case f.quick != "" && f.on != nil && !slices.Contains(f.on, f.quick):
			t.Errorf("%s is not for %s", f.id, f.quick)
		}
		seen[f.id] = true
		checkShown(t, &f)
		if f.quick != "" {
			quick++
		}
	}
	for n := 1; n <= 58; n++ {
		if id := fmt.Sprintf("F%02d", n); !seen[id] {
			t.Errorf("%s is missing", id)
		}
	}
	if quick < 24 {
		t.Errorf("%d faults are tried by make test, want 24", quick)
	}
}

// failedWords stand in the table for a trial that failed.
const failedWords = "**FAILED**"

const (
	tableBegin = "<!-- the table is written by make faults -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// writeTable puts what came of the trials into a page. What this run has not tried
// stays as it was.
func writeTable(page string, results []outcome) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table", page)
	}
	was := map[string][]string{} // the last cells of a row
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, " | "); len(cells) == 4+len(servers) {
			cells[len(cells)-1] = strings.TrimSuffix(cells[len(cells)-1], " |\n")
			was[strings.TrimPrefix(cells[0], "| ")] = cells[4:]
		}
	}
	var b strings.Builder
	tried, failed := 0, 0
	for _, f := range slices.SortedFunc(slices.Values(faults), func(a, b fault) int { return cmp.Compare(a.id, b.id) }) {
		how := f.how
		if f.shown != "" {
			how += "; shown by " + strings.ReplaceAll("`"+f.shown+"`", ", ", "`, `")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |", f.id, f.what, how, f.holds)
		for i, s := range servers {
			words := "not tried"
			if cells := was[f.id]; cells != nil {
				words = cells[i]
			}
			for _, r := range results {
				if r.fault == f.id && r.server == s.name {
					words = r.words
				}
			}
			switch {
			case f.not != "":
				words = f.not
			case f.on != nil && !slices.Contains(f.on, s.name):
				words = "-"
			case f.try == nil:
				words = "shown"
			case words == failedWords:
				failed++
				fallthrough
			case words != "not tried":
				tried++
			}
			fmt.Fprintf(&b, " %s |", words)
		}
		b.WriteByte('\n')
	}
	head := fmt.Sprintf("Written on %s, on %s/%s with %d processors: %d trials, %d failed. Each cell is of the last run that tried it, which need not have tried all.\n\n"+
		"| | what happens | how | must hold | own | BIND | Knot | PowerDNS |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
		time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), tried, failed)
	return os.WriteFile(page, []byte(before+tableBegin+head+b.String()+tableEnd+after), 0o644)
}
