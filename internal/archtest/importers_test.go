package archtest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bring is what a program gets that imports a package meant for it: modules beside
// this one, and whether packages of the standard library that cost or open something
// are among it.
var bring = map[string]struct {
	modules []string
	net     bool // the package is for HTTP, or its adapted library is
}{
	".":               {[]string{"golang.org/x/sys"}, false},
	"fence":           {nil, false},
	"fence/httpfence": {nil, true},
	"ready":           {[]string{"golang.org/x/sys"}, true},
	"adapter/gocron": {
		[]string{"github.com/go-co-op/gocron/v2", "github.com/google/uuid", "github.com/jonboulle/clockwork", "github.com/robfig/cron/v3", "golang.org/x/sys"}, true,
	},
	"adapter/cron": {[]string{"github.com/robfig/cron/v3", "golang.org/x/sys"}, false},
}

// TestImportersPay holds what importers of the library and of each adapter get: no
// provider, server or page, and of other modules those that it is about.
func TestImportersPay(t *testing.T) {
	goFiles(t) // a cached result of this test is a right one
	for dir, want := range bring {
		modules, packages := depsOf(t, filepath.Join(top, dir))
		if !slices.Equal(modules, want.modules) {
			t.Errorf("whoever imports %s gets the modules %q, want %q", dir, modules, want.modules)
		}
		for _, p := range packages {
			if p == "net" && !want.net {
				t.Errorf("whoever imports %s gets package net", dir)
			}
			if own, ok := ownDir(p); ok && within(own, []string{"zone", "lookup", "monitor", "config", "steps", "notify", "cmd", "register/rfc2136", "register/route53", "register/ballot", "internal/web"}) {
				t.Errorf("whoever imports %s gets %s", dir, own)
			}
		}
	}
	// The adapter for client-go is a module of its own: this one does not name it.
	modules, packages := depsOf(t, filepath.Join(top, "adapter/leaselock"))
	if !slices.Contains(modules, "k8s.io/client-go") || len(modules) > 60 {
		t.Errorf("whoever imports adapter/leaselock gets the modules %q", modules)
	}
	if slices.Contains(packages, mdns) {
		t.Error("whoever imports adapter/leaselock gets a DNS library")
	}
	all, err := goList(top, "list", "-m", "all")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all {
		if strings.HasPrefix(line, "k8s.io/client-go ") {
			t.Errorf("this module needs %s", line)
		}
	}
}

func depsOf(t *testing.T, dir string) (modules, packages []string) {
	t.Helper()
	lines, err := goList(dir, "list", "-deps", "-f", "{{.ImportPath}} {{with .Module}}{{.Path}}{{end}}", ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		p, m, _ := strings.Cut(line, " ")
		packages = append(packages, p)
		if m != "" && m != module && m != module+"/adapter/leaselock" {
			modules = append(modules, m)
		}
	}
	slices.Sort(modules)
	return slices.Compact(modules), packages
}

func goList(dir string, args ...string) ([]string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderrOf(err))
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}
