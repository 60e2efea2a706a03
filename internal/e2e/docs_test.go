package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// A block is one piece of code in a text for people.
type block struct{ kind, text string }

// blocks are all of a page in docs.
func blocks(t *testing.T, page string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```([a-z0-9]*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		all = append(all, block{m[1], m[2]})
	}
	return all
}

// A reader is a machine that can ask DNS: its shell finds a dig that asks the test's
// server, whomever it is told to ask, and the program, and a curl that takes note of
// what it is asked.
type reader struct {
	*cluster
	path string
}

// newReader starts BIND for the zone that the pages speak of.
func newReader(t *testing.T) *reader {
	t.Helper()
	s := dnstest.Run(t, dnstest.Config{Kind: dnstest.BIND, Zone: "example.com", Keys: []dnstest.Key{dnstest.NewKey("agents")}})
	at := &place{server: s, addr: s.Addr, zone: s.Zone, key: s.Keys[0]}
	r := &reader{cluster: &cluster{t: t, at: at, name: "canary.example.com.", dir: t.TempDir()}, path: t.TempDir()}
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	dig, err := exec.LookPath("dig")
	if err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"dig":      `for a; do shift; case $a in @*) ;; *) set -- "$@" "$a" ;; esac; done; exec ` + dig + ` +tries=1 +time=5 @` + host + ` -p ` + port + ` "$@"`,
		"solotick": `exec ` + program + ` "$@" @` + s.Addr,
		"curl":     `echo "$@" >>` + r.cluster.path("curl"),
	} {
		if err := os.WriteFile(filepath.Join(r.path, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// sh runs a script as its user would, and returns what it printed.
func (r *reader) sh(script string) string {
	r.t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+r.path+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		r.t.Errorf("%s: %v", script, err)
	}
	return string(out)
}

// set makes texts the values at a name.
func (r *reader) set(name string, texts ...string) {
	r.t.Helper()
	script := []string{"update delete " + name + ".example.com. TXT"}
	for _, text := range texts {
		quoted := ""
		for len(text) > 200 { // as several strings
			quoted += ` "` + strings.ReplaceAll(text[:200], `"`, `\"`) + `"`
			text = text[200:]
		}
		script = append(script, "update add "+name+".example.com. 60 TXT"+quoted+` "`+strings.ReplaceAll(text, `"`, `\"`)+`"`)
	}
	r.nsupdate(script...)
}

// The record that the page shows.
const shownCanary = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903911000,"last":"ok"}`

// relative is a moment in a text, in seconds from now.
var relative = regexp.MustCompile(`<([+-]\d+)>`)

