package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/seal"
	"github.com/solotick/solotick/zone"
)

// grounds are where an observer is tried: a zone, a file with a job, and a folder.
type grounds struct {
	t    *testing.T
	dir  string
	file string
}

func newGrounds(t *testing.T) *grounds {
	t.Helper()
	g := &grounds{t: t, dir: t.TempDir()}
	secret := []byte("0123456789abcdef0123456789abcdef")
	s, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(g.dir, "zone"), Zones: []zone.Zone{{Name: "t.test"}}, Log: slog.New(slog.DiscardHandler),
		Keys: []zone.Key{{Name: "k", Algorithm: "hmac-sha256", Secret: secret, Grants: []zone.Grant{{Name: "t.test", Below: true, Types: []string{"TXT"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	key := g.write("k.key", "k:"+base64.StdEncoding.EncodeToString(secret))
	g.file = g.write("solotick.yaml", fmt.Sprintf("version: 1\ndns: { provider: rfc2136, zone: t.test, server: %q, tsig: %q }\njobs:\n  canary: { every: 1h, exec: [\"true\"] }\n", s.Addr(), "${file:"+key+"}"))
	return g
}

func (g *grounds) write(name, text string) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// serve runs "serve" until the test ends, and returns where it answers.
func (g *grounds) serve(log *logBuffer, args ...string) (url string, stop func()) {
	g.t.Helper()
	ctx, end := context.WithCancel(context.Background())
	over := make(chan int, 1)
	lines, stderr := io.Pipe()
	go func() {
		over <- run(ctx, append([]string{"serve", "-c", g.file, "--listen", "127.0.0.1:0", "--log-format", "text"}, args...), strings.NewReader(""), io.Discard, stderr)
		stderr.Close()
	}()
	found := make(chan string, 1)
	go func() {
		for s := bufio.NewScanner(lines); s.Scan(); {
			fmt.Fprintln(log, s.Text())
			if _, rest, ok := strings.Cut(s.Text(), " serving url="); ok {
				url, _, _ := strings.Cut(rest, " ")
				found <- url
			}
		}
		close(found)
	}()
	stop = func() {
		end()
		if code := <-over; code != 0 {
			g.t.Errorf("exit code %d\n%s", code, log)
		}
	}
	if url = <-found; url == "" {
		g.t.Fatalf("it does not serve:\n%s", log)
	}
	return strings.TrimSuffix(url, "/"), stop
}

// A reader asks over TLS with a password.
type reader struct {
	t        *testing.T
	client   *http.Client
	url      string
	password string
}

func (r *reader) ask(method, path, body string, header ...string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.password != "" {
		req.SetBasicAuth("anna", r.password)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestServe has an operator pause a job through a page that is behind TLS and a
// password.
func TestServe(t *testing.T) {
	g := newGrounds(t)
	ca := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer ca.Close()
	cert := ca.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	g.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	g.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	// The password "let me read", hashed with a cost that is for tests alone.
	web := g.write("web.yaml", "tls_server_config: { cert_file: cert.pem, key_file: key.pem }\nbasic_auth_users:\n  anna: $2a$04$LLysMMPtVGQwWkRvueIeZ.trj0wRTIfqiUMPNoRuLVk0.0zQ6jl0i\n")
	const token = "correct-horse-battery"
	var log logBuffer
	url, stop := g.serve(&log, "--web-config", web, "--admin", "--admin-token-file", g.write("token", token+"\n"), "--every", "1s", "--title", "backups")
	defer stop()
	if !strings.HasPrefix(url, "https://127.0.0.1:") {
		t.Errorf("url %s", url)
	}
	client := ca.Client()
	defer client.CloseIdleConnections()
	r := &reader{t: t, client: client, url: url}
	if status, _ := r.ask("GET", "/api/v1/records", ""); status != http.StatusUnauthorized {
		t.Errorf("without a password: %d", status)
	}
	r.password = "let me read"
	if status, text := r.ask("GET", "/", ""); status != http.StatusOK || !strings.Contains(text, "backups") {
		t.Errorf("the page: %d %s", status, text)
	}
	pause := func() (int, string) {
		return r.ask("POST", "/api/v1/records/canary/pause", `{"for":"2h","reason":"db migration"}`, "Solotick-Token", token, "Content-Type", "application/json")
	}
	if status, text := pause(); status != http.StatusConflict || !strings.Contains(text, "there is no record at canary.t.test") || !strings.Contains(text, `"means":"it was not paused"`) {
		t.Errorf("before there is a record: %d %s", status, text)
	}
	if code := run(t.Context(), []string{"record", "reset", "canary", "--yes", "-c", g.file}, strings.NewReader(""), io.Discard, io.Discard); code != 0 {
		t.Fatalf("record reset: %d", code)
	}
	if status, text := pause(); status != http.StatusOK || !strings.Contains(text, "canary: paused until") || !strings.Contains(text, "(db migration)") {
		t.Errorf("%d %s", status, text)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, text := r.ask("GET", "/api/v1/records/canary", ""); strings.Contains(text, `"state":"paused"`) && strings.Contains(text, `"why":"db migration"`) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("it is not seen to be paused: %s", text)
		}
	}
	if status, text := r.ask("POST", "/api/v1/records/canary/trigger", "", "Solotick-Token", token); status != http.StatusConflict || !strings.Contains(text, "it is paused until") {
		t.Errorf("trigger: %d %s", status, text)
	}
	if status, text := r.ask("POST", "/api/v1/records/canary/resume", "", "Solotick-Token", token); status != http.StatusOK || !strings.Contains(text, "canary: resumed") {
		t.Errorf("resume: %d %s", status, text)
	}
	if text := log.String(); !strings.Contains(text, "admin=on") || !strings.Contains(text, "operator's wish was carried out verb=pause record=canary.t.test by=token") || strings.Contains(text, token) || strings.Contains(text, "anna") {
		t.Errorf("the log:\n%s", text)
	}
}

// TestServeLosesAKey has the file be read again after its signing key has gone: records
// are looked at as before, and none is written without a signature.
func TestServeLosesAKey(t *testing.T) {
	g := newGrounds(t)
	text, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	key := g.write("sign.key", seal.NewSigningKey([32]byte{1}).Secret()+"\n")
	signed := string(text) + "sign: { key: \"${file:" + key + "}\" }\n"
	g.write("solotick.yaml", signed)
	if code := run(t.Context(), []string{"record", "reset", "canary", "--yes", "-c", g.file}, strings.NewReader(""), io.Discard, io.Discard); code != 0 {
		t.Fatalf("record reset: %d", code)
	}
	const token = "correct-horse-battery"
	var log logBuffer
	url, stop := g.serve(&log, "--admin", "--admin-token-file", g.write("token", token+"\n"))
	defer stop()
	r := &reader{t: t, client: http.DefaultClient, url: url}
	defer http.DefaultClient.CloseIdleConnections()
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	g.write("solotick.yaml", signed+"# another time\n")
	pause := func() (int, string) {
		return r.ask("POST", "/api/v1/records/canary/pause", `{"for":"2h"}`, "Solotick-Token", token, "Content-Type", "application/json")
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if status, text := pause(); status == http.StatusServiceUnavailable && strings.Contains(text, "is not here any more") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%d %s\n%s", status, text, &log)
		}
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, text := r.ask("GET", "/api/v1/records/canary", ""); strings.Contains(text, `"signature":"not_verified"`) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the record lost its signature: %s", text)
		}
	}
}

// TestServeReloads has the jobs of a file be others, and a mistake in it change
// nothing.
func TestServeReloads(t *testing.T) {
	g := newGrounds(t)
	var log logBuffer
	url, stop := g.serve(&log)
	defer stop()
	r := &reader{t: t, client: http.DefaultClient, url: url}
	defer http.DefaultClient.CloseIdleConnections()
	text, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s:\n%s", what, &log)
			}
		}
	}
	g.write("solotick.yaml", string(text)+"  nightly: { every: 24h, exec: [\"true\"] }\n")
	until("another job is not seen", func() bool { _, text := r.ask("GET", "/status.json", ""); return strings.Contains(text, `"records":2`) })
	g.write("solotick.yaml", string(text)+"  nightly: { evry: 24h }\n")
	until("a mistake is not told", func() bool { return strings.Contains(log.String(), "what is to be watched cannot be read") })
	if _, text := r.ask("GET", "/status.json", ""); !strings.Contains(text, `"records":2`) {
		t.Errorf("after a mistake: %s", text)
	}
	g.write("solotick.yaml", string(text))
	until("a job that is gone is there", func() bool { _, text := r.ask("GET", "/status.json", ""); return strings.Contains(text, `"records":1`) })
}

// TestWebFlags says who can read it where that is everybody.
func TestWebFlags(t *testing.T) {
	for _, test := range []struct {
		addr      string
		f         webFlags
		url, says string
	}{
		{"127.0.0.1:80", webFlags{}, "http://127.0.0.1:80/", ""},
		{"[::1]:80", webFlags{base: "/s"}, "http://[::1]:80/s/", ""},
		{"[::ffff:127.0.0.1]:80", webFlags{}, "http://[::ffff:127.0.0.1]:80/", ""},
		{"0.0.0.0:80", webFlags{}, "http://localhost:80/", "on the way everybody"},
		{"[::]:80", webFlags{tls: true}, "https://localhost:80/", "can read all of it"},
		{"192.0.2.1:443", webFlags{tls: true, auth: true}, "https://192.0.2.1:443/", ""},
	} {
		var log logBuffer
		test.f.warn(test.addr, slog.New(slog.NewTextHandler(&log, nil)))
		if got := test.f.url(test.addr); got != test.url || (test.says == "") != (log.String() == "") || !strings.Contains(log.String(), test.says) {
			t.Errorf("%s: %s %s", test.addr, got, &log)
		}
	}
}
