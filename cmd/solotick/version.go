package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// These are set by release builds, whose bytes must not depend on whether there was
// a repository: -ldflags "-X main.version=1.2.3 -X main.commit=... -X main.date=...".
var version, commit, date string

type build struct {
	Schema   string `json:"schema"`
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Print version, commit and Go version", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			b := buildInfo()
			if asJSON {
				return a.json(b)
			}
			_, err := fmt.Fprintln(a.stdout, b)
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (b build) String() string {
	built := ""
	if b.Commit != "" {
		built = " commit " + b.Commit
		if b.Modified {
			built += " (modified)"
		}
		if b.Time != "" {
			built += " of " + b.Time
		}
	}
	return fmt.Sprintf("solotick %s%s %s %s/%s", b.Version, built, b.Go, b.OS, b.Arch)
}

func buildInfo() build {
	b := build{Schema: "solotick.version/v1", Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	if commit != "" {
		b.Commit, b.Time, b.Modified = commit, date, false
	}
	return b
}
