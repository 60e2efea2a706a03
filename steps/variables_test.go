package steps

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/notify"
)

var update = flag.Bool("update", false, "rewrite docs/reference/environment.md")

// TestReference keeps the page of what commands are told what the tables say.
func TestReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# The environment of commands\n\n<!-- Generated from the tables of package steps: go test ./steps -run TestReference -update -->\n\n")
	b.WriteString("What a command of a job finds in its environment. It wins over the file's `env:` and the agent's own environment, and none of\n")
	b.WriteString("it is inherited. How a downstream system rejects stale runs by the fence: [fence.sh](../../examples/fence.sh). Traces:\n[monitoring](../monitoring.md#traceparent).\n\n")
	table(&b, slices.Concat(told[:len(told)-1], traced))
	b.WriteString("\n## Under a lock\n\nA command of [`lock` and `elect`](../locks.md#what-the-command-gets) has no tick, and gets these and none of the others.\n\n")
	locked := slices.DeleteFunc(slices.Clone(told), func(v variable) bool { return !v.lock })
	slices.Reverse(locked)
	table(&b, locked)
	b.WriteString("\n## Of a notifier\n\nThe program of a [notifier](../automation.md#notifiers) gets these beside those of its run.\n\n")
	table(&b, alerted)

	const file = "../docs/reference/environment.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), b.String()); diff != "" {
		t.Errorf("%s (-written +tables; go test ./steps -run TestReference -update rewrites it):\n%s", file, diff)
	}
}

func table(b *strings.Builder, all []variable) {
	b.WriteString("| variable | |\n| --- | --- |\n")
	for _, v := range all {
		fmt.Fprintf(b, "| `%s` | %s |\n", v.name, v.doc)
	}
}

// TestTables has commands be told what the tables say, and nothing else.
func TestTables(t *testing.T) {
	t.Parallel()
	names := func(env []string) (all []string) {
		for _, kv := range env {
			if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "SOLOTICK_") || strings.HasPrefix(name, "TRACE") {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		return all
	}
	of := func(tables ...[]variable) (all []string) {
		for _, v := range slices.Concat(tables...) {
			all = append(all, v.name)
		}
		slices.Sort(all)
		return all
	}
	c := &Command{}
	locked := slices.DeleteFunc(slices.Clone(told), func(v variable) bool { return !v.lock })
	var printed strings.Builder
	n := ExecNotifier{Command: Command{Argv: []string{"env"}, Stdout: &printed}}
	if _, err := n.Notify(t.Context(), &notify.Message{Kind: notify.Firing}); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2][]string{
		"a run":      {names(c.environment(Run{TraceParent: func(int) string { return "x" }}, "out")), of(told[:len(told)-1], traced)},
		"a lock":     {names(c.environment(Run{Lock: "deploy.example.com"}, "")), of(locked)},
		"a notifier": {names(strings.Split(printed.String(), "\n")), of(told[:len(told)-1], alerted)},
	} {
		if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
			t.Errorf("%s (-table +environment):\n%s", name, diff)
		}
	}
}
