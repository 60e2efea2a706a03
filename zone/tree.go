package zone

import (
	"encoding/binary"
	"slices"
	"sync"
)

// rrset is all records of one name and type. They share one TTL (RFC 2181 section 5.2).
type rrset struct {
	typ  uint16
	ttl  uint32   // seconds
	data []string // wire form, decompressed, in the order of arrival
}

// node is a name that owns records. It is never changed once it is in a tree: an update puts another in its place.
type node struct {
	name string // in the case in which it was first written
	sets []rrset
}

func (n *node) set(typ uint16) *rrset {
	if n == nil {
		return nil
	}
	for i := range n.sets {
		if n.sets[i].typ == typ {
			return &n.sets[i]
		}
	}
	return nil
}

func (n *node) records() int {
	c := 0
	if n != nil {
		for i := range n.sets {
			c += len(n.sets[i].data)
		}
	}
	return c
}

func (n *node) clone() *node {
	out := &node{name: n.name, sets: slices.Clone(n.sets)}
	for i := range out.sets {
		out.sets[i].data = slices.Clone(out.sets[i].data)
	}
	return out
}

// tree is the contents of one zone as the public sees them: nothing is in it that is not on disk. Readers hold mu; only the
// committer writes.
type tree struct {
	origin string // lower case wire name
	mu     sync.RWMutex
	nodes  map[string]*node // by lower case wire name
	below  map[string]int   // how many nodes lie below a name: an empty non-terminal has some and no node (RFC 4592 section 2.2.2)
	cuts   int              // nodes that delegate or redirect a subtree: NS below the apex, DNAME
	size   int              // records
}

func newTree(origin string) *tree {
	return &tree{origin: origin, nodes: map[string]*node{}, below: map[string]int{}}
}

// put replaces the node at key; nil removes it. mu must be held for writing.
func (t *tree) put(key string, n *node) {
	old := t.nodes[key]
	t.size += n.records() - old.records()
	t.cuts += t.isCut(key, n) - t.isCut(key, old)
	step := 0
	switch {
	case old == nil && n != nil:
		step = 1
	case old != nil && n == nil:
		step = -1
	}
	if n == nil {
		delete(t.nodes, key)
	} else {
		t.nodes[key] = n
	}
	for at := key; step != 0 && at != t.origin; {
		at = parent(at)
		if t.below[at] += step; t.below[at] == 0 {
			delete(t.below, at)
		}
	}
}

func (t *tree) isCut(key string, n *node) int {
	if n.set(typeDNAME) != nil || key != t.origin && n.set(typeNS) != nil {
		return 1
	}
	return 0
}

// exists reports whether the name exists, as a node or as an empty non-terminal.
func (t *tree) exists(key string) bool { return t.nodes[key] != nil || t.below[key] > 0 }

// soa is the zone's SOA; every zone has exactly one. mu must be held.
func (t *tree) soa() *rrset { return t.nodes[t.origin].set(typeSOA) }

func (t *tree) currentSOA() rrset {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return *t.soa()
}

// snapshot lists the nodes, the apex first. Nodes never change, so the list is one version of the zone.
func (t *tree) snapshot() []*node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	apex := t.nodes[t.origin]
	nodes := make([]*node, 1, len(t.nodes))
	nodes[0] = apex
	for _, n := range t.nodes {
		if n != apex {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// The last 20 octets of a SOA's rdata are serial, refresh, retry, expire and minimum.
func soaSerial(data string) uint32  { return binary.BigEndian.Uint32([]byte(data[len(data)-20:])) }
func soaMinimum(data string) uint32 { return binary.BigEndian.Uint32([]byte(data[len(data)-4:])) }

func withSerial(data string, serial uint32) string {
	b := []byte(data)
	binary.BigEndian.PutUint32(b[len(b)-20:], serial)
	return string(b)
}

// serialLess is the comparison of RFC 1982; of two serials half the circle apart neither is less.
func serialLess(a, b uint32) bool { return a != b && b-a < 1<<31 }

// nextSerial is the serial after s; 0 is skipped (RFC 2136 section 7.11, many secondaries take it for "unset").
func nextSerial(s uint32) uint32 { return max(1, s+1) }
