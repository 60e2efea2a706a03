package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/notify/notifytest"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

// What the doctor says of registers that do not keep their promises. What it
// says of real servers is in testdata/script/doctor_*.txt.

// A lyingRegister breaks one promise.
type lyingRegister struct {
	register.Register
	blind bool // it does not compare: whatever was read, the new texts are put
	deaf  bool // it forgets the last of several values
}

func (l lyingRegister) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if l.blind {
		now, err := l.Load(ctx)
		if err != nil {
			return now, err
		}
		old = now
	}
	if l.deaf && len(texts) > 1 {
		texts = texts[:len(texts)-1]
	}
	return l.Register.Swap(ctx, old, texts)
}

// probed runs the probe that does not need DNS on a register.
func probed(t *testing.T, ctx context.Context, r register.Register, steps func(*probe, context.Context)) (results map[string]verdict, code int) {
	t.Helper()
	a := &app{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer), env: func(string) string { return "" }}
	d := &doctor{app: a, svc: &service{}}
	steps(&probe{doctor: d, site: site{name: operatorName, job: "canary"}, name: operatorName, reg: r}, ctx)
	results = map[string]verdict{}
	for _, f := range d.found {
		results[f.Check] = f.Is
	}
	return results, d.code
}

func swaps(p *probe, ctx context.Context) {
	first, err := p.put(ctx, []string{doctorMark + "1"})
	if err != nil {
		p.fail("canary", "write", err)
		return
	}
	second, err := p.put(ctx, []string{doctorMark + "2"})
	if err != nil {
		p.fail("canary", "write", err)
		return
	}
	if p.stale(ctx, first, second) {
		p.values(ctx)
	}
	if err := p.restore(ctx); err != nil {
		p.fail("canary", "restore", err)
	}
}

func TestDoctorFindsLiars(t *testing.T) {
	for _, c := range []struct {
		name        string
		wrap        func(register.Register) register.Register
		swap, value verdict
		code        int
	}{
		{"honest", func(r register.Register) register.Register { return r }, passed, passed, exitOK},
		{"does not compare", func(r register.Register) register.Register { return lyingRegister{Register: r, blind: true} }, failed, "", exitFailed},
		{"loses values", func(r register.Register) register.Register { return lyingRegister{Register: r, deaf: true} }, passed, failed, exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var memory register.Memory
			got, code := probed(t, t.Context(), c.wrap(memory.At(operatorName)), swaps)
			if got["swap"] != c.swap || got["values"] != c.value || code != c.code {
				t.Errorf("swap %q, values %q, code %d; want %q, %q, %d", got["swap"], got["values"], code, c.swap, c.value, c.code)
			}
			after, err := memory.At(operatorName).Load(t.Context())
			if err != nil || len(after.Texts) > 0 {
				t.Errorf("left behind: %q, %v", after.Texts, err)
			}
		})
	}
}

// TestDoctorRestores: whatever goes wrong, and also after Ctrl-C, nothing of the
// doctor's stays, and everybody else's does.
func TestDoctorRestores(t *testing.T) {
	const mine, theirs = `{"id":"A","timer":1,"timerold":0,"seq":1}`, "v=spf1 -all"
	for _, c := range []struct {
		name   string
		faults []registertest.Fault
	}{
		{"the second write is refused", []registertest.Fault{registertest.Pass, registertest.Refuse}},
		{"the reply to the second write is lost", []registertest.Fault{registertest.Pass, registertest.Lose}},
		{"the second write is lost", []registertest.Fault{registertest.Pass, registertest.Drop}},
		{"the second write cannot be sent", []registertest.Fault{registertest.Pass, registertest.Unreachable}},
		{"the reply to the first write is lost", []registertest.Fault{registertest.Lose}},
		{"the first write is lost", []registertest.Fault{registertest.Drop}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var memory register.Memory
			memory.Put(operatorName, mine, theirs)
			faulty := registertest.NewFaulty(memory.At(operatorName), operatorName, c.faults...)
			got, code := probed(t, t.Context(), faulty, (*probe).run)
			if got["write"] != failed || got["restore"] != passed || code == exitOK {
				t.Errorf("write %q, restore %q, code %d; want failed, ok, not 0", got["write"], got["restore"], code)
			}
			wantTexts(t, &memory, mine, theirs)
		})
	}
	t.Run("interrupted after the first write", func(t *testing.T) {
		var memory register.Memory
		memory.Put(operatorName, mine, theirs)
		ctx, cancel := context.WithCancel(t.Context())
		got, _ := probed(t, ctx, interrupted{memory.At(operatorName), cancel}, (*probe).run)
		if got["restore"] != passed {
			t.Errorf("restore %q, want ok", got["restore"])
		}
		wantTexts(t, &memory, mine, theirs)
	})
}

