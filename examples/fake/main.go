// Command fake is what the examples talk to when they are tried: the APIs that
// they ask, Slack and a pager that show what they are told, and a DNS server for
// the records. All of it is on this machine and forgotten at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/solotick/solotick/notify/notifytest"
	"github.com/solotick/solotick/zone"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fake:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fake", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "address and port of the APIs, of Slack and of the pager")
	secure := flags.String("tls", "127.0.0.1:8443", "address and port of a server with certificates")
	dns := flags.String("dns", "127.0.0.1:5300", "address and port of the DNS server")
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, end, err := serveZone(ctx, *dns)
	if err != nil {
		return err
	}
	defer end()
	plain, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	defer plain.Close()
	hosts, err := net.Listen("tcp", *secure)
	if err != nil {
		return err
	}
	defer hosts.Close()
	slack := new(notifytest.Slack)
	fmt.Fprintf(out, `# What the examples take by themselves, unless these are other ports:
API=http://%[1]s
PAGER=http://%[1]s/pager
SLACK_API=http://%[1]s/slack/api
SLACK_WEBHOOK=http://%[1]s/slack%[2]s
CONNECT=%[3]s
DNS=%[4]s
# In another terminal: go run ./cmd/solotick run -c examples/canary/solotick.yaml
# To have something go wrong, and be well again: curl -X POST http://%[1]s/wrong; curl -X POST http://%[1]s/well
`, plain.Addr(), slack.Hook(), hosts.Addr(), server.Addr())
	w := &world{out: out, slack: slack}
	return serve(ctx, map[net.Listener]http.Handler{plain: w.handler(), w.secured(hosts): http.NotFoundHandler()})
}

// serve serves until the context ends.
func serve(ctx context.Context, all map[net.Listener]http.Handler) error {
	ended := make(chan error, len(all))
	for l, h := range all {
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		defer s.Close()
		go func() { ended <- s.Serve(l) }()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// The DNS server's key. It is no secret: the examples have it too.
const (
	keyName   = "fake"
	keySecret = "the key of the examples, no secret"
)

// serveZone serves example.test, as solotick zone serve does.
func serveZone(ctx context.Context, addr string) (s *zone.Server, end func(), err error) {
	dir, err := os.MkdirTemp("", "solotick-fake-*")
	if err != nil {
		return nil, nil, err
	}
	s, err = zone.Open(zone.Config{
		Listen: []string{addr}, Dir: dir, Zones: []zone.Zone{{Name: "example.test"}}, Log: slog.New(slog.DiscardHandler),
		Keys: []zone.Key{{
			Name: keyName, Algorithm: "hmac-sha256", Secret: []byte(keySecret),
			Grants: []zone.Grant{{Name: "example.test", Below: true, Types: []string{"TXT"}}},
		}},
	})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	served := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(served)
		_ = s.Serve(ctx) // until then agents say what they miss
	}()
	return s, func() {
		cancel()
		<-served
		_ = os.RemoveAll(dir)
	}, nil
}
