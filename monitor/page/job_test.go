package page

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// canary is a job whose history has a little of everything: a takeover, failures, a
// gap, reports.
var canary = sync.OnceValue(func() *monitor.History {
	w := newWorld(noon)
	w.play(madeUp{
		name: "canary.example.com", job: "canary", every: 60, takes: 3, back: 9 * time.Hour, agents: []string{"AAAAAAAAAA", "BBBBBBBBBB", "CCCCCCCCCC"},
		told: true, resolvers: true, vanish: map[int]bool{20: true}, ends: map[int]record.Result{9: record.Failed, 30: record.Timeout}, blind: [2]int{44, 39},
	})
	return w.h
})

// TestRecord reads the page of a record.
func TestRecord(t *testing.T) {
	cfg := fixed(canary())
	cfg.Title = "example.com"
	body := ask(t, Handler(cfg), "/records/canary.example.com").body
	has(t, body, "<title>canary · Solotick</title>", `<h1 id="title">canary</h1>`, "canary.example.com", "on time", "every 60 s", `data-stream="canary.example.com"`,
		// who ran it
		">AAAAAAAAAA</span>", ">BBBBBBBBBB</span>", "56 runs by 2 agents: 53 ok, 1 lost, 1 failed, 1 timeout", "1 takeover; 1 stretch not looked at",
		"BBBBBBBBBB took over from AAAAAAAAAA, whose last sign of life was 26 s before", "not looked at from 11:15:04", `aria-current="true">1h</a>`,
		// the record, raw and key by key
		`{&#34;id&#34;:&#34;BBBBBBBBBB&#34;`, "dig &#43;short TXT canary.example.com<", "dig &#43;short TXT canary.example.com @ns1.example.com", "solotick status canary.example.com",
		"the fence and version: it only ever grows", "the next tick to be claimed", "how the latest run ended",
		// who sees what
		"60 s behind", "cache, keeps it for 12 s more", "authoritative, TTL 60 s, 8 ms",
		// runs and events
		"step backups: expect: status == 200 is false", "503 Service Unavailable", "attempt 2", "taken over",
		"5 ticks fell due between two looks", "more of the 56 in this stretch of time")
	golden(t, "keys", part(t, body, `<table class="plain keys">`, "</table>"))
	golden(t, "servers", part(t, body, `<ul class="servers">`, "</ul>"))
	all := ask(t, Handler(cfg), "/records/canary.example.com?runs=all").body
	has(t, all, "details unknown: seen by DNS only")
	if n, m := strings.Count(body, `<tr id="run-`), strings.Count(all, `<tr id="run-`); n != fewRuns || m != 56 {
		t.Errorf("%d runs in the table, and %d of all", n, m)
	}
}

// TestStretch checks the addresses that say which part of the past is shown.
func TestStretch(t *testing.T) {
	page := Handler(fixed(canary()))
	for query, want := range map[string]struct {
		runs  string
		marks []string
	}{
		"":           {"56 runs", []string{`aria-current="true">1h</a>`, `href="?from=2026-11-24T10%3A00%3A37Z&amp;to=2026-11-24T11%3A00%3A37Z"`}},
		"?range=6h":  {"356 runs", []string{`aria-current="true">6h</a>`, "runs that are close are one block"}},
		"?range=24h": {"537 runs", []string{"2 stretches not looked at"}},
		"?range=7d":  {"537 runs by 2 agents", []string{"2 stretches not looked at"}},
		"?range=1y":  {"56 runs", nil},
		"?from=2026-11-24T10:00:00Z&to=2026-11-24T10:10:00Z": {"11 runs", []string{`href="?from=2026-11-24T10%3A10%3A00Z&amp;to=2026-11-24T10%3A20%3A00Z"`, ">10:00:00</time> to"}},
		"?from=1795514400&to=1795515000":                     {"11 runs", nil},
		"?from=2026-11-24T11:30:00Z":                         {"32 runs", nil}, // to now
		"?to=2026-11-24T11:30:00Z":                           {"56 runs", []string{`href="?range=1h" data-nav title="later"`}},
		"?from=2026-11-24T10:10:00Z&to=2026-11-24T10:00:00Z": {"56 runs", nil},
		"?from=1&to=99999999999999999999":                    {"56 runs", nil},
		"?from=yesterday":                                    {"56 runs", nil},
		"?from=2026-01-01T00:00:00Z":                         {"56 runs", nil}, // too wide
		"?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z": {"No run was seen", []string{"not looked at"}},
	} {
		body := ask(t, page, "/records/canary.example.com"+query).body
		has(t, part(t, body, `aria-labelledby="lanes-title"`, "</section>"), append(want.marks, want.runs)...)
		if t.Failed() {
			t.Fatalf("at %s", query)
		}
	}
}

