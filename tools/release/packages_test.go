package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inPackages are files that every package has.
var inPackages = []string{
	"/etc/solotick/solotick.yaml.example", "/usr/bin/solotick", "/usr/share/bash-completion/completions/solotick", "/usr/share/fish/vendor_completions.d/solotick.fish",
	"/usr/share/man/man1/solotick.1.gz", "/usr/share/man/man1/solotick-exec.1.gz", "/usr/share/man/man5/solotick.yaml.5.gz", "/usr/share/man/man7/solotick-exit-codes.7.gz",
}

// inSystemd are those for systemd.
var inSystemd = []string{"/usr/lib/systemd/system/solotick.service", "/usr/lib/sysusers.d/solotick.conf"}

// has wants files in a list of them, and none that begin with one of not.
func has(t *testing.T, list []string, want ...string) {
	t.Helper()
	for _, name := range want {
		if !slices.Contains(list, name) {
			t.Errorf("there is no %s in:\n%s", name, strings.Join(list, "\n"))
			return
		}
	}
	if slices.Contains(list, "/etc/solotick/solotick.yaml") {
		t.Error("a configuration is active")
	}
}

func testDeb(t *testing.T, path string) {
	for field, want := range map[string]string{
		"Package": "solotick", "Version": "1.2.3", "Architecture": "amd64", "Section": "admin", "Priority": "optional", "Recommends": "ca-certificates",
		"Homepage": homepage, "Maintainer": maintainer,
	} {
		if got := strings.TrimSpace(must(t, "", nil, "dpkg-deb", "-f", path, field)); got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	var list []string
	line := regexp.MustCompile(`^(\S{10}) (\S+) +\d+ 2026-11-26 \d\d:\d\d \.(/\S*)$`)
	for l := range strings.Lines(must(t, "", []string{"TZ=UTC"}, "dpkg-deb", "-c", path)) {
		m := line.FindStringSubmatch(strings.TrimSpace(l))
		switch {
		case m == nil:
			t.Errorf("of another time, or not to be read: %s", l)
			continue
		case m[2] != "root/root":
			t.Errorf("of somebody else: %s", l)
		case strings.HasSuffix(m[3], "/") && m[1] != "drwxr-xr-x", m[3] == "/usr/bin/solotick" && m[1] != "-rwxr-xr-x":
			t.Errorf("with other rights: %s", l)
		case !strings.HasSuffix(m[3], "/") && m[3] != "/usr/bin/solotick" && m[1] != "-rw-r--r--":
			t.Errorf("with other rights: %s", l)
		}
		list = append(list, m[3])
	}
	has(t, list, slices.Concat(inPackages, inSystemd)...)
	has(t, list, "/usr/share/zsh/vendor-completions/_solotick", "/usr/share/doc/solotick/copyright", "/usr/share/doc/solotick/changelog.gz", "/usr/share/doc/solotick/THIRD-PARTY-NOTICES.gz")

	control := t.TempDir()
	must(t, "", nil, "dpkg-deb", "-e", path, control)
	if diff := cmp.Diff([]string{"conffiles", "control", "md5sums", "postinst", "postrm", "prerm"}, names(t, control)); diff != "" {
		t.Error(diff)
	}
	for _, script := range []string{"postinst", "postrm", "prerm"} {
		must(t, control, nil, "sh", "-n", script)
	}
	t.Run("install", func(t *testing.T) { testInstall(t, path) })
}

// testInstall installs the package into a root of its own, upgrades, removes and
// purges it, by Debian's dpkg. Its scripts run there too.
func testInstall(t *testing.T, path string) {
	root := privateRoot(t)
	dpkg := func(args ...string) string {
		t.Helper()
		return must(t, "", []string{"DEBIAN_FRONTEND=noninteractive"}, "dpkg", append([]string{"--root=" + root, "--force-depends"}, args...)...)
	}
	dpkg("--install", path)
	if said := must(t, "", nil, "chroot", root, "/usr/bin/solotick", "version"); !strings.HasPrefix(said, "solotick 1.2.3 ") {
		t.Error(said)
	}
	users, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || !regexp.MustCompile(`(?m)^solotick:[^:]*:[1-9]\d*:\d+:Solotick agent:/var/lib/solotick:/usr/sbin/nologin$`).Match(users) {
		t.Errorf("%v: no user: %s", err, users)
	}
	example := filepath.Join(root, "etc/solotick/solotick.yaml.example")
	own := filepath.Join(root, "etc/solotick/solotick.yaml")
	must(t, "", nil, "cp", example, own)
	if said := must(t, "", nil, "sh", "-c", `sed 's/^/ /' "$1/var/lib/dpkg/info/solotick.list"`, "sh", root); !strings.Contains(said, " /etc/solotick\n") {
		t.Errorf("the folder belongs to nobody:\n%s", said)
	}
	if said := dpkg("--verify", "solotick"); said != "" {
		t.Error(said)
	}
	dpkg("--install", path) // once more, as an upgrade does

	dpkg("--remove", "solotick")
	for name, want := range map[string]bool{"usr/bin/solotick": false, "usr/lib/systemd/system/solotick.service": false, "etc/solotick/solotick.yaml.example": true, "etc/solotick/solotick.yaml": true} {
		if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("removed: %s: %v", name, err)
		}
	}
	dpkg("--purge", "solotick")
	if _, err := os.Stat(example); err == nil {
		t.Error("purged, and the example is still there")
	}
	if _, err := os.Stat(own); err != nil {
		t.Error("purged, and what the operator wrote is gone")
	}
	dpkg("--install", path)
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	dpkg("--purge", "solotick")
	if _, err := os.Stat(filepath.Join(root, "etc/solotick")); err == nil {
		t.Error("purged, and an empty folder is left")
	}
}

