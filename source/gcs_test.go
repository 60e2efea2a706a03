package source_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/source"
)

// A google is what a reader meets of Google Cloud: the endpoint that gives tokens
// to service accounts, the metadata service, and the XML API of Cloud Storage.
type google struct {
	t       *testing.T
	key     *rsa.PrivateKey // of the service account
	expires int             // seconds that a token is good for
	objects shelf           // by /bucket/object, and with ?generation=

	mu     sync.Mutex
	tokens map[string]bool
	given  int
	query  []string
}

const account = "robot@acme.iam.gserviceaccount.com"

var accountKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newGoogle(t *testing.T) *google {
	t.Helper()
	key, err := accountKey()
	if err != nil {
		t.Fatal(err)
	}
	g := &google{t: t, key: key, expires: 3600, tokens: map[string]bool{}}
	internet.at(t, "oauth2.googleapis.com", http.HandlerFunc(g.exchange))
	internet.at(t, "storage.googleapis.com", http.HandlerFunc(g.storage))
	return g
}

// login lays down the key of the service account, as it is downloaded.
func (g *google) login(t *testing.T) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(g.key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "acme", "private_key_id": "k1", "client_email": account,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   "https://oauth2.googleapis.com/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.json")
	write(t, path, string(text))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
}

// give makes a token.
func (g *google) give(w http.ResponseWriter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.given++
	token := fmt.Sprintf("ya29.hunter2-%d", g.given)
	g.tokens[token] = true
	json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": g.expires})
}

func (g *google) revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.tokens)
}

// exchange is RFC 7523, as Google documents it for service accounts.
func (g *google) exchange(w http.ResponseWriter, r *http.Request) {
	if got := r.PostFormValue("grant_type"); r.Method != http.MethodPost || r.URL.Path != "/token" || got != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		g.t.Errorf("token: %s %s, grant type %q", r.Method, r.URL, got)
	}
	parts := strings.Split(r.PostFormValue("assertion"), ".")
	if len(parts) != 3 {
		g.t.Fatalf("token: assertion with %d parts", len(parts))
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	for i, to := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, to) != nil {
			g.t.Errorf("token: assertion: %v %s", err, text)
		}
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&g.key.PublicKey, crypto.SHA256, hash[:], signature); err != nil {
		g.t.Errorf("token: signature: %v", err)
	}
	if header.Alg != "RS256" || header.Kid != "k1" || claims.Iss != account || claims.Exp-claims.Iat > 3610 ||
		claims.Scope != "https://www.googleapis.com/auth/devstorage.read_only" || claims.Aud != "https://oauth2.googleapis.com/token" {
		g.t.Errorf("token: %+v %+v", header, claims)
	}
	g.give(w)
}

// metadata is the service of a virtual machine.
func (g *google) metadata(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata-Flavor") != "Google" {
		g.t.Errorf("metadata: %s without its header", r.URL)
	}
	w.Header().Set("Metadata-Flavor", "Google")
	switch r.URL.Path {
	case "/computeMetadata/v1/project/project-id":
		io.WriteString(w, "acme")
	case "/computeMetadata/v1/instance/service-accounts/default/token":
		g.give(w)
	default:
		http.NotFound(w, r)
	}
}

func (g *google) storage(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	token, signed := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	good := g.tokens[token]
	g.query = append(g.query, r.URL.RawQuery)
	g.mu.Unlock()
	refuse := func(status int, code, message string, more ...string) {
		w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
		w.WriteHeader(status)
		io.WriteString(w, xmlError(code, message, more...))
	}
	name := r.URL.Path
	if generation := r.URL.Query().Get("generation"); generation != "" {
		name += "?generation=" + generation
	}
	g.objects.mu.Lock()
	_, there := g.objects.texts[name]
	g.objects.mu.Unlock()
	switch {
	case r.Method != http.MethodGet:
		g.t.Errorf("storage: %s %s", r.Method, r.URL)
	case signed && !good:
		refuse(401, "AuthenticationRequired", "Authentication required.")
	case !signed && !strings.HasPrefix(r.URL.Path, "/public/"):
		refuse(403, "AccessDenied", "Access denied.", "<Details>Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object.</Details>")
	case !there:
		refuse(404, "NoSuchKey", "The specified key does not exist.")
	default:
		r.URL.Path = name
		g.objects.ServeHTTP(w, r)
	}
}

