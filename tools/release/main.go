// Command release makes all files of a release from a source tree: archives, packages
// (deb, rpm, apk), a Homebrew formula, a list of components for each program (SBOM),
// the licences of everything linked, and checksums.
//
// The same source, version, commit and time give the same bytes, whatever the
// folder, user, language, time zone, umask and cache: see RELEASING.md. It asks git
// nothing and signs nothing; make release does. It needs the Go that is to build, and
// the modules of the source tree.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// An edition is what is released.
type edition struct {
	source  string // folder of the module
	version string // 1.2.3, without a v
	commit  string
	time    time.Time // of the commit; the only time in any file
	targets []target
}

// A target is a system that programs are built for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "_" + t.arch }

// goarch and its variant: armv7 is arm to Go.
func (t target) goarch() string {
	if t.arch == "armv7" {
		return "arm"
	}
	return t.arch
}

func (t target) program() string {
	if t.os == "windows" {
		return "solotick.exe"
	}
	return "solotick"
}

const allTargets = "linux/amd64,linux/arm64,linux/armv7,darwin/amd64,darwin/arm64,windows/amd64"

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	var e edition
	var out, when, targets string
	flags.StringVar(&e.source, "source", "../..", "folder of the source tree")
	flags.StringVar(&out, "o", "", "folder to write to; new or empty")
	flags.StringVar(&e.version, "version", "", "such as 1.2.3")
	flags.StringVar(&e.commit, "commit", "", "hash of the commit")
	flags.StringVar(&when, "time", "", "of the commit, RFC 3339")
	flags.StringVar(&targets, "targets", allTargets, "systems to build for, OS/ARCH,...")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if e.version == "" || strings.HasPrefix(e.version, "v") || e.commit == "" || out == "" {
		return errors.New("want -o FOLDER, -version without a v, -commit and -time")
	}
	t, err := time.Parse(time.RFC3339, when)
	if err != nil {
		return fmt.Errorf("-time: %w", err)
	}
	e.time = t.UTC()
	for name := range strings.SplitSeq(targets, ",") {
		system, arch, ok := strings.Cut(name, "/")
		if !ok {
			return fmt.Errorf("-targets: %q: want OS/ARCH", name)
		}
		e.targets = append(e.targets, target{system, arch})
	}
	if e.source, err = filepath.Abs(e.source); err != nil {
		return err
	}
	return e.release(ctx, out)
}

// release writes everything to out, or nothing that could be taken for all of it:
// the checksums come last.
func (e *edition) release(ctx context.Context, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if old, err := os.ReadDir(out); err != nil {
		return err
	} else if len(old) > 0 {
		return fmt.Errorf("%s is not empty", out)
	}
	work, err := os.MkdirTemp("", "solotick-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	licences := newNotices()
	for _, t := range e.targets {
		fmt.Fprintln(os.Stderr, "release: building", t)
		if err := e.build(ctx, t, filepath.Join(work, t.String())); err != nil {
			return err
		}
		if err := licences.collect(ctx, e, t); err != nil {
			return err
		}
	}
	common, err := e.common(ctx, work, licences)
	if err != nil {
		return err
	}
	for _, t := range e.targets {
		fmt.Fprintln(os.Stderr, "release: packing", t)
		if err := e.pack(t, filepath.Join(work, t.String()), out, common, licences); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if err := e.formula(out); err != nil {
		return err
	}
	return checksums(out)
}

// pack writes what there is of one target.
func (e *edition) pack(t target, program, out string, common []file, licences *notices) error {
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	all := append([]file{{t.program(), text, 0o755}}, common...)
	if t.os == "linux" {
		units, err := e.units()
		if err != nil {
			return err
		}
		all = append(all, units...)
		if err := e.packages(t, out, all); err != nil {
			return err
		}
	}
	if err := e.archive(t, out, all); err != nil {
		return err
	}
	bom, err := e.bom(t, program, text, licences)
	if err != nil {
		return err
	}
	return write(filepath.Join(out, e.name(t)+".cdx.json"), bom)
}

// name is how the files of a target begin.
func (e *edition) name(t target) string { return "solotick_" + e.version + "_" + t.String() }

// write is for files of the release, which differ neither by umask nor by the time.
func write(path string, text []byte) error {
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	return os.Chmod(path, fs.FileMode(0o644))
}
