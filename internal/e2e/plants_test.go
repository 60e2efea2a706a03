package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// plants are secrets, each another one, by what they are for.
type plants map[string]string

// add plants one more and returns its text.
func (p plants) add(name string) string {
	p[name] = "Pl4nt" + name + rand.Text()[:12]
	return p[name]
}

// forms are how a secret may be written.
func forms(secret string) []string {
	return []string{
		secret, hex.EncodeToString([]byte(secret)), fmt.Sprint([]byte(secret)), strings.ToLower(secret), url.QueryEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
	}
}

// check wants none of the secrets in a text, but for those that may be there.
func (p plants) check(t *testing.T, where, text string, may ...string) {
	t.Helper()
	for name, secret := range p {
		for _, form := range forms(secret) {
			if at := strings.Index(text, form); at >= 0 && !slices.Contains(may, name) {
				t.Errorf("%s shows the secret of %s: ...%s", where, name, text[max(0, at-300):min(len(text), at+200)])
				break
			}
		}
	}
}

// An others is everybody whom a solotick talks to by HTTP. It keeps what it was sent,
// by the first part of the path, and answers as it is told to.
type others struct {
	server *httptest.Server
	list   func() string // the list of jobs, which /list is

	mu    sync.Mutex
	mood  string
	heard map[string]string // whole requests
}

// moods are how the others answer, each of them in the worst way: with all that they
// were sent, where an answer has room for it.
var moods = []string{"well", "refuses", "fails", "redirects", "garbage", "hangs up", "silent"}

func newOthers(t *testing.T) *others {
	t.Helper()
	o := &others{mood: moods[0], heard: map[string]string{}}
	o.server = httptest.NewServer(o)
	t.Cleanup(o.server.CloseClientConnections)
	t.Cleanup(o.server.Close)
	return o
}

func (o *others) be(mood string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mood = mood
}

func (o *others) all() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.heard)
}

func (o *others) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var sent bytes.Buffer
	fmt.Fprintf(&sent, "%s %s\n", r.Method, r.RequestURI)
	_ = r.Header.Write(&sent)
	if _, password, ok := r.BasicAuth(); ok {
		fmt.Fprintf(&sent, "password %s\n", password)
	}
	sent.Write(body)
	sent.WriteByte('\n')
	to := strings.Split(r.URL.Path, "/")[1]
	o.mu.Lock()
	mood := o.mood
	o.heard[to] += sent.String()
	o.mu.Unlock()
	if to == "list" && mood == "well" {
		_, _ = io.WriteString(w, o.list())
		return
	}
	switch mood {
	case "well":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"ok": true, "channel": "C024BE91L", "ts": "1.%d", "status": "success"}`, len(body))
	case "refuses", "fails":
		w.WriteHeader(map[string]int{"refuses": http.StatusForbidden, "fails": http.StatusInternalServerError}[mood])
		_, _ = w.Write(sent.Bytes())
	case "redirects":
		http.Redirect(w, r, "http://localhost:"+strings.Split(o.server.URL, ":")[2]+"/elsewhere", http.StatusFound)
	case "silent":
		<-r.Context().Done()
	default:
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		if mood == "garbage" {
			_, _ = conn.Write(sent.Bytes())
		}
		_ = conn.Close()
	}
}

// texts are all files below a folder but those that hold secrets by rights, by name.
func texts(t *testing.T, dir string, not ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || slices.Contains(not, d.Name()) {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
