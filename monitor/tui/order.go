package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

// An order is which records are listed, in which order, and which of them is
// selected. The selection belongs to a record and moves with it.
type order struct {
	items  []monitor.Item
	index  map[string]int // by name, into items
	shown  []int          // into items: what passes the filter, in order
	filter string
	worst  bool   // worst first, else by name
	name   string // of the selected record
	chosen bool   // by the reader; else it is the first one
	top    int    // the first of shown on the screen
	room   int    // how many the screen has room for
}

// set takes in all records.
func (o *order) set(items []monitor.Item) {
	o.items = items
	o.index = make(map[string]int, len(items))
	for i, item := range items {
		o.index[item.Name] = i
	}
	o.sort()
}

// put takes in one record, judged again, and says whether that may change the
// order: who puts several sorts once afterwards.
func (o *order) put(item monitor.Item) (moved bool) {
	i, ok := o.index[item.Name]
	if !ok {
		o.index[item.Name] = len(o.items)
		o.items = append(o.items, item)
		return true
	}
	moved = o.filter != "" || label(&item) != label(&o.items[i]) || badness(&item) != badness(&o.items[i])
	o.items[i] = item
	return moved
}

// badness is how far above others a record stands.
func badness(item *monitor.Item) int {
	switch item.State.Level() {
	case elect.LevelBad:
		return 0
	case elect.LevelUnknown:
		if item.Error == "" && item.State == "" {
			return 3 // not looked at yet
		}
		return 1
	case elect.LevelDoubtful:
		return 2
	}
	return 3
}

// label is what a record is called in the list.
func label(item *monitor.Item) string {
	if item.Job != "" {
		return item.Job
	}
	return item.Name
}

// sort lists the records anew.
func (o *order) sort() {
	o.shown = o.shown[:0]
	for i := range o.items {
		if item := &o.items[i]; o.matches(item.Name, item.Job, item.ID, item.State.Words()) {
			o.shown = append(o.shown, i)
		}
	}
	slices.SortFunc(o.shown, func(i, j int) int {
		a, b := &o.items[i], &o.items[j]
		byName := cmp.Or(strings.Compare(label(a), label(b)), strings.Compare(a.Name, b.Name))
		if !o.worst {
			return byName
		}
		return cmp.Or(cmp.Compare(badness(a), badness(b)), byName)
	})
	switch {
	case len(o.shown) == 0:
	case !o.chosen:
		o.name = o.items[o.shown[0]].Name
	case o.at() < 0:
		o.name = o.items[o.shown[min(o.top, len(o.shown)-1)]].Name
	}
}

// matches says whether any of the texts has what the filter asks for, in letters
// great or small.
func (o *order) matches(texts ...string) bool {
	if o.filter == "" {
		return true
	}
	want := strings.ToLower(o.filter)
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), want) })
}

// at is where the selected record stands among those shown; -1: nowhere.
func (o *order) at() int {
	i, ok := o.index[o.name]
	if !ok {
		return -1
	}
	return slices.Index(o.shown, i)
}

// selected is the selected record; nil: there is none.
func (o *order) selected() *monitor.Item {
	if at := o.at(); at >= 0 {
		return &o.items[o.shown[at]]
	}
	return nil
}

// move selects another record, so many further down.
func (o *order) move(by int) {
	if len(o.shown) == 0 {
		return
	}
	o.chosen = true
	at := min(max(o.at()+by, 0), len(o.shown)-1)
	o.name = o.items[o.shown[at]].Name
}

// fit moves the list so that the selected record is on a screen with so much room.
func (o *order) fit(room int) {
	o.room = max(room, 0)
	at := max(o.at(), 0)
	o.top = min(max(o.top, at-room+1, 0), at, max(len(o.shown)-room, 0))
}

// visible are those on the screen.
func (o *order) visible() []int { return o.shown[o.top:min(o.top+o.room, len(o.shown))] }

// tallies counts the records by the words for what they amount to, worst first.
func (o *order) tallies() []tally {
	var all []tally
	for i := range o.items {
		item := &o.items[i]
		at := slices.IndexFunc(all, func(t tally) bool { return t.state == item.State })
		if at < 0 {
			at, all = len(all), append(all, tally{item.State, 0, badness(item)})
		}
		all[at].n++
		all[at].badness = min(all[at].badness, badness(item))
	}
	slices.SortStableFunc(all, func(a, b tally) int {
		return cmp.Or(cmp.Compare(a.badness, b.badness), strings.Compare(string(a.state), string(b.state)))
	})
	return all
}

type tally struct {
	state   elect.Condition
	n       int
	badness int
}
