package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// size tells the size of the binary and how long it takes to start.
func (b *bench) size(ctx context.Context) error {
	info, err := os.Stat(b.solotick)
	if err != nil {
		return err
	}
	version := &cost{name: "solotick version", argv: []string{b.solotick, "version"}}
	for range b.samples {
		if err := version.measure(ctx, b.dir); err != nil {
			return err
		}
	}
	table("Binary",
		[]string{"size, stripped, without cgo", fmt.Sprintf("%.1f MiB", float64(info.Size())/(1<<20))},
		[]string{"start-up (solotick version)", ms(quantile(version.wall, .5)) + " p50, " + ms(quantile(version.wall, .99)) + " p99"},
		[]string{"peak memory of that", mib(version.peak)},
	)
	return nil
}

// memory tells what an idle agent holds, and what it costs to be idle.
func (b *bench) memory(ctx context.Context) error {
	rows := [][]string{{"jobs", "resident", "aim", "at most so far", "CPU, a minute idle"}}
	for _, t := range []struct {
		jobs int
		aim  string
	}{{1, "20 MiB"}, {100, "30 MiB"}, {2000, "60 MiB"}} {
		row, err := b.memoryOf(ctx, t.jobs, t.aim, " { every: 1h, exec: [\"true\"] }\n")
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	api := newAPI()
	defer api.Close()
	row, err := b.memoryOf(ctx, 1000, "none", strings.NewReplacer("%s/", api.URL+"/", "%s", "1h").Replace(threeSteps))
	if err != nil {
		return err
	}
	row[0] += " of 3 steps"
	table("Resident memory of an agent whose jobs are due every hour, two minutes after its start", append(rows, row)...)
	return nil
}

// memoryOf measures an agent with so many jobs that have the given text.
func (b *bench) memoryOf(ctx context.Context, jobs int, aim, text string) ([]string, error) {
	s, err := b.own()
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var file strings.Builder
	fmt.Fprintf(&file, "version: 1\ndns: { provider: rfc2136, zone: %s, server: %q, tsig: %s }\n", zoneName, s.addr, s.keyFile)
	file.WriteString("notify: { ops: { webhook: { url: \"http://127.0.0.1:9/\" } } }\njobs:\n")
	for i := range jobs {
		fmt.Fprintf(&file, "  job%d:%s", i, text)
	}
	path := filepath.Join(b.dir, fmt.Sprintf("%d.yaml", jobs))
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(b.solotick, "run", "-c", path, "--log-level", "warn")
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, endWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill() // only fails if it has ended
		_ = cmd.Wait()
	}()
	if !sleep(ctx, time.Now().Add(time.Minute)) {
		return nil, ctx.Err()
	}
	before, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if !sleep(ctx, time.Now().Add(time.Minute)) {
		return nil, ctx.Err()
	}
	after, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	now, peak, err := residentOf(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	return []string{strconv.Itoa(jobs), mib(now), aim, mib(peak), ms(after - before)}, nil
}

// residentOf is a process's resident memory in KiB, now and at most (proc(5)).
func residentOf(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		for name, v := range map[string]*int64{"VmRSS:": &now, "VmHWM:": &peak} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				if *v, err = strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err != nil {
					return 0, 0, err
				}
			}
		}
	}
	return now, peak, nil
}

// cpuOf is the processor time that a process has used (proc(5), in hundredths
// of a second).
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err
}
