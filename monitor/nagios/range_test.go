package nagios_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/solotick/solotick/monitor/nagios"
)

func TestRange(t *testing.T) {
	for _, c := range []struct {
		text   string
		want   string // as it is written again
		alerts []float64
		silent []float64
	}{
		// The examples of the Monitoring Plugins Development Guidelines.
		{"10", "10", []float64{-1, -0.1, 10.1, 11}, []float64{0, 5, 10}},
		{"10:", "10:", []float64{-5, 0, 9.9}, []float64{10, 11, 1e9}},
		{"~:10", "~:10", []float64{10.1, 1e9}, []float64{-1e9, 0, 10}},
		{"10:20", "10:20", []float64{-1, 9.9, 20.1}, []float64{10, 15, 20}},
		{"@10:20", "@10:20", []float64{10, 15, 20}, []float64{-1, 9.9, 20.1}},
		// And what follows from them.
		{"0", "0", []float64{-1, 0.5, 1}, []float64{0}},
		{"0:10", "10", []float64{-1, 11}, []float64{0, 10}},
		{":10", "10", []float64{-1, 11}, []float64{0, 10}},
		{"0:", "0:", []float64{-1}, []float64{0, 1e9}},
		{"@10", "@10", []float64{0, 5, 10}, []float64{-1, 11}},
		{"@10:", "@10:", []float64{10, 1e9}, []float64{9}},
		{"@~:10", "@~:10", []float64{-1e9, 10}, []float64{10.1}},
		{"~:", "~:", nil, []float64{-1e9, 0, 1e9}},
		{"@~:", "@~:", []float64{-1e9, 0, 1e9}, nil},
		{"-20:-10", "-20:-10", []float64{-21, -9, 0}, []float64{-20, -15, -10}},
		{"-10:0", "-10:0", []float64{-11, 1}, []float64{-10, 0}},
		{"5:5", "5:5", []float64{4, 6}, []float64{5}},
		{"0.5:1.25", "0.5:1.25", []float64{0.4, 1.3}, []float64{0.5, 1.25}},
		{"-0", "0", []float64{-1, 1}, []float64{0}},
		{"007", "7", []float64{8}, []float64{7}},
	} {
		r, err := nagios.ParseRange(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if r.IsZero() {
			t.Errorf("%q: counts as no range", c.text)
		}
		if got := r.String(); got != c.want {
			t.Errorf("%q: written again it is %q, want %q", c.text, got, c.want)
		}
		for _, v := range c.alerts {
			if !r.Alerts(v) {
				t.Errorf("%q: silent about %v", c.text, v)
			}
		}
		for _, v := range c.silent {
			if r.Alerts(v) {
				t.Errorf("%q: alerts about %v", c.text, v)
			}
		}
	}
	var none nagios.Range
	if none.Alerts(0) || none.Alerts(-1) || none.Alerts(math.Inf(1)) || none.String() != "" || !none.IsZero() {
		t.Errorf("the zero range is %q", none)
	}
}

func TestNoRange(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "no number",
		":":                      "no number",
		"@":                      "no number",
		"@:":                     "no number",
		"~":                      `"~" is no number`,
		"10:~":                   `"~" is no number`,
		"20:10":                  "it begins at 20 and ends at 10",
		"-5":                     "it begins at 0 and ends at -5",
		"1e3":                    `"1e3" is no number`,
		"0x10":                   "is no number",
		"+5":                     "is no number",
		"5.":                     "is no number",
		".5":                     "is no number",
		"1_000":                  "is no number",
		"Inf":                    "is no number",
		"NaN":                    "is no number",
		"90s":                    `"90s" is no number`,
		"10:20:30":               `"20:30" is no number`,
		" 10":                    "is no number",
		"10,20":                  "is no number",
		"@@10":                   "is no number",
		"--5:":                   "is no number",
		"٣":                      "is no number",
		strings.Repeat("9", 400): "too great",
	} {
		_, err := nagios.ParseRange(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want ...%s...", text, err, want)
		}
	}
}

