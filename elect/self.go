package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// A Self is everything that one process remembers about one job. Losing it is
// always safe. It holds no pointers, so that copying one is remembering it.
type Self struct {
	ID       string    // ten random capital letters, perhaps behind a prefix
	Born     time.Time // the register's time when this process started
	Stopping bool      // claim nothing more
	StopBy   time.Duration

	View  View
	High  int64         // the highest seq seen, or written without success
	Shown int64         // the highest seq seen
	Last  record.Record // the last record seen or written here
	Known bool          // Last is set

	Claim Claim
	Open  Open
	Loose Loose

	LastLoad    time.Duration // when the latest Load or Swap that was answered was sent
	NextLook    time.Duration // when to look again, come what may
	Fails       int           // Loads and Swaps that failed in a row
	Stale       int           // swaps refused in a row although nothing had changed
	LastFail    time.Duration
	FailedSince time.Duration // the first of the failures; meaningful if Fails > 0
	DownSince   time.Duration // the first of them; meaningful if Away
	Away        bool          // the register cannot be reached; refusing is not away
	Reached     time.Time     // the register's time when it last answered
	asleep      time.Duration // by which Held was ahead of Elapsed then
	MustLoad    bool          // DNS did not do, or a conflict: ask the register

	Wide   uint8         // how often the spread is doubled, after conflicts
	Lag    time.Duration // by which DNS was seen to trail the register
	since  time.Duration // when the register showed what Shown says
	looked time.Duration // when the latest look was sent that showed what was not stale
	asked  bool          // the register did not answer after what DNS told last
	lastAt time.Duration // when Last was last shown
	blind  time.Duration // when a look that told nothing of use was sent

	intent intent
}

// A View is what this process sees at the name.
type View struct {
	Seen   bool // something was seen
	State  record.State
	Record record.Record
	Sum    uint64        // of the raw set: another Sum is another text
	First  time.Duration // on Elapsed, when this very text was first received, and no newer one since
	Last   time.Duration // when the latest look that showed it was sent
	Loaded time.Duration // when the latest Load or Swap that showed it was sent
	Held   bool          // the register itself has shown it: it can be swapped
}

// A Phase is how far a claim of mine has come.
type Phase uint8

// The phases.
const (
	NoClaim Phase = iota
	Ready         // applied, not started
	InRun
	Ended
)

// A Claim is the latest claim that this process knows to have been applied.
type Claim struct {
	Phase    Phase
	Record   record.Record // as last written by this process
	Timer    int64         // as first written
	Fence    int64
	From     time.Duration // Held before the request of the claim or of its last renewal
	Began    time.Duration // Held at the start of the run
	BeganAt  int64         // the register's time then
	Cut      record.Result // ordered to stop as that
	Result   record.Result
	Reported bool
	State    string // what the run wants to leave behind
	HasState bool
}

// Open is a swap whose outcome is not known: at most two texts, against one old.
type Open struct {
	N        uint8
	Texts    [2]Attempt
	OldSum   uint64
	OldState record.State
	Since    time.Duration // Elapsed when the first was sent
	Sent     time.Duration // Elapsed when the latest was sent
	Told     bool          // a Load since then has shown the old text still there
	Unsure   bool          // one of them may yet land; else all were refused
	Refused  bool          // the latest was refused: a conflict
	Vain     uint8         // how often the same text was sent again
}

// An Attempt is one text that was sent.
type Attempt struct {
	Record record.Record
	Why    Reason
	From   time.Duration // Held before its first request was composed
}

// Loose is the latest unarbitrated run.
type Loose struct {
	Tick    int64
	Running bool
	Began   time.Duration
	Cut     bool
	Result  record.Result
}

// An intent is a row that waits out its stagger.
type intent struct {
	why   Reason
	sum   uint64
	since time.Duration
}

// A Sight is one answer of a Load or of DNS.
type Sight struct {
	State     record.State
	Record    record.Record
	Sum       uint64
	FromLoad  bool
	Sent, Got time.Duration // on Elapsed
}

// Took notes that the driver acts on a.
func (s *Self) Took(a Action) { s.intent = a.intent }

