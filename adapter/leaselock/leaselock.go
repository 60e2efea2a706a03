package leaselock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
)

// A Config says what a lock is over. Register and Identity are required.
type Config struct {
	Register register.Register // holds the record
	Name     string            // of the record, for messages
	Form     record.Form       // how the record is written and read: sealed or signed (package seal). nil: plain
	// Identity is what this candidate is called, and nobody else: a host name and
	// something random, 128 bytes at most. It is in the record, for everybody to see.
	Identity string
	// Lease is client-go's LeaseDuration. It bounds how long a record that is not
	// there is waited for. Zero: 15 s.
	Lease time.Duration
	// OnEvent is told what client-go makes an event of: that this candidate became
	// leader, or stopped leading. nil: nobody is.
	OnEvent func(message string)
}

// A Lock is a resourcelock.Interface over a record. It is for one elector.
type Lock struct {
	Config
	id string // what the record has for an agent's id

	mu     sync.Mutex
	known  bool              // the record was read
	snap   register.Snapshot // what the register last showed: what a write is against
	set    record.Set        // the same, understood
	high   int64             // the highest seq seen or sent
	mine   *claim            // what this candidate wrote last, if it leads by that
	mineAt time.Time         // before that was sent
	fence  int64             // of mine
}

var _ resourcelock.Interface = (*Lock)(nil)

var errSealed = errors.New("the record is sealed, and there is no key here that opens it")

// member is the record's member that is client-go's.
const member = "elector"

// A claim is what client-go wants to know beyond what a record says anyway.
type claim struct {
	ID          string `json:"id"` // the record's, when this was written
	Holder      string `json:"holder"`
	Acquired    int64  `json:"acquired"` // epoch second
	Renewed     int64  `json:"renewed"`  // the same
	Transitions int    `json:"transitions"`

	seconds int // the claim's length
}

func (c claim) record() resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{
		HolderIdentity: c.Holder, LeaseDurationSeconds: c.seconds, LeaderTransitions: c.Transitions,
		AcquireTime: metav1.Unix(c.Acquired, 0), RenewTime: metav1.Unix(c.Renewed, 0),
	}
}

// New returns a lock.
func New(c Config) (*Lock, error) {
	switch {
	case c.Register == nil:
		return nil, errors.New("leaselock: no register")
	case c.Identity == "" || len(c.Identity) > 128:
		return nil, errors.New("leaselock: want an identity of 1 to 128 bytes")
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	id, err := solotick.NewID("")
	if err != nil {
		return nil, fmt.Errorf("leaselock: %w", err)
	}
	return &Lock{Config: c, id: id}, nil
}

// Fence is a number greater than that of every leader before, while this candidate
// leads; 0 when it does not. A system that rejects a smaller one than it has seen is
// safe from a leader that does not know yet that it is none any more. Take it once, when
// leading begins.
func (l *Lock) Fence() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fence
}

// Identity is what this candidate is called.
func (l *Lock) Identity() string { return l.Config.Identity }

// Describe is the record's name, for messages.
func (l *Lock) Describe() string { return l.Name }

// RecordEvent passes on to OnEvent.
func (l *Lock) RecordEvent(message string) {
	if l.OnEvent != nil {
		l.OnEvent(message)
	}
}

