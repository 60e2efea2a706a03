package register

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Memory holds records in the memory of this process: the exact register to
// test agents with. It compares whole sets of texts, as a DNS server does, so
// that a set which comes back is the same version again.
//
// The zero value is empty and ready. It loses everything with the process, so
// agents of several processes cannot meet in it.
type Memory struct {
	// Now is the register's clock, nil: time.Now. A zero time stands for a
	// register that tells none. It is not to be changed once the register is in
	// use, but the function may answer anything.
	Now func() time.Time

	mu      sync.Mutex
	records map[string][]string // by name; each sorted, without doubles
}

// At returns a register for the record of that name. Any number of them may be
// in use for one name: each is one more client of it.
func (m *Memory) At(name string) Register { return memoryRecord{m, name} }

// Put makes texts the record at name whatever was there, as an operator would.
// No agent can: a Register has no such operation.
func (m *Memory) Put(name string, texts ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(name, texts)
}

// Texts returns the texts at name, sorted.
func (m *Memory) Texts(name string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records[name])
}

func (m *Memory) put(name string, texts []string) {
	if m.records == nil {
		m.records = make(map[string][]string)
	}
	texts = slices.Clone(texts)
	slices.Sort(texts)
	m.records[name] = slices.Compact(texts)
}

func (m *Memory) snapshot(name string) Snapshot {
	now := m.Now
	if now == nil {
		now = time.Now
	}
	texts := slices.Clone(m.records[name])
	return Snapshot{Texts: texts, Tag: memoryTag(texts), Time: now().Truncate(time.Second)}
}

// memoryTag tells sets of texts apart, whatever bytes they hold.
func memoryTag(texts []string) string {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(strconv.Itoa(len(text)))
		b.WriteByte(':')
		b.WriteString(text)
	}
	return b.String()
}

type memoryRecord struct {
	store *Memory
	name  string
}

func (r memoryRecord) Load(ctx context.Context) (Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return Snapshot{}, fmt.Errorf("memory: load %s: %w", r.name, err)
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	return r.store.snapshot(r.name), nil
}

func (r memoryRecord) Swap(ctx context.Context, old Snapshot, texts []string) (Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return Snapshot{}, fmt.Errorf("memory: swap %s: %w", r.name, err)
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	held := r.store.records[r.name]
	same := old.Tag == memoryTag(held)
	if len(old.Texts) == 0 { // an old without texts creates, whoever made it
		same = len(held) == 0
	}
	if !same {
		return Snapshot{}, fmt.Errorf("memory: swap %s: %w", r.name, ErrConflict)
	}
	r.store.put(r.name, texts)
	return r.store.snapshot(r.name), nil
}
