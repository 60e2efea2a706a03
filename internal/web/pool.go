package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// A kind of connections.
type kind int

const (
	shared   kind = iota // kept for the next request
	stranger             // as shared, to hosts that a redirect has led to: nothing that shows who we are
	single               // for one request
	kinds
)

// A pool has the connections of one or more clients, none before they are used.
type pool struct {
	reach   Reach
	control func(context.Context, string, string, syscall.RawConn) error
	tls     *tls.Config
	proxy   func(*http.Request) (*url.URL, error) // nil: none

	resolver *net.Resolver                                           // nil: the system's
	dial     func(context.Context, string, string) (net.Conn, error) // nil: as control says

	mu         sync.Mutex
	transports [kinds]*http.Transport
}

func newPool(o Options) *pool {
	p := &pool{reach: o.Reach, control: o.Reach.control, tls: o.TLS}
	if o.Proxy {
		p.proxy = http.ProxyFromEnvironment
	}
	return p
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.transports {
		if t != nil {
			t.CloseIdleConnections()
		}
	}
}

func (p *pool) transport(k kind) *http.Transport {
	if k == stranger && (p.tls == nil || p.tls.ServerName == "" && p.tls.Certificates == nil && p.tls.GetClientCertificate == nil) {
		k = shared
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.transports[k] == nil {
		p.transports[k] = p.make(k)
	}
	return p.transports[k]
}

func (p *pool) make(k kind) *http.Transport {
	conf := p.tls.Clone() // net/http writes into it
	if conf == nil {
		conf = &tls.Config{}
	}
	conf.NextProtos = nil // for net/http to fill
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	if k == stranger {
		conf.ServerName, conf.Certificates, conf.GetClientCertificate = "", nil, nil
	}
	dial := p.dial
	if dial == nil {
		d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: p.resolver, ControlContext: p.control}
		dial = d.DialContext
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(k != single)
	t := &http.Transport{
		DialContext: dial, TLSClientConfig: conf, TLSHandshakeTimeout: 10 * time.Second,
		Protocols: &protocols, DisableKeepAlives: k == single,
		MaxIdleConns: 100, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if p.proxy != nil {
		t.Proxy, t.OnProxyConnectResponse = p.askProxy, proxyAnswer
	}
	return t
}

// askProxy hides the proxy's URL, which an error would quote with its password.
func (p *pool) askProxy(r *http.Request) (*url.URL, error) {
	u, err := p.proxy(r)
	if err != nil {
		return nil, errors.New("the environment names no valid proxy")
	}
	return u, nil
}

// proxyAnswer keeps net/http from taking a proxy's words for an error.
func proxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy makes no connection: status %d", r.StatusCode)
	}
	return nil
}