// Get reads the record from the register. It fails with solotick.ErrOfJob if the record
// is a job's. One that is not there, damaged or paused is told as held by nobody that
// could be named, so that it is left alone for a lease, or until the pause ends.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	s, err := l.Register.Load(ctx)
	if err != nil {
		return nil, nil, l.wrap("read", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take(s)
	c, err := l.claim()
	if err != nil {
		return nil, nil, l.wrap("read", err)
	}
	ler := c.record()
	raw, err := json.Marshal(ler)
	if err != nil {
		return nil, nil, l.wrap("read", err)
	}
	return &ler, fmt.Appendf(raw, " %d", l.set.Record.Seq), nil
}

// take takes in what the register showed.
func (l *Lock) take(s register.Snapshot) {
	var now int64
	if !s.Time.IsZero() {
		now = s.Time.Unix()
	}
	l.known, l.snap, l.set = true, s, record.ReadAs(l.Form, s.Texts, now)
	l.high = max(l.high, l.set.Record.Seq)
}

// now is the register's time, or else this machine's.
func (l *Lock) now() time.Time {
	if l.snap.Time.IsZero() {
		return time.Now()
	}
	return l.snap.Time
}

// claim is what the record says in client-go's words.
func (l *Lock) claim() (claim, error) {
	seconds := int(l.Lease / time.Second)
	r := l.set.Record
	switch l.set.State {
	case record.Present:
	case record.Unopenable:
		return claim{}, errSealed
	default:
		if l.mine != nil && time.Since(l.mineAt) < l.Lease { // it was removed: it is to be put back
			return *l.mine, nil
		}
		l.lose()
		return claim{Holder: "(the record is not there)", seconds: seconds}, nil
	}
	c := claimOf(r, seconds)
	if l.mine != nil && (c.ID != l.id || c.Holder != l.mine.Holder) {
		l.lose()
	}
	switch {
	case !elect.IsLock(r):
		return claim{}, solotick.ErrOfJob
	case c.Holder == "" && (r.Pause < 0 || r.Pause > l.now().Unix()):
		// Another one with each look, so that it never lapses.
		c.Holder, c.seconds, c.Renewed = "(paused by an operator)", seconds, time.Now().UnixNano()
	}
	return c, nil
}

func (l *Lock) lose() { l.mine, l.fence = nil, 0 }

func claimOf(r record.Record, seconds int) claim {
	var extra map[string]json.RawMessage
	var c claim
	if json.Unmarshal([]byte("{"+r.Extra+"}"), &extra) != nil || json.Unmarshal(extra[member], &c) != nil {
		c = claim{} // no elector wrote it
	}
	switch {
	case !r.Claimed:
		c.ID, c.Holder = "", ""
	case c.Holder == "" || c.ID != r.ID: // taken by an agent
		c.ID, c.Holder = r.ID, r.ID
	}
	c.seconds = int(r.LeaseOr(time.Duration(seconds)*time.Second) / time.Second)
	return c
}

// Create is Update: the record of a lock need not be there.
func (l *Lock) Create(ctx context.Context, ler resourcelock.LeaderElectionRecord) error {
	return l.Update(ctx, ler)
}

// Update replaces what was last read or written by what is said here, unless somebody else
// was faster. After an error only a Get tells what the record is.
func (l *Lock) Update(ctx context.Context, ler resourcelock.LeaderElectionRecord) error {
	l.mu.Lock()
	old, c, r, err := l.next(ler)
	texts := l.set.With(r)
	l.mu.Unlock()
	if err != nil {
		return l.wrap("write", err)
	}
	sent := time.Now()
	s, err := l.Register.Swap(ctx, old, texts)
	if err != nil {
		return l.wrap("write", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take(s)
	switch {
	case c.Holder != l.Config.Identity:
		l.lose()
	case l.mine == nil:
		l.fence = r.Seq
		fallthrough
	default:
		l.mine, l.mineAt = &c, sent
	}
	return nil
}

// next is what is to be written.
func (l *Lock) next(ler resourcelock.LeaderElectionRecord) (old register.Snapshot, c claim, r record.Record, err error) {
	c = claim{
		ID: l.id, Holder: ler.HolderIdentity, Acquired: ler.AcquireTime.Unix(), Renewed: ler.RenewTime.Unix(),
		Transitions: ler.LeaderTransitions, seconds: ler.LeaseDurationSeconds,
	}
	switch {
	case !l.known:
		return old, c, r, errors.New("the record was not read yet")
	case c.seconds < 1 || c.seconds > 900:
		return old, c, r, fmt.Errorf("a lease of %d s: want 1 s to 15 min", c.seconds)
	}
	switch l.set.State {
	case record.Present:
		r = l.set.Record
	case record.Unopenable:
		return old, c, r, errSealed
	}
	if !elect.IsLock(r) {
		return old, c, r, solotick.ErrOfJob
	}
	now := l.now()
	if r.Claimed && r.ID != l.id {
		r.Last = record.Lost
	}
	r.Seq = max(r.Seq, l.high)
	r = elect.Stamp(r, now)
	l.high = r.Seq
	r.ID, r.Claimed, r.Try = l.id, c.Holder != "", 0
	r.Lease, r.Until = int64(c.seconds), now.Unix()+int64(c.seconds)
	if !r.Claimed {
		r.Lease, r.Until, r.Last = 0, 0, record.OK
	}
	if r.Pause > 0 && r.Pause <= now.Unix() {
		r.Pause, r.Why = 0, ""
	}
	if r.Extra, err = with(r.Extra, c); err == nil {
		err = r.Check() // a record that is too long would be none to the others, who would not see it renewed
	}
	return l.snap, c, r, err
}

// with is the unknown members of a record with the claim in the place of an earlier one.
func with(extra string, c claim) (string, error) {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte("{"+extra+"}"), &all); err != nil {
		return "", err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	all[member] = text
	whole, err := json.Marshal(all)
	return strings.TrimSuffix(strings.TrimPrefix(string(whole), "{"), "}"), err
}

func (l *Lock) wrap(what string, err error) error {
	return fmt.Errorf("leaselock: %s %s: %w", what, l.Name, err)
}
