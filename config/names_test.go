package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/config"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text      string
		jobs, notifiers []string
		fails           bool
	}{
		{name: "both", text: "notify: {ops: {slack: {}}}\njobs:\n  b: {every: 60s}\n  a: {}\n", jobs: []string{"b", "a"}, notifiers: []string{"ops"}},
		{name: "secrets are not read", text: "dns: {tsig: '${file:/nowhere}'}\njobs: {a: {}}\n", jobs: []string{"a"}},
		{name: "an unknown key", text: "jbos: {}\njobs: {a: {}}\n", jobs: []string{"a"}},
		{name: "jobs of another form", text: "jobs: [a, b]\n"},
		{name: "empty"},
		{name: "no YAML", text: "jobs: {a", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "solotick.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			jobs, notifiers, err := config.Names(path)
			if (err != nil) != tt.fails {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.jobs, jobs) + cmp.Diff(tt.notifiers, notifiers); diff != "" {
				t.Error(diff)
			}
		})
	}
}
