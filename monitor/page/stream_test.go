package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// A reader is somebody who reads a stream: what was written, and when it may be
// written at all.
type reader struct {
	mu      sync.Mutex
	header  http.Header
	code    int
	text    strings.Builder
	flushed int           // how much of the text
	full    chan struct{} // nil: reads all at once; else a write waits for it, or for its deadline
	until   time.Time
}

func (r *reader) Header() http.Header  { return r.header }
func (r *reader) WriteHeader(code int) { r.code = code }

func (r *reader) Write(b []byte) (int, error) {
	if r.full != nil {
		r.mu.Lock()
		left := time.Until(r.until)
		r.mu.Unlock()
		select {
		case <-r.full:
		case <-time.After(left):
			return 0, os.ErrDeadlineExceeded
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *reader) FlushError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushed = r.text.Len()
	return nil
}

func (r *reader) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = t
	return nil
}

// read is what has arrived since the last call.
func (r *reader) read() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.text.String()[:r.flushed]
	rest := r.text.String()[r.flushed:]
	r.text.Reset()
	r.text.WriteString(rest)
	r.flushed = 0
	return got
}

// follow opens a stream; end waits for its handler.
func follow(h http.Handler, r *reader, path string, header ...string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(r, req)
	}()
	return func() { cancel(); <-done }
}

// decoded are the messages of a stream, and its last id.
func decoded(t *testing.T, text string) (all []message, id string) {
	t.Helper()
	for _, part := range strings.Split(text, "\n\n") {
		for _, line := range strings.Split(part, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				id = value
			case "data":
				var m message
				if err := json.Unmarshal([]byte(value), &m); err != nil {
					t.Fatalf("%s: %v", value, err)
				}
				all = append(all, m)
			case "", "event", "retry":
			default:
				t.Fatalf("a line %q", line)
			}
		}
	}
	return all, id
}

// ticks has a history see runs of a job, one a second.
type ticks struct {
	h *monitor.History
	t monitor.Target
	r record.Record
}

func newTicks(name string) *ticks {
	h := monitor.NewHistory(monitor.Limits{})
	k := &ticks{h, monitor.Target{Name: name}, record.Record{ID: "VDNDNQNWQY", Last: record.OK}}
	h.Watch(k.t)
	k.run()
	return k
}

// run is a tick that was claimed a second before and has ended now.
func (k *ticks) run() []monitor.Event {
	now := time.Now()
	k.r.TimerOld, k.r.Timer, k.r.Seq = now.Unix()-1, now.Unix()+1, now.UnixMilli()
	return k.h.See(seen(k.t, now, k.r, false))
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTicks("canary.example.com")
		r := &reader{}
		end := follow(Handler(Config{History: k.h}), r, "/events")
		text := r.read()
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Content-Encoding": "", "Content-Length": "",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if !strings.HasPrefix(text, "retry: 3000\n\nevent: seen\nid: 0\ndata: {") {
			t.Errorf("it begins with %q", text)
		}

		// What is seen is told at once, and what is seen within the next second comes
		// together.
		time.Sleep(5 * time.Second)
		first := k.run()
		got, id := decoded(t, r.read())
		if len(got) != 1 || len(got[0].Names) != 1 || len(got[0].Events) != len(first) || id != fmt.Sprint(first[len(first)-1].ID) || !got[0].Now.Equal(time.Now().Truncate(time.Millisecond)) {
			t.Errorf("told %+v with the id %s, want the events %+v", got, id, first)
		}
		for range 5 {
			time.Sleep(100 * time.Millisecond)
			k.h.See(seen(k.t, time.Now(), k.r, false))
		}
		if text := r.read(); text != "" {
			t.Errorf("within a second: %q", text)
		}
		time.Sleep(500 * time.Millisecond)
		if got, _ := decoded(t, r.read()); len(got) != 1 || len(got[0].Names) != 1 || len(got[0].Events) != 0 {
			t.Errorf("after it: %+v", got)
		}
		end()

		head := httptest.NewRecorder()
		Handler(Config{History: k.h}).ServeHTTP(head, httptest.NewRequest("HEAD", "/events", nil)) // ends
		if head.Code != http.StatusOK || head.Header().Get("X-Accel-Buffering") != "no" {
			t.Errorf("HEAD: %d, %v", head.Code, head.Header())
		}
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTicks("canary.example.com")
		r := &reader{}
		end := follow(Handler(Config{History: k.h}), r, "/events")
		r.read()
		for i := range 3 {
			time.Sleep(heartbeat - time.Millisecond)
			if text := r.read(); text != "" {
				t.Errorf("before beat %d: %q", i, text)
			}
			time.Sleep(time.Millisecond)
			if text := r.read(); text != ": still here\n\n" {
				t.Errorf("beat %d: %q", i, text)
			}
		}
		end()
	})
}

