package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"

	"github.com/solotick/solotick/monitor/api"
)

// webFlags say where something is served, and to whom.
type webFlags struct {
	listen, base, config string

	tls, auth, password bool // what config has
}

func (f *webFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "ADDRESS:PORT to serve at; without an address, all of this machine's")
	c.Flags().StringVar(&f.base, "base-path", "", "the path below which it is seen through a proxy, such as /solotick")
	c.Flags().StringVar(&f.config, "web-config", "", "a file with TLS and passwords, as Prometheus' exporters have it (docs/serve.md)")
}

// check reads the file, too.
func (f *webFlags) check() error {
	if _, _, err := net.SplitHostPort(f.listen); err != nil {
		return usage("--listen %q: want ADDRESS:PORT, such as 127.0.0.1:8080 or :8080", f.listen)
	}
	f.base = strings.TrimSuffix(f.base, "/")
	if err := api.CheckBase(f.base); err != nil {
		return usage("--base-path: %w", err)
	}
	if f.config == "" {
		return nil
	}
	text, err := os.ReadFile(f.config)
	if err == nil {
		err = web.Validate(f.config)
	}
	if err != nil {
		return &failure{code: exitConfig, err: fmt.Errorf("--web-config: %w", err), means: "nothing was started", do: "what it may have: docs/serve.md"}
	}
	for line := range bytes.Lines(text) {
		f.tls = f.tls || bytes.HasPrefix(line, []byte("tls_server_config:"))
		f.password = f.password || bytes.HasPrefix(line, []byte("basic_auth_users:"))
		f.auth = f.auth || f.password || bytes.Contains(line, []byte("RequireAndVerifyClientCert"))
	}
	return nil
}

// mostConnections bounds what is open at a time, streams of pages included.
const mostConnections = 1024

// open opens the port.
func (f *webFlags) open(ctx context.Context) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err == nil {
		return netutil.LimitListener(l, mostConnections), nil
	}
	out := &failure{code: exitFailed, err: err, means: "nothing was started; agents are not affected", do: "give an address of this machine with --listen"}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		out.do = "stop the other process that has this port, or take another one with --listen"
	case errors.Is(err, os.ErrPermission):
		out.do = "ports below 1024 need root or CAP_NET_BIND_SERVICE; or take another one with --listen"
	}
	return nil, out
}

// url is where a person on this machine finds it.
func (f *webFlags) url(addr string) string {
	scheme := "http"
	if f.tls {
		scheme = "https"
	}
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().IsUnspecified() {
		addr = net.JoinHostPort("localhost", fmt.Sprint(a.Port()))
	}
	return scheme + "://" + addr + f.base + "/"
}

// warn says who else can read it.
func (f *webFlags) warn(addr string, log *slog.Logger) {
	a, err := netip.ParseAddrPort(addr)
	switch {
	case err == nil && a.Addr().Unmap().IsLoopback() || f.auth:
	case f.tls:
		log.Warn("everybody who reaches this address can read all of it", "addr", addr, "to_do", "basic_auth_users in --web-config, unless a proxy asks for a password")
	default:
		log.Warn("everybody who reaches this address can read all of it, and on the way everybody what is read", "addr", addr, "to_do", "--web-config with TLS and basic_auth_users, unless a proxy does both")
	}
}

// grace is how long answers that are under way may take once the program is to end.
const webGrace = 8 * time.Second

// serve answers until ctx ends. Streams end with it, and what else is under way has
// a while.
func (f *webFlags) serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	s := &http.Server{
		Handler: ownHost(l.Addr(), h), BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		no := false
		served <- web.Serve(l, s, &web.FlagConfig{WebConfigFile: &f.config, WebSystemdSocket: &no, WebListenAddresses: &[]string{f.listen}}, slog.New(onlyTrouble{log.Handler()}))
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), webGrace)
	defer cancel()
	if s.Shutdown(end) != nil {
		_ = s.Close() // whoever is so slow has waited long enough
	}
	if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// onlyTrouble keeps a library's good news out of the log.
type onlyTrouble struct{ slog.Handler }

func (h onlyTrouble) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}
