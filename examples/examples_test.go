package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

const keyFile = "/etc/solotick/solotick.key"

// TestFiles reads every file that the texts show as an agent would.
func TestFiles(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("solotick:c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sgLi4="), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml := regexp.MustCompile("(?ms)^```yaml\n(version: .*?)^```")
	for _, name := range []string{"solotick.yaml", "../README.md", "../docs/guide.md", "../docs/automation.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts := [][]string{{"", string(data)}}
		if filepath.Ext(name) == ".md" {
			texts = yaml.FindAllStringSubmatch(string(data), -1)
		}
		if len(texts) == 0 {
			t.Errorf("%s shows no file", name)
		}
		for _, text := range texts {
			if !strings.Contains(text[1], keyFile) {
				t.Errorf("%s: a file without %s", name, keyFile)
			}
			if _, err := config.Parse(name, []byte(strings.ReplaceAll(text[1], keyFile, key))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestObserverFiles reads the files in the page about observers, of which not all
// have a key.
func TestObserverFiles(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("solotick:c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sgLi4="), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLACK_TOKEN", "xoxb-1-2")
	t.Setenv("HC_UUID", "6bd8")
	data, err := os.ReadFile("../docs/deadman.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := regexp.MustCompile("(?ms)^```yaml\n(version: .*?)^```").FindAllStringSubmatch(string(data), -1)
	if len(texts) != 2 {
		t.Errorf("docs/deadman.md shows %d files, want 2", len(texts))
	}
	for _, text := range texts {
		if _, err := config.Parse("docs/deadman.md", []byte(strings.ReplaceAll(text[1], keyFile, key))); err != nil {
			t.Errorf("docs/deadman.md: %v", err)
		}
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
