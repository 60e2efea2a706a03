//go:build linux

package steps_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/steps"
)

// A builder makes plans as a file would.
type builder struct {
	t     *testing.T
	names expression.Env
	steps expression.Env
}

func newBuilder(t *testing.T) *builder {
	return &builder{t, steps.Names().With(steps.AlertNames()).With(steps.FailureNames()), expression.Env{}}
}

// knows has later expressions know a step.
func (b *builder) knows(id string, k steps.Kind) string {
	b.steps[id] = steps.OutputNames(k)
	return id
}

func (b *builder) compiler(more ...expression.Env) *expression.Compiler {
	e := b.names.With(expression.Env{"steps": b.steps})
	for _, m := range more {
		e = e.With(m)
	}
	return expression.NewCompiler(e)
}

func (b *builder) when(source string, k ...steps.Kind) *expression.Program {
	b.t.Helper()
	var more []expression.Env
	for _, one := range k {
		more = append(more, steps.OutputNames(one))
	}
	p, err := b.compiler(more...).Condition(source)
	if err != nil {
		b.t.Fatalf("%s: %v", source, err)
	}
	return p
}

func (b *builder) text(source string) expression.Text {
	b.t.Helper()
	t, err := b.compiler().Text(source, nil)
	if err != nil {
		b.t.Fatalf("%s: %v", source, err)
	}
	return t
}

func (b *builder) set(source string) *expression.Text {
	t := b.text(source)
	return &t
}

// A phone is a notifier whose line can be down.
type phone struct {
	mu   sync.Mutex
	err  error
	ref  string
	told []notify.Message
}

func (p *phone) Notify(_ context.Context, m *notify.Message) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	p.told = append(p.told, *m)
	return p.ref, nil
}

func (p *phone) down(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// kinds are what was told since the last call.
func (p *phone) kinds() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, m := range p.told {
		kind := string(m.Kind)
		if m.Doubt {
			kind += "?"
		}
		all = append(all, kind)
	}
	p.told = nil
	return strings.Join(all, " ")
}

var first = time.Unix(1_795_413_900, 0)

// runs has a plan run at the ticks of successive minutes, each time on another
// agent that knows nothing but the state.
type runs struct {
	t     *testing.T
	state string
	tick  time.Time
	limit time.Duration
	after func(*steps.Run)
}

func (r *runs) do(p *steps.Plan) (steps.Result, error) {
	r.t.Helper()
	if r.tick.IsZero() {
		r.tick = first
	}
	run := steps.Run{
		Job: "canary", Record: "canary.example.com", Agent: "A", Tick: r.tick, Next: r.tick.Add(time.Minute), Attempt: 1, Attempts: 1,
		Fence: 7, Last: "ok", State: r.state, Grace: time.Second,
	}
	if r.limit > 0 {
		run.Deadline = time.Now().Add(r.limit)
	}
	if r.after != nil {
		r.after(&run)
	}
	res, err := p.Do(r.t.Context(), run)
	if res.StateSet {
		r.state = res.State
	}
	r.tick = r.tick.Add(time.Minute)
	return res, err
}

func results(res steps.Result) string {
	var all []string
	for _, s := range res.Steps {
		all = append(all, s.Step+" "+s.Result)
	}
	return strings.Join(all, ", ")
}

