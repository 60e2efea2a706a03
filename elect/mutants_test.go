package elect

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var mutantStates = flag.String("mutants.states", "120000", "states of each configuration in which a mutant must be caught")

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
	{"at-most-once starts however late it is", "at-most-once", "other.go", "!s.Stopping && d.windowEnd()-d.now.Elapsed >= p.KillGrace+time.Second", "!s.Stopping"},
	{"at-most-once keeps running into the next tick", "at-most-once, long runs", "run.go", "	case d.now.Elapsed >= d.windowEnd()-p.KillGrace:\n", "	case !p.AtMostOnce && d.now.Elapsed >= d.windowEnd()-p.KillGrace:\n"},
	{"a damaged record stays", "by hand", "decide.go", "			return Action{Verb: Load, Why: RecordDamaged}\n", "			return d.wait(RecordDamaged, never)\n"},
}

var (
	violated = regexp.MustCompile(`(?m)^(.+): VIOLATED (.+?): `)
	counted  = regexp.MustCompile(`(?m)^(\d+) states in all`)
)

// TestMutants shows that each of the mistakes is caught, and by what.
func TestMutants(t *testing.T) {
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
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
	return fmt.Sprintf("%-58s %-26s %9s  %s", m.name, v[1], c[1], v[2])
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
	edited := filepath.Join(dir, m.file)
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
