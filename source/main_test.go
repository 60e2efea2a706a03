package source_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solotick/solotick/source"
)

// Nothing but loopback is reached. The vendors' services are where their names
// say, https://storage.googleapis.com and the like, but behind a proxy that leads
// to handlers of the tests, with certificates of an authority that this process
// alone trusts. So the libraries run as they do in production, and a request to
// anywhere else is a failure.
var internet *services

type services struct {
	dir    string   // holds the certificate, and is the home of who runs the tests
	before []string // the environment as it was, for programs
	ca     *authority
	server *httptest.Server // all services, told apart by name
	proxy  *httptest.Server

	mu     sync.Mutex
	hosts  map[string]http.Handler
	strays map[string]bool
	tunnel sync.WaitGroup
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "source")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	internet = &services{dir: dir, before: os.Environ(), ca: newAuthority(), hosts: map[string]http.Handler{}, strays: map[string]bool{}}
	if err := internet.start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	stopS3()
	internet.stop()
	if len(internet.strays) > 0 {
		fmt.Fprintf(os.Stderr, "requests to places that no test has laid down: %q\n", slices.Sorted(maps.Keys(internet.strays)))
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

func (s *services) start() error {
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.server.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return s.ca.leaf(h.ServerName, time.Hour), nil }}
	s.server.StartTLS()
	s.proxy = httptest.NewServer(http.HandlerFunc(s.connect))
	file := filepath.Join(s.dir, "ca.pem")
	environment := map[string]string{
		"HTTPS_PROXY": s.proxy.URL, "HTTP_PROXY": s.proxy.URL, "NO_PROXY": "",
		"SSL_CERT_FILE": file, "SSL_CERT_DIR": s.dir,
		"HOME": s.dir, "AWS_EC2_METADATA_DISABLED": "true", "GCE_METADATA_HOST": "127.0.0.1:1",
	}
	for _, name := range []string{"https_proxy", "http_proxy", "no_proxy", "REQUEST_METHOD", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		os.Unsetenv(name)
	}
	for name, value := range environment {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return os.WriteFile(file, s.ca.pem, 0o600)
}

func (s *services) stop() {
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	s.server.CloseClientConnections()
	s.server.Close()
	s.proxy.Close()
	s.tunnel.Wait()
}

// at lays down a service for the time of a test.
func (s *services) at(t *testing.T, host string, h http.Handler) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[host] = h
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.hosts, host)
	})
}

func (s *services) handler(host string) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[host]
	if h == nil {
		s.strays[host] = true
	}
	return h
}

func (s *services) serve(w http.ResponseWriter, r *http.Request) {
	if h := s.handler(r.Host); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	http.Error(w, "nobody is here", http.StatusBadGateway)
}

// connect is the proxy: it leads every known name to the one server.
func (s *services) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || err != nil || port != "443" || s.handler(host) == nil {
		s.mu.Lock()
		s.strays[r.Method+" "+r.Host] = true
		s.mu.Unlock()
		http.Error(w, "not in this world", http.StatusBadGateway)
		return
	}
	there, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		there.Close()
		return
	}
	io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	for _, way := range []func(){
		func() { io.Copy(there, buffered) },
		func() { io.Copy(here, there) },
	} {
		s.tunnel.Go(func() {
			way()
			here.Close()
			there.Close()
		})
	}
}

// An authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority() *authority {
	a := &authority{key: newKey()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		panic(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// leaf is a certificate for a name or an address that ends some time from now.
func (a *authority) leaf(name string, ends time.Duration) *tls.Certificate {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		panic(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS starts a server on loopback with a certificate of that authority.
func serveTLS(t *testing.T, h http.Handler, cert *tls.Certificate) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = quiet
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// open makes a source that is closed with the test.
func open(t *testing.T, o source.Options) *source.Source {
	t.Helper()
	s, err := source.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// fetch fetches what must be there.
func fetch(t *testing.T, s *source.Source) source.Document {
	t.Helper()
	doc, err := s.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// want fetches and compares.
func want(t *testing.T, s *source.Source, text string, changed bool) source.Document {
	t.Helper()
	doc := fetch(t, s)
	if string(doc.Text) != text || doc.Changed != changed {
		t.Fatalf("got %q, changed %t; want %q, %t", doc.Text, doc.Changed, text, changed)
	}
	return doc
}

// fails fetches what must fail with an error: one of the package's four, or nil for
// any other.
func fails(t *testing.T, s *source.Source, is error) error {
	t.Helper()
	doc, err := s.Fetch(t.Context())
	if err == nil {
		t.Fatalf("got %q; want an error", doc.Text)
	}
	for _, e := range []error{source.ErrNotFound, source.ErrDenied, source.ErrUntrusted, source.ErrTooLarge} {
		if errors.Is(err, e) != (e == is) {
			t.Fatalf("got %v; want one that is %v", err, is)
		}
	}
	return err
}
