package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
)

// A query is what read commands are asked: names, and perhaps which server.
type query struct {
	names  []string
	server string // of @server; empty: the file's, or the authoritative ones
	port   int
	file   string
	dns    *config.DNS   // of the file, if one was read
	agent  *config.Agent // the same
}

func (a *app) queryFlags(c *cobra.Command, q *query) {
	c.Flags().IntVarP(&q.port, "port", "p", 53, "port of @server")
	a.fileFlag(c, &q.file)
}

// parse takes names and one @server in any order, as dig does.
func (q *query) parse(args []string) error {
	for _, arg := range args {
		server, is := strings.CutPrefix(arg, "@")
		switch {
		case !is && arg == "":
			return usage("an empty NAME")
		case !is:
			q.names = append(q.names, arg)
		case server == "":
			return usage("@ without a server: want @ns1.example.com or @192.0.2.1")
		case q.server != "":
			return usage("two servers: @%s and @%s", q.server, server)
		default:
			q.server = server
		}
	}
	if q.port < 1 || q.port > 65535 {
		return usage("-p %d: want a port from 1 to 65535", q.port)
	}
	return nil
}

// address is @server with its port, or empty.
func (q *query) address() string {
	if q.server == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(q.server); err == nil {
		return q.server
	}
	return net.JoinHostPort(strings.Trim(q.server, "[]"), strconv.Itoa(q.port))
}

// asked finds what the names stand for. The file is read only if it has to be.
func (a *app) asked(q *query) ([]site, error) {
	need := len(q.names) == 0 || q.file != ""
	for _, n := range q.names {
		need = need || !strings.Contains(n, ".")
	}
	if !need {
		var all []site
		for _, n := range q.names {
			all = append(all, site{name: strings.TrimSuffix(strings.ToLower(n), ".")})
		}
		return all, nil
	}
	c, err := a.loadAll(q.file)
	if err != nil {
		return nil, err
	}
	q.dns, q.agent = &c.DNS, &c.Agent
	return findSites(c, q.names)
}

// A sight is what DNS shows of one record.
type sight struct {
	site
	answer lookup.Answer   // of the server that shows the newest record
	others []lookup.Answer // of the other servers that were asked
	set    record.Set
	err    error
}

// ask asks DNS for one record: @server, else the file's servers, else every
// authoritative server of the name.
func (q *query) ask(ctx context.Context, s site) sight {
	cfg := lookup.Config{Probe: true}
	switch {
	case q.server != "":
		cfg.Servers = []string{q.address()}
	case q.dns != nil:
		cfg.Servers = outside(q.dns)
	}
	if err := checkDNSName(s.name); err != nil {
		return sight{site: s, err: usage("%q is no DNS name: %w", s.name, err)}
	}
	l, err := lookup.New(cfg)
	if err != nil {
		return sight{site: s, err: usage("%w", err)}
	}
	answers, err := l.All(ctx, s.name)
	if err != nil {
		return sight{site: s, err: lookupFailure(err)}
	}
	return newest(s, answers)
}

// newest picks the answer with the highest seq.
func newest(s site, answers []lookup.Answer) sight {
	best := -1
	out := sight{site: s}
	var failed []error
	for i, a := range answers {
		if a.Err != nil {
			failed = append(failed, a.Err)
			continue
		}
		set := record.Read(a.Texts, time.Now().Unix())
		if best < 0 || set.State > record.Absent && (out.set.State == record.Absent || set.Record.Seq > out.set.Record.Seq) {
			best, out.answer, out.set = i, a, set
		}
	}
	if best < 0 {
		out.err = lookupFailure(errors.Join(failed...))
		return out
	}
	out.others = slices.Delete(slices.Clone(answers), best, best+1)
	return out
}

