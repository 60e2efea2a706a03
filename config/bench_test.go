package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	text.WriteString("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\njobs:\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "  job-%d:\n    every: 60s\n    timeout: 40s\n    exec: [./job.sh, --max, 5]\n", i)
	}
	data := []byte(text.String())
	for b.Loop() {
		if _, err := config.Parse("f", data); err != nil {
			b.Fatal(err)
		}
	}
}