// privateRoot is a root with what dpkg and the package's scripts need: a shell,
// rmdir, systemd-sysusers, and the libraries of these.
func privateRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"etc", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var/lib/dpkg/updates", "var/lib/dpkg/info", "var/log", "tmp", "run", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"var/lib/dpkg/status": "", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sh", "rmdir", "systemd-sysusers"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		install(t, root, path)
		for l := range strings.Lines(must(t, "", nil, "ldd", path)) {
			if m := regexp.MustCompile(`(/\S+) \(0x`).FindStringSubmatch(l); m != nil {
				install(t, root, m[1])
			}
		}
	}
	return root
}

func install(t *testing.T, root, path string) {
	t.Helper()
	to := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, "", nil, "cp", "--dereference", path, to)
}

func testRPM(t *testing.T, path string) {
	home := []string{"HOME=" + t.TempDir()}
	query := func(args ...string) string {
		t.Helper()
		return must(t, "", home, "rpm", append([]string{"--dbpath", filepath.Join(t.TempDir(), "db"), "-qp"}, append(args, path)...)...)
	}
	got := query("--qf", "%{NAME} %{VERSION}-%{RELEASE} %{ARCH} %{LICENSE} %{BUILDTIME} %{BUILDHOST} %{URL}\n%{SUMMARY}\n")
	if want := "solotick 1.2.3-1 x86_64 Apache-2.0 1795723200 localhost " + homepage + "\n" + summary + "\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	must(t, "", home, "rpm", "--dbpath", filepath.Join(t.TempDir(), "db"), "--checksig", "--nosignature", path)
	has(t, strings.Fields(query("--list")), slices.Concat(inPackages, inSystemd)...)
	has(t, strings.Fields(query("--list")), "/usr/share/zsh/site-functions/_solotick", "/usr/share/licenses/solotick/LICENSE", "/usr/share/doc/solotick/THIRD-PARTY-NOTICES")
	if got := query("--configfiles"); got != "/etc/solotick/solotick.yaml.example\n" {
		t.Errorf("configuration: %s", got)
	}
	if got := query("--recommends"); !strings.Contains(got, "ca-certificates") {
		t.Errorf("recommends: %s", got)
	}
	if got := query("--scripts"); !strings.Contains(got, "systemd-sysusers solotick.conf") {
		t.Errorf("scripts: %s", got)
	}
	for l := range strings.Lines(query("--qf", "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEMTIMES} %{FILENAMES}\n]")) {
		want := "-rw-r--r-- root:root 1795723200 "
		switch {
		case strings.HasPrefix(l, "d"):
			want = "drwxr-xr-x root:root 1795723200 "
		case strings.HasSuffix(l, " /usr/bin/solotick\n"):
			want = "-rwxr-xr-x root:root 1795723200 "
		}
		if !strings.HasPrefix(l, want) {
			t.Errorf("%s: want %s", strings.TrimSpace(l), want)
		}
	}
}

