package monitor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A file keeps what a history knows. It is written a few seconds late, in one
// transaction for all records: what a crash loses is as little as what nobody
// looked at for that long.
type file struct {
	db   *bbolt.DB
	quit chan struct{}
	done chan error

	// of the history, under its lock
	runs   map[string]map[uint64]Run
	events map[string][]Event
	kept   map[string]kept
	err    error // of the latest write; nil: it was written
}

// kept is what is known of a record beside runs and events.
type kept struct {
	Spans []Span `json:"spans"`
}

var (
	runsBucket   = []byte("runs")   // of each record: its number to a run
	eventsBucket = []byte("events") // of each record: its ID to an event
	spansBucket  = []byte("spans")  // of each record
	form         = []byte("form")
)

const (
	fileForm   = "solotick history 1"
	writeEvery = 3 * time.Second
)

// ErrInUse says that another process has the file of a history open.
var ErrInUse = errors.New("another process has it open")

// ErrNoHistory says that a file is something else.
var ErrNoHistory = errors.New("is no history")

// opening is why a file cannot be opened, in words of this package where it has some.
func opening(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return fmt.Errorf("%w (%w)", ErrNoHistory, err)
	}
	return err
}

func knownForm(was []byte) error {
	if string(was) != fileForm {
		return fmt.Errorf("is of the form %q, and this version knows %q: use another file", was, fileForm)
	}
	return nil
}

// OpenHistory returns a history that is kept in a file, which is made if it is not
// there. No two processes can have it open.
func OpenHistory(path string, l Limits) (*History, error) {
	if err := sound(path); err != nil {
		return nil, fmt.Errorf("monitor: history %s: %w", path, err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true})
	if err != nil {
		return nil, fmt.Errorf("monitor: history %s: %w", path, opening(err))
	}
	h := NewHistory(l)
	h.file = &file{db: db, quit: make(chan struct{}), done: make(chan error, 1)}
	h.file.empty()
	if err := db.Update(h.prepare); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("monitor: history %s: %w", path, err)
	}
	go func() { h.file.done <- h.keep() }()
	return h, nil
}

// prepare makes what is missing in a file, and finds where numbers go on.
func (h *History) prepare(tx *bbolt.Tx) error {
	if tx.Bucket(form) == nil {
		// The database of another program is left as it is.
		if name, _ := tx.Cursor().First(); name != nil {
			return ErrNoHistory
		}
	}
	b, err := tx.CreateBucketIfNotExists(form)
	if err != nil {
		return err
	}
	if was := b.Get(form); was != nil {
		if err := knownForm(was); err != nil {
			return err
		}
	} else if err := b.Put(form, []byte(fileForm)); err != nil {
		return err
	}
	for _, name := range [][]byte{runsBucket, eventsBucket, spansBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	h.runID = lastNumber(tx.Bucket(runsBucket))
	h.eventID = lastNumber(tx.Bucket(eventsBucket))
	h.events = h.newest(tx)
	return nil
}

// lastNumber is the greatest number below a bucket of buckets.
func lastNumber(b *bbolt.Bucket) uint64 {
	var n uint64
	_ = b.ForEachBucket(func(k []byte) error {
		if key, _ := b.Bucket(k).Cursor().Last(); len(key) == 8 {
			n = max(n, binary.BigEndian.Uint64(key))
		}
		return nil
	})
	return n
}

// newest are the latest events of all records.
func (h *History) newest(tx *bbolt.Tx) []Event {
	var all []Event
	b := tx.Bucket(eventsBucket)
	_ = b.ForEachBucket(func(k []byte) error {
		all = append(all, readLast[Event](b.Bucket(k), 50)...)
		return nil
	})
	slices.SortFunc(all, func(a, b Event) int { return int(int64(a.ID) - int64(b.ID)) })
	return keepLast(all, newestEvents)
}

// readLast reads the last n values of a bucket. What cannot be read is left out.
func readLast[T any](b *bbolt.Bucket, n int) []T {
	var all []T
	c := b.Cursor()
	for k, v := c.Last(); k != nil && len(all) < n; k, v = c.Prev() {
		var one T
		if json.Unmarshal(v, &one) == nil {
			all = append(all, one)
		}
	}
	slices.Reverse(all)
	return all
}

// load fills a track with what the file has of its record. Who ran when the file
// was left is over: its end was not seen.
// Of what agents have told no more than text bytes are taken.
func (f *file) load(name string, t *track, text int) {
	_ = f.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(runsBucket).Bucket([]byte(name)); b != nil {
			c := b.Cursor()
			for k, v := c.First(); k != nil; k, v = c.Next() {
				var r Run
				if len(k) == 8 && json.Unmarshal(v, &r) == nil {
					r.n, r.counted = binary.BigEndian.Uint64(k), true
					if t.left = 0; !r.Over {
						r.Over, t.left = true, r.n
					}
					t.runs = append(t.runs, r)
					t.told(r.Detail, text)
				}
			}
		}
		if b := tx.Bucket(eventsBucket).Bucket([]byte(name)); b != nil {
			t.events = readLast[Event](b, mostEvents)
		}
		if v := tx.Bucket(spansBucket).Get([]byte(name)); v != nil {
			var k kept
			if json.Unmarshal(v, &k) == nil {
				t.spans = k.Spans
			}
		}
		return nil
	})
}

