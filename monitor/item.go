package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
)

// StatusSchema names the form of a [Document].
const StatusSchema = "solotick.status/v1"

// A Document is what is known of records, as "status --json" and the page's API
// have it.
type Document struct {
	Schema   string    `json:"schema"`
	Time     time.Time `json:"time"`
	Register *Register `json:"register,omitempty"` // where a file says that the records are
	Records  []Item    `json:"records"`
}

// A Register is where records are, and what its swaps promise.
type Register struct {
	Provider string `json:"provider"`
	Zone     string `json:"zone"`
	Class    string `json:"class"`
}

// An Item is one record and what it amounts to. Times are absent where there is
// none.
type Item struct {
	Name       string          `json:"name"`
	Job        string          `json:"job,omitempty"`
	State      elect.Condition `json:"state,omitempty"` // absent if DNS could not be asked
	Text       string          `json:"text"`            // one sentence
	Error      string          `json:"error,omitempty"`
	ID         string          `json:"id,omitempty"` // the incumbent
	LastTick   *time.Time      `json:"last_tick,omitempty"`
	Last       record.Result   `json:"last_result,omitempty"`
	Next       *time.Time      `json:"next,omitempty"`
	LateAfter  *time.Time      `json:"late_after,omitempty"`
	Overdue    int             `json:"overdue"`
	Attempt    int             `json:"attempt,omitempty"`
	Claimed    bool            `json:"claimed"`
	Paused     bool            `json:"paused"`
	Why        string          `json:"why,omitempty"`
	Fence      int64           `json:"seq,omitempty"`
	Written    *time.Time      `json:"written,omitempty"` // by the register's clock, as seq tells
	Original   bool            `json:"original"`
	Raw        string          `json:"raw,omitempty"`    // the text of the record, as DNS shows it
	Opened     string          `json:"opened,omitempty"` // what is in it, if it is sealed and a key that is here opened it
	Bytes      int             `json:"bytes"`
	TTL        float64         `json:"ttl_seconds"`
	Server     string          `json:"server,omitempty"` // that showed the newest record
	Authority  bool            `json:"authoritative"`
	TookMS     float64         `json:"took_ms"`
	Seen       *time.Time      `json:"seen,omitempty"` // when it was looked at
	Servers    []Server        `json:"servers"`
	Protection *Protection     `json:"protection,omitempty"` // absent: the record has none, and none is asked for
	Changed    *time.Time      `json:"changed,omitempty"`    // of a record that cannot be read: when its text was seen to change
	Notes      []string        `json:"notes,omitempty"`
}

// A Server is what one server says of a record.
type Server struct {
	Name      string     `json:"server"`
	Addr      string     `json:"addr"`
	Error     string     `json:"error,omitempty"` // it gave no answer; all below is empty then
	State     string     `json:"state,omitempty"` // absent, present, damaged or unopenable
	Authority bool       `json:"authoritative"`
	Newest    bool       `json:"newest"` // no other server shows anything newer
	Behind    float64    `json:"behind_seconds"`
	ID        string     `json:"id,omitempty"`
	Next      *time.Time `json:"next,omitempty"`
	Fence     int64      `json:"seq,omitempty"`
	TTL       float64    `json:"ttl_seconds"` // of a cache: for how long it may go on showing this
	Age       float64    `json:"age_seconds"` // of a cache: for how long it has had this
	TookMS    float64    `json:"took_ms"`
}

// Judge says what a sight amounts to at the given moment. Its clock is trusted,
// as [elect.Health] does.
func Judge(s Sight, now time.Time) Item {
	a := s.Answer()
	item := Item{
		Name: s.Target.Name, Job: s.Target.Job, Server: a.Server.Addr, Authority: a.Authoritative, Notes: slices.Concat(s.Notes(), s.Others()),
		TookMS: milliseconds(a.Latency), TTL: a.TTL.Seconds(), Servers: s.servers(),
	}
	if !s.Time.IsZero() {
		t := s.Time.UTC().Truncate(time.Millisecond)
		item.Seen = &t
	}
	if s.Err != nil {
		item.Error, item.Text = s.Err.Error(), "DNS does not tell"
		return item
	}
	st, r := s.Health(now), s.Set.Record
	item.Protection = s.protection()
	item.State, item.Text, item.Overdue, item.Original = st.Condition, st.Text, st.Overdue, st.Original
	item.LastTick, item.Next, item.LateAfter = instant(st.Last), instant(st.Next), instant(st.LateAfter)
	if s.Set.State == record.Present {
		item.ID, item.Last, item.Attempt, item.Fence, item.Why = r.ID, r.Last, r.Attempt(), r.Seq, r.Why
		item.Claimed, item.Paused = r.Claimed, r.Pause < 0 || r.Pause > now.Unix()
		item.Written = instant(r.Seq / 1000)
		if item.Raw = s.Text(); item.Protection != nil && item.Protection.Sealed != "" {
			item.Opened = r.String()
		}
		item.Bytes = len(item.Raw)
	}
	return item
}

