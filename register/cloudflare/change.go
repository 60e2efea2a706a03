package cloudflare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// The guard of a name. All who swap, in all versions to come, must post the same,
// with the same TTL, so that it is identical to any other.
const (
	guardLabel = "_solotick-guard"
	guardType  = "CNAME"
	guardTTL   = 3600
)

func guardOf(name string) string { return guardLabel + "." + name }

func guard(name string) entry {
	return entry{Name: guardOf(name), Type: guardType, Content: name, TTL: guardTTL}
}

// most is how many operations a batch has: what Cloudflare takes in zones of the
// Free plan.
const most = 200

// A change is one swap within a batch.
type change struct {
	name    string
	deletes []string // ids
	posts   []entry
}

// change is the swap that puts texts in the place of what was read. A text that is
// there already keeps its content as it came.
func (r *record) change(was version, texts []string) *change {
	ch := &change{name: r.name}
	there := make(map[string][]string) // several where they differ in how they are split
	for _, t := range was.Texts {
		ch.deletes = append(ch.deletes, t.ID)
		text := textOf(t.Content)
		there[text] = append(there[text], t.Content)
	}
	ch.deletes = append(ch.deletes, was.Guards...)
	for i, text := range texts {
		value := ""
		if same := there[text]; len(same) > 0 {
			value, there[text] = same[0], same[1:]
		} else if slices.Contains(texts[:i], text) {
			continue // a set
		} else {
			value = txt.Quote(text, txt.Decimal)
		}
		ch.posts = append(ch.posts, entry{Name: r.name, Type: "TXT", Content: value, TTL: r.client.ttl})
	}
	if len(ch.posts) > 0 {
		ch.posts = append(ch.posts, guard(r.name))
	}
	return ch
}

// fits says whether one more swap goes into a batch: not if that gets too large, and
// not beside another of the same name, since only one of the two can be applied.
func fits(members []*change, next *change) bool {
	n := len(next.deletes) + len(next.posts)
	for _, m := range members {
		if m.name == next.name {
			return false
		}
		n += len(m.deletes) + len(m.posts)
	}
	return n <= most
}

// landed is what a swap has left at its name.
type landed struct {
	version version
	at      time.Time
	late    bool // a removal that has removed nothing
}

type (
	request struct {
		Deletes []entry `json:"deletes,omitempty"`
		Posts   []entry `json:"posts,omitempty"`
	}
	reply struct {
		Deletes *[]entry `json:"deletes"`
		Posts   []entry  `json:"posts"`
	}
)

// send sends swaps as one batch.
func (c *Client) send(ctx context.Context, changes []*change) ([]landed, error) {
	path, err := c.records(ctx)
	if err != nil {
		return nil, err
	}
	var req request
	for _, ch := range changes {
		for _, id := range ch.deletes {
			req.Deletes = append(req.Deletes, entry{ID: id})
		}
		req.Posts = append(req.Posts, ch.posts...)
	}
	a, err := c.call(ctx, http.MethodPost, path+"/batch", nil, req)
	switch {
	case errors.Is(err, web.ErrUncertain), errors.Is(err, web.ErrTooLarge):
		return nil, fmt.Errorf("%w: %w", register.ErrUncertain, err)
	case err != nil:
		return nil, err
	case a.ok:
		return c.landed(a, changes)
	case a.status == http.StatusTooManyRequests, a.known && a.status >= 400 && a.status < 500:
		ofOne, err := c.refusal(a)
		if ofOne {
			return nil, &batch.Blame{Err: err, Members: c.blamed(ctx, path, a, changes)}
		}
		return nil, err
	}
	return nil, fmt.Errorf("%w: the answer was %s", register.ErrUncertain, c.said(a))
}

// landed finds in the answer to a batch what each of its swaps has left.
func (c *Client) landed(a answer, changes []*change) ([]landed, error) {
	var rep reply
	if err := json.Unmarshal(a.result, &rep); err != nil {
		return nil, fmt.Errorf("%w: the service has done it, and does not say what", register.ErrUncertain)
	}
	for i := range rep.Posts {
		rep.Posts[i].Name = strings.ToLower(rep.Posts[i].Name)
	}
	all := make([]landed, len(changes))
	for i, ch := range changes {
		v := versionIn(rep.Posts, ch.name)
		if len(v.Texts)+len(v.Guards) != len(ch.posts) {
			return nil, c.astray(rep.Posts, ch)
		}
		all[i] = landed{version: v, at: a.date, late: len(ch.posts) == 0 && !rep.deleted(ch.deletes)}
	}
	return all, nil
}

// deleted says whether records were deleted, as far as the answer tells. Should the
// delete of an id that is gone ever be no error, a removal that came too late shows
// by this.
func (rep *reply) deleted(ids []string) bool {
	if rep.Deletes == nil {
		return true
	}
	for _, id := range ids {
		if !slices.ContainsFunc(*rep.Deletes, func(e entry) bool { return e.ID == id }) {
			return false
		}
	}
	return true
}

// astray is the error if a batch was done, and the records of a swap are not among
// those that it has made. In a zone of another name Cloudflare takes a name as one
// below it.
func (c *Client) astray(made []entry, ch *change) error {
	for _, e := range made {
		if strings.HasPrefix(e.Name, ch.name+".") {
			return &register.Problem{
				Err: fmt.Errorf("%w: the id is that of another zone than %s: the record was made at %s", register.ErrRefused, c.zone, e.Name),
				Do:  "delete " + e.Name + " there, and set dns.zone_id to the id of " + c.zone, Config: true,
			}
		}
	}
	return fmt.Errorf("%w: the service has done it, and does not list the records that it has made", register.ErrUncertain)
}
