package cloudflare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// listed is what is at a name and at its guard's, of every type.
type listed struct {
	entries []entry
	at      time.Time
}

// list is the Loads of names by one list: of what ends in the name if there is only
// one, and else of the whole zone.
func (c *Client) list(ctx context.Context, names []string) ([]listed, error) {
	path, err := c.records(ctx)
	if err != nil {
		return nil, err
	}
	ask := c.get // the first request was taken off the budget for the list
	found := make(map[string]listed)
	if slices.ContainsFunc(names, func(name string) bool { return name != names[0] }) {
		entries, at, err := c.whole(ctx, ask, path, "")
		if err != nil && !errors.Is(err, errLarge) {
			return nil, err
		}
		if err == nil {
			byName := index(entries)
			for _, name := range names {
				found[name] = listed{slices.Concat(byName[name], byName[guardOf(name)]), at}
			}
		}
		c.large.Store(err != nil)
		ask = c.ask
	}
	all := make([]listed, len(names))
	for i, name := range names {
		if _, ok := found[name]; !ok {
			entries, at, err := c.whole(ctx, ask, path, name)
			if err != nil {
				return nil, err
			}
			byName := index(entries)
			found[name] = listed{slices.Concat(byName[name], byName[guardOf(name)]), at}
			ask = c.ask
		}
		all[i] = found[name]
	}
	return all, nil
}

// index is records by their names, in lower case.
func index(entries []entry) map[string][]entry {
	byName := make(map[string][]entry)
	for _, e := range entries {
		e.Name = strings.ToLower(e.Name)
		byName[e.Name] = append(byName[e.Name], e)
	}
	return byName
}

var (
	// errLarge says that the zone does not go into one page. What is read page by
	// page is no picture of one moment: a name's guard may be on another page than
	// its texts. So the names are listed each by itself then.
	errLarge = errors.New("the zone has more than one page")
	// errMoved says that records came or went between the pages of a list.
	errMoved = errors.New("the records changed while they were listed")
)

// whole reads the list of what ends in a name, or of the whole zone. In the order of
// names a swap leaves what follows where it is; a record that comes or goes moves
// it, and the list is read again.
func (c *Client) whole(ctx context.Context, ask asker, path, name string) (all []entry, at time.Time, err error) {
	query := url.Values{"per_page": {strconv.Itoa(c.pageSize)}, "order": {"name"}}
	if name != "" {
		query.Set("name.endswith", name)
	}
	for range 3 {
		if all, at, err = c.once(ctx, ask, path, query); !errors.Is(err, errMoved) {
			break
		}
		ask = c.ask
	}
	return all, at, err
}

type asker func(context.Context, string, url.Values) (answer, error)

// once reads all pages of a list.
func (c *Client) once(ctx context.Context, ask asker, path string, query url.Values) (all []entry, at time.Time, err error) {
	total := -1
	seen := make(map[string]bool)
	for page := 1; ; page++ {
		query.Set("page", strconv.Itoa(page))
		a, err := ask(ctx, path, query)
		ask = c.ask
		if err != nil {
			return nil, at, err
		}
		if a.pages.TotalPages > 1 && !query.Has("name.endswith") {
			return nil, at, errLarge
		}
		var entries []entry
		if err := json.Unmarshal(a.result, &entries); err != nil {
			return nil, at, errors.New("the answer is no list of records")
		}
		for _, e := range entries {
			if seen[e.ID] {
				return nil, at, errMoved
			}
			seen[e.ID] = true
		}
		if total >= 0 && total != a.pages.TotalCount {
			return nil, at, errMoved
		}
		total, at, all = a.pages.TotalCount, a.date, append(all, entries...)
		if page >= a.pages.TotalPages {
			return all, at, nil
		}
	}
}