// TestReplay checks that a reader who comes back hears what it has missed, or that
// it has missed too much.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTicks("canary.example.com")
		other := monitor.Target{Name: "other.example.com"}
		k.h.Watch(other)
		page := Handler(Config{History: k.h})
		back := func(path, id string) message {
			r := &reader{}
			end := follow(page, r, path, "Last-Event-ID", id)
			all, _ := decoded(t, r.read())
			end()
			if len(all) != 1 {
				t.Fatalf("came back at %s: %+v", id, all)
			}
			return all[0]
		}
		var ids []uint64
		for range 20 {
			time.Sleep(2 * time.Second)
			for _, e := range k.run() {
				ids = append(ids, e.ID)
			}
		}
		newest := ids[len(ids)-1]
		if m := back("/events", fmt.Sprint(newest)); m.Refresh || len(m.Events) != 0 {
			t.Errorf("missed nothing: %+v", m)
		}
		if m := back("/events", fmt.Sprint(ids[len(ids)-6])); m.Refresh || len(m.Events) != 5 || m.Events[4].ID != newest || m.Events[0].ID != ids[len(ids)-5] {
			t.Errorf("missed five: %+v", m)
		}
		if m := back("/events?name=other.example.com", fmt.Sprint(ids[3])); len(m.Events) != 0 {
			t.Errorf("missed nothing of its own: %+v", m)
		}
		for _, id := range []string{"nonsense", "-1", fmt.Sprint(newest + 1)} {
			if m := back("/events", id); !m.Refresh || len(m.Events) != 0 {
				t.Errorf("of another history, %s: %+v", id, m)
			}
		}
		for range 100 {
			time.Sleep(2 * time.Second)
			k.run()
		}
		if m := back("/events", fmt.Sprint(ids[0])); !m.Refresh || len(m.Events) != 0 {
			t.Errorf("missed too much: %+v", m)
		}
	})
}

// TestOneRecord checks that the page of a record is told of that one.
func TestOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTicks("canary.example.com")
		other := monitor.Target{Name: "other.example.com"}
		k.h.Watch(other)
		r := &reader{}
		end := follow(Handler(Config{History: k.h}), r, "/events?name=other.example.com")
		r.read()
		time.Sleep(2 * time.Second)
		k.run()
		if text := r.read(); text != "" {
			t.Errorf("told of another record: %q", text)
		}
		k.h.See(seen(other, time.Now(), k.r, false))
		if got, _ := decoded(t, r.read()); len(got) != 1 || got[0].Names[0] != other.Name {
			t.Errorf("told %+v", got)
		}
		end()
	})
}

// TestNoStream checks that who asks for a document, as of an agent, is not kept
// waiting for the end of a stream.
func TestNoStream(t *testing.T) {
	got := ask(t, Handler(Config{History: monitor.NewHistory(monitor.Limits{})}), "/events?job=canary", "Accept", "application/json")
	if got.code != http.StatusNotAcceptable || !strings.Contains(got.body, "stream") {
		t.Errorf("%d %q", got.code, got.body)
	}
}

// TestManyNames checks that one message stays small however many records there are.
func TestManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTicks("canary.example.com")
		r := &reader{}
		end := follow(Handler(Config{History: k.h}), r, "/events")
		r.read()
		k.run()
		r.read()
		for i := range 500 {
			target := monitor.Target{Name: fmt.Sprintf("job-%d.example.com", i)}
			k.h.Watch(target)
			k.h.See(seen(target, time.Now(), k.r, false))
			synctest.Wait() // so that the reader is not too slow
		}
		time.Sleep(pace)
		if got, _ := decoded(t, r.read()); len(got) != 1 || len(got[0].Names) != mostNames || !got[0].Refresh {
			t.Errorf("%d messages, the first with %d names: %v", len(got), len(got[0].Names), got[0].Refresh)
		}
		end()
	})
}

// TestSlow checks that a reader who reads too slowly is told that it has lost
// something, that one who does not read at all is given up, and that neither holds
// anybody up.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTicks("canary.example.com")
		page := Handler(Config{History: k.h, Streams: 1})
		slow := &reader{full: make(chan struct{}, 100)}
		end := follow(page, slow, "/events")
		slow.full <- struct{}{} // retry
		slow.full <- struct{}{} // the first message
		slow.read()
		k.run()
		synctest.Wait() // it writes, and nobody reads
		for range 300 {
			k.run() // more than there is room for
		}
		slow.full <- struct{}{}
		slow.full <- struct{}{}
		slow.full <- struct{}{}
		time.Sleep(2 * pace)
		k.run()
		time.Sleep(2 * pace)
		all, _ := decoded(t, slow.read())
		lost := false
		for _, m := range all {
			lost = lost || m.Refresh
		}
		if !lost {
			t.Errorf("nobody told that something is lost: %+v", all)
		}
		end()

		stuck := &reader{full: make(chan struct{})}
		end = follow(page, stuck, "/events")
		synctest.Wait()
		refused := httptest.NewRecorder()
		page.ServeHTTP(refused, httptest.NewRequest("GET", "/events", nil))
		if refused.Code != http.StatusServiceUnavailable || refused.Header().Get("Retry-After") == "" {
			t.Errorf("one stream too many: %d", refused.Code)
		}
		time.Sleep(stuckTime + time.Second)
		r := &reader{}
		next := follow(page, r, "/events")
		if text := r.read(); !strings.HasPrefix(text, "retry") {
			t.Errorf("after the one that does not read was given up: %d, %q", r.code, text)
		}
		next()
		end()
	})
}

// TestGone checks that a stream whose reader has gone ends with the next beat.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTicks("canary.example.com")
		w := &gone{reader: reader{header: http.Header{}}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Handler(Config{History: k.h}).ServeHTTP(w, httptest.NewRequest("GET", "/events", nil))
		}()
		synctest.Wait()
		w.left.Store(true)
		time.Sleep(heartbeat)
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Fatal("the stream goes on")
		}
	})
}

type gone struct {
	reader
	left atomic.Bool
}

func (g *gone) Write(b []byte) (int, error) {
	if g.left.Load() {
		return 0, errors.New("connection reset by peer")
	}
	return g.reader.Write(b)
}
