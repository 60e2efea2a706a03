package clouddns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/solotick/solotick/register"
)

// scope is all that a token is asked to be good for.
const scope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"

// tokens has the credential, and the token that it gives as long as that is good.
type tokens struct {
	secret register.Secret
	file   string
	client *http.Client
	fetch  shared[*oauth2.Token]

	mu   sync.Mutex
	cred *google.Credentials // nil: not found yet
	last *oauth2.Token       // nil: none
}

// newTokens reads the credential if it is configured, so that a mistake in it is
// told at once. The default credentials are looked for when a token is needed.
//
// Google's library sends what it sends by a client of its own: what workloads
// elsewhere show to get a token comes from addresses that package web refuses.
func newTokens(secret register.Secret, file string, timeout time.Duration) (*tokens, error) {
	if !secret.IsZero() && file != "" {
		return nil, errors.New("credentials in the configuration and a file of credentials: want one of them")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t := &tokens{secret: secret, file: file, client: &http.Client{Timeout: timeout, Transport: transport}}
	if secret.IsZero() && file == "" {
		return t, nil
	}
	cred, err := t.find()
	t.cred = cred
	return t, err
}

func (t *tokens) close() { t.client.CloseIdleConnections() }

// find finds the credential. The library takes no context for that, so whoever
// waits no longer leaves it behind: it ends by its own time-outs, of seconds.
func (t *tokens) find() (*google.Credentials, error) {
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, t.client)
	data := []byte(t.secret.Reveal())
	if t.file != "" {
		var err error
		if data, err = os.ReadFile(t.file); err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
	}
	if len(data) == 0 && t.file == "" {
		return google.FindDefaultCredentials(ctx, scope)
	}
	var kind struct{ Type google.CredentialsType }
	if json.Unmarshal(data, &kind) != nil || kind.Type == "" {
		return nil, errors.New("credentials: want the JSON of a service account's key, as the console or gcloud iam service-accounts keys create gives it")
	}
	cred, err := google.CredentialsFromJSONWithType(ctx, data, kind.Type, scope)
	if err != nil {
		return nil, fmt.Errorf("credentials of type %q: %w", kind.Type, err)
	}
	return cred, nil
}

// get returns a token that is good for a while. An error is for people, and wraps
// ErrRefused if trying again soon does not help.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	if last.Valid() {
		return last.AccessToken, nil
	}
	token, err := t.fetch.get(ctx, t.renew)
	if err != nil {
		return "", explainToken(ctx, err)
	}
	return token.AccessToken, nil
}

func (t *tokens) renew() (*oauth2.Token, error) {
	cred, err := t.credentials()
	if err != nil {
		return nil, &noCredentials{err}
	}
	token, err := cred.TokenSource.Token()
	if err != nil {
		t.forget() // others may have been laid down meanwhile
		return nil, err
	}
	t.mu.Lock()
	t.last = token
	t.mu.Unlock()
	return token, nil
}

// credentials finds the credential, unless that was done. Only renew calls it, and
// so one at a time.
func (t *tokens) credentials() (*google.Credentials, error) {
	if cred := t.held(); cred != nil {
		return cred, nil
	}
	cred, err := t.find()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cred = cred
	return cred, nil
}

func (t *tokens) held() *google.Credentials {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cred
}

// forget drops a token that the service did not take.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cred, t.last = nil, nil
}

// project is that of the credential that gave the last token; empty: it names none.
func (t *tokens) project() string {
	if cred := t.held(); cred != nil {
		return cred.ProjectID
	}
	return ""
}

// account is whose credential it is, for people; empty: it does not say.
func (t *tokens) account() string {
	var said struct {
		Email string `json:"client_email"`
	}
	if cred := t.held(); cred == nil || json.Unmarshal(cred.JSON, &said) != nil {
		return ""
	}
	return said.Email
}

// noCredentials says that none were found.
type noCredentials struct{ error }

func (n *noCredentials) Unwrap() error { return n.error }

// explainToken makes a sentence of an error of Google's libraries, which have many
// lines, and the bodies of answers to requests that held a secret.
func explainToken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var none *noCredentials
	var answer *oauth2.RetrieveError
	var undefined metadata.NotDefinedError
	late := net.Error(nil)
	switch {
	case errors.As(err, &none):
		return &register.Problem{
			Err:    fmt.Errorf("%w: no credentials of Google: %s", register.ErrRefused, line(none.Error())),
			Do:     "name a service account's key as credentials_file, set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login",
			Config: true,
		}
	case errors.As(err, &answer) && answer.Response != nil:
		return refusedToken(answer)
	case errors.As(err, &undefined):
		return &register.Problem{
			Err: fmt.Errorf("%w: this machine or workload has no service account: %s", register.ErrRefused, line(undefined.Error())),
			Do:  "attach a service account to the machine, or name a key as credentials_file",
		}
	case errors.As(err, &late) && late.Timeout():
		return errors.New("no token in time")
	}
	return errors.New("no token: " + line(err.Error()))
}

// refusedToken is what an authority says of a request for a token: RFC 6749
// section 5.2.
func refusedToken(answer *oauth2.RetrieveError) error {
	who := "the authority"
	if r := answer.Response.Request; r != nil && r.URL != nil {
		who = r.URL.Host
	}
	text := fmt.Sprintf("no token: %s answered %s", who, answer.Response.Status)
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(answer.Body, &said) == nil && said.Code != "" {
		text += ": " + line(said.Code+" "+said.Description)
	}
	if code := answer.Response.StatusCode; code < 400 || code >= 500 || code == http.StatusTooManyRequests {
		return errors.New(text)
	}
	return &register.Problem{
		Err: fmt.Errorf("%w: %s", register.ErrRefused, text),
		Do: "see that the key was not deleted, that its service account is enabled (gcloud iam service-accounts keys list --iam-account=...), " +
			"and that this machine's clock is right",
	}
}

// line makes one line of a text, and not a long one.
func line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 300 {
		return string(runes[:300]) + "..."
	}
	return text
}
