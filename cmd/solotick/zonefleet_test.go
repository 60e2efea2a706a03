package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/zone"
)

// zoneServer starts the embedded server for t.test, and returns the section dns of a
// file that has the key to all of it.
func zoneServer(t *testing.T) string {
	t.Helper()
	key := dnstest.NewKey("agents")
	secret, err := base64.StdEncoding.DecodeString(key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: t.TempDir(), Zones: []zone.Zone{{Name: "t.test"}},
		Keys: []zone.Key{{Name: key.Name, Algorithm: key.Algorithm, Secret: secret, Grants: []zone.Grant{{Name: "t.test", Below: true, Types: []string{"TXT"}}}}},
		Log:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Setenv("TEST_TSIG", key.Algorithm+":"+key.Name+":"+key.Secret)
	return fmt.Sprintf("dns: { provider: rfc2136, zone: t.test, server: %q, tsig: \"${env:TEST_TSIG}\", ttl: 1s }\n", s.Addr())
}

// A crewman is one agent process of a test: a fleet of its own in this one, over a
// register and a look that can fail.
type crewman struct {
	t     *testing.T
	fleet *fleet
	log   logBuffer
	desk  *desk
	end   context.CancelFunc
	over  chan int

	noRegister, noDNS atomic.Bool
	swap              atomic.Int32 // what becomes of the next swap
}

// What becomes of a swap.
const (
	asUsual int32 = iota
	replyLost
	refusedAsConflict
)

var errCut = errors.New("cut off by the test")

// A cut is a crewman's way to a register.
type cut struct {
	register.Register
	c *crewman
}

func (r cut) Load(ctx context.Context) (register.Snapshot, error) {
	if r.c.noRegister.Load() {
		return register.Snapshot{}, errCut
	}
	return r.Register.Load(ctx)
}

func (r cut) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if r.c.noRegister.Load() {
		return register.Snapshot{}, errCut
	}
	switch r.c.swap.Swap(asUsual) {
	case refusedAsConflict:
		return register.Snapshot{}, register.ErrConflict
	case replyLost:
		if _, err := r.Register.Swap(ctx, old, texts); err != nil {
			return register.Snapshot{}, err
		}
		return register.Snapshot{}, fmt.Errorf("no reply: %w", register.ErrUncertain)
	}
	return r.Register.Swap(ctx, old, texts)
}

// enlist starts an agent for a file, given as a text. Its metrics are in its desk,
// which nobody can ask by HTTP.
func enlist(t *testing.T, id, text string, furnish ...func(*crewman)) *crewman {
	t.Helper()
	conf, err := config.Parse(id, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c := &crewman{t: t, over: make(chan int, 1)}
	log := slog.New(slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.fleet = newFleet(id, log, io.Discard, io.Discard)
	c.fleet.grace = conf.Agent.Grace
	c.desk = newDesk(id)
	f, d := c.fleet, c.desk
	f.observe, f.finish, f.forget = append(f.observe, d.see), append(f.finish, d.ran), append(f.forget, d.forget)
	a := &app{stdout: io.Discard, stderr: io.Discard, env: os.Getenv}
	if err := a.outlets(conf, f, d, log); err != nil {
		t.Fatal(err)
	}
	for _, one := range furnish {
		one(c)
	}
	svc, err := openService(conf.DNS)
	if err != nil {
		t.Fatal(err)
	}
	to, err := svc.connect()
	if err != nil {
		t.Fatal(err)
	}
	f.svc = svc
	f.hide(conf, svc)
	var members []member
	for _, j := range conf.Jobs {
		members = append(members, memberOf(conf, j, svc))
	}
	crews, err := f.prepare(members, func(m member) (register.Register, look, error) {
		reg, look, err := to(m)
		dns := func(ctx context.Context) (register.Snapshot, error) {
			if c.noDNS.Load() {
				return register.Snapshot{}, errCut
			}
			return look(ctx)
		}
		return cut{reg, c}, dns, err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.end = cancel
	f.apply(ctx, crews)
	go func() { c.over <- f.keep(ctx, signals{}, func(bool) []*crew { return nil }) }()
	t.Cleanup(c.leave)
	return c
}

// leave ends the agent, as TERM would.
func (c *crewman) leave() {
	c.end()
	select {
	case n := <-c.over:
		c.over <- n
	case <-time.After(60 * time.Second):
		c.t.Error("the agent does not end")
	}
	if c.t.Failed() {
		c.t.Log(c.log.String())
	}
}

// metric is the sum of all series of a name that have these labels, name and value in
// turn; of a histogram the number of what was observed. found says whether there are any.
func (d *desk) metric(t *testing.T, name string, labels ...string) (sum float64, found bool) {
	t.Helper()
	families, err := d.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "solotick_"+name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				has := false
				for _, l := range m.GetLabel() {
					has = has || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !has {
					continue series
				}
			}
			found = true
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum, found
}

func (c *crewman) metric(name string, labels ...string) (float64, bool) {
	c.t.Helper()
	return c.desk.metric(c.t, name, labels...)
}

func (c *crewman) value(name string, labels ...string) float64 {
	c.t.Helper()
	v, _ := c.metric(name, labels...)
	return v
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// operate does something to a job as an operator, and returns what was said.
func operate(t *testing.T, text, job string, do func(context.Context, site) (told, error)) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "solotick.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, env: func(string) string { return "" }}
	sites, svc, err := a.sites(file, []string{job})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.close()
	what, err := do(t.Context(), sites[0])
	if err != nil {
		t.Fatal(err)
	}
	return what.text
}
