package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// TestHeaders checks what every answer has, also one that says that there is
// nothing.
func TestHeaders(t *testing.T) {
	h, _, _ := small("canary.example.com")
	page := Handler(fixed(h))
	for _, path := range []string{"/", "/records/canary.example.com", "/records/other.example.com", "/wall", "/nothing", "/static/page.css", "/static/nothing"} {
		got := ask(t, page, path)
		csp := got.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: no %s in Content-Security-Policy %q", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"} {
			if v := got.header.Get(name); v != want {
				t.Errorf("%s: %s: %q, want %q", path, name, v, want)
			}
		}
		if strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			if v := got.header.Get("Cache-Control"); v != "no-store" {
				t.Errorf("%s: Cache-Control: %q", path, v)
			}
			// Nothing is loaded from elsewhere, and nothing is inline that the policy
			// would refuse.
			hasNot(t, got.body, "http://", "https://", "<script>", "<style", " style=", " onclick=", "javascript:")
		}
	}
}

// TestMethods checks that nothing can be changed here.
func TestMethods(t *testing.T) {
	h, _, _ := small("canary.example.com")
	page := Handler(fixed(h))
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		for _, path := range []string{"/", "/records/canary.example.com", "/admin/pause"} {
			w := httptest.NewRecorder()
			page.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest("HEAD", "/", nil))
	if w.Code != http.StatusOK {
		t.Errorf("HEAD /: %d", w.Code)
	}
}

// TestBase checks that everything is found below a path, whether the proxy in front
// takes it away or not.
func TestBase(t *testing.T) {
	h, _, _ := small("canary.example.com")
	cfg := fixed(h)
	cfg.Base = "/tools/solotick"
	page := Handler(cfg)
	for path, root := range map[string]string{
		"/tools/solotick/": "./", "/tools/solotick/wall": "./", "/tools/solotick/records/canary.example.com": "../",
		"/": "./", "/records/canary.example.com": "../", "/tools/solotick/no/such/page": "./../../",
	} {
		got := ask(t, page, path)
		has(t, got.body, `href="`+root+`static/page.css?`, `src="`+root+`static/page.js?`, `class="brand" href="`+root+`"`)
		hasNot(t, got.body, `href="/`, `src="/`, `action="/`)
	}
	got := ask(t, page, "/tools/solotick?q=x")
	if got.code != http.StatusPermanentRedirect || got.header.Get("Location") != "solotick/?q=x" {
		t.Errorf("without the slash: %d to %q", got.code, got.header.Get("Location"))
	}
}

// TestAssets checks that what pages load may be kept for ever under its hash, and is
// asked for again without.
func TestAssets(t *testing.T) {
	h, _, _ := small("canary.example.com")
	page := Handler(fixed(h))
	css := part(t, ask(t, page, "/").body, "static/page.css?", `"`)
	css = "/" + strings.TrimSuffix(css, `"`)
	got := ask(t, page, css)
	has(t, got.header.Get("Cache-Control"), "immutable")
	has(t, got.header.Get("Content-Type"), "text/css")
	tag := got.header.Get("ETag")
	for _, path := range []string{"/static/page.css", "/static/page.css?0123456789ab"} {
		hasNot(t, ask(t, page, path).header.Get("Cache-Control"), "immutable")
	}
	if got := ask(t, page, "/static/page.css", "If-None-Match", tag); got.code != http.StatusNotModified || got.body != "" {
		t.Errorf("with its ETag: %d, %d bytes", got.code, len(got.body))
	}
	zipped := ask(t, page, css, "Accept-Encoding", "gzip")
	if zipped.header.Get("Content-Encoding") != "gzip" || len(zipped.body) >= len(got.body) {
		t.Errorf("gzip: %q, %d bytes of %d", zipped.header.Get("Content-Encoding"), len(zipped.body), len(got.body))
	}
	if got := ask(t, page, "/static/..%2fpage.html"); got.code != http.StatusNotFound {
		t.Errorf("a path out of the folder: %d", got.code)
	}
}

