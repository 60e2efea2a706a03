package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/seal"
)

// A query is what read commands are asked: names, and perhaps which server.
type query struct {
	names     []string
	servers   []string // of @server; none: the file's, or the authoritative ones
	resolvers []string // asked beside
	port      int
	file      string
	keys      []string      // files of --key
	timeout   time.Duration // 0: that of lookups
	ttl       time.Duration // of the records; 0: the file's, or what agents write by default
	often     bool          // asks again and again: does not look for wildcards
	dns       *config.DNS   // of the file, if one was read
	agent     *config.Agent // the same
}

func (a *app) queryFlags(c *cobra.Command, q *query) {
	c.Flags().IntVarP(&q.port, "port", "p", 53, "port of @server")
	c.Flags().StringSliceVar(&q.resolvers, "resolver", nil, "ask this resolver as well, ADDRESS[:PORT], to see what it shows; may be repeated")
	a.fileFlag(c, &q.file)
	keyFlag(c, &q.keys)
}

// keyHint is what to give to --key.
const keyHint = "name the file of a seal key (solotick keygen seal), or of a verify key, which solotick keygen sign prints"

func keyFlag(c *cobra.Command, files *[]string) {
	c.Flags().StringArrayVar(files, "key", nil, "a `FILE` with a seal key, to open records, or a verify key, for their signatures; may be repeated")
}

// addKeys gives the sites what records are read with: the keys of the file, if there is
// one, and those of --key. With a key of that kind a record that is not protected so is
// taken for somebody's forgery, as agents take it.
func (q *query) addKeys(sites []site, c *config.Config) error {
	var ring seal.Ring
	if c != nil {
		ring = c.Ring
		ring.Seal, ring.Verify = slices.Clone(ring.Seal), slices.Clone(ring.Verify)
	}
	for _, path := range q.keys {
		text, err := readKeyFile(path)
		if err != nil {
			return &failure{code: exitConfig, err: fmt.Errorf("--key: %w", err), means: "nothing was asked", do: keyHint}
		}
		if err := ring.Add(text); err != nil {
			return &failure{code: exitConfig, err: fmt.Errorf("--key: %s %w", path, err), means: "nothing was asked", do: keyHint}
		}
	}
	if ring.Empty() {
		return nil
	}
	for i := range sites {
		sites[i].ring = &ring
	}
	return nil
}

// readKeyFile reads what is to be a key, and no more of anything else than a key is long.
func readKeyFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return "", err // which names it
	}
	return string(text), nil
}

// parse takes names and @servers in any order, as dig does.
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
		default:
			q.servers = append(q.servers, server)
		}
	}
	if q.port < 1 || q.port > 65535 {
		return usage("-p %d: want a port from 1 to 65535", q.port)
	}
	return nil
}

// addresses are the @servers with their ports.
func (q *query) addresses() []string {
	var all []string
	for _, server := range q.servers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(strings.Trim(server, "[]"), strconv.Itoa(q.port))
		}
		all = append(all, server)
	}
	return all
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
		return all, q.addKeys(all, nil)
	}
	c, err := a.loadAll(q.file, a.lookConfig)
	if err != nil {
		return nil, orByName(err)
	}
	q.dns, q.agent = &c.DNS, &c.Agent
	all, err := findSites(c, q.names)
	if err != nil {
		return nil, err
	}
	return all, q.addKeys(all, c)
}

// orByName says, where there is no file, that a name does without.
func orByName(err error) error {
	var f *failure
	if errors.As(err, &f) && errors.Is(err, errNoConfig) {
		f.do = "name the file with -c, or name a record by its full DNS name, which needs no file"
	}
	return err
}

// A sight is what DNS shows of one record, with what the file says about it.
type sight struct {
	site
	monitor.Sight
	err error // of Sight, with what it means
}

// eyes are those that the command asks through: @servers, else the file's, else
// every authoritative server of each name; and the resolvers beside.
func (q *query) eyes() (*monitor.Eyes, error) {
	cfg := monitor.EyesConfig{Probe: !q.often, Resolvers: q.resolvers, Servers: q.addresses()}
	if q.timeout > 0 {
		cfg.Timeout = min(q.timeout, lookup.DefaultTimeout)
	}
	if len(cfg.Servers) == 0 && q.dns != nil {
		cfg.Servers = outside(q.dns)
	}
	e, err := monitor.NewEyes(cfg)
	if err != nil {
		return nil, usage("%w", err)
	}
	return e, nil
}

// ask asks for one record.
func (q *query) ask(ctx context.Context, s site) sight {
	eyes, err := q.eyes()
	if err != nil {
		return sight{site: s, Sight: monitor.Sight{Target: s.target(), Best: -1, Err: err}, err: err}
	}
	return seeOne(ctx, eyes, s)
}

func seeOne(ctx context.Context, e *monitor.Eyes, s site) sight {
	if err := checkDNSName(s.name); err != nil {
		return sight{site: s, Sight: monitor.Sight{Target: s.target(), Best: -1, Err: err}, err: usage("%q is no DNS name: %w", s.name, err)}
	}
	out := sight{site: s, Sight: e.Look(ctx, s.target())}
	if out.Err != nil {
		out.err = lookupFailure(out.Err)
	}
	return out
}

func (s site) target() monitor.Target {
	return monitor.Target{Name: s.name, Job: s.job, Policy: s.policy, Ring: s.ring}
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

// judge says what a sight amounts to, and as of when: what only a cache shows was
// the record when the cache asked for it, so that it is judged for that moment.
func (q *query) judge(s sight, now time.Time) (item monitor.Item, old time.Duration) {
	full := q.ttl
	if full == 0 && q.dns != nil {
		full = q.dns.TTL
	}
	item = monitor.Judge(s.Sight, now)
	if old = item.Old(now, full); old > 0 {
		item = monitor.Judge(s.Sight, now.Add(-old))
	}
	return item, old
}

// serverName is the server that answered, for people.
func (s sight) serverName() string {
	answer := s.Answer()
	name := nameOf(answer.Server.Name, answer.Server.Addr)
	if answer.Authoritative {
		name += ", authoritative"
	}
	return name
}

// nameOf is a server for people: its name, and its address where that says more.
func nameOf(name, addr string) string {
	if strings.HasPrefix(addr, name) {
		return addr
	}
	return name + " (" + addr + ")"
}

// sights asks for all that a command names, a few at a time.
func (a *app) sights(ctx context.Context, q *query) ([]sight, error) {
	sites, err := a.asked(q)
	if err != nil {
		return nil, err
	}
	eyes, err := q.eyes()
	if err != nil {
		return nil, err
	}
	all := make([]sight, len(sites))
	slots := make(chan struct{}, 16)
	var wg sync.WaitGroup
	for i, s := range sites {
		slots <- struct{}{}
		wg.Go(func() {
			all[i] = seeOne(ctx, eyes, s)
			<-slots
		})
	}
	wg.Wait()
	return all, nil
}
