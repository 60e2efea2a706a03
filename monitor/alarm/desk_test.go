package alarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/notify"
)

// TestTenThousand: an outage of everything is a handful of messages, however long it
// takes until all of it shows.
func TestTenThousand(t *testing.T) {
	const n = 10_000
	b := newBook(Rules{}, []Place{{Name: "ops"}})
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	var told []string
	for sec := 0; sec < 20*60; sec += 30 {
		now := start.Add(time.Duration(sec) * time.Second)
		for i := range n {
			item := monitor.Item{Name: fmt.Sprintf("job%04d.example.com", i), State: elect.HealthOnTime, Text: "fine", Seen: &now}
			if due := start.Add(time.Minute + time.Duration(i%240)*time.Second); now.After(due) && sec < 10*60 {
				item.State, item.Overdue, item.LateAfter = elect.HealthMissed, 2, &due
			}
			b.look(item, now.Unix())
		}
		b.settle(now.Unix())
		for _, l := range b.letters(now.Unix()) {
			told = append(told, fmt.Sprintf("%s: %s", l.Kind, l.Title))
			if len(l.Text) > 2000 {
				t.Errorf("a message has %d bytes", len(l.Text))
			}
			b.became(l, alert.Accepted, "", now.Unix())
		}
	}
	want := []string{
		"firing: 2520 of 10000 jobs have missed ticks",
		"reminder: all 10000 jobs have missed ticks",
		"cleared: 10000 jobs are no longer late",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("what people are told (-want +got):\n%s", diff)
	}
}

// A pen is a place that does what a test says.
type pen struct {
	mu  sync.Mutex
	got []notify.Message
	do  func(ctx context.Context) error
}

func (p *pen) Notify(ctx context.Context, m *notify.Message) (string, error) {
	p.mu.Lock()
	p.got = append(p.got, *m)
	do := p.do
	p.mu.Unlock()
	if do != nil {
		return "", do(ctx)
	}
	return "", nil
}

func (p *pen) kinds() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, m := range p.got {
		all = append(all, string(m.Kind))
	}
	return strings.Join(all, " ")
}

func (p *pen) will(do func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.do = do
}

// A diary is a log that can be read while it is written.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// A runner is a desk that runs, and a world whose records it is shown.
type runner struct {
	*world
	log  diary
	stop func()
}

// run starts a desk whose time is that of the bubble.
func run(t *testing.T, d *Desk, jobs ...string) *runner {
	t.Helper()
	r := &runner{world: newWorld(t)}
	r.now = time.Now()
	r.start = r.now
	r.h = monitor.NewHistory(monitor.Limits{})
	for _, name := range jobs {
		r.add(name, time.Minute, 0)
	}
	d.History, d.Log = r.h, slog.New(slog.NewTextHandler(&r.log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	r.stop = func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	synctest.Wait()
	return r
}

// pass lets the bubble's time pass, and has every record looked at each second.
func (r *runner) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Second) // of the bubble: nobody waits for it
		r.now = time.Now()
		for _, j := range r.jobs {
			j.live(r.now.Unix())
			r.h.See(r.sight(j))
		}
		r.h.Sweep(r.now)
		synctest.Wait()
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops, broken := &pen{}, &pen{do: func(context.Context) error { return errors.New("no such channel") }}
		hangs := &pen{do: func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("no answer: %w", notify.ErrUncertain)
		}}
		d := &Desk{Places: []Place{{Name: "ops", Notifier: ops}, {Name: "broken", Notifier: broken}, {Name: "hangs", Notifier: hangs}}}
		r := run(t, d, "canary", "other")
		r.pass(3 * time.Minute)
		if got := ops.kinds(); got != "" {
			t.Errorf("all is well, and people are told %q", got)
		}
		r.job("canary").agents = false
		r.pass(5 * time.Minute)
		r.job("canary").agents = true
		r.pass(4 * time.Minute)
		if got := ops.kinds(); got != "firing cleared" {
			t.Errorf("one place was told %q while others fail, want firing cleared", got)
		}
		if n := strings.Count(broken.kinds(), "firing"); n < 3 {
			t.Errorf("a place that refuses was told %d times: %s", n, broken.kinds())
		}
		hangs.mu.Lock()
		hanging := len(hangs.got)
		hangs.mu.Unlock()
		if hanging < 2 || !hangs.got[1].Doubt {
			t.Errorf("a place that hangs was told %d times, the second time with a word of doubt: %v", hanging, hangs.got)
		}
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > partTime {
			t.Errorf("it took %s to end while a place hangs", took)
		}
		for _, want := range []string{`level=INFO msg=told alarm=late to=ops`, `nobody could be told; it is tried again" alarm=late to=broken`, "no such channel"} {
			if !strings.Contains(r.log.String(), want) {
				t.Errorf("the log does not say %s:\n%s", want, r.log.String())
			}
		}
	})
}

