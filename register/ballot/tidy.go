package ballot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/libdns/libdns"
)

// tidy is what follows an operation, and changes no outcome: the copy of a version
// that was decided, if it is this process's, and the deletion of what is no longer
// needed.
func (r *record) tidy(ctx context.Context, rd *reading, mine *version) {
	if rd == nil {
		return
	}
	r.watch(rd.view)
	var gone []libdns.Record
	if mine != nil && stand(rd.view).slot == mine.slot {
		gone, r.copyErr = r.copy(ctx, rd, mine.texts)
	}
	own := r.superseded(rd)
	gone = append(gone, own...)
	for _, label := range rd.expendable(r.idle) {
		gone = append(gone, rd.own[label]...)
	}
	r.finished = slices.DeleteFunc(r.finished, func(label string) bool {
		_, there := rd.of(label)
		return !there
	})
	if len(gone) == 0 || ctx.Err() != nil {
		return
	}
	r.client.sent.Add(1)
	if _, err := r.client.cfg.Provider.DeleteRecords(ctx, r.client.zone+".", gone); err != nil && len(own) > 0 {
		// Some modules read a record set, and write it back without what is to go: if
		// that lands late, it may undo a write that comes after it.
		r.me.retire()
	}
}

// superseded are the values of this process's own record that the latest has taken
// the place of.
func (r *record) superseded(rd *reading) []libdns.Record {
	if r.me.label == "" || r.client.cfg.Traits.Replaces {
		return nil
	}
	var old []libdns.Record
	for _, record := range rd.own[r.me.label] {
		if s, err := parseSlip(record.RR().Data); err == nil && r.me.said.newer(s) {
			old = append(old, record)
		}
	}
	return old
}

var errAlphabet = errors.New("the service takes no quotes and backslashes: seal the record, or look by Load alone")

// copy writes texts to the name, and returns what is to be deleted there: texts of
// former versions. What others put there stays.
func (r *record) copy(ctx context.Context, rd *reading, texts []string) (gone []libdns.Record, err error) {
	c := r.client
	if c.cfg.Traits.NoQuotes && strings.ContainsAny(strings.Join(texts, ""), `"\`) {
		return nil, errAlphabet
	}
	var add, all []libdns.Record
	for _, text := range texts {
		all = append(all, c.txt(r.name, text))
		if !slices.Contains(rd.plain, text) {
			add = append(add, c.txt(r.name, text))
		}
	}
	for _, record := range rd.copies {
		switch text := c.unquote(record.RR().Data); {
		case slices.Contains(texts, text):
		case slices.Contains(r.texts, text):
			gone = append(gone, record)
		default:
			all = append(all, record)
		}
	}
	switch {
	case len(add) == 0:
		return gone, nil
	case c.cfg.Traits.Replaces:
		c.sent.Add(1)
		_, err = c.cfg.Provider.SetRecords(ctx, c.zone+".", all)
		return nil, err
	}
	c.sent.Add(1)
	if _, err = c.cfg.Provider.AppendRecords(ctx, c.zone+".", add); err != nil {
		return nil, err // better one that is behind than none
	}
	return gone, nil
}