// testAPK reads the package as apk does: gzip members one after the other, each a
// part of a tar. There is no apk in Debian.
func testAPK(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	var info string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, "/"+h.Name)
		if h.Name == ".PKGINFO" {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			info = string(b)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Name != ".PKGINFO" && h.ModTime.UTC().Format("2006-01-02") != "2026-11-26" {
			t.Errorf("%s: of %d:%d, %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
	}
	has(t, list, inPackages...)
	has(t, list, "/usr/share/zsh/site-functions/_solotick", "/usr/share/doc/solotick/LICENSE", "/usr/share/doc/solotick/THIRD-PARTY-NOTICES")
	for _, name := range list {
		if strings.Contains(name, "/systemd/") || strings.Contains(name, "/sysusers.d/") {
			t.Errorf("%s is for systemd", name)
		}
	}
	for _, want := range []string{"pkgname = solotick\n", "pkgver = 1.2.3-r0\n", "arch = x86_64\n", "license = Apache-2.0\n", "depend = ca-certificates\n", "datahash = "} {
		if !strings.Contains(info, want) {
			t.Errorf(".PKGINFO does not have %q:\n%s", want, info)
		}
	}
}

// TestArchitectures has the packages of all machines made, and looks at what each
// format calls them.
func TestArchitectures(t *testing.T) {
	t.Parallel()
	e := &edition{version: "1.2.3-rc.1", time: time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC)}
	for version, want := range map[string]string{"1.2.3": "", "1.2.3-beta": "beta", "1.2.3-rc.1": "rc1", "0.0.0-0123456789ab": "git20261126"} {
		if got := (&edition{version: version, time: e.time}).suffix(); got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
	}
	for arch, want := range map[string][3]string{
		"amd64": {"amd64", "x86_64", "x86_64"},
		"arm64": {"arm64", "aarch64", "aarch64"},
		"armv7": {"armhf", "armv7hl", "armv7"},
	} {
		out := t.TempDir()
		x := target{"linux", arch}
		if err := e.packages(x, out, []file{{"solotick", []byte(arch), 0o755}}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(out, e.name(x))
		if got := must(t, "", nil, "dpkg-deb", "-f", path+".deb", "Architecture", "Version"); got != "Architecture: "+want[0]+"\nVersion: 1.2.3~rc.1\n" {
			t.Errorf("deb: %s", got)
		}
		if got := must(t, "", nil, "rpm", "-qp", "--qf", "%{ARCH} %{VERSION}-%{RELEASE}", path+".rpm"); got != want[1]+" 1.2.3~rc.1-1" {
			t.Errorf("rpm: %s", got)
		}
		// tar reads the first of the parts alone, which has .PKGINFO.
		got := must(t, "", nil, "sh", "-c", `tar -xzOf "$1" .PKGINFO`, "sh", path+".apk")
		if !strings.Contains(got, "\narch = "+want[2]+"\n") || !strings.Contains(got, "\npkgver = 1.2.3_rc1-r0\n") {
			t.Errorf("apk: %s", got)
		}
	}
}