// TestNotes checks that what is odd about a record is told at once, and what is only
// usual of caches is out of the way.
func TestNotes(t *testing.T) {
	h, target, r := small("canary.example.com")
	s := seen(target, noon, r, true)
	s.Set.Foreign = []string{"v=spf1 -all"}
	h.See(s)
	page := Handler(fixed(h))
	const own, other = "1 other TXT value at this name", "203.0.113.9:53 shows an older record, by 60 s"
	list := ask(t, page, "/").body
	has(t, part(t, list, `<td role="cell" class="why">`, "</td>"), own)
	has(t, part(t, list, `<span class="hint"`, "</span>"), other)
	body := ask(t, page, "/records/canary.example.com").body
	has(t, part(t, body, `<ul class="notes"`, "</ul>"), own)
	hasNot(t, body, other)
	has(t, body, "60 s behind")
}

// TestDaily checks that a job which runs once a day is shown over days.
func TestDaily(t *testing.T) {
	w := newWorld(noon)
	w.h.Apart(time.Hour)
	w.play(madeUp{name: "daily.example.com", every: 86400, takes: 600, back: 29 * 24 * time.Hour, agents: []string{"AAAAAAAAAA"}, shift: 3600, looks: 1800})
	body := ask(t, Handler(fixed(w.h)), "/records/daily.example.com").body
	has(t, body, `aria-current="true">30d</a>`, "30 runs by 1 agent", "every 24 h")
}

// TestBegun checks that who has just begun to look is not shown an hour of nothing.
func TestBegun(t *testing.T) {
	w := newWorld(noon)
	w.play(madeUp{name: "canary.example.com", every: 60, takes: 3, back: 5 * time.Minute, agents: []string{"AAAAAAAAAA"}})
	w.play(madeUp{name: "weekly.example.com", every: 7 * 86400, takes: 3, back: 5 * time.Minute, agents: []string{"AAAAAAAAAA"}})
	for _, name := range []string{"canary", "weekly"} {
		has(t, ask(t, Handler(fixed(w.h)), "/records/"+name+".example.com").body, `aria-current="true">15m</a>`)
	}
}

// TestLock checks a record that has no ticks.
func TestLock(t *testing.T) {
	h, target := monitor.NewHistory(monitor.Limits{}), monitor.Target{Name: "lock.example.com"}
	h.Watch(target)
	r := record.Record{ID: "VDNDNQNWQY", Seq: at(-60) * 1000, Last: record.OK}
	h.See(seen(target, noon.Add(-60*time.Second), r, false))
	page := Handler(fixed(h))
	has(t, ask(t, page, "/records/lock.example.com").body, "free", "A lock that nobody holds"[2:])
	r.Claimed, r.Lease, r.Until, r.Seq = true, 15, at(5), at(-10)*1000
	h.See(seen(target, noon.Add(-9*time.Second), r, false))
	body := ask(t, page, "/records/lock.example.com").body
	has(t, body, "held", "Holder", "a lock</th>", "running")
	hasNot(t, body, "NaN", "1970")
	has(t, ask(t, page, "/").body, "held")
}

// TestOriginal checks a record as the agents of 2022 wrote it.
func TestOriginal(t *testing.T) {
	h, target := monitor.NewHistory(monitor.Limits{}), monitor.Target{Name: "canary.example.com"}
	h.Watch(target)
	r, err := record.Parse(`{"id":"VDNDNQNWQY","timer":1795521660,"timerold":1795521589,"entryid":"1b603cac"}`)
	if err != nil {
		t.Fatal(err)
	}
	h.See(seen(target, noon, r, false))
	has(t, ask(t, Handler(fixed(h)), "/records/canary.example.com").body, "written by the agents of 2022", "1b603cac", "on time")
}

// TestDecode checks what is said of keys that are not always there.
func TestDecode(t *testing.T) {
	for text, want := range map[string][]string{
		`{"id":"A","timer":0,"timerold":0}`: {"no tick was claimed yet"},
		`{"id":"A","timer":1795521660,"timerold":1795521600,"seq":1795521600000,"until":1795521650,"lease":15,"try":2,"last":"lost"}`: {"about when the claim lapses", "seconds that the claim lasts", "the attempt at the tick", ">2<"},
		`{"id":"A","timer":1795521660,"timerold":1795521600,"seq":1795521600000,"try":2,"last":"failed"}`:                             {"the retry of the tick"},
		`{"id":"A","timer":1795521660,"timerold":1795521600,"seq":1795521600000,"pause":-1,"why":"holidays"}`:                         {"until somebody resumes it", "holidays", "paused by an operator, "},
		`{"id":"A","timer":1795521660,"timerold":1795521600,"seq":1795521600000,"pause":1795525200}`:                                  {"13:00:00", "when the operator&#39;s pause ends"},
		`{"id":"A","timer":1795521660,"timerold":1795521600,"seq":1795521600000,"state":"!disk~17","colour":{"a":[1,2]}}`:             {"!disk~17", "own memory", "colour", "{&#34;a&#34;:[1,2]}", "not known to this version"},
		`{"id":"A","timer":9007199254740991,"timerold":1795521600,"seq":1795521600000}`:                                               {"no time that a calendar has"},
	} {
		h, target := monitor.NewHistory(monitor.Limits{}), monitor.Target{Name: "canary.example.com"}
		h.Watch(target)
		r, err := record.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		h.See(seen(target, noon, r, false))
		body := ask(t, Handler(fixed(h)), "/records/canary.example.com").body
		has(t, part(t, body, `<table class="plain keys">`, "</table>"), want...)
	}
}

