package cloudflare

import (
	"context"
	"regexp"
	"slices"
	"strconv"
)

// blamed are the swaps for whose sake a batch was not applied, as far as that can be
// found out. The error names only the first. Conflicts are common, since agents
// write at the same moment: so a look at the zone tells all swaps whose records are
// gone, for one request instead of several for each.
func (c *Client) blamed(ctx context.Context, path string, a answer, changes []*change) []int {
	switch {
	case len(changes) == 1:
		return []int{0}
	case a.has(81045): // the zone is full: who makes more than he deletes
		return growing(changes)
	}
	if entries, _, err := c.whole(ctx, c.ask, path, ""); err == nil {
		if late := overtaken(entries, changes); len(late) > 0 {
			return late
		}
	}
	return pointed(a, changes)
}

func growing(changes []*change) (all []int) {
	for i, ch := range changes {
		if len(ch.posts) > len(ch.deletes) {
			all = append(all, i)
		}
	}
	return all
}

// overtaken are the swaps of which a record that they delete is not there, or at
// whose guard's place is another.
func overtaken(entries []entry, changes []*change) (late []int) {
	byName, ids := index(entries), make(map[string]bool)
	for _, e := range entries {
		ids[e.ID] = true
	}
	for i, ch := range changes {
		gone := slices.ContainsFunc(ch.deletes, func(id string) bool { return !ids[id] })
		taken := slices.ContainsFunc(byName[guardOf(ch.name)], func(e entry) bool {
			return e.Type == guardType && !slices.Contains(ch.deletes, e.ID)
		})
		if gone || taken {
			late = append(late, i)
		}
	}
	return late
}

// pointer is one to an action of a batch, as in "/posts/3/name".
var pointer = regexp.MustCompile(`(deletes|posts)/(\d+)`)

// pointed are the swaps whose action an error points at, if it does. What the
// pointers of a batch look like is not documented; a wrong one makes a conflict of
// what was not applied either.
func pointed(a answer, changes []*change) []int {
	for _, f := range a.faults {
		m := pointer.FindStringSubmatch(f.Source.Pointer)
		if m == nil {
			continue
		}
		at, err := strconv.Atoi(m[2])
		if err != nil {
			continue
		}
		for i, ch := range changes {
			n := len(ch.posts)
			if m[1] == "deletes" {
				n = len(ch.deletes)
			}
			if at < n {
				return []int{i}
			}
			at -= n
		}
	}
	return nil
}
