package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

// lag measures the time from a tick to the first instruction of its job, with a
// live incumbent, beside a bare UPDATE on the same server in the same run. On
// even seconds a Go function is due, on odd ones a command, and in the middle of
// each second a bare UPDATE is sent.
func (b *bench) lag(ctx context.Context) error {
	rows := [][]string{{"server", "agents", "", "p50", "of UPDATE", "p99"}}
	for _, start := range []func() (*server, error){b.own, b.bind} {
		for _, n := range []int{1, 10} {
			s, err := start()
			if err != nil {
				return err
			}
			m, err := b.lagWith(ctx, s, n)
			s.stop()
			if err != nil {
				return err
			}
			for _, r := range []struct {
				what string
				all  []time.Duration
			}{{"bare UPDATE", m.update}, {"start lag, function", m.function}, {"start lag, command", m.command}} {
				p50 := quantile(r.all, .5)
				rows = append(rows, []string{s.name, fmt.Sprint(n), r.what, ms(p50), ratio(p50, quantile(m.update, .5)), ms(quantile(r.all, .99))})
			}
		}
	}
	table(fmt.Sprintf("Start lag: the job's first instruction minus its tick, %d ticks", b.samples), rows...)
	return nil
}

type lags struct {
	mu                        sync.Mutex
	update, function, command []time.Duration
}

func (b *bench) lagWith(ctx context.Context, s *server, agents int) (*lags, error) {
	m := &lags{}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	if err := m.functions(ctx, s, agents, &wg); err != nil {
		cancel()
		return nil, err
	}
	runs, stop, err := b.commands(s, agents)
	defer stop()
	if err != nil {
		cancel()
		return nil, err
	}
	from := time.Now().Truncate(time.Second).Add(10 * time.Second)
	for i := range 2 * b.samples {
		if !sleep(ctx, from.Add(time.Duration(i)*time.Second+500*time.Millisecond)) {
			return nil, ctx.Err()
		}
		took, err := s.bareUpdate(i)
		if err != nil {
			cancel()
			return nil, err
		}
		m.update = append(m.update, took)
	}
	cancel()
	wg.Wait()
	m.command, err = stamps(runs, from)
	if err == nil && min(len(m.command), len(m.function)) < b.samples*9/10 {
		err = fmt.Errorf("%s, %d agents: %d and %d of %d ticks were run", s.name, agents, len(m.function), len(m.command), b.samples)
	}
	return m, err
}

// functions starts agents in this process, all of one job.
func (m *lags) functions(ctx context.Context, s *server, agents int, wg *sync.WaitGroup) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	look, err := s.lookup()
	if err != nil {
		return err
	}
	every, err := schedule.Every(2*time.Second, 0)
	if err != nil {
		return err
	}
	began := time.Now()
	name := "function." + zoneName
	for range agents {
		reg, err := client.Register(name)
		if err != nil {
			return err
		}
		a := &solotick.Agent{
			Job: solotick.Job{Name: "function", Do: func(_ context.Context, t solotick.Tick) error {
				lag := time.Since(t.Time)
				m.mu.Lock()
				defer m.mu.Unlock()
				if t.Time.Sub(began) > 10*time.Second {
					m.function = append(m.function, lag)
				}
				return nil
			}},
			Policy:   elect.Policy{Schedule: every},
			Register: reg,
			Look: func(ctx context.Context) (register.Snapshot, error) {
				answer, err := look.One(ctx, name)
				return register.Snapshot{Texts: answer.Texts, Time: answer.Time}, err
			},
		}
		wg.Go(func() { _ = a.Run(ctx) }) // it only fails before it begins, on a policy that is constant here
	}
	return nil
}

// commands starts agents as processes, all of one job, and returns the file
// that the job writes.
func (b *bench) commands(s *server, agents int) (runs string, stop func(), err error) {
	dir, err := os.MkdirTemp(b.dir, "lag-*")
	if err != nil {
		return "", func() {}, err
	}
	runs = filepath.Join(dir, "runs")
	file := fmt.Sprintf("version: 1\ndns: { provider: rfc2136, zone: %s, server: %q, tsig: %s }\njobs:\n  command: { every: 2s, offset: 1s, exec: [%s, %s] }\n",
		zoneName, s.addr, s.keyFile, b.stamp, runs)
	path := filepath.Join(dir, "solotick.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		return "", func() {}, err
	}
	var all []*exec.Cmd
	stop = func() {
		for _, cmd := range all {
			_ = cmd.Process.Kill() // only fails if it has ended
			_ = cmd.Wait()
		}
	}
	for range agents {
		cmd := exec.Command(b.solotick, "run", "-c", path, "--log-level", "error")
		cmd.Stderr, cmd.SysProcAttr = os.Stderr, endWithParent()
		if err := cmd.Start(); err != nil {
			return "", stop, err
		}
		all = append(all, cmd)
	}
	return runs, stop, nil
}

// stamps are the lags that the command wrote since the given time.
func stamps(path string, from time.Time) (all []time.Duration, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		tick, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		sec, err1 := strconv.ParseInt(tick, 10, 64)
		nanos, err2 := strconv.ParseInt(at, 10, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("the command wrote %q", line)
		}
		if sec >= from.Unix() {
			all = append(all, time.Duration(nanos-sec*1e9))
		}
	}
	return all, nil
}

// bareUpdate is one signed UPDATE that replaces a TXT record, over a TCP
// connection of its own, and its answer. Nothing else is asked.
func (s *server) bareUpdate(i int) (time.Duration, error) {
	m := new(dns.Msg).SetUpdate(zoneName + ".")
	hdr := dns.RR_Header{Name: "bare." + zoneName + ".", Rrtype: dns.TypeTXT, Class: dns.ClassANY}
	m.Ns = append(m.Ns, &dns.ANY{Hdr: hdr})
	hdr.Class, hdr.Ttl = dns.ClassINET, 60
	m.Ns = append(m.Ns, &dns.TXT{Hdr: hdr, Txt: []string{hex.EncodeToString(fmt.Appendf(nil, "%064d", i))}})
	m.SetTsig(s.key.Name, s.key.Algorithm+".", 300, time.Now().Unix())
	c := dns.Client{Net: "tcp", TsigSecret: map[string]string{s.key.Name: string(s.key.Secret)}}
	began := time.Now()
	r, _, err := c.Exchange(m, s.addr)
	took := time.Since(began)
	if err == nil && r.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("bare UPDATE: %s", dns.RcodeToString[r.Rcode])
	}
	return took, err
}