func TestCommands(t *testing.T) {
	b := newBuilder(t)
	cmd := func(script string) *steps.Command { c := shell(script); return &c }
	p := &steps.Plan{Steps: []steps.Step{
		{ID: "count", Command: cmd(`echo one; echo $((SOLOTICK_STATE + 1)) > "$SOLOTICK_STATE_OUT"`)},
		{Command: cmd(`echo "two $SOLOTICK_STATE $GIVEN"; exit "$FAIL"`), Env: []steps.Field{{Name: "GIVEN", Text: b.text("by {{ job }}")}}},
		{ID: "never", Command: cmd("echo three")},
	}}
	t.Setenv("FAIL", "7")
	r := &runs{t: t, state: "1"}
	res, err := r.do(p)
	if err == nil || !strings.HasPrefix(err.Error(), "step 2: ") {
		t.Errorf("error %v, want step 2", err)
	}
	if res.Code != 7 || res.Tail != "two 2 by canary\n" || res.State != "2" || !res.StateSet || results(res) != "count ok, 2 failed" {
		t.Errorf("result %+v", res)
	}
	t.Setenv("FAIL", "0")
	if res, err = r.do(p); err != nil || res.Tail != "three\n" || res.Code != 0 || r.state != "3" {
		t.Errorf("result %+v, error %v", res, err)
	}
	t.Setenv("FAIL", "7")
	p.Steps[1].MayFail = true
	if res, err = r.do(p); err != nil || results(res) != "count ok, 2 failed, never ok" {
		t.Errorf("a step that may fail: %s, error %v", results(res), err)
	}
}

func TestConditions(t *testing.T) {
	b := newBuilder(t)
	echo := shell(`echo '{"n": 3, "list": ["a"]}'; exit 4`)
	echo.Keep = 1000
	p := &steps.Plan{Steps: []steps.Step{
		{ID: b.knows("off", steps.KindExec), If: b.when("false"), Command: &echo},
		{ID: b.knows("data", steps.KindExec), Expect: b.when("code == 4 and json.n == 3 and took < 60 and ran", steps.KindExec), Command: &echo},
		{If: b.when("steps.data.ok and not steps.off.ran and steps.data.json.list[0] == 'a'"), Set: b.set("{{ steps.data.json.n }} at {{ tick }}, then {{ timer }}")},
	}}
	r := &runs{t: t}
	res, err := r.do(p)
	if err != nil || results(res) != "off skipped, data ok, 3 ok" {
		t.Errorf("%s, error %v", results(res), err)
	}
	if want := "3 at 1795413900, then 1795413960"; r.state != want {
		t.Errorf("state %q, want %q", r.state, want)
	}
	p.Steps[1].Expect = b.when("json.n > 3", steps.KindExec)
	if _, err = r.do(p); err == nil || !strings.Contains(err.Error(), `step data: expected json.n > 3; got code 4 and "{\"n\": 3`) {
		t.Errorf("not what was expected: %v", err)
	}
	p.Steps = p.Steps[:1]
	if res, err = r.do(p); !errors.Is(err, steps.ErrSkipped) || results(res) != "off skipped" {
		t.Errorf("nothing to do: %s, error %v", results(res), err)
	}
	p.Steps = []steps.Step{{Set: b.set("{{ " + `"` + strings.Repeat("x", 95) + `"` + " }}")}}
	if _, err = r.do(p); !errors.Is(err, steps.ErrState) || r.state == "" {
		t.Errorf("a state that is too long: %v", err)
	}
}

// api is a server that answers as it is told and keeps what it was asked.
type api struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	body   string
	hang   chan struct{}
	asked  []string
}

func newAPI(t *testing.T) *api {
	a := &api{status: 200, body: `{"items": []}`}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.asked = append(a.asked, fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("X-Key"), body))
		status, answer, hang := a.status, a.body, a.hang
		a.mu.Unlock()
		if hang != nil {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) answers(status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.body = status, body
}

