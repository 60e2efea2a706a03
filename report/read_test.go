package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/report"
)

func secrets(texts ...string) (all []register.Secret) {
	for _, t := range texts {
		all = append(all, register.NewSecret(t))
	}
	return all
}

func request(t *testing.T, target string, body []byte, head ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	return r
}

func TestRead(t *testing.T) {
	body, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	original := []byte(`{"name": "VDNDNQNWQY", "timer": 1642500153, "timerold": 1642500093, "passcode": 1641466583}`)
	both := report.Auth{Tokens: secrets("old token", "new token"), Keys: secrets("old key", "new key")}
	pass := report.Auth{Tokens: secrets("new token"), Passcode: register.NewSecret("1641466583")}
	now := time.Now()
	sign := func(key string, at time.Time) string { return report.Sign(register.NewSecret(key), body, at) }
	const sig = report.SignatureHeader
	for _, tt := range []struct {
		name   string
		auth   report.Auth
		body   []byte
		head   []string
		status int
		says   string
	}{
		{"token", both, body, []string{"Authorization", "Bearer new token"}, 200, ""},
		{"the other token, bearer in small letters", both, body, []string{"Authorization", "bearer old token"}, 200, ""},
		{"wrong token", both, body, []string{"Authorization", "Bearer token"}, 401, "the token is not the one"},
		{"no bearer", both, body, []string{"Authorization", "Basic bmV3IHRva2Vu"}, 401, "the token is not the one"},
		{"empty token", report.Auth{Tokens: secrets("")}, body, []string{"Authorization", "Bearer "}, 401, "not the one"},
		{"nothing", both, body, nil, 401, "want a token (Authorization: Bearer) or a signature (Solotick-Signature)"},
		{"nobody is believed", report.Auth{}, body, []string{"Authorization", "Bearer new token"}, 403, "no reports are taken here"},
		{"signed", both, body, []string{sig, sign("new key", now)}, 200, ""},
		{"signed by the other key", both, body, []string{sig, sign("old key", now)}, 200, ""},
		{"two signatures", both, body, []string{sig, sign("unknown", now) + "," + strings.SplitN(sign("new key", now), ",", 2)[1]}, 200, ""},
		{"four minutes ago", both, body, []string{sig, sign("new key", now.Add(-4*time.Minute))}, 200, ""},
		{"six minutes ago", both, body, []string{sig, sign("new key", now.Add(-6*time.Minute))}, 401, "more than 5m0s apart"},
		{"in six minutes", both, body, []string{sig, sign("new key", now.Add(6*time.Minute))}, 401, "more than 5m0s apart"},
		{"a narrow window", report.Auth{Keys: secrets("k"), Window: time.Second}, body, []string{sig, sign("k", now.Add(-time.Minute))}, 401, "more than 1s apart"},
		{"unknown key", both, body, []string{sig, sign("unknown", now)}, 401, "not by a key that is known here"},
		{"empty key", report.Auth{Keys: secrets("")}, body, []string{sig, sign("", now)}, 401, "not by a key"},
		{"changed body", both, bytes.Replace(body, []byte("failed"), []byte("ok"), 1), []string{sig, sign("new key", now)}, 401, "or the body was changed"},
		{"another time than signed", both, body, []string{sig, strings.Replace(sign("new key", now.Add(-time.Hour)), "t="+strconv.FormatInt(now.Add(-time.Hour).Unix(), 10), "t="+strconv.FormatInt(now.Unix(), 10), 1)}, 401, "not by a key"},
		{"signed and no key known", report.Auth{Tokens: secrets("x")}, body, []string{sig, sign("new key", now)}, 401, "no key is known here"},
		{"half a signature", both, body, []string{sig, "v1=00"}, 401, "want t=SECONDS,v1=HMAC"},
		{"a signature of rubbish", both, body, []string{sig, "t=9223372036854775807,v1=zz,,=,"}, 401, "want t=SECONDS,v1=HMAC"},
		{"a time beyond all", both, body, []string{sig, report.Sign(register.NewSecret("new key"), body, time.Unix(-1<<62, 0))}, 401, "apart"},
		{"the original", pass, original, nil, 200, ""},
		{"the original, with a wrong number", pass, bytes.Replace(original, []byte("83}"), []byte("84}"), 1), nil, 401, "the passcode of sync-agents-over-dns"},
		{"a report with a passcode", pass, append([]byte(`{"passcode":1641466583,`), body[1:]...), nil, 401, "want a token"},
		{"the original, by token", both, original, []string{"Authorization", "Bearer new token"}, 200, ""},
		{"garbage", both, []byte("garbage"), []string{"Authorization", "Bearer new token"}, 400, "not JSON"},
		{"too large", both, bytes.Repeat([]byte("x"), report.MaxBody+1), []string{"Authorization", "Bearer new token"}, 413, "at most 131072 bytes"},
		{"a form", both, body, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"gzip", both, body, []string{"Content-Encoding", "gzip"}, 415, "Content-Encoding"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := report.Read(request(t, "/report?record=Canary.example.com.", tt.body, tt.head...), tt.auth)
			if s := report.Status(err); s != tt.status || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("%d, %v, want %d ...%s...", s, err, tt.status, tt.says)
			}
			for _, secret := range []string{"new token", "old token", "new key", "old key", "1641466583"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells %q", secret)
				}
			}
			if err == nil && got.Record != "canary.example.com" {
				t.Errorf("its record is %q", got.Record)
			}
		})
	}
}

func TestReadMethods(t *testing.T) {
	r := request(t, "/", []byte("{}"))
	r.Method = http.MethodGet
	if _, err := report.Read(r, report.Auth{Tokens: secrets("x")}); report.Status(err) != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v", err)
	}
}

func TestReadOriginalNames(t *testing.T) {
	body := []byte(`{"name":"A","timer":120,"timerold":60}`)
	a := report.Auth{Tokens: secrets("x")}
	for target, want := range map[string]string{"/": "", "/?record=a.b": "a.b"} {
		got, err := report.Read(request(t, target, body, "Authorization", "Bearer x"), a)
		if err != nil || got.Record != want || !got.Original {
			t.Errorf("%s: %+v, %v", target, got, err)
		}
	}
	if _, err := report.Read(request(t, "/?record=a%00b", body, "Authorization", "Bearer x"), a); report.Status(err) != http.StatusBadRequest {
		t.Errorf("a bad name: %v", err)
	}
}

// A trap is a body that must not be read.
type trap struct{ read bool }

func (b *trap) Read([]byte) (int, error) {
	b.read = true
	return 0, errors.New("read")
}

// TestReadBounds: a body of a sender who is not believed, or that is announced as too
// large, is not read at all; one that is longer than it said is not read on.
func TestReadBounds(t *testing.T) {
	a := report.Auth{Tokens: secrets("x")}
	for token, status := range map[string]int{"y": 401, "x": 413} {
		r := request(t, "/", nil, "Authorization", "Bearer "+token)
		b := new(trap)
		r.Body, r.ContentLength = io.NopCloser(b), report.MaxBody+1
		if _, err := report.Read(r, a); report.Status(err) != status || b.read {
			t.Errorf("token %s: %v, and the body was read: %v", token, err, b.read)
		}
	}
	r := request(t, "/", nil, "Authorization", "Bearer x")
	r.Body, r.ContentLength = io.NopCloser(endless{}), -1
	if _, err := report.Read(r, a); report.Status(err) != 413 {
		t.Errorf("an endless body: %v", err)
	}
	r.Body = io.NopCloser(new(trap))
	if _, err := report.Read(r, a); report.Status(err) != 400 {
		t.Errorf("a body that breaks off: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
