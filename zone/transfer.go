package zone

import "time"

// transferSize is where a transfer begins its next message, in octets: a pointer reaches no farther (RFC 1035 section 4.1.4),
// so more would not compress.
const transferSize = 1 << 14

// transfer answers AXFR and IXFR (RFC 5936, RFC 1995). An increment is never sent: who is not current gets the whole zone,
// by UDP only the SOA, upon which it comes back by TCP.
func (s *Server) transfer(r *request) ([]byte, func(send)) {
	m := &r.m
	t := s.zones[string(m.qkey)]
	switch {
	case t == nil || m.qclass != classIN: // RFC 5936 section 2.2.1
		return s.reply(r, rcodeNotAuth), nil
	case !s.mayTransfer(r):
		s.complain.add("transfer refused: no key with that right, and no grant for the address", "from", r.client.addr, "zone", textName(t.origin))
		return s.reply(r, rcodeRefused), nil
	}
	soa := t.currentSOA()
	if m.qtype == typeIXFR {
		_, have, err := m.sections()
		if err != nil || len(have) != 1 || have[0].typ != typeSOA || have[0].data == "" {
			return s.reply(r, rcodeFormErr), nil
		}
		if !r.client.tcp || !serialLess(soaSerial(have[0].data), soaSerial(soa.data[0])) {
			r.b.begin(m, r.limit)
			r.b.set(1, string(m.qname), &soa)
			return r.b.finish(m, r.signer, true, rcodeNoError, r.now), nil
		}
	}
	select {
	case s.transfers <- struct{}{}:
	default:
		s.stats.refused.Add(1)
		s.complain.add("transfer refused: too many at a time", "from", r.client.addr, "zone", textName(t.origin))
		return s.reply(r, rcodeServFail), nil
	}
	return nil, func(to send) {
		defer func() { <-s.transfers }()
		if err := sendZone(r, t, to); err != nil {
			s.log.Warn("transfer broke off", "to", r.client.addr, "zone", textName(t.origin), "err", err)
			return
		}
		s.log.Info("zone transferred", "to", r.client.addr, "zone", textName(t.origin))
	}
}

func (s *Server) mayTransfer(r *request) bool {
	if r.signer != nil && r.signer.key.transfer {
		return true
	}
	return contains(s.config.AllowTransfer, r.client.addr.Addr())
}

// sendZone sends the zone as it is now, whatever is committed while a slow secondary reads.
func sendZone(r *request, t *tree, to send) error {
	nodes := t.snapshot()
	apex := nodes[0]
	m := r.m // the question is in the first message only
	limit := min(r.limit, transferSize)
	r.b.begin(&m, limit)
	flush := func() error {
		r.now = uint64(time.Now().Unix()) // a long transfer outlives the fudge of its beginning
		err := to(r.b.finish(&m, r.signer, true, rcodeNoError, r.now))
		m.qend = headerLen
		r.b.begin(&m, limit)
		return err
	}
	put := func(n *node, s *rrset) error {
		for _, data := range s.data {
			if r.b.record(n.name, s.typ, s.ttl, data) {
				continue
			}
			r.b.full = false
			if err := flush(); err != nil {
				return err
			}
			r.b.limit = r.limit // a record may be longer than the usual message
			if !r.b.record(n.name, s.typ, s.ttl, data) {
				return errFormat
			}
			r.b.limit = limit
		}
		return nil
	}
	soa := apex.set(typeSOA)
	if err := put(apex, soa); err != nil {
		return err
	}
	for _, n := range nodes {
		for i := range n.sets {
			if n.sets[i].typ == typeSOA {
				continue
			}
			if err := put(n, &n.sets[i]); err != nil {
				return err
			}
		}
	}
	if err := put(apex, soa); err != nil {
		return err
	}
	return flush()
}
