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

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

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
	w := open(t, 1280, 400)
	w.visit(s.URL + "/")
	has(t, is[string](w, `document.title`), "example.com · Solotick")
	// Somebody has a row in focus, and has scrolled to it.
	w.do(chromedp.Evaluate[chromedp.Void](`window.mine = document.querySelector('#r-job-29\\.example\\.com a'); mine.focus(); mine.scrollIntoView()`))
	top := is[float64](w, `mine.getBoundingClientRect().top`)
	s.fail()
	w.until(`document.querySelector('#r-canary\\.example\\.com .badge').textContent === 'failing'`)
	w.until(`document.title.startsWith('✖ 1 failing')`)
	if icon := is[string](w, `document.querySelector('link[rel=icon]').href`); !strings.Contains(icon, "icon-bad.svg") {
		t.Errorf("the icon is %s", icon)
	}
	if said := is[string](w, `document.getElementById('said').textContent`); said != "1 of 31 jobs does not do its work" {
		t.Errorf("said: %q", said)
	}
	if !is[bool](w, `document.activeElement === mine && mine.isConnected`) {
		t.Error("the focus is gone")
	}
	if moved := is[float64](w, `mine.getBoundingClientRect().top`) - top; moved < -3 || moved > 3 {
		t.Errorf("what was looked at has moved by %v pixels", moved)
	}
	w.clean()
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
	w := open(t, 1280, 900)
	w.visit(s.URL + "/records/canary.example.com")
	if !is[bool](w, `/^0:[0-4]\d$/.test(document.querySelector('.head .next .count').textContent)`) {
		t.Errorf("the countdown shows %q", is[string](w, `document.querySelector('.head .next .count').textContent`))
	}
	w.do(chromedp.Evaluate[chromedp.Void](`window.first = document.querySelector('.head .next .count').textContent; window.open1 = document.querySelector('.details details'); open1.open = true`))
	w.until(`document.querySelector('.head .next .count').textContent !== first`)
	s.takeover()
	w.until(`document.querySelectorAll('g.takeover').length === 1`)
	w.until(`document.querySelector('.lanes .names').textContent.includes('BBBBBBBBBB')`)
	if !is[bool](w, `open1.isConnected && open1.open && open1.textContent.includes('all fine')`) {
		t.Error("what was open is closed")
	}
	if got := is[string](w, `document.querySelector('.badge.big').textContent`); got != "running" {
		t.Errorf("the state is %q", got)
	}
	// The script writes distances as the server does.
	offsets := []int64{0, 1, 2, 5, 60, 119, 120, 3600, 7199, 7200, 172799, 172800, 999999, -5, -100}
	list, err := json.Marshal(offsets)
	if err != nil {
		t.Fatal(err)
	}
	w.do(chromedp.Evaluate[chromedp.Void](`window.probe = document.createElement('p'); {
		const ref = Number(document.querySelector('.head .next .count').dataset.until);
		probe.innerHTML = '<i data-until="' + ref + '"></i>' + ` + string(list) + `.map((s) => '<i data-until="' + (ref + s) + '"></i><i data-ago="' + (ref - s) + '"></i><i data-in="' + (ref + s) + '"></i>').join('');
	} document.body.append(probe)`))
	w.until(`probe.firstChild.textContent !== ''`)
	shown := is[[]string](w, `[...probe.children].map((e) => e.textContent)`)
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
	w.clean()
}

