package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	testVersion = "1.2.3"
	testCommit  = "0123456789abcdef0123456789abcdef01234567"
	testTime    = "2026-11-26T20:00:00Z"
	testName    = "solotick_1.2.3_linux_amd64"
)

// TestRelease makes a release twice, as two people would: from two folders, as
// different in all that could show as can be had. The bytes must be the same; and what
// is in them is looked at with the programs of Debian.
func TestRelease(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "release")
	must(t, "", nil, "go", "build", "-o", program, ".")
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	args := []string{"-version", testVersion, "-commit", testCommit, "-time", testTime, "-targets", "linux/amd64"}
	must(t, "", nil, program, append(args, "-source", source, "-o", one)...)

	copied := filepath.Join(dir, "a copy of it, with a longer name")
	copySource(t, source, copied)
	env := []string{
		"GOCACHE=" + filepath.Join(dir, "cache"), "GOMODCACHE=" + strings.TrimSpace(must(t, "", nil, "go", "env", "GOMODCACHE")),
		"GOENV=" + strings.TrimSpace(must(t, "", nil, "go", "env", "GOENV")),
		"HOME=" + filepath.Join(dir, "home"), "LC_ALL=de_DE.UTF-8", "LANG=tr_TR", "TZ=Asia/Tokyo", "USER=other", "TMPDIR=" + filepath.Join(dir, "tmp"),
		"GOFLAGS=-tags=other -buildvcs=false", "GOAMD64=v3", "CGO_ENABLED=1", "SOURCE_DATE_EPOCH=1",
	}
	for _, d := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	must(t, copied, env, "sh", append([]string{"-c", `umask 077; exec "$0" "$@"`, program}, append(args, "-source", ".", "-o", two)...)...)

	if diff := cmp.Diff(contentsOf(t, one), contentsOf(t, two)); diff != "" {
		t.Fatalf("two builds of the same source differ:\n%s", diff)
	}
	want := []string{"SHA256SUMS", "solotick.rb", testName + ".apk", testName + ".cdx.json", testName + ".deb", testName + ".rpm", testName + ".tar.gz"}
	if diff := cmp.Diff(want, names(t, one)); diff != "" {
		t.Fatal(diff)
	}
	unpacked := filepath.Join(dir, "unpacked")
	if err := os.Mkdir(unpacked, 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, one, nil, "tar", "--same-permissions", "--no-same-owner", "-xzf", testName+".tar.gz", "-C", unpacked)
	unpacked = filepath.Join(unpacked, testName)

	t.Run("sums", func(t *testing.T) { testSums(t, one) })
	t.Run("program", func(t *testing.T) { testProgram(t, filepath.Join(unpacked, "solotick"), source) })
	t.Run("archive", func(t *testing.T) { testArchive(t, unpacked) })
	t.Run("sbom", func(t *testing.T) { testBOM(t, one, filepath.Join(unpacked, "solotick")) })
	t.Run("notices", func(t *testing.T) { testNotices(t, unpacked) })
	t.Run("formula", func(t *testing.T) { testFormula(t, filepath.Join(one, "solotick.rb"), unpacked) })
	t.Run("deb", func(t *testing.T) { testDeb(t, filepath.Join(one, testName+".deb")) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, filepath.Join(one, testName+".rpm")) })
	t.Run("apk", func(t *testing.T) { testAPK(t, filepath.Join(one, testName+".apk")) })
}

