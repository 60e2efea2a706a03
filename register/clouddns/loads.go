package clouddns

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// errNoAnswer is what those are told who waited no longer.
var errNoAnswer = errors.New("no answer")

// A loaded is what a list said of one name.
type loaded struct {
	set *rrset // nil: nothing is there
	at  time.Time
}

// parallel is how many names are asked for at a time.
const parallel = 8

// sendLoads answers several loads: name by name, or by the pages of the zone where
// those are fewer.
func (c *Client) sendLoads(ctx context.Context, names []string) ([]loaded, error) {
	p, err := c.place(ctx)
	if err != nil {
		return nil, err
	}
	l := &list{client: c, place: p, paid: true, want: map[string]bool{}, found: map[string]loaded{}}
	for _, name := range names {
		l.want[name] = true
	}
	if len(l.want) > max(1, int(c.pages.Load())) {
		err = l.pages(ctx)
	}
	if err == nil {
		err = l.names(ctx)
	}
	if err != nil {
		return nil, c.explain(p, err)
	}
	all := make([]loaded, len(names))
	for i, name := range names {
		all[i] = l.found[name]
	}
	return all, nil
}

// A list is one way to answer several loads.
type list struct {
	client *Client
	place  place
	want   map[string]bool // names that are not settled

	mu    sync.Mutex
	found map[string]loaded
	paid  bool // the next request was taken off the budget
}

// pages reads the zone page by page, as long as asking for each name that is left
// would not cost less.
//
// What is on no page is settled only if there is but one page: of several, the
// service says, no consistent view can be had, and a record may have moved from
// one that was not read yet to one that was.
func (l *list) pages(ctx context.Context) error {
	query := url.Values{}
	for n := 1; len(l.want) > 0; n++ {
		sets, next, at, err := l.ask(ctx, query)
		if err != nil {
			return err
		}
		for i := range sets {
			if name := l.nameOf(&sets[i]); l.want[name] {
				l.settle(name, loaded{&sets[i], at})
			}
		}
		switch {
		case next == "" && n == 1:
			for name := range l.want {
				l.settle(name, loaded{nil, at})
			}
			fallthrough
		case next == "":
			l.client.pages.Store(int64(n))
			return nil
		case n >= len(l.want):
			l.client.pages.Store(int64(n) + 1) // at least
			return nil
		}
		query.Set("pageToken", next)
	}
	return nil
}

// names asks for each name that is left.
func (l *list) names(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var left []string
	for name := range l.want {
		left = append(left, name)
	}
	for _, name := range left {
		group.Go(func() error {
			sets, _, at, err := l.ask(ctx, url.Values{"name": {name}, "type": {typeTXT}})
			if err != nil {
				return err
			}
			found := loaded{nil, at}
			for i := range sets {
				if l.nameOf(&sets[i]) == name {
					found.set = &sets[i]
				}
			}
			l.settle(name, found)
			return nil
		})
	}
	return group.Wait()
}

func (l *list) settle(name string, found loaded) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found[name] = found
	delete(l.want, name)
}

// nameOf is the name of a set of TXT records; empty: it is none.
func (l *list) nameOf(set *rrset) string {
	if set.Type != typeTXT {
		return ""
	}
	return strings.ToLower(set.Name)
}

func (l *list) ask(ctx context.Context, query url.Values) (sets []rrset, next string, at time.Time, err error) {
	l.mu.Lock()
	paid := l.paid
	l.paid = false
	l.mu.Unlock()
	if !paid {
		if err := l.client.reads.Wait(ctx); err != nil {
			return nil, "", time.Time{}, err
		}
	}
	var page struct {
		Rrsets        []rrset `json:"rrsets"`
		NextPageToken string  `json:"nextPageToken"`
	}
	at, err = l.client.call(ctx, http.MethodGet, l.place.path("/rrsets"), query, nil, &page)
	return page.Rrsets, page.NextPageToken, at, err
}
