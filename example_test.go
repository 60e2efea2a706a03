package solotick_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

// Three agents, which would be on three machines, and one record, which would be
// in a DNS server (register/rfc2136). Each tick of the job is run once.
func Example() {
	var store register.Memory
	ctx, stop := context.WithCancel(context.Background())
	runs := map[time.Time]int{}
	check := func(ctx context.Context, t solotick.Tick) error {
		runs[t.Time]++ // no lock: no two agents are ever here at once
		if len(runs) == 3 {
			stop()
		}
		return nil
	}

	everySecond, err := schedule.Every(time.Second, 0)
	if err != nil {
		log.Fatal(err)
	}
	var agents sync.WaitGroup
	for range 3 {
		agent := &solotick.Agent{
			Job:      solotick.Job{Name: "canary", Do: check},
			Policy:   elect.Policy{Schedule: everySecond, Lease: 3 * time.Second},
			Register: store.At("canary.example.com"),
		}
		agents.Go(func() {
			if err := agent.Run(ctx); err != nil {
				log.Fatal(err)
			}
		})
	}
	agents.Wait()

	for _, n := range runs {
		fmt.Println("a tick that was run", n, "time")
	}
	// Output:
	// a tick that was run 1 time
	// a tick that was run 1 time
	// a tick that was run 1 time
}

// A lock, for what has to be done by one process at a time and at no certain time.
func ExampleAgent_Lock() {
	var store register.Memory
	store.Put("deploy.example.com", `{"id":"","timer":0,"timerold":0}`) // nobody has it
	agent := &solotick.Agent{
		Job:      solotick.Job{Name: "deploy"},
		Register: store.At("deploy.example.com"),
	}
	lock, err := agent.Lock(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	_, err = agent.TryLock(context.Background())
	fmt.Println("may another have it?", !errors.Is(err, solotick.ErrHeld))

	// deploy(lock.Context(), lock.Fence())

	if err := lock.Unlock(context.Background()); err != nil {
		log.Fatal(err) // it may have been done beside somebody else
	}
	// Output: may another have it? false
}
