package alarm

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/notify"
)

// A subject is what an incident is about: one kind of trouble with one record, or
// with many if there is no name.
type subject struct {
	kind Kind
	name string
}

// An incident is what people are told of: it begins, may become worse, and is over.
type incident struct {
	subject
	job     string // of one record
	members map[string]*trouble
	most    int              // how many members it had at most
	since   int64            // when it began
	worst   int              // the highest rank that it had
	text    string           // what the latest member to leave was over with
	told    map[string]*told // by place
}

// told is what one place knows of an incident.
type told struct {
	alert.Status
	view  view  // what it was told
	news  int64 // since when there is something else to tell; 0: there is not
	tries int   // of the message that is due, so far
	next  int64 // before that there is no other try
	busy  bool  // the message is being sent
}

// A letter is a message that is due, and where to.
type letter struct {
	to    string
	about *incident
	step  alert.Step
	view  view
	notify.Message
}

// A book is all that is remembered. It knows no clock and sends nothing.
type book struct {
	rules     Rules
	places    []Place
	records   map[string]*memory
	incidents map[subject]*incident
	last      uint64 // the newest event that was taken in
}

func newBook(r Rules, places []Place) *book {
	r.fill()
	return &book{rules: r, places: places, records: map[string]*memory{}, incidents: map[subject]*incident{}}
}

func (b *book) record(name string) *memory {
	m := b.records[name]
	if m == nil {
		m = &memory{name: name}
		b.records[name] = m
	}
	return m
}

// note takes in what happened. Events may come twice.
func (b *book) note(events []monitor.Event) {
	for _, e := range events {
		if e.ID > b.last {
			b.last = e.ID
			b.record(e.Name).note(e, &b.rules)
		}
	}
}

// look takes in what a record amounts to now.
func (b *book) look(item monitor.Item, now int64) {
	m := b.record(item.Name)
	m.take(m.judge(item, now, &b.rules), now)
}

// keep forgets all records but those.
func (b *book) keep(items []monitor.Item, now int64) {
	here := make(map[string]bool, len(items))
	for i := range items {
		here[items[i].Name] = true
	}
	for name, m := range b.records {
		switch {
		case here[name]:
		case len(m.troubles) == 0:
			delete(b.records, name)
		default:
			m.forget(now)
		}
	}
}

