package ballot

import (
	"context"

	"github.com/libdns/libdns"
)

// Forget deletes what all processes keep below the name of a record that nobody uses
// any more, such as one that was only there to be tried: with that goes everything
// that was ever decided of it, so that whoever still has a register of it could swap
// what was swapped before. What stands at the name itself stays.
func (c *Client) Forget(ctx context.Context, name string) error {
	r, err := c.recordOf(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	rd, err := r.read(ctx, nil)
	if err != nil {
		return r.fail("forget", c.redact(err))
	}
	var gone []libdns.Record
	for _, records := range rd.own {
		gone = append(gone, records...)
	}
	if len(gone) == 0 {
		return nil
	}
	c.sent.Add(1)
	if _, err := c.cfg.Provider.DeleteRecords(ctx, c.zone+".", gone); err != nil {
		return r.fail("forget", c.redact(err))
	}
	return nil
}