// testSums checks and signs as RELEASING.md says, with a key of its own.
func testSums(t *testing.T, out string) {
	must(t, out, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	dir := t.TempDir()
	key, public := filepath.Join(dir, "key"), filepath.Join(dir, "key.pub")
	must(t, "", nil, "minisign", "-G", "-W", "-s", key, "-p", public)
	sums, signature := filepath.Join(out, "SHA256SUMS"), filepath.Join(dir, "SHA256SUMS.minisig")
	must(t, "", nil, "minisign", "-S", "-s", key, "-m", sums, "-x", signature, "-t", "solotick "+testVersion)
	if said := must(t, "", nil, "minisign", "-V", "-p", public, "-m", sums, "-x", signature); !strings.Contains(said, "solotick 1.2.3") {
		t.Error(said)
	}
}

func testProgram(t *testing.T, program, source string) {
	said := must(t, "", nil, program, "version")
	if want := "solotick 1.2.3 commit " + testCommit + " of " + testTime + " go1."; !strings.HasPrefix(said, want) {
		t.Errorf("got %s, want %s", said, want)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(must(t, "", nil, program, "version", "--json")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["version"] != testVersion || doc["commit"] != testCommit || doc["time"] != testTime || doc["modified"] != false {
		t.Errorf("%v", doc)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	places := strings.Fields(must(t, "", nil, "go", "env", "GOMODCACHE", "GOCACHE"))
	for _, path := range append(places, source) {
		if at := bytes.Index(text, []byte(path+"/")); at >= 0 {
			t.Errorf("the program knows where it was built: %q", text[at:at+80])
		}
	}
}

func testArchive(t *testing.T, dir string) {
	got := names(t, dir)
	for _, want := range []string{
		"solotick", "LICENSE", "README.md", "CHANGELOG.md", "THIRD-PARTY-NOTICES", "solotick.yaml.example", "man/man1/solotick.1", "man/man1/solotick-run.1", "man/man5/solotick.yaml.5",
		"completions/solotick.bash", "completions/_solotick", "completions/solotick.fish", "completions/solotick.ps1", "systemd/solotick.service", "systemd/sysusers.conf",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("the archive has no %s", want)
		}
	}
	for _, name := range got {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]fs.FileMode{true: 0o755, false: 0o644}[name == "solotick"]; info.Mode().Perm() != want || info.ModTime().UTC().Format("2006-01-02T15:04:05Z07:00") != testTime {
			t.Errorf("%s: %v %v", name, info.Mode(), info.ModTime())
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "man/man1/solotick.1"))
	if err != nil || !bytes.HasPrefix(page, []byte(`.TH "SOLOTICK" "1" "2026-11-26" "solotick 1.2.3"`)) {
		t.Errorf("%v: %.100s", err, page)
	}
}

// testBOM holds the list against the published schema, and against what the program
// says of itself.
func testBOM(t *testing.T, out, program string) {
	text, err := os.ReadFile(filepath.Join(out, testName+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := bomSchema(t).Validate(doc); err != nil {
		t.Error(err)
	}
	var bom struct {
		Components []struct {
			Name, Version string
			Licenses      []any
			Properties    []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"std": strings.TrimPrefix(info.GoVersion, "go") + " "}
	for _, d := range info.Deps {
		want[d.Path] = d.Version + " " + d.Sum
	}
	got := make(map[string]string)
	for _, c := range bom.Components {
		sum := ""
		for _, p := range c.Properties {
			sum = p.Value
		}
		got[c.Name] = c.Version + " " + sum
		if len(c.Licenses) == 0 {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// bomSchema is the schema as CycloneDX publishes it, which its library for Go has
// among its tests.
func bomSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir := strings.TrimSpace(must(t, "", nil, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go"))
	c := jsonschema.NewCompiler()
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schemax.json"} {
		f, err := os.Open(filepath.Join(dir, "schema", name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		for _, url := range []string{"http://cyclonedx.org/schema/" + name, "http://cyclonedx.org/schema/" + strings.Replace(name, "schemax", "schema", 1)} {
			if err := c.AddResource(url, doc); err != nil {
				continue // the same name twice
			}
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testNotices(t *testing.T, dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "THIRD-PARTY-NOTICES"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(filepath.Join(dir, "solotick"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range info.Deps {
		// Once with the name of its licence, and at least once above the text of it.
		line := regexp.QuoteMeta(d.Path + " " + d.Version)
		if !regexp.MustCompile(`(?m)^`+line+`: \S`).Match(text) || !regexp.MustCompile(`(?m)^`+line+` \(\S+\)$`).Match(text) {
			t.Errorf("nothing of %s %s", d.Path, d.Version)
		}
	}
	for _, want := range []string{"Copyright 2009 The Go Authors", "std go1.", "Copyright (c) 2021 Andreas Auernhammer"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the notices do not have %q", want)
		}
	}
}

// must runs a command and returns what it prints.
func must(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &out, &stderr)
	}
	return out.String()
}

// names are the files below dir, sorted.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// contentsOf are the checksums of all files below dir.
func contentsOf(t *testing.T, dir string) string {
	t.Helper()
	return must(t, dir, nil, "sha256sum", names(t, dir)...)
}

// copySource copies what a clone would have, and no more.
func copySource(t *testing.T, from, to string) {
	t.Helper()
	for _, top := range names(t, from) {
		if strings.HasPrefix(top, ".git/") || strings.HasPrefix(top, "dist/") || strings.HasPrefix(top, "bin/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, top))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, top)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
