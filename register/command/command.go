// Package command is the register in whatever has no package of its own: a program
// of the user's, or an HTTP endpoint, in front of an in-house DNS or an API that
// nobody else has. Twenty lines of shell are enough.
//
//	client, err := command.New(command.Config{Program: []string{"/usr/local/lib/register", "example.com"}})
//	r, err := client.Register("canary.example.com")
//
// It does not know what it talks to: whether two swaps of one version can both be
// applied is up to the program, and the user says so by [Config].Class. Nothing is
// ever asked twice for one operation.
//
// # Protocol, version 1
//
// An operation is one run of the program, without a shell, in the agent's own
// environment and working directory, with the request on standard input and the
// answer on standard output; or one POST to the endpoint, with the request as its
// body and the answer as that of a response with status 200. Each is one JSON
// object in UTF-8. What is not described here is ignored in an answer, and a later
// version may add to a request. The requests:
//
//	{"version":1,"op":"load","name":"canary.example.com","ttl":60}
//	{"version":1,"op":"swap","name":"canary.example.com","ttl":60,"old":{"texts":["..."],"tag":"..."},"new":["..."]}
//
// The name is absolute, in small letters and without the last dot, and the TTL in
// seconds. A text is the strings of one TXT record joined, and the order of texts
// means nothing.
//
// Load answers what is there now, asked of the primary server and of no cache:
//
//	{"outcome":"ok","texts":["..."],"tag":"..."}
//
// Without texts nothing is there. The tag is the version of all that is at the
// name, such as a revision or an ETag; who has none leaves it out.
//
// Swap puts new in the place of old, if and only if old is still what is there, and
// compares and writes in one step: two swaps of one old must never both be done,
// whoever sends them. If old has a tag, that is to be compared; if it has none, all
// of its texts are, as a set; without texts, nothing may be there. New without texts
// removes; one of the two always has some. Other names and other types of records are
// left alone. The answers:
//
//	{"outcome":"done","tag":"..."}   new is in place, and stays
//	{"outcome":"conflict"}           not done: old is not what is there
//	{"outcome":"uncertain"}          it may be done, now or later: no answer came from where it was sent
//	{"outcome":"refused"}            not done, and another try will not help: credential, policy, no such zone
//	{"outcome":"failed"}             surely not done, for any other reason: not reached, too many requests
//
// Done has the new tag, or none if the texts are what is compared; it may have texts,
// if they are stored otherwise than they were sent. Refused and failed answer a load
// as well. Every answer may have a "message" for people, one line without secrets,
// and a "time": the time of day of the server that holds the record, in seconds since
// 1970; an endpoint's Date header is taken where there is none.
//
// What else can happen to a swap is uncertain: an exit status other than 0, an answer
// that is none of these or longer than 1 MiB, one that comes too late, a status other
// than 200. The exceptions: a program that cannot be started and an endpoint that
// cannot be reached have done nothing, and 401, 403 and 404 are refusals. When its
// time is over, a program is killed with all that it has started in its process
// group. The last line of its standard error is put into errors.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// Class is what is assumed of a program unless the configuration says otherwise.
const Class = register.Conditional

// Defaults of [Config].
const (
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 10 * time.Second
)

// Lag is that of a DNS server of one's own: nothing is known of what is behind a
// program.
const Lag = 2 * time.Second

// maxAnswer is how many bytes an answer may have.
const maxAnswer = 1 << 20

// maxTTL is 2^31 - 1 seconds (RFC 2181 section 8).
const maxTTL = (1<<31 - 1) * time.Second

// A Config says what to ask.
type Config struct {
	// Program is a program with its arguments: a path, or a name that is looked up
	// in PATH. Either it or URL is given.
	Program []string
	// URL is that of an endpoint: https, or http on loopback.
	URL string
	// Token is sent to the endpoint as Authorization: Bearer; empty: nothing is.
	Token register.Secret
	// Zone is the zone that all names have to be in; empty: any name will do.
	Zone string
	// TTL is that of the records, in whole seconds.
	TTL time.Duration
	// Timeout is for one operation; the context may end it earlier.
	Timeout time.Duration
	// Class is what the program promises; empty: [Class]. It is exact if it compares
	// and writes in one step of whatever holds the record.
	Class register.Class
}

