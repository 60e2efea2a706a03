package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"
)

// formula writes a formula for Homebrew, of those archives that are in out. It
// belongs into a tap, Formula/solotick.rb.
func (e *edition) formula(out string) error {
	type download struct{ System, CPU, URL, SHA256 string }
	var all []download
	for _, d := range []struct {
		t           target
		system, cpu string
	}{
		{target{"darwin", "arm64"}, "macos", "arm"},
		{target{"darwin", "amd64"}, "macos", "intel"},
		{target{"linux", "arm64"}, "linux", "arm"},
		{target{"linux", "amd64"}, "linux", "intel"},
	} {
		name := e.name(d.t) + ".tar.gz"
		text, err := os.ReadFile(filepath.Join(out, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, download{d.system, d.cpu, homepage + "/releases/download/v" + e.version + "/" + name, fmt.Sprintf("%x", sha256.Sum256(text))})
	}
	if len(all) == 0 {
		return nil
	}
	var b bytes.Buffer
	if err := formulaText.Execute(&b, map[string]any{"Version": e.version, "Homepage": homepage, "Summary": summary, "Downloads": all}); err != nil {
		return err
	}
	return write(filepath.Join(out, "solotick.rb"), b.Bytes())
}

var formulaText = template.Must(template.New("").Parse(`class Solotick < Formula
  desc "{{.Summary}}"
  homepage "{{.Homepage}}"
  version "{{.Version}}"
  license "Apache-2.0"
{{range .Downloads}}
  on_{{.System}} do
    on_{{.CPU}} do
      url "{{.URL}}"
      sha256 "{{.SHA256}}"
    end
  end
{{end}}
  def install
    bin.install "solotick"
    man1.install Dir["man/man1/*"]
    man5.install Dir["man/man5/*"]
    man7.install Dir["man/man7/*"]
    bash_completion.install "completions/solotick.bash" => "solotick"
    zsh_completion.install "completions/_solotick"
    fish_completion.install "completions/solotick.fish"
    doc.install "README.md", "CHANGELOG.md", "LICENSE", "THIRD-PARTY-NOTICES", "solotick.yaml.example"
  end

  test do
    assert_match "solotick {{.Version}} ", shell_output("#{bin}/solotick version")
  end
end
`))