// See notes what a Load or DNS showed. It returns false for a DNS answer that
// is older than what was seen before, which is ignored.
func (s *Self) See(now Now, g Sight) bool {
	if g.FromLoad {
		s.reached(now, g.Sent)
	} else if s.stale(g) {
		s.blind = g.Sent
		switch lag := g.Sent - s.since; {
		case g.State != record.Present || g.Record.Seq == s.Shown || lag > lagMost:
			s.MustLoad = true // by hand, a stuck server, or a rollback
		default:
			s.Lag = max(s.Lag, lag)
		}
		return false
	}
	if g.FromLoad {
		s.missed(now, g)
	} else {
		if g.State == record.Present && g.Record.Seq > s.Shown { // news: DNS trails by no more than its age
			s.Lag = min(s.Lag, max(g.Sent-written(now, g), 0))
		}
		s.looked, s.asked = g.Sent, false
		if s.Wide > 0 && news(s.View.Record, g.Record) {
			s.Wide-- // a tick, or a turn of a lock, went by without a conflict
		}
	}
	s.show(g)
	if g.FromLoad {
		s.settle()
	}
	s.forget()
	return true
}

// news tells that r shows a claim, or what came of one, that was does not show.
func news(was, r record.Record) bool {
	return r.TimerOld > was.TimerOld || IsLock(r) && r.Claimed && !(was.Claimed && was.ID == r.ID)
}

// lagMost is how far DNS may trail the register and be waited for.
const lagMost = 20 * time.Second

// missed learns from a Load how far DNS trails: the latest look did not show
// what, by its seq, had been written before.
func (s *Self) missed(now Now, g Sight) {
	if g.State != record.Present || g.Record.Seq <= s.Shown || s.looked == 0 {
		return
	}
	since := written(now, g)
	if due := s.View.Record.Timer; g.Record.TimerOld >= due { // claimed since then, and written again after it
		since = min(since, now.Elapsed-now.Time.Sub(unix(due)))
	}
	if lag := s.looked - since; 0 < lag && lag <= lagMost {
		s.Lag = max(s.Lag, lag)
	}
}

// written is when on Elapsed a record was written, as its seq tells it.
func written(now Now, g Sight) time.Duration {
	return now.Elapsed - now.Time.Sub(time.UnixMilli(g.Record.Seq))
}

// stale tells a DNS answer that must not replace what was seen: an older
// record, or none where there was one. Only a Load shows a rollback.
func (s *Self) stale(g Sight) bool {
	if !s.Known || g.Sum == s.View.Sum {
		return false
	}
	if g.State == record.Present && g.Record.Seq > s.Shown {
		return false
	}
	s.MustLoad = s.MustLoad || s.View.State != record.Present
	return true
}

func (s *Self) show(g Sight) {
	v := &s.View
	if !v.Seen || v.Sum != g.Sum || v.State != g.State || v.Record != g.Record {
		*v = View{Seen: true, State: g.State, Record: g.Record, Sum: g.Sum, First: g.Got}
	}
	v.Last = max(v.Last, g.Sent)
	if g.FromLoad {
		v.Loaded, v.Held = max(v.Loaded, g.Sent), true
	}
	if g.State == record.Present {
		s.Last, s.Known, s.lastAt = g.Record, true, g.Got
		s.saw(g.Record.Seq, g.FromLoad, g.Sent)
	}
}

func (s *Self) saw(seq int64, fromLoad bool, at time.Duration) {
	if seq > s.Shown && fromLoad {
		s.since = at
	}
	s.High, s.Shown = max(s.High, seq), max(s.Shown, seq)
}

// settle closes an open outcome by what the register itself now shows.
func (s *Self) settle() {
	o := &s.Open
	if o.N == 0 {
		return
	}
	for i := range o.N {
		if o.N == 1 && !o.Unsure {
			break // its only copy was refused: a text like it is another's, who has our id
		}
		if s.View.State == record.Present && s.View.Record == o.Texts[i].Record {
			s.applied(o.Texts[i])
			return
		}
	}
	if s.View.Sum == o.OldSum && s.View.State == o.OldState {
		o.Told = true
		if o.Refused || o.Vain > 2 { // nothing changed: our view was stale, or the register's is, or it stores nothing
			s.Stale, s.LastFail, o.Refused = min(s.Stale+1, 16), s.View.Loaded, false
		}
		if !o.Unsure {
			*o = Open{}
		}
		return
	}
	*o, s.Stale = Open{}, 0
	s.Wide = min(s.Wide+1, 4)
}

