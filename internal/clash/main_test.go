package clash

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
)

// A part that this binary plays in another process, by the variable that holds its plan.
const (
	agentEnv  = "SOLOTICK_CLASH_AGENT"
	serverEnv = "SOLOTICK_CLASH_SERVER"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(agentEnv) != "":
		play(agentEnv, fight)
	case os.Getenv(serverEnv) != "":
		play(serverEnv, serve)
	default:
		flag.Parse()
		_ = flag.Set("test.parallel", "4") // the servers wait for disks most of the time; the flag exists
		os.Exit(m.Run())
	}
}

// play ends the process with what a part comes to, or when the test is gone, which holds
// the other end of its input.
func play[P any](env string, part func(P) error) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	var plan P
	err := json.Unmarshal([]byte(os.Getenv(env)), &plan)
	if err == nil {
		err = part(plan)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clash:", err)
		os.Exit(1)
	}
}
