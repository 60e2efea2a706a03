package elect_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/solotick/solotick/elect"
)

// A heard is one answer of a register: the second that it told, and when the
// request was sent and the answer came, in seconds on Elapsed.
type heard struct{ told, sent, got float64 }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func at(s float64) time.Time { return time.Unix(0, int64(s*float64(time.Second))) }

// In all cases Elapsed began at the register's second 1000, so that the truth is
// 1000 + Elapsed unless the case says that the register's clock was stepped.
func TestClock(t *testing.T) {
	tests := []struct {
		name          string
		heard         []heard
		elapsed, wall float64
		want          float64
		off           float64
		untold        bool
	}{
		{name: "a register that tells no time: the wall clock", elapsed: 5, wall: 7777, want: 7777, untold: true},
		{name: "a right clock keeps its precision", heard: []heard{{1010, 10.2, 10.3}}, elapsed: 12.345, wall: 1012.345, want: 1012.345},
		{name: "a wrong one that nothing contradicts counts, too", heard: []heard{{1010, 10.2, 10.3}}, elapsed: 12, wall: 1012.5, want: 1012.5},
		{
			// The register's time was under 1011 when the request was sent, at 10.2: so it is at most 1012.8 at 12,
			// and 0.36 ms more, since the clocks may have run apart for 1.8 s.
			name: "a clock ahead: the latest time that the answer allows", heard: []heard{{1010, 10.2, 10.2}},
			elapsed: 12, wall: 1100, want: 1012.80036, off: 87.19964,
		},
		{
			name: "a clock behind: the earliest", heard: []heard{{1010, 10.2, 10.2}},
			elapsed: 12, wall: 900, want: 1011.79964, off: -111.79964,
		},
		{
			// 1010 was told at 10.9, 1011 at 11.1: together they leave 0.2 s.
			name: "answers narrow each other", heard: []heard{{1010, 10.9, 10.9}, {1011, 11.1, 11.1}},
			elapsed: 11.1, wall: 900, want: 1011, off: -111,
		},
		{
			name: "the width is that of the round trip and a second", heard: []heard{{1013, 10, 16}},
			elapsed: 16, wall: 5000, want: 1020, off: 3980,
		},
		{
			name: "a slow answer takes nothing from a quick one", heard: []heard{{1010, 10.9, 10.9}, {1014, 11, 17}},
			elapsed: 17, wall: 900, want: 1016.09878, off: -116.09878,
		},
		{
			name: "the register's clock was stepped ahead: the new answer replaces the old ones", heard: []heard{{1010, 10.2, 10.2}, {1075, 15.5, 15.5}},
			elapsed: 15.5, wall: 1015.5, want: 1075, off: -59.5,
		},
		{
			name: "it was stepped back", heard: []heard{{1010, 10.2, 10.2}, {955, 15.5, 15.5}},
			elapsed: 15.5, wall: 1015.5, want: 956, off: 59.5,
		},
		{
			// 200 ppm of an hour are 0.72 s to each side.
			name: "what is known drifts", heard: []heard{{1010, 10, 10}},
			elapsed: 3610, wall: 0, want: 4609.28, off: -4609.28,
		},
		{
			name: "an old answer is not taken for a step because clocks drift", heard: []heard{{1010, 10, 10}, {4609, 3610, 3610}},
			elapsed: 3610, wall: 4609.9, want: 4609.9,
		},
		{
			name: "an answer without a time changes nothing", heard: []heard{{1010, 10.2, 10.2}, {0, 11, 11}},
			elapsed: 12, wall: 1012.3, want: 1012.3,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c elect.Clock
			for _, h := range test.heard {
				told := time.Time{}
				if h.told != 0 {
					told = at(h.told)
				}
				c.Hear(told, seconds(h.sent), seconds(h.got))
			}
			got, told, off := c.Time(seconds(test.elapsed), at(test.wall))
			if d := got.Sub(at(test.want)).Abs(); d > 2*time.Microsecond {
				t.Errorf("time %.6f, want %.6f", float64(got.UnixNano())/1e9, test.want)
			}
			if d := (off - seconds(test.off)).Abs(); d > 2*time.Microsecond {
				t.Errorf("off %v, want %v", off, seconds(test.off))
			}
			if told == test.untold {
				t.Errorf("told %v, want %v", told, !test.untold)
			}
		})
	}
}

