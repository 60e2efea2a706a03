package doctest

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/solotick/solotick/internal/browsertest"
)

// mermaid is the script itself, as tools/mermaid pins it.
var mermaid = sync.OnceValues(func() (string, error) {
	const module = "github.com/dreampuf/mermaid.go"
	out, err := exec.Command("go", "mod", "download", "-json", "-modfile="+top+"/tools/mermaid/go.mod", module).Output()
	if err != nil {
		return "", err
	}
	var at struct{ Dir string }
	if err := json.Unmarshal(out, &at); err != nil {
		return "", err
	}
	script, err := os.ReadFile(filepath.Join(at.Dir, "mermaid.min.js"))
	return string(script), err
})

// checkMermaid has a real browser draw the diagram. With DOCTEST_SHOTS, a folder, it
// keeps what it looks like there.
func checkMermaid(t *testing.T, b block) error {
	script, err := mermaid()
	if err != nil {
		return err
	}
	text, err := json.Marshal(b.text)
	if err != nil {
		return err
	}
	w := browsertest.Open(t, 1200, 1600)
	w.Go("about:blank")
	w.Run(script)
	w.Run(`mermaid.initialize({ startOnLoad: false })`)
	problem := w.Await(`mermaid.render("drawn", ` + string(text) + `).then(d => { document.body.innerHTML = d.svg; return "" }, e => String(e))`)
	if problem != "" {
		return errors.New(problem)
	}
	if dir := os.Getenv("DOCTEST_SHOTS"); dir != "" {
		name := strings.NewReplacer("/", "-", ":", "-").Replace(b.String()) + ".png"
		return os.WriteFile(filepath.Join(dir, name), w.Shot(), 0o600)
	}
	return nil
}
