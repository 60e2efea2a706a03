package journal

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/solotick/solotick/elect"
)

// How much of a journal is kept in memory.
const (
	allJobs  = 16 << 20 // bytes of all jobs together, as long as each may have leastJob
	mostJob  = 64 << 10 // bytes of one job
	leastJob = 4 << 10
)

// A Book keeps the latest entries of each job in memory, or hands them on, or both.
// It is safe for concurrent use.
type Book struct {
	keep             bool
	file             *File // nil: none
	all, most, least int   // bytes, as the constants

	mu   sync.Mutex
	jobs map[string]*page
}

// A page is what a book has of one job.
type page struct {
	lines [][]byte // entries as JSON, the oldest first
	bytes int
	last  *Entry // the latest, which may happen again; nil: none
}

// NewBook makes a book. keep has it keep entries for [Book.Entries]; file, if there is
// one, gets all of them.
func NewBook(keep bool, file *File) *Book {
	return &Book{keep: keep, file: file, all: allJobs, most: mostJob, least: leastJob, jobs: make(map[string]*page)}
}

// Add takes an entry, and never blocks.
func (b *Book) Add(e Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.jobs[e.Job]
	if p == nil {
		p = new(page)
		b.jobs[e.Job] = p
	}
	if p.last != nil && same(p.last, &e) {
		p.last.Again++
		p.last.Last = e.Time
		return
	}
	if b.file != nil && p.last != nil && p.last.Again > 0 {
		b.file.write(p.last) // once more, with the number
	}
	if b.keep && p.last != nil {
		b.put(p, p.last)
	}
	p.last = &e
	if b.file != nil {
		b.file.write(p.last)
	}
}

// put adds an entry that will not happen again, and drops the oldest where there is
// no room.
func (b *Book) put(p *page, e *Entry) {
	line, err := json.Marshal(e)
	if err != nil {
		return // an entry can always be written
	}
	room := min(max(b.all/len(b.jobs), b.least), b.most)
	p.lines, p.bytes = append(p.lines, line), p.bytes+len(line)
	n := 0
	for p.bytes > room && n < len(p.lines) {
		p.bytes -= len(p.lines[n])
		n++
	}
	if n > 0 {
		p.lines = slices.Delete(p.lines, 0, n)
	}
}

// Forget drops a job.
func (b *Book) Forget(job string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.jobs[job]; p != nil && b.file != nil && p.last != nil && p.last.Again > 0 {
		b.file.write(p.last)
	}
	delete(b.jobs, job)
}

// Jobs are the names of the jobs that the book has, in order.
func (b *Book) Jobs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for name := range b.jobs {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Entries are those of a job that the book has, the oldest first: job is its name or
// that of its record.
func (b *Book) Entries(job string) []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, p := range b.jobs {
		if name != job && (p.last == nil || p.last.Name != job) {
			continue
		}
		all := make([]Entry, 0, len(p.lines)+1)
		for _, line := range p.lines {
			var e Entry
			if json.Unmarshal(line, &e) == nil {
				all = append(all, e)
			}
		}
		if p.last != nil {
			all = append(all, *p.last)
		}
		return all
	}
	return nil
}

// Around are the entries that have to do with a tick: what was seen last before it,
// since it was first seen so, and all until the tick was over. Those of each agent are
// judged by themselves.
func Around(all []Entry, tick time.Time) []Entry {
	var out []Entry
	for _, one := range byAgent(all) {
		out = append(out, around(one, tick)...)
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	return out
}

// byAgent are the entries of each agent, in the order of time. Agents are in the order
// of their first entries.
func byAgent(all []Entry) [][]Entry {
	at := make(map[string]int)
	var out [][]Entry
	for _, e := range all {
		i, known := at[e.Agent]
		if !known {
			i = len(out)
			at[e.Agent] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], e)
	}
	for _, one := range out {
		slices.SortStableFunc(one, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	}
	return out
}

// mostAround bounds what is told of one tick and one agent.
const mostAround = 300

// around is Around for the entries of one agent.
func around(all []Entry, tick time.Time) []Entry {
	t := tick.Unix()
	from := 0
	for i := range all {
		if all[i].Time.After(tick) {
			break
		}
		if all[i].Seen != nil {
			from = i
		}
	}
	for i, now := from, all[from].Seen; now != nil && i >= 0; i-- { // what it decided then still holds
		if s := all[i].Seen; s != nil && *s != *now {
			break
		} else if s != nil {
			from = i
		}
	}
	to := len(all)
	for i := from; i < len(all); i++ {
		e := &all[i]
		if s := e.Seen; e.end().Before(tick) || s == nil || e.Did == Swap && e.Outcome != elect.Done.String() {
			continue
		} else if s.TimerOld > t || s.TimerOld == t && s.done() {
			to = i + 1
			break
		}
	}
	return all[max(from, to-mostAround):to]
}
