package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// environmentProxy is the proxy that the environment names, which net/http reads
// once: it answers every request with the URL that it was asked for.
var environmentProxy *httptest.Server

func TestMain(m *testing.M) {
	environmentProxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "proxied ", r.RequestURI)
	}))
	os.Setenv("HTTP_PROXY", environmentProxy.URL)
	os.Setenv("NO_PROXY", "direct.test")
	code := m.Run()
	environmentProxy.Close()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// newClient makes a client that waits a thousandth of the time between tries, and
// that stops here before it reaches anything but this machine.
func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c := New(o)
	c.first /= 1000
	control := c.pool.control
	c.pool.control = func(ctx context.Context, network, address string, conn syscall.RawConn) error {
		if err := control(ctx, network, address, conn); err != nil {
			return err
		}
		if a := netip.MustParseAddrPort(address).Addr().Unmap(); !a.IsLoopback() {
			t.Errorf("%s would have been reached", a)
			return errors.New("not of this machine")
		}
		return nil
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// serveRaw answers each connection with what answer writes.
func serveRaw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				answer(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func do(t *testing.T, c *Client, r Request) *Response {
	t.Helper()
	resp, err := c.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// A pipes is a network without addresses, which runs in a bubble of synctest: its
// one server has every name.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	dials  atomic.Int32
	refuse atomic.Bool
}

// newPipes starts a server, and a client whose waits are as they are.
func newPipes(t *testing.T, o Options, h http.HandlerFunc) (*pipes, *Client) {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	c := New(o)
	c.pool.dial = p.dial
	s := &http.Server{Handler: h}
	done := make(chan error)
	go func() { done <- s.Serve(p) }()
	t.Cleanup(func() {
		c.Close()
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p, c
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.dials.Add(1)
	if p.refuse.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// hangUp ends a connection without an answer, after the request was read.
func hangUp(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

// silent gives no answer.
func silent(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func wantError(t *testing.T, err error, is []error, isNot ...error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, e := range is {
		if !errors.Is(err, e) {
			t.Errorf("%q is not %q", err, e)
		}
	}
	for _, e := range isNot {
		if errors.Is(err, e) {
			t.Errorf("%q is %q", err, e)
		}
	}
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, s := range parts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

// within is a context for what should be over at once; it is no test's result.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