// A skewed is a machine whose monotonic clock runs at a rate of its own, and a
// register with an honest clock.
type skewed struct {
	ppm   int64         // by which Elapsed runs fast, at most 200 either way
	base  time.Duration // Elapsed at the epoch of this test
	truth time.Duration // the register's Unix time
}

func (m *skewed) elapsed() time.Duration {
	return m.base + m.truth + m.truth/1_000_000*time.Duration(m.ppm)
}

// ask moves time on by a request that the register answers in its course.
func (m *skewed) ask(c *elect.Clock, there, back time.Duration) {
	sent := m.elapsed()
	m.truth += there
	told := time.Unix(int64(m.truth/time.Second), 0)
	m.truth += back
	c.Hear(told, sent, m.elapsed())
}

func draw(t *rapid.T, name string, from, to time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(from), int64(to)).Draw(t, name))
}

// TestClockKnows says in general what TestClock shows in cases, for monotonic
// clocks that run up to 200 ppm wrong and any round trips: a wall clock that is
// right is taken as it is, to the nanosecond; a wall clock that is wrong changes
// now by no more than the best answer leaves open, widened by twice the drift; and
// now never contradicts an answer.
func TestClockKnows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := skewed{
			ppm:   rapid.Int64Range(-199, 199).Draw(t, "ppm"),
			base:  draw(t, "base", 0, 1000*time.Hour),
			truth: draw(t, "truth", time.Second, 10*time.Hour),
		}
		var c elect.Clock
		for range rapid.IntRange(1, 8).Draw(t, "answers") {
			m.truth += draw(t, "pause", 0, 10*time.Minute)
			there, back := draw(t, "there", 0, 3*time.Second), draw(t, "back", 0, 3*time.Second)
			m.ask(&c, there, back)
			width := time.Second + there + back
			age := draw(t, "age", 0, 10*time.Minute)
			later := m
			later.truth += age
			right := time.Unix(0, int64(later.truth))
			got, told, off := c.Time(later.elapsed(), right)
			if !told || !got.Equal(right) || off != 0 {
				t.Fatalf("right wall clock %v: got %v, off %v, told %v", right, got, off, told)
			}
			wrong := right.Add(draw(t, "wrong", -100*time.Hour, 100*time.Hour))
			got, _, off = c.Time(later.elapsed(), wrong)
			drift := (age + width) / 2500
			if far := got.Sub(right).Abs(); far > width+drift {
				t.Fatalf("wall clock off by %v: now is off by %v, the last answer allows %v", wrong.Sub(right), far, width+drift)
			}
			if !got.Add(off).Equal(wrong) {
				t.Fatalf("off is %v, but now %v and the wall clock %v", off, got, wrong)
			}
		}
	})
}

// TestClockFollowsStep says that whatever was known before, one answer after a
// step of the register's clock by more than what is left open decides.
func TestClockFollowsStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := skewed{truth: draw(t, "truth", 200*time.Hour, 300*time.Hour)}
		var c elect.Clock
		for range rapid.IntRange(1, 4).Draw(t, "answers") {
			m.ask(&c, draw(t, "there", 0, time.Second), draw(t, "back", 0, time.Second))
			m.truth += draw(t, "pause", 0, 10*time.Minute)
		}
		step := draw(t, "step", 5*time.Second, 100*time.Hour)
		if rapid.Bool().Draw(t, "backwards") {
			step = -step
		}
		wall := time.Unix(0, int64(m.truth)) // which nobody stepped
		m.truth, m.base = m.truth+step, m.base-step
		there, back := draw(t, "there", 0, time.Second), draw(t, "back", 0, time.Second)
		m.ask(&c, there, back)
		right := time.Unix(0, int64(m.truth))
		got, _, _ := c.Time(m.elapsed(), wall.Add(there+back))
		if far := got.Sub(right).Abs(); far > time.Second+there+back {
			t.Fatalf("stepped by %v: now is off by %v", step, far)
		}
	})
}
