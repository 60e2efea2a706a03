package clouddns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// Limits of one Change (https://cloud.google.com/dns/quotas). The bytes are those of
// deletions and additions together.
const (
	maxSets  = 1000
	maxBytes = 100_000
)

// A change is the swap of one name.
type change struct {
	name               string
	deletion, addition *rrset // nil: none
}

// A stored is what a swap has left behind.
type stored struct {
	set *rrset // nil: nothing
	at  time.Time
}

// fits says whether one more swap can go into a Change. Each name is in it once.
func fits(members []change, next change) bool {
	size := next.deletion.size() + next.addition.size()
	for _, m := range members {
		if m.name == next.name {
			return false
		}
		size += m.deletion.size() + m.addition.size()
	}
	return len(members) < maxSets && size <= maxBytes
}

// A batchChange is a Change of the API. What its lists hold is whose: the index of a
// member, by the index of a set.
type batchChange struct {
	Deletions []*rrset `json:"deletions,omitempty"`
	Additions []*rrset `json:"additions,omitempty"`

	owners map[string][]int
}

func newBatchChange(members []change) *batchChange {
	b := &batchChange{owners: map[string][]int{}}
	for i, m := range members {
		if m.deletion != nil {
			b.Deletions, b.owners["deletions"] = append(b.Deletions, m.deletion), append(b.owners["deletions"], i)
		}
		if m.addition != nil {
			b.Additions, b.owners["additions"] = append(b.Additions, m.addition), append(b.owners["additions"], i)
		}
	}
	return b
}

// sendSwaps sends several swaps as one Change.
func (c *Client) sendSwaps(ctx context.Context, members []change) ([]stored, error) {
	p, err := c.place(ctx)
	if err != nil {
		return nil, err
	}
	request := newBatchChange(members)
	var answer struct {
		ID, Status string
		Additions  []*rrset
	}
	at, err := c.call(ctx, http.MethodPost, p.path("/changes"), nil, request, &answer)
	if err == nil && (answer.ID == "" || answer.Status == "") {
		err = fmt.Errorf("an answer that is no Change: %w", web.ErrUncertain)
	}
	if err != nil {
		return nil, c.judge(ctx, p, request, err)
	}
	all := make([]stored, len(members))
	for i, m := range members {
		all[i] = stored{m.addition, at}
		if m.addition == nil {
			continue
		}
		// In the service's own words, should it write values otherwise than we do.
		echo := slices.IndexFunc(answer.Additions, func(set *rrset) bool { return sameSet(set, m.addition) })
		if echo >= 0 {
			all[i].set = answer.Additions[echo]
		}
	}
	return all, nil
}

// judge is what an error of a Change means for its swaps.
func (c *Client) judge(ctx context.Context, p place, request *batchChange, err error) error {
	if errors.Is(err, web.ErrUncertain) {
		return fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	var answer *apiError
	switch {
	case !errors.As(err, &answer), answer.throttled():
		return c.explain(p, err)
	case !answer.google, answer.status == http.StatusRequestTimeout:
		// Somebody in between who refuses may have refused the service's answer.
		return fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	blamed := request.blamed(answer)
	conflict := &batch.Blame{Err: fmt.Errorf("%w: %w", register.ErrConflict, answer), Members: blamed}
	switch answer.status {
	case http.StatusConflict, http.StatusPreconditionFailed:
		return conflict
	case http.StatusNotFound:
		return c.missing(ctx, p, answer, conflict)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return &batch.Blame{Err: c.explain(p, answer), Members: blamed}
	case http.StatusForbidden:
		if answer.reason == "quotaExceeded" { // also of a Change that is too large
			return &batch.Blame{Err: c.explain(p, answer), Members: blamed}
		}
	}
	return c.explain(p, answer)
}

// missing tells what is not there: a set that was to be deleted, or the zone. Where
// the answer's words do not tell, it asks for the zone.
func (c *Client) missing(ctx context.Context, p place, answer *apiError, conflict *batch.Blame) error {
	switch {
	case ofChange.MatchString(answer.message):
		return conflict
	case ofZone.MatchString(answer.message):
		return c.zoneGone(p, answer)
	}
	switch there, err := c.zoneThere(ctx, p); {
	case err != nil:
		return fmt.Errorf("%w; and whether the zone is there cannot be found out: %w", answer, err)
	case there:
		return conflict
	}
	return c.zoneGone(p, answer)
}

// The service names what an error is about, as in "Precondition not met for
// 'entity.change.deletions[0]'", "The 'entity.change.deletions[18]' resource named
// 'a.example.com. (TXT)' does not exist." and "The 'parameters.managedZone' resource
// named 'example' does not exist.".
var (
	ofChange = regexp.MustCompile(`entity\.change\.(additions|deletions)\[(\d+)\]`)
	ofZone   = regexp.MustCompile(`parameters\.(managedZone|project)\b`)
)

// blamed are the members whose fault an answer was, by the sets that it names; nil:
// it does not say. Errors of another kind than the first will come again.
func (b *batchChange) blamed(answer *apiError) []int {
	texts := []string{answer.message}
	for _, e := range answer.errors {
		if e.Reason == answer.reason {
			texts = append(texts, e.Message)
		}
	}
	var members []int
	for _, text := range texts {
		for _, m := range ofChange.FindAllStringSubmatch(text, -1) {
			i, err := strconv.Atoi(m[2])
			owners := b.owners[m[1]]
			if err != nil || i >= len(owners) {
				return nil
			}
			if !slices.Contains(members, owners[i]) {
				members = append(members, owners[i])
			}
		}
	}
	return members
}