// applied notes that the register took one of our texts.
func (s *Self) applied(t Attempt) {
	r := t.Record
	s.Last, s.Known, s.lastAt = r, true, s.Open.Sent
	s.Open, s.Stale = Open{}, 0
	s.saw(r.Seq, true, s.View.Loaded)
	c := &s.Claim
	switch t.Why {
	case TickDue, LockFree, ClaimLapsed:
		*c = Claim{Phase: Ready, Record: r, Timer: r.Timer, Fence: r.Seq, From: t.From}
		if s.Wide > 0 {
			s.Wide--
		}
	case Renewal, ClaimGone:
		c.Record, c.From = r, max(c.From, t.From)
	case RunEnded, RunFailed, HandOver:
		c.Reported = true
		if c.Phase == Ready {
			*c = Claim{}
		}
	}
}

// forget drops a claim that is not running and that the record has left behind.
func (s *Self) forget() {
	c := &s.Claim
	if c.Phase == NoClaim || c.Phase == InRun || s.View.State != record.Present || !newer(s.View.Record, c.Record) {
		return
	}
	if c.Phase == Ended {
		c.Reported = true // nothing left to report; if it comes back, it is reported again
		return
	}
	*c = Claim{}
}

func (s *Self) reached(now Now, sent time.Duration) {
	s.Fails, s.Away, s.MustLoad = 0, false, false
	s.LastLoad = max(s.LastLoad, sent)
	s.Reached, s.asleep = now.Time, now.Held-now.Elapsed
}

// Sending notes that the swap of a is about to be composed and sent.
func (s *Self) Sending(p *Policy, now Now, a Action) {
	o := &s.Open
	if !s.open(p, now) {
		*o = Open{OldSum: s.View.Sum, OldState: s.View.State, Since: now.Elapsed}
	}
	o.Sent, o.Told, o.Refused = now.Elapsed, false, false
	if a.Again {
		o.Vain = min(o.Vain+1, 9)
	} else {
		o.Texts[o.N] = Attempt{Record: a.Next, Why: a.Why, From: now.Held}
		o.N++
	}
	s.High = max(s.High, a.Next.Seq)
}

// An Outcome is how a swap ended.
type Outcome uint8

// The outcomes of a swap, and of a Load that failed.
const (
	Done      Outcome = iota
	Conflict          // not applied, or an earlier copy of it was
	Uncertain         // applied or not, now or later
	Refused           // not applied; the register does not serve this agent
	Unreached         // not applied; the register cannot be reached
)

var outcomes = [...]string{"done", "conflict", "uncertain", "refused", "unreached"}

func (o Outcome) String() string { return outcomes[o] }

// Swapped notes how the swap just sent ended. After Done, sum is that of the new set.
func (s *Self) Swapped(now Now, a Action, out Outcome, sum uint64) {
	o := &s.Open
	switch out {
	case Done:
		sent := o.Sent
		for i := range o.N {
			if o.Texts[i].Record == a.Next {
				s.applied(o.Texts[i])
				break
			}
		}
		s.reached(now, sent)
		s.show(Sight{State: record.Present, Record: a.Next, Sum: sum, FromLoad: true, Sent: sent, Got: now.Elapsed})
		s.forget()
	case Conflict:
		s.reached(now, o.Sent)
		s.View.Held, s.MustLoad, o.Refused = false, true, true
	case Uncertain:
		o.Unsure = true
		s.View.Held = false
		s.failed(now, true)
	case Refused, Unreached:
		if !o.Unsure {
			*o = Open{}
		}
		s.failed(now, out == Unreached)
	}
}

// LoadFailed notes a Load that told nothing.
func (s *Self) LoadFailed(now Now, out Outcome) { s.failed(now, out != Refused) }

// LookFailed notes a DNS look that told nothing: the register is asked instead.
func (s *Self) LookFailed(now Now) { s.MustLoad, s.blind, s.asked = true, now.Elapsed, false }

