package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
)

// sidecar is a campaign over a register in memory, and where it answers.
func sidecar(t *testing.T, text string) (*campaign, string) {
	t.Helper()
	mem := new(register.Memory)
	if text != "" {
		mem.Put("boss.t.test", text)
	}
	log, err := (&app{stderr: io.Discard}).logger(logFlags{format: "text", level: "error"})
	if err != nil {
		t.Fatal(err)
	}
	k := &contender{name: "boss", at: "boss.t.test"}
	k.Agent = &solotick.Agent{
		Job: solotick.Job{Name: "boss"}, Policy: elect.Policy{Lock: true, Lease: 3 * time.Second}, Register: mem.At("boss.t.test"), ID: "ME", Log: log, Observe: k.see,
	}
	k.Policy.Fill()
	c := &campaign{contender: k}
	l, err := net.Listen("tcp", loopback("0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { c.serve(ctx, l) })
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	return c, "http://" + l.Addr().String()
}

func get(t *testing.T, url string) (int, http.Header, electStatus) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	fits(t, "elect", text)
	var st electStatus
	if err := json.Unmarshal(text, &st); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, st
}

// What a sidecar answers is as its schema says, and true at that moment.
func TestElectAnswers(t *testing.T) {
	now := time.Now().Unix()
	held := fmt.Sprintf(`{"id":"X\u001bY","timer":0,"timerold":0,"seq":%d,"until":%d,"lease":15}`, now*1000, now+15)
	for _, c := range []struct {
		name, text string
		leader     string
		paused     bool
	}{
		{"nobody yet", "", "", false},
		{"somebody else", held, "X\ufffdY", false},
		{"somebody who is gone", `{"id":"X","timer":0,"timerold":0,"seq":1,"until":2,"lease":15}`, "", false},
		{"paused", `{"id":"X","timer":0,"timerold":0,"seq":1,"pause":-1}`, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, url := sidecar(t, c.text)
			if _, _, st := get(t, url); st.Seen != nil || st.IsLeader || st.Leader != "" {
				t.Errorf("before anything was seen: %+v", st)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if held, err := k.win(ctx); held != nil || err != nil {
				t.Fatalf("%v, %v", held, err)
			}
			code, header, st := get(t, url+"/leader")
			if code != http.StatusServiceUnavailable || st.IsLeader || st.Leader != c.leader || st.Paused != c.paused || st.Seen == nil || st.Fence != 0 || (st.Until != nil) != (c.leader != "") {
				t.Errorf("%d, %+v", code, st)
			}
			if header.Get("Cache-Control") != "no-store" || header.Get("Content-Type") != "application/json" {
				t.Errorf("%v", header)
			}
			if code, _, _ := get(t, url+"/"); code != http.StatusOK {
				t.Errorf("/: %d", code)
			}
		})
	}
}

func TestElectAnswersOnTheLeader(t *testing.T) {
	k, url := sidecar(t, `{"id":"X","timer":0,"timerold":0}`)
	held, err := k.win(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	code, _, st := get(t, url+"/leader")
	if code != http.StatusOK || !st.IsLeader || st.Leader != "ME" || st.Fence != held.Fence() || st.Until == nil || time.Until(*st.Until) > 3*time.Second {
		t.Errorf("%d, %+v", code, st)
	}
	if err := held.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, _, st := get(t, url+"/leader"); code != http.StatusServiceUnavailable || st.IsLeader || st.Leader != "" {
		t.Errorf("after it: %d, %+v", code, st)
	}
}

// A process whose loop is halted says no later than kill_grace before its window ends
// that it leads no longer.
func TestElectAnswersHalted(t *testing.T) {
	k, url := sidecar(t, `{"id":"X","timer":0,"timerold":0}`)
	k.Policy.Lease, k.Policy.KillGrace = 9*time.Second, 2*time.Second
	halt, goOn := make(chan struct{}), make(chan struct{})
	k.Observe = func(ev solotick.Event) {
		k.see(ev)
		select {
		case <-halt:
			<-goOn
		default:
		}
	}
	held, err := k.win(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	close(halt)
	for led, end := true, time.Now().Add(20*time.Second); led; time.Sleep(10 * time.Millisecond) {
		if _, _, st := get(t, url+"/leader"); !st.IsLeader {
			led = false
		} else if time.Now().After(end) {
			t.Fatal("it leads for ever")
		}
	}
	if left := held.Left(); held.Context().Err() != nil || left <= 0 {
		t.Errorf("%v, with %v left: want its context not to have ended yet, and some time", held.Context().Err(), left)
	}
	close(goOn)
	_ = held.Unlock(t.Context()) // whether it was in time does not matter here
}

// However many connect and say nothing, no more than so many are served at once.
func TestElectConnections(t *testing.T) {
	_, url := sidecar(t, "")
	addr := strings.TrimPrefix(url, "http://")
	var all []net.Conn
	for range mostConns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all = append(all, conn)
	}
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Get(url)
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	select {
	case code := <-answered:
		t.Fatalf("one too many was answered with %d", code)
	case <-time.After(300 * time.Millisecond):
	}
	_ = all[0].Close()
	if code := <-answered; code != http.StatusOK {
		t.Errorf("%d", code)
	}
}

func TestLoopback(t *testing.T) {
	for in, want := range map[string]string{
		"4040": "127.0.0.1:4040", ":4040": "127.0.0.1:4040", "0.0.0.0:4040": "0.0.0.0:4040", "[::1]:4040": "[::1]:4040", "localhost:4040": "localhost:4040",
	} {
		if got := loopback(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// A signal ends the wait, or goes to the command; one that came too early lets none
// begin, and one that comes while the lock is given back ends that.
func TestRelay(t *testing.T) {
	waits, ends := 0, 0
	r := &relay{heard: make(chan os.Signal, 1), done: make(chan struct{}), wait: func() { waits++ }}
	r.end = r.wait
	r.take(syscall.SIGWINCH) // nobody's
	to, ok := r.begin()
	if !ok || waits != 0 {
		t.Fatalf("begin %v, %d waits ended", ok, waits)
	}
	got := make(chan []any)
	go func() {
		var all []any
		for range 4 {
			if s := <-to; s != nil {
				all = append(all, s)
			}
		}
		got <- all
	}()
	r.take(syscall.SIGWINCH)
	r.take(syscall.SIGTERM)
	if all := <-got; len(all) != 2 || all[0] != syscall.SIGWINCH || all[1] != syscall.SIGTERM {
		t.Errorf("passed on %v", all)
	}
	if asked := r.finish(func() { ends++ }); asked != syscall.SIGTERM || waits != 0 {
		t.Errorf("asked %v, %d waits ended", asked, waits)
	}
	r.take(syscall.SIGINT)
	if ends != 1 || waits != 0 {
		t.Errorf("%d ends, %d waits ended", ends, waits)
	}
	r.again()
	if waits != 1 {
		t.Error("a signal that came while the lock was given back ends no wait")
	}
	if _, ok := r.begin(); ok {
		t.Error("a command is begun after a signal")
	}
	if n := r.stop(); n != syscall.SIGINT {
		t.Errorf("ended by %v", n)
	}
}

// What is said of a lock that is not free.
func TestHolderWords(t *testing.T) {
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	sec := now.Unix()
	for _, c := range []struct {
		name string
		r    record.Record
		want string
	}{
		{"held", record.Record{ID: "X", Claimed: true, Until: sec + 5, Lease: 15, Seq: (sec - 10) * 1000}, "boss.t.test is held by X, and by nobody else before about 10:00:05Z"},
		{"hostile", record.Record{ID: "X\x1b[2J", Claimed: true, Until: sec + 5, Lease: 15, Seq: (sec - 10) * 1000}, "boss.t.test is held by X\ufffd[2J, and"},
		{"gone", record.Record{ID: "X", Claimed: true, Until: sec - 5, Lease: 15, Seq: (sec - 20) * 1000}, "boss.t.test was held by X, who has not renewed it as it should by 09:59:55Z; it is taken over when it was seen unchanged for 16.8 s"},
		{"paused", record.Record{ID: "X", Pause: -1, Why: "upgrade"}, "boss.t.test is paused until somebody resumes it (upgrade)"},
		{"nothing", record.Record{}, "boss.t.test has no record yet; the first one is made when there has been none for 16.8 s"},
		{"free", record.Record{ID: "X", Seq: 1}, "boss.t.test did not come free"},
	} {
		k := &contender{Agent: new(solotick.Agent), at: "boss.t.test", seen: c.r, when: now}
		k.Policy.Fill()
		if got := k.holder(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := (&contender{Agent: new(solotick.Agent), at: "boss.t.test"}).holder(); got != "boss.t.test could not be read yet" {
		t.Error(got)
	}
}
