package ballot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/solotick/solotick/register"
)

// Examine looks at the zone, and at what is there of each name, for people. It
// writes nothing: whether the credential may write only a swap shows.
func (c *Client) Examine(ctx context.Context, names ...string) []register.Finding {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var all []register.Finding
	for _, name := range names {
		found, ok := c.examine(ctx, name)
		all = append(all, found...)
		if !ok {
			break // the next one would say the same
		}
	}
	return all
}

func (c *Client) examine(ctx context.Context, name string) (all []register.Finding, ok bool) {
	r, err := c.recordOf(name)
	if err != nil {
		return []register.Finding{{Check: "name", Text: err.Error(), Do: "correct the name or the zone"}}, true
	}
	rd, err := r.read(ctx, nil)
	if err != nil {
		f := register.Finding{Check: "zone", Text: r.fail("list", r.explain(failed, err)).Error(), Do: "check the credential, the zone's name and the network"}
		if do, ok := register.Remedy(r.explain(failed, err)); ok {
			f.Do = do
		}
		return []register.Finding{f}, errors.As(err, new(*damage))
	}
	all = append(all, register.Finding{Check: "zone", OK: true, Text: fmt.Sprintf("%s lists the zone %s: %d names and types", c.cfg.Service, c.zone, len(rd.counts))})
	if c.cfg.Settle {
		return append(all, register.Finding{Check: "record", OK: true, Text: fmt.Sprintf("%s has %d texts; a swap takes %s, in which it settles", r.name, len(rd.plain), c.cfg.SettleTime())}), true
	}
	st := stand(rd.view)
	now, known := st.current()
	switch {
	case st.verdict == broken:
		do, _ := register.Remedy(r.explain(damaged, nil))
		return append(all, register.Finding{Check: "record", Text: errHistory.Error(), Do: do}), true
	case !known:
		all = append(all, register.Finding{Check: "record", OK: true, Text: fmt.Sprintf("%s: a swap is under way", r.name)})
	default:
		all = append(all, register.Finding{Check: "record", OK: true, Text: fmt.Sprintf("%s: version %d, with %d texts, in %d records of processes", r.name, now.slot, len(now.texts), len(rd.slips))})
	}
	if len(rd.slips) > crowd {
		all = append(all, register.Finding{
			Check: "clean-up", Text: fmt.Sprintf("%d processes have left a record below _b.%s", len(rd.slips), r.name),
			Do: "let one agent run for a day, which deletes those of processes that are gone",
		})
	}
	if known && now.slot > 0 && !slices.Equal(now.texts, rd.plain) {
		all = append(all, register.Finding{
			Check: "copy", Text: fmt.Sprintf("DNS shows other texts at %s than were decided", r.name),
			Do: "if that lasts beyond the next swap: are quotes allowed in TXT values there, and has the name values of others?",
		})
	}
	return all, true
}

// crowd is how many records of processes are more than agents and a few restarts
// explain.
const crowd = 50

func (c *Client) recordOf(name string) (*record, error) {
	fqdn, err := c.within(name)
	if err != nil {
		return nil, err
	}
	return &record{client: c, name: fqdn, turn: make(chan struct{}, 1)}, nil
}
