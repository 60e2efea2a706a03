package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestPageOfCheck has docs/nagios.md name every flag of check.
func TestPageOfCheck(t *testing.T) {
	page, err := os.ReadFile("../../docs/nagios.md")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{env: os.Getenv}
	a.checkCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(string(page), "--"+f.Name) && (f.Shorthand == "" || !strings.Contains(string(page), "-"+f.Shorthand)) {
			t.Errorf("docs/nagios.md does not name --%s", f.Name)
		}
	})
}
