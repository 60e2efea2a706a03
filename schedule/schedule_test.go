package schedule_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/solotick/solotick/schedule"
)

// location is schedule.Location, for zones that must be there.
func location(t rapid.TB, name string) *time.Location {
	t.Helper()
	loc, err := schedule.Location(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// parse makes a schedule of the text of testdata/next.txt.
func parse(t rapid.TB, text string, loc *time.Location) schedule.Schedule {
	t.Helper()
	var s schedule.Schedule
	var err error
	if words := strings.Fields(text); words[0] == "every" {
		interval, err1 := time.ParseDuration(words[1])
		offset, err2 := time.ParseDuration(words[2])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		s, err = schedule.Every(interval, offset)
	} else {
		s, err = schedule.Cron(text, loc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unix(t rapid.TB, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.Unix()
}

func TestTable(t *testing.T) {
	data, err := os.ReadFile("testdata/next.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		column := strings.Split(line, "|")
		if len(column) != 4 {
			t.Fatalf("not four columns: %s", line)
		}
		cases++
		loc := location(t, strings.TrimSpace(column[1]))
		s := parse(t, strings.TrimSpace(column[0]), loc)
		from := unix(t, strings.TrimSpace(column[2]))
		if before := s.Prev(from); before > from || s.Next(before) != s.Next(from) {
			t.Errorf("%v: Prev(%s) = %s, not the one before Next", s, column[2], time.Unix(before, 0).In(loc))
		}
		for _, text := range strings.Fields(column[3]) {
			want := unix(t, text)
			show := func(tick int64) string { return time.Unix(tick, 0).In(loc).Format(time.RFC3339) }
			if got := s.Next(from); got != want {
				t.Errorf("%v: Next(%s) = %s, want %s", s, show(from), show(got), text)
			}
			for _, at := range []int64{want, s.Next(want) - 1} {
				if got := s.Prev(at); got != want {
					t.Errorf("%v: Prev(%s) = %s, want %s", s, show(at), show(got), text)
				}
			}
			if got := s.Prev(want - 1); got > from {
				t.Errorf("%v: Prev(%s) = %s, later than %s", s, show(want-1), show(got), show(from))
			}
			from = want
		}
	}
	if cases < 80 {
		t.Errorf("only %d cases", cases)
	}
}

// The ends of time: no ticks at or before the epoch, none after MaxTick, and
// nothing overflows or hangs in between.
func TestEnds(t *testing.T) {
	const last = schedule.MaxTick
	every := parse(t, "every 1m0s 17s", nil)
	second := parse(t, "every 1s 0s", nil)
	cron := parse(t, "30 2 * * *", location(t, "Europe/Berlin"))
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"first tick", every.Next(0), 17},
		{"first tick of every second", second.Next(0), 1},
		{"next of a time before the epoch", every.Next(-1 << 63), 17},
		{"no tick yet", every.Prev(16), 0},
		{"no tick yet, at the epoch", second.Prev(0), 0},
		{"no tick before the epoch", second.Prev(-5), 0},
		{"the earliest cron tick", cron.Next(0), 5400},
		{"no cron tick yet", cron.Prev(5399), 0},
		{"the last tick", second.Next(last - 1), last},
		{"none after the last", second.Next(last), 0},
		{"none after the last minute", every.Next(last), 0},
		{"none after the end of numbers", every.Next(1<<63 - 1), 0},
		{"no cron tick after the last", cron.Next(last), 0},
		{"prev of the end of numbers", second.Prev(1<<63 - 1), last},
		{"zero schedule, next", schedule.Schedule{}.Next(5), 0},
		{"zero schedule, prev", schedule.Schedule{}.Prev(5), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, c.got, c.want)
		}
	}
	for _, text := range []string{"30 2 * * *", "*/7 * * * *", "0 0 29 2 */7"} {
		s := parse(t, text, location(t, "Europe/Berlin"))
		tick := s.Prev(1<<63 - 1)
		if tick <= 0 || tick > last || s.Next(tick) != 0 || s.Prev(tick) != tick || s.Next(tick-1) != tick {
			t.Errorf("%v: the last tick is %d, then %d", s, tick, s.Next(tick))
		}
	}
}

func TestEveryErrors(t *testing.T) {
	for _, c := range []struct {
		interval, offset time.Duration
		want             string
	}{
		{0, 0, "every 0s: not a whole number of seconds, at least 1s"},
		{-time.Minute, 0, "every -1m0s: not a whole number of seconds, at least 1s"},
		{1500 * time.Millisecond, 0, "every 1.5s: not a whole number of seconds, at least 1s"},
		{time.Minute, -1, "every 1m0s: offset -1ns: not a whole number of seconds from 0s to under 1m0s"},
		{time.Minute, time.Minute, "every 1m0s: offset 1m0s: not a whole number of seconds from 0s to under 1m0s"},
		{time.Minute, time.Millisecond, "every 1m0s: offset 1ms: not a whole number of seconds from 0s to under 1m0s"},
	} {
		s, err := schedule.Every(c.interval, c.offset)
		if err == nil || err.Error() != c.want {
			t.Errorf("every %v, %v: got %v, want %s", c.interval, c.offset, err, c.want)
		}
		if s != (schedule.Schedule{}) {
			t.Errorf("every %v, %v: a schedule beside the error", c.interval, c.offset)
		}
	}
}

// The offset of a name is part of the protocol: it may never change.
func TestOffset(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		want     time.Duration
	}{
		// FNV-1a 64 of "" is 14695981039346656037, of "a" 12638187200555641996.
		{"", time.Minute, 14695981039346656037 % 60 * time.Second},
		{"a", time.Minute, 12638187200555641996 % 60 * time.Second},
		{"a", time.Hour, 12638187200555641996 % 3600 * time.Second},
		{"a", 90500 * time.Millisecond, 12638187200555641996 % 90 * time.Second},
		// FNV-1a 64 of "foobar" is 0x85944171f73967e8.
		{"foobar", 24 * time.Hour, 0x85944171f73967e8 % 86400 * time.Second},
		{"a", time.Second, 0},
		{"a", time.Millisecond, 0},
		{"a", -time.Minute, 0},
	} {
		got := schedule.Offset(c.name, c.interval)
		if got != c.want {
			t.Errorf("Offset(%q, %v) = %v, want %v", c.name, c.interval, got, c.want)
		}
		if c.interval >= time.Second && c.interval%time.Second == 0 {
			if _, err := schedule.Every(c.interval, got); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestString(t *testing.T) {
	for text, want := range map[string]string{
		"every 1m0s 17s":         "every 1m0s, offset 17s",
		"*/5  7-19 * *  MON-FRI": "*/5 7-19 * * MON-FRI in Europe/Berlin",
		" @daily ":               "@daily in Europe/Berlin",
	} {
		if got := parse(t, text, location(t, "Europe/Berlin")).String(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := (schedule.Schedule{}).String(); got != "never" {
		t.Errorf("got %q", got)
	}
}

func TestCronErrors(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{"", "empty: want 5 fields: minute, hour, day of month, month, day of week"},
		{"* * * *", "4 fields: want 5 fields: minute, hour, day of month, month, day of week"},
		{"0 */5 * * * *", "6 fields: there is no field for seconds or years; want 5 fields: minute, hour, day of month, month, day of week"},
		{"60 * * * *", "field 1 (minute), column 1: 60 is not in 0-59"},
		{"0 24 * * *", "field 2 (hour), column 3: 24 is not in 0-23"},
		{"0 0 0 * *", "field 3 (day of month), column 5: 0 is not in 1-31"},
		{"0 0 1,15,32 * *", "field 3 (day of month), column 10: 32 is not in 1-31"},
		{"0 0 * 13 *", "field 4 (month), column 7: 13 is not in 1-12"},
		{"0 0 * * 8", "field 5 (day of week), column 9: 8 is not in 0-7"},
		{"  0   0 * *  MUN", `field 5 (day of week), column 14: "MUN" is neither a number in 0-7 nor one of SUN..SAT`},
		{"0 0 * ANF *", `field 4 (month), column 7: "ANF" is neither a number in 1-12 nor one of JAN..DEC`},
		{"0 MON * * *", `field 2 (hour), column 3: "MON" is no number in 0-23`},
		{"0 0 * * MONDAY", `field 5 (day of week), column 9: "MONDAY" is neither a number in 0-7 nor one of SUN..SAT`},
		{"99999999999999999999 * * * *", "field 1 (minute), column 1: 99999999999999999999 is not in 0-59"},
		{"+5 * * * *", `field 1 (minute), column 1: "+5" is no number in 0-59`},
		{"*5 * * * *", `field 1 (minute), column 1: "*5" is no number in 0-59`},
		{"5- * * * *", "field 1 (minute), column 1: a value is missing"},
		{"-5 * * * *", "field 1 (minute), column 1: a value is missing"},
		{"5,,6 * * * *", "field 1 (minute), column 3: a value is missing"},
		{"0 22-2 * * *", "field 2 (hour), column 3: 22-2 goes backwards: write 22-23,0-2"},
		{"0 0 * * FRI-MON", "field 5 (day of week), column 9: FRI-MON goes backwards: write FRI-6,0-MON"},
		{"1-2-3 * * * *", `field 1 (minute), column 1: "2-3" is no number in 0-59`},
		{"*/0 * * * *", "field 1 (minute), column 1: step /0 is not in 1-60"},
		{"*/ * * * *", "field 1 (minute), column 1: step / is not in 1-60"},
		{"*/5/5 * * * *", "field 1 (minute), column 1: step /5/5 is not in 1-60"},
		{"*/90 * * * *", "field 1 (minute), column 1: step /90 is not in 1-60: write every: 90m instead of cron"},
		{"0 */36 * * *", "field 2 (hour), column 3: step /36 is not in 1-24: write every: 36h instead of cron"},
		{"0 0 */32 * *", "field 3 (day of month), column 5: step /32 is not in 1-31"},
		{"0 0 * * */8", "field 5 (day of week), column 9: step /8 is not in 1-7"},
		{"0 0 ? * MON", "field 3 (day of month), column 5: ? is not supported: write *"},
		{"0 0 L * *", `field 3 (day of month), column 5: "L" is no number in 1-31`},
		{"0 0 30 2 *", "never: no such day of month (30) in that month (2)"},
		{"0 0 31 2,4,6,9,11 *", "never: no such day of month (31) in that month (2,4,6,9,11)"},
		{"@every 5m", "@every is not supported: write every: 5m instead of cron"},
		{"@reboot", "unknown word: use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually"},
		{"@daily 5", "unknown word: use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually"},
		{"CRON_TZ=Europe/Berlin 0 0 * * *", "a zone in the expression is not supported: set time_zone"},
		{"TZ=Europe/Berlin @daily", "a zone in the expression is not supported: set time_zone"},
	} {
		s, err := schedule.Cron(c.expr, time.UTC)
		if want := `cron "` + c.expr + `": ` + c.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if s != (schedule.Schedule{}) {
			t.Errorf("%q: a schedule beside the error", c.expr)
		}
	}
	const local = `cron "@daily": the zone of one machine is not that of all agents: use one by name, such as Europe/Berlin`
	if _, err := schedule.Cron("@daily", time.Local); err == nil || err.Error() != local {
		t.Errorf("got  %v\nwant %s", err, local)
	}
	// Without a zone it is UTC, and 30 February may be written beside a weekday.
	for _, expr := range []string{"@daily", "0 0 30 2 MON"} {
		s, err := schedule.Cron(expr, nil)
		if err != nil || s.Next(0) == 0 || !strings.HasSuffix(s.String(), " in UTC") {
			t.Errorf("%q: got %v, %v", expr, s, err)
		}
	}
}

func FuzzCron(f *testing.F) {
	for _, expr := range []string{"*/5 7-19 * * MON-FRI", "@weekly", "0 0 29 2 */7", "0 0 30 2 *", "1-2-3 * * * *", "5/7,* 1 1 JAN-7 0-7/2"} {
		f.Add(expr, int64(1774746000))
	}
	loc := location(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, expr string, at int64) {
		s, err := schedule.Cron(expr, loc)
		if err != nil {
			return
		}
		again, err := schedule.Cron(strings.TrimSuffix(s.String(), " in Europe/Berlin"), loc)
		if err != nil {
			t.Fatalf("%q became %v: %v", expr, s, err)
		}
		next := s.Next(at)
		if next != again.Next(at) {
			t.Fatalf("%q became %v, another schedule", expr, s)
		}
		if next != 0 && (next <= at || s.Prev(next) != next || s.Prev(next-1) > max(at, 0)) {
			t.Fatalf("%q: Next(%d) = %d, Prev of it %d, before it %d", expr, at, next, s.Prev(next), s.Prev(next-1))
		}
	})
}

func FuzzEvery(f *testing.F) {
	f.Add(int64(time.Minute), int64(17*time.Second), int64(1774746000))
	f.Add(int64(time.Second), int64(0), int64(-1))
	f.Add(int64(7*24*time.Hour), int64(-time.Hour), int64(1)<<53)
	f.Fuzz(func(t *testing.T, every, offset, at int64) {
		s, err := schedule.Every(time.Duration(every), time.Duration(offset))
		if err != nil {
			return
		}
		next := s.Next(at)
		if next != 0 && (next <= at || s.Prev(next) != next || s.Prev(next-1) > max(at, 0)) {
			t.Fatalf("every %d, offset %d: Next(%d) = %d, Prev of it %d, before it %d", every, offset, at, next, s.Prev(next), s.Prev(next-1))
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct{ text, zone string }{
		{"every 1m0s 17s", "UTC"},
		{"*/5 * * * *", "UTC"},
		{"*/5 * * * *", "Europe/Berlin"},
		{"30 2 * * *", "Europe/Berlin"},
		{"0 0 29 2 *", "Europe/Berlin"},
		{"0 0 29 2 */7", "Europe/Berlin"},
		{"*/5 0 29 2 *", "Europe/Berlin"},
	} {
		b.Run(strings.ReplaceAll(c.text, " ", "_")+"@"+c.zone, func(b *testing.B) {
			s := parse(b, c.text, location(b, c.zone))
			for b.Loop() {
				s.Next(1774746000)
			}
		})
	}
}

func BenchmarkLocation(b *testing.B) {
	for b.Loop() {
		location(b, "Europe/Berlin")
	}
}
