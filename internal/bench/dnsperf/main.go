// Command dnsperf sets the zone server beside BIND, in one run on one machine, with dnsperf as the client of both: queries
// by UDP, and signed dynamic updates, which both servers have on disk before they answer.
//
// The servers take turns, so that what else the machine does hits both alike; what is printed is the median of all turns.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/zone"
)

const zoneName = "bench.test"

func main() {
	rounds := flag.Int("rounds", 5, "turns of each server")
	seconds := flag.Int("seconds", 3, "length of one turn")
	serve := flag.String("serve", "", "serve the zone from this directory (the program starts itself so)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *serve != "" {
		err = serveZone(ctx, *serve)
	} else {
		err = compare(ctx, *rounds, *seconds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dnsperf:", err)
		os.Exit(1)
	}
}

// serveZone is the child: the server in a process of its own, as BIND is. It ends with its standard input.
func serveZone(ctx context.Context, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	secret, err := base64.StdEncoding.DecodeString(os.Getenv("BENCH_SECRET"))
	if err != nil {
		return err
	}
	s, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(dir, "data"),
		Zones: []zone.Zone{{Name: zoneName, File: filepath.Join(dir, "zone")}},
		Keys: []zone.Key{{
			Name: "bench", Algorithm: "hmac-sha256", Secret: secret,
			Grants: []zone.Grant{{Name: zoneName, Below: true, Types: []string{"TXT"}}},
		}},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	fmt.Println(s.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return s.Serve(ctx)
}

// startZone starts the child and returns its address.
func startZone(dir, secret string) (addr string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, "-serve", dir)
	cmd.Env = append(os.Environ(), "BENCH_SECRET="+secret)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		in.Close()
		_ = cmd.Wait() // the figures are taken by then
	}
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		stop()
		return "", nil, fmt.Errorf("zone server did not start: %w", err)
	}
	return addr, stop, nil
}

type target struct {
	name, addr string
	queries    []float64 // a second
	updates    []float64 // that were applied, of four clients with 64 under way
	single     []float64 // of one client that waits for each answer
	lost       int       // queries and updates without an answer
}

func compare(ctx context.Context, rounds, seconds int) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	records, err := writeInput(dir)
	if err != nil {
		return err
	}
	key := dnstest.NewKey("bench")
	bindDir := filepath.Join(dir, "bind")
	if err := os.Mkdir(bindDir, 0o700); err != nil {
		return err
	}
	bind, err := dnstest.Start(dnstest.Config{Kind: dnstest.BIND, Dir: bindDir, Zone: zoneName, Keys: []dnstest.Key{key}, Records: records})
	if err != nil {
		return err
	}
	defer bind.Kill()
	addr, stop, err := startZone(dir, key.Secret)
	if err != nil {
		return err
	}
	defer stop()

	targets := []*target{{name: "BIND", addr: bind.Addr}, {name: "solotick zone", addr: addr}}
	for range rounds {
		for _, t := range targets {
			rate, lost, err := run(ctx, t.addr, seconds, "-d", filepath.Join(dir, "queries"), "-c", "4", "-e")
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			t.queries, t.lost = append(t.queries, rate), t.lost+lost
		}
		update := []string{"-u", "-d", filepath.Join(dir, "updates"), "-y", "hmac-sha256:bench:" + key.Secret}
		for _, t := range targets {
			rate, lost, err := run(ctx, t.addr, seconds, append(update, "-c", "4", "-q", "64")...)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			t.updates, t.lost = append(t.updates, rate), t.lost+lost
		}
		for _, t := range targets {
			rate, lost, err := run(ctx, t.addr, seconds, append(update, "-c", "1", "-q", "1")...)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			t.single, t.lost = append(t.single, rate), t.lost+lost
		}
	}
	print(os.Stdout, targets)
	return nil
}

// writeInput writes the zone file, the questions (every tenth for a name that does not exist) and the updates (each swaps
// a TXT record for another) for dnsperf.
func writeInput(dir string) (records []string, err error) {
	var zoneFile, queries, updates bytes.Buffer
	fmt.Fprintf(&zoneFile, "$TTL 60\n@ SOA ns hostmaster 1 60 10 604800 30\n@ NS ns\nns A 127.0.0.1\n")
	for i := range 1000 {
		line := fmt.Sprintf(`n%d TXT "{\"id\":\"VDNDNQNWQY\",\"timer\":1641903970,\"timerold\":1641903910,\"seq\":%d}"`, i, 1641903910000+i)
		records = append(records, line)
		fmt.Fprintln(&zoneFile, line)
		name := fmt.Sprintf("n%d", i)
		if i%10 == 0 {
			name = fmt.Sprintf("no%d", i)
		}
		fmt.Fprintf(&queries, "%s.%s TXT\n", name, zoneName)
		fmt.Fprintf(&updates, "%s\nprohibit u%d TXT\nadd u%d 5 TXT \"{seq:%d}\"\nsend\n", zoneName, i, i, i)
		fmt.Fprintf(&updates, "%s\ndelete u%d TXT\nadd u%d 5 TXT \"{seq:%d}\"\nsend\n", zoneName, i, i, i+1000000)
		fmt.Fprintf(&updates, "%s\ndelete u%d TXT\nsend\n", zoneName, i)
	}
	for name, text := range map[string][]byte{"zone": zoneFile.Bytes(), "queries": queries.Bytes(), "updates": updates.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return records, nil
}

var (
	ratePattern  = regexp.MustCompile(`(?:Queries|Updates) per second:\s+([0-9.]+)`)
	codesPattern = regexp.MustCompile(`NOERROR \d+ \(([0-9.]+)%\)`)
	lostPattern  = regexp.MustCompile(`(?:Queries|Updates) lost:\s+(\d+)`)
)

// run has dnsperf measure one server, and returns answers a second and how many never came. Of updates only those count that
// were applied: one whose prerequisite fails costs no server a write.
func run(ctx context.Context, addr string, seconds int, args ...string) (rate float64, lost int, err error) {
	host, port, _ := strings.Cut(addr, ":")
	args = append([]string{"-s", host, "-p", port, "-l", strconv.Itoa(seconds), "-T", "1"}, args...)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "dnsperf", args...).CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("dnsperf: %w\n%s", err, out)
	}
	r, l := ratePattern.FindSubmatch(out), lostPattern.FindSubmatch(out)
	if r == nil || l == nil {
		return 0, 0, fmt.Errorf("dnsperf's report is not understood:\n%s", out)
	}
	if rate, err = strconv.ParseFloat(string(r[1]), 64); err != nil {
		return 0, 0, err
	}
	if c := codesPattern.FindSubmatch(out); c != nil && slices.Contains(args, "-u") {
		share, err := strconv.ParseFloat(string(c[1]), 64)
		if err != nil {
			return 0, 0, err
		}
		rate *= share / 100
	}
	lost, err = strconv.Atoi(string(l[1]))
	return rate, lost, err
}

func print(w io.Writer, targets []*target) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "median of %d\tqueries/s\tdurable updates/s\tone by one\tunanswered\t\n", len(targets[0].queries))
	for _, t := range targets {
		fmt.Fprintf(tw, "%s\t%.0f\t%.0f\t%.0f\t%d\t\n", t.name, median(t.queries), median(t.updates), median(t.single), t.lost)
	}
	a, b := targets[0], targets[1]
	fmt.Fprintf(tw, "ratio\t%.2f\t%.2f\t%.2f\t\t\n", median(b.queries)/median(a.queries), median(b.updates)/median(a.updates),
		median(b.single)/median(a.single))
	tw.Flush()
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
