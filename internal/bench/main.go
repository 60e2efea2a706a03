// Command bench measures what Solotick costs, beside other programs in the same
// run where there are any: start lag beside a bare UPDATE, writes and questions
// for each tick, one claim and release beside etcdctl lock, memory, start-up time
// and size.
//
// It builds the program, starts DNS servers and etcd on loopback, and prints
// tables. Nothing else should run on the machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/solotick/solotick/steps"
)

// A bench is one run of the program.
type bench struct {
	dir      string
	solotick string // the built program
	stamp    string // the built job
	samples  int
}

func main() {
	if steps.IsGuard() {
		os.Exit(steps.GuardMain())
	}
	only := flag.String("only", "", "run only the parts whose names match: lag, writes, lock, memory, size, automation, providers, serve")
	samples := flag.Int("samples", 60, "ticks for each start lag, and runs of each program")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, match, *samples)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only *regexp.Regexp, samples int) error {
	dir, err := os.MkdirTemp("", "solotick-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, solotick: filepath.Join(dir, "solotick"), stamp: filepath.Join(dir, "stamp"), samples: samples}
	for path, pkg := range map[string]string{b.solotick: "cmd/solotick", b.stamp: "internal/bench/stamp"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/solotick/solotick/"+pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	fmt.Printf("%s, %d CPUs, %s/%s, %s\n", time.Now().UTC().Format(time.DateTime), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"size", b.size}, {"lock", b.lock}, {"memory", b.memory}, {"writes", b.writes}, {"lag", b.lag}, {"automation", b.automation}, {"providers", b.providers}, {"serve", b.serve},
	} {
		if !only.MatchString(part.name) {
			continue
		}
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// table prints rows in columns, under a title.
func table(title string, rows ...[]string) {
	fmt.Printf("\n%s\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "  %s\n", strings.Join(r, "\t"))
	}
	w.Flush()
}

// quantile is the smallest sample that the given part of all does not exceed.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

func ratio(a, b time.Duration) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}

func mib(kib int64) string { return fmt.Sprintf("%.1f MiB", float64(kib)/1024) }

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, until time.Time) bool {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
