package source_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/source"
)

// An azureCloud is what a reader meets of Azure: Microsoft Entra, which gives
// tokens, and the blobs of an account.
type azureCloud struct {
	t     *testing.T
	blobs shelf // by /container/blob

	mu     sync.Mutex
	tokens map[string]bool
	given  int
	form   map[string]string // of the last request for a token
	query  []string
}

const (
	tenant   = "11111111-2222-3333-4444-555555555555"
	clientID = "66666666-7777-8888-9999-000000000000"
)

func newAzure(t *testing.T) *azureCloud {
	t.Helper()
	a := &azureCloud{t: t, tokens: map[string]bool{}}
	for _, host := range []string{"login.microsoftonline.com", "login.microsoft.com"} {
		internet.at(t, host, http.HandlerFunc(a.entra))
	}
	internet.at(t, "acme.blob.core.windows.net", http.HandlerFunc(a.storage))
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "prod")
	t.Setenv("AZURE_TENANT_ID", tenant)
	t.Setenv("AZURE_CLIENT_ID", clientID)
	return a
}

// entra is the part of Microsoft's identity platform that the library asks: which
// authorities there are, and the client credentials flow of OAuth 2.0.
func (a *azureCloud) entra(w http.ResponseWriter, r *http.Request) {
	const authority = "https://login.microsoftonline.com/" + tenant
	answer := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/common/discovery/instance":
		answer(map[string]any{
			"tenant_discovery_endpoint": authority + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
			"metadata": []map[string]any{{
				"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net", "aliases": []string{"login.microsoftonline.com"},
			}},
		})
	case "/" + tenant + "/v2.0/.well-known/openid-configuration":
		answer(map[string]any{
			"issuer": authority + "/v2.0", "authorization_endpoint": authority + "/oauth2/v2.0/authorize", "token_endpoint": authority + "/oauth2/v2.0/token",
		})
	case "/" + tenant + "/oauth2/v2.0/token":
		a.mu.Lock()
		defer a.mu.Unlock()
		a.form = map[string]string{}
		for _, name := range []string{"grant_type", "client_id", "scope", "client_secret", "client_assertion", "client_assertion_type"} {
			if v := r.PostFormValue(name); v != "" {
				a.form[name] = v
			}
		}
		if a.form["grant_type"] != "client_credentials" || a.form["client_id"] != clientID ||
			!strings.HasPrefix(a.form["scope"], "https://storage.azure.com/.default") {
			a.t.Errorf("token: %q", a.form)
		}
		if a.form["client_secret"] == "wrong hunter2" {
			w.WriteHeader(401)
			answer(map[string]any{
				"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1", "sent": a.form,
			})
			return
		}
		a.given++
		token := fmt.Sprintf("eyJ.hunter2-%d", a.given)
		a.tokens[token] = true
		answer(map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})
	default:
		a.t.Errorf("entra: %s %s%s", r.Method, r.Host, r.URL)
		http.NotFound(w, r)
	}
}

