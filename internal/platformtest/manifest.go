package platformtest

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// A Manifest is what "cf push" applies: the keys of Cloud Foundry's API, version 3,
// "The manifest schema". Those that no manifest here needs are left out, so that one
// that is misspelt is never taken for one of them.
type Manifest struct {
	Version      int           `yaml:"version"`
	Applications []Application `yaml:"applications"`
}

// An Application is one app of a manifest.
type Application struct {
	Name       string            `yaml:"name"`
	Buildpacks []string          `yaml:"buildpacks"`
	Env        map[string]string `yaml:"env"`
	NoRoute    bool              `yaml:"no-route"`
	Services   []string          `yaml:"services"`
	Processes  []Process         `yaml:"processes"`
}

// A Process is one type of process of an app.
type Process struct {
	Type       string `yaml:"type"`
	Command    string `yaml:"command"`
	Instances  *int   `yaml:"instances"`
	Memory     string `yaml:"memory"`
	DiskQuota  string `yaml:"disk_quota"`
	Timeout    int    `yaml:"timeout"`
	Health     string `yaml:"health-check-type"`
	Endpoint   string `yaml:"health-check-http-endpoint"`
	Invocation int    `yaml:"health-check-invocation-timeout"`
}

var (
	quota = regexp.MustCompile(`^[0-9]+(B|K|KB|M|MB|G|GB|T|TB)$`)
	// indirect is what YAML of the API may not have, and what cf replaces by a variable.
	indirect = regexp.MustCompile(`(?m)^[^#"]*(:|-) [&*]\w|\(\(`)
)

// ReadManifest wants a manifest that Cloud Foundry takes.
func ReadManifest(t testing.TB, text string) Manifest {
	t.Helper()
	loader, err := yaml.NewLoader(bytes.NewReader([]byte(text)), yaml.WithKnownFields())
	if err != nil {
		t.Fatal(err)
	}
	var m, second Manifest
	if err := loader.Load(&m); err != nil {
		t.Fatalf("the manifest is not one: %v\n%s", err, text)
	}
	if err := loader.Load(&second); err != io.EOF {
		t.Errorf("there is a second document: %v", err)
	}
	if indirect.MatchString(text) {
		t.Errorf("the manifest has an anchor, an alias or a variable:\n%s", text)
	}
	if m.Version != 1 || len(m.Applications) == 0 {
		t.Errorf("version %d, %d applications", m.Version, len(m.Applications))
	}
	for _, a := range m.Applications {
		if a.Name == "" || strings.HasPrefix(a.Name, "-") || len(a.Buildpacks) == 0 {
			t.Errorf("application %q with buildpacks %q", a.Name, a.Buildpacks)
		}
		types := map[string]bool{}
		for _, p := range a.Processes {
			if types[p.Type] {
				t.Errorf("%s: two processes %q", a.Name, p.Type)
			}
			types[p.Type] = true
			if err := p.check(); err != nil {
				t.Errorf("%s: process %q: %v", a.Name, p.Type, err)
			}
		}
		if !types["web"] {
			t.Errorf("%s has no process of type web: one would be made with a default of its own", a.Name)
		}
	}
	return m
}

// check is what the API refuses, and that only a process of type web gets a port that
// can be asked.
func (p *Process) check() error {
	at, err := url.ParseRequestURI(p.Endpoint)
	switch {
	case p.Type == "" || p.Instances == nil || *p.Instances < 0:
		return fmt.Errorf("instances %v", p.Instances)
	case len(p.Command) < 1 || len(p.Command) > 4096:
		return fmt.Errorf("a command of %d characters", len(p.Command))
	case !quota.MatchString(p.Memory) || !quota.MatchString(p.DiskQuota):
		return fmt.Errorf("memory %q, disk_quota %q", p.Memory, p.DiskQuota)
	case p.Timeout < 0 || p.Invocation < 0:
		return fmt.Errorf("timeout %d, invocation timeout %d", p.Timeout, p.Invocation)
	case p.Health == "process" && p.Endpoint == "" && p.Invocation == 0:
		return nil
	case p.Health == "http" && p.Type == "web" && err == nil && at.Path == p.Endpoint:
		return nil
	}
	return fmt.Errorf("health check %q of %q", p.Health, p.Endpoint)
}
