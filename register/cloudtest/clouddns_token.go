package cloudtest

import (
	"crypto"
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
	"strings"
)

// The service account of [CloudDNS], and what its key is called.
const (
	googleAccount = "robot@" + GoogleProject + ".iam.gserviceaccount.com"
	googleKeyID   = "k1"
	googleScope   = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"
)

// Credentials is the key of a service account, as it is downloaded. The authority
// that it names is on loopback.
func (f *CloudDNS) Credentials() string {
	f.t.Helper()
	key, err := testKey()
	if err != nil {
		f.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": GoogleProject, "private_key_id": googleKeyID, "client_email": googleAccount,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   f.authority.URL + "/token",
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// MetadataHost is the value of GCE_METADATA_HOST on a machine that has the service
// account.
func (f *CloudDNS) MetadataHost() string { return strings.TrimPrefix(f.authority.URL, "http://") }

// Tokens are those that were given out.
func (f *CloudDNS) Tokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for i := range f.given {
		all = append(all, googleToken(i+1))
	}
	return all
}

func googleToken(n int) string { return fmt.Sprintf("ya29.hunter2-%d", n) }

// Revoke makes every token invalid that was given out.
func (f *CloudDNS) Revoke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

// NoTokens has the authority answer with a status and a body, and give no token; a
// status of 0 ends that.
func (f *CloudDNS) NoTokens(status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noToken = nil
	if status > 0 {
		f.noToken = httptest.NewRecorder()
		f.noToken.Code = status
		f.noToken.Body.WriteString(body)
	}
}

func (f *CloudDNS) handleAuthority(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Metadata-Flavor", "Google")
	switch {
	case r.URL.Path == "/computeMetadata/v1/project/project-id":
		_, _ = io.WriteString(w, GoogleProject)
	case f.noToken != nil:
		w.WriteHeader(f.noToken.Code)
		_, _ = w.Write(f.noToken.Body.Bytes())
	case r.URL.Path == "/computeMetadata/v1/instance/service-accounts/default/token":
		if r.Header.Get("Metadata-Flavor") != "Google" {
			f.t.Errorf("cloudtest: the metadata service is asked without its header")
		}
		f.giveToken(w)
	case r.URL.Path == "/token":
		if err := f.checkAssertion(r); err != nil {
			f.t.Errorf("cloudtest: a request for a token: %v", err)
			http.Error(w, `{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}`, http.StatusBadRequest)
			return
		}
		f.giveToken(w)
	default:
		http.NotFound(w, r)
	}
}

func (f *CloudDNS) giveToken(w http.ResponseWriter) {
	f.given++
	token := googleToken(f.given)
	f.tokens[token] = true
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

// checkAssertion is RFC 7523, as Google documents it for service accounts.
func (f *CloudDNS) checkAssertion(r *http.Request) error {
	if got := r.PostFormValue("grant_type"); r.Method != http.MethodPost || got != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return fmt.Errorf("%s with grant type %q", r.Method, got)
	}
	parts := strings.Split(r.PostFormValue("assertion"), ".")
	if len(parts) != 3 {
		return fmt.Errorf("an assertion with %d parts", len(parts))
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	for i, to := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, to); err != nil {
			return err
		}
	}
	if header.Alg != "RS256" || header.Kid != googleKeyID || claims.Iss != googleAccount || claims.Exp-claims.Iat > 3610 ||
		claims.Scope != googleScope || claims.Aud != f.authority.URL+"/token" {
		return fmt.Errorf("an assertion with %+v %+v", header, claims)
	}
	key, err := testKey()
	if err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, hash[:], signature)
}
