package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

const (
	writesEvery = 10 * time.Second
	writesTicks = 6
)

// A crowd is some agents of one job, in this process, with the defaults of the
// protocol, and what they ask and write.
type crowd struct {
	agents     int
	atMostOnce bool

	runs, tried, done, loads, looks atomic.Int64
}

// writes counts writes and questions for each tick. All crowds run side by side,
// each with a record of its own: they wait most of the time.
func (b *bench) writes(ctx context.Context) error {
	s, err := b.own()
	if err != nil {
		return err
	}
	defer s.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var crowds []*crowd
	var agents sync.WaitGroup
	for _, atMostOnce := range []bool{false, true} {
		for _, n := range []int{1, 3, 10, 50} {
			c := &crowd{agents: n, atMostOnce: atMostOnce}
			if err := c.start(ctx, s, &agents); err != nil {
				return err
			}
			crowds = append(crowds, c)
		}
	}
	// Two ticks to settle; then whole intervals, counted between two ticks.
	middle := time.Now().Truncate(writesEvery).Add(2*writesEvery + 8*time.Second)
	if !sleep(ctx, middle) {
		return ctx.Err()
	}
	for _, c := range crowds {
		for _, n := range []*atomic.Int64{&c.runs, &c.tried, &c.done, &c.loads, &c.looks} {
			n.Store(0)
		}
	}
	if !sleep(ctx, middle.Add(writesTicks*writesEvery)) {
		return ctx.Err()
	}
	rows := [][]string{{"guarantee", "agents", "runs", "writes", "of them refused", "DNS questions", "loads"}}
	for _, c := range crowds {
		guarantee := "at-least-once"
		if c.atMostOnce {
			guarantee = "at-most-once"
		}
		per := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/writesTicks) }
		rows = append(rows, []string{
			guarantee, fmt.Sprint(c.agents), per(c.runs.Load()), per(c.tried.Load()), per(c.tried.Load() - c.done.Load()),
			per(c.looks.Load()), per(c.loads.Load()),
		})
	}
	cancel()
	agents.Wait()
	table(fmt.Sprintf("For each tick, over %d ticks of a job every %v, own server, defaults", writesTicks, writesEvery), rows...)
	return nil
}

func (c *crowd) start(ctx context.Context, s *server, wg *sync.WaitGroup) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	dns, err := s.lookup()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("crowd%d-%t.%s", c.agents, c.atMostOnce, zoneName)
	every, err := schedule.Every(writesEvery, 0)
	if err != nil {
		return err
	}
	for range c.agents {
		reg, err := client.Register(name)
		if err != nil {
			return err
		}
		a := &solotick.Agent{
			Job: solotick.Job{Name: name, Do: func(context.Context, solotick.Tick) error {
				c.runs.Add(1)
				return nil
			}},
			Policy:   elect.Policy{Schedule: every, AtMostOnce: c.atMostOnce},
			Register: counted{reg, c},
			Look: func(ctx context.Context) (register.Snapshot, error) {
				c.looks.Add(1)
				answer, err := dns.One(ctx, name)
				return register.Snapshot{Texts: answer.Texts, Time: answer.Time}, err
			},
		}
		wg.Go(func() { _ = a.Run(ctx) }) // it only fails before it begins, on a policy that is constant here
	}
	return nil
}

// counted counts what a register is asked.
type counted struct {
	register.Register
	c *crowd
}

func (r counted) Load(ctx context.Context) (register.Snapshot, error) {
	r.c.loads.Add(1)
	return r.Register.Load(ctx)
}

func (r counted) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	r.c.tried.Add(1)
	s, err := r.Register.Swap(ctx, old, texts)
	if err == nil {
		r.c.done.Add(1)
	}
	return s, err
}