func wantTexts(t *testing.T, m *register.Memory, want ...string) {
	t.Helper()
	s, err := m.At(operatorName).Load(t.Context())
	if err != nil || !equalSets(s.Texts, slices.Clone(want)) {
		t.Errorf("there is %q, %v; want %q", s.Texts, err, want)
	}
}

// interrupted ends the context with its first swap, and refuses an ended one.
type interrupted struct {
	register.Register
	cancel context.CancelFunc
}

func (i interrupted) Load(ctx context.Context) (register.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return register.Snapshot{}, errors.Join(errors.New("not asked"), err)
	}
	return i.Register.Load(ctx)
}

func (i interrupted) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	defer i.cancel()
	return i.Register.Swap(ctx, old, texts)
}

// TestDoctorLeavesARunAlone: at the job's own name it waits for a run to end,
// and gives up in the end.
func TestDoctorLeavesARunAlone(t *testing.T) {
	const claim = `{"id":"A","timer":2,"timerold":1,"seq":1,"until":9,"lease":15}`
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprintf("ends: %v", ends), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var memory register.Memory
				memory.Put(operatorName, claim)
				if ends {
					time.AfterFunc(5*time.Second, func() { memory.Put(operatorName, `{"id":"A","timer":2,"timerold":1,"seq":2}`) })
				}
				d := &doctor{app: &app{stdout: new(bytes.Buffer), env: func(string) string { return "" }}}
				began := time.Now()
				got := d.quiet(t.Context(), site{name: operatorName, job: "canary", register: memory.At(operatorName)})
				took := time.Since(began)
				if ends && (!got || took < 5*time.Second || took > 6*time.Second || d.code != exitOK) {
					t.Errorf("after %v: %v, code %d; want true after about 5s, code 0", took, got, d.code)
				}
				if !ends && (got || took < quietTime || d.code != exitTryAgain) {
					t.Errorf("after %v: %v, code %d; want false after %v, code %d", took, got, d.code, quietTime, exitTryAgain)
				}
			})
		})
	}
}

// TestDoctorClock: a clock that is off is told, with what to do.
func TestDoctorClock(t *testing.T) {
	for _, c := range []struct {
		off  time.Duration // of the register's clock from this machine's
		none bool
		is   verdict
		text string
	}{
		{0, false, passed, "within 2 s"},
		{-412 * time.Second, false, advice, "this machine is about 412 s ahead of the register"},
		{412 * time.Second, false, advice, "this machine is about 412 s behind the register"},
		{0, true, advice, "the register tells no time"},
	} {
		synctest.Test(t, func(t *testing.T) {
			at := time.Now().Add(c.off)
			if c.none {
				at = time.Time{}
			}
			d := &doctor{app: &app{stdout: new(bytes.Buffer), env: func(string) string { return "" }}}
			d.clock(site{job: "canary"}, register.Snapshot{Time: at})
			if f := d.found[0]; f.Is != c.is || !strings.Contains(f.Text, c.text) || c.is != passed && !strings.Contains(f.Do, "chronyc tracking") {
				t.Errorf("%+v, want %s with %q", f, c.is, c.text)
			}
		})
	}
}

// TestDoctorSlack: whose the token is, and a channel that is named in a way that
// does not last.
func TestDoctorSlack(t *testing.T) {
	server := httptest.NewServer(&notifytest.Slack{Token: "xoxb-good"})
	defer server.Close()
	for _, c := range []struct {
		token, channel string
		is             verdict
		text, do       string
	}{
		{"xoxb-good", "C0123456789", passed, "the token is that of solotick in Example; solotick notify test ops sends a message", ""},
		{"xoxb-good", "#ops", advice, "the channel is named #ops", "by its ID"},
		{"xoxb-old", "C0123456789", failed, "invalid_auth: the token is not valid, or not from this address: install the app again", ""},
	} {
		bot := &notify.Slack{Token: notify.NewSecret(c.token), Channel: c.channel, URL: server.URL + "/api"}
		d := &doctor{app: &app{stdout: new(bytes.Buffer), env: func(string) string { return "" }}}
		d.notifiers(t.Context(), &config.Config{Notify: []config.Notifier{{Name: "ops", Kind: "slack", Notifier: bot}}})
		if f := d.found[0]; f.Is != c.is || !strings.Contains(f.Text, c.text) || !strings.Contains(f.Do, c.do) || strings.Contains(f.Text, c.token) {
			t.Errorf("%s in %s: %+v, want %s with %q, to do %q", c.token, c.channel, f, c.is, c.text, c.do)
		}
	}
}
