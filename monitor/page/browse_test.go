package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/browsertest"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// look opens a window in Tehran, half an hour beside everybody else.
func look(t *testing.T, width, height int64) browsertest.Window {
	t.Helper()
	w := browsertest.Open(t, width, height)
	w.Zone("Asia/Tehran")
	return w
}

// visit goes to a page and waits for its script.
func visit(w browsertest.Window, url string) {
	w.Go(url)
	w.Until(`document.getElementById('live').dataset.state === 'on'`)
}

// clean checks that nothing went wrong in the page.
func clean(t *testing.T, w browsertest.Window) {
	t.Helper()
	if all := w.Problems(); len(all) > 0 {
		t.Errorf("in the page: %q", all)
	}
}

// A scene is a history that goes on while somebody looks at its pages.
type scene struct {
	*httptest.Server
	h      *monitor.History
	target monitor.Target
	rec    record.Record
	refuse atomic.Bool // streams
}

// newScene has one record, claimed every minute, of which the latest tick was ok,
// and some that are in nobody's way.
func newScene(t *testing.T, others int) *scene {
	t.Helper()
	h := monitor.NewHistory(monitor.Limits{})
	now := time.Now().Unix()
	s := &scene{h: h, target: monitor.Target{Name: "canary.example.com", Job: "canary"}}
	s.rec = record.Record{ID: "AAAAAAAAAA", TimerOld: now - 20, Timer: now + 40, Seq: (now - 18) * 1000, Last: record.OK}
	for i := range others {
		other := monitor.Target{Name: fmt.Sprintf("job-%02d.example.com", i)}
		h.Watch(other)
		h.See(seen(other, time.Now(), s.rec, false))
	}
	h.Watch(s.target)
	h.See(seen(s.target, time.Now(), s.rec, true))
	handler := Handler(Config{History: h, Title: "example.com"})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.refuse.Load() && r.URL.Path == "/events" {
			http.Error(w, "too many", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// see changes the record and has it looked at.
func (s *scene) see(change func(*record.Record)) {
	change(&s.rec)
	s.rec.Seq = max(time.Now().Unix()*1000, s.rec.Seq+1)
	s.h.See(seen(s.target, time.Now(), s.rec, true))
}

// fail is a tick that has just failed.
func (s *scene) fail() {
	s.see(func(r *record.Record) {
		r.TimerOld, r.Timer, r.Last = time.Now().Unix(), time.Now().Unix()+60, record.Failed
	})
}

// takeover is a claim that was lost, and that another agent takes over.
func (s *scene) takeover() {
	now := time.Now().Unix()
	s.see(func(r *record.Record) {
		r.Claimed, r.Lease, r.Until, r.TimerOld, r.Timer = true, 15, now+15, now, now+60
	})
	s.see(func(r *record.Record) { r.ID, r.Try, r.Last = "BBBBBBBBBB", 2, record.Lost })
}

// TestBrowserLive checks that a page follows what is seen, without being loaded
// anew, and without taking anything out of anybody's hands.
func TestBrowserLive(t *testing.T) {
	s := newScene(t, 30)
	w := look(t, 1280, 400)
	visit(w, s.URL+"/")
	has(t, browsertest.Is[string](w, `document.title`), "example.com · Solotick")
	// Somebody has a row in focus, and has scrolled to it.
	w.Run(`window.mine = document.querySelector('#r-job-29\\.example\\.com a'); mine.focus(); mine.scrollIntoView()`)
	top := browsertest.Is[float64](w, `mine.getBoundingClientRect().top`)
	s.fail()
	w.Until(`document.querySelector('#r-canary\\.example\\.com .badge').textContent === 'failing'`)
	w.Until(`document.title.startsWith('✖ 1 failing')`)
	if icon := browsertest.Is[string](w, `document.querySelector('link[rel=icon]').href`); !strings.Contains(icon, "icon-bad.svg") {
		t.Errorf("the icon is %s", icon)
	}
	if said := browsertest.Is[string](w, `document.getElementById('said').textContent`); said != "1 of 31 jobs does not do its work" {
		t.Errorf("said: %q", said)
	}
	if !browsertest.Is[bool](w, `document.activeElement === mine && mine.isConnected`) {
		t.Error("the focus is gone")
	}
	if moved := browsertest.Is[float64](w, `mine.getBoundingClientRect().top`) - top; moved < -3 || moved > 3 {
		t.Errorf("what was looked at has moved by %v pixels", moved)
	}
	clean(t, w)
}

// TestBrowserRecord checks that the page of a record shows a takeover when it
// happens, keeps open what is open, and counts down by the server's clock.
func TestBrowserRecord(t *testing.T) {
	s := newScene(t, 0)
	code := 0
	err := s.h.Tell(s.target.Name, monitor.Run{
		Tick: s.rec.TimerOld, Attempt: 1, Agent: s.rec.ID, Result: record.OK,
		Detail: &monitor.Detail{Began: time.Unix(s.rec.TimerOld, 5e6), TookMS: 1200, Code: &code, Output: "3 backups\nall fine\n"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := look(t, 1280, 900)
	visit(w, s.URL+"/records/canary.example.com")
	if !browsertest.Is[bool](w, `/^0:[0-4]\d$/.test(document.querySelector('.head .next .count').textContent)`) {
		t.Errorf("the countdown shows %q", browsertest.Is[string](w, `document.querySelector('.head .next .count').textContent`))
	}
	w.Run(`window.first = document.querySelector('.head .next .count').textContent; window.open1 = document.querySelector('.details details'); open1.open = true`)
	w.Until(`document.querySelector('.head .next .count').textContent !== first`)
	s.takeover()
	w.Until(`document.querySelectorAll('g.takeover').length === 1`)
	w.Until(`document.querySelector('.lanes .names').textContent.includes('BBBBBBBBBB')`)
	if !browsertest.Is[bool](w, `open1.isConnected && open1.open && open1.textContent.includes('all fine')`) {
		t.Error("what was open is closed")
	}
	if got := browsertest.Is[string](w, `document.querySelector('.badge.big').textContent`); got != "running" {
		t.Errorf("the state is %q", got)
	}
	// The script writes distances as the server does.
	offsets := []int64{0, 1, 2, 5, 60, 119, 120, 3600, 7199, 7200, 172799, 172800, 999999, -5, -100}
	list, err := json.Marshal(offsets)
	if err != nil {
		t.Fatal(err)
	}
	w.Run(`window.probe = document.createElement('p'); {
		const ref = Number(document.querySelector('.head .next .count').dataset.until);
		probe.innerHTML = '<i data-until="' + ref + '"></i>' + ` + string(list) + `.map((s) => '<i data-until="' + (ref + s) + '"></i><i data-ago="' + (ref - s) + '"></i><i data-in="' + (ref + s) + '"></i>').join('');
	} document.body.append(probe)`)
	w.Until(`probe.firstChild.textContent !== ''`)
	shown := browsertest.Is[[]string](w, `[...probe.children].map((e) => e.textContent)`)
	var m, sec int64
	if _, err := fmt.Sscanf(shown[0], "%d:%d", &m, &sec); err != nil {
		t.Fatalf("%q: %v", shown[0], err)
	}
	for i, s := range offsets {
		left := 60*m + sec
		want := []string{countdown(left + s), ago(time.Duration(s-left) * time.Second), within(left + s)}
		if diff := cmp.Diff(want, shown[1+3*i:4+3*i]); diff != "" {
			t.Errorf("%d s more than %d s (-server +script):\n%s", s, left, diff)
		}
	}
	clean(t, w)
}

// TestBrowserReconnects checks what a page does whose stream ends, or is refused.
func TestBrowserReconnects(t *testing.T) {
	s := newScene(t, 0)
	w := look(t, 1280, 900)
	visit(w, s.URL+"/")
	s.refuse.Store(true)
	s.CloseClientConnections()
	w.Until(`document.getElementById('live').dataset.state === 'poll'`)
	s.fail()
	w.Do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new Event('visibilitychange'))`)) // or wait for 10 s
	w.Until(`document.querySelector('.badge').textContent === 'failing'`)
	w.Until(`document.getElementById('live').textContent === 'every 10 s'`)
	s.refuse.Store(false)
	visit(w, s.URL+"/")
	s.CloseClientConnections()
	w.Until(`document.getElementById('live').dataset.state === 'wait'`)
	w.Until(`document.getElementById('live').dataset.state === 'on'`)
	clean(t, w)
}

// TestBrowserScheme checks light and dark: as the system has it, or as somebody
// chose.
func TestBrowserScheme(t *testing.T) {
	s := newScene(t, 0)
	w := look(t, 1280, 900)
	background := func() string { return browsertest.Is[string](w, `getComputedStyle(document.body).backgroundColor`) }
	w.Scheme("light")
	visit(w, s.URL+"/")
	light := background()
	w.Scheme("dark")
	dark := background()
	if light == dark {
		t.Fatalf("light and dark are both %s", light)
	}
	w.Do(chromedp.Click(chromedp.CSS("#theme")))
	if got := background(); got != light {
		t.Errorf("after the switch: %s", got)
	}
	visit(w, s.URL+"/wall")
	if got := background(); got != light {
		t.Errorf("on the next page: %s", got)
	}
	w.Type("d")
	if got := background(); got != dark {
		t.Errorf("after the key: %s", got)
	}
	clean(t, w)
}

// TestBrowserZone checks that one switch sets the zone of all times, and is
// remembered.
func TestBrowserZone(t *testing.T) {
	s := newScene(t, 0)
	w := look(t, 1280, 900)
	visit(w, s.URL+"/records/canary.example.com")
	next := time.Unix(s.rec.Timer, 0)
	utc, local := next.UTC().Format(time.TimeOnly), next.UTC().Add(3*time.Hour+30*time.Minute).Format(time.TimeOnly)
	shown := `document.querySelector('.head .next .when time')`
	if got := browsertest.Is[string](w, shown+`.textContent`); got != utc {
		t.Errorf("at first: %s, want %s", got, utc)
	}
	w.Until(shown + `.title.includes('Asia/Tehran')`)
	w.Do(chromedp.Click(chromedp.CSS("[data-time=local]")))
	w.Until(shown + `.textContent === '` + local + `'`)
	if got := browsertest.Is[string](w, shown+`.title`); !strings.Contains(got, utc+" UTC") || !strings.Contains(got, local+" Asia/Tehran") {
		t.Errorf("the tooltip is %q", got)
	}
	visit(w, s.URL+"/records/canary.example.com?range=6h")
	if got := browsertest.Is[string](w, shown+`.textContent`); got != local {
		t.Errorf("on the next page: %s", got)
	}
	if !browsertest.Is[bool](w, `document.querySelector('[data-time=local]').getAttribute('aria-pressed') === 'true'`) {
		t.Error("the switch does not show it")
	}
	w.Type("z")
	w.Until(shown + `.textContent === '` + utc + `'`)
	clean(t, w)
}

// TestBrowserPhone checks that nothing is wider than a narrow phone.
func TestBrowserPhone(t *testing.T) {
	srv := httptest.NewServer(Handler(fixed(ordinary())))
	defer srv.Close()
	w := look(t, 360, 740)
	for _, path := range []string{"/", "/records/canary.example.com", "/records/reindex.ops.example.net", "/wall", "/records/not.example.com"} {
		visit(w, srv.URL+path)
		if wide := browsertest.Is[int](w, `document.documentElement.scrollWidth`); wide > 360 {
			t.Errorf("%s is %d pixels wide; beyond the window: %s", path, wide, browsertest.Is[string](w, `[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 361 && !e.closest('.wide, pre, svg')).map((e) => e.tagName + '.' + e.className).slice(0, 5).join(' ')`))
		}
	}
	clean(t, w)
	srv.CloseClientConnections()
}

// TestBrowserKeys goes through the overview without a mouse.
func TestBrowserKeys(t *testing.T) {
	s := newScene(t, 20)
	w := look(t, 1280, 900)
	visit(w, s.URL+"/")
	focus := func() string {
		return browsertest.Is[string](w, `((e) => e.id || e.dataset.time || e.className || e.textContent)(document.activeElement)`)
	}
	w.Press(kb.Tab)
	if got := focus(); got != "skip" {
		t.Errorf("the first Tab goes to %s", got)
	}
	if !browsertest.Is[bool](w, `document.activeElement.getBoundingClientRect().top >= 0 && getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
		t.Error("it cannot be seen that the focus is there")
	}
	var order []string
	for range 6 {
		w.Press(kb.Tab)
		order = append(order, focus())
	}
	if got := strings.Join(order, " "); got != "brand utc local theme ask c-on_time" {
		t.Errorf("then comes %s", got)
	}
	w.Type("/")
	if got := focus(); got != "q" {
		t.Errorf("/ goes to %s", got)
	}
	w.Type("job-1")
	w.Until(`document.querySelectorAll('tr.record').length === 10`)
	if got := browsertest.Is[string](w, `location.search + ' ' + document.getElementById('q').value`); got != "?q=job-1 job-1" || focus() != "q" {
		t.Errorf("after the filter: %s, and the focus is at %s", got, focus())
	}
	w.Type("7")
	w.Until(`document.querySelectorAll('tr.record').length === 1`)
	w.Press(kb.Tab) // the order, where letters choose
	w.Press(kb.Tab)
	w.Type("?")
	w.Until(`document.getElementById('help').open`)
	w.Press(kb.Escape)
	w.Until(`!document.getElementById('help').open`)
	w.Run(`document.querySelector('tr.record a').focus()`)
	w.Press(kb.Enter)
	w.Until(`location.pathname === '/records/job-17.example.com'`)
	clean(t, w)
}

// TestBrowserNoScript checks that all is there without JavaScript.
func TestBrowserNoScript(t *testing.T) {
	s := newScene(t, 20)
	w := look(t, 1280, 900)
	w.WithoutScripts()
	w.Go(s.URL + "/")
	text := browsertest.Is[string](w, `document.body.innerText`)
	has(t, text, "All 21 jobs are fine", "canary", "AAAAAAAAAA", "on time", "reloads every 15 s")
	if got := browsertest.Is[string](w, `document.querySelector('meta[http-equiv=refresh]')?.content ?? 'none'`); got != "15" {
		t.Errorf("it reloads after %s", got)
	}
	if n := browsertest.Is[int](w, `[...document.querySelectorAll('[data-scripted]')].filter((e) => e.checkVisibility()).length`); n != 0 {
		t.Errorf("%d things are shown that need a script", n)
	}
	w.Do(chromedp.SendKeys(chromedp.CSS("#q"), "job-07"), chromedp.Click(chromedp.CSS("#filter button")))
	w.Until(`location.search.startsWith('?q=job-07') && document.querySelectorAll('tr.record').length === 1`)
	w.Do(chromedp.Click(chromedp.CSS("tr.record .name a")))
	w.Until(`location.pathname === '/records/job-07.example.com' && document.querySelector('.lanes svg .block') !== null`)
	w.Do(chromedp.Click(chromedp.CSS(`.ranges a[href="?range=24h"]`)))
	w.Until(`location.search === '?range=24h' && document.querySelector('.ranges [aria-current]')?.textContent === '24h'`)
}

// TestBrowserAxe has axe-core look for what keeps people out.
func TestBrowserAxe(t *testing.T) {
	cfg := fixed(ordinary())
	cfg.Admin = func(http.ResponseWriter, *http.Request) (string, bool) { return "token", true }
	srv := httptest.NewServer(Handler(cfg))
	defer srv.Close()
	empty := httptest.NewServer(Handler(fixed(monitor.NewHistory(monitor.Limits{}))))
	defer empty.Close()
	checkAxe(t, srv.URL+"/", srv.URL+"/records/canary.example.com", srv.URL+"/wall", srv.URL+"/records/not.example.com", empty.URL+"/")
	srv.CloseClientConnections()
	empty.CloseClientConnections()
}

// checkAxe has axe find no fault with the pages.
func checkAxe(t *testing.T, urls ...string) {
	t.Helper()
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	w := look(t, 1280, 900)
	for _, url := range urls {
		visit(w, url)
		w.Run(string(axe) + ";0")
		// In the dark nothing is other than the colours.
		for scheme, options := range map[string]string{"light": `{resultTypes: ['violations']}`, "dark": `{resultTypes: ['violations'], runOnly: ['color-contrast']}`} {
			w.Scheme(scheme)
			found := w.Await(`axe.run(document, ` + options + `).then((r) => JSON.stringify(r.violations))`)
			var violations []struct {
				ID, Help string
				Nodes    []struct{ HTML, FailureSummary string }
			}
			if err := json.Unmarshal([]byte(found), &violations); err != nil {
				t.Fatal(err)
			}
			for _, v := range violations {
				t.Errorf("%s, %s: %s: %s: %d times, first %s: %s", url, scheme, v.ID, v.Help, len(v.Nodes), v.Nodes[0].HTML, v.Nodes[0].FailureSummary)
			}
		}
	}
}
