package solotick_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/fence"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

// The policies of the examples have short leases, so that they end soon. Fifteen
// seconds, the default, is better for machines.
func eachSecond() elect.Policy {
	s, err := schedule.Every(time.Second, 0)
	if err != nil {
		log.Fatal(err)
	}
	return elect.Policy{Schedule: s, Lease: 3 * time.Second}
}

// A job: what to do for a tick, until the context ends.
func ExampleJob() {
	var store register.Memory // in a program: a record in DNS, see register/rfc2136
	ctx, stop := context.WithCancel(context.Background())
	agent := &solotick.Agent{
		Job: solotick.Job{Name: "canary", Do: func(ctx context.Context, t solotick.Tick) error {
			fmt.Println("attempt", t.Attempt, "at", t.Time.Nanosecond(), "ns past the second, with a fence:", t.Fence > 0)
			stop() // nothing more is claimed; this run ends as it likes
			return nil
		}},
		Policy:   eachSecond(),
		Register: store.At("canary.example.com"),
	}
	if err := agent.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: attempt 1 at 0 ns past the second, with a fence: true
}

// TryLock is for who has something else to do if the lock is held.
func ExampleAgent_TryLock() {
	var store register.Memory
	store.Put("deploy.example.com", `{"id":"","timer":0,"timerold":0}`) // nobody has it
	agent := &solotick.Agent{Job: solotick.Job{Name: "deploy"}, Register: store.At("deploy.example.com")}
	lock, err := agent.TryLock(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	_, err = agent.TryLock(context.Background()) // as another machine would
	if errors.Is(err, solotick.ErrHeld) {
		fmt.Println("somebody else deploys")
	}
	if err := lock.Unlock(context.Background()); errors.Is(err, solotick.ErrLost) {
		log.Print("it may have been done beside somebody else: ", err)
	}
	// Output: somebody else deploys
}

// Leadership: Do is called when this process leads, and its context ends when it
// leads no longer.
func ExampleAgent_Run_leadership() {
	var store register.Memory
	store.Put("leader.example.com", `{"id":"","timer":0,"timerold":0}`)
	ctx, stop := context.WithCancel(context.Background())
	agent := &solotick.Agent{
		Job: solotick.Job{Name: "leader", Do: func(ctx context.Context, t solotick.Tick) error {
			fmt.Println("leading")
			stop()       // here the program ends, elsewhere the register is lost
			<-ctx.Done() // before anybody else leads
			fmt.Println("leading no longer")
			return context.Cause(ctx)
		}},
		Policy:    elect.Policy{Lock: true, Lease: 6 * time.Second, KillGrace: time.Second},
		Register:  store.At("leader.example.com"),
		StopGrace: 10 * time.Millisecond,
	}
	if err := agent.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// leading
	// leading no longer
}

// A fence keeps a holder out that was halted and does not know that another has the
// lock by now. What compares them has to be where the work is done.
func ExampleLock_Fence() {
	var store register.Memory
	var ledger fence.Guard // of the service that is written to
	agent := &solotick.Agent{Job: solotick.Job{Name: "ledger"}, Register: store.At("ledger.example.com"), Policy: elect.Policy{Lock: true, Lease: 3 * time.Second}}
	store.Put("ledger.example.com", `{"id":"","timer":0,"timerold":0}`)
	var fences []int64
	for range 2 { // one holder after the other
		lock, err := agent.Lock(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		if err := ledger.Check(context.Background(), "ledger", lock.Fence()); err != nil {
			log.Fatal(err)
		}
		fences = append(fences, lock.Fence())
		if err := lock.Unlock(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("they grow:", fences[1] > fences[0])
	err := ledger.Check(context.Background(), "ledger", fences[0]) // the first one wakes up
	fmt.Println("stale:", errors.Is(err, fence.ErrStale))
	// Output:
	// they grow: true
	// stale: true
}

// At most once: a tick is passed before it is run, so that no crash has it run again.
// It is lost then.
func ExampleAgent_Run_atMostOnce() {
	var store register.Memory
	ctx, stop := context.WithCancel(context.Background())
	policy := eachSecond()
	policy.Schedule, _ = schedule.Every(4*time.Second, 0)
	policy.AtMostOnce = true
	agent := &solotick.Agent{
		Job: solotick.Job{Name: "charge", Do: func(ctx context.Context, t solotick.Tick) error {
			err := t.SetState("charged") // nothing is written when the run ends
			fmt.Println("attempt", t.Attempt, "of 1; leaves a state:", err == nil)
			stop()
			return nil
		}},
		Policy:   policy,
		Register: store.At("charge.example.com"),
	}
	if err := agent.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: attempt 1 of 1; leaves a state: false
}

// What a run leaves behind, the next one finds, on whichever machine.
func ExampleTick_SetState() {
	var store register.Memory
	ctx, stop := context.WithCancel(context.Background())
	agent := &solotick.Agent{
		Job: solotick.Job{Name: "import", Do: func(ctx context.Context, t solotick.Tick) error {
			from := 0
			if t.State != "" {
				if _, err := fmt.Sscanf(t.State, "page %d", &from); err != nil {
					return err
				}
			}
			fmt.Println("importing from page", from)
			if from == 2 {
				stop()
			}
			return t.SetState(fmt.Sprintf("page %d", from+1))
		}},
		Policy:   eachSecond(),
		Register: store.At("import.example.com"),
	}
	if err := agent.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// importing from page 0
	// importing from page 1
	// importing from page 2
}

// A program that is started for each tick, by cron or by a platform, calls RunDue on
// each machine.
func ExampleAgent_RunDue() {
	var store register.Memory
	hourly, err := schedule.Every(time.Hour, 0)
	if err != nil {
		log.Fatal(err)
	}
	store.Put("report.example.com", fmt.Sprintf(`{"id":"","timer":%d,"timerold":0}`, time.Now().Unix()-10)) // it fell due
	for machine := range 3 {
		agent := &solotick.Agent{
			Job: solotick.Job{Name: "report", Do: func(ctx context.Context, t solotick.Tick) error {
				fmt.Println("reported")
				return nil
			}},
			Policy:   elect.Policy{Schedule: hourly, Lease: 3 * time.Second},
			Register: store.At("report.example.com"),
		}
		if err := agent.RunDue(context.Background()); errors.Is(err, solotick.ErrNotDue) {
			fmt.Println("machine", machine, "has nothing to do")
		} else if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// reported
	// machine 1 has nothing to do
	// machine 2 has nothing to do
}
