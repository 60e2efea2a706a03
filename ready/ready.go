// Package ready has an HTTP handler that is ready on the leader alone: 200 there and
// 503 elsewhere, so that a load balancer, a Service or a reverse proxy sends its
// requests to the process that leads.
//
// [Agent] is for leadership (an agent whose Policy has Lock set), and [Lock] for a
// lock that is held. The handlers go by the time that is left, for each request anew:
// a leader that was halted, or has lost its register, is not ready even if it has not
// noticed yet, and it is ready no longer KillGrace before anybody else can be.
//
// Who asks learns of a change with its next question, so requests reach a process
// that leads no longer for as long as that takes. What must not be done twice needs
// more: the run's context, and a fence (package fence).
//
// The handlers tell the ids of agents, times and fences, and no name of a job or a
// record. They read nothing of the request but its method. They are a package of
// their own so that the library brings in no HTTP.
package ready

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/lead"
)

// Agent returns a copy of the agent, which is the one to Run, and the handler that is
// ready while it leads. With a schedule in the place of Policy.Lock it is ready while
// a tick is run.
//
//	agent, handler, err := ready.Agent(agent)
//	http.Handle("/readyz", handler)
//	err = agent.Run(ctx)
func Agent(a *solotick.Agent) (*solotick.Agent, http.Handler, error) {
	b, state, err := lead.Watch(a)
	if err != nil {
		return nil, nil, fmt.Errorf("ready: %w", err)
	}
	margin := elect.Margin(state.Lease())
	return b, handler(func() answer {
		if t, ok := state.Leads(); ok {
			return answer{leads: true, id: t.Agent, fence: t.Fence}
		}
		id, left := state.Leader()
		if id == "" { // nobody, or nobody knows: soon somebody will
			return answer{retry: state.Lease() / 3}
		}
		return answer{id: id, retry: left + margin}
	}), nil
}

// Lock is ready while the lock is held, and no longer than [solotick.Lock.Safe] says,
// whether its context has ended by then or not.
func Lock(k *solotick.Lock) http.Handler {
	return handler(func() answer {
		if k.Context().Err() == nil && k.Safe() > 0 {
			return answer{leads: true, id: k.Agent(), fence: k.Fence()}
		}
		return answer{retry: time.Second}
	})
}

// An answer is how things are at a moment.
type answer struct {
	leads bool
	id    string // of who leads; empty: not known
	fence int64
	retry time.Duration // when it may be otherwise
}

func handler(now func() answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "this tells whether the process leads: GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		a := now()
		id := plain(a.id)
		if id != "" {
			h.Set("Solotick-Leader", id)
		}
		if a.leads {
			h.Set("Solotick-Fence", strconv.FormatInt(a.fence, 10))
			_, _ = io.WriteString(w, "leader "+id+"\n")
			return
		}
		h.Set("Retry-After", strconv.Itoa(seconds(a.retry)))
		w.WriteHeader(http.StatusServiceUnavailable)
		if id == "" {
			id = "nobody that is known here"
		}
		_, _ = io.WriteString(w, "standby; "+id+" leads\n")
	})
}

// seconds is d as Retry-After has it: whole, and between 1 and 60, so that nobody
// stays away from a leader for as long as a lease may be.
func seconds(d time.Duration) int {
	return int(min(max(d, time.Second), time.Minute).Round(time.Second) / time.Second)
}

// plain is an id as it is shown: what a record says is anybody's text.
func plain(id string) string {
	id = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, id)
	return id[:min(len(id), 40)]
}
