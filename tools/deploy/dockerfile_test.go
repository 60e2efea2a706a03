package deploy

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// stages parses the Dockerfile as BuildKit does, with all of its checks.
func stages(t *testing.T) map[string]instructions.Stage {
	t.Helper()
	result, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range result.Warnings {
		t.Errorf("the parser warns: %s", w.Short)
	}
	lint := linter.New(&linter.Config{ExperimentalAll: true, Warn: func(rule, _, _, msg string, at []parser.Range) { t.Errorf("%s at %v: %s", rule, at, msg) }})
	all, _, err := instructions.Parse(result.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[2].Name != "solotick" {
		t.Fatalf("%d stages, the last is %s: want the image from scratch as the default", len(all), all[len(all)-1].Name)
	}
	named := map[string]instructions.Stage{}
	for _, s := range all {
		named[s.Name] = s
	}
	return named
}

// TestImages wants of both images that they start the agent as nobody, and of the
// default that nothing else is in it.
func TestImages(t *testing.T) {
	t.Parallel()
	all := stages(t)
	if base := all["solotick"].BaseName; base != "scratch" {
		t.Errorf("the default image is made from %s", base)
	}
	run := map[string]string{}
	for name, s := range all {
		if name == "build" {
			continue
		}
		copies := map[string]string{}
		labels := map[string]string{}
		for _, c := range s.Commands {
			switch c := c.(type) {
			case *instructions.RunCommand:
				if name == "solotick" {
					t.Errorf("%s: there is nothing to run in an image from scratch: %s", name, c)
				}
			case *instructions.CopyCommand:
				copies[c.DestPath] = c.From + ":" + strings.Join(c.SourcePaths, " ")
			case *instructions.LabelCommand:
				for _, l := range c.Labels {
					labels[l.Key] = strings.Trim(l.Value, `"`)
				}
			case *instructions.UserCommand:
				run[name] += "user " + c.User + "; "
			case *instructions.EntrypointCommand:
				run[name] += shown(c.PrependShell, c.CmdLine)
			case *instructions.CmdCommand:
				run[name] += shown(c.PrependShell, c.CmdLine)
			case *instructions.HealthCheckCommand:
				run[name] += strings.Join(c.Health.Test, " ") + "; "
			case *instructions.ExposeCommand:
			default:
				t.Errorf("%s: want no %s", name, c.Name())
			}
		}
		if copies["/solotick"] != "build:/out/solotick" {
			t.Errorf("%s: the program is %s", name, copies["/solotick"])
		}
		if name == "solotick" && (len(copies) != 2 || copies["/etc/ssl/certs/ca-certificates.crt"] != "build:/etc/ssl/certs/ca-certificates.crt") {
			t.Errorf("in it are %v, want the program and certificates", copies)
		}
		for _, key := range []string{"title", "description", "source", "documentation", "licenses"} {
			if labels["org.opencontainers.image."+key] == "" {
				t.Errorf("%s has no label %s", name, key)
			}
		}
		if page, ok := strings.CutPrefix(labels["org.opencontainers.image.documentation"], "https://github.com/solotick/solotick/blob/main/"); !ok || len(read(t, page)) == 0 {
			t.Errorf("%s: documentation is at %s", name, page)
		}
	}
	const want = "user 65532:65532; CMD /solotick health; /solotick; run -c /etc/solotick/solotick.yaml; "
	if diff := cmp.Diff(map[string]string{"solotick": want, "alpine": want}, run); diff != "" {
		t.Errorf("what is started (-want +got):\n%s", diff)
	}
}

func shown(shell bool, words []string) string {
	if shell {
		return "by a shell: " + strings.Join(words, " ") + "; "
	}
	return strings.Join(words, " ") + "; "
}

// TestImageBuild runs the command that builds the program, which comes out static.
func TestImageBuild(t *testing.T) {
	t.Parallel()
	build := stages(t)["build"]
	if build.Platform != "$BUILDPLATFORM" {
		t.Errorf("it is built on %q: want $BUILDPLATFORM, since Go needs no emulation", build.Platform)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(read(t, "go.mod"))
	if !strings.HasPrefix(build.BaseName, "golang:"+string(version[1])+"-") {
		t.Errorf("it is built by %s, and go.mod wants %s", build.BaseName, version[1])
	}
	out := t.TempDir()
	ran := false
	for _, c := range build.Commands {
		r, ok := c.(*instructions.RunCommand)
		if !ok || !strings.Contains(r.CmdLine[0], "go build") {
			continue
		}
		ran = true
		cmd := exec.Command("/bin/sh", "-c", strings.ReplaceAll(r.CmdLine[0], "/out/", out+"/"))
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH=amd64", "VERSION=1.2.3")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", r.CmdLine[0], err, text)
		}
	}
	if !ran {
		t.Fatal("nothing builds the program")
	}
	f, err := elf.Open(filepath.Join(out, "solotick"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }) {
		t.Error("the program is not static")
	}
}

// TestContext: .dockerignore keeps what is built, and leaves secrets and history out.
func TestContext(t *testing.T) {
	t.Parallel()
	patterns, err := ignorefile.ReadAll(bytes.NewReader(read(t, ".dockerignore")))
	if err != nil {
		t.Fatal(err)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	out := func(name string) bool {
		ignored, err := m.MatchesOrParentMatches(name)
		if err != nil {
			t.Fatal(err)
		}
		return ignored
	}
	for _, name := range []string{".git/config", "solotick.key", "a/b.key", "prod.env", "cmd/solotick/main_test.go", "tools/deploy/go.mod", "zone/testdata/x"} {
		if !out(name) {
			t.Errorf("%s goes into the build", name)
		}
	}
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Standard,GoFiles,EmbedFiles,Module", "./cmd/solotick")
	cmd.Dir = top
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	need := []string{"go.mod", "go.sum"}
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var p struct {
			Dir                 string
			GoFiles, EmbedFiles []string
			Module              *struct{ Main bool }
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range append(p.GoFiles, p.EmbedFiles...) {
			need = append(need, filepath.Join(dir, f))
		}
	}
	if len(need) < 100 {
		t.Fatalf("%d files are built: want all", len(need))
	}
	for _, name := range need {
		if out(name) {
			t.Errorf("%s is built, and .dockerignore leaves it out", name)
		}
	}
}
