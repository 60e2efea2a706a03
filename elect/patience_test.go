package elect

import (
	"testing"
	"time"
)

// once has no tick after the one that was.
type once struct{ grid }

func (once) Next(int64) int64 { return 0 }

// How long a silent register is waited for: less than the time to the next tick only
// where that tick may have to be run without it.
func TestPatience(t *testing.T) {
	const usual = 20 * time.Millisecond
	for name, c := range map[string]struct {
		change func(*Policy, *Self, *Patience)
		want   time.Duration
	}{
		"it answers":                     {func(_ *Policy, s *Self, _ *Patience) { s.Away = false }, longest},
		"away":                           {func(*Policy, *Self, *Patience) {}, time.Second},
		"slow before":                    {func(_ *Policy, _ *Self, h *Patience) { h.Took(2 * time.Second) }, 8 * time.Second},
		"a minute from tick to tick":     {func(p *Policy, _ *Self, _ *Patience) { p.Schedule = grid(60) }, longest},
		"the last tick":                  {func(p *Policy, _ *Self, _ *Patience) { p.Schedule = once{4} }, longest},
		"nothing is run alone":           {func(p *Policy, _ *Self, _ *Patience) { p.WithoutRegister = WithoutWait }, longest},
		"at most once":                   {func(p *Policy, _ *Self, _ *Patience) { p.AtMostOnce = true }, longest},
		"a lock":                         {func(p *Policy, _ *Self, _ *Patience) { p.Lock = true }, longest},
		"the last full wait is long ago": {func(_ *Policy, _ *Self, h *Patience) { h.full = -11 * time.Minute }, longest},
	} {
		t.Run(name, func(t *testing.T) {
			p, s, h := Policy{Schedule: grid(4), Lease: 3 * time.Second}, Self{ID: "A", Away: true}, Patience{}
			h.Took(usual)
			c.change(&p, &s, &h)
			if got := h.For(&p, &s, Now{Elapsed: time.Second, Time: time.Unix(1001, 0)}, Load, false); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