// A Client is one program or endpoint, shared by the registers of many names. It is
// safe for concurrent use, and so has the program to be: there may be several runs
// of it at a time.
type Client struct {
	ask      func(ctx context.Context, request []byte) (reply, error)
	program  string // as it is given; empty: an endpoint
	token    string // which no error may show
	zone     string
	ttl      int64 // in seconds
	timeout  time.Duration
	class    register.Class
	web      *web.Client // nil: a program
	requests atomic.Int64
}

// Printable, but for what means something in a zone file or a shell.
var domain = regexp.MustCompile(`^([^\s[:cntrl:].\\"'$();]{1,63}\.)*[^\s[:cntrl:].\\"'$();]{1,63}$`)

// New returns a client. It starts nothing, and asks nobody.
func New(cfg Config) (*Client, error) {
	c := &Client{token: cfg.Token.Reveal(), timeout: cfg.Timeout, class: cmp.Or(cfg.Class, Class)}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	ttl := cmp.Or(cfg.TTL, DefaultTTL)
	c.ttl = int64(ttl / time.Second)
	c.zone = canonical(cfg.Zone)
	var err error
	switch {
	case (len(cfg.Program) > 0) == (cfg.URL != ""):
		err = errors.New("want a program or the URL of an endpoint, and not both")
	case len(cfg.Program) > 0 && cfg.Program[0] == "":
		err = errors.New("the program has no name")
	case c.zone != "" && !domain.MatchString(c.zone):
		err = fmt.Errorf("zone: %q is no domain name", cfg.Zone)
	case ttl < time.Second || ttl > maxTTL || ttl%time.Second != 0:
		err = fmt.Errorf("a TTL of %s: want whole seconds, from 1 to %d", ttl, maxTTL/time.Second)
	case c.timeout < 0:
		err = fmt.Errorf("a timeout of %s", c.timeout)
	case c.class.Promise() == register.Class("").Promise():
		err = fmt.Errorf("class: %q: want exact, conditional, ballot or timed", c.class)
	case cfg.URL != "":
		err = c.openEndpoint(cfg.URL)
	case c.token != "":
		err = errors.New("a token is for an endpoint: a program has the agent's environment")
	default:
		c.program = cfg.Program[0]
		c.ask = program(cfg.Program).run
	}
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	return c, nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Register returns the register of the TXT records at name, which is absolute
// with or without the final dot, and in the zone if there is one.
func (c *Client) Register(name string) (register.Register, error) {
	fqdn := canonical(name)
	switch {
	case !domain.MatchString(fqdn) || len(fqdn) > 253:
		return nil, fmt.Errorf("command: name: %q is no domain name", name)
	case c.zone != "" && fqdn != c.zone && !strings.HasSuffix(fqdn, "."+c.zone):
		return nil, fmt.Errorf("command: %s is not in the zone %s", fqdn, c.zone)
	}
	return &record{client: c, name: fqdn}, nil
}

// Class is what the configuration says that the program promises.
func (c *Client) Class() register.Class { return c.class }

// Requests is how often the program was started, or the endpoint asked, so far.
func (c *Client) Requests() int64 { return c.requests.Load() }

// Close closes idle connections.
func (c *Client) Close() {
	if c.web != nil {
		c.web.Close()
	}
}

// Examine tells of each name whether the program answers a load.
func (c *Client) Examine(ctx context.Context, names ...string) []register.Finding {
	var all []register.Finding
	if c.program != "" {
		all = append(all, c.findProgram())
	}
	for _, name := range names {
		r, err := c.Register(name)
		if err != nil {
			all = append(all, register.Finding{Check: "name", Text: err.Error()})
			continue
		}
		s, err := r.Load(ctx)
		if err != nil {
			do, _ := register.Remedy(err)
			all = append(all, register.Finding{Check: "read", Text: err.Error(), Do: cmp.Or(do, "send it the request by hand, and look at what it answers: "+r.(*record).byHand())})
			continue
		}
		text := fmt.Sprintf("%s can be read, and holds %d TXT records", canonical(name), len(s.Texts))
		if s.Time.IsZero() {
			text += "; no time comes with it, so this machine's clock says when a tick is due"
		}
		all = append(all, register.Finding{Check: "read", OK: true, Text: text})
	}
	return all
}
