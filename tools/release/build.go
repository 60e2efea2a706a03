package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// environ is what a go command for a target sees: of what changes the program it
// builds, nothing is left to the environment.
func environ(t target) []string {
	return append(os.Environ(), "GOOS="+t.os, "GOARCH="+t.goarch(), "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOARM=7",
		"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
}

// build makes the program of a target. What the program says of itself is told by
// flags and not by a repository, so that a source archive gives the same bytes.
func (e *edition) build(ctx context.Context, t target, to string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-o", to,
		"-ldflags", fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s -X main.date=%s", e.version, e.commit, e.stamp()), "./cmd/solotick")
	c.Dir, c.Env = e.source, environ(t)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", t, err, out)
	}
	return nil
}

func (e *edition) stamp() string { return e.time.Format("2006-01-02T15:04:05Z07:00") }

// common are the files that all targets have beside the program.
func (e *edition) common(ctx context.Context, work string, licences *notices) ([]file, error) {
	all, err := e.written(ctx, work)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(filepath.Join(e.source, name))
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, ".md") {
			text = published(text, e.ref())
		}
		all = append(all, file{name, text, 0o644})
	}
	all = append(all, file{"THIRD-PARTY-NOTICES", licences.text(), 0o644})
	sortFiles(all)
	return all, nil
}

// ref is where the source of this edition is found: its tag, or its commit.
func (e *edition) ref() string {
	if strings.HasPrefix(e.version, "0.0.0-") {
		return e.commit
	}
	return "v" + e.version
}

var relative = regexp.MustCompile(`(!?)(\[[^\]]*\])\(([^)#:\s][^):\s]*)\)`)

// published is a page whose links into the source lead to where that is published: the
// page is installed without it.
func published(page []byte, ref string) []byte {
	return relative.ReplaceAllFunc(page, func(link []byte) []byte {
		m := relative.FindSubmatch(link)
		to := "https://github.com/solotick/solotick/blob/" + ref + "/"
		if len(m[1]) > 0 {
			to = "https://raw.githubusercontent.com/solotick/solotick/" + ref + "/"
		}
		return fmt.Appendf(nil, "%s%s(%s%s)", m[1], m[2], to, m[3])
	})
}

// written are the files that the program writes itself, so that one for this
// machine is needed.
func (e *edition) written(ctx context.Context, work string) ([]file, error) {
	here := target{runtime.GOOS, runtime.GOARCH}
	program := filepath.Join(work, here.String())
	if !slices.Contains(e.targets, here) {
		if err := e.build(ctx, here, program); err != nil {
			return nil, err
		}
	}
	ask := func(args ...string) ([]byte, error) {
		c := exec.CommandContext(ctx, program, args...)
		c.Env = []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", e.time.Unix()), "HOME=" + work}
		text, err := c.Output()
		if err != nil {
			return nil, fmt.Errorf("solotick %s: %w", strings.Join(args, " "), err)
		}
		return text, nil
	}
	var all []file
	for name, args := range map[string][]string{
		"completions/solotick.bash": {"completion", "bash"},
		"completions/_solotick":     {"completion", "zsh"},
		"completions/solotick.fish": {"completion", "fish"},
		"completions/solotick.ps1":  {"completion", "powershell"},
		"solotick.yaml.example":     {"init"},
	} {
		text, err := ask(args...)
		if err != nil {
			return nil, err
		}
		all = append(all, file{name, text, 0o644})
	}
	pages := filepath.Join(work, "man")
	if _, err := ask("manual", "-o", pages); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(pages, "man?", "*"))
	if err != nil {
		return nil, err
	}
	for _, page := range found {
		text, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		all = append(all, file{path.Join("man", filepath.Base(filepath.Dir(page)), filepath.Base(page)), text, 0o644})
	}
	return all, nil
}

// units are what systemd needs.
func (e *edition) units() ([]file, error) {
	found, err := filepath.Glob(filepath.Join(e.source, "deploy/systemd/*.service"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no units in deploy/systemd (%v)", err)
	}
	all := []file{{"systemd/sysusers.conf", []byte(sysusers), 0o644}}
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, file{"systemd/" + filepath.Base(path), text, 0o644})
	}
	sortFiles(all)
	return all, nil
}

// sysusers makes the user that agents run as, on systems with systemd.
const sysusers = `# Agents of Solotick. The unit's own user has this name too, and so is this one.
u solotick - "Solotick agent" /var/lib/solotick
`
