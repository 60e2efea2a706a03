package ballot

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"

	"github.com/solotick/solotick/register"
)

// settled is the register of one name where nothing but its record set can be
// written; see claim. A Load may see a version that does not last.
type settled struct {
	record *record

	mu   sync.Mutex
	open time.Duration // until then a write of this process may still take effect, or be replaced
}

// errUnsettled keeps a text of this process's own, which may yet be replaced, from
// being taken for a claim.
var errUnsettled = errors.New("an earlier swap of this process has not settled yet")

// unsettled says that the swap that began then has no outcome: nothing that is
// read counts before every write that could replace it has taken effect.
func (s *settled) unsettled(began time.Duration) {
	c := s.record.client
	effect := cmp.Or(c.cfg.Effect, DefaultEffect)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = max(s.open, began+c.send()+effect+c.cfg.SettleTime())
}

func (s *settled) settling() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.client.elapsed() < s.open
}

// Load lists the zone once. It fails after a swap of this process that is uncertain,
// until that has settled.
func (s *settled) Load(ctx context.Context) (register.Snapshot, error) {
	if s.settling() {
		return register.Snapshot{}, s.record.fail("load", errUnsettled)
	}
	rd, err := s.look(ctx)
	if err != nil {
		return register.Snapshot{}, s.record.fail("load", s.record.explain(failed, err))
	}
	return settledSnapshot(rd.plain), nil
}

func settledSnapshot(texts []string) register.Snapshot {
	tag := make([]string, len(texts))
	for i, text := range texts {
		tag[i] = hex.EncodeToString([]byte(text)) + "." // the empty text is one too
	}
	return register.Snapshot{Texts: slices.Clone(texts), Tag: strings.Join(tag, "")}
}

var errLate = errors.New("too long after the look for the write to follow it: the machine or the service is slow")

// Swap takes the settle time longer than its requests, which Config.Timeout does not
// count.
func (s *settled) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	c := s.record.client
	if err := s.record.take(ctx); err != nil {
		return register.Snapshot{}, s.record.fail("swap", err)
	}
	defer func() { <-s.record.turn }()
	texts = canonical(texts)
	if len(old.Texts) == 0 {
		old.Tag = ""
	}
	want := settledSnapshot(texts)
	began := c.elapsed()
	how, err := s.run(ctx, newClaim(old.Tag, want.Tag, c.send(), c.cfg.SettleTime()), texts)
	switch how {
	case done:
		return want, nil
	case conflict:
		return register.Snapshot{}, s.record.fail("swap", register.ErrConflict)
	}
	if how == uncertain {
		s.unsettled(began)
	}
	return register.Snapshot{}, s.record.fail("swap", s.record.explain(how, err))
}

// run drives a claim to its end.
func (s *settled) run(ctx context.Context, claim claim, texts []string) (outcome, error) {
	c := s.record.client
	var latest *reading
	var why error
	for step := claim.start(c.elapsed()); ; {
		switch step.verb {
		case claimEnds:
			return step.outcome, why
		case claimLooks:
			rd, err := s.look(ctx)
			if err != nil {
				why, step = err, claim.gaveUp()
				continue
			}
			latest = rd
			step = claim.looked(settledSnapshot(rd.plain).Tag)
		case claimWrites:
			if err := ctx.Err(); err != nil {
				why, step = context.Cause(ctx), claim.gaveUp()
				continue
			}
			send := s.writer(latest, texts)
			if now := c.elapsed(); !claim.inTime(now) {
				why, step = fmt.Errorf("%w (%s are allowed)", errLate, c.send()), claim.gaveUp()
				continue
			}
			claim.sent()
			if why = send(ctx); why != nil {
				step = claim.gaveUp()
				continue
			}
			step = claim.acknowledged()
		case claimWaits:
			if err := sleep(ctx, step.wait); err != nil {
				why, step = fmt.Errorf("while it settles: %w", err), claim.gaveUp()
				continue
			}
			step = claim.waited()
		}
	}
}

func (s *settled) look(ctx context.Context) (*reading, error) {
	ctx, cancel := context.WithTimeout(ctx, s.record.client.cfg.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.record.read(ctx, nil)
}

// patience is for how long a module may have a write. It may wait before it sends it, as
// for a service that asks for a pause: what it has not sent after half of Effect it
// never sends, and the other half is the service's.
func (c *Client) patience() time.Duration {
	return min(c.cfg.Timeout, cmp.Or(c.cfg.Effect, DefaultEffect)/2)
}

// writer returns what sends the write.
func (s *settled) writer(latest *reading, texts []string) func(context.Context) error {
	c := s.record.client
	var records []libdns.Record
	for _, text := range texts {
		records = append(records, c.txt(s.record.name, text))
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.patience())
		defer cancel()
		c.sent.Add(1)
		if len(records) == 0 {
			_, err := c.cfg.Provider.DeleteRecords(ctx, c.zone+".", latest.copies)
			return err
		}
		back, err := c.cfg.Provider.SetRecords(ctx, c.zone+".", records)
		if err == nil && len(back) == 0 {
			err = errSilent
		}
		return err
	}
}

func (c *Client) send() time.Duration { return cmp.Or(c.cfg.Send, DefaultSend) }

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