// NextLate is when the run that Next is of counts as late; nil: that is not known. While
// a run is in progress LateAfter is when its claim does, which comes before the next
// run is due and, in a paused job, may have nothing to do with one.
func (i Item) NextLate() *time.Time {
	if i.Claimed {
		return nil
	}
	return i.LateAfter
}

// Old is how long before now it was at most that the newest record was what the
// item shows: 0 if a server with authority shows it, else the age of a cache's
// answer. A cache tells only for how long it keeps the answer, so full is the TTL
// that the record has, where it is known; 0: a minute, which is what agents write
// by default. No answer is older than the record itself.
//
// What is old should be judged for that much before now: that a run is late would
// else be true of the cache only.
func (i Item) Old(now time.Time, full time.Duration) time.Duration {
	full = cmp.Or(full, time.Minute)
	old := time.Duration(-1)
	for _, s := range i.Servers {
		if !s.Newest || s.Error != "" {
			continue
		}
		if s.Authority {
			return 0
		}
		age := time.Duration(s.Age * float64(time.Second))
		if s.Age == 0 {
			age = max(full-time.Duration(s.TTL*float64(time.Second)), 0)
		}
		if old < 0 || age < old {
			old = age
		}
	}
	wrote := i.Written
	if i.Original {
		wrote = i.LastTick
	}
	if wrote != nil && wrote.Before(now) {
		old = min(old, now.Sub(*wrote))
	}
	return max(old, 0)
}

func (s Sight) servers() []Server {
	all := make([]Server, 0, len(s.Answers))
	for _, a := range s.Answers {
		one := Server{Name: a.Server.Name, Addr: a.Server.Addr, Authority: a.Authoritative, TookMS: milliseconds(a.Latency)}
		if a.Err != nil {
			one.Error, one.TookMS = a.Err.Error(), 0
			all = append(all, one)
			continue
		}
		set := s.read(a.Texts)
		one.State, one.TTL, one.Age = set.State.String(), a.TTL.Seconds(), a.Age.Seconds()
		one.Newest = s.same(a, set)
		one.Behind = s.behind(a, set)
		if set.State == record.Present {
			one.ID, one.Fence, one.Next = set.Record.ID, set.Record.Seq, instant(max(set.Record.Timer, set.Record.Pause))
		}
		all = append(all, one)
	}
	return all
}

// behind is how much older what a server shows is than the newest record, in
// seconds between the two writes. Where it shows none, that is how long the newest
// one has been there.
func (s Sight) behind(a lookup.Answer, set record.Set) float64 {
	newest := written(s.Set.Record)
	switch {
	case a.Err != nil, s.Set.State != record.Present, !newer(s.Set, set):
		return 0
	case set.State != record.Present:
		return max(s.Time.Sub(time.Unix(newest, 0)).Round(time.Second).Seconds(), 0)
	}
	return float64(max(newest-written(set.Record), 0))
}

// mayTrail is how old what a sight shows may be: a cache's answer, its whole TTL.
func (s Sight) mayTrail() time.Duration {
	if a := s.Answer(); !a.Authoritative {
		return a.TTL + a.Age
	}
	return 0
}

// written is about when a record was written, in epoch seconds: as its seq tells,
// or by the latest run of an agent of 2022.
func written(r record.Record) int64 {
	if r.Seq == 0 {
		return last(r)
	}
	return r.Seq / 1000
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// latest is the last second that RFC 3339 can write.
const latest = 253402300799

// instant is an epoch second for JSON; 0, and what no calendar holds, is absent.
func instant(sec int64) *time.Time {
	if sec <= 0 || sec > latest {
		return nil
	}
	t := time.Unix(sec, 0).UTC()
	return &t
}
