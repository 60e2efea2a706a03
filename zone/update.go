package zone

import "slices"

const (
	maxTTL     = 604800 // seconds; a longer one is cut to it
	maxSetSize = 60000  // octets of one RRset on the wire, so that an answer or a transfer can carry it
)

// view is a zone as it will be once what came before is committed: a tree and the nodes that differ from it.
type view struct {
	tree    *tree
	changed map[string]*node // nil: removed
	size    int              // records
}

func newView(t *tree) *view { return &view{tree: t, changed: map[string]*node{}, size: t.size} }

func (v *view) node(key string) *node {
	if n, ok := v.changed[key]; ok {
		return n
	}
	return v.tree.nodes[key]
}

func (v *view) put(key string, n *node) {
	v.size += n.records() - v.node(key).records()
	v.changed[key] = n
}

// checkPrerequisites evaluates the prerequisite section (RFC 2136 sections 2.4 and 3.2).
func checkPrerequisites(v *view, prereq []record) int {
	type rrsetID struct {
		key string
		typ uint16
	}
	exact := map[rrsetID][]string{}
	for _, r := range prereq {
		if r.ttl != 0 {
			return rcodeFormErr
		}
		if !under(r.key, v.tree.origin) {
			return rcodeNotZone
		}
		if metaType(r.typ) && !(r.typ == typeANY && r.class != classIN) {
			return rcodeFormErr
		}
		n := v.node(r.key)
		switch r.class {
		case classANY:
			switch {
			case r.data != "":
				return rcodeFormErr
			case r.typ == typeANY && n == nil:
				return rcodeNXDomain // section 2.4.4
			case r.typ != typeANY && n.set(r.typ) == nil:
				return rcodeNXRRSet // section 2.4.1
			}
		case classNONE:
			switch {
			case r.data != "":
				return rcodeFormErr
			case r.typ == typeANY && n != nil:
				return rcodeYXDomain // section 2.4.5
			case r.typ != typeANY && n.set(r.typ) != nil:
				return rcodeYXRRSet // section 2.4.3
			}
		case classIN: // section 2.4.2: collected, then compared as whole RRsets
			id := rrsetID{r.key, r.typ}
			if c := canonical(r.typ, r.data); !slices.Contains(exact[id], c) {
				exact[id] = append(exact[id], c)
			}
		default:
			return rcodeFormErr
		}
	}
	for id, want := range exact {
		have := v.node(id.key).set(id.typ)
		if have == nil || len(have.data) != len(want) {
			return rcodeNXRRSet
		}
		for _, data := range have.data {
			if !slices.Contains(want, canonical(id.typ, data)) {
				return rcodeNXRRSet
			}
		}
	}
	return rcodeNoError
}

// prescan checks the form of the update section (RFC 2136 section 3.4.1), which needs no look at the zone.
func prescan(origin string, update []record) int {
	for _, r := range update {
		if !under(r.key, origin) {
			return rcodeNotZone
		}
		ok := false
		switch r.class {
		case classIN:
			ok = !metaType(r.typ)
		case classANY:
			ok = r.ttl == 0 && r.data == "" && (r.typ == typeANY || !metaType(r.typ))
		case classNONE: // one record, so it has data
			ok = r.ttl == 0 && !metaType(r.typ) && (r.data != "" || emptyDataAllowed(r.typ))
		}
		if !ok {
			return rcodeFormErr
		}
	}
	return rcodeNoError
}

// permitted checks the update section against the grants of the requestor (RFC 2136 section 3.3). Nobody may write the
// records that a signer makes: this server does not sign, and a stray RRSIG would break a zone signed elsewhere.
func permitted(update []record, may func(name string, typ uint16) bool) bool {
	for _, r := range update {
		if r.typ == typeRRSIG || r.typ == typeNSEC || r.typ == typeNSEC3 || !may(r.key, r.typ) {
			return false
		}
	}
	return true
}

// apply makes the changes of an update section whose prescan has passed (RFC 2136 section 3.4.2) on v, and reports whether
// the zone differs afterwards. The serial is bumped if it does and the update did not set a greater one itself.
func apply(v *view, update []record, maxRecords int) (changed bool, rcode int) {
	work := map[string]*node{}
	for _, r := range update {
		n, ok := work[r.key]
		if !ok {
			n = v.node(r.key)
		}
		work[r.key] = applyOne(r, n, r.key == v.tree.origin)
	}
	size := v.size
	for key, n := range work {
		if sameNode(n, v.node(key)) {
			delete(work, key)
			continue
		}
		if size += n.records() - v.node(key).records(); tooLarge(n) {
			return false, rcodeRefused
		}
	}
	if size > v.size && size > maxRecords {
		return false, rcodeRefused
	}
	if len(work) == 0 {
		return false, rcodeNoError
	}
	bump(v, work)
	for key, n := range work {
		v.put(key, n)
	}
	return true, rcodeNoError
}

