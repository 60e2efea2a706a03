package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testFormula has Ruby read the formula, and do what it says with the unpacked
// archive, as far as Homebrew's words mean something without Homebrew.
func testFormula(t *testing.T, formula, unpacked string) {
	must(t, "", nil, "ruby", "-W2", "-c", formula)
	dir := t.TempDir()
	brew := filepath.Join(dir, "brew.rb")
	if err := os.WriteFile(brew, []byte(fakeBrew), 0o600); err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Join(dir, "prefix")
	said := must(t, unpacked, nil, "ruby", "-W2", brew, formula, prefix)
	sum := strings.Fields(must(t, filepath.Dir(formula), nil, "sha256sum", testName+".tar.gz"))[0]
	if want := "linux intel " + homepage + "/releases/download/v1.2.3/" + testName + ".tar.gz " + sum + "\n"; said != want+"tested\n" {
		t.Errorf("got %s, want %s", said, want)
	}
	has(t, prefixed(names(t, prefix)), "/bin/solotick", "/man1/solotick.1", "/man5/solotick.yaml.5", "/man7/solotick-files.7", "/bash_completion/solotick", "/zsh_completion/_solotick",
		"/fish_completion/solotick.fish", "/doc/LICENSE", "/doc/THIRD-PARTY-NOTICES")
}

func prefixed(names []string) []string {
	for i := range names {
		names[i] = "/" + names[i]
	}
	return names
}

// fakeBrew knows the words that the formula uses, and no others.
const fakeBrew = `
require "fileutils"
class Place
  def initialize(path) = @path = path
  def to_s = @path
  def install(*what)
    FileUtils.mkdir_p(@path)
    what.flatten.each do |w|
      (w.is_a?(Hash) ? w : { w => File.basename(w) }).each { |from, to| FileUtils.cp(from, File.join(@path, to)) }
    end
  end
end
class Formula
  class << self
    attr_reader :checked
    %i[desc homepage license].each { |word| define_method(word) { |text| raise "empty #{word}" if text.empty? } }
    def version(text) = define_method(:version) { text }
    def on_macos = (@system = "macos"; yield)
    def on_linux = (@system = "linux"; yield)
    def on_arm = (@cpu = "arm"; yield)
    def on_intel = (@cpu = "intel"; yield)
    def url(text) = @url = text
    def sha256(text) = puts("#{@system} #{@cpu} #{@url} #{text}")
    def test(&what) = @checked = what
  end
  %i[bin man1 man5 man7 bash_completion zsh_completion fish_completion doc].each { |w| define_method(w) { Place.new(File.join(ARGV[1], w.to_s)) } }
  def shell_output(line) = IO.popen(line, &:read)
  def assert_match(want, got) = got.include?(want) ? puts("tested") : raise("#{got} is not #{want}")
end
load ARGV[0]
f = Solotick.new
f.install
f.instance_eval(&Solotick.checked)
`

// TestFormula writes the formula of all archives, and the zip for Windows.
func TestFormula(t *testing.T) {
	t.Parallel()
	e := &edition{version: "1.2.3", time: time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC)}
	out := t.TempDir()
	for _, x := range []target{{"darwin", "arm64"}, {"darwin", "amd64"}, {"linux", "amd64"}, {"linux", "arm64"}, {"linux", "armv7"}, {"windows", "amd64"}} {
		if err := e.archive(x, out, []file{{x.program(), []byte(x.String()), 0o755}, {"LICENSE", []byte("text"), 0o644}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.formula(out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "solotick.rb"))
	if err != nil {
		t.Fatal(err)
	}
	must(t, "", nil, "ruby", "-W2", "-c", filepath.Join(out, "solotick.rb"))
	for _, name := range []string{"darwin_arm64", "darwin_amd64", "linux_amd64", "linux_arm64"} {
		name = "solotick_1.2.3_" + name + ".tar.gz"
		sum := strings.Fields(must(t, out, nil, "sha256sum", name))[0]
		if !bytes.Contains(text, []byte(name+"\"\n      sha256 \""+sum+"\"\n")) {
			t.Errorf("the formula does not have %s with %s:\n%s", name, sum, text)
		}
	}
	if bytes.Contains(text, []byte("armv7")) || bytes.Contains(text, []byte("windows")) {
		t.Errorf("the formula has what Homebrew has no word for:\n%s", text)
	}
	z, err := zip.OpenReader(filepath.Join(out, "solotick_1.2.3_windows_amd64.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if len(z.File) != 2 || z.File[1].Name != "solotick_1.2.3_windows_amd64/solotick.exe" || !z.File[1].Modified.Equal(e.time) || z.File[1].Mode() != 0o755 {
		t.Errorf("%v", z.File)
	}
}

// TestLicences has what is linked refused unless its licence is known.
func TestLicences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       string // empty: refused
	}{
		{"LICENSE", "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software\nand associated documentation files", "MIT"},
		{"LICENSE.txt", "Apache License\r\n  Version 2.0, January 2004", "Apache-2.0"},
		{"COPYING", "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided ... may be used to endorse or promote products derived from", "BSD-3-Clause"},
		{"LICENCE", "Redistribution and use in source and binary forms, with or without\nmodification, are permitted", "BSD-2-Clause"},
		{"LICENSE", "GNU GENERAL PUBLIC LICENSE Version 3", ""},
		{"NOTICE", "Apache License Version 2.0", ""},
		{"license.go", "Apache License Version 2.0", ""},
		{"README.md", "Apache License Version 2.0", ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, tt.name), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		n := newNotices()
		err := n.add("example.com/m", "v1.0.0", dir, dir)
		if got := n.modules["example.com/m"].spdx; got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s %q: got %q, %v", tt.name, tt.text, got, err)
		}
	}
}
