package api

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// TestMetricsPage has docs/metrics.md tell of every metric that there is, with its
// type, and of no other.
func TestMetricsPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Of the observer\n")
	if !ok {
		t.Fatal("it has no section of the observer")
	}
	row := regexp.MustCompile("(?m)^\\| (`[^|]*) \\| (gauge|counter|histogram) \\|")
	name := regexp.MustCompile("`([a-z_]+)")
	var told []string
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		for _, n := range name.FindAllStringSubmatch(m[1], -1) {
			told = append(told, n[1]+" "+m[2])
		}
	}
	z := newZone(t)
	z.put("canary", ended(now(), agentA, record.OK))
	h := watched(t)
	seeGuarded(h, "sealed.example.com", now(), &seal.Ring{Seal: []seal.Key{seal.NewKey([32]byte{1})}}, nil)
	a := serve(t, Config{History: h, Eyes: z.eyes(t), Observer: &monitor.Observer{}, Receive: receive})
	kind := regexp.MustCompile(`(?m)^# TYPE ((?:solotick|probe)_\S+) (\S+)$`)
	var shown []string
	for _, path := range []string{"/metrics", "/probe?target=canary.example.com"} {
		for _, m := range kind.FindAllStringSubmatch(get200(t, a, path), -1) {
			shown = append(shown, m[1]+" "+m[2])
		}
	}
	slices.Sort(told)
	slices.Sort(shown)
	if diff := cmp.Diff(slices.Compact(shown), told); diff != "" {
		t.Errorf("(-shown +told):\n%s", diff)
	}
}