func TestHTTP(t *testing.T) {
	b := newBuilder(t)
	a := newAPI(t)
	client := web.New(web.Options{})
	defer client.Close()
	key := []steps.Field{{Name: "X-Key", Text: b.text("{{ job }}")}}
	p := &steps.Plan{Steps: []steps.Step{
		{
			ID: b.knows("get", steps.KindHTTP), HTTP: &steps.HTTP{URL: b.text(a.URL + "/jobs?last={{ last }}"), Header: key, Client: client},
			Expect: b.when(`status == 200 and headers["content-type"] == "application/json" and json.items != nil and tries == 1`, steps.KindHTTP),
		},
		{HTTP: &steps.HTTP{URL: b.text(a.URL + "/original"), Client: client, Body: &steps.Body{JSON: &steps.Value{IsMap: true, Members: []steps.Member{
			{Name: "name", Value: steps.Value{Text: b.set("{{ agent }}")}},
			{Name: "timer", Value: steps.Value{Text: b.set("{{ timer }}")}},
			{Name: "timerold", Value: steps.Value{Text: b.set("{{ tick }}")}},
			{Name: "passcode", Value: steps.Value{Fixed: 1641466583}},
			{Name: "rest", Value: steps.Value{IsList: true, List: []steps.Value{{}, {Fixed: true}, {Text: b.set("<{{ len(steps.get.json.items) }}>")}}}},
		}}}}},
		{HTTP: &steps.HTTP{Method: "PUT", URL: b.text(a.URL + "/form"), Client: client, Body: &steps.Body{Form: []steps.Field{{Name: "a b", Text: b.text("&{{ job }}")}}}}},
		{HTTP: &steps.HTTP{URL: b.text(a.URL + "/text"), Client: client, Body: &steps.Body{Text: b.set("plain")}}},
	}}
	r := &runs{t: t}
	if res, err := r.do(p); err != nil {
		t.Fatalf("%v: %+v", err, res.Steps)
	}
	want := []string{
		"GET /jobs?last=ok  canary ",
		`POST /original application/json; charset=utf-8  {"name":"A","timer":1795413960,"timerold":1795413900,"passcode":1641466583,"rest":[null,true,"<0>"]}`,
		"PUT /form application/x-www-form-urlencoded  a+b=%26canary",
		"POST /text text/plain; charset=utf-8  plain",
	}
	if diff := cmp.Diff(want, a.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	a.answers(503, "busy")
	if _, err := r.do(p); err == nil || !strings.Contains(err.Error(), "got status 503") {
		t.Errorf("another status than expected: %v", err)
	}
	p.Steps[0].Expect = nil
	if _, err := r.do(p); err == nil || !strings.Contains(err.Error(), `status 503, want 200 to 299: "busy"`) {
		t.Errorf("a status that is no success: %v", err)
	}
	a.answers(200, "no json")
	p.Steps[0].Expect = b.when("json.items != nil", steps.KindHTTP)
	if _, err := r.do(p); err == nil || !strings.Contains(err.Error(), "?.") {
		t.Errorf("JSON that is not there: %v", err)
	}
}

func TestDeadline(t *testing.T) {
	b := newBuilder(t)
	a := newAPI(t)
	a.hang = make(chan struct{})
	defer close(a.hang)
	client := web.New(web.Options{})
	defer client.Close()
	ring := new(phone)
	p := &steps.Plan{
		Steps:     []steps.Step{{ID: "slow", HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client}, MayFail: true}, {Set: b.set("never")}},
		OnFailure: &steps.Alert{Name: "on_failure", Channel: "ops", To: ring, Text: b.text("{{ step }} {{ result }}")},
	}
	r := &runs{t: t, limit: 200 * time.Millisecond}
	res, err := r.do(p)
	if !errors.Is(err, steps.ErrTimeout) || !strings.Contains(results(res), "slow timeout") {
		t.Errorf("%s, error %v", results(res), err)
	}
	if len(ring.told) != 1 || ring.told[0].Text != "slow timeout" {
		t.Errorf("told %+v", ring.told)
	}
	// A run that is ended from outside says nothing: another agent runs the tick.
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("another agent"))
	res, err = p.Do(ctx, steps.Run{Job: "canary", Tick: first, State: "", Grace: time.Second})
	if !errors.Is(err, steps.ErrStopped) || res.StateSet || len(ring.told) != 1 {
		t.Errorf("%s, error %v, told %d times", results(res), err, len(ring.told))
	}
}