// TestBrowserReconnects checks what a page does whose stream ends, or is refused.
func TestBrowserReconnects(t *testing.T) {
	s := newScene(t, 0)
	w := open(t, 1280, 900)
	w.visit(s.URL + "/")
	s.refuse.Store(true)
	s.CloseClientConnections()
	w.until(`document.getElementById('live').dataset.state === 'poll'`)
	s.fail()
	w.do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new Event('visibilitychange'))`)) // or wait for 10 s
	w.until(`document.querySelector('.badge').textContent === 'failing'`)
	w.until(`document.getElementById('live').textContent === 'every 10 s'`)
	s.refuse.Store(false)
	w.visit(s.URL + "/")
	s.CloseClientConnections()
	w.until(`document.getElementById('live').dataset.state === 'wait'`)
	w.until(`document.getElementById('live').dataset.state === 'on'`)
	w.clean()
}

// TestBrowserScheme checks light and dark: as the system has it, or as somebody
// chose.
func TestBrowserScheme(t *testing.T) {
	s := newScene(t, 0)
	w := open(t, 1280, 900)
	background := func() string { return is[string](w, `getComputedStyle(document.body).backgroundColor`) }
	w.scheme("light")
	w.visit(s.URL + "/")
	light := background()
	w.scheme("dark")
	dark := background()
	if light == dark {
		t.Fatalf("light and dark are both %s", light)
	}
	w.do(chromedp.Click(chromedp.CSS("#theme")))
	if got := background(); got != light {
		t.Errorf("after the switch: %s", got)
	}
	w.visit(s.URL + "/wall")
	if got := background(); got != light {
		t.Errorf("on the next page: %s", got)
	}
	w.letter("d")
	if got := background(); got != dark {
		t.Errorf("after the key: %s", got)
	}
	w.clean()
}

// TestBrowserZone checks that one switch sets the zone of all times, and is
// remembered.
func TestBrowserZone(t *testing.T) {
	s := newScene(t, 0)
	w := open(t, 1280, 900)
	w.visit(s.URL + "/records/canary.example.com")
	next := time.Unix(s.rec.Timer, 0)
	utc, local := next.UTC().Format(time.TimeOnly), next.UTC().Add(3*time.Hour+30*time.Minute).Format(time.TimeOnly)
	shown := `document.querySelector('.head .next .when time')`
	if got := is[string](w, shown+`.textContent`); got != utc {
		t.Errorf("at first: %s, want %s", got, utc)
	}
	w.until(shown + `.title.includes('Asia/Tehran')`)
	w.do(chromedp.Click(chromedp.CSS("[data-time=local]")))
	w.until(shown + `.textContent === '` + local + `'`)
	if got := is[string](w, shown+`.title`); !strings.Contains(got, utc+" UTC") || !strings.Contains(got, local+" Asia/Tehran") {
		t.Errorf("the tooltip is %q", got)
	}
	w.visit(s.URL + "/records/canary.example.com?range=6h")
	if got := is[string](w, shown+`.textContent`); got != local {
		t.Errorf("on the next page: %s", got)
	}
	if !is[bool](w, `document.querySelector('[data-time=local]').getAttribute('aria-pressed') === 'true'`) {
		t.Error("the switch does not show it")
	}
	w.letter("z")
	w.until(shown + `.textContent === '` + utc + `'`)
	w.clean()
}

// TestBrowserPhone checks that nothing is wider than a narrow phone.
func TestBrowserPhone(t *testing.T) {
	srv := httptest.NewServer(Handler(fixed(ordinary())))
	defer srv.Close()
	w := open(t, 360, 740)
	for _, path := range []string{"/", "/records/canary.example.com", "/records/reindex.ops.example.net", "/wall", "/records/not.example.com"} {
		w.visit(srv.URL + path)
		if wide := is[int](w, `document.documentElement.scrollWidth`); wide > 360 {
			t.Errorf("%s is %d pixels wide; beyond the window: %s", path, wide, is[string](w, `[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 361 && !e.closest('.wide, pre, svg')).map((e) => e.tagName + '.' + e.className).slice(0, 5).join(' ')`))
		}
	}
	w.clean()
	srv.CloseClientConnections()
}

// TestBrowserKeys goes through the overview without a mouse.
func TestBrowserKeys(t *testing.T) {
	s := newScene(t, 20)
	w := open(t, 1280, 900)
	w.visit(s.URL + "/")
	focus := func() string {
		return is[string](w, `((e) => e.id || e.dataset.time || e.className || e.textContent)(document.activeElement)`)
	}
	w.press(kb.Tab)
	if got := focus(); got != "skip" {
		t.Errorf("the first Tab goes to %s", got)
	}
	if !is[bool](w, `document.activeElement.getBoundingClientRect().top >= 0 && getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
		t.Error("it cannot be seen that the focus is there")
	}
	var order []string
	for range 6 {
		w.press(kb.Tab)
		order = append(order, focus())
	}
	if got := strings.Join(order, " "); got != "brand utc local theme ask c-on_time" {
		t.Errorf("then comes %s", got)
	}
	w.letter("/")
	if got := focus(); got != "q" {
		t.Errorf("/ goes to %s", got)
	}
	w.letter("job-1")
	w.until(`document.querySelectorAll('tr.record').length === 10`)
	if got := is[string](w, `location.search + ' ' + document.getElementById('q').value`); got != "?q=job-1 job-1" || focus() != "q" {
		t.Errorf("after the filter: %s, and the focus is at %s", got, focus())
	}
	w.letter("7")
	w.until(`document.querySelectorAll('tr.record').length === 1`)
	w.press(kb.Tab) // the order, where letters choose
	w.press(kb.Tab)
	w.letter("?")
	w.until(`document.getElementById('help').open`)
	w.press(kb.Escape)
	w.until(`!document.getElementById('help').open`)
	w.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('tr.record a').focus()`))
	w.press(kb.Enter)
	w.until(`location.pathname === '/records/job-17.example.com'`)
	w.clean()
}

// TestBrowserNoScript checks that all is there without JavaScript.
func TestBrowserNoScript(t *testing.T) {
	s := newScene(t, 20)
	w := open(t, 1280, 900)
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	w.do(chromedp.Navigate(s.URL + "/"))
	text := is[string](w, `document.body.innerText`)
	has(t, text, "All 21 jobs are fine", "canary", "AAAAAAAAAA", "on time", "reloads every 15 s")
	if got := is[string](w, `document.querySelector('meta[http-equiv=refresh]')?.content ?? 'none'`); got != "15" {
		t.Errorf("it reloads after %s", got)
	}
	if n := is[int](w, `[...document.querySelectorAll('[data-scripted]')].filter((e) => e.checkVisibility()).length`); n != 0 {
		t.Errorf("%d things are shown that need a script", n)
	}
	w.do(chromedp.SendKeys(chromedp.CSS("#q"), "job-07"), chromedp.Click(chromedp.CSS("#filter button")))
	w.until(`location.search.startsWith('?q=job-07') && document.querySelectorAll('tr.record').length === 1`)
	w.do(chromedp.Click(chromedp.CSS("tr.record .name a")))
	w.until(`location.pathname === '/records/job-07.example.com' && document.querySelector('.lanes svg .block') !== null`)
	w.do(chromedp.Click(chromedp.CSS(`.ranges a[href="?range=24h"]`)))
	w.until(`location.search === '?range=24h' && document.querySelector('.ranges [aria-current]')?.textContent === '24h'`)
}

// TestBrowserAxe has axe-core look for what keeps people out.
func TestBrowserAxe(t *testing.T) {
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	cfg := fixed(ordinary())
	cfg.Admin = func(http.ResponseWriter, *http.Request) (string, bool) { return "token", true }
	srv := httptest.NewServer(Handler(cfg))
	defer srv.Close()
	empty := httptest.NewServer(Handler(fixed(monitor.NewHistory(monitor.Limits{}))))
	defer empty.Close()
	w := open(t, 1280, 900)
	for _, url := range []string{srv.URL + "/", srv.URL + "/records/canary.example.com", srv.URL + "/wall", srv.URL + "/records/not.example.com", empty.URL + "/"} {
		w.visit(url)
		w.do(chromedp.Evaluate[chromedp.Void](string(axe) + ";0"))
		// In the dark nothing is other than the colours.
		for scheme, options := range map[string]string{"light": `{resultTypes: ['violations']}`, "dark": `{resultTypes: ['violations'], runOnly: ['color-contrast']}`} {
			w.scheme(scheme)
			found, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`axe.run(document, `+options+`).then((r) => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
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
	srv.CloseClientConnections()
	empty.CloseClientConnections()
}
