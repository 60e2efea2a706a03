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

func TestCalm(t *testing.T) {
	n := 0
	r, err := sim.Run(sim.Scenario{Policy: minutely(t), For: 24 * time.Hour, Job: sim.Job{Takes: sim.Fixed(time.Second)}, Watch: func(s sim.Step) {
		if n++; n < 80 {
			fmt.Println(s)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.MarshalIndent(r, "", " ")
	fmt.Println(string(text))
}

func TestMany(t *testing.T) {
	began := time.Now()
	r, err := sim.Run(sim.Scenario{Agents: 10000, Policy: minutely(t), For: 2 * time.Hour, Job: sim.Job{Takes: sim.Fixed(time.Second)}})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.MarshalIndent(r, "", " ")
	fmt.Println(string(text), time.Since(began))
}
