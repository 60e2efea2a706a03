package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// ErrRefusedAddress says that an address is not to be reached.
var ErrRefusedAddress = errors.New("refused address")

// A Reach says which addresses may be reached. Link-local and multicast
// addresses, those that mean none, and those at which clouds tell a machine its
// secrets, never may. The zero Reach is every other one, this machine among them.
type Reach struct {
	// Public allows only addresses that are globally reachable by the IANA
	// registries of special-purpose addresses (RFC 6890) and not this machine's own,
	// and those of Private.
	Public  bool
	Private []netip.Prefix
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range texts {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

var (
	// metadata are addresses of metadata services that are not link-local.
	metadata = prefixes(
		"fd00:ec2::/32",          // AWS: metadata, credentials of pods, DNS and time
		"fd20:ce::254/128",       // Google Cloud
		"fd00:c1::a9fe:a9fe/128", // Oracle Cloud
		"fd00:a9fe:a9fe::1/128",  // Akamai
		"fd00:42::42/128",        // Scaleway
		"fd00:100::100:200/128",  // Alibaba Cloud
		"100.100.100.200/32",     // Alibaba Cloud
		"168.63.129.16/32",       // Azure's wire server
		"192.0.0.192/32",         // Oracle Cloud Classic
	)

	// global is the only part of IPv6 from which public addresses are given out,
	// and that by which IPv4 is reached from a network without it (RFC 6052).
	global = prefixes("2000::/3", "64:ff9b::/96")

	// special are the ranges in the registries that are not globally reachable,
	// beside those that package netip knows. What is within 2001::/23 and
	// 192.0.0.0/24 and reachable are anycast services and identifiers, and no
	// web servers.
	special = prefixes(
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	)
)

// Check says why an address must not be reached; the error is
// [ErrRefusedAddress].
func (r Reach) Check(a netip.Addr) error {
	if !a.IsValid() {
		return fmt.Errorf("%w: none", ErrRefusedAddress)
	}
	a = a.WithZone("").Unmap()
	if err := r.check(a); err != nil {
		return err
	}
	for _, in := range inside(a) {
		if err := r.check(in); err != nil {
			return fmt.Errorf("%w, and is inside %s", err, a)
		}
	}
	return nil
}

func (r Reach) check(a netip.Addr) error {
	switch {
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsUnspecified(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w: %s is link-local, multicast or none, and never reached", ErrRefusedAddress, a)
	case in(a, metadata):
		return fmt.Errorf("%w: %s is a cloud's metadata service, and never reached", ErrRefusedAddress, a)
	case !r.Public || in(a, r.Private):
		return nil
	case a.IsPrivate(), a.IsLoopback(), in(a, special), a.Is6() && !in(a, global):
		return fmt.Errorf("%w: %s is no public address, and the agent's own file does not allow it", ErrRefusedAddress, a)
	}
	return nil
}

var (
	nat64      = prefixes("64:ff9b::/96")[0]
	localNAT64 = prefixes("64:ff9b:1::/48")[0]
	siit       = prefixes("::ffff:0:0:0/96")[0]
	compatible = prefixes("::/96")[0]
	sixToFour  = prefixes("2002::/16")[0]
	teredo     = prefixes("2001::/32")[0]
)

// inside returns the IPv4 addresses that a translator or a tunnel would make of
// an IPv6 address.
func inside(a netip.Addr) []netip.Addr {
	b := a.As16()
	switch {
	case !a.Is6(), a.IsLoopback():
		return nil
	case nat64.Contains(a), siit.Contains(a), compatible.Contains(a): // RFC 6052, RFC 7915, RFC 4291 section 2.5.5.1
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:]))}
	case sixToFour.Contains(a): // RFC 3056
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:]))}
	case teredo.Contains(a): // RFC 4380 section 4: its server, and its own with all bits turned
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:])), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
	case localNAT64.Contains(a):
		return local(b)
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // RFC 5214 section 6.1
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:]))}
	}
	return nil
}

// local returns what an address of RFC 8215 may mean. Where the IPv4 address is
// within it depends on how long a prefix a network has chosen (RFC 6052 section
// 2.2), which nobody else knows: it is what it could be by any of them. What
// begins with a zero is taken for the rest of a longer prefix.
func local(b [16]byte) []netip.Addr {
	var all []netip.Addr
	for _, four := range [][4]byte{
		{b[6], b[7], b[9], b[10]},    // 48 bits
		{b[7], b[9], b[10], b[11]},   // 56
		{b[9], b[10], b[11], b[12]},  // 64
		{b[12], b[13], b[14], b[15]}, // 96
	} {
		if four[0] != 0 {
			all = append(all, netip.AddrFrom4(four))
		}
	}
	return all
}

func in(a netip.Addr, all []netip.Prefix) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// control is called with the address that a connection is about to be made to.
func (r Reach) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrRefusedAddress, address)
	}
	if err := r.Check(a.Addr()); err != nil || !r.Public {
		return err
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("%w: which addresses are this machine's own cannot be found out", ErrRefusedAddress)
	}
	return r.checkOwn(a.Addr(), own)
}

// checkOwn refuses the addresses of this machine, as loopback: what listens there
// may count on a firewall that does not stand between a machine and itself.
func (r Reach) checkOwn(a netip.Addr, own []net.Addr) error {
	a = a.WithZone("").Unmap()
	if !r.Public || in(a, r.Private) {
		return nil
	}
	for _, one := range own {
		if n, ok := one.(*net.IPNet); ok && n.IP.Equal(a.AsSlice()) {
			return fmt.Errorf("%w: %s is this machine itself, and the agent's own file does not allow it", ErrRefusedAddress, a)
		}
	}
	return nil
}
