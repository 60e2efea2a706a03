package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// lagging is a run that began so long after its tick, and whether its agent told.
func lagging(lag time.Duration, told bool) monitor.Run {
	r := monitor.Run{Tick: at(0), Attempt: 1, Agent: "A", Began: at(0) + int64(lag/time.Second), Over: true, Result: record.OK}
	if told {
		r.Detail = &monitor.Detail{Began: noon.Add(lag), TookMS: lag.Milliseconds()}
	}
	return r
}

func bars(h histogram) string {
	var all []string
	for _, b := range h.Bins {
		all = append(all, fmt.Sprintf("%s:%d", b.Label, b.N))
	}
	return strings.Join(all, " ")
}

// TestHistogram checks that lags are counted as exactly as they are known, and no
// more.
func TestHistogram(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name string
		runs []monitor.Run
		want string
	}{
		{"nothing", nil, "0 of 0, 0 exact: p50 , p99 : "},
		{"not seen", []monitor.Run{{Tick: at(0), Agent: "A", Ended: at(9), Over: true}}, "0 of 1, 0 exact: p50 , p99 : "},
		{"a lock has no tick", []monitor.Run{{Agent: "A", Began: at(9)}}, "0 of 0, 0 exact: p50 , p99 : "},
		{"by claims", []monitor.Run{lagging(0, false), lagging(0, false), lagging(2*time.Second, false)}, "3 of 3, 0 exact: p50 1 s, p99 3 s: < 1 s:2 2 s:0 3 s:1 5 s:0"},
		{"by reports", []monitor.Run{lagging(10*ms, true), lagging(60*ms, true), lagging(100*ms, true), lagging(700*ms, true)}, "4 of 4, 4 exact: p50 60 ms, p99 700 ms: < 50 ms:1 100 ms:1 200 ms:1 500 ms:0 1 s:1"},
		{"mostly by reports", []monitor.Run{lagging(10*ms, true), lagging(60*ms, true), lagging(0, false), lagging(26*time.Second, false)}, "4 of 4, 2 exact: p50 60 ms, p99 27 s: < 50 ms:1 100 ms:1 200 ms:0 500 ms:0 1 s:0 2 s:0 3 s:0 5 s:0 10 s:0 20 s:0 30 s:1, and 1 within 1 s"},
		{"hours", []monitor.Run{lagging(3*time.Hour, false)}, "1 of 1, 0 exact: p50 3 h, p99 3 h: 5 min:0 15 min:0 1 h:0 over 1 h:1"},
	} {
		h := newHistogram(c.runs)
		got := fmt.Sprintf("%d of %d, %d exact: p50 %s, p99 %s: %s", h.N, h.Of, h.Exact, h.P50, h.P99, bars(h))
		if h.Within > 0 {
			got += fmt.Sprintf(", and %d within 1 s", h.Within)
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestTimes checks the picture of how long runs took.
func TestTimes(t *testing.T) {
	from := noon.Add(-2 * time.Hour)
	var few, many []monitor.Run
	for i := range int64(3600) {
		result := record.OK
		if i == 5 {
			result = record.Failed
		}
		r := run("A", i, i+1+i%3, result)
		if many = append(many, r); i < 10 {
			few = append(few, r)
		}
	}
	one := newTimes(utc, from, from.Add(time.Hour), few)
	if len(one.Dots) != 10 || len(one.Boxes) != 0 || one.Dots[5].Class != "fail" || one.P50 != "2 s" || one.P99 != "3 s" {
		t.Errorf("few: %+v", one)
	}
	all := newTimes(utc, from, from.Add(time.Hour), many)
	if len(all.Dots) != 0 || len(all.Boxes) < boxes*8/10 || !strings.HasSuffix(all.Boxes[3].Title, "1 s to 3 s, half within 2 s") {
		t.Errorf("many: %d dots, %d boxes: %+v", len(all.Dots), len(all.Boxes), all.Boxes)
	}
	for _, b := range all.Boxes {
		if b.Y < 0 || b.Y+b.H > 14+chartHeight+2 {
			t.Errorf("a box from %d, %d tall", b.Y, b.H)
		}
	}
	if unknown := newTimes(utc, from, from.Add(time.Hour), []monitor.Run{{Tick: at(-5000), Agent: "A", Began: at(-5000), Over: true}}); unknown.N != 0 || unknown.Of != 1 {
		t.Errorf("unknown: %+v", unknown)
	}
}

// TestStrip checks that how a run ended is seen without colours.
func TestStrip(t *testing.T) {
	var runs []monitor.Run
	for i, result := range []record.Result{record.OK, record.Failed, record.Lost, record.None, record.Skipped, "later"} {
		runs = append(runs, run("A", int64(60*i), int64(60*i+9), result))
	}
	runs = append(runs, monitor.Run{Tick: at(0), Agent: "A", Began: at(0)})
	s := newStrip(runs, utc, true)
	if want := "the 7 runs seen last: 1 ok, 1 running, 1 skipped, 1 end not seen, 1 lost, 1 failed, 1 otherwise"; s.Text != want {
		t.Errorf("got %s, want %s", s.Text, want)
	}
	forms := map[string]bool{}
	for _, b := range s.Bars {
		_, form, _ := strings.Cut(b.D, " ")
		forms[form] = true
	}
	if len(s.Bars) != 7 || len(forms) < 6 {
		t.Errorf("%d bars of %d forms: %+v", len(s.Bars), len(forms), s.Bars)
	}
	if !strings.HasSuffix(s.Bars[0].Title, "UTC: ok, took 9 s, A") || s.Last.Word != "running" || s.Took != "" {
		t.Errorf("%+v, the last %+v, which took %q", s.Bars[0], s.Last, s.Took)
	}
	if s := newStrip(runs, utc, false); len(s.Bars) != 0 || len(s.Paths) != 6 {
		t.Errorf("where there are many: %d bars, %d paths", len(s.Bars), len(s.Paths))
	}
	if s := newStrip(nil, utc, true); s.Text != "no run was seen yet" {
		t.Error(s.Text)
	}
}
