package ready_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/ready"
	"github.com/solotick/solotick/register"
)

// A server whose readiness tells a load balancer where the leader is.
func ExampleAgent() {
	var store register.Memory // in a program: a record in DNS, see register/rfc2136
	store.Put("leader.example.com", `{"id":"","timer":0,"timerold":0}`)
	leads := make(chan struct{})
	agent, handler, err := ready.Agent(&solotick.Agent{
		Job: solotick.Job{Name: "leader", Do: func(ctx context.Context, t solotick.Tick) error {
			close(leads)
			<-ctx.Done()
			return context.Cause(ctx)
		}},
		Policy:    elect.Policy{Lock: true, Lease: 3 * time.Second},
		Register:  store.At("leader.example.com"),
		StopGrace: 10 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/readyz", handler)
	probe := func() int {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code
	}

	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx) }()
	<-leads
	fmt.Println("while it leads:", probe())
	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	fmt.Println("after that:", probe())
	// Output:
	// while it leads: 200
	// after that: 503
}
