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

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/register"
)

// pageSize is how many record sets a list has at most; maxPages is how many are
// asked for at a time.
const (
	pageSize = 300
	maxPages = 8
)

// loaded is what a list has shown of one name.
type loaded struct {
	set rrset
	at  time.Time // of the service
	err error     // what is there is no record set to swap
}

// sendLoads lists what is at names, by one page, or by several at a time if the
// budget has room for them: each begins at a name that is wanted and serves all
// that follow on it, so that there are never more requests than names, nor many
// more than pages. The names that are left are for the next one, which goes on
// where this one ended.
func (c *Client) sendLoads(ctx context.Context, names []string) ([]loaded, error) {
	a, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	groups := c.groups(names)
	pages := make([]page, len(groups))
	errs := make([]error, len(groups))
	var all sync.WaitGroup
	for i, group := range groups {
		all.Go(func() { pages[i], errs[i] = c.list(ctx, a, group) })
	}
	all.Wait()
	c.learn(pages[0], slices.Concat(groups...))
	results := make([]loaded, len(names))
	left := &batch.Partly{}
	for i, name := range names {
		at := slices.IndexFunc(pages, func(p page) bool { return p.shows(name) })
		if at < 0 {
			left.Left = append(left.Left, i)
			continue
		}
		results[i] = pages[at].at(name)
	}
	switch len(left.Left) {
	case 0:
		return results, nil
	case len(names): // every page has failed, or it would show its first name
		return nil, errs[0]
	}
	return results, left
}

// groups are the names for each page to begin at, sorted and each once, from where
// the last page has ended. The first page is off the budget already.
func (c *Client) groups(names []string) [][]string {
	sorted := slices.Clone(names)
	slices.SortFunc(sorted, func(a, b string) int { return strings.Compare(sortKey(a), sortKey(b)) })
	sorted = slices.Compact(sorted)
	c.mu.Lock()
	cursor, part := c.cursor, c.part
	c.mu.Unlock()
	if i := slices.IndexFunc(sorted, func(name string) bool { return sortKey(name) >= cursor }); i > 0 {
		sorted = slices.Concat(sorted[i:], sorted[:i])
	}
	n := 1
	for want := min(int(1/part+0.99), maxPages, len(sorted)); n < want && c.budget.Try(); {
		n++
	}
	return slices.Collect(slices.Chunk(sorted, (len(sorted)+n-1)/n))
}

// learn notes where a page has ended, and what part of the names that are wanted
// one page shows.
func (c *Client) learn(p page, wanted []string) {
	if !p.whole {
		return
	}
	shown := 0
	for _, name := range wanted {
		if p.shows(name) {
			shown++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cursor, c.part = p.next, float64(shown)/float64(len(wanted))
}

// A page is what one list has shown.
type page struct {
	first       string // where it begins; empty: there is none
	after, next string // sort keys: of where it begins, and of what it does not show any more; empty: it goes to the end
	whole       bool   // it has all that goes on a page
	sets        map[string]types.ResourceRecordSet
	time        time.Time // of the service
}

// list asks for a page from the first of some names on, or for one record set if
// there are no others.
func (c *Client) list(ctx context.Context, a account, names []string) (page, error) {
	first, size := names[0], int32(pageSize)
	if len(names) == 1 {
		size = 1
	}
	out, err := a.api.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: &a.zoneID, StartRecordName: &first, StartRecordType: types.RRTypeTxt, MaxItems: &size,
	})
	if err != nil {
		return page{}, c.readError(ctx, err)
	}
	c.skewed.Store(false)
	p := page{first: first, after: sortKey(first), whole: size > 1, sets: make(map[string]types.ResourceRecordSet), time: serverTime(out.ResultMetadata)}
	if out.IsTruncated {
		p.next = sortKey(aws.ToString(out.NextRecordName))
	}
	for _, set := range out.ResourceRecordSets {
		if set.Type == types.RRTypeTxt {
			p.sets[strings.ToLower(aws.ToString(set.Name))] = set
		}
	}
	return p, nil
}

// shows says whether a page tells what is at a name: what is there, or that
// nothing is.
func (p page) shows(name string) bool {
	if p.first == "" {
		return false
	}
	if _, there := p.sets[name]; there || name == p.first {
		return true
	}
	key := sortKey(name)
	return key > p.after && (p.next == "" || key < p.next)
}

func (p page) at(name string) loaded {
	if set, there := p.sets[name]; there {
		return found(set, p.time)
	}
	return loaded{at: p.time}
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