// TestCompressed checks that pages are compressed, but for those with a token in
// them.
func TestCompressed(t *testing.T) {
	h, _, _ := small("canary.example.com")
	cfg := fixed(h)
	if got := ask(t, Handler(cfg), "/", "Accept-Encoding", "gzip"); got.header.Get("Content-Encoding") != "gzip" || strings.Contains(got.body, "canary") {
		t.Errorf("Content-Encoding %q", got.header.Get("Content-Encoding"))
	}
	cfg.Admin = func(http.ResponseWriter, *http.Request) (string, bool) { return "secret", true }
	if got := ask(t, Handler(cfg), "/records/canary.example.com", "Accept-Encoding", "gzip"); got.header.Get("Content-Encoding") != "" {
		t.Errorf("with a token: Content-Encoding %q", got.header.Get("Content-Encoding"))
	}
}

// TestOverview reads the overview of everyday jobs.
func TestOverview(t *testing.T) {
	cfg := fixed(ordinary())
	cfg.Title, cfg.Version = "example.com", "v1.2.3"
	got := ask(t, Handler(cfg), "/")
	has(t, got.body, "2 of 12 jobs do not do their work", "<title>✖ 1 missed · example.com · Solotick</title>", "static/icon-bad.svg?",
		`href="?state=missed"`, `<b>1</b> failing`, `<b>1</b> paused`, "Solotick v1.2.3", `data-now="1795521637000"`,
		`href="./records/failover.ops.example.net"`, "moving to the new cluster", "4 ticks are overdue")
	order := []string{"r-failover.", "r-backup-check.", "r-reindex.", ">example.com</th>", "r-canary.", "r-webhooks.", ">ops.example.net</th>", "r-nightly."}
	last := -1
	for _, s := range order {
		i := strings.Index(got.body, s)
		if i < last {
			t.Errorf("%s stands before what should be above it", s)
		}
		last = i
	}
	h, target, r := small("canary.example.com")
	r.Last, r.TimerOld, r.Timer, r.Seq = record.Failed, r.TimerOld+30, r.Timer+30, r.Seq+30_000
	h.See(seen(target, noon, r, true))
	golden(t, "row", part(t, ask(t, Handler(fixed(h)), "/").body, `<tr role="row" class="record loud bad" id="r-canary.example.com">`, "</tr>"))
}

func rows(body string) []string {
	var all []string
	for _, s := range strings.Split(body, `<tr role="row" class="record`)[1:] {
		_, s, _ = strings.Cut(s, `id="r-`)
		s, _, _ = strings.Cut(s, ".")
		all = append(all, s)
	}
	return all
}

