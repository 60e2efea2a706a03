package source_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/source"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jobs of %41 & others")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "jobs.yaml")
	escaped := "file://" + strings.NewReplacer(" ", "%20", "%", "%25").Replace(path)
	for _, where := range []string{path, escaped, strings.Replace(escaped, "://", "://localhost", 1)} {
		t.Run(where, func(t *testing.T) {
			write(t, path, "one")
			s := open(t, source.Options{URL: where, MaxSize: 10})
			if s.String() != path {
				t.Errorf("it calls itself %s", s)
			}
			doc := want(t, s, "one", true)
			if doc.Version != doc.SHA256 || len(doc.SHA256) != 64 {
				t.Errorf("got version %s, sha256 %s", doc.Version, doc.SHA256)
			}
			want(t, s, "one", false)

			write(t, path+".new", "two")
			rename(t, path+".new", path)
			want(t, s, "two", true)

			write(t, path, strings.Repeat("x", 11))
			fails(t, s, source.ErrTooLarge)
			write(t, path, strings.Repeat("x", 10))
			want(t, s, strings.Repeat("x", 10), true)

			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			err := fails(t, s, source.ErrNotFound)
			if got, want := err.Error(), "source: "+path+": not found: no such file or directory"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			// It differs from what was fetched last, however long it was away.
			write(t, path, strings.Repeat("x", 10))
			want(t, s, strings.Repeat("x", 10), false)
			write(t, path, "")
			want(t, s, "", true)
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestSymlink is how Kubernetes replaces the files of a ConfigMap: jobs.yaml is a
// link to current/jobs.yaml, and current one to a folder.
func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"1", "2"} {
		if err := os.Mkdir(at(version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, at(version+"/jobs.yaml"), "version "+version)
	}
	link("1", "current")
	link("current/jobs.yaml", "jobs.yaml")
	s := open(t, source.Options{URL: at("jobs.yaml")})
	want(t, s, "version 1", true)

	link("2", "next")
	rename(t, at("next"), at("current"))
	want(t, s, "version 2", true)

	link("3", "next")
	rename(t, at("next"), at("current"))
	fails(t, s, source.ErrNotFound)
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	for path, says := range map[string]string{dir: "not a file", os.DevNull: "not a file", filepath.Join(dir, "file/below"): "not a directory"} {
		err := fails(t, open(t, source.Options{URL: path}), nil)
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
