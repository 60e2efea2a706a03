package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// The policy of every job here: that of the defaults, scaled to a tick of two
// seconds. slack is what may come on top of a moment that the protocol promises:
// round trips on a loaded machine, and a spread that is wider after the conflicts
// at the record's creation.
const (
	interval  = 2 * time.Second
	lease     = 3 * time.Second
	headStart = 300 * time.Millisecond
	spread    = 400 * time.Millisecond
	skew      = 500 * time.Millisecond
	poll      = 3 * time.Second
	margin    = time.Second + lease/20
	slack     = 2 * time.Second
)

// takeover is the bound of protocol section 10, guarantee 3, after the last
// renewal of a holder that vanished.
const takeover = max(lease/3, headStart+spread) + lease + margin + spread

// A server is a DNS server under test.
type server interface {
	Kill()
	Restart() error
	Pause() error
	Resume() error
}

// A place is one server with one zone.
type place struct {
	server
	addr string
	zone string // with its final dot
	key  dnstest.Key

	through string   // where agents reach it; empty: at addr
	each    []string // where each agent does, in the order of their start, in place of through

	bridge string // the server that agents look at, where they write through a program

	extra []string                   // more lines of dns:
	dns   []string                   // lines of dns: in place of those of rfc2136
	env   []string                   // of agents
	texts func(name string) []string // what the provider holds there; nil: dig tells
}

// A cluster is three agents, and one job of theirs that is watched.
type cluster struct {
	t      *testing.T
	at     *place
	job    string
	name   string // of the record
	dir    string
	env    []string // of its agents, beside that of the tests
	file   string   // of agents that are started from now on; empty: solotick.yaml
	agents []*agent
}

// An agent is one process of the program.
type agent struct {
	cmd  *exec.Cmd
	id   string
	log  string        // path of what it logged, one JSON object a line
	done chan struct{} // closed at its end
	dead bool          // killed on purpose
}

// newCluster starts three agents whose job is a command, and waits for the first
// run. extra is more lines of the job's configuration.
func newCluster(t *testing.T, at *place, job string, extra ...string) *cluster {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, at, job)
	c.configure("jobs:\n" + jobText(job, append([]string{"exec: [" + strconv.Quote(self) + "]"}, extra...)...))
	c.launch()
	return c
}

// prepare makes a cluster that has no file and no agents yet.
func prepare(t *testing.T, at *place, job string) *cluster {
	t.Helper()
	c := &cluster{t: t, at: at, job: job, name: job + "." + at.zone, dir: t.TempDir(), env: at.env}
	c.write("key", keyText(at.key))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("runs:\n%s", c.read("runs"))
			for _, a := range c.agents {
				t.Logf("agent %s:\n%s", a.id, tail(a.log, 60))
			}
		}
	})
	return c
}

// keyText is a key as a file has it.
func keyText(k dnstest.Key) string {
	return fmt.Sprintf("key \"%s\" {\n\talgorithm %s;\n\tsecret \"%s\";\n};\n", k.Name, k.Algorithm, k.Secret)
}

// configure writes the agents' file; rest is what follows dns:.
func (c *cluster) configure(rest string) {
	c.t.Helper()
	dns := c.at.dns
	if dns == nil {
		dns = []string{"provider: rfc2136", "server: " + cmp.Or(c.at.through, c.at.addr), "tsig: ${file:" + c.path("key") + "}", "ttl: 1s"}
	}
	if c.at.bridge != "" {
		// What shows the records is then another server than what holds them.
		dns = []string{"provider: command", "class: exact", "command: " + bridgeCommand(c.at, c.path("key")), "name_servers: " + c.at.bridge, "ttl: 60s"}
	}
	dns = append(slices.Concat(dns, c.at.extra), "zone: "+strings.TrimSuffix(c.at.zone, "."))
	c.write("solotick.yaml", "version: 1\ndns:\n  "+strings.Join(dns, "\n  ")+"\n"+rest)
}

// jobText is a job in a file, with the policy of all jobs here and more lines, each
// of which may be several.
func jobText(name string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s:\n", name)
	policy := []string{
		"every: " + interval.String(),
		"lease: " + lease.String(),
		"kill_grace: 0s",
		"skew: " + skew.String(),
		"head_start: " + headStart.String(),
		"spread: " + spread.String(),
		"poll: " + poll.String(),
	}
	if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "every:") }) {
		policy = policy[1:]
	}
	for _, line := range strings.Split(strings.Join(append(policy, lines...), "\n"), "\n") {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	return b.String()
}

// stepsText is steps: of a job.
func stepsText(steps ...string) string {
	return "steps:\n  " + strings.ReplaceAll(strings.Join(steps, "\n"), "\n", "\n  ")
}

// launch starts three agents and waits for the first run.
func (c *cluster) launch() {
	c.t.Helper()
	for range 3 {
		c.start()
	}
	c.await("the first run", 30*time.Second, func() bool { return len(c.ended()) > 0 })
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *cluster) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) read(name string) string {
	text, err := os.ReadFile(c.path(name))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return string(text)
}

// start starts one more agent, which ends with the test at the latest.
func (c *cluster) start() *agent {
	c.t.Helper()
	a := c.spawn()
	c.await("an agent's first log line", 20*time.Second, a.named)
	return a
}

// named says whether the agent has told its name by now.
func (a *agent) named() bool {
	for _, l := range a.lines() {
		if a.id = l.Agent; a.id != "" {
			return true
		}
	}
	return false
}

