package libdnsproviders

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// The modules' clients cannot be told another address. They all obey HTTPS_PROXY,
// so that every request of this package's tests ends at a proxy on loopback, which
// plays the services under their own names.
var services = &hosts{handlers: map[string]http.Handler{}}

func TestMain(m *testing.M) {
	code, err := withProxy(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withProxy(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "libdnsproviders")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	authority, err := newAuthority(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	p := &proxy{tls: &tls.Config{GetCertificate: authority.certificate, NextProtos: []string{"http/1.1"}}, conns: make(chan net.Conn)}
	go p.accept(listener)
	go http.Serve(p, services)
	for name, value := range map[string]string{
		"HTTPS_PROXY": "http://" + listener.Addr().String(), "HTTP_PROXY": "http://" + listener.Addr().String(),
		"NO_PROXY": "", "no_proxy": "", "https_proxy": "", "http_proxy": "",
		"SSL_CERT_FILE": filepath.Join(dir, "ca.pem"), "SSL_CERT_DIR": dir, "HOME": dir,
	} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// hosts plays each host by its handler.
type hosts struct {
	mu       sync.Mutex
	handlers map[string]http.Handler
}

func (h *hosts) set(host string, handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handlers[host] = handler
}

func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	handler := h.handlers[r.Host]
	h.mu.Unlock()
	if handler == nil {
		http.Error(w, "no such host: "+r.Host, http.StatusBadGateway)
		return
	}
	handler.ServeHTTP(w, r)
}

// A proxy takes CONNECT, and is the server of every host itself. It is the listener
// of what is in the tunnels.
type proxy struct {
	tls   *tls.Config
	conns chan net.Conn
}

func (p *proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil || r.Method != http.MethodConnect {
				conn.Close()
				return
			}
			if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
				conn.Close()
				return
			}
			p.conns <- tls.Server(conn, p.tls)
		}()
	}
}

func (p *proxy) Accept() (net.Conn, error) { return <-p.conns, nil }
func (p *proxy) Close() error              { return nil }
func (p *proxy) Addr() net.Addr            { return &net.TCPAddr{} }

// An authority signs the certificates of the hosts.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(file string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key}, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

func (a *authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		return nil, errors.New("no server name")
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{hello.ServerName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, nil
}
