package cronadapter_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/solotick/solotick"
	cronadapter "github.com/solotick/solotick/adapter/cron"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

// A job of a cron that is started on each of several machines.
func ExampleWrapper() {
	var store register.Memory // in a program: a record in DNS, see register/rfc2136
	everySecond, err := schedule.Every(time.Second, 0)
	if err != nil {
		log.Fatal(err)
	}
	wrapper, err := cronadapter.Wrapper(context.Background(), &solotick.Agent{
		Job:      solotick.Job{Name: "canary"},
		Policy:   elect.Policy{Schedule: everySecond, Lease: 3 * time.Second},
		Register: store.At("canary.example.com"),
	})
	if err != nil {
		log.Fatal(err)
	}
	ran := make(chan string, 10)
	job := cron.FuncJob(func() { ran <- "ran" })
	c := cron.New()
	c.Schedule(cronadapter.Schedule(everySecond), cron.NewChain(wrapper).Then(job))
	c.Start()
	fmt.Println(<-ran)
	<-c.Stop().Done()
	// Output: ran
}
