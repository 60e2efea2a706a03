package source_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/source"
)

// A signer signs with the program minisign.
type signer struct{ dir string }

func newSigner(t *testing.T) signer {
	t.Helper()
	s := signer{t.TempDir()}
	s.run(t, "-G", "-W", "-p", s.path("pub"), "-s", s.path("sec"))
	return s
}

func (s signer) path(name string) string { return filepath.Join(s.dir, name) }

func (s signer) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("minisign", args...).CombinedOutput(); err != nil {
		t.Fatalf("minisign %s: %v: %s", args, err, out)
	}
}

// public is the file of the public key.
func (s signer) public(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.path("pub"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s signer) sign(t *testing.T, text string, args ...string) string {
	t.Helper()
	write(t, s.path("text"), text)
	s.run(t, append([]string{"-S", "-s", s.path("sec"), "-m", s.path("text")}, args...)...)
	signature, err := os.ReadFile(s.path("text.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	return string(signature)
}

func TestSignature(t *testing.T) {
	alice, mallory := newSigner(t), newSigner(t)
	signature := alice.sign(t, "jobs: {}\n")
	legacy := alice.sign(t, "jobs: {}\n", "-l")
	if signature[:60] == legacy[:60] {
		t.Fatal("minisign made no legacy signature")
	}
	lines := strings.Split(signature, "\n")
	commented := func(comment string) string {
		return strings.Join([]string{lines[0], lines[1], "trusted comment: " + comment, lines[3], ""}, "\n")
	}
	for name, test := range map[string]struct {
		text, signature, says string // says: empty if it is to be trusted
	}{
		"prehashed":                {"jobs: {}\n", signature, ""},
		"legacy":                   {"jobs: {}\n", legacy, ""},
		"with a comment":           {"jobs: {}\n", alice.sign(t, "jobs: {}\n", "-t", "list 7", "-c", "who knows"), ""},
		"line ends of Windows":     {"jobs: {}\n", strings.ReplaceAll(signature, "\n", "\r\n"), ""},
		"another untrusted remark": {"jobs: {}\n", strings.Replace(signature, lines[0], "untrusted comment: me", 1), ""},
		"another text":             {"jobs: {x}\n", signature, "is of another text"},
		"another text, legacy":     {"jobs: {x}\n", legacy, "is of another text"},
		"another comment":          {"jobs: {}\n", commented("timestamp:1"), "is of another text"},
		"another key":              {"jobs: {}\n", mallory.sign(t, "jobs: {}\n"), "it is signed by key"},
		"none":                     {"jobs: {}\n", "", "no signature beside it (.minisig): not found"},
		"no signature":             {"jobs: {}\n", "<html>welcome</html>", "is no signature"},
		"half a signature":         {"jobs: {}\n", signature[:len(signature)/2], "is no signature"},
		"a public key":             {"jobs: {}\n", alice.public(t), "is no signature"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jobs.yaml")
			write(t, path, test.text)
			if test.signature != "" {
				write(t, path+".minisig", test.signature)
			}
			s := open(t, source.Options{URL: path, PublicKey: alice.public(t), MaxSize: 1000})
			if test.says == "" {
				want(t, s, test.text, true)
				return
			}
			if err := fails(t, s, source.ErrUntrusted); !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPublicKey(t *testing.T) {
	alice := newSigner(t)
	file := alice.public(t)
	line := strings.Split(file, "\n")[1]
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	write(t, path, "text")
	write(t, path+".minisig", alice.sign(t, "text"))
	for _, key := range []string{file, line, "\n" + line + "\n", strings.ReplaceAll(file, "\n", "\r\n")} {
		want(t, open(t, source.Options{URL: path, PublicKey: key}), "text", true)
	}
	secret, err := os.ReadFile(alice.path("sec"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"RW", line[:len(line)-4], "untrusted comment: x", string(secret)} {
		_, err := source.New(source.Options{URL: path, PublicKey: key})
		if err == nil || !strings.Contains(err.Error(), "not a public key of minisign") || strings.Contains(err.Error(), "RW"+key) {
			t.Errorf("%q: got %v", key, err)
		}
	}
}

// TestReplaced has a text and its signature replaced one after the other, while
// they are read.
func TestReplaced(t *testing.T) {
	alice := newSigner(t)
	sign := func(text string) string { return alice.sign(t, text) }
	var lib shelf
	lib.put("/jobs.yaml", "one", `"1"`)
	lib.put("/jobs.yaml.minisig", sign("one"), "")
	srv := serve(t, &lib)
	s := open(t, source.Options{URL: srv.URL + "/jobs.yaml?sig=hunter2", PublicKey: alice.public(t)})
	want(t, s, "one", true)
	if got := lib.last.URL.String(); got != "/jobs.yaml.minisig?sig=hunter2" {
		t.Errorf("the signature is sought at %s", got)
	}
	lib.wantHeard(t, "/jobs.yaml 200", "/jobs.yaml.minisig 200")
	want(t, s, "one", false)
	lib.wantHeard(t, `/jobs.yaml 304 "1"`) // what has not changed needs no signature again

	signature := sign("two")
	lib.put("/jobs.yaml", "two", `"2"`)
	fails(t, s, source.ErrUntrusted)
	fails(t, s, source.ErrUntrusted)
	lib.wantHeard(t, `/jobs.yaml 200 "1"`, "/jobs.yaml.minisig 200", `/jobs.yaml 200 "1"`, "/jobs.yaml.minisig 200")
	lib.put("/jobs.yaml.minisig", signature, "")
	want(t, s, "two", true)

	lib.put("/jobs.yaml", "six", `"3"`)
	fails(t, s, source.ErrUntrusted)
	lib.put("/jobs.yaml", "two", `"2"`)
	want(t, s, "two", false)

	// An old text with its own signature is believed: no signature tells that.
	lib.put("/jobs.yaml", "one", `"1"`)
	lib.put("/jobs.yaml.minisig", sign("one"), "")
	want(t, s, "one", true)
}

func TestSignatureUnreachable(t *testing.T) {
	alice := newSigner(t)
	for status, is := range map[int]error{403: source.ErrDenied, 404: source.ErrUntrusted, 500: nil} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, ".minisig") {
					w.WriteHeader(status)
				}
			}))
			err := fails(t, open(t, source.Options{URL: srv.URL + "/a", PublicKey: alice.public(t)}), is)
			if !strings.Contains(err.Error(), "signature") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPinned(t *testing.T) {
	hash := sha256.Sum256([]byte("one"))
	pin := hex.EncodeToString(hash[:])
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	write(t, path, "one")
	s := open(t, source.Options{URL: path, SHA256: strings.ToUpper(pin) + "\n"})
	want(t, s, "one", true)
	write(t, path, "two")
	err := fails(t, s, source.ErrUntrusted)
	if !strings.Contains(err.Error(), "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 and not "+pin) {
		t.Errorf("got %v", err)
	}
	write(t, path, "one")
	want(t, s, "one", false)

	// With a key as well, both must hold.
	alice := newSigner(t)
	both := open(t, source.Options{URL: path, SHA256: pin, PublicKey: alice.public(t)})
	fails(t, both, source.ErrUntrusted)
	write(t, path+".minisig", alice.sign(t, "one"))
	want(t, both, "one", true)
}
