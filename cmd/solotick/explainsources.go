package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/journal"
	"github.com/solotick/solotick/internal/web"
)

// gathered are the events of a job from all sources.
type gathered struct {
	entries []journal.Entry
	sources []tickSource
}

// mostEvents bounds what one agent answers, in bytes.
const mostEvents = 64 << 20

// collect gathers the events of a job. A source that cannot be read does not keep
// others from telling. tick may be zero.
func (a *app) collect(ctx context.Context, s site, from []string, tick time.Time) gathered {
	out := gathered{sources: []tickSource{}}
	client := web.New(web.Options{Timeout: 10 * time.Second, MaxBody: mostEvents, Proxy: true})
	defer client.Close()
	seen := make(map[string]bool)
	for _, one := range from {
		all, err := a.source(ctx, client, s, one, tick)
		src := tickSource{From: shownSource(one), Events: len(all)}
		if err != nil {
			src.Error = err.Error()
		}
		out.sources = append(out.sources, src)
		for _, e := range all {
			// An agent and its file tell the same.
			key := fmt.Sprint(e.Agent, e.Time.UnixNano(), e.Did, e.Why, e.Outcome)
			if !seen[key] {
				seen[key] = true
				out.entries = append(out.entries, e)
			}
		}
	}
	return out
}

// source reads one source.
func (a *app) source(ctx context.Context, client *web.Client, s site, from string, tick time.Time) ([]journal.Entry, error) {
	job := s.name
	if from == "-" {
		return journal.Parse(a.stdin, job)
	}
	if !strings.Contains(from, "://") {
		return fileEvents(from, job)
	}
	address, err := eventsURL(from, job, tick)
	if err != nil {
		return nil, err
	}
	// The page of solotick serve has a stream without end at this path, for those who
	// take one.
	resp, err := client.Do(ctx, web.Request{URL: address, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, fmt.Errorf("it answered %d: is it the address of an agent, agent.listen of its file?", resp.Status)
	}
	return journal.Parse(bytes.NewReader(resp.Body), job)
}

// fileEvents reads a file of events, and before it what was put aside.
func fileEvents(path, job string) ([]journal.Entry, error) {
	var all []journal.Entry
	for _, one := range []string{path + ".1", path} {
		f, err := os.Open(one)
		if errors.Is(err, fs.ErrNotExist) && one != path {
			continue
		}
		if bad := new(fs.PathError); errors.As(err, &bad) {
			return all, bad.Err // the file is named anyway
		} else if err != nil {
			return all, err
		}
		some, err := journal.Parse(io.Reader(f), job)
		_ = f.Close()
		if err != nil {
			return all, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// eventsURL is where an agent tells of a job. Only the address of the agent is needed.
func eventsURL(from, job string, tick time.Time) (string, error) {
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", errors.New("want the address of an agent, as in http://10.0.0.5:9480, or a file")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/events"
	}
	v := u.Query()
	v.Set("job", job)
	if !tick.IsZero() {
		v.Set("tick", strconv.FormatInt(tick.Unix(), 10))
	}
	u.RawQuery = v.Encode()
	return u.String(), nil
}

// shownSource is a source without a password.
func shownSource(from string) string {
	if u, err := url.Parse(from); err == nil && u.User != nil {
		return u.Redacted()
	}
	return from
}

// reachable is an address to listen on as one to ask.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
