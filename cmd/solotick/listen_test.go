package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/steps"
)

// TestForget has no job that is gone among the metrics, and all others.
func TestForget(t *testing.T) {
	d := newDesk("A")
	for _, name := range []string{"kept", "gone"} {
		m := member{Name: name}
		d.see(m, solotick.Event{Verb: elect.Run, Time: time.Now(), Tick: solotick.Tick{Time: time.Now()}})
		d.see(m, solotick.Event{Verb: elect.Run, Ended: true, Result: "ok"})
		d.ran(m, steps.Result{Steps: []steps.Report{{Kind: steps.KindAlert, Told: true}, {Kind: steps.KindAlert, Err: errors.New("x")}}}, nil)
	}
	count := func(name string) (n int) {
		families, err := d.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			n += strings.Count(f.String(), `value:"`+name+`"`)
		}
		return n
	}
	if kept, gone := count("kept"), count("gone"); kept != 5 || gone != 5 {
		t.Fatalf("%d and %d metrics", kept, gone)
	}
	d.forget(member{Name: "gone"})
	if kept, gone := count("kept"), count("gone"); kept != 5 || gone != 0 {
		t.Errorf("%d and %d metrics", kept, gone)
	}
}
