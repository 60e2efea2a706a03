package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/apk"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

const (
	homepage   = "https://github.com/solotick/solotick"
	summary    = "Periodic jobs on one of N machines, agreed over one DNS TXT record"
	maintainer = "The Solotick authors <solotick@users.noreply.github.com>"
	about      = summary + `
Agents on machines that share nothing else agree over one DNS TXT record
which of them runs each tick of a job. The package starts no agent: see
solotick(1), solotick.yaml(5) and /etc/solotick/solotick.yaml.example.`
)

// Systemd's units and users are for Debian and what takes rpm. An agent is not
// started: there is no configuration yet.
const (
	afterInstall = `#!/bin/sh
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers solotick.conf
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
`
	beforeRemove = `#!/bin/sh
set -e
# An upgrade leaves the agent running: it is for its operator to restart it.
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl stop solotick.service 'solotick@*.service' 'solotick-*.service' || true
		for unit in /usr/lib/systemd/system/solotick*.service; do
			systemctl disable "${unit##*/}" || true
		done
	fi
	;;
esac
`
	afterRemove = `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
# What an operator put there stays.
if [ "$1" = purge ] && [ -d /etc/solotick ]; then
	rmdir --ignore-fail-on-non-empty /etc/solotick
fi
`
)

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Solotick
Source: ` + homepage + `

Files: *
Copyright: 2026 the authors of Solotick
License: Apache-2.0
 The text is in /usr/share/common-licenses/Apache-2.0.
Comment: Other software is linked into the program. Its licences and notices are
 in /usr/share/doc/solotick/THIRD-PARTY-NOTICES.gz.
`

// packages writes deb, rpm and apk.
func (e *edition) packages(t target, out string, all []file) error {
	work, err := os.MkdirTemp("", "solotick-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	arch := t.arch
	if arch == "armv7" {
		arch = "arm7" // to nfpm, which knows what each format calls it
	}
	for _, p := range []struct {
		format   string
		packager nfpm.Packager
	}{{"deb", deb.Default}, {"rpm", rpm.DefaultRPM}, {"apk", apk.Default}} {
		contents, err := e.contents(p.format, filepath.Join(work, p.format), all)
		if err != nil {
			return err
		}
		info := nfpm.WithDefaults(e.info(p.format, arch, work, contents))
		if err := writeScripts(p.format, work, info); err != nil {
			return err
		}
		var b bytes.Buffer
		if err := p.packager.Package(info, &b); err != nil {
			return fmt.Errorf("%s: %w", p.format, err)
		}
		if err := write(filepath.Join(out, e.name(t)+"."+p.format), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (e *edition) info(format, arch, work string, contents files.Contents) *nfpm.Info {
	info := &nfpm.Info{
		Name: "solotick", Arch: arch, Platform: "linux", Version: e.version, Section: "admin", Priority: "optional",
		Maintainer: maintainer, Description: about, Homepage: homepage, Vendor: "Solotick", License: "Apache-2.0",
		MTime: e.time, DisableGlobbing: true,
	}
	info.Contents = contents
	info.Umask = 0o022
	info.Recommends = []string{"ca-certificates"}
	info.RPM.BuildHost = "localhost" // and not the name of the machine
	info.RPM.Summary = summary
	info.RPM.Packager = maintainer
	if format == "apk" {
		info.Recommends, info.Depends = nil, []string{"ca-certificates"} // it knows no weaker word
		info.Description, info.Release = summary, "0"                    // one line, and a number that its versions have to have
		info.Prerelease = e.suffix()
	}
	return info
}

var preRelease = regexp.MustCompile(`^(alpha|beta|rc)\.?(\d*)$`)

// suffix is what stands for a version before the version in an apk, which takes few
// words: of all but 1.2.3-rc.1 and its like it is the day.
func (e *edition) suffix() string {
	_, pre, ok := strings.Cut(e.version, "-")
	switch m := preRelease.FindStringSubmatch(pre); {
	case !ok:
		return ""
	case m != nil:
		return m[1] + m[2]
	}
	return "git" + e.time.Format("20060102")
}

// writeScripts is for what has systemd.
func writeScripts(format, work string, info *nfpm.Info) error {
	if format == "apk" {
		return nil
	}
	for _, s := range []struct {
		to   *string
		text string
	}{
		{&info.Scripts.PostInstall, afterInstall},
		{&info.Scripts.PreRemove, beforeRemove},
		{&info.Scripts.PostRemove, afterRemove},
	} {
		f, err := os.CreateTemp(work, "script")
		if err != nil {
			return err
		}
		_, err = f.WriteString(s.text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		*s.to = f.Name()
	}
	return nil
}

// contents are the files of a package, laid down in dir for the packager to read.
func (e *edition) contents(format, dir string, all []file) (files.Contents, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	history := fmt.Sprintf("solotick (%s) stable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- %s  %s\n", e.version, maintainer, e.time.Format(time.RFC1123Z))
	all = append(all[:len(all):len(all)], file{"copyright", []byte(copyright), 0o644}, file{"changelog", []byte(history), 0o644})
	var list files.Contents
	list = append(list, &files.Content{Destination: "/etc/solotick", Type: files.TypeDir, FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: e.time}})
	for i, f := range all {
		to, kind := place(format, f.name)
		if to == "" {
			continue
		}
		text := f.text
		if strings.HasSuffix(to, ".gz") {
			var err error
			if text, err = compressed(text); err != nil {
				return nil, err
			}
		}
		from := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(from, text, 0o600); err != nil {
			return nil, err
		}
		list = append(list, &files.Content{Source: from, Destination: to, Type: kind, FileInfo: &files.ContentFileInfo{Mode: f.mode, MTime: e.time}})
	}
	return list, nil
}

// place is where a file of the archive goes in a package; empty: nowhere.
func place(format, name string) (to, kind string) {
	const doc = "/usr/share/doc/solotick/"
	zsh, gz := "/usr/share/zsh/site-functions/", ""
	if format == "deb" {
		zsh, gz = "/usr/share/zsh/vendor-completions/", ".gz"
	}
	switch base := path.Base(name); {
	case name == "solotick":
		return "/usr/bin/solotick", files.TypeFile
	case strings.HasPrefix(name, "man/"):
		return "/usr/share/" + name + ".gz", files.TypeFile
	case base == "solotick.bash":
		return "/usr/share/bash-completion/completions/solotick", files.TypeFile
	case base == "_solotick":
		return zsh + base, files.TypeFile
	case base == "solotick.fish":
		return "/usr/share/fish/vendor_completions.d/" + base, files.TypeFile
	case base == "sysusers.conf" && format != "apk":
		return "/usr/lib/sysusers.d/solotick.conf", files.TypeFile
	case strings.HasPrefix(name, "systemd/") && format != "apk":
		return "/usr/lib/systemd/system/" + base, files.TypeFile
	case base == "solotick.yaml.example":
		return "/etc/solotick/" + base, files.TypeConfigNoReplace
	case base == "LICENSE" && format == "rpm":
		return "/usr/share/licenses/solotick/LICENSE", files.TypeRPMLicense
	case base == "LICENSE" && format == "apk":
		return doc + base, files.TypeFile
	case base == "copyright" && format == "deb":
		return doc + base, files.TypeFile
	case base == "changelog" && format == "deb":
		return doc + base + gz, files.TypeFile
	case base == "README.md", base == "CHANGELOG.md", base == "THIRD-PARTY-NOTICES":
		if base == "README.md" {
			gz = ""
		}
		return doc + base + gz, files.TypeFile
	}
	return "", ""
}
