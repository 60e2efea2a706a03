package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const top = "../.."

// program is the built solotick.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "solotick-deploy-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "solotick")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/solotick")
	cmd.Dir = top
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// solotick runs the program, with nothing of this machine's environment but env.
func solotick(t *testing.T, env []string, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append([]string{"PATH=/nowhere"}, env...)
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("solotick %q: %w\n%s", args, err, errs.String())
	}
	return out.String(), err
}
