package gocronadapter_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-co-op/gocron/v2"

	"github.com/solotick/solotick"
	gocronadapter "github.com/solotick/solotick/adapter/gocron"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

// A job of a scheduler that is started on each of several machines.
func ExampleAdd() {
	var store register.Memory // in a program: a record in DNS, see register/rfc2136
	everySecond, err := schedule.Every(time.Second, 0)
	if err != nil {
		log.Fatal(err)
	}
	ran := make(chan solotick.Tick, 10)
	agent := &solotick.Agent{
		Job: solotick.Job{Name: "canary", Do: func(ctx context.Context, t solotick.Tick) error {
			ran <- t
			return nil
		}},
		Policy:   elect.Policy{Schedule: everySecond, Lease: 3 * time.Second},
		Register: store.At("canary.example.com"),
	}
	scheduler, err := gocron.NewScheduler()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := gocronadapter.Add(scheduler, agent); err != nil {
		log.Fatal(err)
	}
	scheduler.Start()
	fmt.Println("ran, with a fence:", (<-ran).Fence > 0)
	if err := scheduler.Shutdown(); err != nil {
		log.Fatal(err)
	}
	// Output: ran, with a fence: true
}

// A locker for the jobs that a scheduler has already. It has an agent for each, with
// the job's record and its schedule.
func ExampleNewLocker() {
	var store register.Memory
	everySecond, err := schedule.Every(time.Second, 0)
	if err != nil {
		log.Fatal(err)
	}
	locker, err := gocronadapter.NewLocker(&solotick.Agent{
		Job:      solotick.Job{Name: "canary"},
		Policy:   elect.Policy{Schedule: everySecond, Lease: 3 * time.Second},
		Register: store.At("canary.example.com"),
	})
	if err != nil {
		log.Fatal(err)
	}
	scheduler, err := gocron.NewScheduler(gocron.WithDistributedLocker(locker))
	if err != nil {
		log.Fatal(err)
	}
	ran := make(chan bool, 10)
	_, err = scheduler.NewJob(
		gocron.CronJob("", false),
		gocron.NewTask(func() {
			ctx, tick, ok := locker.Held("canary")
			ran <- ok && ctx.Err() == nil && tick.Fence > 0
		}),
		gocron.WithName("canary"),
		gocron.WithCronImplementation(gocronadapter.Cron(everySecond)),
	)
	if err != nil {
		log.Fatal(err)
	}
	scheduler.Start()
	fmt.Println("ran, with a fence:", <-ran)
	if err := scheduler.Shutdown(); err != nil {
		log.Fatal(err)
	}
	// Output: ran, with a fence: true
}
