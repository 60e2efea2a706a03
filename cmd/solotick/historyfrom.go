package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/monitor"
)

// historyFrom tells what somebody else has seen.
func (a *app) historyFrom(cmd *cobra.Command, q *past) error {
	now := time.Now()
	from := int64(0)
	if q.since > 0 {
		from = now.Add(-q.since).Unix()
	}
	var doc historyDoc
	var sites []site
	var err error
	if strings.HasPrefix(q.source, "http://") || strings.HasPrefix(q.source, "https://") {
		doc = newHistoryDoc("server", now)
		sites, err = a.runsOfServer(cmd.Context(), q, &doc, from, now.Unix())
	} else {
		doc = newHistoryDoc("file", now)
		sites, err = a.runsOfFile(q, &doc, from)
	}
	if err != nil {
		return err
	}
	if q.asJSON {
		return a.endDocument(doc, exitOK)
	}
	t := a.newTable(len(sites) > 1)
	t.head()
	for i, item := range doc.Records {
		t.all(sites[i], item.Runs)
	}
	a.sayf("\n")
	t.tally(doc.Records)
	return nil
}

// runsOfServer asks a solotick serve.
func (a *app) runsOfServer(ctx context.Context, q *past, doc *historyDoc, from, to int64) ([]site, error) {
	base, err := url.Parse(q.source)
	if err != nil || base.Host == "" {
		return nil, usage("--from is no URL of a server: want one such as http://127.0.0.1:8080") // it may hold a password
	}
	sites, err := a.asked(&q.query)
	if err != nil {
		return nil, err
	}
	client := web.New(web.Options{MaxBody: 64 << 20, Retries: 2, Proxy: true})
	defer client.Close()
	for _, s := range sites {
		if err := checkDNSName(s.name); err != nil {
			return nil, usage("%q is no DNS name: %w", s.name, err)
		}
		at := base.JoinPath("api/v1/records", url.PathEscape(s.name), "runs")
		at.RawQuery = url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}.Encode()
		runs, err := fetchRuns(ctx, client, at.String(), s.name)
		if err != nil {
			return nil, err
		}
		doc.Records = append(doc.Records, historyItem{Runs: runs, Job: s.job})
	}
	return sites, nil
}

func fetchRuns(ctx context.Context, client *web.Client, at, name string) (monitor.Runs, error) {
	const means = "its history is not known from here; its agents are not affected"
	resp, err := client.Do(ctx, web.Request{URL: at, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return monitor.Runs{}, &failure{code: exitUnreachable, err: err, means: means, do: "is it the address of a solotick serve, and reachable from here?"}
	}
	f := &failure{code: exitUnreachable, means: means}
	switch {
	case resp.Status == http.StatusNotFound:
		f.code, f.err, f.do = exitFailed, fmt.Errorf("the server does not watch %s, or is no solotick serve", name), "start it with this NAME, or with the file that has the job"
		return monitor.Runs{}, f
	case resp.Status == http.StatusUnauthorized || resp.Status == http.StatusForbidden:
		f.code, f.err = exitRefused, fmt.Errorf("the server answers %d %s", resp.Status, http.StatusText(resp.Status))
		return monitor.Runs{}, f
	case resp.Status != http.StatusOK:
		f.err = fmt.Errorf("the server answers %d %s", resp.Status, http.StatusText(resp.Status))
		return monitor.Runs{}, f
	}
	var d monitor.Runs
	if err := json.Unmarshal(resp.Body, &d); err != nil || d.Schema != monitor.RunsSchema || d.Name != name {
		f.code, f.err = exitFailed, fmt.Errorf("what the server answers is no %s of %s: it is no solotick serve, or one of another version", monitor.RunsSchema, name)
		return monitor.Runs{}, f
	}
	d.Runs, d.Spans = append([]monitor.Run{}, d.Runs...), append([]monitor.Span{}, d.Spans...)
	return d, nil
}

// runsOfFile reads the file of a solotick serve that does not run.
func (a *app) runsOfFile(q *past, doc *historyDoc, from int64) ([]site, error) {
	h, err := monitor.ReadHistory(q.source)
	if err != nil {
		f := &failure{code: exitFailed, err: err, means: "its history is not known from here; no agent is affected"}
		switch {
		case errors.Is(err, monitor.ErrInUse):
			f.code, f.do = exitTryAgain, "ask that process: --from with the URL of the solotick serve"
		case errors.Is(err, fs.ErrNotExist):
			f.do = "name the file of solotick serve --data, or its address, which begins with http:// or https://"
		}
		return nil, f
	}
	var kept []string
	var sites []site
	for _, t := range h.Targets() {
		kept = append(kept, t.Name)
		sites = append(sites, site{name: t.Name})
	}
	if len(q.names) > 0 || q.file != "" {
		if sites, err = a.asked(&q.query); err != nil {
			return nil, err
		}
	}
	for _, s := range sites {
		if !slices.Contains(kept, s.name) {
			return nil, &failure{code: exitFailed, err: fmt.Errorf("%s is not in %s, which has: %s", s.name, q.source, strings.Join(kept, ", "))}
		}
		d := h.RunsDocument(s.name, from, math.MaxInt64)
		d.To = doc.Time.Unix()
		doc.Records = append(doc.Records, historyItem{Runs: d, Job: s.job})
	}
	return sites, nil
}
