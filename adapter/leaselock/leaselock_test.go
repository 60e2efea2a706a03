package leaselock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
	"github.com/solotick/solotick/seal"
)

const at = "controller.example.com"

// client-go's own defaults
const (
	lease = 15 * time.Second
	renew = 10 * time.Second
	retry = 2 * time.Second
)

// A world is some candidates around one record, in virtual time.
type world struct {
	*testing.T
	mem register.Memory

	mu    sync.Mutex
	leads map[*candidate]bool
	last  int64 // the greatest fence of a leader
	terms int
}

// A candidate is a process with an elector.
type candidate struct {
	w    *world
	lock *Lock
	reg  *registertest.Faulty
	stop context.CancelFunc
	done chan struct{}
}

func play(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(&world{T: t, leads: map[*candidate]bool{}}) })
}

// candidates starts some, which take part again and again until the world ends.
func (w *world) candidates(n int) (all []*candidate) {
	w.Helper()
	for i := range n {
		c := &candidate{w: w, reg: registertest.NewFaulty(w.mem.At(at), at), done: make(chan struct{})}
		var err error
		if c.lock, err = New(Config{Register: c.reg, Name: at, Identity: fmt.Sprintf("host-%d_8a1b", i)}); err != nil {
			w.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		c.stop = cancel
		go c.run(ctx)
		w.Cleanup(func() {
			cancel()
			<-c.done
		})
		all = append(all, c)
	}
	return all
}

func (c *candidate) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: c.lock, LeaseDuration: lease, RenewDeadline: renew, RetryPeriod: retry, ReleaseOnCancel: true, Name: "test",
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					c.w.lead(c)
					<-ctx.Done()
					c.w.mu.Lock()
					defer c.w.mu.Unlock()
					delete(c.w.leads, c)
				},
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			c.w.Error(err)
			return
		}
		elector.Run(ctx)
	}
}

// lead notes that c leads from now on, which it must do alone and with a greater fence.
func (w *world) lead(c *candidate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leads[c] = true
	w.terms++
	if len(w.leads) > 1 {
		w.Errorf("%d lead at %v", len(w.leads), time.Now())
	}
	if f := c.lock.Fence(); f <= w.last {
		w.Errorf("%s leads with fence %d after %d", c.lock.Identity(), f, w.last)
	} else {
		w.last = f
	}
}

// leader is who leads; nil: nobody does.
func (w *world) leader() *candidate {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.leads {
		return c
	}
	return nil
}

// within waits until a condition holds.
func (w *world) within(d time.Duration, what string, ok func() bool) {
	w.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > d {
			w.Fatalf("not within %v: %s; record %q", d, what, w.mem.Texts(at))
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
	}
}

func (w *world) record() record.Record {
	w.Helper()
	r, err := record.Parse(w.mem.Texts(at)[0])
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// One leads, and another when it loses its way to the register; a leader that ends
// hands over at once.
func TestElection(t *testing.T) {
	play(t, func(w *world) {
		all := w.candidates(4)
		w.within(lease+2*retry, "the first leader ever", func() bool { return w.leader() != nil })
		first := w.leader()
		time.Sleep(time.Hour)
		if w.leader() != first || w.terms != 1 {
			t.Fatalf("%d terms in an hour in which nothing happened", w.terms)
		}
		r := w.record()
		if !r.Claimed || r.Lease != 15 || r.Timer != 0 || !strings.Contains(r.Extra, first.lock.Identity()) || r.Seq <= first.lock.Fence() {
			t.Errorf("record %v", r)
		}

		first.reg.SetDown(true)
		w.within(renew+retry, "it stops", func() bool { return w.leader() == nil })
		if f := first.lock.Fence(); f == 0 {
			t.Error("the fence of a leader that does not know better is gone")
		}
		w.within(lease+retry*3, "another one leads", func() bool { l := w.leader(); return l != nil && l != first })
		if r := w.record(); r.Last != record.Lost {
			t.Errorf("record %v", r)
		}
		first.reg.SetDown(false)
		time.Sleep(time.Minute)
		if f := first.lock.Fence(); f != 0 {
			t.Errorf("who leads no longer has the fence %d", f)
		}

		second := w.leader()
		second.stop()
		w.within(retry*3, "it hands over", func() bool { l := w.leader(); return l != nil && l != second })
		if w.terms != 3 {
			t.Errorf("%d terms", w.terms)
		}
		_ = all
	})
}

// Replies that are lost, writes that come late: never two leaders.
func TestElectionOverABadNetwork(t *testing.T) {
	play(t, func(w *world) {
		all := w.candidates(5)
		for range 60 {
			for _, c := range all {
				c.reg.Swaps(registertest.Lose, registertest.Refuse, registertest.Lose)
				time.Sleep(7 * time.Second)
			}
		}
		w.within(3*time.Minute, "a leader", func() bool { return w.leader() != nil })
		if w.terms == 0 {
			t.Error("nobody ever led")
		}
		t.Logf("%d terms", w.terms)
	})
}

// A record that is removed or damaged by hand is put back by who leads, and nobody else
// takes it meanwhile, save who has never seen it held.
func TestRemoved(t *testing.T) {
	for name, texts := range map[string][]string{"removed": nil, "damaged": {`{"id":`}} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) {
				w.candidates(3)
				w.within(lease+2*retry, "a leader", func() bool { return w.leader() != nil })
				time.Sleep(3 * retry) // until all have seen it
				w.mem.Put(at, append([]string{"v=spf1 -all"}, texts...)...)
				time.Sleep(time.Minute)
				if w.terms != 1 || len(w.mem.Texts(at)) != 2 || w.mem.Texts(at)[0] != "v=spf1 -all" && w.mem.Texts(at)[1] != "v=spf1 -all" {
					t.Errorf("%d terms; record %q", w.terms, w.mem.Texts(at))
				}
			})
		})
	}
}

