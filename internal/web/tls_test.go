package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// trust is a configuration that believes a test's server.
func trust(s *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{RootCAs: pool}
}

// An authority signs certificates for server.test, 127.0.0.1 and clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue returns a certificate and its key as PEM.
func (a *authority) issue(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name + ".test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func (a *authority) pair(t *testing.T, name string) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(a.issue(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestTLS(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	cert, key := ca.issue(t, "me")
	helper := func(ca, cert, key []byte, name string, insecure bool) *tls.Config {
		conf, err := TLS(ca, cert, key, name, insecure)
		if err != nil {
			t.Fatal(err)
		}
		return conf
	}
	for _, tt := range []struct {
		name   string
		server *tls.Config // nil: the default
		client *tls.Config
		host   string // empty: 127.0.0.1
		err    string
		doubt  bool // the request may have been on its way
	}{
		{name: "an authority", client: helper(ca.pem, nil, nil, "", false)},
		{name: "two authorities", client: helper(append(append([]byte("# mine\n"), stranger.pem...), ca.pem...), nil, nil, "", false)},
		{name: "unknown authority", client: helper(stranger.pem, nil, nil, "", false), err: "unknown authority"},
		{name: "the system's authorities", err: "unknown authority"},
		{name: "insecure", client: helper(nil, nil, nil, "", true)},
		{name: "another name", client: helper(ca.pem, nil, nil, "", false), host: "localhost", err: "is valid for server.test, not localhost"},
		{name: "the name it has", client: helper(ca.pem, nil, nil, "server.test", false), host: "localhost"},
		{name: "a name it has not", client: helper(ca.pem, nil, nil, "bank.test", false), err: "not bank.test"},
		{name: "client certificate", server: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool}, client: helper(ca.pem, cert, key, "", false)},
		// By TLS 1.3 a client is done before the server has looked.
		{
			name: "no client certificate", server: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool},
			client: helper(ca.pem, nil, nil, "", false), err: "certificate required", doubt: true,
		},
		{
			name: "no client certificate by TLS 1.2", server: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool, MaxVersion: tls.VersionTLS12},
			client: helper(ca.pem, nil, nil, "", false), err: "handshake failure",
		},
		{name: "old", server: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, client: helper(ca.pem, nil, nil, "", false), err: "protocol version"},
		{
			name: "old, and asked for", server: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			client: &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS10}, err: "protocol version",
		},
		{name: "oldest", server: &tls.Config{MaxVersion: tls.VersionTLS12}, client: helper(ca.pem, nil, nil, "", false)},
		{name: "too new", server: &tls.Config{MaxVersion: tls.VersionTLS12}, client: &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS13}, err: "protocol version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.TLS = &tls.Config{}
			if tt.server != nil {
				s.TLS = tt.server
			}
			s.TLS.Certificates = []tls.Certificate{ca.pair(t, "server")}
			s.StartTLS()
			t.Cleanup(s.Close)
			if tt.host != "" {
				s.URL = strings.Replace(s.URL, "127.0.0.1", tt.host, 1)
			}
			c := newClient(t, Options{TLS: tt.client})
			for _, method := range []string{"GET", "POST"} {
				resp, err := c.Do(t.Context(), Request{Method: method, URL: s.URL})
				switch {
				case tt.err == "" && err != nil:
					t.Error(err)
				case tt.err == "" && string(resp.Body) != "ok":
					t.Errorf("got %s", resp.Body)
				case tt.err == "":
				case tt.doubt:
					wantError(t, err, []error{ErrUncertain})
				default:
					wantError(t, err, nil, ErrUncertain)
					wantText(t, err, tt.err)
				}
			}
		})
	}
}

// TestNotBelieved holds that who is not believed is not asked again.
func TestNotBelieved(t *testing.T) {
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(nil)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, err := newClient(t, Options{Retries: 3}).Do(t.Context(), Request{URL: s.URL})
	wantText(t, err, "failed to verify certificate")
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestTLSErrors(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t, "me")
	_, other := ca.issue(t, "you")
	text := func(s string) []byte { return []byte(s) }
	damaged := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("secret")})
	for _, tt := range []struct {
		name          string
		ca, cert, key []byte
		want          string // empty: none
	}{
		{name: "nothing"},
		{name: "all", ca: ca.pem, cert: cert, key: key},
		{name: "a comment behind", ca: append(ca.pem, "\n# end\n"...)},
		{name: "no authority", ca: text("secret"), want: "the certificate authority: no certificate in PEM form"},
		{name: "an empty authority", ca: text("\n"), want: "the certificate authority: no certificate in PEM form"},
		{name: "a key as authority", ca: key, want: "the certificate authority: block 1 is no certificate"},
		{name: "a damaged authority", ca: damaged, want: "the certificate authority: block 1: x509: "},
		{name: "a damaged one behind", ca: append(append([]byte{}, ca.pem...), damaged...), want: "the certificate authority: block 2: x509: "},
		{name: "a cut authority", ca: append(append([]byte{}, ca.pem...), ca.pem[:len(ca.pem)-40]...), want: "the certificate authority: block 2 is damaged"},
		{name: "no key", cert: cert, want: "the client certificate has no key"},
		{name: "no certificate", key: key, want: "the key of a client certificate has no certificate"},
		{name: "another's key", cert: cert, key: other, want: "the client certificate: tls: private key does not match public key"},
		{name: "a key that is none", cert: cert, key: text("secret"), want: "the client certificate: tls: failed to find any PEM data in key input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf, err := TLS(tt.ca, tt.cert, tt.key, "", false)
			if tt.want == "" {
				if err != nil || conf.MinVersion != tls.VersionTLS12 || (conf.RootCAs == nil) != (tt.ca == nil) || (conf.Certificates == nil) != (tt.cert == nil) {
					t.Errorf("got %+v, %v", conf, err)
				}
				return
			}
			wantText(t, err, tt.want)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q quotes what it was given", err)
			}
		})
	}
}
