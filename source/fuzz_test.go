package source_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/solotick/solotick/source"
)

// FuzzFetch: whatever a web server answers, it is a text as it was sent, or an error
// in words that shows no credential.
func FuzzFetch(f *testing.F) {
	type answer struct {
		status              int
		etag, encoding, url string
		body                []byte
	}
	var mu sync.Mutex
	var now answer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("ETag", now.etag)
		w.Header().Set("Content-Encoding", now.encoding)
		w.Header().Set("Location", now.url)
		w.WriteHeader(now.status)
		_, _ = w.Write(now.body)
	}))
	defer server.Close()
	const secret = "the-secret-of-the-query"
	f.Add(200, `"1"`, "", "", []byte("jobs:\n  canary: {}\n"))
	f.Add(200, "", "gzip", "", []byte("\x1f\x8b\x08\x00"))
	f.Add(302, "", "", "http://169.254.169.254/", []byte("moved"))
	f.Add(403, "", "", "", []byte("<Error><Code>AccessDenied</Code><Message>"+secret+"</Message></Error>"))
	f.Add(304, "x", "br", "/", []byte(nil))
	f.Add(410, "", "", "", []byte("<"))
	f.Fuzz(func(t *testing.T, status int, etag, encoding, url string, body []byte) {
		if strings.ContainsAny(etag+encoding+url, "\r\n") {
			return // net/http sends no such thing
		}
		statuses := []int{200, 302, 304, 308, 400, 401, 403, 404, 410} // those after which it is not asked again, later
		if !slices.Contains(statuses, status) {
			status = statuses[uint(status)%uint(len(statuses))]
		}
		mu.Lock()
		now = answer{status, etag, encoding, url, body}
		mu.Unlock()
		s, err := source.New(source.Options{URL: server.URL + "/jobs.yaml?token=" + secret, Insecure: true, MaxSize: 1 << 16})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time under a condition
			doc, err := s.Fetch(t.Context())
			if err != nil {
				if err.Error() == "" || strings.Contains(err.Error(), secret) {
					t.Errorf("status %d: error %q", status, err)
				}
				return
			}
			sum := sha256.Sum256(doc.Text)
			if encoding == "" && string(doc.Text) != string(body) || doc.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("status %d, encoding %q: %q became %q", status, encoding, body, doc.Text)
			}
		}
	})
}
