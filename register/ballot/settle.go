package ballot

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/solotick/solotick/register"
)

// settled is the register of one name where nothing but its record set can be
// written: claim, wait, and look who was the last (M. Fischer, in L. Lamport, "A
// Fast Mutual Exclusion Algorithm", 1987).
//
// Why it holds, while its times do: whoever writes has seen, at most Send before, the
// version that is to be replaced, and the write takes effect within Effect. Once my
// own has taken effect, which is before its acknowledgement, nobody who looks sees
// that version any more (after Lag), so the last write of those who saw it takes
// effect before Send + Effect + Lag have passed. Whoever is found after that is
// never replaced.
//
// A Load in between may see a version that does not last.
type settled struct {
	record *record
}

// Load lists the zone once.
func (s *settled) Load(ctx context.Context) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, s.record.client.cfg.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return register.Snapshot{}, s.record.fail("load", err)
	}
	rd, err := s.record.read(ctx, nil)
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
	sent, err := s.claim(ctx, old, texts)
	switch {
	case err != nil && sent:
		return register.Snapshot{}, s.record.fail("swap", s.record.explain(uncertain, err))
	case err != nil:
		return register.Snapshot{}, s.record.fail("swap", s.record.explain(failed, err))
	}
	if err := sleep(ctx, c.cfg.SettleTime()); err != nil {
		return register.Snapshot{}, s.record.fail("swap", s.record.explain(uncertain, fmt.Errorf("while it settles: %w", err)))
	}
	end, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	rd, err := s.record.read(end, nil)
	switch {
	case err != nil:
		return register.Snapshot{}, s.record.fail("swap", s.record.explain(uncertain, err))
	case !slices.Equal(rd.plain, texts):
		return register.Snapshot{}, s.record.fail("swap", register.ErrConflict)
	}
	return settledSnapshot(texts), nil
}

// claim looks and writes. The time from the beginning of the look is checked right
// before the write is sent, by a clock that counts on in a suspend.
func (s *settled) claim(ctx context.Context, old register.Snapshot, texts []string) (sent bool, err error) {
	c := s.record.client
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	began := c.elapsed()
	rd, err := s.record.read(ctx, nil)
	if err != nil {
		return false, err
	}
	if settledSnapshot(rd.plain).Tag != old.Tag {
		return false, register.ErrConflict
	}
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	var records []libdns.Record
	for _, text := range texts {
		records = append(records, c.txt(s.record.name, text))
	}
	if passed := c.elapsed() - began; passed > c.send() {
		return false, fmt.Errorf("%w (%s, and %s are allowed)", errLate, passed.Round(time.Millisecond), c.send())
	}
	c.sent.Add(1)
	if len(records) == 0 {
		_, err = c.cfg.Provider.DeleteRecords(ctx, c.zone+".", rd.copies)
		return true, err
	}
	back, err := c.cfg.Provider.SetRecords(ctx, c.zone+".", records)
	if err == nil && len(back) == 0 {
		err = errSilent
	}
	return true, err
}

func (c *Client) send() time.Duration {
	if c.cfg.Send > 0 {
		return c.cfg.Send
	}
	return DefaultSend
}

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