// An operator's pause keeps the record from being taken.
func TestPaused(t *testing.T) {
	play(t, func(w *world) {
		w.mem.Put(at, `{"id":"Z","timer":0,"timerold":0,"seq":1,"pause":-1,"why":"maintenance"}`)
		w.candidates(3)
		time.Sleep(5 * time.Minute)
		if w.terms != 0 {
			t.Errorf("%d terms while it was paused", w.terms)
		}
		w.mem.Put(at, `{"id":"Z","timer":0,"timerold":0,"seq":2}`)
		w.within(lease+2*retry, "a leader", func() bool { return w.leader() != nil })
	})
}

// A job's record, and one that nobody can read, are left alone.
func TestLeftAlone(t *testing.T) {
	for text, want := range map[string]error{
		`{"id":"Z","timer":1795413935,"timerold":0,"seq":1}`: solotick.ErrOfJob,
		"st1.abcdefgh.AAAA": errSealed,
	} {
		play(t, func(w *world) {
			w.mem.Put(at, text)
			all := w.candidates(2)
			time.Sleep(time.Minute)
			if _, _, err := all[0].lock.Get(t.Context()); !errors.Is(err, want) {
				t.Errorf("%s: %v", text, err)
			}
			if err := all[0].lock.Update(t.Context(), resourcelock.LeaderElectionRecord{LeaseDurationSeconds: 15}); !errors.Is(err, want) {
				t.Errorf("%s: %v", text, err)
			}
			if w.terms != 0 || len(w.mem.Texts(at)) != 1 || w.mem.Texts(at)[0] != text {
				t.Errorf("%d terms; record %q", w.terms, w.mem.Texts(at))
			}
		})
	}
}

// Whoever was read before somebody else wrote writes nothing, and the members that
// others have put into the record stay.
func TestUpdate(t *testing.T) {
	var mem register.Memory
	mem.Put(at, `{"id":"Z","timer":0,"timerold":0,"seq":1,"state":"s","x":[1,2]}`)
	a, b := one(t, &mem, "a"), one(t, &mem, "b")
	ler := resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaseDurationSeconds: 15}
	if err := a.Update(t.Context(), ler); err == nil || !strings.Contains(err.Error(), "not read") {
		t.Errorf("before a Get: %v", err)
	}
	for _, l := range []*Lock{a, b} {
		if got, _, err := l.Get(t.Context()); err != nil || got.HolderIdentity != "" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if err := a.Update(t.Context(), ler); err != nil || a.Fence() == 0 {
		t.Fatalf("%v, fence %d", err, a.Fence())
	}
	ler.HolderIdentity = "b"
	if err := b.Update(t.Context(), ler); !errors.Is(err, register.ErrConflict) || b.Fence() != 0 {
		t.Errorf("after somebody else: %v, fence %d", err, b.Fence())
	}
	got, raw, err := b.Get(t.Context())
	if err != nil || got.HolderIdentity != "a" || got.LeaseDurationSeconds != 15 {
		t.Errorf("%+v, %v", got, err)
	}
	ler.HolderIdentity = "a"
	fence := a.Fence()
	if err := a.Update(t.Context(), ler); err != nil || a.Fence() != fence {
		t.Errorf("a renewal: %v, fence %d, was %d", err, a.Fence(), fence)
	}
	if _, again, err := b.Get(t.Context()); err != nil || string(raw) == string(again) {
		t.Errorf("a renewal does not show: %s, %v", again, err)
	}
	text := mem.Texts(at)[0]
	if !strings.Contains(text, `"state":"s"`) || !strings.Contains(text, `"x":[1,2]`) || strings.Count(text, member) != 1 {
		t.Errorf("record %s", text)
	}
	for _, seconds := range []int{0, 901} {
		ler.LeaseDurationSeconds = seconds
		if err := a.Update(t.Context(), ler); err == nil {
			t.Errorf("a lease of %d s: no error", seconds)
		}
	}
}

