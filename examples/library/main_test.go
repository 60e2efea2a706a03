package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/solotick/solotick/zone"
)

// The program over a DNS server, which is Solotick's own and lives for as long as the
// example.
func Example() {
	dir, err := os.MkdirTemp("", "solotick-library-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	secret := []byte("of 32 octets, for the example...")
	server, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(dir, "data"), Zones: []zone.Zone{{Name: "example.com"}},
		Keys: []zone.Key{{
			Name: "solotick", Algorithm: "hmac-sha256", Secret: secret,
			Grants: []zone.Grant{{Name: "canary.example.com", Types: []string{"TXT"}}},
		}},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background()) }()
	key := filepath.Join(dir, "solotick.key")
	if err := os.WriteFile(key, []byte("solotick:"+base64.StdEncoding.EncodeToString(secret)), 0o600); err != nil {
		log.Fatal(err)
	}

	checked := make(chan struct{}, 10)
	slog.SetDefault(slog.New(seen{checked}))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, server.Addr(), key, time.Second) }()
	for range 2 {
		<-checked
		fmt.Println("checked")
	}
	stop()
	if err := errors.Join(<-done, server.Close(), <-served); err != nil {
		log.Fatal(err)
	}
	// Output:
	// checked
	// checked
}

// seen tells what the job logs.
type seen struct{ checked chan struct{} }

func (s seen) Enabled(context.Context, slog.Level) bool { return true }

func (s seen) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "checking" {
		select {
		case s.checked <- struct{}{}:
		default:
		}
	}
	return nil
}

func (s seen) WithAttrs([]slog.Attr) slog.Handler { return s }
func (s seen) WithGroup(string) slog.Handler      { return s }