func (s *Self) failed(now Now, away bool) {
	if away && !s.Away {
		s.DownSince = now.Elapsed
	}
	if !away {
		s.Reached = now.Time // it answered, if only to refuse
	}
	if s.Fails == 0 {
		s.FailedSince = now.Elapsed
	}
	s.Away, s.LastFail, s.asked = away, now.Elapsed, true
	s.Fails = min(s.Fails+1, 16)
}

// delay is for how long to leave the register alone after the failures so far:
// half a second, doubled for each, at most a fifth of the lease while a claim
// of mine or an open outcome is at stake, else half a minute; a third of it is
// spread by the id.
func (s *Self) delay(p *Policy, now Now) time.Duration {
	n := max(s.Fails, s.Stale)
	if n == 0 {
		return 0
	}
	most := 30 * time.Second
	if s.pending() || s.open(p, now) && s.Stale < 5 {
		most = p.Lease / 5
	}
	d := min(500*time.Millisecond<<min(n-1, 7), most)
	return d - scatter(s.ID, int64(n), d/3)
}

// scatter is a number in [0, below) that follows from an id and a number alone
// (FNV-1a 64), so that agents that know nothing of each other spread out.
func scatter(id string, n int64, below time.Duration) time.Duration {
	if below <= 0 {
		return 0
	}
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	for range 8 {
		h = (h ^ uint64(n&0xff)) * 1099511628211
		n >>= 8
	}
	return time.Duration(h % uint64(below))
}

// Starting notes that the run of a begins.
func (s *Self) Starting(now Now, a Action) {
	if a.Loose {
		s.Loose = Loose{Tick: a.Tick, Running: true, Began: now.Held}
		return
	}
	s.Claim.Phase, s.Claim.Began, s.Claim.BeganAt = InRun, now.Held, now.Time.Unix()
}

// Cutting notes that the run was ordered to stop.
func (s *Self) Cutting(a Action) {
	if a.Loose {
		s.Loose.Cut = true
		return
	}
	s.Claim.Cut = orElse(a.Result, record.Lost)
}

// RunEnded notes how the job ended, as record.OK, Failed, Timeout or Skipped, and
// what state it leaves. A run that was cut counts as what it was cut for, unless it was ok.
func (s *Self) RunEnded(res record.Result, state string, hasState bool) {
	c := &s.Claim
	if c.Cut != "" && res != record.OK {
		res = c.Cut
	}
	c.Phase, c.Result, c.State, c.HasState = Ended, res, state, hasState
	s.forget()
}

// LooseEnded notes how an unarbitrated run ended.
func (s *Self) LooseEnded(res record.Result) { s.Loose.Running, s.Loose.Result = false, res }

// open tells that an outcome is open and not yet given up.
func (s *Self) open(p *Policy, now Now) bool {
	return s.Open.N > 0 && now.Elapsed < s.Open.Since+p.Lease+Margin(p.Lease)
}

// pending tells that a claim of mine runs, waits to be started or to be
// reported. Under at-most-once, whose claims are idle records, only a run counts.
func (s *Self) pending() bool {
	c := &s.Claim
	return c.Phase == InRun || c.Record.Claimed && (c.Phase == Ready || c.Phase == Ended && !c.Reported)
}

// mine tells whether r is my claim, whatever an operator changed in it since.
func (s *Self) mine(r record.Record) bool {
	c := &s.Claim
	return r.Claimed && c.Phase != NoClaim && r.ID == c.Record.ID && r.TimerOld == c.Record.TimerOld && attempt(r) == attempt(c.Record)
}

func attempt(r record.Record) int { return max(r.Try, 1) }

// stage orders the records of one tick: retry n pending, claim n, retry n+1
// pending, ..., finished.
func stage(r record.Record) int {
	switch {
	case r.Claimed:
		return 2 * attempt(r)
	case attempt(r) > 1:
		return 2*attempt(r) - 1
	}
	return 1 << 30
}

// newer tells whether r comes after the claim c; an equal claim of somebody
// else counts as newer.
func newer(r, c record.Record) bool {
	if r.TimerOld != c.TimerOld {
		return r.TimerOld > c.TimerOld
	}
	if a, b := stage(r), stage(c); a != b {
		return a > b
	}
	return r.ID != c.ID
}