// TestDig checks that the lines for a terminal ask whom the page has asked, and hold
// nothing that a shell would take for more.
func TestDig(t *testing.T) {
	one := func(name, addr string) []string {
		return digs(monitor.Item{Name: "canary.example.com", Servers: []monitor.Server{{Name: name, Addr: addr, Authority: true}}})
	}
	const dig, status = "dig +short TXT canary.example.com", "solotick status canary.example.com"
	for _, c := range []struct {
		name, addr string
		want       []string
	}{
		{"ns1.example.com.", "192.0.2.1:53", []string{dig, dig + " @ns1.example.com", status}},
		{"192.0.2.1", "192.0.2.1:5353", []string{dig + " @192.0.2.1 -p 5353", status + " @192.0.2.1 -p 5353"}},
		{"::1", "[::1]:5353", []string{dig + " @::1 -p 5353", status + " @::1 -p 5353"}},
		{"ns1$(reboot).example.com", "192.0.2.1:53", []string{dig, dig + " @192.0.2.1", status}},
		{"a;b", "a;b:53", []string{dig, status}},
	} {
		if diff := cmp.Diff(c.want, one(c.name, c.addr)); diff != "" {
			t.Errorf("%s (%s) (-want +got):\n%s", c.name, c.addr, diff)
		}
	}
}

// TestHostile has everything that comes from outside be what breaks pages, and
// looks for it.
func TestHostile(t *testing.T) {
	const evil = `"'><img src=x onerror=alert(1)></script><script>alert(1)</script>{{.}}`
	h, target := monitor.NewHistory(monitor.Limits{}), monitor.Target{Name: "canary.example.com", Job: evil}
	h.Watch(target)
	r := record.Record{ID: evil, Timer: at(23), TimerOld: at(-37), Seq: at(-35) * 1000, Last: evil, State: evil, Extra: `"` + `<b>":"` + `</script><img src=x>"`}
	s := seen(target, noon.Add(-30*time.Second), r, true)
	for i := range s.Answers {
		s.Answers[i].Server.Name = evil
		s.Answers[i].Alias, s.Answers[i].Wildcard = evil, evil
	}
	s.Answers[0].Texts = append(s.Answers[0].Texts, "{"+evil)
	s.Set = record.Read(s.Answers[0].Texts, noon.Unix())
	h.See(s)
	r.Pause, r.Why, r.Seq = -1, evil, r.Seq+1000
	next := seen(target, noon.Add(-20*time.Second), r, false)
	h.See(next)
	code := 1
	err := h.Tell(target.Name, monitor.Run{Tick: at(-37), Attempt: 1, Agent: evil, Result: evil, Detail: &monitor.Detail{
		Began: noon.Add(-37 * time.Second), TookMS: 5, Code: &code, Error: evil, Output: evil, Trace: evil,
		Steps: []monitor.Step{{ID: evil, Kind: evil, Result: evil, Note: evil}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := fixed(h)
	cfg.Title, cfg.Version = evil, evil
	page := Handler(cfg)
	for _, path := range []string{"/", "/wall", "/records/canary.example.com?range=24h", "/records/" + url.PathEscape(evil), "/" + url.PathEscape(evil), "/?q=" + url.QueryEscape(evil) + "&state=" + url.QueryEscape(evil) + "&sort=" + url.QueryEscape(evil)} {
		body := ask(t, page, path, "Cookie", "solotick_zone="+url.QueryEscape(evil)+"; solotick_theme="+url.QueryEscape(evil)).body
		hasNot(t, body, "<img", "<script>", "</script><", "onerror=alert(1)>", "ZgotmplZ", "<b>\"")
	}
}

// TestLong checks that what is long is cut, or scrolls, and stays one document.
func TestLong(t *testing.T) {
	h, target := monitor.NewHistory(monitor.Limits{}), monitor.Target{Name: strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + ".example.com"}
	h.Watch(target)
	r := record.Record{ID: strings.Repeat("M", 32), Timer: at(23), TimerOld: at(-37), Seq: at(-35) * 1000, Last: record.OK}
	h.See(seen(target, noon, r, false))
	body := ask(t, Handler(fixed(h)), "/").body
	hasNot(t, body, strings.Repeat("M", 24))
	has(t, body, strings.Repeat("M", 23)+"…")
}