func TestAlerts(t *testing.T) {
	b := newBuilder(t)
	a := newAPI(t)
	client := web.New(web.Options{})
	defer client.Close()
	ring := &phone{ref: "1795413905.000100"}
	p := &steps.Plan{Steps: []steps.Step{
		{ID: b.knows("api", steps.KindHTTP), HTTP: &steps.HTTP{URL: b.text(a.URL), Client: client}},
		{Alert: &steps.Alert{
			Name: "failed", Channel: "ops", To: ring, Referenced: true, When: b.when("len(steps.api.json.items) > 0"), Severity: notify.Error,
			Text: b.text("{{ len(steps.api.json.items) }} of {{ job }} since {{ since.Unix() }}"), Rule: alert.Rule{Remind: 3 * time.Minute},
		}},
		{Set: b.set("seen {{ len(steps.api.json.items) }}")},
	}}
	r := &runs{t: t}
	run := func(body, want string) {
		t.Helper()
		a.answers(200, body)
		_, err := r.do(p)
		if err != nil {
			t.Error(err)
		}
		if got := ring.kinds(); got != want {
			t.Errorf("%s: told %q, want %q; state %q", body, got, want, r.state)
		}
	}
	const none, some = `{"items": []}`, `{"items": [1, 2]}`
	run(none, "")
	if r.state != "seen 0" {
		t.Errorf("a quiet alert shows in the state: %q", r.state)
	}
	run(some, "firing")
	run(some, "")
	if !strings.HasSuffix(r.state, "~seen 2") {
		t.Errorf("state %q", r.state)
	}
	run(some, "")
	run(some, "reminder")
	run(some, "")
	run(none, "cleared")
	if r.state != "seen 0" {
		t.Errorf("state %q", r.state)
	}

	// Nobody can be told: the run is well, and it is told later.
	ring.down(errors.New("channel_not_found"))
	a.answers(200, some)
	res, err := r.do(p)
	if err != nil || res.Steps[1].Err == nil || res.Steps[1].Result != "ok" {
		t.Errorf("an alert that nobody could be told: %+v, %v", res.Steps, err)
	}
	ring.down(nil)
	run(some, "firing")
	ring.down(fmt.Errorf("lost: %w", notify.ErrUncertain))
	a.answers(200, none)
	if _, err := r.do(p); err != nil {
		t.Error(err)
	}
	ring.down(nil)
	run(none, "cleared?")

	// What was told.
	run(some, "firing")
	a.answers(200, none)
	if _, err := r.do(p); err != nil {
		t.Error(err)
	}
	got := ring.told[0]
	want := notify.Message{
		Kind: notify.Cleared, Severity: notify.Error, Job: "canary", Alert: "failed", Title: "canary", Tick: r.tick.Add(-time.Minute).UTC(), Attempt: 1, Fence: 7,
		Agent: "A", Ref: "1795413905.000100", Since: first.Add(5 * time.Second).UTC(), Text: got.Text,
	}
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(got.Text, "It is over, after ") {
		t.Errorf("%q (-want +got):\n%s", got.Text, diff)
	}

	// A text that cannot be made keeps nobody from being told.
	ring.told = nil
	p.Steps[1].Alert.Text = b.text("first {{ steps.api.json.items[0].name.first }}")
	run(some, "firing")
}

