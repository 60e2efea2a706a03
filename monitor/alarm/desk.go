package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/notify"
)

// A Desk tells people what goes wrong with the records of a history. It needs
// somebody who looks at them, such as a [monitor.Observer] beside it.
type Desk struct {
	History *monitor.History
	Places  []Place
	Rules   Rules
	// File keeps what was told, so that the next observer does not tell it again.
	// Empty: nothing is kept, and what is wrong at the start is told then.
	File string
	// Ping is sent a message of the kind cleared every minute for as long as all is
	// well: every record was looked at, nothing is wrong with any, and everybody
	// knows what there was to know. Whoever receives it and hears nothing more knows
	// that something is wrong, if only with this observer. nil: nobody is.
	Ping notify.Notifier
	Log  *slog.Logger // nil: silent

	book    *book
	read    func(path string) ([]byte, error) // of File
	write   func(path string, data []byte) error
	last    time.Time // of the latest round
	synced  time.Time // when all records were last judged
	dirty   map[string]bool
	lost    bool
	unsaved bool
	saved   time.Time
	ping    pinger
	mute    bool // the file could not be written, and that was said
}

const (
	pace     = time.Second      // of rounds
	syncPace = 15 * time.Second // of rounds that judge all records
	savePace = time.Minute      // at least so often the file says that the observer lives
	// tellTime is how long one message may take, and partTime what is left for those
	// under way when the desk is closed.
	tellTime = 30 * time.Second
	partTime = 5 * time.Second
	// giveUp is how many messages in a row a place has to fail before the others are
	// left for later.
	giveUp = 3
)

// A result is what became of a letter.
type result struct {
	*letter
	ref     string
	err     error
	skipped bool // not tried
}

// Run tells what there is to tell until ctx ends, and returns nil then.
func (d *Desk) Run(ctx context.Context) error {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	updates, cancel := d.History.Subscribe(4096)
	defer cancel()
	d.begin(time.Now())
	results := make(chan result)
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	under := 0 // letters under way
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			d.end(under, results, stop)
			return nil
		case u := <-updates:
			d.see(u)
		case r := <-results:
			under--
			d.done(r, time.Now())
			if under == 0 {
				d.save(time.Now())
			}
		case <-ticker.C:
			for place, letters := range d.round(time.Now()) {
				under += len(letters)
				go deliver(sending, d.place(place), letters, results)
			}
			d.pingIfWell(sending)
		}
	}
}

// begin opens the book.
func (d *Desk) begin(now time.Time) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.read == nil {
		d.read, d.write = readFile, writeFile
	}
	d.book = newBook(d.Rules, d.Places)
	d.dirty = map[string]bool{}
	d.last, d.saved = now, now
	if d.File == "" {
		return
	}
	data, err := d.read(d.File)
	if err != nil || len(data) == 0 {
		if err != nil {
			d.Log.Warn("what was told before is not known, and is told again if it is still so", "err", err)
		}
		return
	}
	was, err := d.book.restore(data)
	if err != nil {
		d.Log.Warn("what was told before is not known, and is told again if it is still so", "file", d.File, "err", err)
		d.book = newBook(d.Rules, d.Places)
		return
	}
	d.book.away(was, now)
}

// see takes in that a record was looked at.
func (d *Desk) see(u monitor.Update) {
	d.dirty[u.Name] = true
	d.lost = d.lost || u.Lost
	d.book.note(u.Events)
}

// round judges what there is to judge and returns the letters that are due, by
// place. They are on their way once it returns.
func (d *Desk) round(now time.Time) map[string][]*letter {
	d.book.away(d.last.Round(0), now.Round(0)) // the monotonic clock does not count while a machine sleeps
	d.last = now
	d.judge(now)
	d.book.settle(now.Unix())
	out := map[string][]*letter{}
	for _, l := range d.book.letters(now.Unix()) {
		out[l.to] = append(out[l.to], l)
	}
	if len(out) > 0 || d.unsaved || now.Sub(d.saved) >= savePace {
		d.save(now)
	}
	return out
}

// judge looks at the records that changed, and at all of them now and then.
func (d *Desk) judge(now time.Time) {
	sec := now.Unix()
	if d.lost {
		events := d.History.Events("", 0, 1<<20) // the newest first
		slices.Reverse(events)
		d.book.note(events)
	}
	if d.lost || now.Sub(d.synced) >= syncPace || now.Before(d.synced) {
		items := d.History.Items(now)
		for _, item := range items {
			d.book.look(item, sec)
		}
		d.book.keep(items, sec)
		d.synced, d.lost = now, false
		clear(d.dirty)
		return
	}
	for name := range d.dirty {
		if item, ok := d.History.Item(name, now); ok {
			d.book.look(item, sec)
		}
	}
	clear(d.dirty)
}

// done takes in what became of a letter.
func (d *Desk) done(r result, now time.Time) {
	d.unsaved = true
	o := alert.Accepted
	switch {
	case r.err == nil:
	case errors.Is(r.err, notify.ErrUncertain):
		o = alert.Doubtful
	default:
		o = alert.Rejected
	}
	d.book.became(r.letter, o, r.ref, now.Unix())
	log := d.Log.With("alarm", string(r.about.kind), "to", r.to)
	switch {
	case r.skipped:
	case r.err != nil:
		log.Error("nobody could be told; it is tried again", "what", r.Title, "err", r.err)
	default:
		log.Info("told", "kind", string(r.Kind), "what", r.Title)
	}
}

// save writes the book. Whoever reads it believes of a letter under way that it may
// have been delivered.
func (d *Desk) save(now time.Time) {
	d.unsaved, d.saved = false, now
	if d.File == "" {
		return
	}
	data, err := d.book.text(now)
	if err == nil {
		err = d.write(d.File, data)
	}
	if err != nil && !d.mute {
		d.Log.Warn("what was told cannot be kept: after a restart it is told again", "err", err)
	}
	d.mute = err != nil
}

// end waits for letters that are under way.
func (d *Desk) end(under int, results <-chan result, stop func()) {
	timer := time.AfterFunc(partTime, stop)
	defer timer.Stop()
	for ; under > 0; under-- {
		d.done(<-results, time.Now())
	}
	d.ping.wait()
	d.save(time.Now())
}

func (d *Desk) place(name string) Place {
	for _, p := range d.Places {
		if p.Name == name {
			return p
		}
	}
	return Place{}
}

// deliver sends letters to one place, one after the other.
func deliver(ctx context.Context, p Place, letters []*letter, results chan<- result) {
	failed := 0
	for _, l := range letters {
		r := result{letter: l}
		if failed >= giveUp {
			r.skipped, r.err = true, errors.New("not tried, since others before it were in vain")
		} else {
			r.ref, r.err = send(ctx, p, &l.Message)
		}
		failed++
		if r.err == nil {
			failed = 0
		}
		results <- r
	}
}

func send(ctx context.Context, p notify.Notifier, m *notify.Message) (ref string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("not sent: %w", err)
	}
	return p.Notify(ctx, m)
}
