package clash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// fought is a history of a register that does what it must: eight clients that swap
// what they last read, some of whose answers are lost.
func fought(n int) []op {
	rnd := rand.New(rand.NewPCG(1, 2))
	clients := make([]string, 8)
	is, at := "0", time.Duration(0)
	for i := range clients {
		clients[i] = is
	}
	var all []op
	for i := range n {
		c := rnd.IntN(len(clients))
		at += time.Duration(2 + rnd.IntN(10))
		p := op{client: c, call: at - time.Duration(rnd.IntN(9)), ret: at + time.Duration(rnd.IntN(9)), out: done}
		switch {
		case rnd.IntN(4) == 0:
			p.load, p.text, clients[c] = true, is, is
		case clients[c] != is:
			p.old, p.text, p.out = clients[c], fmt.Sprint("lost ", i), conflict
			clients[c] = is
		default:
			p.old, p.text = is, fmt.Sprint(i)
			if rnd.IntN(20) == 0 {
				p.out, p.ret = uncertain, open
				if rnd.IntN(2) == 0 {
					break
				}
			}
			is = p.text
			clients[c] = is
			if p.out == uncertain {
				all = append(all, p)
				at += 20
				p = op{client: c, load: true, call: at - 1, ret: at + 1, text: is, out: done}
			}
		}
		all = append(all, p)
	}
	return append(all, op{load: true, call: at + 100, ret: at + 101, text: is, out: done})
}

// TestJudge has good histories pass, cut in pieces or not, and bad ones fail.
func TestJudge(t *testing.T) {
	good := fought(8 * window)
	if bad := judge(good); bad != "" {
		t.Fatal(bad)
	}
	o, bad := ordered(settle(good))
	if cuts := o.cuts(settle(good)); bad != "" || len(cuts) < 5 {
		t.Errorf("%d pieces: %s", len(cuts), bad)
	}
	for name, spoil := range map[string]func([]op) bool{
		"two winners": func(ops []op) bool {
			return once(ops, func(p *op) bool { return p.out == conflict }, func(p *op) { p.out = done })
		},
		"an old text is shown": func(ops []op) bool {
			for i := len(ops) - 1; i > 0; i-- {
				if ops[i].load {
					ops[i].text = ops[slices.IndexFunc(ops, func(p op) bool { return !p.load && p.out == done })].text
					return true
				}
			}
			return false
		},
		"a text that nobody wrote": func(ops []op) bool {
			return once(ops, func(p *op) bool { return p.load }, func(p *op) { p.text = "stranger" })
		},
		"an acknowledged swap is lost": func(ops []op) bool {
			last := &ops[len(ops)-1]
			return once(ops, func(p *op) bool { return p.text == last.text && !p.load }, func(p *op) { last.text = p.old })
		},
		"a refusal for nothing": func(ops []op) bool {
			last := &ops[len(ops)-1]
			*last = op{call: last.call, ret: last.ret, old: last.text, text: "refused", out: conflict}
			return true
		},
	} {
		ops := slices.Clone(good)
		if !spoil(ops) {
			t.Fatalf("%s: nothing to spoil", name)
		}
		if bad := judge(ops); bad == "" {
			t.Errorf("%s: not found", name)
		} else {
			t.Logf("%s: %s", name, strings.SplitN(bad, "\n", 2)[0])
		}
	}
}

func once(ops []op, is func(*op) bool, change func(*op)) bool {
	for i := len(ops) / 2; i < len(ops); i++ {
		if is(&ops[i]) {
			change(&ops[i])
			return true
		}
	}
	for i := len(ops)/2 - 1; i >= 0; i-- {
		if is(&ops[i]) {
			change(&ops[i])
			return true
		}
	}
	return false
}
