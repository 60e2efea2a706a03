package leaselock_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"k8s.io/client-go/tools/leaderelection"

	"github.com/solotick/solotick/adapter/leaselock"
	"github.com/solotick/solotick/register"
)

// A controller that leads over a DNS record, whichever cluster it runs in.
func ExampleNew() {
	var store register.Memory // in a program: a record in DNS, see register/rfc2136
	store.Put("controller.example.com", `{"id":"","timer":0,"timerold":0}`)
	lock, err := leaselock.New(leaselock.Config{
		Register: store.At("controller.example.com"),
		Name:     "controller.example.com",
		Identity: "controller-7d4b9c_1f0e",
		Lease:    15 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   15 * time.Second,
		RenewDeadline:   10 * time.Second,
		RetryPeriod:     3 * time.Second,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				fmt.Println("leading, with a fence:", lock.Fence() > 0)
				stop()
			},
			OnStoppedLeading: func() { fmt.Println("stopped") },
		},
	})
	// Output:
	// leading, with a fence: true
	// stopped
}
