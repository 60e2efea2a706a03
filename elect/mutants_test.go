package elect

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var mutantOnly = flag.String("mutants.only", "", "try the mutants whose names contain this")

var mutantStates = flag.String("mutants.states", "15000", "states of its configuration in which a mutant must be caught, before long ways by chance")

// A mutant is a mistake that somebody could make, as an edit of the source. The
// edited source is compiled in the place of the real one, for the test alone.
type mutant struct {
	name     string
	config   string // where it is caught
	file     string
	old, new string
}

var mutants = []mutant{
	{"a time-out is taken for a win", "network, no DNS", "self.go", "	case Uncertain:\n", "	case Uncertain:\n		s.Swapped(now, a, Done, 1)\n		return\n"},
	{"a claim belongs to whoever has its id", "anything twice", "self.go", "r.Claimed && c.Phase != NoClaim && r.ID == c.Record.ID && r.TimerOld == c.Record.TimerOld && attempt(r) == attempt(c.Record)", "r.Claimed && (r.ID == s.ID || c.Record.ID == r.ID)"},
	{"the trust window is counted from the reply", "slow answers", "self.go", "		s.reached(now, sent)\n", "		s.reached(now, sent)\n		s.Claim.From = now.Held\n"},
	{"a claim lapses by the wall clock", "clock steps", "rows.go", "	lapse := v.First + lease + Margin(lease)\n", "	lapse := d.at(unix(r.Until))\n"},
	{"seq counts on from the record alone", "by hand", "decide.go", "	seq := max(d.s.High, d.sec()*1000-1)\n", "	seq := int64(0)\n"},
	{"the next tick is now plus the interval", "head start", "rows.go", "		r.Timer = p.Schedule.Next(r.TimerOld)\n		r.Try = 0\n", "		r.Timer = d.sec() + p.Schedule.Next(r.TimerOld) - p.Schedule.Prev(r.TimerOld)\n		r.Try = 0\n"},
	{"a refusal is taken for another's win", "crashes, refusals", "self.go", "		s.View.Held, s.MustLoad, o.Refused = false, true, true\n", "		*o = Open{}\n		s.View.Record.Timer += 600\n		s.NextLook = now.Elapsed + 10*time.Minute\n"},
	{"a time-out is taken for a loss", "replies lost", "self.go", "		o.Unsure = true\n		s.View.Held = false\n", "		*o = Open{}\n		s.View.Held = false\n"},
	{"a timer in the far future is obeyed", "by hand", "rows.go", "	if bound == 0 || r.Timer <= bound {", "	if true || r.Timer <= bound {"},
	{"a tick claimed in the far future is believed", "by hand", "rows.go", "now.Told && unix(r.TimerOld).After(now.Time.Add(p.Skew))", "false"},
	{"an operator's pause takes the claim", "operator", "operator.go", "	r.Pause, r.Why = -1, why\n", "	r.Pause, r.Why, r.ID = -1, why, \"OPERATOR\"\n"},
	{"a retry swallows the next tick", "retries", "rows.go", "	if attempt(r) > 1 && !p.AtMostOnce {\n		r.Timer = p.Schedule.Next(r.TimerOld)\n", "	if attempt(r) > 1 && !p.AtMostOnce {\n		r.Timer = p.Schedule.Next(d.sec())\n		r.Timer = p.Schedule.Next(r.Timer)\n"},
	{"a run starts without a look at what is left of its window", "network, no DNS", "run.go", "		case !d.room(c.From):\n			return Action{}, false", "		case false:\n			return Action{}, false"},
	{"a claim lapses after half its lease", "no affinity", "rows.go", "	lapse := v.First + lease + Margin(lease)\n", "	lapse := v.First + lease/2\n"},
	{"a renewal does not start the watch again", "calm", "self.go", "First: g.Got}", "First: orElse(v.First, g.Got)}"},
	{"a hand-over closes the tick", "retries", "run.go", "	if try < d.p.Runs() {\n", "	if false {\n"},
	{"a holder renews whatever it finds", "by hand", "run.go", "	case v.State != record.Present || !d.s.mine(r):\n", "	case v.State != record.Present:\n"},
	{"a pause does not hold a takeover back", "pause and crash", "rows.go", "	case d.paused(r):\n", "	case false:\n"},
	{"a pause does not hold a claim back", "operator", "rows.go", "	if d.paused(r) {\n", "	if false {\n"},
	{"catch_up all jumps to the latest tick", "catch_up all", "rows.go", "	if d.p.CatchUp != CatchUpAll || latest <= r.Timer {", "	if true || latest <= r.Timer {"},
	{"an unarbitrated run in a pause", "register away", "other.go", "v.State != record.Present || d.paused(r) {", "v.State != record.Present {"},
	{"an unarbitrated run beside a live claim", "register away", "other.go", "r.Claimed && d.lapsed(r)\n}", "r.Claimed\n}"},
	{"an unarbitrated tick is run again", "register away", "decide.go", "	if here && d.reconciles(r) {", "	if false {"},
	{"a sealed record is overwritten", "by hand", "decide.go", "	case v.State == record.Unopenable:\n", "	case v.State == record.Unopenable:\n		return d.swap(NoRecord, record.Record{ID: s.ID, Timer: 120})\n	case false:\n"},
	{"what does not open counts as damaged", "one has the wrong key", "../record/set.go", "		if errors.Is(err, ErrUnopenable) {\n", "		if false {\n"},
	{"a wrong key overwrites", "one has the wrong key", "../seal/ring.go", "fmt.Errorf(\"%w: it is sealed with the key %s, which is not here\", record.ErrUnopenable, id)", "fmt.Errorf(\"it is sealed with the key %s, which is not here\", id)"},
	{"a record opens under another name", "one has the wrong key", "../seal/ring.go", "f := &form{ring: *r, name: strings.TrimSuffix(strings.ToLower(name), \".\"),", "f := &form{ring: *r, name: strings.ToLower(\"\"),"},
	{"at-most-once starts however late it is", "at-most-once", "other.go", "!s.Stopping && d.windowEnd()-d.now.Elapsed >= p.KillGrace+time.Second", "!s.Stopping"},
	{"at-most-once keeps running into the next tick", "at-most-once, long runs", "run.go", "	case d.now.Elapsed >= d.windowEnd()-p.KillGrace:\n", "	case !p.AtMostOnce && d.now.Elapsed >= d.windowEnd()-p.KillGrace:\n"},
	{"a damaged record stays", "by hand", "decide.go", "			return Action{Verb: Load, Why: RecordDamaged}\n", "			return d.wait(RecordDamaged, never)\n"},
	{"a takeover keeps the number of the attempt", "network", "rows.go", "	n.ID, n.Try, n.Last = d.s.ID, attempt(r)+1, record.Lost", "	n.ID, n.Last = d.s.ID, record.Lost"},
	{"takeovers have no end", "no takeover left", "rows.go", "	case attempt(r) >= p.Runs():\n		return d.swap(ClaimExhausted", "	case false:\n		return d.swap(ClaimExhausted"},
	{"an agent ends with its report unsent", "retries", "decide.go", "(!s.pending() && !d.mayHold() || s.Claim.Phase != InRun && d.now.Elapsed >= d.giveUp())", "s.Claim.Phase != InRun"},
	{"a run that ended well counts as what it was cut for", "retries", "self.go", "	if c.Cut != \"\" && res != record.OK {", "	if c.Cut != \"\" {"},
	{"a lost run counts as a failed one", "slow answers", "run.go", "		final = try >= p.Runs()", "		final = try >= p.Attempts"},
	{"a claim is not renewed", "overlap wait", "run.go", "	third := d.held(c.From + d.p.Lease/3)", "	third := d.held(c.From + 100*d.p.Lease)"},
	{"a run is told to stop when its window is over", "found late", "run.go", "	case d.now.Elapsed >= d.windowEnd()-p.KillGrace:\n", "	case d.now.Elapsed >= d.windowEnd():\n"},
	{"a run has no timeout", "retries", "run.go", "	case p.Timeout > 0 && d.now.Held >= c.Began+p.Timeout:\n", "	case false:\n"},
	{"a back-off reaches beyond the next tick", "retries", "run.go", "		n.Timer = min(n.Timer, t)", "		n.Timer = max(n.Timer, 0)"},
	{"what is handed over waits for the next tick", "retries", "run.go", "n.Try, n.Timer = try+1, d.sec()", "n.Try, n.Timer = try+1, d.p.Schedule.Next(d.sec())"},
	{"an older claim is put over a newer one", "by hand", "run.go", "	case v.State == record.Present && newer(r, c.Record):", "	case false:"},
	{"an old sight of a claim is put back", "seldom", "rows.go", "s.Last.Claimed && d.v.First-s.lastAt <= p.Lease+Margin(p.Lease):", "s.Last.Claimed:"},
	{"catch_up once begins with the oldest tick", "pause and crash", "rows.go", "		return max(r.Timer, latest)\n	}\n	if latest", "		return r.Timer\n	}\n	if latest"},
	{"no look before another's tick is claimed", "head start", "rows.go", "	case !own && d.v.Last < due:\n", "	case false:\n"},
	{"the incumbent waits like everybody else", "head start", "rows.go", "	own := r.ID == d.s.ID && !p.NoAffinity\n", "	own := false\n"},
	{"an older answer of DNS is believed", "DNS is stuck", "self.go", "	if !s.Known || g.Sum == s.View.Sum {", "	if true {"},
	{"a stagger outlasts the deadline", "catch_up none, DNS trails", "rows.go", "			wait = min(wait, deadline-deadline/4)", "			wait = max(wait, 0*deadline)"},
	{"failures do not slow an agent down", "kill_grace", "self.go", "	n := max(s.Fails, s.Stale)\n", "	n := 0\n"},
	{"a tick is run alone though the register has answered since", "register away, crashes", "other.go", " || !s.Reached.Before(unix(k)) {", " {"},
	{"the record is put past a tick that is still to come", "register away, clocks step", "rows.go", " || d.early(k) {", " {"},
	{"a tick is run alone at the first failure", "register away", "other.go", "max(d.at(unix(k)), s.DownSince) + after, true", "max(d.at(unix(k)), s.DownSince), true"},
	{"a tick is run alone by who came after it", "register away, crashes", "other.go", "k <= s.Born.Unix() || ", ""},
	{"an unarbitrated run that failed ends the tick", "register away, crashes", "rows.go", "return !d.s.Loose.Running && d.s.Loose.Result == record.OK", "return !d.s.Loose.Running"},
	{"a run that had nothing to do is tried again", "retries", "run.go", "	case c.Result == record.Failed, c.Result == record.Timeout:\n		final", "	case c.Result == record.Failed, c.Result == record.Timeout, c.Result == record.Skipped:\n		final"},
	{"a run that had nothing to do counts as ok", "retries", "self.go", "	c.Phase, c.Result, c.State, c.HasState = Ended, res,", "	if res == record.Skipped {\n		res = record.OK\n	}\n	c.Phase, c.Result, c.State, c.HasState = Ended, res,"},
	{"overlap skip runs what it should skip", "overlap skip", "run.go", "		if p.Overlap == OverlapSkip {", "		if false {"},
	{"overlap replace lets the run go on", "overlap replace", "run.go", "	if n := d.overlapped(); n != 0 && n <= d.sec() {", "	if false {"},
	{"a pause that has ended stays", "operator", "rows.go", "	if r.Pause > 0 {\n		r.Pause, r.Why = 0, \"\"", "	if false {\n		r.Pause, r.Why = 0, \"\""},
	{"a claim drops the job's state", "calm", "rows.go", "	r.ID, r.Claimed = d.s.ID, true\n", "	r.ID, r.Claimed, r.State = d.s.ID, true, \"\"\n"},
	{"at-most-once takes over", "at-most-once, claim left", "other.go", "	case r.Claimed && d.lapsed(r):\n		return d.repaired", "	case false:\n		return d.repaired"},

	{"a lock that is not there is created at once", "lock, by hand", "lock.go", "	return d.staggered(d.v.First+p.Lease+Margin(p.Lease), d.swap(why, r))", "	return d.staggered(d.v.First+0*p.Lease, d.swap(why, r))"},
	{"a lock is taken over in a pause", "lock, by hand", "lock.go", "	if d.paused(r) {\n", "	if false {\n"},
	{"a lock that is free for long is waited for", "lock", "lock.go", "	due := min(d.v.First, d.at(time.UnixMilli(r.Seq)))", "	due := d.v.First"},
	{"who freed a lock takes it again at once", "lock, network", "lock.go", "		way = d.p.Lease / 3\n", "		way = 0\n"},
	{"who wants a lock takes the record of a job", "lock", "rows.go", "	if p.Lock && !IsLock(r) {\n", "	if false {\n"},
	{"a lock is taken over as an attempt", "lock", "rows.go", "	case p.Lock:\n		return d.seize(r)\n", ""},
	{"what is done under a lock is retried", "lock", "run.go", "	case p.Lock: // nothing of it is retried\n", ""},
	{"a lock that was not used is handed over", "lock, network", "run.go", "		return d.swap(HandOver, idle(r, r.Last)) // nothing was done under it\n", "		r.Try = 0\n"},
	{"a claim of a lock that is long over is put back", "lock, deleted", "decide.go", " && (d.open() || !d.p.Lock) {", " {"},
	{"a hold of a lock that is over is put back", "lock, deleted", "run.go", "	case d.p.Lock && !d.open(): // it may", "	case false: // it may"},
	{"an agent leaves a lock that it may hold", "lock, network", "decide.go", "!s.pending() && !d.mayHold() ||", "!s.pending() ||"},
	{"a lock that was freed by hand is held on to", "lock, by hand", "run.go", "	case v.State == record.Present && newer(r, c.Record):", "	case v.State == record.Present && r.Claimed && newer(r, c.Record):"},
	{"a lock has the ticks of a job", "lock", "rows.go", "	if p.Lock {\n		return d.free(r)\n	}\n", ""},
}

