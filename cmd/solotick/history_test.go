package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// invoke runs the program in this process.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("LC_ALL", "C.UTF-8")
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// show has a history see a text at a name.
func show(h *monitor.History, name string, at int64, text string) {
	a := lookup.Answer{Name: name, Status: lookup.Found, Texts: []string{text}, Authoritative: true, TTL: time.Minute}
	h.See(monitor.Sight{
		Target: monitor.Target{Name: name}, Time: time.Unix(at, 0), Answers: []lookup.Answer{a}, Set: record.Read(a.Texts, at),
	})
}

// recordIn is a history of three ticks of canary.t.test, the second of them taken
// over, with a gap before the third, which an agent has told of as well.
func recordIn(t *testing.T, h *monitor.History) (base int64) {
	t.Helper()
	const name = "canary.t.test"
	h.Watch(monitor.Target{Name: name})
	base = time.Now().Unix()/60*60 - 3600
	text := func(id string, tick, seq int64, more string) string {
		return fmt.Sprintf(`{"id":%q,"timer":%d,"timerold":%d,"seq":%d%s}`, id, tick+60, tick, seq*1000, more)
	}
	show(h, name, base+1, text("AAAAAAAAAA", base, base, fmt.Sprintf(`,"until":%d,"lease":15`, base+15)))
	show(h, name, base+4, text("AAAAAAAAAA", base, base+3, `,"last":"ok"`))
	second := base + 60
	show(h, name, second+2, text("AAAAAAAAAA", second, second, fmt.Sprintf(`,"until":%d,"lease":15,"last":"ok"`, second+15)))
	show(h, name, second+23, text("BBBBBBBBBB", second, second+22, fmt.Sprintf(`,"until":%d,"lease":15,"try":2,"last":"lost"`, second+37)))
	show(h, name, second+25, text("BBBBBBBBBB", second, second+24, `,"last":"ok"`))
	third := base + 1200
	show(h, name, third+2, text("BBBBBBBBBB", third, third+1, `,"last":"failed"`))
	code := 3
	if err := h.Tell(name, monitor.Run{
		Tick: third, Attempt: 1, Agent: "BBBBBBBBBB", Result: record.Failed,
		Detail: &monitor.Detail{Began: time.Unix(third, 250e6), TookMS: 740, Code: &code, Error: "no | space\x1b[31m left\non device"},
	}); err != nil {
		t.Fatal(err)
	}
	return base
}

// wantTable is what is printed of that history.
func wantTable(t *testing.T, got string) {
	t.Helper()
	from := 0
	for _, want := range []string{ // in this order
		`^tick +agent +try +began +lag +took +result$`,
		`^\S+ \d\d:\d\d:00Z  AAAAAAAAAA      1    \d\d:\d\d:00Z  0 s       3 s       ok$`,
		`^\S+ \d\d:\d\d:00Z  AAAAAAAAAA      1    \d\d:\d\d:00Z  0 s       -         lost$`,
		`^\S+ \d\d:\d\d:00Z  BBBBBBBBBB      2    -          -         -         ok, took over$`,
		`^  ▲ nobody looked from .* \d\d:\d\d:25Z to .* \d\d:\d\d:02Z: runs of that time may$`,
		`^\S+ \d\d:\d\d:00Z  BBBBBBBBBB      1    -          0.25 s    0.74 s    failed, exit code 3: no | space�\[31m left$`,
		`^agent +runs  ok  failed  lost  other  lag, median and worst  took, median and worst$`,
		`^AAAAAAAAAA  2     1   0       1     0      0 s, 0 s               3 s, 3 s$`,
		`^BBBBBBBBBB  2     1   1       0     0      0.25 s, 0.25 s         0.74 s, 0.74 s$`,
	} {
		at := regexp.MustCompile("(?m)" + want).FindStringIndex(got[from:])
		if at == nil {
			t.Fatalf("no line matches %s behind the ones before it in\n%s", want, got)
		}
		from += at[1]
	}
	if strings.ContainsRune(got, '\x1b') {
		t.Errorf("a text from outside gets at the terminal: %q", got)
	}
}

func TestHistoryOfFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	h, err := monitor.OpenHistory(path, monitor.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	base := recordIn(t, h)
	code, _, stderr := invoke(t, "history", "--from", path)
	if code != exitTryAgain || !strings.Contains(stderr, "another process has it open") || !strings.Contains(stderr, "to do:   ask that process") {
		t.Errorf("while it is open: exit code %d, and on stderr\n%s", code, stderr)
	}
	want := h.RunsDocument("canary.t.test", base, base+3600)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = invoke(t, "history", "--from", "127.0.0.1:8080")
	if code != exitFailed || !strings.Contains(stderr, "begins with http://") {
		t.Errorf("an address that looks like a file: exit code %d, and on stderr\n%s", code, stderr)
	}
	code, stdout, stderr := invoke(t, "history", "--from", path)
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, and on stderr\n%s", code, stderr)
	}
	wantTable(t, stdout)

	code, stdout, _ = invoke(t, "history", "canary.t.test", "--from", path, "--json", "--since", "0")
	var doc historyDoc
	if err := json.Unmarshal([]byte(stdout), &doc); code != exitOK || err != nil {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if doc.Schema != historySchema || doc.Source != "file" || len(doc.Records) != 1 {
		t.Fatalf("%+v", doc)
	}
	opt := cmpopts.IgnoreUnexported(monitor.Run{})
	if diff := cmp.Diff(want.Runs, doc.Records[0].Runs.Runs, opt); diff != "" {
		t.Errorf("runs: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(want.Spans, doc.Records[0].Spans); diff != "" {
		t.Errorf("spans: -want +got\n%s", diff)
	}

	// Of the last half hour nothing is known.
	code, stdout, _ = invoke(t, "history", "--from", path, "--since", "30m")
	if code != exitOK || !strings.Contains(stdout, "\nno run was seen\n") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
	code, _, stderr = invoke(t, "history", "other.t.test", "--from", path)
	if code != exitFailed || !strings.Contains(stderr, "which has: canary.t.test") {
		t.Errorf("exit code %d, and on stderr\n%s", code, stderr)
	}
	code, _, stderr = invoke(t, "history", "--from", path+"x")
	if code != exitFailed || !strings.Contains(stderr, "no such file") {
		t.Errorf("exit code %d, and on stderr\n%s", code, stderr)
	}
}

func TestHistoryOfServer(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	base := recordIn(t, h)
	status, body := http.StatusOK, ""
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
		to, err2 := strconv.ParseInt(r.URL.Query().Get("to"), 10, 64)
		if user, password, _ := r.BasicAuth(); err != nil || err2 != nil || r.Method != http.MethodGet || user != "u" || password != "p" || to-from != 7200 {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		w.WriteHeader(status)
		if body == "" {
			_ = json.NewEncoder(w).Encode(h.RunsDocument("canary.t.test", from, to))
			return
		}
		fmt.Fprint(w, body)
	}))
	defer s.Close()
	url := strings.Replace(s.URL, "//", "//u:p@", 1) + "/base/"
	ask := func() (int, string, string) {
		return invoke(t, "history", "canary.t.test", "--since", "2h", "--from", url)
	}
	code, stdout, stderr := ask()
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, and on stderr\n%s", code, stderr)
	}
	wantTable(t, stdout)
	if diff := cmp.Diff([]string{"/base/api/v1/records/canary.t.test/runs"}, asked); diff != "" {
		t.Errorf("paths: -want +got\n%s", diff)
	}
	code, stdout, _ = invoke(t, "history", "canary.t.test", "--since", "2h", "--from", url, "--json")
	var doc historyDoc
	if err := json.Unmarshal([]byte(stdout), &doc); code != exitOK || err != nil || doc.Source != "server" || doc.Records[0].Runs.Runs[0].Tick != base {
		t.Errorf("exit code %d, %v: %s", code, err, stdout)
	}

	for _, c := range []struct {
		status int
		body   string
		code   int
		says   string
	}{
		{http.StatusNotFound, "no such record", exitFailed, "does not watch canary.t.test"},
		{http.StatusUnauthorized, "", exitRefused, "401 Unauthorized"},
		{http.StatusInternalServerError, "broken", exitUnreachable, "500 Internal Server Error"},
		{http.StatusOK, "<html>", exitFailed, "no solotick.runs/v1 of canary.t.test"},
		{http.StatusOK, `{"schema":"solotick.runs/v2","name":"canary.t.test"}`, exitFailed, "one of another version"},
		{http.StatusOK, `{"schema":"solotick.runs/v1","name":"other.t.test"}`, exitFailed, "no solotick.runs/v1 of canary.t.test"},
	} {
		status, body = c.status, c.body
		code, stdout, stderr := ask()
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "u:p") {
			t.Errorf("%d %s: exit code %d, want %d, and on stderr\n%s", c.status, c.body, code, c.code, stderr)
		}
	}
	s.Close()
	if code, _, stderr := ask(); code != exitUnreachable || strings.Contains(stderr, "u:p") {
		t.Errorf("a server that is away: exit code %d, and on stderr\n%s", code, stderr)
	}
}