// get asks, and wants a good answer.
func (c *Client) get(ctx context.Context, path string, query url.Values) (answer, error) {
	a, err := c.call(ctx, http.MethodGet, path, query, nil)
	switch {
	case err != nil:
		return a, err
	case a.ok:
		return a, nil
	case a.status == http.StatusTooManyRequests, a.known && a.status >= 400 && a.status < 500:
		_, err := c.refusal(a)
		return a, err
	}
	return a, fmt.Errorf("the answer was %s", c.said(a))
}

// ask is get within the budget.
func (c *Client) ask(ctx context.Context, path string, query url.Values) (answer, error) {
	if err := c.budget.Wait(ctx); err != nil {
		return answer{}, err
	}
	return c.get(ctx, path, query)
}

// records is the path of the zone's records.
func (c *Client) records(ctx context.Context) (string, error) {
	c.mu.Lock()
	id, sure := c.id, c.sure
	c.mu.Unlock()
	if !sure {
		var err error
		if id == "" {
			id, err = c.findZone(ctx)
		} else {
			err = c.checkZone(ctx, id)
		}
		if err != nil {
			return "", err
		}
		c.mu.Lock()
		c.id, c.sure = id, true
		c.mu.Unlock()
	}
	return "/zones/" + id + "/dns_records", nil
}

// forgetZone has the zone looked for again, if it was found by its name: another one
// of the name may have been made.
func (c *Client) forgetZone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.configured {
		c.id, c.sure = "", false
	}
}

// A zone is one as the API lists it.
type zone struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// findZone looks for the id of the zone by its name.
func (c *Client) findZone(ctx context.Context) (string, error) {
	a, err := c.ask(ctx, "/zones", url.Values{"name": {c.zone}})
	if errors.Is(err, errMay) {
		return "", &register.Problem{Err: fmt.Errorf("%w to tell the zone's id (%s)", register.ErrRefused, c.said(a)), Do: c.zoneRead()}
	}
	if err != nil {
		return "", fmt.Errorf("zone %s: %w", c.zone, err)
	}
	var zones []zone
	if err := json.Unmarshal(a.result, &zones); err != nil {
		return "", errors.New("the answer is no list of zones")
	}
	zones = slices.DeleteFunc(zones, func(z zone) bool { return !strings.EqualFold(z.Name, c.zone) || !zoneID.MatchString(z.ID) })
	switch len(zones) {
	case 1:
		return zones[0].ID, nil
	case 0:
		return "", &register.Problem{
			Err: fmt.Errorf("%w: no zone %s is listed for this token", register.ErrRefused, c.zone),
			Do:  c.zoneRead() + "; a zone is named as the dashboard lists it",
		}
	}
	return "", &register.Problem{
		Err: fmt.Errorf("%w: %d zones are named %s", register.ErrRefused, len(zones), c.zone),
		Do:  "set dns.zone_id to the id of the right one (dashboard: the zone's Overview, in the right column)", Config: true,
	}
}

func (c *Client) zoneRead() string {
	return "either give the token the permission Zone, Zone, Read for " + c.zone +
		", or set dns.zone_id (dashboard: the zone's Overview, in the right column)"
}

// checkZone makes sure that the id is that of the zone, as far as the token may
// know: in a zone of another name every record would be made below that one.
func (c *Client) checkZone(ctx context.Context, id string) error {
	a, err := c.ask(ctx, "/zones/"+id, nil)
	if errors.Is(err, errMay) {
		return nil // without Zone Read; what else the token may not do, the next request tells
	}
	if err != nil {
		return fmt.Errorf("zone %s: %w", c.zone, err)
	}
	var z zone
	if err := json.Unmarshal(a.result, &z); err != nil || z.Name == "" {
		return errors.New("the answer is no zone")
	}
	if !strings.EqualFold(z.Name, c.zone) {
		return &register.Problem{
			Err: fmt.Errorf("%w: the id is that of the zone %s, and not of %s", register.ErrRefused, c.plain(z.Name), c.zone),
			Do:  "set dns.zone_id to the id of " + c.zone + ", or leave it out", Config: true,
		}
	}
	return nil
}
