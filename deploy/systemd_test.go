package deploy

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/platformtest"
)

// TestUnits: systemd takes all units, and what runs in them can do little harm.
func TestUnits(t *testing.T) {
	files, err := filepath.Glob("systemd/*.service")
	if err != nil || len(files) != 4 {
		t.Fatalf("units: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text := string(read(t, file))
			u := platformtest.ReadUnit(t, strings.Replace(filepath.Base(file), "@.", "@canary.", 1), text)
			t.Logf("exposure %v: %q", u.Exposure, u.Command)
			if len(u.Command) == 0 || u.Command[0] != "/usr/bin/solotick" {
				t.Errorf("it starts %q", u.Command)
			}
			if strings.Contains(text, "RestartPreventExitStatus=2") {
				t.Error("a Go program that broke down ends with 2, and is to be started again")
			}
		})
	}
}

// Comments are other words.
var comment = regexp.MustCompile(`(?m)^#.*\n`)

// TestUnitOfSeveral: the unit for several agents differs from the one for one agent in
// names only.
func TestUnitOfSeveral(t *testing.T) {
	want := strings.NewReplacer(
		"Description=Solotick agent", "Description=Solotick agent %i",
		"/etc/solotick/solotick.", "/etc/solotick/%i.",
		"StateDirectory=solotick", "StateDirectory=solotick-%i",
		"%S/solotick", "%S/solotick-%i",
	).Replace(comment.ReplaceAllString(Unit, ""))
	if diff := cmp.Diff(want, comment.ReplaceAllString(string(read(t, "systemd/solotick@.service")), "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManifests: Cloud Foundry takes all manifests, and the Procfile has the same
// commands.
func TestManifests(t *testing.T) {
	procfile := string(read(t, "cloudfoundry/Procfile"))
	for _, name := range []string{"manifest.yml", "manifest-http.yml", "manifest-go.yml"} {
		m := platformtest.ReadManifest(t, string(read(t, "cloudfoundry/"+name)))
		app := m.Applications[0]
		if !app.NoRoute || !slices.Contains(app.Services, "solotick") {
			t.Errorf("%s: no-route %v, services %v", name, app.NoRoute, app.Services)
		}
		total := 0
		for _, p := range app.Processes {
			total += *p.Instances
			if line := p.Type + ": " + p.Command; name != "manifest-go.yml" && !strings.Contains(procfile, line+"\n") {
				t.Errorf("%s: the Procfile has no line %q", name, line)
			}
			if !strings.HasPrefix(p.Command, "exec ") {
				t.Errorf("%s: %q leaves a shell between the platform and the agent, which passes no TERM on", name, p.Command)
			}
		}
		if total != 3 {
			t.Errorf("%s: %d instances, want 3", name, total)
		}
	}
}