// TestSlowReader: who loses updates takes in what they said all the same.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops := &pen{}
		w := newWorld(t)
		w.now, w.start = time.Now(), time.Now()
		w.add("canary", time.Minute, 0)
		w.h = monitor.NewHistory(monitor.Limits{})
		w.watch(w.jobs[0])
		w.desk = &Desk{History: w.h, Places: []Place{{Name: "ops", Notifier: ops}}}
		w.desk.begin(w.now)
		j := w.jobs[0]
		w.h.See(w.sight(j))
		j.there = false
		events := w.h.See(w.sight(j))
		if len(events) == 0 {
			t.Fatal("nobody noticed that the record is gone")
		}
		w.desk.see(monitor.Update{Name: "canary.example.com", Lost: true}) // and not the events
		for range 20 {
			w.now = w.now.Add(time.Second)
			for _, letters := range w.desk.round(w.now) {
				for _, l := range letters {
					if l.Alert != string(Tampered) {
						t.Errorf("told of %s: %s", l.Alert, l.Text)
					}
					_, err := ops.Notify(t.Context(), &l.Message)
					w.desk.done(result{letter: l, err: err}, w.now)
				}
			}
		}
		if got := ops.kinds(); got != "firing" {
			t.Errorf("people were told %q, want firing", got)
		}
	})
}

// TestPing: somebody is asked every minute, for as long as all is well.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops, ping := &pen{}, &pen{}
		d := &Desk{Places: []Place{{Name: "ops", Notifier: ops}}, Ping: ping}
		r := run(t, d, "canary")
		defer r.stop()
		pings := func() int {
			ping.mu.Lock()
			defer ping.mu.Unlock()
			return len(ping.got)
		}
		during := func(what string, d time.Duration, least, most int) {
			t.Helper()
			before := pings()
			r.pass(d)
			if n := pings() - before; n < least || n > most {
				t.Errorf("%s: %d pings in %s, want %d to %d\n%s", what, n, d, least, most, r.log.String())
			}
		}
		before := pings()
		time.Sleep(5 * time.Minute)
		if n := pings() - before; n > 0 {
			t.Errorf("nobody has looked at anything, and there are %d pings", n)
		}
		r.job("canary").dark = true
		during("nobody has answered yet", 2*time.Minute, 0, 0)
		r.job("canary").dark = false
		during("all is well", 10*time.Minute, 9, 11)
		r.job("canary").agents = false
		r.pass(3 * time.Minute)
		during("a job is late", 10*time.Minute, 0, 0)
		r.job("canary").agents = true
		r.pass(3 * time.Minute)
		during("all is well again", 5*time.Minute, 4, 6)
		r.job("canary").dark = true
		r.pass(2 * time.Minute)
		during("DNS does not answer", 5*time.Minute, 0, 0)
		r.job("canary").dark = false
		r.pass(3 * time.Minute)
		ping.will(func(context.Context) error { return errors.New("404") })
		during("the ping is not taken", 5*time.Minute, 4, 6)
		ping.will(nil)
		ops.will(func(context.Context) error { return errors.New("no such channel") })
		r.job("canary").there, r.job("canary").asleep = false, r.now.Unix()+12
		r.pass(time.Minute)
		during("people cannot be told that the record was gone", 20*time.Minute, 0, 0)
		if got := strings.Count(r.log.String(), "the ping was not taken"); got != 1 {
			t.Errorf("that the ping is not taken is said %d times, want once", got)
		}
		for _, m := range ping.got {
			if m.Kind != notify.Cleared {
				t.Errorf("a ping of kind %s", m.Kind)
			}
		}
	})
}

// TestSleep: a machine that slept did not look, and says so.
func TestSleep(t *testing.T) {
	w := newWorld(t)
	w.add("canary", time.Minute, 0)
	w.observe()
	w.advance(time.Minute, time.Second)
	w.now = w.now.Add(3 * time.Hour)
	w.advance(3*time.Minute, time.Second)
	got := w.flush()
	if strings.Count(got, "passed (warning): the observer was away") != 1 || strings.Contains(got, "late") || strings.Contains(got, "missed") {
		t.Errorf("after three hours of sleep people were told:\n%s", got)
	}
}

