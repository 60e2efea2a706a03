package route53

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/errgroup"

	"github.com/solotick/solotick/register"
)

// pageSize is how many record sets a list has at most; groups is how many lists
// of one Send are under way at a time.
const (
	pageSize = 300
	groups   = 8
)

// loaded is what a list has shown of one name.
type loaded struct {
	set rrset
	at  time.Time // of the service
	err error     // what is there is no record set to swap
}

// sendLoads lists what is at names. A request begins at a name that is not known
// yet and takes up to a page, so that there are never more requests than names, nor
// many more than pages.
func (c *Client) sendLoads(ctx context.Context, names []string) ([]loaded, error) {
	a, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	s := scan{client: c, account: a, found: make(map[string]loaded)}
	wanted := slices.Clone(names)
	slices.SortFunc(wanted, func(a, b string) int { return strings.Compare(sortKey(a), sortKey(b)) })
	wanted = slices.Compact(wanted)
	rest, err := s.page(ctx, wanted) // its request is off the budget already
	if err != nil {
		return nil, err
	}
	if err := s.rest(ctx, rest, len(wanted)-len(rest)); err != nil {
		return nil, err
	}
	results := make([]loaded, len(names))
	for i, name := range names {
		results[i] = s.found[name]
	}
	return results, nil
}

// A scan is the lists of one Send.
type scan struct {
	client  *Client
	account account

	mu    sync.Mutex
	found map[string]loaded
}

// rest lists the other names, in as many sequences as there are pages to expect,
// by how many names the first one has covered.
func (s *scan) rest(ctx context.Context, names []string, covered int) error {
	if len(names) == 0 {
		return nil
	}
	n := min((len(names)+covered-1)/covered, groups)
	all, ctx := errgroup.WithContext(ctx)
	for part := range slices.Chunk(names, (len(names)+n-1)/n) {
		all.Go(func() (err error) {
			for len(part) > 0 && err == nil {
				if err = s.client.budget.Wait(ctx); err == nil {
					part, err = s.page(ctx, part)
				}
			}
			return err
		})
	}
	return all.Wait()
}

// page lists from the first name on, and returns the names of which it tells
// nothing.
func (s *scan) page(ctx context.Context, names []string) ([]string, error) {
	size := int32(pageSize)
	if len(names) == 1 {
		size = 1
	}
	out, err := s.account.api.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: &s.account.zoneID, StartRecordName: &names[0], StartRecordType: types.RRTypeTxt, MaxItems: &size,
	})
	if err != nil {
		return nil, s.client.readError(ctx, err)
	}
	s.client.skewed.Store(false)
	at := serverTime(out.ResultMetadata)
	sets := make(map[string]types.ResourceRecordSet)
	for _, set := range out.ResourceRecordSets {
		if set.Type == types.RRTypeTxt {
			sets[strings.ToLower(aws.ToString(set.Name))] = set
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := names[:0:0]
	for i, name := range names {
		set, there := sets[name]
		switch {
		case there:
			s.found[name] = found(set, at)
		case i == 0, !out.IsTruncated, sortKey(name) < sortKey(aws.ToString(out.NextRecordName)):
			s.found[name] = loaded{at: at}
		default:
			rest = append(rest, name)
		}
	}
	return rest, nil
}

// found is a record set as a list shows it.
func found(set types.ResourceRecordSet, at time.Time) loaded {
	kind := ""
	switch {
	case set.AliasTarget != nil:
		kind = "an alias of " + plainName(aws.ToString(set.AliasTarget.DNSName))
	case set.TrafficPolicyInstanceId != nil:
		kind = "made by a traffic policy"
	case set.SetIdentifier != nil:
		kind = "one of several that a routing policy chooses from (" + line(aws.ToString(set.SetIdentifier)) + ")"
	}
	if kind != "" {
		return loaded{at: at, err: &register.Problem{
			Err: fmt.Errorf("%w: the TXT record set there is %s, and cannot be compared and replaced as one", register.ErrRefused, kind),
			Do:  "use a name of its own for the record, or make that record set a simple one",
		}}
	}
	values := make([]string, len(set.ResourceRecords))
	for i, r := range set.ResourceRecords {
		values[i] = aws.ToString(r.Value)
	}
	return loaded{set: newSet(aws.ToInt64(set.TTL), values), at: at}
}

// serverTime is the time of day in the answer's header.
func serverTime(m middleware.Metadata) time.Time {
	at, _ := awsmiddleware.GetServerTime(m)
	return at
}
