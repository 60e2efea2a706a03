package api

import (
	"bytes"
	"html/template"
	"net/http"
)

// themeCookie is where the page keeps whether a reader has chosen light or dark.
const themeCookie = "solotick_theme"

// A frame is what is around an operator's page.
type frame struct {
	Title string
	Root  string // the path of the first page; empty: there is none
	Whose string
	Style string // the path of the style sheet; empty: there is none
	Theme string // light, dark or empty
}

// frame is around a page that answers r.
func (a *API) frame(r *http.Request, title string) frame {
	f := frame{Title: title, Whose: a.cfg.Title}
	if a.cfg.Page != nil {
		f.Root = a.admin.path
	}
	if a.cfg.Style != "" {
		f.Style = a.admin.path + a.cfg.Style
	}
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		f.Theme = c.Value
	}
	return f
}

// A problemOnPage is a problem for people.
type problemOnPage struct {
	frame
	Problem Problem
	Link    string
}

// A loginOnPage is the form for the token, or for who has given it.
type loginOnPage struct {
	frame
	Path, Back, CSRF string
}

// fail answers a form with a problem: a person with a page that looks like the
// others, a program with JSON.
func (a *API) fail(w http.ResponseWriter, r *http.Request, p *Problem) {
	if !asksForPage(r) {
		p.write(w, r)
		return
	}
	out := p.bounded()
	writePage(w, out.Status, problemPage, problemOnPage{a.frame(r, out.Title), out, p.link})
}

// writePage answers a person who has sent a form.
func writePage(w http.ResponseWriter, status int, page *template.Template, v any) {
	var text bytes.Buffer
	if err := page.Execute(&text, v); err != nil { // never of what is here
		http.Error(w, "this page cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
}

// around is what operators' pages have in common. The classes are those of the
// page's style sheet.
var around = template.Must(template.New("around").Parse(`{{define "head" -}}
<!doctype html>
<html lang="en"{{with .Theme}} data-theme="{{.}}"{{end}}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>{{.Title}}{{with .Whose}} · {{.}}{{end}}</title>
{{with .Style}}<link rel="stylesheet" href="{{.}}">
{{end}}</head>
<body>
<header class="bar">{{with .Root}}<a class="brand" href="{{.}}">Solotick</a>{{end}}{{with .Whose}}<span class="whose">{{.}}</span>{{end}}</header>
<main><section class="empty">
{{end}}{{define "foot"}}</section></main>
</body></html>
{{end}}`))

// onPage parses what is within.
func onPage(name, text string) *template.Template {
	return template.Must(template.Must(around.Clone()).New(name).Parse(`{{template "head" .}}` + text + `{{template "foot" .}}`))
}

var problemPage = onPage("problem", `<h1>{{.Title}}</h1>
<p class="sentence">{{.Problem.Detail}}</p>
{{with .Problem.Means}}<p class="sentence">{{.}}</p>
{{end}}{{with .Problem.Do}}<p class="sentence">To do: {{if $.Link}}<a href="{{$.Link}}">{{.}}</a>{{else}}{{.}}{{end}}</p>
{{end}}`)

var loginPage = onPage("login", `{{if .CSRF}}<h1>You are logged in</h1>
<p>Each record's page has forms to pause, resume and trigger it.</p>
<div class="forms"><form method="post" action="{{.Path}}admin/logout"><input type="hidden" name="csrf" value="{{.CSRF}}"><input type="hidden" name="back" value="{{.Back}}"><button class="plain">Log out</button> <a href="{{.Back}}">Back</a></form></div>
{{else}}<h1>For operators</h1>
<p>Who has the token can pause, resume and trigger jobs. A login lasts 12 hours.</p>
<div class="forms"><form method="post" action="{{.Path}}admin/login"><label for="token">Token</label> <input type="password" id="token" name="token" required autofocus autocomplete="current-password" maxlength="4096"><input type="hidden" name="back" value="{{.Back}}"><button class="plain">Log in</button></form></div>
<p>It is in the file that solotick serve --admin-token-file names.</p>
{{end}}`)
