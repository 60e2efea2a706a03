package clash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/register/registertest"
	"github.com/solotick/solotick/register/rfc2136"
	"github.com/solotick/solotick/schedule"
)

// A plan is what one process is to do.
type plan struct {
	Dir     string
	Process int
	Server  string
	Zone    string
	Key     dnstest.Key
	Records []string // a job each
	Every   time.Duration
	Lease   time.Duration
	Most    int // of a backlog
	// Lives is how long an agent lives at most before another one takes its place in
	// the process. 0: as long as that.
	Lives time.Duration
	// Faulty has one in so many swaps go wrong.
	Faulty int
	// Long has one in so many runs take up to 400 ms, so that there is one to be killed in,
	// or to be run beside. 0: none.
	Long int
}

// clock is the same for all processes, and nobody sets it.
func clock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the clock exists everywhere
	}
	return ts.Nano()
}

// atOnce is how many requests of one process are under way at most: PowerDNS takes 20
// connections in all.
const atOnce = 2

// fight is the part of an agent's process: an agent for each record until it is asked
// to end.
func fight(p plan) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	file, err := os.OpenFile(filepath.Join(p.Dir, fmt.Sprintf("%d-%d.journal", p.Process, os.Getpid())), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	client, err := p.client()
	if err != nil {
		return err
	}
	every, err := schedule.Every(p.Every, 0)
	if err != nil {
		return err
	}
	log, gate := &journal{file: file}, make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	errs := make(chan error, len(p.Records))
	for _, name := range p.Records {
		reg, err := client.Register(name)
		if err != nil {
			return err
		}
		faulty := registertest.NewFaulty(reg, name)
		agent := solotick.Agent{
			Policy: elect.Policy{
				Schedule: every, Lease: p.Lease, CatchUp: elect.CatchUpAll, CatchUpMost: p.Most, Takeovers: 900,
				NoAffinity: true, WithoutRegister: elect.WithoutWait,
			},
			Register: &recorded{Register: &unlucky{Faulty: faulty, one: p.Faulty}, name: name, log: log, gate: gate},
		}
		agent.Job = solotick.Job{Name: name, Do: func(ctx context.Context, t solotick.Tick) error {
			log.line(runBegan, t.Time.Unix(), name, clock(), t.Attempt, t.Fence, t.Agent)
			if p.Long > 0 && rand.IntN(p.Long) == 0 {
				select {
				case <-time.After(rand.N(400 * time.Millisecond)):
				case <-ctx.Done():
				}
			}
			log.line(runEnded, t.Time.Unix(), name, clock(), t.Attempt, t.Fence, t.Agent)
			return nil
		}}
		wg.Go(func() { errs <- live(ctx, agent, p.Lives) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// client is the way to the server.
func (p *plan) client() (*rfc2136.Client, error) {
	return rfc2136.New(rfc2136.Config{
		Server: p.Server, Zone: p.Zone, TTL: time.Second, Timeout: 10 * time.Second,
		Key: rfc2136.Key{Name: p.Key.Name, Algorithm: p.Key.Algorithm, Secret: rfc2136.Secret(p.Key.Secret)},
	})
}

// live has one agent follow the other.
func live(ctx context.Context, agent solotick.Agent, lives time.Duration) error {
	for ctx.Err() == nil {
		a, one, cancel := agent, ctx, context.CancelFunc(func() {})
		if lives > 0 {
			one, cancel = context.WithTimeout(ctx, time.Millisecond+rand.N(lives))
		}
		err := a.Run(one)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}
