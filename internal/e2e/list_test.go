package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A list is a list of jobs that lies elsewhere: one text, at one address, of a
// server that can be taken away.
type list struct {
	t    *testing.T
	addr string

	mu     sync.Mutex
	server *http.Server
	text   string
	status int               // 0: 200
	hangs  func(string) bool // for which agents, by the number that they were started with; nil: none
	unread map[string]int    // how often an agent was told that it knows the text
}

func newList(t *testing.T, text string) *list {
	t.Helper()
	l := &list{t: t, addr: "127.0.0.1:0", text: text, unread: map[string]int{}}
	l.up()
	t.Cleanup(l.down)
	return l
}

// up starts the server, always at the same address.
func (l *list) up() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.addr = listener.Addr().String()
	s := &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second}
	l.mu.Lock()
	l.server = s
	l.mu.Unlock()
	go func() { _ = s.Serve(listener) }()
}

// down ends it: connections are refused.
func (l *list) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.server.Close()
}

// set puts another text there, or has every question answered with a status, or
// by nobody for some agents.
func (l *list) set(text string, status int, hangs func(string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text, l.status, l.hangs = text, status, hangs
}

func (l *list) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	agent := r.Header.Get("X-Agent")
	l.mu.Lock()
	text, status, hangs := l.text, l.status, l.hangs != nil && l.hangs(agent)
	tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256([]byte(text))))
	known := r.Header.Get("If-None-Match") == tag
	if known && status == 0 && !hangs {
		l.unread[agent]++
	}
	l.mu.Unlock()
	switch {
	case hangs:
		<-r.Context().Done()
	case status != 0:
		http.Error(w, "no", status)
	case known:
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("ETag", tag)
		_, _ = io.WriteString(w, text)
	}
}

// jobsText is a list's text.
func jobsText(jobs ...string) string { return "version: 1\njobs:\n" + strings.Join(jobs, "") }

// from is jobs_from: for this list, whose jobs may reach some private addresses.
func (l *list) from(timeout time.Duration, private string) string {
	return strings.Join([]string{
		"jobs_from:",
		"  url: http://" + l.addr + "/jobs.yaml",
		"  insecure: true",
		"  timeout: " + timeout.String(),
		`  headers: { X-Agent: "${env:E2E_AGENT}" }`,
		"  allow: { private: [" + private + "] }",
		"",
	}, "\n")
}

// version is a job whose questions to the API say which version of it asks.
func (a *api) version(job, v string, more ...string) string {
	check, end := a.step("/check", "&v="+v, "id: check"), a.step("/end", "&v="+v)
	return jobText(job, append(more, stepsText(check, end))...)
}

// newListed starts a cluster whose one job is of a list, in its version 1.
func newListed(t *testing.T, at *place, job string, timeout time.Duration, more ...string) (*cluster, *api, *list) {
	t.Helper()
	c := prepare(t, at, job)
	a := newAPI(t, c)
	l := newList(t, jobsText(a.version(job, "1", more...)))
	c.configure(l.from(timeout, "127.0.0.0/8"))
	c.launch()
	return c, a, l
}

// writes is how often the zone was changed since it was loaded.
func (c *cluster) writes() int {
	c.t.Helper()
	soa := strings.Fields(c.query(c.at.zone, "SOA"))
	if len(soa) != 7 {
		c.t.Fatalf("the SOA of %s is %q", c.at.zone, soa)
	}
	serial, err := strconv.Atoi(soa[2])
	if err != nil {
		c.t.Fatal(err)
	}
	return serial - 1
}