// bump raises the zone's serial in work unless the update did (RFC 2136 section 3.6).
func bump(v *view, work map[string]*node) {
	origin := v.tree.origin
	old := soaSerial(v.node(origin).set(typeSOA).data[0])
	n, ok := work[origin]
	if !ok {
		n = v.node(origin)
	}
	if soaSerial(n.set(typeSOA).data[0]) != old {
		return
	}
	n = n.clone()
	soa := n.set(typeSOA)
	soa.data[0] = withSerial(soa.data[0], nextSerial(old))
	work[origin] = n
}

// applyOne is one round of the loop in RFC 2136 section 3.4.2.7. It returns n itself if nothing is to be done, else another
// node, nil once the last record of the name is gone.
func applyOne(r record, n *node, apex bool) *node {
	switch {
	case r.class == classIN:
		return add(r, n, apex)
	case n == nil:
		return nil
	case r.class == classANY && r.typ == typeANY:
		return remove(n, func(s *rrset) bool { return !(apex && (s.typ == typeSOA || s.typ == typeNS)) })
	case r.class == classANY:
		if apex && (r.typ == typeSOA || r.typ == typeNS) {
			return n
		}
		return remove(n, func(s *rrset) bool { return s.typ == r.typ })
	}
	return removeRecord(r, n, apex)
}

func remove(n *node, gone func(*rrset) bool) *node {
	out := &node{name: n.name}
	for i := range n.sets {
		if !gone(&n.sets[i]) {
			out.sets = append(out.sets, n.sets[i])
		}
	}
	switch len(out.sets) {
	case len(n.sets):
		return n
	case 0:
		return nil
	}
	return out
}

// removeRecord deletes one record (section 2.5.4); never the SOA, nor the last NS of the apex.
func removeRecord(r record, n *node, apex bool) *node {
	s := n.set(r.typ)
	if s == nil || r.typ == typeSOA || apex && r.typ == typeNS && len(s.data) == 1 {
		return n
	}
	want := canonical(r.typ, r.data)
	at := slices.IndexFunc(s.data, func(have string) bool { return canonical(r.typ, have) == want })
	if at < 0 {
		return n
	}
	if len(s.data) == 1 {
		return remove(n, func(x *rrset) bool { return x.typ == r.typ })
	}
	out := n.clone()
	set := out.set(r.typ)
	set.data = slices.Delete(set.data, at, at+1)
	return out
}

// add adds one record (section 2.5.1) or replaces the one that it may not stand beside (section 3.4.2.2).
func add(r record, n *node, apex bool) *node {
	ttl := r.ttl
	if ttl > 1<<31-1 { // RFC 2181 section 8
		ttl = 0
	}
	ttl = min(ttl, maxTTL)
	switch {
	case r.typ == typeSOA:
		// The serial may only grow. Below the apex there is no SOA to replace.
		if !apex || !serialLess(soaSerial(n.set(typeSOA).data[0]), soaSerial(r.data)) {
			return n
		}
	case r.typ == typeCNAME:
		if n != nil && n.set(typeCNAME) == nil { // other data is there
			return n
		}
	case n.set(typeCNAME) != nil:
		return n
	}
	if n == nil {
		return &node{name: r.name, sets: []rrset{{typ: r.typ, ttl: ttl, data: []string{r.data}}}}
	}
	out := n.clone()
	s := out.set(r.typ)
	if s == nil {
		out.sets = append(out.sets, rrset{typ: r.typ, ttl: ttl, data: []string{r.data}})
		return out
	}
	s.ttl = ttl
	at := slices.IndexFunc(s.data, func(have string) bool { return replaces(r.typ, r.data, have) })
	if at < 0 {
		s.data = append(s.data, r.data)
	} else {
		s.data[at] = r.data
	}
	return out
}

// replaces reports whether data may not stand beside have in an RRset (RFC 2136 sections 1.1.5 and 3.4.2.2, RFC 6672
// section 2.4).
func replaces(typ uint16, data, have string) bool {
	switch typ {
	case typeSOA, typeCNAME, typeDNAME:
		return true
	case typeWKS:
		return data[:5] == have[:5] // address and protocol
	}
	return canonical(typ, data) == canonical(typ, have)
}

// sameNode compares two nodes record by record, regardless of order.
func sameNode(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if len(a.sets) != len(b.sets) {
		return false
	}
	for i := range a.sets {
		x, y := &a.sets[i], b.set(a.sets[i].typ)
		if y == nil || x.ttl != y.ttl || len(x.data) != len(y.data) {
			return false
		}
		for _, data := range x.data {
			if !slices.Contains(y.data, data) {
				return false
			}
		}
	}
	return true
}

func tooLarge(n *node) bool {
	if n == nil {
		return false
	}
	for i := range n.sets {
		size := 0
		for _, data := range n.sets[i].data {
			size += 12 + len(data)
		}
		if size > maxSetSize {
			return true
		}
	}
	return false
}
