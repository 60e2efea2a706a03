package azuredns

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

const (
	tenant   = "aaaaaaaa-2222-3333-4444-555555555555"
	clientID = "66666666-7777-8888-9999-000000000000"
)

// A transporter answers what the library asks of Microsoft Entra, in this process.
type transporter func(*http.Request) (*http.Response, error)

func (f transporter) Do(req *http.Request) (*http.Response, error) { return f(req) }

// An entra is the part of Microsoft's identity platform that the library asks:
// which authorities there are, and the client credentials flow of OAuth 2.0.
type entra struct {
	t    *testing.T
	form map[string]string // of the last request for a token
	fail string            // the error's description; 401 and 400 have one
	code int
}

func (e *entra) Do(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	e.serve(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

func (e *entra) serve(w http.ResponseWriter, r *http.Request) {
	const authority = "https://login.microsoftonline.com/" + tenant
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/common/discovery/instance":
		answer(200, map[string]any{
			"tenant_discovery_endpoint": authority + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
			"metadata": []map[string]any{{
				"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net", "aliases": []string{"login.microsoftonline.com"},
			}},
		})
	case "/" + tenant + "/v2.0/.well-known/openid-configuration":
		answer(200, map[string]any{
			"issuer": authority + "/v2.0", "authorization_endpoint": authority + "/oauth2/v2.0/authorize", "token_endpoint": authority + "/oauth2/v2.0/token",
		})
	case "/" + tenant + "/oauth2/v2.0/token":
		e.form = map[string]string{}
		for _, name := range []string{"grant_type", "client_id", "scope", "client_secret", "client_assertion"} {
			e.form[name] = r.PostFormValue(name)
		}
		if e.code != 0 {
			answer(e.code, map[string]any{"error": "invalid_client", "error_description": e.fail, "sent": e.form})
			return
		}
		answer(200, map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": cloudtest.AzureToken})
	default:
		e.t.Errorf("entra: %s %s", r.Method, r.URL)
		answer(404, nil)
	}
}

func (e *entra) open(t *testing.T, cfg Config) register.Register {
	t.Helper()
	c, err := newClient(cfg, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r, err := c.Register(canary)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestClientSecret has an application with a secret.
func TestClientSecret(t *testing.T) {
	fake := start(t)
	e := &entra{t: t}
	cfg := config(fake.URL)
	cfg.TenantID, cfg.ClientID, cfg.ClientSecret = tenant, clientID, register.NewSecret("hunter2")
	r := e.open(t, cfg)
	if e.form != nil {
		t.Error("it has asked for a token before it was needed")
	}
	swap(t, r, register.Snapshot{}, "first")
	if e.form["grant_type"] != "client_credentials" || e.form["client_id"] != clientID || e.form["client_secret"] != "hunter2" ||
		!strings.HasPrefix(e.form["scope"], "https://management.") {
		t.Errorf("%q", e.form)
	}
}

// TestWorkload has the identity that Kubernetes gives to a pod.
func TestWorkload(t *testing.T) {
	fake := start(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("assertion"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
	t.Setenv("AZURE_TENANT_ID", tenant)
	t.Setenv("AZURE_CLIENT_ID", clientID)
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "prod")
	for _, own := range []string{"", clientID} {
		e := &entra{t: t}
		cfg := config(fake.URL)
		cfg.ClientID = own
		load(t, e.open(t, cfg))
		if e.form["client_assertion"] != "assertion" || e.form["client_id"] != clientID || e.form["client_secret"] != "" {
			t.Errorf("client %q: %q", own, e.form)
		}
	}
}

// TestUserAssigned has one of several identities of a machine, chosen by its client
// id.
func TestUserAssigned(t *testing.T) {
	fake := start(t)
	var asked string
	cfg := config(fake.URL)
	// The library keeps tokens by client, for the process.
	cfg.ClientID = fmt.Sprintf("77777777-7777-8888-9999-%012d", rand.IntN(1e12))
	c, err := newClient(cfg, transporter(func(req *http.Request) (*http.Response, error) {
		asked = req.URL.Query().Get("client_id")
		return http.DefaultTransport.RoundTrip(req)
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	r, err := c.Register(canary)
	if err != nil {
		t.Fatal(err)
	}
	load(t, r)
	if asked != cfg.ClientID {
		t.Errorf("asked for a token of %q", asked)
	}
}

// TestNoToken: what Microsoft Entra says ends in a sentence, without the secret
// that the answer repeats.
func TestNoToken(t *testing.T) {
	fake := start(t)
	cfg := config(fake.URL)
	cfg.TenantID, cfg.ClientID, cfg.ClientSecret = tenant, clientID, register.NewSecret("hunter2")
	for _, row := range []struct {
		code     int
		says     string
		want     error
		text, do string
	}{
		{
			401, "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1", register.ErrRefused,
			"the register refuses: no token: login.microsoftonline.com answered 401: invalid_client AADSTS7000215: Invalid client secret provided. Trace ID: 1", "the client secret is wrong",
		},
		{401, "AADSTS7000222: The provided client secret keys are expired.", register.ErrRefused, "AADSTS7000222", "az ad app credential reset --append --id " + clientID},
		{400, "AADSTS700016: Application not found.", register.ErrRefused, "answered 400", "the tenant has no such application"},
		{400, "AADSTS1: Something else.", register.ErrRefused, "AADSTS1", "check the ids of tenant and client, and the secret"},
		{503, "AADSTS90033: A transient error has occurred.", errPlain, "answered 503", ""},
	} {
		e := &entra{t: t, code: row.code, fail: row.says}
		r := e.open(t, cfg)
		_, err := r.Load(t.Context())
		_, err2 := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
		for _, err := range []error{err, err2} {
			wantOutcome(t, err, row.want)
			do, _ := register.Remedy(err)
			if !strings.Contains(err.Error(), row.text) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(do, row.do) {
				t.Errorf("error %v, remedy %q", err, do)
			}
		}
	}
	if _, writes, _ := fake.Count(); writes > 0 {
		t.Errorf("%d writes without a token", writes)
	}
}

// TestNoIdentity: a machine without any identity is no refusal of the register, and
// the sentence names what was tried.
func TestNoIdentity(t *testing.T) {
	fake := start(t)
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
	_, err := open(t, config(fake.URL), canary).Load(t.Context())
	wantOutcome(t, err, errPlain)
	if do, _ := register.Remedy(err); !strings.Contains(err.Error(), "no token: ") || !strings.Contains(err.Error(), "EnvironmentCredential") ||
		strings.Contains(err.Error(), "\n") || !strings.Contains(do, "AZURE_TOKEN_CREDENTIALS=prod") {
		t.Errorf("error %v, remedy %q", err, do)
	}
}
