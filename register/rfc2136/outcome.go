package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/register"
)

// What is found in place of the record.
const (
	codeAlias    = "CNAME"
	codeWildcard = "WILDCARD"
	codeLame     = "LAME"
)

// A Fault is what a refusal comes down to. Servers give different codes for one
// fault, and one code for several.
type Fault string

// The faults that can be found out.
const (
	FaultKey    Fault = "key"    // its name, algorithm or secret, or the clock where the server does not say which
	FaultClock  Fault = "clock"  // the two clocks are too far apart
	FaultZone   Fault = "zone"   // this is no server of the zone with authority
	FaultGrant  Fault = "grant"  // all of that is right, and the key may not do this
	FaultName   Fault = "name"   // an alias or a wildcard is in the record's place
	FaultUpdate Fault = "update" // the server knows no signed dynamic updates
)

// ErrIgnored says that the server acknowledged an update and still showed the old
// records. It is a register.ErrUncertain too: a server that forwards updates may
// yet apply it.
var ErrIgnored = errors.New("write ignored")

// A Refusal says that the server answered and will not serve this client. It is
// a register.ErrRefused.
type Refusal struct {
	// Code is the response code (REFUSED, NOTAUTH, NOTZONE, FORMERR, NOTIMP), the
	// TSIG error (BADKEY, BADSIG, BADTIME, ...), or what was found in place of the
	// record: CNAME, WILDCARD, or LAME for a server without authority.
	Code string
	// Fault is empty where it was not found out.
	Fault Fault
	// Reason is the cause, as far as it was found out, and what to do about it.
	Reason string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Reason }

// Unwrap makes it a register.ErrRefused.
func (r *Refusal) Unwrap() error { return register.ErrRefused }

// noMatch is the response code that says that a prerequisite did not hold, so
// that nothing was changed.
type noMatch string

func (n noMatch) Error() string { return string(n) }

// A clockError is a BADTIME that the server signed: the request was not served,
// and the server's time is known.
type clockError struct{ server, ours time.Time }

func (e *clockError) Error() string {
	by, where := e.server.Sub(e.ours).Round(time.Second), "behind"
	if by < 0 {
		by, where = -by, "ahead of"
	}
	return fmt.Sprintf("BADTIME: the clock that signed the request is %s %s the server's", by, where)
}

// outcome is what a reply to an UPDATE means for the swap: nil for applied, as
// the server says.
//
// Every row follows RFC 2136 section 2.2 and 3.8. A negative outcome is believed
// without a signature where the server may be unable to sign (RFC 8945 section
// 5.2): the worst that a forger gets by it is a claim that nobody uses.
func outcome(r reply) error {
	if err := clockOf(r); err != nil {
		return err
	}
	name := rcodeName(r.Rcode)
	switch r.Rcode {
	case dns.RcodeSuccess, dns.RcodeYXDomain, dns.RcodeYXRrset, dns.RcodeNXRrset, dns.RcodeNameError:
		if !r.signed {
			return fmt.Errorf("%w: the server answered %s, but did not sign it", register.ErrUncertain, name)
		}
		if r.Rcode != dns.RcodeSuccess {
			return noMatch(name)
		}
		return nil
	case dns.RcodeNotAuth, dns.RcodeRefused, dns.RcodeNotZone, dns.RcodeFormatError, dns.RcodeNotImplemented:
		return refused{r}
	}
	return fmt.Errorf("%w: the server answered %s", register.ErrUncertain, name)
}