var (
	violated = regexp.MustCompile(`(?m)^(.+): VIOLATED (.+)$`)
	counted  = regexp.MustCompile(`(?m)^(\d+) states in all`)
)

// TestMutants shows that each of the mistakes is caught, and by what.
func TestMutants(t *testing.T) {
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mutants := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return !strings.Contains(m.name, *mutantOnly) })
	rows := make([]string, len(mutants))
	work := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := range work {
				rows[n] = mutants[n].row(t, here, filepath.Join(dir, fmt.Sprint(n)))
			}
		})
	}
	for n := range mutants {
		work <- n
	}
	close(work)
	wg.Wait()
	fmt.Printf("%-58s %-26s %9s  %s\n%s\n", "mutant", "caught in", "states", "by", strings.Join(rows, "\n"))
}

func (m mutant) row(t *testing.T, here, dir string) string {
	out, err := m.run(t, here, dir)
	if err == nil {
		t.Errorf("the mutant %q survived", m.name)
		return fmt.Sprintf("%-58s SURVIVED", m.name)
	}
	v, c := violated.FindStringSubmatch(out), counted.FindStringSubmatch(out)
	if v == nil || c == nil {
		t.Errorf("the mutant %q ended in something else than a violation:\n%s", m.name, out[max(0, len(out)-2000):])
		return m.name
	}
	return fmt.Sprintf("%-58s %-26s %9s  %s", m.name, v[1], c[1], property(v[2]))
}

// run builds and explores the mutant.
func (m mutant) run(t *testing.T, here, dir string) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Errorf("the mutant %q has %d places in %s, want 1", m.name, n, m.file)
	}
	edited := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(edited, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, m.file): edited}})
	if err != nil {
		t.Fatal(err)
	}
	plan, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutant.test")
	if err := os.WriteFile(plan, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "test", "-c", "-overlay", plan, "-o", program, ".").CombinedOutput(); err != nil {
		t.Errorf("the mutant %q does not build: %s", m.name, out)
		return "", err
	}
	out, err := exec.Command(program, "-test.run=^TestExplore$", "-explore.only="+m.config, "-explore.states="+*mutantStates).CombinedOutput()
	return string(out), err
}