// lookupFailure gives an error of a lookup its exit code and what to do. The
// error itself names server and cause.
func lookupFailure(err error) error {
	const means = "nothing is known about it from here; its agents are not affected"
	f := &failure{code: exitUnreachable, err: err, means: means, do: "ask another server: append @ADDRESS (and -p PORT)"}
	switch {
	case errors.Is(err, context.Canceled):
		f.code, f.do = exitTryAgain, ""
	case errors.Is(err, lookup.ErrUnreachable), errors.Is(err, lookup.ErrTimeout):
	case errors.Is(err, lookup.ErrRefused):
		f.code, f.do = exitRefused, "the server does not answer questions from here: ask an authoritative server or a resolver of yours with @ADDRESS"
	case errors.Is(err, lookup.ErrLame):
		f.code, f.do = exitConfig, "name a server of this zone, or a resolver, with @ADDRESS; with a file: dns.server"
	}
	return f
}

// checkDNSName refuses what no server could be asked for.
func checkDNSName(name string) error {
	if len(name) > 253 {
		return errors.New("longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("an empty label")
		case len(label) > 63:
			return errors.New("a label longer than 63 bytes")
		case strings.IndexFunc(label, func(r rune) bool { return r > unicode.MaxASCII }) >= 0:
			return errors.New("want ASCII: an international name begins with xn--")
		case strings.ContainsAny(label, " \t\r\n\"'\\"):
			return errors.New("white space, a quote or a backslash in it")
		}
	}
	return nil
}

// notes are what is odd about what DNS shows.
func (s sight) notes() []string {
	var out []string
	if s.err != nil {
		return nil
	}
	if s.set.Detail != nil {
		out = append(out, strings.Split(s.set.Detail.Error(), "\n")...)
	}
	if n := len(s.set.Foreign); n > 0 && s.set.State != record.Unopenable {
		out = append(out, fmt.Sprintf("%d other TXT value%s at this name, which agents keep; a name of its own is better", n, plural(n)))
	}
	if s.answer.Alias != "" {
		out = append(out, "the name is an alias (CNAME) of "+s.answer.Alias+": no agent can write here")
	}
	if s.answer.Wildcard != "" {
		out = append(out, "the answer comes from the wildcard "+s.answer.Wildcard+" and not from this name")
	}
	if s.answer.Status == lookup.NoName {
		out = append(out, "the name does not exist (NXDOMAIN)")
	}
	if s.answer.Age > 0 || !s.answer.Authoritative {
		out = append(out, fmt.Sprintf("from a cache, which may be old: it keeps this answer for %s more", seconds(s.answer.TTL)))
	}
	for _, o := range s.others {
		if o.Err != nil {
			out = append(out, "another server gave no answer: "+o.Err.Error())
		} else if set := record.Read(o.Texts, 0); set.State != s.set.State || set.Record != s.set.Record {
			out = append(out, o.Server.Name+" ("+o.Server.Addr+") shows something older")
		}
	}
	return out
}

// serverName is the server that answered, for people.
func (s sight) serverName() string {
	name := s.answer.Server.Name
	if name != s.answer.Server.Addr {
		name += " (" + s.answer.Server.Addr + ")"
	}
	if s.answer.Authoritative {
		name += ", authoritative"
	}
	return name
}

// best is the text of the record that counts.
func (s sight) best() string {
	for _, t := range s.answer.Texts {
		if set := record.Read([]string{t}, 0); set.State == record.Present && set.Record == s.set.Record {
			return t
		}
	}
	return ""
}

// sights asks for all that a command names, a few at a time.
func (a *app) sights(ctx context.Context, q *query) ([]sight, error) {
	sites, err := a.asked(q)
	if err != nil {
		return nil, err
	}
	all := make([]sight, len(sites))
	slots := make(chan struct{}, 16)
	var wg sync.WaitGroup
	for i, s := range sites {
		slots <- struct{}{}
		wg.Go(func() {
			all[i] = q.ask(ctx, s)
			<-slots
		})
	}
	wg.Wait()
	return all, nil
}