// A record that is too long would be damaged to all others: who leads by it would be
// taken over from.
func TestTooLong(t *testing.T) {
	var mem register.Memory
	mem.Put(at, `{"id":"","timer":0,"timerold":0,"seq":1}`)
	identity := strings.Repeat("<", 128) // 6 bytes each, as JSON
	a := one(t, &mem, identity)
	if _, _, err := a.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := a.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: identity, LeaseDurationSeconds: 15})
	if err == nil || a.Fence() != 0 {
		t.Errorf("%v, fence %d", err, a.Fence())
	}
	if r, err := record.Parse(mem.Texts(at)[0]); err != nil || r.Claimed {
		t.Errorf("%+v, %v", r, err)
	}
}

func one(t *testing.T, mem *register.Memory, identity string) *Lock {
	t.Helper()
	l, err := New(Config{Register: mem.At(at), Name: at, Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// An agent that wants the same lock sees it held, and is seen as the holder.
func TestBesideAnAgent(t *testing.T) {
	var mem register.Memory
	mem.Put(at, `{"id":"Z","timer":0,"timerold":0,"seq":1}`)
	l := one(t, &mem, "host-1")
	if _, _, err := l.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	ler := resourcelock.LeaderElectionRecord{HolderIdentity: "host-1", LeaseDurationSeconds: 15}
	if err := l.Update(t.Context(), ler); err != nil {
		t.Fatal(err)
	}
	agent := &solotick.Agent{Job: solotick.Job{Name: "controller"}, Register: mem.At(at)}
	if _, err := agent.TryLock(t.Context()); !errors.Is(err, solotick.ErrHeld) {
		t.Errorf("an agent beside an elector: %v", err)
	}
	ler.HolderIdentity = ""
	if err := l.Update(t.Context(), ler); err != nil || l.Fence() != 0 {
		t.Errorf("released: %v, fence %d", err, l.Fence())
	}
	k, err := agent.TryLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := l.Get(t.Context())
	if err != nil || got.HolderIdentity != k.Agent() || got.LeaseDurationSeconds != 15 {
		t.Errorf("an elector beside an agent: %+v, %v", got, err)
	}
	if err := k.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	if got, _, err := l.Get(t.Context()); err != nil || got.HolderIdentity != "" {
		t.Errorf("after it: %+v, %v", got, err)
	}
}

// A sealed record is led by who has the key, and left alone by who has not.
func TestSealed(t *testing.T) {
	var mem register.Memory
	ring := seal.Ring{Seal: []seal.Key{seal.NewKey([32]byte{1})}, Plain: seal.Read}
	mem.Put(at, `{"id":"Z","timer":0,"timerold":0,"seq":1}`)
	l, stranger := one(t, &mem, "host-1"), one(t, &mem, "host-2")
	l.Form = ring.Form(at)
	if _, _, err := l.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	ler := resourcelock.LeaderElectionRecord{HolderIdentity: "host-1", LeaseDurationSeconds: 15}
	if err := l.Update(t.Context(), ler); err != nil || !strings.HasPrefix(mem.Texts(at)[0], record.SealedPrefix) {
		t.Fatalf("%v: %q", err, mem.Texts(at))
	}
	if got, _, err := l.Get(t.Context()); err != nil || got.HolderIdentity != "host-1" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, _, err := stranger.Get(t.Context()); !errors.Is(err, errSealed) {
		t.Errorf("without the key: %v", err)
	}
	agent := &solotick.Agent{Job: solotick.Job{Name: "controller"}, Register: mem.At(at), Form: ring.Form(at)}
	if _, err := agent.TryLock(t.Context()); !errors.Is(err, solotick.ErrHeld) {
		t.Errorf("an agent with the key: %v", err)
	}
}

func TestConfig(t *testing.T) {
	var mem register.Memory
	told := ""
	l, err := New(Config{Register: mem.At(at), Name: at, Identity: "a", OnEvent: func(m string) { told = m }})
	if err != nil {
		t.Fatal(err)
	}
	if l.RecordEvent("became leader"); told != "became leader" || l.Identity() != "a" || l.Describe() != at {
		t.Errorf("%q %q %q", told, l.Identity(), l.Describe())
	}
	for name, c := range map[string]Config{
		"no register": {Identity: "a"}, "no identity": {Register: mem.At(at)}, "too long": {Register: mem.At(at), Identity: strings.Repeat("a", 129)},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
