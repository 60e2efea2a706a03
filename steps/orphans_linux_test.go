package steps

import "testing"

// TestOwnChild: whose end is waited for by whoever started it. That all others are
// waited for is tried with process 1 of a container, in internal/containertest.
func TestOwnChild(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		p    proc
		own  bool
	}{
		{"a program that the agent asks", proc{pid: 7, session: 1, name: "register"}, true},
		{"a guard", proc{pid: 7, session: 7, name: guardName}, true},
		{"the command of a guard that was killed", proc{pid: 8, session: 7, name: "sh"}, false},
		{"one of its children, of the guard's name", proc{pid: 9, session: 7, name: guardName}, false},
		{"one that led a session of its own", proc{pid: 9, session: 9, name: "sleep"}, false},
		{"what a shell from outside left behind", proc{pid: 30, session: 20, name: "sleep"}, false},
	} {
		if got := c.p.ownChild(1); got != c.own {
			t.Errorf("%s: started here %v, want %v", c.what, got, c.own)
		}
	}
}
