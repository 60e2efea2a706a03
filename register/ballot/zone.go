package ballot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/libdns/libdns"

	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/register"
)

// below is the label under which the incarnations have their records.
const below = "._b."

// A reading is what one list of the zone showed of a register, with the records as
// the provider gave them, which some want back to delete them.
type reading struct {
	view
	own    map[string][]libdns.Record // by label, all values
	copies []libdns.Record            // at the name itself
	counts map[string]int             // how many records each name and type of the zone has
}

// A damage is a record that cannot be read, so that nothing is known.
type damage struct {
	name string
	err  error
}

func (d *damage) Error() string {
	return fmt.Sprintf("the record at %s cannot be read: %v", d.name, d.err)
}

func (d *damage) Unwrap() error { return d.err }

// read lists the zone once, and says what it shows of the register. The reading
// before is nil, or that with which this one will be compared.
func (r *record) read(ctx context.Context, before *reading) (*reading, error) {
	all, err := r.client.lists.Do(ctx, struct{}{})
	if err != nil {
		return nil, err
	}
	rd := &reading{own: map[string][]libdns.Record{}, counts: map[string]int{}}
	slips := map[string]slip{}
	for _, record := range all {
		rr := record.RR()
		name := r.client.absolute(rr.Name)
		rd.counts[name+" "+rr.Type]++
		if !strings.EqualFold(rr.Type, "TXT") {
			continue
		}
		if name == r.name {
			rd.copies = append(rd.copies, record)
			rd.plain = append(rd.plain, r.client.unquote(rr.Data))
			continue
		}
		label, ok := strings.CutSuffix(name, below+r.name)
		if !ok || strings.Contains(label, ".") {
			continue
		}
		s, err := parseSlip(rr.Data)
		if err != nil {
			return nil, &damage{name, err}
		}
		// A record is written by adding the new value and then deleting the old one,
		// so that there is no moment without either.
		if was, some := slips[label]; !some || s.newer(was) {
			slips[label] = s
		}
		rd.own[label] = append(rd.own[label], record)
	}
	for label, s := range slips {
		rd.slips = append(rd.slips, owned{label, s})
	}
	slices.SortFunc(rd.slips, func(a, b owned) int { return strings.Compare(a.by, b.by) })
	rd.plain = canonical(rd.plain)
	rd.shaky = before != nil && !r.client.cfg.Traits.Whole && rd.lacks(before)
	return rd, nil
}

// lacks says whether something has vanished since the reading before.
func (rd *reading) lacks(before *reading) bool {
	for name, n := range before.counts {
		if rd.counts[name] < n {
			return true
		}
	}
	return false
}

// canonical sorts texts, and leaves out doubles.
func canonical(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return slices.Compact(texts)
}

// absolute is a name of the zone's list, which should be relative and is not with
// every module, in small letters and without the last dot.
func (c *Client) absolute(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	switch {
	case name == "" || name == "@":
		return c.zone
	case name == c.zone || strings.HasSuffix(name, "."+c.zone):
		return name
	}
	return name + "." + c.zone
}

// txt is a record to write.
func (c *Client) txt(name, text string) libdns.Record {
	if c.cfg.Traits.Quoted {
		text = txt.Quote(text, txt.Decimal)
	}
	relative := "@"
	if name != c.zone {
		relative = strings.TrimSuffix(name, "."+c.zone)
	}
	return libdns.TXT{Name: relative, TTL: c.cfg.TTL, Text: text}
}

// unquote is the text of a value at the name. What does not look like one from a
// zone file is taken as it is.
func (c *Client) unquote(value string) string {
	if !c.cfg.Traits.Quoted {
		return value
	}
	if !strings.HasPrefix(value, `"`) {
		value = `"` + value + `"` // the module took the outer ones off
	}
	text, err := txt.Unquote(value, txt.Decimal)
	if err != nil {
		return value
	}
	return text
}

// problem turns an error of the provider into one that says what to do, if it is
// known.
func (c *Client) problem(err error) error {
	t := &c.cfg.Traits
	limits := "fewer jobs, agents or ticks, or a service that takes more"
	if t.Limits != "" {
		limits += "; its limits: " + t.Limits
	}
	switch {
	case t.Throttled != nil && t.Throttled(err):
		return &register.Problem{Err: fmt.Errorf("%w: %w", register.ErrThrottled, err), Do: "it takes no more requests for now, and is asked again later; if that lasts: " + limits}
	case errors.Is(err, context.DeadlineExceeded):
		return &register.Problem{Err: err, Do: "no answer in time: the network, a service that is slow (timeout: in the file), or one that asks for a pause, which its module waits for: " + limits}
	case t.Refused == nil:
		return err
	}
	if do := t.Refused(err); do != "" {
		return &register.Problem{Err: fmt.Errorf("%w: %w", register.ErrRefused, err), Do: do}
	}
	return err
}

// A cause is an error of the provider's module without secrets.
type cause struct {
	text string
	err  error
}

func (e *cause) Error() string { return e.text }

func (e *cause) Unwrap() error { return e.err }

func (c *Client) redact(err error) error {
	text := err.Error()
	for _, secret := range c.cfg.Secrets {
		if s := secret.Reveal(); s != "" {
			text = strings.ReplaceAll(text, s, secret.String())
		}
	}
	return &cause{text, err}
}