func (a *azureCloud) storage(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	token, signed := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	good := a.tokens[token]
	a.query = append(a.query, r.URL.RawQuery)
	a.mu.Unlock()
	refuse := func(status int, code, message string) {
		w.Header().Set("X-Ms-Error-Code", code)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		// With the mark and the lines that Azure's answers have.
		io.WriteString(w, "\uFEFF"+xmlError(code, message+"\nRequestId:f2a0\nTime:2026-01-01T00:00:00.0000000Z"))
	}
	if version := r.Header.Get("X-Ms-Version"); version < "2017-11-09" || len(version) != len("2017-11-09") {
		a.t.Errorf("storage: x-ms-version %q", version)
	}
	if date, err := http.ParseTime(r.Header.Get("X-Ms-Date")); err != nil || time.Since(date).Abs() > 15*time.Minute {
		a.t.Errorf("storage: x-ms-date %q", r.Header.Get("X-Ms-Date"))
	}
	a.blobs.mu.Lock()
	_, there := a.blobs.texts[r.URL.Path]
	a.blobs.mu.Unlock()
	sas := r.URL.Query().Get("sig")
	switch {
	case r.Method != http.MethodGet:
		a.t.Errorf("storage: %s %s", r.Method, r.URL)
	case signed && sas != "":
		a.t.Error("storage: two kinds of credentials")
	case signed && !good:
		refuse(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.")
	case sas != "" && sas != "hunter2/hunter2+hunter2=":
		refuse(403, "AuthenticationFailed", "Server failed to authenticate the request. Signature did not match: "+sas)
	case strings.HasPrefix(r.URL.Path, "/forbidden/"):
		refuse(403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
	case !signed && sas == "" && !strings.HasPrefix(r.URL.Path, "/public/"):
		refuse(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
	case !there:
		refuse(404, "BlobNotFound", "The specified blob does not exist.")
	default:
		a.blobs.ServeHTTP(w, r)
	}
}

func TestAzure(t *testing.T) {
	a := newAzure(t)
	t.Setenv("AZURE_CLIENT_SECRET", "secret hunter2")
	a.blobs.put("/automation/team a/jobs+1.yaml", "one", `"0x1"`)
	s := open(t, source.Options{URL: "azblob://acme/automation/team%20a/jobs+1.yaml", Proxy: true})
	if a.form != nil {
		t.Error("it has asked for a token before it was needed")
	}
	want(t, s, "one", true)
	if doc := want(t, s, "one", false); doc.Version != `"0x1"` {
		t.Errorf("got version %s", doc.Version)
	}
	a.blobs.wantHeard(t, "/automation/team a/jobs+1.yaml 200", `/automation/team a/jobs+1.yaml 304 "0x1"`)
	a.blobs.put("/automation/team a/jobs+1.yaml", "two", `"0x2"`)
	want(t, s, "two", true)
	if a.given != 1 || a.form["client_secret"] != "secret hunter2" {
		t.Errorf("%d tokens for 3 requests, the last for %q", a.given, a.form)
	}

	clear(a.tokens)
	err := fails(t, s, source.ErrDenied)
	if got, want := err.Error(), "source: azblob://acme/automation/team%20a/jobs%2B1.yaml: access denied: 401 Unauthorized: "+
		"InvalidAuthenticationInfo: Server failed to authenticate the request. Please refer to the information in the www-authenticate header."; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want(t, s, "two", false) // with a new token

	for where, test := range map[string]struct {
		is   error
		says string
	}{
		"azblob://acme/automation/nothing": {source.ErrNotFound, "404 Not Found: BlobNotFound: The specified blob does not exist."},
		"azblob://acme/forbidden/jobs":     {source.ErrDenied, "403 Forbidden: AuthorizationPermissionMismatch: This request is not authorized to perform this operation using this permission."},
	} {
		err := fails(t, open(t, source.Options{URL: where, Proxy: true}), test.is)
		if !strings.HasSuffix(err.Error(), ": "+test.says) {
			t.Errorf("%s: got %v", where, err)
		}
	}
}

// TestAzureWorkload has the identity that Kubernetes gives to a pod.
func TestAzureWorkload(t *testing.T) {
	a := newAzure(t)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "assertion hunter2")
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
	a.blobs.put("/automation/jobs.yaml", "text", `"0x1"`)
	want(t, open(t, source.Options{URL: "azblob://acme/automation/jobs.yaml", Proxy: true}), "text", true)
	if a.form["client_assertion"] != "assertion hunter2" || a.form["client_secret"] != "" {
		t.Errorf("got %q", a.form)
	}
}

func TestAzureSharedAccess(t *testing.T) {
	a := newAzure(t)
	alice := newSigner(t)
	a.blobs.put("/automation/jobs.yaml", "text", `"0x1"`)
	a.blobs.put("/automation/jobs.yaml.minisig", alice.sign(t, "text"), "")
	const sas = "?sv=2024-11-04&sr=c&sp=r&se=2030-01-01T00%3A00%3A00Z&sig=hunter2%2Fhunter2%2Bhunter2%3D"
	o := source.Options{URL: "azblob://acme/automation/jobs.yaml" + sas, PublicKey: alice.public(t), Proxy: true}
	s := open(t, o)
	want(t, s, "text", true)
	want(t, s, "text", false)
	if len(a.query) != 3 || !strings.Contains(a.query[1], "sig=hunter2%2Fhunter2%2Bhunter2%3D") || a.given > 0 {
		t.Errorf("queries %q, %d tokens", a.query, a.given)
	}
	o.URL = strings.Replace(o.URL, "sig=", "sig=not", 1) // a signature that the service repeats
	err := fails(t, open(t, o), source.ErrDenied)
	if got, want := err.Error(), "source: azblob://acme/automation/jobs.yaml: access denied: 403 Forbidden"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAzureVersion(t *testing.T) {
	a := newAzure(t)
	alice := newSigner(t)
	a.blobs.put("/public/jobs.yaml", "text", `"0x1"`)
	a.blobs.put("/public/jobs.yaml.minisig", alice.sign(t, "text"), "")
	o := source.Options{URL: "azblob://acme/public/jobs.yaml?versionid=7", PublicKey: alice.public(t), Anonymous: true, Endpoint: serve(t, http.HandlerFunc(a.storage)).URL}
	want(t, open(t, o), "text", true)
	if strings.Join(a.query, ",") != "versionid=7," || a.given > 0 {
		t.Errorf("queries %q, %d tokens", a.query, a.given)
	}
	o.URL = "azblob://acme/private/jobs.yaml"
	if err := fails(t, open(t, o), source.ErrDenied); !strings.Contains(err.Error(), "409 Conflict: PublicAccessNotPermitted") {
		t.Errorf("got %v", err)
	}
}

func TestAzureNoToken(t *testing.T) {
	newAzure(t)
	o := source.Options{URL: "azblob://acme/automation/jobs.yaml", Proxy: true, Timeout: 10 * time.Second}
	refusing := func(says string) {
		t.Helper()
		err := fails(t, open(t, o), nil)
		text := strings.TrimPrefix(err.Error(), "source: azblob://acme/automation/jobs.yaml: ")
		if !strings.HasPrefix(text, says) || strings.ContainsAny(text, "\n") || strings.Contains(text, "hunter2") {
			t.Errorf("got  %s\nwant %s", text, says)
		}
	}
	t.Setenv("AZURE_CLIENT_SECRET", "wrong hunter2")
	refusing("no credentials of Azure: login.microsoftonline.com answered 401 Unauthorized: invalid_client AADSTS7000215: Invalid client secret provided. Trace ID: 1")
	t.Setenv("AZURE_CLIENT_SECRET", "")
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
	refusing("no credentials of Azure: DefaultAzureCredential: failed to acquire a token. Attempted credentials: EnvironmentCredential: incomplete environment variable configuration.")

	t.Setenv("AZURE_CLIENT_SECRET", "secret hunter2")
	over := make(chan struct{})
	defer close(over)
	internet.at(t, "login.microsoftonline.com", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	o.Timeout = 50 * time.Millisecond
	refusing("no answer within 50ms: no credentials of Azure: context deadline exceeded")
}
