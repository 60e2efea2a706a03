package clouddns_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/clouddns"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCredentials has each way to a token, and one token for many requests.
func TestCredentials(t *testing.T) {
	fake := newFake(t)
	none := config(fake)
	none.Credentials = register.Secret{}
	for _, c := range []struct {
		name string
		cfg  func(t *testing.T) clouddns.Config
	}{
		{"in the configuration", func(*testing.T) clouddns.Config { return config(fake) }},
		{"in a file", func(t *testing.T) clouddns.Config {
			cfg := none
			cfg.CredentialsFile = write(t, fake.Credentials())
			return cfg
		}},
		{"in a file that the environment names", func(t *testing.T) clouddns.Config {
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", write(t, fake.Credentials()))
			return none
		}},
		{"of the machine", func(t *testing.T) clouddns.Config {
			t.Setenv("GCE_METADATA_HOST", fake.MetadataHost())
			return none
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(fake.Tokens())
			r := open(t, c.cfg(t), name)
			if len(fake.Tokens()) > before {
				t.Error("it has asked for a token before it was needed")
			}
			s, err := r.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Swap(t.Context(), s, []string{c.name}); err != nil {
				t.Fatal(err)
			}
			if n := len(fake.Tokens()) - before; n != 1 {
				t.Errorf("%d tokens", n)
			}
			fake.Put(managed, fqdn, "TXT", 60)
		})
	}
}

// TestRevoked has the service take a token no longer: the next operation has a new
// one.
func TestRevoked(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	if _, err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.Revoke()
	_, err := r.Load(t.Context())
	wantError(t, err, refused, "clouddns: load canary.t.test: the register refuses: 401 Unauthorized: Request had invalid authentication credentials. "+
		"Expected OAuth 2 access token, login cookie or other valid authentication credential. (authError)", "still valid")
	if _, err := r.Load(t.Context()); err != nil {
		t.Errorf("with a new token: %v", err)
	}
}

func TestNoToken(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	host := fake.MetadataHost()
	const is = "clouddns: swap canary.t.test: "
	for _, c := range []struct {
		name     string
		status   int
		body     string
		kind     kind
		text, do string
	}{
		{
			"a key that was deleted", 400, `{"error": "invalid_grant", "error_description": "Invalid JWT\nSignature."}`, refused,
			is + "the register refuses: no token: " + host + " answered 400 Bad Request: invalid_grant Invalid JWT Signature.", "gcloud iam service-accounts keys list",
		},
		{"in other words", 401, "hunter2", refused, is + "the register refuses: no token: " + host + " answered 401 Unauthorized", "clock is right"},
		{"an authority that is ill", 503, "<html>hunter2</html>", plain, is + "no token: " + host + " answered 503 Service Unavailable", ""},
		{"an authority that is busy", 429, "", plain, is + "no token: " + host + " answered 429 Too Many Requests", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake.NoTokens(c.status, c.body)
			_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
			wantError(t, err, c.kind, c.text, c.do)
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("it repeats what the authority said to a request with a secret")
			}
		})
	}
	fake.NoTokens(200, "<html>")
	if _, err := r.Load(t.Context()); kindOf(err) != plain || !strings.HasPrefix(err.Error(), "clouddns: load canary.t.test: no token: ") {
		t.Errorf("error %v", err)
	}
	fake.NoTokens(0, "")
	if _, err := r.Load(t.Context()); err != nil {
		t.Errorf("once there are tokens again: %v", err)
	}
	if _, writes, _ := fake.Count(); writes > 0 {
		t.Errorf("%d writes without a token", writes)
	}
}

func TestSlowAuthority(t *testing.T) {
	fake := newFake(t)
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(over) })
	cfg := config(fake)
	cfg.Credentials = register.NewSecret(strings.ReplaceAll(fake.Credentials(), "http://"+fake.MetadataHost(), srv.URL))
	cfg.Timeout = 100 * time.Millisecond
	_, err := open(t, cfg, name).Swap(t.Context(), register.Snapshot{}, []string{"one"})
	if kindOf(err) != plain || !strings.HasPrefix(err.Error(), "clouddns: swap canary.t.test: ") {
		t.Errorf("%s: %v", kindOf(err), err)
	}
}

func TestNoMetadata(t *testing.T) {
	fake := newFake(t)
	t.Setenv("GCE_METADATA_HOST", fake.MetadataHost())
	fake.NoTokens(404, "hunter2")
	cfg := config(fake)
	cfg.Credentials = register.Secret{}
	_, err := open(t, cfg, name).Load(t.Context())
	if kindOf(err) != refused || strings.Contains(err.Error(), "hunter2") ||
		!strings.HasPrefix(err.Error(), "clouddns: load canary.t.test: the register refuses: this machine or workload has no service account: ") {
		t.Errorf("%s: %v", kindOf(err), err)
	}
	if do, _ := register.Remedy(err); !strings.Contains(do, "attach a service account") {
		t.Errorf("do: %s", do)
	}
}

// TestNoCredentials has the environment name a file that is not there.
func TestNoCredentials(t *testing.T) {
	fake := newFake(t)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
	cfg := config(fake)
	cfg.Credentials = register.Secret{}
	_, err := open(t, cfg, name).Load(t.Context())
	wantError(t, err, refused, "clouddns: load canary.t.test: the register refuses: no credentials of Google: google: error getting credentials using "+
		"GOOGLE_APPLICATION_CREDENTIALS environment variable: open /nowhere/key.json: no such file or directory", "gcloud auth application-default login")
}
