// Command lock deploys under a lock, from Go: one machine at a time.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	key, _, err := rfc2136.ReadKeyFile("/etc/solotick/solotick.key")
	if err != nil {
		return err
	}
	client, err := rfc2136.New(rfc2136.Config{Server: "ns1.example.com", Zone: "example.com", Key: key})
	if err != nil {
		return err
	}
	reg, err := client.Register("deploy.example.com")
	if err != nil {
		return err
	}
	return deployOnce(ctx, reg)
}

// deployOnce waits for the lock, and deploys for as long as it holds it.
func deployOnce(ctx context.Context, reg register.Register) error {
	agent := &solotick.Agent{Job: solotick.Job{Name: "deploy"}, Register: reg}
	lock, err := agent.Lock(ctx) // or TryLock
	if err != nil {
		return err
	}
	err = deploy(lock.Context(), lock.Fence()) // the context ends when the lock is lost
	return errors.Join(err, lock.Unlock(ctx))
}

// deploy has to return soon after its context has ended: nobody can kill a function.
func deploy(ctx context.Context, fence int64) error {
	fmt.Println("deploying, fence", fence)
	return ctx.Err()
}