// answered is what a reply to a question means: nil if it is a signed and
// authoritative answer about name.
func answered(r reply, name string) error {
	if err := clockOf(r); err != nil {
		return err
	}
	switch r.Rcode {
	case dns.RcodeNotAuth, dns.RcodeRefused, dns.RcodeFormatError, dns.RcodeNotImplemented:
		return refused{r}
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		return fmt.Errorf("the server answered %s", rcodeName(r.Rcode))
	}
	switch {
	case !r.signed:
		return fmt.Errorf("%w: is this the zone's primary server itself?", dnsmsg.ErrUnsigned)
	case r.Truncated:
		return errors.New("the answer is truncated, over TCP")
	case len(r.Question) != 1 || r.Question[0].Qtype != dns.TypeTXT || !strings.EqualFold(r.Question[0].Name, name):
		return errors.New("the answer is to another question")
	case !r.Authoritative:
		return &Refusal{Code: codeLame, Fault: FaultZone, Reason: "the server does not answer for this name with authority: " +
			"it is a cache, its copy of the zone has expired, or the name is delegated to others; give it the primary server of the zone and a name in it"}
	}
	for _, rr := range r.Answer {
		if above, ok := rr.(*dns.DNAME); ok && dns.IsSubDomain(above.Hdr.Name, name) {
			return &Refusal{Code: codeAlias, Fault: FaultName, Reason: "all names below " + strings.TrimSuffix(above.Hdr.Name, ".") +
				" are aliases, by its DNAME record: use a name that is not below it"}
		}
		if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, name) {
			return &Refusal{Code: codeAlias, Fault: FaultName, Reason: "the name is an alias of " + strings.TrimSuffix(alias.Target, ".") +
				", and DNS ignores TXT updates at an alias: use another name, or delete the CNAME (a wildcard may have made it)"}
		}
	}
	return nil
}

// clockOf is the clockError of a signed BADTIME.
func clockOf(r reply) error {
	if !r.signed || r.tsig.Error != dns.RcodeBadTime {
		return nil
	}
	server := dnsmsg.ServerTime(r.tsig)
	if server.IsZero() {
		return nil // it is refused then, as BADTIME, without a figure
	}
	return &clockError{server: server, ours: r.at}
}

// refused is the error of a reply that refuses, before its cause was looked
// for.
type refused struct{ reply }

func (e refused) Error() string { return rcodeName(e.Rcode) }

func (e refused) Unwrap() error { return register.ErrRefused }

// explain turns a refusal into a sentence with the cause and the remedy. To find
// the cause it asks the same server again, by questions that change nothing.
func (r *record) explain(ctx context.Context, err error) error {
	var no refused
	var clock *clockError
	switch {
	case errors.As(err, &clock):
		return &Refusal{"BADTIME", FaultClock, strings.TrimPrefix(clock.Error(), "BADTIME: ") +
			", also after it was corrected once: set both clocks (chronyc tracking)"}
	case !errors.As(err, &no):
		return err
	}
	c := r.client
	code, zone := rcodeName(no.Rcode), strings.TrimSuffix(c.zone, ".")
	switch no.Rcode {
	case dns.RcodeFormatError, dns.RcodeNotImplemented:
		return &Refusal{code, FaultUpdate, "the server, or something in between, does not know signed dynamic updates (RFC 2136, RFC 8945): " +
			"give the address of a primary server that does, and enable updates there"}
	case dns.RcodeNotZone:
		return &Refusal{code, FaultZone, "the server says that the name is not in the zone " + zone + ": check the zone's name"}
	}
	said := c.tsigReason(no.reply)
	found := c.probe(ctx)
	switch granted := found.serves && found.refusal == nil; {
	case said != nil && said.Code == "BADKEY" && granted:
		// Knot says so of a key that it knows, and no rule grants.
		return &Refusal{said.Code, FaultGrant, c.policyReason()}
	case said != nil:
		return said
	case found.err != nil:
		return &Refusal{code, "", "the server does not say why, and did not answer when asked for the zone " + zone +
			" (" + found.err.Error() + "): is it the primary server, is key " + c.keyName() + " known there, and are updates allowed from this address?"}
	case !found.serves:
		return &Refusal{code, FaultZone, "the server does not serve the zone " + zone + ", or not to this address: " +
			"check the zone's name, and that this is its primary server"}
	case !granted && found.refusal.Code == "":
		return &Refusal{code, found.refusal.Fault, found.refusal.Reason}
	case !granted:
		return found.refusal
	}
	if alias := r.alias(ctx); alias != nil {
		return alias // PowerDNS refuses updates there, others ignore them
	}
	return &Refusal{code, FaultGrant, c.policyReason()}
}

