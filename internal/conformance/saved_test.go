package conformance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
)

func TestSaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "solotick")
	if _, err := Find(dir, "route53", "example.com", "agent"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "route53 in example.com") {
		t.Errorf("before: %v, want that there is none", err)
	}
	when := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	first := Saved{Provider: "route53", Zone: "Example.com.", Account: "agent", When: when, Version: "1.2.3", Class: register.Exact, Passed: true}
	second := first
	second.Account, second.Passed = "other", false
	for _, s := range []Saved{second, first, {Provider: "cloudflare", Zone: "example.com", When: when}} {
		if err := Save(dir, s); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Find(dir, "route53", "EXAMPLE.com", "agent")
	first.Zone = "example.com"
	if diff := cmp.Diff(first, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if got, err = Find(dir, "route53", "example.com", "other"); err != nil || got.Passed {
		t.Errorf("%+v, %v, want one that has not passed", got, err)
	}

	// A later one takes its place, and nothing else is left.
	first.Passed, first.When = false, when.Add(time.Hour)
	if err := Save(dir, first); err != nil {
		t.Fatal(err)
	}
	if got, err = Find(dir, "route53", "example.com", "agent"); err != nil || got.Passed || !got.When.Equal(first.When) {
		t.Errorf("%+v, %v, want the later one", got, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("%v, %v, want 3 files", files, err)
	}
}

func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	s := Saved{Provider: "route53", Zone: "example.com", When: time.Now(), Passed: true}
	for name, text := range map[string]string{
		"empty": "", "no JSON": "passed", "half of it": `{"schema":"solotick.conformance-result/v1","provider":"rou`,
		"another schema":   `{"schema":"solotick.conformance-result/v2","provider":"route53","zone":"example.com","when":"2026-11-26T14:00:00Z","passed":true}`,
		"another zone":     `{"schema":"solotick.conformance-result/v1","provider":"route53","zone":"example.org","when":"2026-11-26T14:00:00Z","passed":true}`,
		"another provider": `{"schema":"solotick.conformance-result/v1","zone":"example.com","when":"2026-11-26T14:00:00Z","passed":true}`,
		"without a time":   `{"schema":"solotick.conformance-result/v1","provider":"route53","zone":"example.com","passed":true}`,
	} {
		if err := os.WriteFile(s.path(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Find(dir, "route53", "example.com", "")
		if !errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), s.path(dir)) || got.Passed {
			t.Errorf("%s: %+v, error %v, want damaged, with the path", name, got, err)
		}
		if err := Save(dir, s); err != nil {
			t.Errorf("%s: it is not replaced: %v", name, err)
		}
		if got, err := Find(dir, "route53", "example.com", ""); err != nil || !got.Passed {
			t.Errorf("%s: afterwards: %+v, %v", name, got, err)
		}
	}
}

func TestSaveFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Save(filepath.Join(file, "below"), Saved{}); err == nil || !strings.Contains(err.Error(), "conformance: save: ") {
		t.Errorf("error %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(Saved{}.path(dir), 0o700); err != nil { // a folder in its place
		t.Fatal(err)
	}
	if err := Save(dir, Saved{}); err == nil {
		t.Error("saved in the place of a folder")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left: %v, %v", files, err)
	}
}

func TestStateDir(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"STATE_DIRECTORY": "/var/lib/solotick", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/var/lib/solotick"},
		{map[string]string{"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"},
		{map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/solotick"},
		{map[string]string{"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/solotick"},
		{map[string]string{"HOME": "/h"}, "/h/.local/state/solotick"},
		{nil, ""},
	} {
		got, err := StateDir(func(name string) string { return c.env[name] })
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, error %v, want %q", c.env, got, err, c.want)
		}
	}
}