func TestFile(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":    "",
		"garbage":    "\x00\x01garbage",
		"half":       `{"schema":"solotick.alarms/v1","incidents":[{"kind":"late"`,
		"a stranger": `{"schema":"solotick.config/v1"}`,
		"nonsense":   `{"schema":"solotick.alarms/v1","time":"2026-03-02T11:59:00Z","incidents":[{"kind":"late","worst":99,"members":[{"name":"","rank":-7},{"name":"x","rank":99}],"told":[{"place":"ops","phase":77,"rank":-1},{"place":"ops","phase":-1}]},{"kind":"?","name":"y","members":[{"name":"y","rank":1}],"told":[{"place":"ops","phase":2}]}],"records":[{"name":"canary.example.com","takeovers":[1,2,3,4,5,6,7]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			w.add("canary", time.Minute, 0)
			w.observe()
			w.jobs[0].agents = false
			w.advance(10*time.Minute, time.Second)
			if got := w.flush(); !strings.Contains(got, "firing (critical): canary has missed ticks") {
				t.Errorf("people were told:\n%s", got)
			}
			w.jobs[0].agents = true
			w.advance(5*time.Minute, time.Second)
			if n := len(w.desk.book.incidents); n > 0 {
				t.Errorf("%d incidents are left of it: %v\n%s", n, w.desk.book.incidents, w.flush())
			}
		})
	}
}

// TestFileUnwritable says so once, and people are told all the same.
func TestFileUnwritable(t *testing.T) {
	w := newWorld(t)
	w.file = filepath.Join(t.TempDir(), "no", "such", "folder")
	w.add("canary", time.Minute, 0)
	w.observe()
	var log bytes.Buffer
	w.desk.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.jobs[0].agents = false
	w.advance(10*time.Minute, time.Second)
	if got := w.flush(); !strings.Contains(got, "firing") {
		t.Errorf("people were told:\n%s", got)
	}
	if n := strings.Count(log.String(), "cannot be kept"); n != 1 {
		t.Errorf("it is said %d times that nothing can be kept, want once:\n%s", n, log.String())
	}
}

// TestHostile: whatever a record says, messages are bounded and of a piece.
func TestHostile(t *testing.T) {
	w := newWorld(t)
	w.kept, w.rules.Paused = new([]byte), time.Hour
	j := w.add("canary", time.Minute, 0)
	w.observe()
	w.advance(time.Minute, time.Second)
	r := j.rec
	r.ID = "<!channel>\n@here"
	r.Pause, r.Why = -1, "\x1b[2J* @everyone https://evil"
	j.write(r, w.now.Unix())
	w.advance(2*time.Hour, 20*time.Second)
	if len(w.places[0].got) < 2 {
		t.Fatalf("people were told:\n%s", w.flush())
	}
	for _, m := range w.places[0].got {
		if len(m.Title) > 200 || len(m.Text) > 2500 || strings.Contains(m.Title, "\n") {
			t.Errorf("a message of %d and %d bytes: %q\n%q", len(m.Title), len(m.Text), m.Title, m.Text)
		}
	}
}

func BenchmarkRound(b *testing.B) {
	w := newWorld(b)
	w.kept = new([]byte)
	for i := range 10_000 {
		w.add(fmt.Sprintf("job%04d", i), time.Minute, time.Duration(i%60)*time.Second)
	}
	w.look = time.Minute
	w.observe()
	w.advance(time.Minute, 20*time.Second)
	b.ResetTimer()
	for b.Loop() {
		w.now = w.now.Add(15 * time.Second) // all records are judged
		w.desk.round(w.now)
	}
}

// TestNextObserver: another observer goes on where one has ended, by the file.
func TestNextObserver(t *testing.T) {
	w := newWorld(t)
	w.add("canary", time.Minute, 0)
	w.observe()
	w.jobs[0].agents = false
	w.advance(5*time.Minute, time.Second)
	if got := w.flush(); strings.Count(got, "firing") != 1 {
		t.Fatalf("people were told:\n%s", got)
	}
	if info, err := os.Stat(w.file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	w.observe() // killed, and started again
	w.advance(5*time.Minute, time.Second)
	if got := w.flush(); got != "(nothing)" {
		t.Errorf("people were told again:\n%s", got)
	}
	w.jobs[0].agents = true
	w.advance(5*time.Minute, time.Second)
	if got := w.flush(); strings.Count(got, "cleared") != 1 {
		t.Errorf("people were told:\n%s", got)
	}
	if left, err := filepath.Glob(w.file + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// FuzzRestore: whatever a file holds, a desk goes on with it.
func FuzzRestore(f *testing.F) {
	f.Add([]byte(`{"schema":"solotick.alarms/v1","time":"2026-03-02T11:59:00Z","incidents":[{"kind":"late","name":"canary.example.com","since":1,"members":[{"name":"canary.example.com","since":-5,"rank":4}],"told":[{"place":"ops","phase":2,"told":1}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWorld(t)
		w.kept = &data
		w.add("canary", time.Minute, 0)
		w.observe()
		w.advance(2*time.Minute, 10*time.Second)
		if _, err := w.desk.book.text(w.now); err != nil {
			t.Error(err)
		}
	})
}
