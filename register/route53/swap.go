package route53

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/solotick/solotick/register"
)

// The limits of one request (Developer Guide, "Quotas", ChangeResourceRecordSets).
const (
	maxElements = 1000   // ResourceRecord elements
	maxChars    = 32_000 // characters in Value elements
)

// A change is one swap: a member of a change batch.
type change struct {
	name      string
	was, next rrset
}

func (ch change) elements() int { return len(ch.was.Values) + len(ch.next.Values) }

func (ch change) chars() int { return ch.was.chars() + ch.next.chars() }

// fits says whether one more change can go along with others: within the limits,
// each name once, and without those that are refused by themselves.
func (c *Client) fits(changes []change, next change) bool {
	if c.isAlone(next.name) || len(changes) == 1 && c.isAlone(changes[0].name) {
		return false
	}
	elements, chars := next.elements(), next.chars()
	for _, ch := range changes {
		if ch.name == next.name {
			return false
		}
		elements += ch.elements()
		chars += ch.chars()
	}
	return elements <= maxElements && chars <= maxChars
}

func (c *Client) isAlone(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alone[name]
}

func (c *Client) setAlone(name string, alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if alone {
		c.alone[name] = true
	} else {
		delete(c.alone, name)
	}
}

// sendChanges sends one change batch.
func (c *Client) sendChanges(ctx context.Context, changes []change) ([]time.Time, error) {
	a, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	f := &fate{}
	out, err := a.api.ChangeResourceRecordSets(context.WithValue(ctx, fateKey{}, f), &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &a.zoneID, ChangeBatch: &types.ChangeBatch{Changes: changesOf(changes)},
	})
	if err != nil {
		return nil, c.changeError(ctx, err, f, changes)
	}
	if out.ChangeInfo == nil || out.ChangeInfo.Id == nil {
		return nil, fmt.Errorf("%w: the answer names no change: is this Route 53?", register.ErrUncertain)
	}
	c.skewed.Store(false)
	if len(changes) == 1 {
		c.setAlone(changes[0].name, false)
	}
	times := make([]time.Time, len(changes))
	for i := range times {
		times[i] = serverTime(out.ResultMetadata)
	}
	return times, nil
}

func changesOf(changes []change) []types.Change {
	var all []types.Change
	for _, ch := range changes {
		if len(ch.was.Values) > 0 {
			all = append(all, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: ch.was.resource(ch.name)})
		}
		if len(ch.next.Values) > 0 {
			all = append(all, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: ch.next.resource(ch.name)})
		}
	}
	return all
}

// resource is a set as the API takes it.
func (s rrset) resource(name string) *types.ResourceRecordSet {
	set := &types.ResourceRecordSet{Name: &name, Type: types.RRTypeTxt, TTL: &s.TTL}
	for i := range s.Values {
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: &s.Values[i]})
	}
	return set
}

// lost is how the service says that a swap came too late. It says so for people:
// what has other words is decided by reading back.
var lost = []string{
	"but the values provided do not match the current values",
	"but it was not found",
	"but it already exists",
}

// judge is the error of a swap that the service has rejected as invalid: it came
// too late, or can never be applied.
func (r *record) judge(ctx context.Context, was rrset, no *rejection) error {
	said := no.about(r.name)
	for _, words := range lost {
		if strings.Contains(said, words) {
			return fmt.Errorf("%w (%s)", register.ErrConflict, said)
		}
	}
	now, err := r.read(ctx)
	switch {
	case now.err != nil:
		return now.err
	case err != nil || !now.set.equal(was):
		return fmt.Errorf("%w (%s)", register.ErrConflict, said)
	}
	return &register.Problem{
		Err: fmt.Errorf("%w: %s: %s", register.ErrRefused, no.code, said),
		Do:  "use a name in this zone at which no CNAME is; the message says what else Route 53 has against it",
	}
}