// note has what is new of a record written with the next transaction. The caller
// holds the history's lock.
func (f *file) note(t *track, events []Event) {
	name := t.target.Name
	for _, n := range t.dirty {
		for _, r := range slices.Backward(t.runs) {
			if r.n == n {
				if f.runs[name] == nil {
					f.runs[name] = map[uint64]Run{}
				}
				f.runs[name][n] = r
				break
			}
		}
	}
	if len(events) > 0 {
		f.events[name] = append(f.events[name], events...)
	}
	f.kept[name] = kept{Spans: t.spans}
}

func (f *file) empty() {
	f.runs, f.events, f.kept = map[string]map[uint64]Run{}, map[string][]Event{}, map[string]kept{}
}

// keep writes until the history is closed.
func (h *History) keep() error {
	for {
		select {
		case <-time.After(writeEvery):
			_ = h.write() // the next one tries again
		case <-h.file.quit:
			return h.write()
		}
	}
}

// write writes what is new, and drops what is too much. What could not be written
// stays noted.
func (h *History) write() error {
	h.mu.Lock()
	f := h.file
	runs, events, spans := f.runs, f.events, f.kept
	mostR, mostE := h.share(h.limits.Runs, leastRuns, mostRuns), h.share(h.limits.Events, leastEvents, mostEvents)
	for name, k := range spans {
		k.Spans = slices.Clone(k.Spans)
		spans[name] = k
	}
	f.empty()
	h.mu.Unlock()
	if len(spans) == 0 {
		return nil
	}
	err := f.db.Update(func(tx *bbolt.Tx) error {
		for name, list := range runs {
			if err := putAll(tx.Bucket(runsBucket), name, mostR, func(put func(uint64, any)) {
				for n, r := range list {
					put(n, r)
				}
			}); err != nil {
				return err
			}
		}
		for name, list := range events {
			if err := putAll(tx.Bucket(eventsBucket), name, mostE, func(put func(uint64, any)) {
				for _, e := range list {
					put(e.ID, e)
				}
			}); err != nil {
				return err
			}
		}
		for name, k := range spans {
			text, err := json.Marshal(k)
			if err == nil {
				err = tx.Bucket(spansBucket).Put([]byte(name), text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.err = err; err == nil {
		return nil
	}
	for name, list := range runs {
		for n, r := range list {
			if _, ok := f.runs[name][n]; !ok {
				if f.runs[name] == nil {
					f.runs[name] = map[uint64]Run{}
				}
				f.runs[name][n] = r
			}
		}
		onlyNewest(f.runs[name], mostR)
	}
	for name, list := range events {
		f.events[name] = keepLast(append(list, f.events[name]...), mostE)
	}
	return fmt.Errorf("monitor: history: %w", err)
}

// onlyNewest drops the lowest numbers beyond most: what waits for a disk that is full
// does not fill the memory.
func onlyNewest(runs map[uint64]Run, most int) {
	if len(runs) <= most {
		return
	}
	for _, n := range slices.Sorted(maps.Keys(runs))[:len(runs)-most] {
		delete(runs, n)
	}
}

// Trouble is why what is new could not be written to the file of a history; nil: it
// could, or there is no file. It is tried again every few seconds.
func (h *History) Trouble() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return nil
	}
	return h.file.err
}

// putAll puts numbered values into the bucket of a record and drops the lowest
// numbers beyond most.
func putAll(all *bbolt.Bucket, name string, most int, each func(put func(uint64, any))) error {
	b, err := all.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return err
	}
	each(func(n uint64, v any) {
		text, e := json.Marshal(v)
		if e == nil {
			e = b.Put(binary.BigEndian.AppendUint64(nil, n), text)
		}
		err = errors.Join(err, e)
	})
	c := b.Cursor()
	for more := b.Stats().KeyN - most; more > most/4 && err == nil; more-- {
		k, _ := c.First()
		if k == nil {
			break
		}
		err = c.Delete()
	}
	return err
}

// Close writes what is not written yet and closes the file. A history in memory
// has nothing to close.
func (h *History) Close() error {
	if h.file == nil {
		return nil
	}
	close(h.file.quit)
	return errors.Join(<-h.file.done, h.file.db.Close())
}
