package alarm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/notify"
)

const (
	pingPace = time.Minute
	// unseen is how long ago a record may have been looked at.
	unseen = 5 * time.Minute
)

// A pinger says that all is well.
type pinger struct {
	wg      sync.WaitGroup
	mu      sync.Mutex
	busy    bool
	last    time.Time
	silent  bool // it was not sent when it was due
	trouble bool // the latest one was not taken
}

func (p *pinger) wait() { p.wg.Wait() }

// pingIfWell sends a ping if one is due and all is well.
func (d *Desk) pingIfWell(ctx context.Context) {
	if d.Ping == nil {
		return
	}
	p, now := &d.ping, d.last
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy || now.Sub(p.last) < pingPace && !now.Before(p.last) {
		return
	}
	why := d.book.unwell(now)
	switch {
	case why != "" && !p.silent && !p.last.IsZero():
		d.Log.Info("no ping while something is wrong", "why", why)
	case why == "" && (p.silent || p.last.IsZero()):
		d.Log.Info("all is well: pinging")
	}
	if p.silent = why != ""; p.silent {
		return
	}
	p.busy, p.last = true, now
	p.wg.Go(func() {
		_, err := send(ctx, d.Ping, &notify.Message{
			Kind: notify.Cleared, Severity: notify.Info, Alert: "ping", Title: "all is well", Tick: now.UTC().Truncate(time.Second), Observed: true,
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy = false
		if err != nil && !p.trouble {
			d.Log.Warn("the ping was not taken; it is sent again in a minute", "err", err)
		}
		p.trouble = err != nil
	})
}

// unwell says why all is not well; empty: it is.
func (b *book) unwell(now time.Time) string {
	var wrong []string
	for _, inc := range b.incidents {
		if inc.on() && inc.kind != Paused {
			wrong = append(wrong, string(inc.kind))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return "there are alarms: " + strings.Join(slices.Compact(wrong), ", ")
	}
	if b.owes() {
		return "somebody could not be told"
	}
	if len(b.records) == 0 {
		return "no record is watched"
	}
	old, name := 0, ""
	for _, m := range b.records {
		if now.Sub(m.seen) > unseen || m.blind && now.Sub(m.seen) > pingPace {
			if old++; name == "" || m.name < name {
				name = m.name
			}
		}
	}
	if old > 0 {
		return fmt.Sprintf("%d of %d records were not seen lately, such as %s", old, len(b.records), name)
	}
	return ""
}