func TestOnFailure(t *testing.T) {
	b := newBuilder(t)
	ring := new(phone)
	cmd := shell(`exit "$FAIL"`)
	p := &steps.Plan{
		Steps:     []steps.Step{{ID: "it", Command: &cmd}},
		OnFailure: &steps.Alert{Name: "on_failure", Channel: "ops", To: ring, Rule: alert.Rule{After: 2}},
	}
	r := &runs{t: t}
	run := func(fail, want string) {
		t.Helper()
		t.Setenv("FAIL", fail)
		_, err := r.do(p)
		if (err != nil) != (fail != "0") {
			t.Errorf("code %s: %v", fail, err)
		}
		if got := ring.kinds(); got != want {
			t.Errorf("code %s: told %q, want %q", fail, got, want)
		}
	}
	run("1", "")
	run("1", "firing")
	run("1", "")
	r.after = func(run *steps.Run) { run.Attempts = 2 }
	run("1", "") // another attempt comes
	r.after = nil
	p.Steps[0].If = b.when("false")
	if _, err := r.do(p); !errors.Is(err, steps.ErrSkipped) || ring.kinds() != "" {
		t.Errorf("a run that was skipped says something about failures: %v", err)
	}
	p.Steps[0].If = nil
	run("0", "cleared")
	run("0", "")
}

func TestExecNotifier(t *testing.T) {
	b := newBuilder(t)
	out := t.TempDir() + "/out"
	t.Setenv("OUT", out)
	cmd := shell(`echo "$SOLOTICK_JOB $SOLOTICK_KIND $SOLOTICK_SEVERITY $SOLOTICK_TITLE: $SOLOTICK_TEXT $SOLOTICK_KEY" >> "$OUT"`)
	to := &steps.ExecNotifier{Command: cmd}
	p := &steps.Plan{Steps: []steps.Step{{Alert: &steps.Alert{Name: "a", Channel: "ops", To: to, When: b.when("true"), Severity: notify.Info, Text: b.text("a\x00b")}}}}
	r := &runs{t: t}
	res, err := r.do(p)
	if err != nil || res.Steps[0].Err != nil {
		t.Fatal(err, res.Steps[0].Err)
	}
	written, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	data := string(written)
	if want := "canary firing info canary: ab canary/a/firing/2026-11-23T06:05:00Z\n"; data != want {
		t.Errorf("%q, want %q", data, want)
	}
	if _, err := to.Notify(t.Context(), &notify.Message{Kind: notify.Test, Job: "j"}); err != nil {
		t.Error(err)
	}
	// What a server has said may be the title: it is a line, and short enough for
	// a variable, whatever it said.
	if _, err := to.Notify(t.Context(), &notify.Message{Job: "j", Title: "a\r\nBcc: b\x1b[2J" + strings.Repeat("é", 1<<20), Text: "one\ntwo\x1b[2J" + strings.Repeat("😀", 1<<20)}); err != nil {
		t.Error(err)
	}
	if written, err = os.ReadFile(out); err != nil || !strings.Contains(string(written), "a Bcc: b[2Jé") || strings.Contains(string(written), "\x1b") || !strings.Contains(string(written), ": one\ntwo[2J😀") {
		t.Errorf("%.200q, %v", written, err)
	}
	failing := &steps.ExecNotifier{Command: shell("exit 3")}
	if _, err := failing.Notify(t.Context(), &notify.Message{}); !errors.Is(err, notify.ErrUncertain) {
		t.Errorf("a command that failed: %v", err)
	}
	missing := &steps.ExecNotifier{Command: steps.Command{Argv: []string{"/no/such/program"}}}
	if _, err := missing.Notify(t.Context(), &notify.Message{}); err == nil || errors.Is(err, notify.ErrUncertain) {
		t.Errorf("a command that is not there: %v", err)
	}
}

