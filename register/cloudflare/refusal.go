package cloudflare

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// block is for how long Cloudflare refuses everything after too many requests.
const block = 5 * time.Minute

// throttled is for how long nothing is sent after an answer that it was one request
// too many: as long as the answer says, as is documented; and else a second, and
// twice as long after each further one until there is a good answer.
func (c *Client) throttled(after time.Duration) time.Duration {
	c.mu.Lock()
	if after == 0 {
		after = min(time.Second<<c.tooMany, block)
		c.tooMany = min(c.tooMany+1, 10)
	}
	c.mu.Unlock()
	return c.budget.Throttled(after)
}

// errMay says that the token is good, and may not do what was asked.
var errMay = errors.New("the token may not do this")

// errTaken says that a record of a swap has no room: there is a CNAME.
var errTaken = errors.New("another record is in its place")

// refusal is the error of an answer by which nothing was done, and whether it is one
// of the actions in a batch that caused it, and not the request as such.
//
// The codes are not documented in one place. Cloudflare documents the status for too
// many requests; the rest is what others have met.
func (c *Client) refusal(a answer) (ofOne bool, err error) {
	said := c.said(a)
	refused := func(what, do string) error {
		return &register.Problem{Err: fmt.Errorf("%w: %s (%s)", register.ErrRefused, what, said), Do: do}
	}
	switch {
	case a.status == http.StatusTooManyRequests, a.has(971, 10013, 10100):
		after := c.throttled(a.retryAfter)
		return false, &register.Problem{
			Err: fmt.Errorf("%w (%s): nothing is sent for %s", register.ErrThrottled, said, after),
			Do: "Cloudflare allows 1,200 requests in five minutes to all programs, tokens and the dashboard of one user: " +
				"lower dns.rate, or use a token of a user of its own",
		}
	case a.has(81044, 81057, 81058):
		return true, fmt.Errorf("%w (%s)", register.ErrConflict, said)
	case a.has(81053, 81054, 81056):
		return true, fmt.Errorf("%w: %w (%s)", register.ErrConflict, errTaken, said)
	case a.has(81045):
		return true, refused("the zone is full", "delete records that nobody needs, or take a larger plan: a register takes two records, its own and the guard")
	case a.has(9020, 9021):
		return false, refused("the TTL is none for this zone", "set dns.ttl to at least 60s; less is for Enterprise zones")
	case a.has(6003, 6102, 6103, 6111, 9106):
		return false, refused("what was sent is no API token", "copy the token again, whole; a global API key, or a part of a token, is none")
	case strings.Contains(said, "from location"):
		return false, refused("the token may not be used from here", "add this machine's public address to the token's client IP address filtering")
	case a.has(1000, 9103, 9107) || a.status == http.StatusUnauthorized || a.has(9109) && !strings.Contains(said, "Unauthorized"):
		return false, refused("the token is not valid", "make a new one (solotick keygen policy tells how), or see whether it was revoked, rolled or has expired: "+
			"dashboard, My Profile, API Tokens")
	case a.has(7000, 7003, 1001) || a.status == http.StatusNotFound:
		c.forgetZone()
		return false, refused("there is no such zone", "set dns.zone_id to the id of "+c.zone+" (dashboard: the zone's Overview, in the right column)")
	case a.status == http.StatusForbidden || a.has(9109, 10000, 10001):
		c.forgetZone() // a token for the zone alone may do nothing in one that is gone
		return false, &register.Problem{
			Err: fmt.Errorf("%w: %w (%s)", register.ErrRefused, errMay, said),
			Do:  "give it the permission Zone, DNS, Edit for " + c.zone + ": solotick keygen policy prints it",
		}
	}
	return true, fmt.Errorf("not done: %s", said)
}

// obstacle is the error if a record leaves no room for the texts or for the guard.
func (r *record) obstacle(entries []entry) error {
	for _, e := range entries {
		do := ""
		switch {
		case e.Name == r.name && (e.Type == "CNAME" || e.Type == "NS"):
			do = "use another name, or delete that record"
		case e.Name == guardOf(r.name) && (e.Type == "A" || e.Type == "AAAA" || e.Type == "NS"):
			do = "delete that record: the name is the register's guard's"
		default:
			continue
		}
		if r.name == r.client.zone && e.Type == "NS" && e.Name == r.name {
			continue // those of the zone itself
		}
		return &register.Problem{Err: fmt.Errorf("%w: there is a %s record at %s, beside which no other can be", register.ErrRefused, e.Type, e.Name), Do: do}
	}
	return nil
}
