package ballot

import (
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// The algorithms know no clock, network and chance, or exploring them would show
// nothing.
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "encoding/base64", "encoding/hex", "errors", "fmt", "hash/crc32", "slices", "strconv", "strings"}
	for _, name := range []string{"machine.go", "view.go", "slip.go", "claim.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			if !slices.Contains(allowed, p) && !(name == "claim.go" && p == "time") { // for durations
				t.Errorf("%s imports %s", name, p)
			}
		}
	}
}
