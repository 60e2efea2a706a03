package ready

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // they wait most of the time; the flag exists
	goleak.VerifyTestMain(m)
}

const at = "leader.example.com"

var leading = elect.Policy{Lock: true, Lease: 3 * time.Second, Spread: 100 * time.Millisecond}

// ask is a request of a load balancer.
func ask(h http.Handler, method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "/readyz", nil))
	return w
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// A replica is an agent with its handler and its way to the register.
type replica struct {
	id   string
	reg  *registertest.Faulty
	http http.Handler
	stop context.CancelFunc
	done chan struct{}
	lost chan struct{} // closed when its job was told to stop
}

func (r *replica) ready() bool { return ask(r.http, http.MethodGet).Code == http.StatusOK }

func start(t *testing.T, mem *register.Memory, id string) *replica {
	t.Helper()
	r := &replica{id: id, reg: registertest.NewFaulty(mem.At(at), at), done: make(chan struct{}), lost: make(chan struct{}, 10)}
	events := 0
	agent, h, err := Agent(&solotick.Agent{
		Job: solotick.Job{Name: "leader", Do: func(ctx context.Context, _ solotick.Tick) error {
			<-ctx.Done()
			if r.ready() {
				t.Errorf("%s is ready although its context has ended", id)
			}
			r.lost <- struct{}{}
			return context.Cause(ctx)
		}},
		Policy: leading, Register: r.reg, ID: id, StopGrace: time.Millisecond, Observe: func(solotick.Event) { events++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.http = h
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.done)
		if err := agent.Run(ctx); err != nil {
			t.Error(err)
		}
		if events == 0 {
			t.Error("the agent's own Observe was told nothing")
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

func TestAgent(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	mem.Put(at, `{"id":"","timer":0,"timerold":0}`)
	all := []*replica{start(t, &mem, "AA"), start(t, &mem, "BB"), start(t, &mem, "CC")}
	leader := func() *replica {
		var found *replica
		for _, r := range all {
			if r.ready() {
				if found != nil {
					t.Errorf("%s and %s are ready", found.id, r.id)
				}
				found = r
			}
		}
		return found
	}
	within(t, 20*time.Second, "a leader", func() bool { return leader() != nil })
	first := leader()
	answer := ask(first.http, http.MethodGet)
	if fence, err := strconv.ParseInt(answer.Header().Get("Solotick-Fence"), 10, 64); err != nil || fence <= 0 ||
		answer.Body.String() != "leader "+first.id+"\n" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the leader says %q %v", answer.Body, answer.Header())
	}
	for _, r := range all {
		if r == first {
			continue
		}
		within(t, 5*time.Second, r.id+" knows who leads", func() bool {
			a := ask(r.http, http.MethodGet)
			retry, err := strconv.Atoi(a.Header().Get("Retry-After"))
			return a.Code == http.StatusServiceUnavailable && a.Header().Get("Solotick-Leader") == first.id &&
				a.Header().Get("Solotick-Fence") == "" && err == nil && retry >= 1 && retry <= 6 && a.Body.String() == "standby; "+first.id+" leads\n"
		})
	}
	if a := ask(first.http, http.MethodHead); a.Code != http.StatusOK {
		t.Errorf("HEAD: %d", a.Code)
	}
	if a := ask(first.http, http.MethodPost); a.Code != http.StatusMethodNotAllowed || a.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", a.Code)
	}

	// It loses its register: it is not ready before another one can be.
	first.reg.SetDown(true)
	within(t, 20*time.Second, "another leader", func() bool { r := leader(); return r != nil && r != first })
	<-first.lost
	second := leader()
	second.stop()
	<-second.done
	if second.ready() {
		t.Error("ready after its end")
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	mem.Put(at, `{"id":"","timer":0,"timerold":0}`)
	reg := registertest.NewFaulty(mem.At(at), at)
	k, err := (&solotick.Agent{Job: solotick.Job{Name: "leader"}, Policy: leading, Register: reg}).Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := Lock(k)
	if a := ask(h, http.MethodGet); a.Code != http.StatusOK || a.Header().Get("Solotick-Leader") != k.Agent() || a.Header().Get("Solotick-Fence") != fmt.Sprint(k.Fence()) {
		t.Errorf("while held: %d %v", a.Code, a.Header())
	}
	reg.SetDown(true)
	<-k.Done()
	if a := ask(h, http.MethodGet); a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") != "1" || !strings.Contains(a.Body.String(), "standby") {
		t.Errorf("when lost: %d %v %q", a.Code, a.Header(), a.Body)
	}
	reg.SetDown(false)
	if err := k.Unlock(t.Context()); err == nil {
		t.Error("a lock that was lost was unlocked without a word")
	}
}

// A loop that is halted cancels no context: the handler goes by the time.
func TestLockHalted(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	mem.Put(at, `{"id":"","timer":0,"timerold":0}`)
	halt, goOn := make(chan struct{}), make(chan struct{})
	k, err := (&solotick.Agent{
		Job: solotick.Job{Name: "leader"}, Register: mem.At(at),
		Policy: elect.Policy{Lock: true, Lease: 9 * time.Second, KillGrace: 2 * time.Second},
		Observe: func(solotick.Event) {
			select {
			case <-halt:
				<-goOn
			default:
			}
		},
	}).Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := Lock(k)
	if a := ask(h, http.MethodGet); a.Code != http.StatusOK {
		t.Errorf("while held: %d", a.Code)
	}
	close(halt)
	within(t, 20*time.Second, "not ready", func() bool { return ask(h, http.MethodGet).Code == http.StatusServiceUnavailable })
	if left := k.Left(); k.Context().Err() != nil || left <= 0 {
		t.Errorf("%v, with %v left of the window: want it still to be told, and some time", k.Context().Err(), left)
	}
	close(goOn)
	_ = k.Unlock(t.Context()) // whether it was in time does not matter here
}

// What a record says of its holder is anybody's text.
func TestHostileLeader(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	now := time.Now().Unix()
	mem.Put(at, fmt.Sprintf(`{"id":"<b>\r\nX: y","timer":0,"timerold":0,"seq":%d,"until":%d,"lease":15}`, now*1000, now+15))
	r := start(t, &mem, "AA")
	within(t, 10*time.Second, "it has seen the record", func() bool { return ask(r.http, http.MethodGet).Header().Get("Solotick-Leader") != "" })
	if a := ask(r.http, http.MethodGet); a.Header().Get("Solotick-Leader") != "<b>??X:?y" || a.Header().Get("Retry-After") == "" ||
		a.Header().Get("Content-Type") != "text/plain; charset=utf-8" || a.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%q %v", a.Body, a.Header())
	}
	if id := plain(strings.Repeat("A", 1000)); len(id) != 40 {
		t.Errorf("%d characters", len(id))
	}
}