// spawn is start without waiting for a sign of life.
func (c *cluster) spawn() *agent {
	c.t.Helper()
	a := &agent{log: c.path(fmt.Sprintf("agent%d.log", len(c.agents))), done: make(chan struct{})}
	f, err := os.Create(a.log)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	file := cmp.Or(c.file, "solotick.yaml")
	if n := len(c.agents); n < len(c.at.each) {
		text := strings.ReplaceAll(c.read(file), "server: "+c.at.addr+"\n", "server: "+c.at.each[n]+"\n")
		file = fmt.Sprintf("%d-%s", n, file)
		c.write(file, text)
	}
	a.cmd = exec.Command(program, "run", "-c", c.path(file), "--log-format", "json", "--log-level", "debug")
	a.cmd.Stdout, a.cmd.Stderr = f, f
	a.cmd.Env = append(os.Environ(), jobEnv+"="+c.dir, fmt.Sprintf("E2E_AGENT=%d", len(c.agents)))
	a.cmd.Env = append(a.cmd.Env, c.env...)
	a.cmd.SysProcAttr = endWithParent()
	if err := a.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		a.cmd.Wait()
		close(a.done)
	}()
	c.t.Cleanup(a.kill)
	c.agents = append(c.agents, a)
	return a
}

func (a *agent) kill() {
	a.dead = true
	_ = a.cmd.Process.Kill() // only fails if it has ended
	<-a.done
}

func (a *agent) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := a.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("agent %s: %v: %v", a.id, sig, err)
	}
}

// A logLine is what the tests read of an agent's log.
type logLine struct {
	Level  string `json:"level"`
	Msg    string `json:"msg"`
	Why    string `json:"why"`
	Err    string `json:"err"`
	Agent  string `json:"agent"`
	Job    string `json:"job"`
	Step   string `json:"step"`
	Note   string `json:"note"`
	Result string `json:"result"`
	Passed int    `json:"ticks_passed"`
}

func (a *agent) lines() (all []logLine) {
	text, _ := os.ReadFile(a.log)
	for line := range bytes.Lines(text) {
		var l logLine
		if json.Unmarshal(line, &l) == nil {
			all = append(all, l)
		}
	}
	return all
}

// logged counts the lines of all agents' logs.
func (c *cluster) logged(is func(logLine) bool) (n int) {
	for _, a := range c.agents {
		for _, l := range a.lines() {
			if is(l) {
				n++
			}
		}
	}
	return n
}

// await polls until ok, and fails the test after the limit.
func (c *cluster) await(what string, limit time.Duration, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// A run is what the job itself wrote about one execution.
type run struct {
	tick    int64
	attempt int
	fence   string // empty: unarbitrated
	agent   string
	begin   time.Time
	last    time.Time // the latest sign of life
	ended   bool      // by itself
}

// runs are all executions in the order in which they began.
func (c *cluster) runs() []*run {
	c.t.Helper()
	var all []*run
	by := map[string]*run{}
	for line := range strings.Lines(c.read("runs")) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) != 7 {
			c.t.Fatalf("the job wrote %q", line)
		}
		r := by[f[4]]
		if r == nil {
			r = &run{fence: f[2], agent: f[5]}
			r.tick, _ = strconv.ParseInt(f[0], 10, 64)
			r.attempt, _ = strconv.Atoi(f[1])
			by[f[4]], all = r, append(all, r)
		}
		nanos, err := strconv.ParseInt(f[6], 10, 64)
		if err != nil {
			c.t.Fatalf("the job wrote %q", line)
		}
		r.last = time.Unix(0, nanos)
		switch f[3] {
		case "begin":
			r.begin = r.last
		case "end":
			r.ended = true
		}
	}
	return all
}

func (c *cluster) ended() []*run {
	return slices.DeleteFunc(c.runs(), func(r *run) bool { return !r.ended })
}

// more waits until n more runs have ended.
func (c *cluster) more(n int) {
	c.t.Helper()
	have := len(c.ended())
	c.await(fmt.Sprintf("%d more runs", n), time.Duration(n)*interval+takeover+30*time.Second,
		func() bool { return len(c.ended()) >= have+n })
}

// calm waits until ticks start in time again and every agent has looked since.
func (c *cluster) calm() {
	c.t.Helper()
	c.await("a tick that starts in time", time.Minute, func() bool {
		r := c.last()
		return r.begin.Sub(time.Unix(r.tick, 0)) < interval/4 && time.Since(r.begin) < interval
	})
	c.more(int(poll/interval) + 2)
}

// hang makes the next run go on for ever, waits for its begin, and returns it
// and its agent.
func (c *cluster) hang() (*run, *agent) {
	c.t.Helper()
	c.write("hang", "")
	c.await("a run that hangs", interval+30*time.Second, func() bool {
		_, err := os.Stat(c.path("hang"))
		return os.IsNotExist(err)
	})
	runs := c.runs()
	r := runs[len(runs)-1]
	return r, c.agent(r.agent)
}

func (c *cluster) agent(id string) *agent {
	c.t.Helper()
	for _, a := range c.agents {
		if a.id == id {
			return a
		}
	}
	c.t.Fatalf("no agent is called %q", id)
	return nil
}

// rerun waits for the next attempt of r's tick to begin.
func (c *cluster) rerun(r *run, limit time.Duration) (next *run) {
	c.t.Helper()
	c.await(fmt.Sprintf("attempt %d of tick %d", r.attempt+1, r.tick), limit, func() bool {
		for _, n := range c.runs() {
			if n.tick == r.tick && n.attempt == r.attempt+1 {
				next = n
			}
		}
		return next != nil
	})
	return next
}

// tail is the end of a file, for a test that failed.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
