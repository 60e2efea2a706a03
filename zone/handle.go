package zone

import (
	"net/netip"
	"time"
)

// client is where a request came from.
type client struct {
	addr netip.AddrPort
	tcp  bool
}

// send takes one message to a client.
type send func(msg []byte) error

// request is one message on its way to an answer, with the storage that both need.
type request struct {
	in     []byte // the message
	client client
	m      message
	b      builder
	signer *signer
	now    uint64 // seconds since the epoch
	limit  int    // of the answer
	small  bool   // the answer is to be no more than so many times the question
}

// handle answers the message r.in. It returns nothing if there is to be no answer, and a job if the answer takes time: the
// caller runs it where it does not hold up others, and leaves r to it until then.
func (s *Server) handle(r *request) (answer []byte, job func(send)) {
	raw := r.in
	if len(raw) < headerLen || raw[2]&0x80 != 0 { // too short to be answered, or an answer itself: answering could go on for ever
		return nil, nil
	}
	r.now = uint64(time.Now().Unix())
	r.signer = nil
	err := r.m.parse(raw)
	r.setLimit()
	if err != nil {
		return s.reply(r, rcodeFormErr), nil
	}
	op := r.m.opcode()
	if op != opUpdate {
		s.stats.queries.Add(1)
	} else {
		s.stats.updates.Add(1)
	}
	if op != opQuery && op != opUpdate && op != opNotify {
		return s.reply(r, rcodeNotImp), nil
	}
	if r.m.edns && r.m.version != 0 { // RFC 6891 section 6.1.3
		return s.reply(r, rcodeBadVers), nil
	}
	if r.m.tsig != nil {
		sig, rcode := verify(&r.m, s.keys, r.now)
		r.signer = sig
		r.setLimit()
		if rcode != rcodeNoError {
			if sig != nil {
				s.complain.add("request with a bad TSIG", "from", r.client.addr, "key", textName(r.m.tsig.name), "error", tsigErrors[sig.err])
			}
			return s.reply(r, rcode), nil
		}
	}
	switch op {
	case opUpdate:
		return s.update(r)
	case opNotify:
		return s.reply(r, rcodeRefused), nil // this server is nobody's secondary
	}
	if r.m.qtype == typeIXFR || r.m.qtype == typeAXFR && r.client.tcp {
		return s.transfer(r)
	}
	return s.query(r), nil
}

var tsigErrors = map[uint16]string{tsigBadSig: "BADSIG", tsigBadKey: "BADKEY", tsigBadTime: "BADTIME", tsigBadTrunc: "BADTRUNC"}

// setLimit leaves room for OPT and TSIG in what the client can take.
func (r *request) setLimit() {
	r.limit = maxMsg
	if !r.client.tcp {
		r.limit = min(r.m.udpSize, maxUDP)
		if r.small && r.signer == nil { // who has a key floods nobody
			r.limit = min(r.limit, amplification*len(r.in))
		}
	}
	if r.m.edns {
		r.limit -= 11
	}
	if r.signer != nil {
		r.limit -= r.signer.size()
	}
}

// reply is an answer without records.
func (s *Server) reply(r *request, rcode int) []byte {
	r.b.begin(&r.m, r.limit)
	return r.b.finish(&r.m, r.signer, false, rcode, r.now)
}

func (s *Server) query(r *request) []byte {
	m := &r.m
	switch {
	case m.qtype == typeTKEY || m.qtype == typeMAILA || m.qtype == typeMAILB:
		return s.reply(r, rcodeNotImp)
	case m.qtype == 0 || m.qtype == typeOPT || m.qtype == typeTSIG || m.qtype == typeAXFR: // AXFR by UDP
		return s.reply(r, rcodeFormErr)
	case m.qclass != classIN && m.qclass != classANY:
		return s.reply(r, rcodeRefused)
	}
	t := s.find(m)
	if t == nil {
		return s.reply(r, rcodeRefused)
	}
	r.b.begin(m, r.limit)
	aa, rcode := t.answer(&r.b, m, r.client.tcp)
	if r.b.full && r.client.tcp {
		s.complain.add("an answer does not fit into a message", "name", textName(string(m.qname)))
		return s.reply(r, rcodeServFail)
	}
	return r.b.finish(m, r.signer, aa && m.qclass == classIN, rcode, r.now)
}

