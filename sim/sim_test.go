package sim_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/sim"
)

func minutely(t testing.TB) elect.Policy {
	s, err := schedule.Every(time.Minute, 17*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return elect.Policy{Schedule: s}
}

// rough is a world in which everything goes wrong, and often.
func rough(t testing.TB, seed uint64) sim.Scenario {
	p, _ := sim.Named("rfc2136")
	p.LostRequest, p.LostReply, p.Late, p.LateBy = 0.01, 0.01, 0.01, sim.Delay{Median: 5 * time.Second, P99: time.Minute}
	p.LoadFails, p.LookFails = 0.01, 0.02
	return sim.Scenario{
		Seed: seed, Agents: 3, For: 30 * 24 * time.Hour, Policy: minutely(t), Provider: p,
		Job:      sim.Job{Takes: sim.Delay{Min: 100 * time.Millisecond, Median: 2 * time.Second, P99: 50 * time.Second}, Fails: 0.02, Grace: sim.Delay{Median: 200 * time.Millisecond}},
		Clocks:   sim.Clocks{Offset: time.Second, Drift: 100, Steps: sim.Repeated{Every: 12 * time.Hour}},
		Pauses:   sim.Repeated{Every: 3 * time.Hour, Length: sim.Delay{Median: 2 * time.Second, P99: 2 * time.Minute}},
		Crashes:  sim.Repeated{Every: 5 * time.Hour, Length: sim.Delay{Min: time.Second, Median: 20 * time.Second, P99: 10 * time.Minute}},
		Restarts: sim.Repeated{Every: 24 * time.Hour, Length: sim.Fixed(30 * time.Second)},
		Outages:  sim.Repeated{Every: 48 * time.Hour, Length: sim.Delay{Median: 2 * time.Minute, P99: time.Hour}},
		DNSOut:   sim.Repeated{Every: 72 * time.Hour, Length: sim.Delay{Median: time.Minute, P99: 30 * time.Minute}},
	}
}

func TestRough(t *testing.T) {
	began := time.Now()
	sc := rough(t, 1)
	sc.Outages, sc.DNSOut = sim.Repeated{}, sim.Repeated{}
	r, err := sim.Run(sc)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.MarshalIndent(r, "", " ")
	fmt.Println(string(text), time.Since(began))
}