// TestAlertOfPage has the alerts of docs/dig.md and its lines for cron tell what is bad,
// and nothing else.
func TestAlertOfPage(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	notRun, failed, cron := alertsOfPage(t)
	check, ping := cron[1], cron[2]
	idle := func(timer, old, seq, more string) string {
		return `{"id":"VDNDNQNWQY","timer":` + timer + `,"timerold":` + old + `,"seq":` + seq + `000` + more + `}`
	}
	on := func(more string) string { return idle("<+300>", "<-300>", "<-299>", more) }
	long := `,"last":"ok","state":"` + strings.Repeat("s", 90) + `","x":"` + strings.Repeat("y", 200) + `"`
	for _, c := range []struct {
		name           string
		texts          []string
		alerts, failed bool
		check          string // what solotick check says; empty: nothing, as all is well
	}{
		{"on time", []string{on(`,"last":"ok"`)}, false, false, ""},
		{"on time, beside another value", []string{"v=spf1 -all", on(`,"last":"ok"`)}, false, false, ""},
		{"on time, in several pieces", []string{on(long)}, false, false, ""},
		{"no run yet", []string{idle("<+300>", "0", "<-29>", "")}, false, false, ""},
		{"due", []string{idle("<-5>", "<-605>", "<-600>", `,"last":"ok"`)}, false, false, ""},
		{"too long ago", []string{idle("<-120>", "<-720>", "<-700>", `,"last":"ok"`)}, true, false, "WARNING"},
		{"much too long ago", []string{idle("<-1000>", "<-1060>", "<-1050>", `,"last":"ok"`)}, true, false, "CRITICAL"},
		{"running for an hour", []string{idle("<-3000>", "<-3600>", "<-5>", `,"until":<+10>,"lease":15`)}, false, false, ""},
		{"vanished amid its run", []string{idle("<+3000>", "<-600>", "<-135>", `,"until":<-120>,"lease":15`)}, true, false, "WARNING"},
		{"paused", []string{idle("<-3000>", "<-3060>", "<-3050>", `,"pause":-1`)}, false, false, "WARNING"},
		{"paused for a while", []string{idle("<-3000>", "<-3060>", "<-3050>", `,"pause":<+600>`)}, false, false, "WARNING"},
		{"a pause that is over", []string{idle("<-3000>", "<-3060>", "<-3050>", `,"pause":<-600>`)}, true, false, "CRITICAL"},
		{"failed", []string{on(`,"last":"failed"`)}, false, true, "CRITICAL"},
		{"timed out", []string{on(`,"last":"timeout"`)}, false, true, "CRITICAL"},
		{"skipped", []string{on(`,"last":"skipped"`)}, false, false, ""},
		{"an agent of 2022", []string{`{"id": "MAWDAHDOQH", "timer": <+60>, "timerold": <-11>}`}, false, false, ""},
		{"damaged", []string{`{"id":"VDND`}, true, true, "CRITICAL"},
		{"no record", nil, true, true, "UNKNOWN"},
		{"another value alone", []string{"v=spf1 -all"}, true, true, "UNKNOWN"},
	} {
		now := time.Now().Unix()
		var texts []string
		for _, text := range c.texts {
			texts = append(texts, relative.ReplaceAllStringFunc(text, func(m string) string {
				offset, _ := strconv.ParseInt(m[1:len(m)-1], 10, 64)
				return strconv.FormatInt(now+offset, 10)
			}))
		}
		r.set("canary", texts...)
		r.wantAlert(c.name, notRun, c.alerts)
		r.wantAlert(c.name, failed, c.failed)
		r.wantCheck(c.name, check, c.check)
	}
	r.set("canary", shownCanary)
	if r.sh(ping + "; true"); r.read("curl") != "" {
		t.Errorf("a job that has missed years of runs is told to be well: %s", r.read("curl"))
	}
	r.set("canary", strings.Replace(shownCanary, "1641903970", "9999999999", 1))
	if r.sh(ping); !strings.HasSuffix(strings.TrimSpace(r.read("curl")), "https://watch.example.net/ping/canary") {
		t.Errorf("a job that is fine is not told to be: %s", r.read("curl"))
	}
	r.at.server.Kill()
	r.wantAlert("no DNS server", notRun, true)
	r.wantCheck("no DNS server", check, "UNKNOWN")
}

// alertsOfPage are the two alerts of docs/dig.md, and the commands of its lines for
// cron.
func alertsOfPage(t *testing.T) (notRun, failed string, cron []string) {
	t.Helper()
	for _, b := range blocks(t, "dig.md") {
		switch {
		case b.kind == "sh" && strings.Contains(b.text, "canary has not run"):
			notRun = b.text
		case b.kind == "sh" && strings.Contains(b.text, "canary failed"):
			failed = b.text
		case b.kind == "cron":
			for line := range strings.Lines(b.text) {
				if command, ok := strings.CutPrefix(strings.TrimSpace(line), "*/5 * * * * "); ok {
					cron = append(cron, command)
				} else if line != "MAILTO=ops@example.com\n" {
					t.Errorf("no line for cron: %s", line)
				}
				if strings.Contains(line, "%") {
					t.Errorf("cron takes %% for the end of a line: %s", line)
				}
			}
		}
	}
	if notRun == "" || failed == "" || len(cron) != 3 || cron[0] != strings.Join(strings.Fields(notRun), " ") {
		t.Fatalf("the page has changed: %q, %q, %q", notRun, failed, cron)
	}
	return notRun, failed, cron
}

func (r *reader) wantAlert(name, script string, want bool) {
	r.t.Helper()
	if got := r.sh(script); strings.Contains(got, "canary") != want {
		r.t.Errorf("%s: %s\nprints %q, want an alert: %v", name, script, got, want)
	}
}

func (r *reader) wantCheck(name, script, want string) {
	r.t.Helper()
	if got := r.sh(script); (got == "") != (want == "") || want != "" && !strings.HasPrefix(got, "SOLOTICK "+want+" - ") {
		r.t.Errorf("%s: %s\nprints %q, want that of %q", name, script, got, want)
	}
}
