package containertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is solotick as the Dockerfile builds it, and job the command of package job.
var program, job string

func TestMain(m *testing.M) {
	if text := os.Getenv(boxEnv); text != "" {
		enter(text)
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "solotick-container-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program, job = filepath.Join(dir, "solotick"), filepath.Join(dir, "job")
	for to, from := range map[string]string{program: "../../cmd/solotick", job: "./job"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, from)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
