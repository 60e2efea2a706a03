package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// A Problem is why a request was not served: RFC 9457, with what it means for the
// job and what to do. It is an error, so that what is called from here can say how
// to answer.
type Problem struct {
	Type   string `json:"type"`  // always about:blank: the title tells no more than the status
	Title  string `json:"title"` // of the status
	Status int    `json:"status"`
	Detail string `json:"detail"`          // what happened
	Means  string `json:"means,omitempty"` // for the job
	Do     string `json:"do,omitempty"`

	link string // where that is done
}

func (p *Problem) Error() string { return p.Detail }

// problemOf is err as it is answered: as it is, or with the status.
func problemOf(err error, status int) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Status: status, Detail: err.Error()}
}

// refusal is what a request got wrong.
func refusal(detail string) *Problem {
	return &Problem{Status: http.StatusBadRequest, Detail: detail, Do: "what each path takes: api/v1/openapi.json"}
}

// refuse answers with what the request got wrong.
func refuse(w http.ResponseWriter, r *http.Request, detail string) { refusal(detail).write(w, r) }

// write answers: with JSON, or for a form that a person has sent with a page.
func (p *Problem) write(w http.ResponseWriter, r *http.Request) {
	out := p.bounded()
	if r.Method == http.MethodPost && asksForPage(r) {
		writePage(w, out.Status, problemPage, problemOnPage{frame{Title: out.Title}, out, p.link})
		return
	}
	if p.link != "" {
		out.Do += ": " + p.link
	}
	writeJSON(w, r, out.Status, "application/problem+json", out)
}

// bounded is p as it is told.
func (p *Problem) bounded() Problem {
	out := *p
	out.Type, out.Title = "about:blank", http.StatusText(p.Status)
	out.Detail, out.Means, out.Do = bounded(p.Detail, maxText), bounded(p.Means, maxText), bounded(p.Do, maxText)
	return out
}

// maxText is how long a text of an answer may be, in bytes.
const maxText = 2000

// bounded cuts a text that is longer than n bytes, and keeps it UTF-8.
func bounded(text string, n int) string {
	if len(text) > n {
		text = text[:n] + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// asksForPage says whether a browser waits for the answer to show it.
func asksForPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// writeJSON answers with one document, whole or not at all.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, kind string, v any) {
	text, err := json.Marshal(v)
	if err != nil { // never of what is here
		http.Error(w, "this cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(text, '\n')) // an error is the client's, who has gone
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
