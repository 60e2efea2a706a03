package api

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const testToken = "correct-horse-battery"

// nobody carries out every wish but one.
func nobody(_ context.Context, w Wish) (string, error) {
	if w.Name == "nightly.example.com" {
		return "", &Problem{Status: http.StatusConflict, Detail: "nightly is not triggered: it is paused", Means: "no run was started", Do: "resume it"}
	}
	return w.Name + ": done", nil
}

// An office is an API with an operator, and what it has heard.
type office struct {
	*API
	t      *testing.T
	log    bytes.Buffer
	wishes []Wish
}

func newOffice(t *testing.T, base string) *office {
	o := &office{t: t}
	o.API = serve(t, Config{Base: base, Log: logger(&o.log), Admin: &Admin{Token: testToken, Change: func(ctx context.Context, w Wish) (string, error) {
		o.wishes = append(o.wishes, w)
		return nobody(ctx, w)
	}}})
	return o
}

// post sends a form as a browser does from a page of this site.
func (o *office) post(path string, cookie *http.Cookie, form url.Values, more ...string) *http.Response {
	o.t.Helper()
	header := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
	if cookie != nil {
		header["Cookie"] = cookie.Name + "=" + cookie.Value
	}
	for i := 0; i < len(more); i += 2 {
		header[more[i]] = more[i+1]
	}
	return ask(o.t, o, asking{"POST", path, header, form.Encode()})
}

// login logs in and returns the cookie and the text that forms need.
func (o *office) login(base string) (*http.Cookie, string) {
	o.t.Helper()
	resp := o.post(base+"/admin/login", nil, url.Values{"token": {testToken}, "back": {base + "/job/canary"}})
	cookies := resp.Cookies()
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != base+"/job/canary" || len(cookies) != 1 {
		o.t.Fatalf("login: %d to %s, %v", resp.StatusCode, resp.Header.Get("Location"), cookies)
	}
	if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != base+"/" || c.MaxAge <= 0 {
		o.t.Errorf("the cookie: %v", c)
	}
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		o.t.Fatal(err)
	}
	r.AddCookie(cookies[0])
	csrf, ok := o.Session(r)
	if !ok || csrf == "" {
		o.t.Fatal("there is no session")
	}
	return cookies[0], csrf
}

// TestForms pauses and resumes as a person does, and ends the session.
func TestForms(t *testing.T) {
	for _, base := range []string{"", "/solotick"} {
		o := newOffice(t, base)
		cookie, csrf := o.login(base)
		back := base + "/job/canary?tab=2"
		resp := o.post(base+"/admin/pause", cookie, url.Values{"name": {"canary"}, "for": {"90m"}, "reason": {"db <migration>"}, "csrf": {csrf}, "back": {back}})
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != back {
			t.Errorf("%d to %s", resp.StatusCode, resp.Header.Get("Location"))
		}
		if want := (Wish{Pause, "canary.example.com", 90 * time.Minute, "db <migration>"}); len(o.wishes) != 1 || o.wishes[0] != want {
			t.Errorf("wishes: %+v", o.wishes)
		}
		if log := o.log.String(); !strings.Contains(log, "verb=pause record=canary.example.com") || !strings.Contains(log, `by="session `) || strings.Contains(log, testToken) || strings.Contains(log, cookie.Value) {
			t.Errorf("the log:\n%s", log)
		}
		if status, text := read(t, o.post(base+"/admin/resume", cookie, url.Values{"name": {"canary"}, "csrf": {csrf}}, "Accept", "application/json")); status != http.StatusOK || !strings.Contains(text, `"text":"canary.example.com: done"`) {
			t.Errorf("for a program: %d %s", status, text)
		}
		if resp := o.post(base+"/admin/resume", cookie, url.Values{"name": {"canary"}, "csrf": {csrf}}); resp.Header.Get("Location") != base+"/records/canary.example.com" {
			t.Errorf("from the page of a record back to %s", resp.Header.Get("Location"))
		}
		status, text := read(t, o.post(base+"/admin/trigger", cookie, url.Values{"name": {"nightly"}, "csrf": {csrf}}))
		if status != http.StatusConflict || !strings.Contains(text, "To do: resume it") || !strings.Contains(text, "<h1>Conflict</h1>") {
			t.Errorf("a refusal: %d %s", status, text)
		}
		if resp := o.post(base+"/admin/logout", cookie, url.Values{"csrf": {csrf}}); resp.StatusCode != http.StatusSeeOther || resp.Cookies()[0].MaxAge >= 0 {
			t.Errorf("logout: %d %v", resp.StatusCode, resp.Cookies())
		}
		status, text = read(t, o.post(base+"/admin/resume", cookie, url.Values{"name": {"canary"}, "csrf": {csrf}}))
		if status != http.StatusUnauthorized || !strings.Contains(text, `<a href="`+base+`/admin/login">log in</a>`) {
			t.Errorf("after logout: %d %s", status, text)
		}
		if page := get200(t, o, base+"/admin/login?back="+url.QueryEscape(`/"><script>`)); !strings.Contains(page, `action="`+base+`/admin/login"`) || strings.Contains(page, "<script>") {
			t.Errorf("the page to log in:\n%s", page)
		}
	}
}