func TestGCS(t *testing.T) {
	g := newGoogle(t)
	g.login(t)
	g.objects.put("/automation/team a/jobs+1.yaml", "one", `"1"`)
	s := open(t, source.Options{URL: "gs://automation/team%20a/jobs+1.yaml", Proxy: true})
	if g.given > 0 {
		t.Error("it has asked for a token before it was needed")
	}
	want(t, s, "one", true)
	if doc := want(t, s, "one", false); doc.Version != `"1"` {
		t.Errorf("got version %s", doc.Version)
	}
	g.objects.wantHeard(t, "/automation/team a/jobs+1.yaml 200", `/automation/team a/jobs+1.yaml 304 "1"`)
	g.objects.put("/automation/team a/jobs+1.yaml", "two", `"2"`)
	want(t, s, "two", true)
	if g.given != 1 {
		t.Errorf("%d tokens for 3 requests", g.given)
	}

	g.revoke()
	err := fails(t, s, source.ErrDenied)
	if got, want := err.Error(), "source: gs://automation/team%20a/jobs%2B1.yaml: access denied: 401 Unauthorized: AuthenticationRequired: Authentication required."; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want(t, s, "two", false) // with a new token

	none := open(t, source.Options{URL: "gs://automation/nothing", Proxy: true})
	if err := fails(t, none, source.ErrNotFound); !strings.HasSuffix(err.Error(), "not found: 404 Not Found: NoSuchKey: The specified key does not exist.") {
		t.Errorf("got %v", err)
	}
}

func TestGCSToken(t *testing.T) {
	g := newGoogle(t)
	g.expires = 5 // less than the library's 10 s of foresight
	g.login(t)
	g.objects.put("/automation/jobs.yaml", "one", `"1"`)
	s := open(t, source.Options{URL: "gs://automation/jobs.yaml", Proxy: true})
	want(t, s, "one", true)
	want(t, s, "one", false)
	if g.given != 2 {
		t.Errorf("%d tokens for 2 requests; each was about to expire", g.given)
	}
}

func TestGCSMetadata(t *testing.T) {
	g := newGoogle(t)
	srv := httptest.NewServer(http.HandlerFunc(g.metadata))
	t.Cleanup(srv.Close)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(srv.URL, "http://"))
	g.objects.put("/automation/jobs.yaml", "one", `"1"`)
	s := open(t, source.Options{URL: "gs://automation/jobs.yaml", Proxy: true})
	want(t, s, "one", true)
	want(t, s, "one", false)
	if g.given != 1 {
		t.Errorf("%d tokens", g.given)
	}
}

func TestGCSGeneration(t *testing.T) {
	g := newGoogle(t)
	g.login(t)
	alice := newSigner(t)
	g.objects.put("/automation/jobs.yaml", "two", `"2"`)
	g.objects.put("/automation/jobs.yaml?generation=17", "one", `"1"`)
	g.objects.put("/automation/jobs.yaml.minisig", alice.sign(t, "one"), "")
	s := open(t, source.Options{URL: "gs://automation/jobs.yaml?generation=17", PublicKey: alice.public(t), Proxy: true})
	want(t, s, "one", true)
	if strings.Join(g.query, ",") != "generation=17," {
		t.Errorf("got queries %q", g.query)
	}
}

func TestGCSAnonymous(t *testing.T) {
	g := newGoogle(t)
	g.login(t)
	g.objects.put("/public/jobs.yaml", "text", `"1"`)
	srv := serve(t, http.HandlerFunc(g.storage))
	want(t, open(t, source.Options{URL: "gs://public/jobs.yaml", Anonymous: true, Endpoint: srv.URL}), "text", true)
	if g.objects.last.Header.Get("Authorization") != "" || g.given > 0 {
		t.Error("it has used credentials")
	}
	err := fails(t, open(t, source.Options{URL: "gs://private/jobs.yaml", Anonymous: true, Endpoint: srv.URL}), source.ErrDenied)
	if !strings.Contains(err.Error(), "403 Forbidden: AccessDenied: Anonymous caller does not have storage.objects.get access") {
		t.Errorf("got %v", err)
	}
}

func TestGCSNoToken(t *testing.T) {
	o := source.Options{URL: "gs://automation/jobs.yaml", Proxy: true, Timeout: 10 * time.Second}
	refusing := func(says string) {
		t.Helper()
		err := fails(t, open(t, o), nil)
		text := strings.TrimPrefix(err.Error(), "source: gs://automation/jobs.yaml: ")
		if !strings.HasPrefix(text, says) || strings.ContainsAny(text, "\n") || strings.Contains(text, "hunter2") {
			t.Errorf("got  %s\nwant %s", text, says)
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "key.json"))
	refusing("no credentials of Google: google: error getting credentials using GOOGLE_APPLICATION_CREDENTIALS")

	g := newGoogle(t)
	g.login(t)
	answer := func(status int, body string) {
		internet.at(t, "oauth2.googleapis.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, body, "hunter2 "+r.PostFormValue("assertion"))
		}))
	}
	answer(400, `{"error": "invalid_grant", "error_description": "Invalid JWT\nSignature.", "more": "%s"}`)
	refusing("no credentials of Google: oauth2.googleapis.com answered 400 Bad Request: invalid_grant Invalid JWT Signature.")
	answer(502, "<html>%s</html>")
	refusing("no credentials of Google: oauth2.googleapis.com answered 502 Bad Gateway")

	over := make(chan struct{})
	defer close(over)
	internet.at(t, "oauth2.googleapis.com", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	o.Timeout = 50 * time.Millisecond
	refusing("no answer within 50ms: no credentials of Google: context deadline exceeded")
}
