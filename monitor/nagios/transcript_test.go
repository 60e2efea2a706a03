package nagios_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/nagios"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/seal"
)

// TestTranscripts is what the plugin says of records and servers, word for word.
// After a wanted change, go test ./monitor/nagios -run Transcripts -rewrite, and
// read the diff.
//
//	record NAME [job=NAME] [every=60s] [keys=seal+verify]   begins a record; the first after a check forgets those before
//	server ADDR [cache] [ttl=60] [age=0] [error=TEXT] [by=seal+sign]   one that shows the texts below, as who has these keys writes them
//	check                                at a time of 2022-01-11, with the flags of the command
func TestTranscripts(t *testing.T) {
	var seen []*monitor.Sight
	checked := false
	datadriven.RunTest(t, "testdata/transcripts.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "record":
			if checked {
				seen, checked = nil, false
			}
			seen = append(seen, &monitor.Sight{Target: target(t, d), Best: -1, Err: errors.New("no server")})
		case "server":
			s := seen[len(seen)-1]
			a := answer(t, d)
			if ring := ringOf(t, d, "by"); ring != nil {
				for i := range a.Texts {
					a.Texts[i] = ring.Form(s.Target.Name).Close(a.Texts[i])
				}
			}
			s.Answers = append(s.Answers, a)
			choose(s)
		case "check":
			checked = true
			return check(t, d, seen)
		default:
			d.Fatalf(t, "unknown command")
		}
		return ""
	})
}

func target(t *testing.T, d *datadriven.TestData) monitor.Target {
	one := monitor.Target{Name: d.CmdArgs[0].Key, Ring: ringOf(t, d, "keys")}
	d.MaybeScanArgs(t, "job", &one.Job)
	var every string
	if d.MaybeScanArgs(t, "every", &every) {
		length, err := time.ParseDuration(every)
		if err != nil {
			t.Fatal(err)
		}
		if one.Policy.Schedule, err = schedule.Every(length, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	return one
}

// ringOf is the keys that an argument names; nil: none.
func ringOf(t *testing.T, d *datadriven.TestData, arg string) *seal.Ring {
	var names string
	if !d.MaybeScanArgs(t, arg, &names) {
		return nil
	}
	sign := seal.NewSigningKey([32]byte{2})
	ring := new(seal.Ring)
	for name := range strings.SplitSeq(names, "+") {
		switch name {
		case "seal":
			ring.Seal = append(ring.Seal, seal.NewKey([32]byte{1}))
		case "sign":
			ring.Sign = sign
		case "verify":
			ring.Verify = append(ring.Verify, sign.Public())
		case "forger":
			ring.Sign = seal.NewSigningKey([32]byte{3})
		default:
			d.Fatalf(t, "unknown key %s", name)
		}
	}
	return ring
}

func answer(t *testing.T, d *datadriven.TestData) lookup.Answer {
	addr := d.CmdArgs[0].Key
	a := lookup.Answer{Server: lookup.Server{Name: addr, Addr: addr}, Status: lookup.NoName, Authoritative: !d.HasArg("cache"), Latency: 3 * time.Millisecond}
	ttl, age, cause := 60, 0, ""
	d.MaybeScanArgs(t, "ttl", &ttl)
	d.MaybeScanArgs(t, "age", &age)
	if d.MaybeScanArgs(t, "error", &cause) {
		return lookup.Answer{Server: a.Server, Err: errors.New("lookup: " + strings.ReplaceAll(cause, "_", " "))}
	}
	if d.Input != "" {
		a.Texts, a.Status = strings.Split(d.Input, "\n"), lookup.Found
	}
	a.TTL, a.Age = time.Duration(ttl)*time.Second, time.Duration(age)*time.Second
	return a
}

// choose finds the newest record that was shown.
func choose(s *monitor.Sight) {
	s.Best, s.Err = -1, nil
	var failed []error
	for i, a := range s.Answers {
		if a.Err != nil {
			failed = append(failed, a.Err)
			continue
		}
		set := record.Read(a.Texts, midnight+86400)
		if s.Target.Ring != nil {
			set = record.ReadAs(s.Target.Ring.Form(s.Target.Name), a.Texts, midnight+86400)
		}
		if s.Best < 0 || set.State == record.Present && set.Record.Seq > s.Set.Record.Seq {
			s.Best, s.Set = i, set
		}
	}
	if s.Best < 0 {
		s.Err = errors.Join(failed...)
	}
}

// midnight is the begin of 2022-01-11, the day of the records in docs/protocol.md.
const midnight = 1641859200

func check(t *testing.T, d *datadriven.TestData, seen []*monitor.Sight) string {
	args := strings.Fields(d.Input)
	if len(args) == 0 {
		d.Fatalf(t, "want a time of day")
	}
	clock, err := time.Parse("15:04:05", args[0])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(midnight, 0).Add(clock.Sub(clock.Truncate(24 * time.Hour)))
	var l nagios.Limits
	var full time.Duration
	verbose := 0
	for args = args[1:]; len(args) > 0; args = args[2:] {
		var err error
		switch flag, value := args[0], args[1]; flag {
		case "-v":
			verbose, err = strconv.Atoi(value)
		case "-w":
			l.Late.Warn, err = nagios.ParseRange(value)
		case "-c":
			l.Late.Crit, err = nagios.ParseRange(value)
		case "--since-last":
			l.SinceLast, err = nagios.ParseThresholds(value)
		case "--overdue":
			l.Overdue, err = nagios.ParseThresholds(value)
		case "--behind":
			l.Behind, err = nagios.ParseThresholds(value)
		case "--paused":
			l.Paused = nagios.State(value)
		case "--ttl":
			full, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("unknown flag %s", flag)
		}
		if err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
	}
	var results []nagios.Result
	for _, s := range seen {
		s.Time = now
		item := monitor.Judge(*s, now)
		old := item.Old(now, full)
		at := now.Add(-old)
		results = append(results, l.Judge(monitor.Judge(*s, at), at, old))
	}
	text, state := nagios.Report(results, verbose)
	wantForm(t, d.Pos, text, state)
	return text + "exit code " + strconv.Itoa(state.Code()) + "\n"
}

// TestEveryCondition has every condition of elect.Health be what its level says.
func TestEveryCondition(t *testing.T) {
	for c, want := range map[elect.Condition]nagios.State{
		elect.HealthOnTime: nagios.OK, elect.HealthRunning: nagios.OK, elect.HealthHeld: nagios.OK, elect.HealthFree: nagios.OK,
		elect.HealthLate: nagios.Warning, elect.HealthRetrying: nagios.Warning, elect.HealthPaused: nagios.Warning,
		elect.HealthMissed: nagios.Critical, elect.HealthFailing: nagios.Critical, elect.HealthDamaged: nagios.Critical,
		elect.HealthAbsent: nagios.Unknown, elect.HealthSealed: nagios.Unknown,
	} {
		for _, overdue := range []int{0, 2} {
			r := nagios.Limits{}.Judge(monitor.Item{Name: "a.t.test", State: c, Text: "text", Overdue: overdue}, time.Unix(midnight, 0), 0)
			if r.State != want {
				t.Errorf("%s, %d overdue: %s, want %s", c, overdue, r.State, want)
			}
		}
	}
}
