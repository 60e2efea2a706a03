package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/seal"
	"github.com/solotick/solotick/zone"
)

const (
	demoZone  = "demo.test"
	demoJob   = "hello"
	demoGrace = 2 * time.Second
)

// demoPolicy is that of the defaults, scaled so that a takeover can be waited
// for.
const demoPolicy = `    lease: 3s
    kill_grace: 0s
    skew: 500ms
    head_start: 300ms
    spread: 300ms
    catch_up: all
    output: quiet
`

type demoFlags struct {
	agents      int
	every, last time.Duration
	chaos       bool
	sealed      bool
}

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: three agents, one record, a kill and a takeover",
		Long: `Start a DNS server and some agents on this machine, each a process of its own, with
a job every few seconds. See who runs it, how one agent is killed amid a run, and
how another one takes over. Ctrl-C prints what became of every tick. Needs no
account, no file and no root, and leaves nothing behind.`,
		Example: "  solotick demo\n  solotick demo --agents 5 --every 3s --chaos\n  solotick demo --for 30s",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case f.agents < 1 || f.agents > 9:
				return usage("--agents %d: want 1 to 9", f.agents)
			case f.every < 2*time.Second || f.every%time.Second != 0:
				return usage("--every %v: want whole seconds, at least 2s", f.every)
			case f.last < 0:
				return usage("--for %v: want a time from now", f.last)
			}
			return a.demo(cmd.Context(), f)
		},
	}
	c.Flags().IntVar(&f.agents, "agents", 3, "how many agents")
	c.Flags().DurationVar(&f.every, "every", 4*time.Second, "the job's interval")
	c.Flags().DurationVar(&f.last, "for", 0, "end after this time (default: at Ctrl-C)")
	c.Flags().BoolVar(&f.sealed, "sealed", false, "seal and sign the record, so that nobody reads or forges it without the keys")
	c.Flags().BoolVar(&f.chaos, "chaos", false, "go on killing and freezing agents and restarting the DNS server")
	return c
}

// demoJobCommand is the demo's job.
func (a *app) demoJobCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo-job FILE TIME", Hidden: true, Args: exactly("FILE", "TIME"),
		RunE: func(_ *cobra.Command, args []string) error {
			takes, err := time.ParseDuration(args[1])
			if err != nil {
				return usage("%w", err)
			}
			return demoWork(args[0], takes, a.env)
		},
	}
}

// A demo is one showing. Its methods are for one goroutine.
type demo struct {
	flags  demoFlags
	dir    string
	self   string // path of this program
	view   *demoView
	zone   zone.Config
	server *zone.Server
	agents []*demoAgent
	runs   demoRuns
	trouble
}

// A demoAgent is an agent: a process of its own, in a lane of the view.
type demoAgent struct {
	lane int
	cmd  *exec.Cmd
	done chan struct{} // closed at its end
	dead bool          // it was told to end, or killed
}

func (a *app) demo(ctx context.Context, f demoFlags) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "solotick-demo-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, sig := a.signals(ctx)
	defer sig.stop()
	if f.last > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.last)
		defer cancel()
	}
	d := &demo{
		flags: f, dir: dir, self: self, view: a.newDemoView(f),
		runs: demoRuns{path: filepath.Join(dir, "runs")}, trouble: trouble{hit: map[int64]bool{}},
	}
	defer d.kill()
	if err := d.start(); err != nil {
		return fmt.Errorf("the demo does not start: %w", err)
	}
	if err := d.play(ctx); err != nil {
		return err
	}
	if n := d.stop(sig.again); n != 0 {
		return exit(128 + n)
	}
	return d.tally()
}

// start starts the server and the agents.
func (d *demo) start() error {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	d.zone = zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(d.dir, "zone"),
		Zones: []zone.Zone{{Name: demoZone}}, Log: slog.New(slog.DiscardHandler),
		Keys: []zone.Key{{
			Name: "demo", Algorithm: "hmac-sha256", Secret: secret,
			Grants: []zone.Grant{{Name: demoJob + "." + demoZone, Types: []string{"TXT"}}},
		}},
	}
	if err := d.serve(); err != nil {
		return err
	}
	d.zone.Listen[0] = d.server.Addr() // a restart is on the same port
	file := strings.Join([]string{
		"version: 1", "dns:", "  provider: rfc2136", "  zone: " + demoZone, "  server: " + d.server.Addr(),
		"  tsig: " + strconv.Quote(filepath.Join(d.dir, "key")), "  ttl: 1s", "agent:", "  grace: " + demoGrace.String(), d.protection(),
		"jobs:", "  " + demoJob + ":", "    every: " + d.flags.every.String(),
		"    exec: [" + strconv.Quote(d.self) + ", demo-job, " + strconv.Quote(d.runs.path) + ", " + d.flags.work().String() + "]", demoPolicy,
	}, "\n")
	key := fmt.Sprintf("key \"demo\" {\n\talgorithm hmac-sha256;\n\tsecret %q;\n};\n", base64.StdEncoding.EncodeToString(secret))
	files := map[string]string{"key": key, "solotick.yaml": file}
	if d.flags.sealed {
		files["seal"], files["sign"] = seal.NewKey(randomSecret()).Secret(), seal.NewSigningKey(randomSecret()).Secret()
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for lane := range d.flags.agents {
		d.agents = append(d.agents, nil)
		if err := d.startAgent(lane); err != nil {
			return err
		}
	}
	d.view.intro(d.server.Addr())
	return nil
}

