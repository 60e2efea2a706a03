// Command library is a program that runs its own function once a minute, on one
// of all the machines that it is started on, with the record in a DNS server that
// takes updates.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register/rfc2136"
	"github.com/solotick/solotick/schedule"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, "ns1.example.com", "/etc/solotick/solotick.key", time.Minute); err != nil {
		fmt.Fprintln(os.Stderr, "library:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server, keyFile string, interval time.Duration) error {
	key, warning, err := rfc2136.ReadKeyFile(keyFile)
	if err != nil {
		return err
	}
	if warning != "" {
		slog.Warn(warning)
	}
	client, err := rfc2136.New(rfc2136.Config{Server: server, Zone: "example.com", Key: key})
	if err != nil {
		return err
	}
	record, err := client.Register("canary.example.com")
	if err != nil {
		return err
	}
	ticks, err := schedule.Every(interval, schedule.Offset("canary", interval))
	if err != nil {
		return err
	}
	agent := &solotick.Agent{
		Job:      solotick.Job{Name: "canary", Do: check},
		Policy:   elect.Policy{Schedule: ticks, Timeout: 40 * time.Second},
		Register: record,
		Log:      slog.Default(),
	}
	return agent.Run(ctx)
}

// check is the work. It may be called again for the same tick, with a greater
// fence, if its machine dies: what it does should be idempotent by the tick.
func check(ctx context.Context, t solotick.Tick) error {
	slog.Info("checking", "tick", t.Time, "attempt", t.Attempt, "fence", t.Fence)
	return ctx.Err()
}