// TestLook has operators' pages use the page's style sheet and its theme, find the way
// back to it, and stay without where there is no page.
func TestLook(t *testing.T) {
	for _, base := range []string{"", "/solotick"} {
		o := &office{t: t}
		o.API = serve(t, Config{
			Base: base, Title: "ops <b>", Page: http.NotFoundHandler(), Style: "static/page.css?1",
			Admin: &Admin{Token: testToken, Change: nobody},
		})
		wrong := o.post(base+"/admin/login", &http.Cookie{Name: themeCookie, Value: "dark"}, url.Values{"token": {"x"}})
		if csp := wrong.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "style-src 'self'") {
			t.Errorf("the style sheet is not allowed: %s", csp)
		}
		status, text := read(t, wrong)
		if status != http.StatusUnauthorized || !strings.Contains(text, `data-theme="dark"`) || !strings.Contains(text, `<a href="`+base+`/admin/login">try again</a>`) {
			t.Errorf("a wrong token: %d %s", status, text)
		}
		for _, text := range []string{text, get200(t, o, base+"/admin/login")} {
			for _, want := range []string{`href="` + base + `/static/page.css?1"`, `<a class="brand" href="` + base + `/">`, "ops &lt;b&gt;"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, text)
				}
			}
		}
		resp := ask(t, o, asking{path: base + "/admin/"})
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != base+"/admin/login" {
			t.Errorf("%d to %q", resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	plain := newOffice(t, "")
	if text := get200(t, plain, "/admin/login"); strings.Contains(text, "stylesheet") || strings.Contains(text, "brand") {
		t.Errorf("without a page:\n%s", text)
	}
}

// TestForgery has nothing done for pages of others, whatever cookie a browser adds.
func TestForgery(t *testing.T) {
	o := newOffice(t, "")
	cookie, csrf := o.login("")
	good := func() url.Values { return url.Values{"name": {"canary"}, "csrf": {csrf}} }
	for what, test := range map[string]struct {
		cookie *http.Cookie
		form   url.Values
		more   []string
		want   int
	}{
		"another site":      {cookie, good(), []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a sister site":     {cookie, good(), []string{"Sec-Fetch-Site", "same-site"}, 403},
		"an old browser":    {cookie, good(), []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, 403},
		"no csrf":           {cookie, url.Values{"name": {"canary"}}, nil, 403},
		"another csrf":      {cookie, url.Values{"name": {"canary"}, "csrf": {"x"}}, nil, 403},
		"no session":        {nil, good(), nil, 401},
		"a made-up session": {&http.Cookie{Name: cookieName, Value: "x"}, good(), nil, 401},
		"the token":         {nil, good(), []string{"Authorization", "Bearer " + testToken}, 401},
		"too long":          {cookie, url.Values{"csrf": {csrf}, "x": {strings.Repeat("x", mostForm)}}, nil, 400},
	} {
		if resp := o.post("/admin/trigger", test.cookie, test.form, test.more...); resp.StatusCode != test.want {
			t.Errorf("%s: %d, want %d", what, resp.StatusCode, test.want)
		}
	}
	// The query is no part of a form.
	if resp := o.post("/admin/trigger?name=canary&csrf="+csrf, cookie, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("by the query: %d", resp.StatusCode)
	}
	if len(o.wishes) > 0 {
		t.Errorf("done: %+v", o.wishes)
	}
	for _, back := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/\r\nX: y", "back"} {
		form := good()
		form.Set("back", back)
		if resp := o.post("/admin/resume", cookie, form); resp.Header.Get("Location") != "/" {
			t.Errorf("back to %q: %s", back, resp.Header.Get("Location"))
		}
	}
}

// TestPrograms has programs prove themselves by the token.
func TestPrograms(t *testing.T) {
	o := newOffice(t, "")
	const path = "/api/v1/records/canary.example.com/pause"
	kind := "application/json"
	for what, test := range map[string]struct {
		header map[string]string
		body   string
		want   int
	}{
		"a bearer":         {map[string]string{"Authorization": "Bearer " + testToken, "Content-Type": kind}, `{"for":"2h","reason":"db"}`, 200},
		"a header":         {map[string]string{"Authorization": "Basic eDp5", TokenHeader: testToken}, "", 200},
		"no token":         {nil, "", 401},
		"a password":       {map[string]string{"Authorization": "Basic eDp5"}, "", 401},
		"no JSON":          {map[string]string{TokenHeader: testToken, "Content-Type": kind}, "for=2h", 400},
		"no kind":          {map[string]string{TokenHeader: testToken}, `{"for":"2h"}`, 400},
		"too short":        {map[string]string{TokenHeader: testToken, "Content-Type": kind}, `{"for":"1ms"}`, 400},
		"an unknown word":  {map[string]string{TokenHeader: testToken, "Content-Type": kind}, `{"fro":"2h"}`, 400},
		"two bodies":       {map[string]string{TokenHeader: testToken, "Content-Type": kind}, `{"for":"2h"}{"for":"3h"}`, 400},
		"too long a body":  {map[string]string{TokenHeader: testToken, "Content-Type": kind}, `{"reason":"` + strings.Repeat("x", mostForm) + `"}`, 400},
		"too long a why":   {map[string]string{TokenHeader: testToken, "Content-Type": kind}, `{"reason":"` + strings.Repeat("x", 41) + `"}`, 400},
		"a cookie":         {map[string]string{"Cookie": cookieName + "=x"}, "", 401},
		"the wrong bearer": {map[string]string{"Authorization": "Bearer " + testToken + "x"}, "", 401},
	} {
		resp := ask(t, o, asking{"POST", path, test.header, test.body})
		if resp.StatusCode != test.want || (resp.StatusCode == 401) != (resp.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %d, want %d; %v", what, resp.StatusCode, test.want, resp.Header)
		}
	}
	if len(o.wishes) != 2 {
		t.Errorf("wishes: %+v", o.wishes)
	}
	// Who guesses is not even heard when the guess is right.
	for range 10 {
		ask(t, o, asking{"POST", path, map[string]string{TokenHeader: "guess"}, ""})
	}
	if resp := ask(t, o, asking{"POST", path, map[string]string{TokenHeader: testToken}, ""}); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("after ten wrong tokens: %d", resp.StatusCode)
	}
	if resp := o.post("/admin/login", nil, url.Values{"token": {testToken}}); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("login after ten wrong tokens: %d", resp.StatusCode)
	}
	if log := o.log.String(); strings.Contains(log, testToken) || strings.Contains(log, "guess") || !strings.Contains(log, "operator refused") {
		t.Errorf("the log:\n%s", log)
	}
}

// TestSessions has sessions end, and no more of them than there is room for.
func TestSessions(t *testing.T) {
	var s sessions
	begin := time.Unix(1_800_000_000, 0)
	request := func(secret string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: cookieName, Value: secret})
		return r
	}
	first, one := s.begin(begin)
	if got, ok := s.of(request(first), begin.Add(time.Hour)); !ok || got != one {
		t.Errorf("%+v, want %+v", got, one)
	}
	if _, ok := s.of(request(first), begin.Add(sessionTime+time.Second)); ok {
		t.Error("it has not ended")
	}
	second, _ := s.begin(begin)
	for i := range 2 * mostSessions {
		s.begin(begin.Add(time.Duration(i+1) * time.Second))
	}
	if _, ok := s.of(request(second), begin); ok || len(s.all) != mostSessions {
		t.Errorf("%d sessions, with the oldest: %t", len(s.all), ok)
	}
}