// settle ends what has been over for long enough, and makes incidents of what has
// lasted long enough.
func (b *book) settle(now int64) {
	due := map[Kind][]*trouble{}
	for _, m := range b.records {
		for _, t := range m.troubles {
			switch {
			case t.over != 0 && (t.in == nil || now-t.over >= seconds(b.rules.Calm)):
				t.leave()
			case t.in != nil || !t.sure || t.hush || now-t.since < t.wait:
				t.due = 0
			default:
				t.due = cmp.Or(t.due, now)
				due[t.kind] = append(due[t.kind], t)
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(due)) {
		all := due[kind]
		slices.SortFunc(all, func(x, y *trouble) int {
			return cmp.Or(cmp.Compare(x.due, y.due), cmp.Compare(x.since, y.since), cmp.Compare(x.of.name, y.of.name))
		})
		if now-all[0].due >= seconds(b.rules.Gather) {
			b.open(kind, all)
		}
	}
}

// open makes incidents of troubles of one kind: one each while they are few, and
// else one of them all.
func (b *book) open(kind Kind, all []*trouble) {
	together := kind == Unreachable || b.incidents[subject{kind: kind}].on()
	if !together {
		n := len(all)
		for s, inc := range b.incidents {
			if s.kind == kind && inc.on() {
				n++
			}
		}
		together = n > b.rules.Many
	}
	for _, t := range all {
		s := subject{kind: kind}
		if !together {
			s.name = t.of.name
		}
		inc := b.incidents[s]
		if inc == nil {
			inc = &incident{subject: s, members: map[string]*trouble{}, told: map[string]*told{}}
			b.incidents[s] = inc
		}
		inc.join(t)
	}
}

func (inc *incident) on() bool { return inc != nil && len(inc.members) > 0 }

func (inc *incident) join(t *trouble) {
	if len(inc.members) == 0 {
		inc.since, inc.most, inc.worst = t.since, 0, 0
	}
	if inc.name != "" {
		inc.job = t.of.job
	}
	inc.members[t.of.name] = t
	inc.most = max(inc.most, len(inc.members))
	t.in = inc
}

// leave ends a trouble.
func (t *trouble) leave() {
	delete(t.of.troubles, t.kind)
	if t.in != nil {
		delete(t.in.members, t.of.name)
		t.in.text = t.text
	}
}

var ranks = []notify.Severity{"", notify.Info, notify.Warning, notify.Error, notify.Critical}

// A view is what there is to say of an incident's members that hold. The zero view
// says that nothing is to be told about any.
type view struct {
	n    int
	rank int    // how bad the worst is, in ranks
	set  uint64 // differs for other members
}

func (inc *incident) view() (v view) {
	for name, t := range inc.members {
		if t.holds() {
			h := fnv.New64a()
			h.Write([]byte(name))
			v.n, v.set, v.rank = v.n+1, v.set^h.Sum64(), max(v.rank, slices.Index(ranks, t.severity))
		}
	}
	return v
}

// letters are the messages that are due now. What becomes of each has to be told by
// became.
func (b *book) letters(now int64) []*letter {
	var all []*letter
	order := slices.SortedFunc(maps.Keys(b.incidents), func(x, y subject) int {
		return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.name, y.name))
	})
	for _, s := range order {
		inc := b.incidents[s]
		seen := inc.view()
		inc.worst = max(inc.worst, seen.rank)
		for _, p := range b.places {
			at := inc.told[p.Name]
			if at == nil {
				at = &told{}
				inc.told[p.Name] = at
			}
			if at.busy || now < at.next || inc.on() && seen.n == 0 {
				continue
			}
			step, worse := b.decide(inc, at, seen, now)
			if step.Kind == alert.Nothing {
				at.Status = step.After(alert.Accepted, 0)
				continue
			}
			l := &letter{to: p.Name, about: inc, step: step, view: seen}
			l.Message = b.message(inc, step, now)
			l.Worse = worse
			if p.Referenced {
				l.Ref = step.Ref.String()
			}
			// Until it is known what became of it, it may have been delivered.
			at.Status, at.busy = step.After(alert.Doubtful, 0), true
			all = append(all, l)
		}
		b.close(inc)
	}
	slices.SortStableFunc(all, func(x, y *letter) int { return cmp.Compare(x.about.told[x.to].tries, y.about.told[y.to].tries) })
	return all
}

// decide says what a place has to be told of an incident. That it has become worse
// is told at once, and that it is about other records now and then.
func (b *book) decide(inc *incident, at *told, seen view, now int64) (step alert.Step, worse bool) {
	rule := alert.Rule{Remind: b.rules.Remind}
	if at.Phase != alert.Told || !inc.on() {
		return alert.Decide(rule, at.Status, inc.on(), now), false
	}
	worse = seen.rank > at.view.rank
	if seen.set == at.view.set {
		at.news = 0
	} else {
		at.news = cmp.Or(at.news, now)
	}
	if worse || at.news != 0 && now-at.news >= seconds(b.rules.Calm) && now-at.Told >= seconds(b.rules.Interval) {
		rule.Remind = time.Nanosecond
	}
	return alert.Decide(rule, at.Status, inc.on(), now), worse
}

// close drops an incident of which nobody has to be told anything any more.
func (b *book) close(inc *incident) {
	if inc.on() {
		return
	}
	for _, at := range inc.told {
		if at.busy || at.Status != (alert.Status{}) {
			return
		}
	}
	delete(b.incidents, inc.subject)
}

// How many seconds it takes until a message that was not accepted is sent again.
// One that may have been delivered has more time, since it may be a double.
const firstRetry, firstDoubt, lastRetry = 10, 60, 600

// became takes in what became of a message.
func (b *book) became(l *letter, o alert.Outcome, ref string, now int64) {
	at := l.about.told[l.to]
	at.busy = false
	at.Status = l.step.After(o, alert.ParseReference(ref))
	if o == alert.Accepted || o == alert.Doubtful && l.step.Kind == alert.Reminder {
		at.view, at.news, at.tries, at.next = l.view, 0, 0, 0
		b.close(l.about)
		return
	}
	first := firstRetry
	if o == alert.Doubtful {
		first = firstDoubt
	}
	at.next = now + int64(min(first<<min(at.tries, 10), lastRetry))
	at.tries++
}

// owes says whether there is a place that does not know yet what it should.
func (b *book) owes() bool {
	for _, inc := range b.incidents {
		for _, at := range inc.told {
			if at.tries > 0 {
				return true
			}
		}
	}
	return false
}
