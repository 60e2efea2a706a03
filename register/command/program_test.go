package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/command"
)

const canary = "canary.t.test"

// errPlain stands for an error that is no outcome of a swap: surely not applied.
var errPlain = errors.New("not applied")

func wantOutcome(t *testing.T, err, want error) {
	t.Helper()
	var got []error
	for _, outcome := range []error{register.ErrConflict, register.ErrUncertain, register.ErrRefused} {
		if errors.Is(err, outcome) {
			got = append(got, outcome)
		}
	}
	if err != nil && got == nil {
		got = []error{errPlain}
	}
	if err == nil && want == nil {
		return
	}
	if len(got) != 1 || got[0] != want {
		t.Fatalf("error %v, which is %v, want %v", err, got, want)
	}
}

// answers is a program that reads its request and gives that answer.
func answers(t *testing.T, answer string) command.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "answer")
	if err := os.WriteFile(file, []byte(answer), 0o600); err != nil {
		t.Fatal(err)
	}
	return command.Config{Program: []string{script(t, `cat >/dev/null; cat "$1"`), file}}
}

// TestAnswers: what every answer means to each operation.
func TestAnswers(t *testing.T) {
	for _, row := range []struct {
		answer     string
		load, swap error
		text       string // of the errors
	}{
		{`{"outcome":"ok","texts":["a"]}`, nil, register.ErrUncertain, `the answer's outcome is "ok"`},
		{`{"outcome":"ok"}`, errPlain, register.ErrUncertain, ""},
		{`{"outcome":"done"}`, errPlain, nil, `the answer's outcome is "done"`},
		{`{"outcome":"done","texts":["a"],"tag":"2","more":1}`, errPlain, nil, ""},
		{`{"outcome":"conflict","message":"revision 7"}`, errPlain, register.ErrConflict, ""},
		{`{"outcome":"uncertain","message":"no answer\nfrom ns1"}`, errPlain, register.ErrUncertain, ""},
		{`{"outcome":"refused","message":"no such zone"}`, register.ErrRefused, register.ErrRefused, "the register refuses: no such zone"},
		{`{"outcome":"failed","message":"ns1 is away"}`, errPlain, errPlain, "not done: ns1 is away"},
		{`{"outcome":"failed"}`, errPlain, errPlain, "t.test: not done"},
		{`{"outcome":"locked"}`, errPlain, register.ErrUncertain, `the answer's outcome is "locked"`},
		{`{}`, errPlain, register.ErrUncertain, `the answer's outcome is ""`},
		{``, errPlain, register.ErrUncertain, "the answer is empty"},
		{`done`, errPlain, register.ErrUncertain, "no JSON object"},
		{`["done"]`, errPlain, register.ErrUncertain, "no JSON object"},
		{`{"outcome":"done"}{"outcome":"ok","texts":[]}`, errPlain, register.ErrUncertain, "no JSON object"},
		{"{\"outcome\":\"done\",\"texts\":[\"\xff\"]}", errPlain, register.ErrUncertain, "no JSON object"},
		{`{"outcome":"done"}` + strings.Repeat(" ", 1<<20), errPlain, register.ErrUncertain, "longer than 1 MiB"},
	} {
		r := open(t, answers(t, row.answer), canary)
		_, err := r.Load(t.Context())
		wantOutcome(t, err, row.load)
		_, err2 := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
		wantOutcome(t, err2, row.swap)
		for op, err := range map[string]error{"load": err, "swap": err2} {
			if err != nil && (!strings.HasPrefix(err.Error(), "command: "+op+" canary.t.test: ") || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), row.text)) {
				t.Errorf("%s: %v, want %q", row.answer, err, row.text)
			}
		}
	}
	_, err := open(t, answers(t, `{"outcome":"conflict","message":"revision 7"}`), canary).Swap(t.Context(), register.Snapshot{}, []string{"first"})
	if want := "command: swap canary.t.test: the register no longer holds what was read: revision 7"; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestSnapshots: what of an answer is seen, and comes back in the next request.
