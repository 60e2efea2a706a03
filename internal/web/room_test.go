package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoom has answers of several clients share one.
func TestRoom(t *testing.T) {
	var status atomic.Int32
	status.Store(200)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		w.Write([]byte(strings.Repeat("x", 100_000)))
	})
	room := NewRoom(500_000)
	a, b := newClient(t, Options{Room: room}), newClient(t, Options{Room: room, Retries: 2, MaxBody: 1000})
	first, err := a.Do(t.Context(), Request{URL: s.URL})
	if err != nil || first.Taken != 200_000 {
		t.Fatal(first, err)
	}
	if _, err := b.Do(t.Context(), Request{URL: s.URL}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large one: %v", err)
	}
	second, err := b.With(Options{Room: room}).Do(t.Context(), Request{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Do(ctx, Request{URL: s.URL}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third one that waits: %v", err)
	}
	room.Give(first.Taken)
	third, err := a.Do(t.Context(), Request{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	room.Give(second.Taken + third.Taken)
	status.Store(503)
	c := newClient(t, Options{Room: room, Retries: 9})
	c.first = time.Millisecond
	last, err := c.Do(t.Context(), Request{URL: s.URL})
	if err != nil || last.Tries != 10 {
		t.Fatal(last, err)
	}
	room.Give(last.Taken)
	if err := room.Take(t.Context(), 500_000); err != nil {
		t.Errorf("something was kept: %v", err)
	}
	if err := room.Take(t.Context(), 500_001); !errors.Is(err, ErrNoRoom) {
		t.Errorf("more than there is: %v", err)
	}
}

// TestRoomPatience waits for others, and not for ever.
func TestRoomPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewRoom(10)
		if err := room.Take(t.Context(), 8); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := room.Take(t.Context(), 3); !errors.Is(err, ErrNoRoom) || time.Since(began) != roomPatience {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		go func() {
			time.Sleep(time.Second)
			room.Give(8)
		}()
		if err := room.Take(t.Context(), 3); err != nil {
			t.Error(err)
		}
	})
}