// TestQuery checks what of the address says which records are shown, without a
// script.
func TestQuery(t *testing.T) {
	h := ordinary()
	page := Handler(fixed(h))
	for query, want := range map[string][]string{
		"?q=MAIL":                          {"mailqueue"},
		"?q=ops.example.net&sort=name":     {"failover", "nightly", "reindex", "snapshots"},
		"?state=paused":                    {"reindex"},
		"?q=new+cluster":                   {"reindex"},
		"?state=missed&q=canary":           nil,
		"?state=%22%3E":                    nil,
		"?sort=next&q=.ops.":               {"reindex", "failover", "snapshots", "nightly"},
		"?sort=last&q=.ops.":               {"snapshots", "failover", "nightly", "reindex"},
		"?sort=nonsense&q=failover&page=7": {"failover"},
	} {
		got := ask(t, page, "/"+query)
		if diff := cmp.Diff(want, rows(got.body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		if want == nil {
			has(t, got.body, "No record matches")
		}
		has(t, got.body, "2 of 12 jobs") // the filter is none for the verdict
	}
	got := ask(t, page, "/?q=x%22y&state=paused&sort=name")
	has(t, got.body, `value="x&#34;y"`, `name="state" value="paused"`, `<option value="name" selected>`, `href="?q=x%22y&amp;sort=name"`)
}

// TestPages checks that many records are shown in parts, and counted all.
func TestPages(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	for i := range 450 {
		target := monitor.Target{Name: fmt.Sprintf("job-%03d.example.com", i)}
		h.Watch(target)
		r := record.Record{ID: "VDNDNQNWQY", Timer: at(23), TimerOld: at(-37), Seq: at(-35) * 1000, Last: record.OK}
		if i == 444 {
			r.Timer, r.TimerOld, r.Seq = at(-600), at(-660), at(-658)*1000
		}
		h.See(seen(target, noon, r, false))
	}
	page := Handler(fixed(h))
	first, third := ask(t, page, "/").body, ask(t, page, "/?page=3").body
	if n := len(rows(first)); n != perPage || rows(first)[0] != "job-444" {
		t.Errorf("%d rows, of which the first is %s", n, rows(first)[0])
	}
	has(t, first, "1 of 450 jobs does not do its work", "<b>449</b> on time", "1 to 200 of 450", `href="?page=3"`)
	if got := rows(third); len(got) != 50 || got[49] != "job-449" {
		t.Errorf("the third page has %d rows: %v", len(got), got)
	}
	has(t, third, `href="?page=3" data-nav aria-current="page"`)
	if strings.Count(first, "<title>") > 210 {
		t.Errorf("%d titles: a long page has one for each strip", strings.Count(first, "<title>"))
	}
}

// TestEmpty checks what a page says that knows nothing.
func TestEmpty(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	page := Handler(fixed(h))
	has(t, ask(t, page, "/").body, "No record is watched yet", "solotick demo", "solotick run -c solotick.yaml", "solotick serve canary.example.com", "<title>Solotick</title>")
	has(t, ask(t, page, "/wall").body, "No record is watched yet")
	h.Watch(monitor.Target{Name: "canary.example.com"})
	has(t, ask(t, page, "/").body, "The job was not looked at yet", "not looked at yet")
	has(t, ask(t, page, "/records/canary.example.com").body, "not looked at yet", "No run was seen", "No server was asked yet")
}

// TestSilence checks that what DNS does not tell is not shown as bad, nor as good.
func TestSilence(t *testing.T) {
	h, target, _ := small("canary.example.com")
	h.See(silence(target, noon.Add(-10*time.Second)))
	page := Handler(fixed(h))
	has(t, ask(t, page, "/").body, "DNS tells nothing of the job", "No DNS server answers this observer", "dig +short TXT canary.example.com", "icon-blind.svg", "no answer in time")
	got := ask(t, page, "/records/canary.example.com").body
	has(t, got, "No DNS server answers for this record", "That says nothing of the job", "no answer in time", "VDNDNQNWQY", "no answer")
	hasNot(t, part(t, got, `<section class="head`, "</section>"), "on time</p>", ">missed<", ">late<")
}

// TestMissing checks that who comes with a wrong name is helped.
func TestMissing(t *testing.T) {
	h := ordinary()
	page := Handler(fixed(h))
	got := ask(t, page, "/records/cannary.example.com")
	if got.code != http.StatusNotFound {
		t.Errorf("code %d", got.code)
	}
	has(t, got.body, "cannary.example.com is not watched here", `Did you mean <a href="../records/canary.example.com">`, "solotick status cannary.example.com", "all 12")
	has(t, ask(t, page, "/records/nightly").body, `href="../records/nightly.ops.example.net"`)
	// What could be a command is not offered for pasting.
	for _, name := range []string{"x;rm%20-rf%20~", "$(id)", "a%0Ab", "-v"} {
		hasNot(t, ask(t, page, "/records/"+name).body, "solotick status", "solotick serve")
	}
	if got := ask(t, page, "/records/CANARY.example.com."); got.code != http.StatusOK {
		t.Errorf("a name in capitals and with its dot: %d", got.code)
	}
	has(t, ask(t, page, "/what").body, "There is no such page")
}

// TestForms checks that forms are there for those who may send them.
func TestForms(t *testing.T) {
	h, target, r := small("canary.example.com")
	cfg := fixed(h)
	hasNot(t, ask(t, Handler(cfg), "/records/canary.example.com").body, "<form method=\"post\"", "operators")
	asked := false
	cfg.Admin = func(w http.ResponseWriter, r *http.Request) (string, bool) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		asked = true
		return `"token`, r.Header.Get("Who") == "operator"
	}
	cfg.Base = "/solotick"
	page := Handler(cfg)
	got := ask(t, page, "/solotick/records/canary.example.com")
	hasNot(t, got.body, `method="post"`, "csrf")
	has(t, got.body, `href="../admin/login?back=%2Fsolotick%2Frecords%2Fcanary.example.com"`)
	got = ask(t, page, "/solotick/records/canary.example.com", "Who", "operator")
	if !asked || got.header.Get("Set-Cookie") == "" {
		t.Error("nobody was asked who it is")
	}
	has(t, got.body, `action="../admin/pause"`, `action="../admin/trigger"`, `name="csrf" value="&#34;token"`, `name="name" value="canary.example.com"`, `name="for"`, `name="reason"`)
	hasNot(t, got.body, `action="../admin/resume"`, `http-equiv="refresh"`)
	r.Pause, r.Why, r.Seq = -1, "because", r.Seq+1000
	h.See(seen(target, noon, r, false))
	got = ask(t, page, "/solotick/records/canary.example.com", "Who", "operator")
	has(t, got.body, `action="../admin/resume"`)
	hasNot(t, got.body, `action="../admin/pause"`)
}

// TestFragment checks that the script gets the same as the page has, without its
// frame.
func TestFragment(t *testing.T) {
	h, _, _ := small("canary.example.com")
	page := Handler(fixed(h))
	for _, path := range []string{"/", "/wall", "/records/canary.example.com", "/records/other.example.com"} {
		whole, fragment := ask(t, page, path), ask(t, page, path+"?fragment=")
		if got := part(t, whole.body, "<main", "</main>"); got != strings.TrimSpace(fragment.body) {
			t.Errorf("%s (-whole +fragment):\n%s", path, cmp.Diff(got, fragment.body))
		}
	}
}

// TestZone checks that all times are those of one zone, as the browser wishes it.
func TestZone(t *testing.T) {
	h, _, _ := small("canary.example.com")
	page := Handler(fixed(h))
	utc := ask(t, page, "/records/canary.example.com", "Cookie", "solotick_zone=Asia/Kolkata; solotick_time=utc").body
	has(t, utc, ">12:01:00</time>", "Tue 2026-11-24 12:01:00 UTC\nTue 2026-11-24 17:31:00 Asia/Kolkata (UTC+05:30)", `data-time="utc" aria-pressed="true"`)
	local := ask(t, page, "/records/canary.example.com", "Cookie", "solotick_zone=Asia/Kolkata; solotick_time=local").body
	has(t, local, ">17:31:00</time>", "Tue 2026-11-24 17:31:00 Asia/Kolkata (UTC+05:30)\nTue 2026-11-24 12:01:00 UTC", `data-time="local" aria-pressed="true"`)
	hasNot(t, local, ">12:01:00</time>", " 12:01:00Z")
	for _, bad := range []string{"Nowhere/Land", "../../etc/passwd", "UTC%22", strings.Repeat("x", 3000)} {
		has(t, ask(t, page, "/records/canary.example.com", "Cookie", "solotick_zone="+bad+"; solotick_time=local").body, ">12:01:00</time>")
	}
	for _, theme := range []string{"light", "dark"} {
		has(t, ask(t, page, "/", "Cookie", "solotick_theme="+theme).body, `<html lang="en" data-theme="`+theme+`">`)
	}
	has(t, ask(t, page, "/", "Cookie", "solotick_theme=x").body, `<html lang="en">`)
}