func (c *Client) policyReason() string {
	return "the server serves the zone " + strings.TrimSuffix(c.zone, ".") + " and knows key " + c.keyName() + ", but does not let it update TXT here: " +
		"is this the primary server, and is the name granted to the key? BIND: update-policy { grant " + c.keyName() +
		" name <name> TXT; }; Knot: an acl with action: update; PowerDNS: dnsupdate=yes, allow-dnsupdate-from, TSIG-ALLOW-DNSUPDATE; solotick keygen tsig prints what each server needs"
}

// tsigReason is the refusal that the reply's own TSIG error makes clear.
func (c *Client) tsigReason(r reply) *Refusal {
	if r.tsig == nil || r.tsig.Error == dns.RcodeSuccess {
		return nil
	}
	key := c.keyName()
	code := rcodeName(int(r.tsig.Error))
	switch r.tsig.Error {
	case dns.RcodeBadKey:
		return &Refusal{code, FaultKey, "the server does not know key " + key + " with " + c.key.Algorithm +
			": its name must match to the dot, the algorithm too, and the server must have loaded it"}
	case dns.RcodeBadSig:
		// As an extended response code this number is BADVERS.
		return &Refusal{"BADSIG", FaultKey, "the server knows key " + key + ", but with another secret: copy it again"}
	case dns.RcodeBadTime:
		return &Refusal{code, FaultClock, fmt.Sprintf("this machine's clock and the server's are more than %d s apart, "+
			"and the server does not tell its time: set both clocks (chronyc tracking)", dnsmsg.Fudge)}
	}
	return &Refusal{code, FaultKey, "the server does not accept the signature by key " + key + ": compare the key's algorithm on both sides"}
}

// A probed says what the server answers to a question for the zone's SOA record.
type probed struct {
	serves  bool     // the zone, with authority
	refusal *Refusal // of the key, or for the clock; without a code if the server does not say
	err     error    // no answer
}

func (c *Client) probe(ctx context.Context) probed {
	conn, err := c.dial(ctx)
	if err != nil {
		return probed{err: err}
	}
	defer conn.Close()
	question := func() *dns.Msg {
		m := new(dns.Msg).SetQuestion(c.zone, dns.TypeSOA)
		m.RecursionDesired = false
		return m
	}
	req, err := conn.sign(question())
	if err != nil {
		return probed{err: err}
	}
	r, err := conn.ask(req)
	if err != nil {
		return probed{err: err}
	}
	found := probed{serves: authoritative(r), refusal: c.tsigReason(r)}
	if found.refusal != nil || r.signed {
		return found
	}
	// An unsigned answer to a signed question: does it serve the zone at all?
	found.refusal = &Refusal{"", FaultKey, fmt.Sprintf("the server serves the zone, but does not sign its answer to a signed question: "+
		"it does not know key %s with %s, has another secret for it, or its clock and this machine's are more than %d s apart: compare all of them",
		c.keyName(), c.key.Algorithm, dnsmsg.Fudge)}
	if req, err = conn.pack(question()); err == nil {
		if r, err = conn.ask(req); err == nil {
			found.serves = authoritative(r)
		}
	}
	found.err = err
	return found
}

func authoritative(r reply) bool {
	return r.Rcode == dns.RcodeSuccess && r.Authoritative && len(r.Answer) > 0
}

// alias is the refusal if the name is an alias.
func (r *record) alias(ctx context.Context) *Refusal {
	conn, err := r.client.dial(ctx)
	if err != nil {
		return nil
	}
	defer conn.Close()
	_, err = conn.read(r.name)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) && refusal.Code == codeAlias {
		return refusal
	}
	return nil
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", rcode)
}
