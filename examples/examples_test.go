package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

// TestFile reads the file as an agent would.
func TestFile(t *testing.T) {
	const keyFile = "/etc/solotick/solotick.key"
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("solotick:c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sgLi4="), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("solotick.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse("solotick.yaml", []byte(strings.ReplaceAll(string(data), keyFile, key))); err != nil {
		t.Error(err)
	}
}

func TestFence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fence")
	for _, run := range []struct {
		fence string
		done  bool
	}{
		{"1795413935000", true},
		{"1795413939000", true},
		{"1795413935000", false}, // an earlier claim
		{"1795413939000", true},  // a second step of the same run
		{"", false},              // unarbitrated
		{"1795413939001", true},
	} {
		cmd := exec.Command("./fence.sh", file, "echo", "done")
		cmd.Env = append(os.Environ(), "SOLOTICK_FENCE="+run.fence)
		out, err := cmd.CombinedOutput()
		if done := err == nil && string(out) == "done\n"; done != run.done {
			t.Errorf("fence %q: done is %v, want %v: %s", run.fence, done, run.done, out)
		}
	}
}
