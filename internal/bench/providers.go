package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// said is a line of a test's log.
var said = regexp.MustCompile(`^\s+\w+_test\.go:\d+: (.+)$`)

// providers plays many jobs on one account of each provider, in virtual time and
// against a fake with the vendor's limits: that is a test of the provider's
// package, which says how many requests it took and how long swaps waited.
func (b *bench) providers(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^TestJobs$", "github.com/solotick/solotick/register/...").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test: %w\n%s", err, out)
	}
	var rows [][]string
	var figures []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if m := said.FindStringSubmatch(line); m != nil {
			figures = append(figures, m[1])
		}
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "ok" {
			for _, figure := range figures {
				rows = append(rows, []string{fields[1][strings.LastIndex(fields[1], "/")+1:], figure})
			}
			figures = nil
		}
	}
	table("Jobs of one account, every minute; two swaps a tick, and each agent's Load of every job each ten minutes", rows...)
	return nil
}
