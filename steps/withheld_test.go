//go:build linux

package steps_test

import (
	"strings"
	"testing"

	"github.com/solotick/solotick/steps"
)

// TestWithheld: a variable of the agent that is withheld is nobody's, unless the
// command has it of its own; all others are inherited.
func TestWithheld(t *testing.T) {
	t.Setenv("WITHHELD", "of the agent")
	t.Setenv("WITHHELD_NOT", "inherited")
	for _, lock := range []string{"", "lock.example.com"} {
		c := shell("env")
		run := steps.Run{Job: "job", Lock: lock, Withheld: []string{"WITHHELD"}}
		r, err := c.Do(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(r.Tail, "of the agent") || !strings.Contains(r.Tail, "WITHHELD_NOT=inherited\n") {
			t.Errorf("inherited %s", r.Tail)
		}
		c.Env = []string{"WITHHELD=of the job"}
		if r, err = c.Do(t.Context(), run); err != nil || !strings.Contains(r.Tail, "WITHHELD=of the job\n") {
			t.Errorf("error %v, inherited %s", err, r.Tail)
		}
	}
}
