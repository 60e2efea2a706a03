package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A cost is what one program took, over many runs of it.
type cost struct {
	name string
	argv []string
	wall []time.Duration
	cpu  []time.Duration
	peak int64 // KiB, of all processes of one run the greatest
}

var timed = regexp.MustCompile(`^([0-9.]+) ([0-9.]+) ([0-9]+)$`)

// measure runs the program once, under time(1): what the kernel says of a direct
// child includes the memory of this process.
func (c *cost) measure(ctx context.Context, dir string, env ...string) error {
	report := filepath.Join(dir, "time")
	cmd := exec.CommandContext(ctx, "/usr/bin/time", append([]string{"-f", "%U %S %M", "-o", report}, c.argv...)...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(c.argv, " "), err, out.String())
	}
	text, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	m := timed.FindStringSubmatch(strings.TrimSpace(string(text)))
	if m == nil {
		return fmt.Errorf("time says %q", text)
	}
	user, _ := strconv.ParseFloat(m[1], 64)
	system, _ := strconv.ParseFloat(m[2], 64)
	peak, _ := strconv.ParseInt(m[3], 10, 64)
	c.wall, c.cpu, c.peak = append(c.wall, wall), append(c.cpu, time.Duration((user+system)*1e9)), max(c.peak, peak)
	return nil
}

// etcd starts Debian's etcd and returns its endpoint.
func (b *bench) etcd(ctx context.Context) (endpoint string, stop func(), err error) {
	var urls [2]string
	for i := range urls {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		urls[i] = "http://" + l.Addr().String()
		_ = l.Close()
	}
	cmd := exec.Command("etcd", "--data-dir", filepath.Join(b.dir, "etcd"), "--listen-client-urls", urls[0], "--advertise-client-urls", urls[0],
		"--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1], "--initial-cluster", "default="+urls[1], "--log-level", "error")
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("apt-get install etcd-server: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill() // only fails if it has ended
		_ = cmd.Wait()
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		health := exec.CommandContext(ctx, "etcdctl", "--endpoints", urls[0], "endpoint", "health")
		health.Env = append(os.Environ(), "ETCDCTL_API=3")
		if health.Run() == nil {
			return urls[0], stop, nil
		}
	}
	stop()
	return "", nil, fmt.Errorf("etcd does not become healthy")
}

// lock sets one claim and release, as a whole process, beside etcdctl lock. The
// programs take turns, one round a second: a tick is claimed once.
func (b *bench) lock(ctx context.Context) error {
	endpoint, stop, err := b.etcd(ctx)
	if err != nil {
		return err
	}
	defer stop()
	all := []*cost{{name: "etcdctl lock, etcd", argv: []string{"etcdctl", "--endpoints", endpoint, "lock", "x", "true"}}}
	for _, start := range []func() (*server, error){b.own, b.bind} {
		s, err := start()
		if err != nil {
			return err
		}
		defer s.stop()
		all = append(all, &cost{name: "solotick exec --once, " + s.name, argv: []string{
			b.solotick, "exec", "--once", "--name", "lock", "--every", "1s", "--lease", "15s", "--head-start", "0s", "--spread", "0s",
			"--zone", zoneName, "--server", s.addr, "--tsig-file", s.keyFile, "--", "true",
		}})
	}
	for i := range b.samples + 3 {
		next := time.Now().Truncate(time.Second).Add(time.Second + 20*time.Millisecond)
		if !sleep(ctx, next) {
			return ctx.Err()
		}
		for _, c := range all {
			if err := c.measure(ctx, b.dir, "ETCDCTL_API=3"); err != nil {
				return err
			}
			if i < 3 { // the record is made, and first becomes due
				c.wall, c.cpu = nil, nil
			}
		}
	}
	rows := [][]string{{"", "p50", "p99", "of etcdctl", "CPU", "peak memory"}}
	for _, c := range all {
		rows = append(rows, []string{
			c.name, ms(quantile(c.wall, .5)), ms(quantile(c.wall, .99)), ratio(quantile(c.wall, .5), quantile(all[0].wall, .5)),
			ms(quantile(c.cpu, .5)), mib(c.peak),
		})
	}
	table(fmt.Sprintf("One claim and release of \"true\" as a whole process, %d times", b.samples), rows...)
	return nil
}