// find is the zone that the question is about: the longest that it is in, but for a DS the one above (RFC 4035 section
// 3.1.4.1).
func (s *Server) find(m *message) *tree {
	name := m.qkey
	if m.qtype == typeDS && len(name) > 1 {
		if t := s.findFrom(name[1+int(name[0]):]); t != nil {
			return t
		}
	}
	return s.findFrom(name)
}

func (s *Server) findFrom(name []byte) *tree {
	for {
		if t := s.zones[string(name)]; t != nil || len(name) == 1 {
			return t
		}
		name = name[1+int(name[0]):]
	}
}

// update answers an UPDATE. What can be refused without a look at the zone is; the rest is the committer's.
func (s *Server) update(r *request) ([]byte, func(send)) {
	m := &r.m
	if m.qtype != typeSOA { // RFC 2136 section 3.1.1
		return s.reply(r, rcodeFormErr), nil
	}
	t := s.zones[string(m.qkey)]
	if t == nil || m.qclass != classIN {
		return s.reply(r, rcodeNotAuth), nil
	}
	may := s.updateGrant(r)
	if may == nil {
		s.complain.add("update refused: no key, and no grant for the address", "from", r.client.addr, "zone", textName(t.origin))
		return s.reply(r, rcodeRefused), nil
	}
	if !s.enqueue(r.client.tcp) {
		s.stats.refused.Add(1)
		return s.reply(r, rcodeServFail), nil
	}
	c, rcode := s.readChange(r, t, may)
	if c == nil {
		<-s.pending
		return s.reply(r, rcode), nil
	}
	return nil, func(to send) {
		defer func() { <-s.pending }()
		rcode := s.submit(c)
		r.now = uint64(time.Now().Unix())
		_ = to(s.reply(r, rcode)) // a client that is gone looks again, or does not care
	}
}

// enqueue takes a place among the updates in progress. A connection waits for one, a datagram does not.
func (s *Server) enqueue(wait bool) bool {
	select {
	case s.pending <- struct{}{}:
		return true
	default:
	}
	if !wait {
		return false
	}
	select {
	case s.pending <- struct{}{}:
		return true
	case <-s.done:
		return false
	}
}

// readChange reads an UPDATE as far as that needs no look at the zone; nil and the rcode if it goes no farther.
func (s *Server) readChange(r *request, t *tree, may func(string, uint16) bool) (*change, int) {
	m := &r.m
	prereq, update, err := m.sections()
	if err != nil {
		return nil, rcodeFormErr
	}
	if rcode := prescan(t.origin, update); rcode != rcodeNoError {
		return nil, rcode
	}
	if !permitted(update, may) {
		s.complain.add("update refused: beyond what was granted", "from", r.client.addr, "zone", textName(t.origin), "key", r.keyName())
		return nil, rcodeRefused
	}
	c := &change{tree: t, prereq: prereq, update: update, rcode: make(chan int, 1)}
	if r.signer != nil {
		c.replay = replay{seen: time.Now(), ends: time.Unix(int64(m.tsig.time)+int64(m.tsig.fudge), 0)}
		copy(c.replay.mac[:], m.tsig.mac)
		if !r.client.tcp {
			c.replay.from = r.client.addr
		}
	}
	return c, rcodeNoError
}

func (r *request) keyName() string {
	if r.signer == nil {
		return ""
	}
	return textName(r.signer.key.name)
}

// updateGrant is what the requestor may change, nil for nothing.
func (s *Server) updateGrant(r *request) func(name string, typ uint16) bool {
	if r.signer != nil && len(r.signer.key.grants) > 0 {
		return r.signer.key.mayUpdate
	}
	if contains(s.config.AllowUpdate, r.client.addr.Addr()) {
		return func(string, uint16) bool { return true }
	}
	return nil
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap()
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