// TestEcho has a server, and a command, repeat the secrets that they were given.
func TestEcho(t *testing.T) {
	const secret = "pass word/+&\"1"
	b := newBuilder(t)
	hidden := func(source string) expression.Text {
		text, err := b.compiler().Text(source, func(piece string) (all []expression.Piece, err error) {
			for piece != "" {
				at := strings.Index(piece, "${")
				if at < 0 {
					return append(all, expression.Piece{Text: piece}), nil
				}
				inside, rest, _ := strings.Cut(piece[at+2:], "}")
				value := map[string]string{"": secret, "q": url.QueryEscape(secret), "p": url.PathEscape(secret)}[inside]
				all = append(all, expression.Piece{Text: piece[:at]}, expression.Piece{Text: value, Secret: true})
				piece = rest
			}
			return all, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text := hidden("${}")
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "who is %s %s %s?", r.Header.Get("Authorization"), r.URL.RequestURI(), body)
	}))
	defer echo.Close()
	host := strings.TrimPrefix(echo.URL, "http://")
	client := web.New(web.Options{})
	defer client.Close()
	for name, h := range map[string]*steps.HTTP{
		"header": {URL: b.text(echo.URL + "/x"), Header: []steps.Field{{Name: "Authorization", Text: hidden("Bearer ${} {{ job }}")}}},
		"query":  {URL: hidden(echo.URL + "/x?token=${q}&b={{ job }}")},
		"path":   {URL: hidden(echo.URL + "/${q}/x")},
		"user":   {URL: hidden("http://user:${p}@" + host + "/x")},
		"body":   {Method: "POST", URL: b.text(echo.URL + "/x"), Body: &steps.Body{Text: &text}},
		"json":   {Method: "POST", URL: b.text(echo.URL + "/x"), Body: &steps.Body{JSON: &steps.Value{IsMap: true, Members: []steps.Member{{Name: "a", Value: steps.Value{IsList: true, List: []steps.Value{{Text: &text}}}}}}}},
		"form":   {Method: "POST", URL: b.text(echo.URL + "/x"), Body: &steps.Body{Form: []steps.Field{{Name: "a", Text: text}}}},
	} {
		h.Client = client
		for _, expect := range []*expression.Program{nil, b.when("status == 200", steps.KindHTTP)} {
			p := &steps.Plan{Steps: []steps.Step{{HTTP: h, Expect: expect}}}
			_, err := (&runs{t: t}).do(p)
			shown := fmt.Sprint(err)
			for _, l := range p.Rehearse(t.Context(), steps.Run{Job: "canary", Tick: first}) {
				shown += "\n" + l.Text + "\n" + l.Answer
			}
			for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), "dXNlcjpwYXNzIHdvcmQ", `pass word/+&\"1`} {
				if strings.Contains(shown, form) {
					t.Errorf("%s: %s", name, shown)
				}
			}
			if err == nil || !strings.Contains(err.Error(), "who is") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}

	command := shell(`echo "$TOKEN"; exit 3`)
	p := &steps.Plan{Steps: []steps.Step{{Command: &command, Env: []steps.Field{{Name: "TOKEN", Text: text}}, Expect: b.when("code == 0", steps.KindExec)}}}
	if _, err := (&runs{t: t}).do(p); err == nil || strings.Contains(err.Error(), "pass word") {
		t.Errorf("a command: %v", err)
	}
}

// TestSecrets: nothing of a plan prints what came from elsewhere.
func TestSecrets(t *testing.T) {
	const secret = "t0k3n"
	hide := func(piece string) ([]expression.Piece, error) {
		return []expression.Piece{{Text: strings.ReplaceAll(piece, "${}", secret), Secret: true}}, nil
	}
	text, err := newBuilder(t).compiler().Text("Bearer ${} {{ job }}", hide)
	if err != nil {
		t.Fatal(err)
	}
	p := steps.Plan{Steps: []steps.Step{{
		Command: new(steps.Command),
		Env:     []steps.Field{{Name: "B", Text: text}, {Name: "C", Text: expression.Hidden(secret)}},
		HTTP:    &steps.HTTP{URL: text, Header: []steps.Field{{Name: "B", Text: text}}, Body: &steps.Body{Text: &text}},
		Set:     &text,
	}}}
	for _, v := range []any{&p, p.Steps, p.Steps[0], *p.Steps[0].Command, *p.Steps[0].HTTP, text, struct{ x any }{p.Steps[0].HTTP.Header}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, secret) {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
		if got, err := json.Marshal(v); err == nil && strings.Contains(string(got), secret) {
			t.Errorf("JSON of %T: %s", v, got)
		}
	}
}
