//go:build linux

package steps_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/steps"
)

// TestOnFailureAfterACut: a run that is ended although its time is not over says
// nothing about the job, since somebody runs the tick again.
func TestOnFailureAfterACut(t *testing.T) {
	ring := new(phone)
	cmd := shell("exec sleep 60")
	p := &steps.Plan{
		Steps:     []steps.Step{{ID: "it", Command: &cmd}},
		OnFailure: &steps.Alert{Name: "on_failure", Channel: "ops", To: ring},
	}
	run := steps.Run{Job: "canary", Tick: first, Attempt: 1, Attempts: 1, Grace: 300 * time.Millisecond}

	ctx, cancel := context.WithCancelCause(t.Context())
	short := run
	short.Deadline = time.Now().Add(900 * time.Millisecond)
	time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("handed over")) })
	if res, err := p.Do(ctx, short); err == nil || errors.Is(err, steps.ErrTimeout) || res.StateSet || len(ring.told) != 0 {
		t.Errorf("ended from outside: %v, told %+v", err, ring.told)
	}
	window := run
	end := time.Now().Add(2 * time.Second)
	window.Left = func() time.Duration { return time.Until(end) }
	window.Grace = 1500 * time.Millisecond
	if res, err := p.Do(t.Context(), window); !errors.Is(err, steps.ErrStopped) || res.StateSet || len(ring.told) != 0 {
		t.Errorf("at the end of its claim: %v, told %+v", err, ring.told)
	}
	late := run
	late.Deadline = time.Now().Add(100 * time.Millisecond)
	if _, err := p.Do(t.Context(), late); !errors.Is(err, steps.ErrTimeout) || len(ring.told) != 0 {
		t.Errorf("a deadline with no time for a last word: %v, told %+v", err, ring.told)
	}
}

// TestStepTimeout: all tries of a request together.
func TestStepTimeout(t *testing.T) {
	b := newBuilder(t)
	a := newAPI(t)
	a.hang = make(chan struct{})
	defer close(a.hang)
	client := web.New(web.Options{Timeout: 150 * time.Millisecond, Retries: 10})
	defer client.Close()
	p := &steps.Plan{Steps: []steps.Step{
		{ID: "first", HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client}, Timeout: 400 * time.Millisecond, MayFail: true},
		{ID: "second", HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client}, Timeout: 100 * time.Millisecond},
	}}
	r := &runs{t: t, limit: time.Hour}
	res, err := r.do(p)
	if !errors.Is(err, steps.ErrTimeout) || results(res) != "first timeout, second timeout" {
		t.Errorf("%s, error %v", results(res), err)
	}
	for _, s := range res.Steps {
		if s.Took > 15*time.Second {
			t.Errorf("step %s took %v", s.Step, s.Took)
		}
	}
}

// TestLargeTexts: many texts that are large together are too large.
func TestLargeTexts(t *testing.T) {
	b := newBuilder(t)
	a := newAPI(t)
	client := web.New(web.Options{})
	defer client.Close()
	large := b.text(`{{ repeat("x", 3000000) }}`)
	list := steps.Value{IsList: true}
	var fields []steps.Field
	for i := range 100 {
		list.List = append(list.List, steps.Value{Text: &large})
		fields = append(fields, steps.Field{Name: fmt.Sprintf("X-%d", i), Text: large})
	}
	cmd := shell("true")
	for name, s := range map[string]steps.Step{
		"json":   {HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client, Body: &steps.Body{JSON: &list}}},
		"form":   {HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client, Body: &steps.Body{Form: fields}}},
		"header": {HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client, Header: fields}},
		"env":    {Command: &cmd, Env: fields},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := &runs{t: t}
		if _, err := r.do(&steps.Plan{Steps: []steps.Step{s}}); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s: %.200v", name, err)
		}
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 700 {
			t.Errorf("%s: %d MiB", name, used)
		}
	}
	if len(a.asked) != 0 {
		t.Errorf("%d requests were sent", len(a.asked))
	}
}

// TestMemory has a server send little that becomes much, to many steps at once, and
// a step send more than there is room for.
func TestMemory(t *testing.T) {
	b := newBuilder(t)
	a := newAPI(t)
	room := web.NewRoom(32 << 20)
	client := web.New(web.Options{Room: room})
	defer client.Close()
	get := steps.Step{ID: b.knows("get", steps.KindHTTP), HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client}}
	r := &runs{t: t}
	a.answers(200, "["+strings.Repeat(`{"a":1},`, 1<<17-10)+"1]")
	if _, err := r.do(&steps.Plan{Steps: []steps.Step{get}}); !errors.Is(err, web.ErrNoRoom) {
		t.Errorf("an answer that is large as JSON: %v", err)
	}
	a.answers(200, "["+strings.Repeat(`"a",`, 1<<16)+"1]")
	if _, err := r.do(&steps.Plan{Steps: []steps.Step{get, get, get}}); err != nil {
		t.Errorf("three: %v", err)
	}
	post := steps.Step{HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client, Body: &steps.Body{JSON: &steps.Value{IsList: true}}}}
	for range 40 {
		post.HTTP.Body.JSON.List = append(post.HTTP.Body.JSON.List, steps.Value{Text: b.set(`{{ repeat("x", 1000000) }}`)})
	}
	if _, err := r.do(&steps.Plan{Steps: []steps.Step{post}}); err == nil || !strings.Contains(err.Error(), "larger than 32 MiB together") {
		t.Errorf("a request that is large: %v", err)
	}
	post.HTTP.Body.JSON.List = post.HTTP.Body.JSON.List[:20]
	post.HTTP.Client = client.With(web.Options{Room: web.NewRoom(16 << 20)})
	if _, err := r.do(&steps.Plan{Steps: []steps.Step{post}}); !errors.Is(err, web.ErrNoRoom) {
		t.Errorf("a request that there is no room for: %v", err)
	}
	if err := room.Take(t.Context(), 32<<20); err != nil {
		t.Errorf("something was kept: %v", err)
	}
}