// protection is what the file says of keys.
func (d *demo) protection() string {
	if !d.flags.sealed {
		return ""
	}
	from := func(name string) string { return strconv.Quote("${file:" + filepath.Join(d.dir, name) + "}") }
	return "seal: { keys: [" + from("seal") + "] }\nsign: { key: " + from("sign") + " }"
}

// work is how long a run takes.
func (f demoFlags) work() time.Duration { return min(f.every/4, time.Second) }

func (d *demo) serve() (err error) {
	if d.server, err = zone.Open(d.zone); err != nil {
		return err
	}
	go d.server.Serve(context.Background()) // until it is closed
	return nil
}

func (d *demo) startAgent(lane int) error {
	log, err := os.OpenFile(d.log(lane), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	a := &demoAgent{lane: lane, done: make(chan struct{})}
	a.cmd = exec.Command(d.self, "run", "-c", filepath.Join(d.dir, "solotick.yaml"), "--log-format", "text")
	a.cmd.Stdout, a.cmd.Stderr, a.cmd.Dir = log, log, d.dir
	// Its temporary files go where they are removed even if it is killed.
	a.cmd.Env = append(os.Environ(), demoLane+"="+strconv.Itoa(lane), "TMPDIR="+d.dir)
	a.cmd.SysProcAttr = endWithParent()
	if err := a.cmd.Start(); err != nil {
		return err
	}
	d.agents[lane] = a
	go func() {
		_ = a.cmd.Wait() // its log tells
		close(a.done)
	}()
	return nil
}

func (d *demo) log(lane int) string { return filepath.Join(d.dir, fmt.Sprintf("agent%d.log", lane+1)) }

// play shows what happens until ctx ends.
func (d *demo) play(ctx context.Context) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-look.C:
			if err := d.runs.read(); err != nil {
				return err
			}
			d.view.show(&d.runs, now)
			if d.view.err != nil { // nobody is there to press Ctrl-C
				return fmt.Errorf("the demo is over, as nobody can see it: %w", d.view.err)
			}
			if err := d.stir(now); err != nil {
				return err
			}
			if err := d.fallen(); err != nil {
				return err
			}
		}
	}
}

// fallen finds an agent that ended though nobody wanted it to.
func (d *demo) fallen() error {
	for _, a := range d.agents {
		select {
		case <-a.done:
			if !a.dead {
				text, _ := os.ReadFile(d.log(a.lane))
				return fmt.Errorf("agent %d ended by itself:\n%s", a.lane+1, text)
			}
		default:
		}
	}
	return nil
}

// stop has every agent end in its own way, and shows what they did until then.
// It returns the number of a signal that does not want to wait for that.
func (d *demo) stop(again <-chan int) int {
	for _, a := range d.agents {
		if !a.dead {
			a.dead = true
			_ = thaw(a.cmd.Process)
			_ = terminate(a.cmd.Process)
		}
	}
	late := time.After(demoGrace + 3*time.Second)
	for _, a := range d.agents {
		select {
		case <-a.done:
		case <-late:
		case n := <-again:
			return n
		}
	}
	if d.runs.read() == nil {
		d.view.show(&d.runs, time.Now())
	}
	d.view.status("")
	return 0
}

// kill ends whatever is left.
func (d *demo) kill() {
	for _, a := range d.agents {
		if a != nil {
			a.dead = true
			_ = a.cmd.Process.Kill() // only fails if it has ended
			<-a.done
		}
	}
	if d.server != nil {
		_ = d.server.Close() // its database goes, too
	}
}

var errDemo = errors.New("the demo went wrong")

// tally tells what became of every tick.
func (d *demo) tally() error {
	t := d.runs.tally(d.flags.every, d.hit)
	d.view.tally(t)
	if t.missed > 0 || t.twice > 0 {
		return &failure{code: exitFailed, err: fmt.Errorf("%w: %d ticks missed, %d run twice without a cause", errDemo, t.missed, t.twice)}
	}
	return nil
}
