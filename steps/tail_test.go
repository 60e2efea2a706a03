//go:build linux

package steps_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/steps"
)

// TestTailHoldsNoSecrets: what is kept of what a command printed has neither the
// secrets of its step nor those that the run names, and steps know it as it was.
func TestTailHoldsNoSecrets(t *testing.T) {
	b := newBuilder(t)
	printing := shell(`echo "of the step: $TOKEN, of the file: key%2B1 and key+1, of nobody: key"`)
	check := b.when(`text contains "t0k3n"`, steps.KindExec)
	p := &steps.Plan{Steps: []steps.Step{{Command: &printing, Env: []steps.Field{{Name: "TOKEN", Text: expression.Hidden("t0k3n")}}, Expect: check}}}
	res, err := p.Do(t.Context(), steps.Run{Job: "canary", Tick: first, Secrets: []string{"key+1", "key"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "of the step: ***, of the file: *** and ***, of nobody: key\n"; res.Tail != want {
		t.Errorf("the tail is %q, want %q", res.Tail, want)
	}
}

// TestTailHoldsNoPartOfASecret: a secret that the cut of a long output went through
// leaves no more of itself than three characters.
func TestTailHoldsNoPartOfASecret(t *testing.T) {
	const secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	cuts := 0
	for pad := range 40 {
		printing := shell(fmt.Sprintf(`printf '%%*s%%s%%300s%%s%%*s' %d '' "$TOKEN" '' "$TOKEN" %d ''`, pad, 100+pad))
		printing.MaxTail = 160
		p := &steps.Plan{Steps: []steps.Step{{Command: &printing, Env: []steps.Field{{Name: "TOKEN", Text: expression.Hidden(secret)}}}}}
		res, err := p.Do(t.Context(), steps.Run{Job: "canary", Tick: first})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(res.Tail, "bytes left out") {
			t.Fatalf("nothing is left out of %q", res.Tail)
		}
		for i := range len(secret) - 3 {
			if strings.Contains(res.Tail, secret[i:i+4]) {
				t.Fatalf("%d: a part of the secret in %q", pad, res.Tail)
			}
		}
		cuts += strings.Count(res.Tail, "***")
	}
	if cuts < 40 {
		t.Errorf("only %d places were hidden", cuts)
	}
}

// TestTraceParent: each step's command has the parent that the run gives that step,
// and nothing of a parent that this process has itself.
func TestTraceParent(t *testing.T) {
	t.Setenv("TRACEPARENT", "inherited")
	t.Setenv("TRACESTATE", "inherited")
	say := shell(`echo "$TRACEPARENT|$TRACESTATE"`)
	var got []string
	for _, parent := range []func(int) string{nil, func(i int) string { return fmt.Sprintf("parent%d", i) }} {
		set := newBuilder(t).set("x")
		for n := range 3 { // the tail is the last command's
			all := []steps.Step{{Set: set}, {Command: &say}, {Command: &say}}
			res, err := (&steps.Plan{Steps: all[:n+1]}).Do(t.Context(), steps.Run{Job: "canary", Tick: first, TraceParent: parent})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, res.Tail)
		}
	}
	want := []string{"", "inherited|inherited\n", "inherited|inherited\n", "", "parent1|\n", "parent2|\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	res, err := say.Do(t.Context(), steps.Run{Job: "canary", TraceParent: func(i int) string { return strings.Repeat("p", i+1) }})
	if err != nil || res.Tail != "p|\n" {
		t.Errorf("a command by itself: %q, %v", res.Tail, err)
	}
}

// TestReportsTellWhenStepsBegan in their order, within the run.
func TestReportsTellWhenStepsBegan(t *testing.T) {
	nap := shell("sleep 0.02")
	began := time.Now()
	res, err := (&steps.Plan{Steps: []steps.Step{{Command: &nap}, {Command: &nap}}}).Do(t.Context(), steps.Run{Job: "canary", Tick: first})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Steps {
		if r.Began.Before(began) || r.Began.Add(r.Took).After(time.Now()) {
			t.Errorf("step %s began at %v and took %v", r.Step, r.Began, r.Took)
		}
		began = r.Began.Add(r.Took)
	}
}