func TestSnapshots(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		name, answer string
		texts        []string
		old          string
	}{
		{"texts", `{"outcome":"ok","texts":["b","a"]}`, []string{"b", "a"}, `{"texts":["a","b"]}`},
		{"tag", `{"outcome":"ok","texts":["b","a"],"tag":"7"}`, []string{"b", "a"}, `{"texts":["a","b"],"tag":"7"}`},
		{"nothing", `{"outcome":"ok","texts":[],"tag":"7"}`, nil, `{"texts":[]}`},
		{"odd", `{"outcome":"ok","texts":["<\"\\\u00e9>"]}`, []string{"<\"\\\u00e9>"}, `{"texts":["<\"\\é>"]}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := open(t, answers(t, row.answer), canary).Load(t.Context())
			if err != nil || !cmp.Equal(s.Texts, row.texts) || !s.Time.IsZero() || (s.Tag == "") != (row.texts == nil) {
				t.Fatalf("%+v, error %v", s, err)
			}
			// The next program keeps its request, and gives the texts another order.
			file := filepath.Join(dir, row.name)
			keeps := script(t, `cat >"$1"; echo '{"outcome":"done","time":1700000000,"tag":"8"}'`)
			next, err := open(t, command.Config{Program: []string{keeps, file}, TTL: 90 * time.Second}, "Canary.T.test.").Swap(t.Context(), s, []string{"d", "c"})
			if err != nil || !cmp.Equal(next.Texts, []string{"d", "c"}) || next.Time.Unix() != 1700000000 {
				t.Fatalf("%+v, error %v", next, err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := `{"version":1,"op":"swap","name":"canary.t.test","ttl":90,"old":` + row.old + `,"new":["d","c"]}`
			if !sameJSON(t, string(text), want) {
				t.Errorf("got  %s\nwant %s", text, want)
			}
			again, err := open(t, answers(t, `{"outcome":"ok","texts":["c","d"],"tag":"8"}`), canary).Load(t.Context())
			if err != nil || again.Tag != next.Tag {
				t.Errorf("tag %q of the swap and %q of a load, error %v", next.Tag, again.Tag, err)
			}
		})
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

// TestNothing: what can be known without a program is not asked for.
func TestNothing(t *testing.T) {
	c := newTest(t, answers(t, `{"outcome":"ok","texts":["a"]}`))
	r, err := c.Register(canary)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Swap(t.Context(), register.Snapshot{}, nil) // a load
	wantOutcome(t, err, register.ErrConflict)
	for _, old := range []register.Snapshot{{Texts: []string{"a"}, Tag: "a"}, {Texts: []string{"a"}}} {
		_, err = r.Swap(t.Context(), old, []string{"b"})
		wantOutcome(t, err, errPlain)
	}
	_, err = r.Swap(t.Context(), register.Snapshot{}, []string{"\xff"})
	wantOutcome(t, err, errPlain)
	if n := c.Requests(); n != 1 {
		t.Errorf("%d requests, want that of the load", n)
	}
	_, err = open(t, answers(t, `{"outcome":"failed"}`), canary).Swap(t.Context(), register.Snapshot{}, nil)
	wantOutcome(t, err, errPlain)
}

// TestEnds: how a program can end, and what is said of it.
func TestEnds(t *testing.T) {
	done := `echo '{"outcome":"done"}';`
	for name, row := range map[string]struct {
		text string
		swap error
		want string
	}{
		"exit status":    {done + " echo one >&2; echo 'two  words' >&2; echo >&2; exit 3", register.ErrUncertain, "script.sh: exit status 3: two words"},
		"no words":       {done + " exit 3", register.ErrUncertain, "script.sh: exit status 3"},
		"signal":         {done + " kill -9 $$", register.ErrUncertain, "script.sh: signal: killed"},
		"many words":     {"yes 'a lot' | head -n 20000 >&2; exit 1", register.ErrUncertain, "exit status 1: a lot"},
		"a long word":    {"yes | tr -d '\\n' | head -c 100000 >&2; exit 1", register.ErrUncertain, "exit status 1: yyyy"},
		"request unread": {done, nil, ""},
		"not started":    {"", errPlain, "not started: "},
	} {
		t.Run(name, func(t *testing.T) {
			file := script(t, row.text)
			if row.text == "" {
				if err := os.Chmod(file, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := open(t, command.Config{Program: []string{file}}, canary).Swap(t.Context(), register.Snapshot{}, []string{strings.Repeat("x", 1<<17)})
			wantOutcome(t, err, row.swap)
			if err != nil && (!strings.Contains(err.Error(), row.want) || len(err.Error()) > 700) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}

// TestEnvironment: a program is started as it is given, without a shell, with the
// environment of the agent.
func TestEnvironment(t *testing.T) {
	t.Setenv("SOLOTICK_TEST", "from the agent")
	file := script(t, `printf '{"outcome":"ok","texts":["%s","%s"]}' "$1" "$SOLOTICK_TEST"`)
	s, err := open(t, command.Config{Program: []string{file, "$HOME;  *"}}, canary).Load(t.Context())
	if err != nil || !cmp.Equal(s.Texts, []string{"$HOME;  *", "from the agent"}) {
		t.Errorf("%q, error %v", s.Texts, err)
	}
}

// TestContext: the cause is told where the caller's time ends, or the client's.
func TestContext(t *testing.T) {
	file := script(t, "sleep 60")
	const short = 500 * time.Millisecond
	for name, row := range map[string]struct{ caller, client time.Duration }{
		"caller": {short, time.Minute},
		"client": {time.Minute, short},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), row.caller)
		_, err := open(t, command.Config{Program: []string{file}, Timeout: row.client}, canary).Swap(ctx, register.Snapshot{}, []string{"first"})
		cancel()
		wantOutcome(t, err, register.ErrUncertain)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	one := []string{"true"}
	for _, row := range []struct {
		cfg  command.Config
		want string
	}{
		{command.Config{}, "command: want a program or the URL of an endpoint, and not both"},
		{command.Config{Program: one, URL: "https://t.test"}, "command: want a program or the URL"},
		{command.Config{Program: []string{""}}, "command: the program has no name"},
		{command.Config{Program: one, Zone: "a b"}, `command: zone: "a b" is no domain name`},
		{command.Config{Program: one, TTL: time.Millisecond}, "command: a TTL of 1ms: want whole seconds, from 1 to 2147483647"},
		{command.Config{Program: one, Timeout: -1}, "command: a timeout of -1ns"},
		{command.Config{Program: one, Class: "best"}, `command: class: "best": want exact, conditional, ballot or timed`},
		{command.Config{Program: one, Token: register.NewSecret("hunter2")}, "command: a token is for an endpoint"},
		{command.Config{URL: "t.test"}, "command: the URL does not begin with https:// and a host"},
		{command.Config{URL: "https://"}, "command: the URL does not begin with https:// and a host"},
		{command.Config{URL: "http://t.test"}, "command: the URL is http, which is for loopback only"},
		{command.Config{URL: "https://me:hunter2@t.test"}, "command: the URL has a user in it"},
	} {
		_, err := command.New(row.cfg)
		if err == nil || !strings.HasPrefix(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v, want %q", err, row.want)
		}
	}
	for _, class := range []register.Class{"", register.Exact, register.Timed} {
		want := class
		if class == "" {
			want = register.Conditional
		}
		if c := newTest(t, command.Config{Program: one, Class: class}); c.Class() != want {
			t.Errorf("class %s, want %s", c.Class(), want)
		}
	}
}

func TestNames(t *testing.T) {
	c := newTest(t, command.Config{Program: []string{"true"}, Zone: "T.test."})
	for name, ok := range map[string]bool{
		"canary.t.test": true, "Canary.t.test.": true, "t.test": true, "*.t.test": true, "_x.t.test": true,
		"canary.example.com": false, "nott.test": false, "": false, "a..t.test": false, "a b.t.test": false, "a\n.t.test": false, `a\.t.test`: false, "$(id).t.test": false,
	} {
		if _, err := c.Register(name); (err == nil) != ok {
			t.Errorf("%q: error %v", name, err)
		}
	}
	if _, err := newTest(t, command.Config{Program: []string{"true"}}).Register("anything.example"); err != nil {
		t.Error(err)
	}
}

func TestExamine(t *testing.T) {
	good := answers(t, `{"outcome":"ok","texts":["a"],"time":1700000000}`)
	want := []register.Finding{
		{Check: "program", OK: true, Text: good.Program[0]},
		{Check: "read", OK: true, Text: "canary.t.test can be read, and holds 1 TXT records"},
		{Check: "name", Text: `command: name: "a b" is no domain name`},
	}
	if diff := cmp.Diff(want, newTest(t, good).Examine(t.Context(), canary, "a b")); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	all := newTest(t, answers(t, `{"outcome":"ok","texts":[]}`)).Examine(t.Context(), canary)
	if last := all[len(all)-1]; !last.OK || !strings.Contains(last.Text, "no time comes with it") {
		t.Errorf("%+v", last)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	all = newTest(t, command.Config{Program: []string{missing}}).Examine(t.Context(), canary)
	if len(all) != 2 || all[0].OK || !strings.Contains(all[0].Do, "chmod +x "+missing) || all[1].OK ||
		!strings.Contains(all[1].Do, `{"version":1,"op":"load","name":"canary.t.test","ttl":60}`) {
		t.Errorf("%+v", all)
	}
}