// drawnRange is a range, its text in one of its forms, and its bounds.
func drawnRange(t *rapid.T) (text string, inside bool, start, end float64) {
	bound := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-4000, 4000).Draw(t, "quarters")) / 4 })
	start, end = bound.Draw(t, "start"), bound.Draw(t, "end")
	if start > end {
		start, end = end, start
	}
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	from, to := number(start)+":", number(end)
	switch rapid.SampledFrom([]string{"both", "no start", "no colon", "from below"}).Draw(t, "form") {
	case "no start":
		if start, from = 0, ":"; end < 0 {
			end, to = 0, "0"
		}
	case "no colon":
		if start, from = 0, ""; end < 0 {
			end, to = 0, "0"
		}
	case "from below":
		start, from = math.Inf(-1), "~:"
	}
	if strings.HasSuffix(from, ":") && from != ":" && rapid.Bool().Draw(t, "open") {
		end, to = math.Inf(1), ""
	}
	inside = rapid.Bool().Draw(t, "inside")
	if inside {
		from = "@" + from
	}
	return from + to, inside, start, end
}

// TestRangeProperties compares every form of a range with what the guidelines say
// of its two bounds.
func TestRangeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, inside, start, end := drawnRange(t)
		r, err := nagios.ParseRange(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := nagios.ParseRange(r.String())
		if err != nil || again != r {
			t.Fatalf("%q is %+v, and %q, which it is written as, %+v (%v)", text, r, r.String(), again, err)
		}
		values := []float64{start, end, start - 0.25, end + 0.25, 0, float64(rapid.IntRange(-9000, 9000).Draw(t, "eighths")) / 8}
		for _, v := range values {
			within := start <= v && v <= end
			if r.Alerts(v) != (within == inside) {
				t.Fatalf("%q of %v: alerts %v", text, v, r.Alerts(v))
			}
		}
		other := "@" + text
		if inside {
			other = text[1:]
		}
		opposite, err := nagios.ParseRange(other)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if r.Alerts(v) == opposite.Alerts(v) {
				t.Fatalf("%q and %q say the same of %v", text, other, v)
			}
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, text := range []string{"10", "10:", "~:10", "10:20", "@10:20", "@~:", "-0.5:", "1e9", "٣", "10:20:30"} {
		f.Add(text, 10.0)
	}
	f.Fuzz(func(t *testing.T, text string, v float64) {
		r, err := nagios.ParseRange(text)
		if err != nil {
			if !r.IsZero() || r.Alerts(v) {
				t.Errorf("%q is refused, and gives %q", text, r)
			}
			return
		}
		written := r.String()
		again, err := nagios.ParseRange(written)
		if err != nil || again != r {
			t.Errorf("%q is written as %q, which reads as %q (%v)", text, written, again, err)
		}
		if strings.ContainsAny(written, " ;=|'e") {
			t.Errorf("%q is written as %q, which is no performance data", text, written)
		}
		if r.Alerts(v) != again.Alerts(v) {
			t.Errorf("%q and %q do not say the same of %v", text, written, v)
		}
	})
}

func TestThresholds(t *testing.T) {
	for text, want := range map[string][2]string{
		"10,20":   {"10", "20"},
		"10":      {"10", ""},
		"10,":     {"10", ""},
		",20":     {"", "20"},
		"@1:2,~:": {"@1:2", "~:"},
	} {
		got, err := nagios.ParseThresholds(text)
		if err != nil || got.Warn.String() != want[0] || got.Crit.String() != want[1] {
			t.Errorf("%q: %s and %s, %v", text, got.Warn, got.Crit, err)
		}
	}
	for _, text := range []string{"", ",", "10,20,30", "x", "10,x"} {
		if got, err := nagios.ParseThresholds(text); err == nil || got != (nagios.Thresholds{}) {
			t.Errorf("%q: %v, %v, want an error", text, got, err)
		}
	}
}

func TestWorse(t *testing.T) {
	order := []nagios.State{"", nagios.OK, nagios.Warning, nagios.Unknown, nagios.Critical}
	codes := []int{3, 0, 1, 3, 2}
	for i, a := range order {
		if a.Code() != codes[i] {
			t.Errorf("%q: exit code %d, want %d", a, a.Code(), codes[i])
		}
		for j, b := range order {
			if got, want := nagios.Worse(a, b), order[max(i, j)]; got != want {
				t.Errorf("the worse one of %q and %q is %q, want %q", a, b, got, want)
			}
		}
	}
}
