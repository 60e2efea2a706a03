package web

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrRefusedAddress says that an address is not to be reached.
var ErrRefusedAddress = errors.New("refused address")

// A Reach says which addresses may be reached. Link-local and multicast
// addresses, and those at which clouds tell a machine its secrets, never may. The
// zero Reach is every other one.
type Reach struct {
	// Public allows public addresses only, and those of Private.
	Public  bool
	Private []netip.Prefix
}

// metadata are addresses of metadata services that are not link-local.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),      // AWS: metadata, DNS and time
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure's wire server
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
}

// special are ranges that are no public addresses, beside the private ones of
// RFC 1918 and RFC 4193, loopback, link-local and multicast: the IANA registries
// of special-purpose addresses (RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// Check says why an address must not be reached; the error is
// [ErrRefusedAddress].
func (r Reach) Check(a netip.Addr) error {
	for _, in := range inside(a.WithZone("").Unmap()) {
		if err := r.check(in); err != nil {
			return err
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
	case a.IsPrivate(), a.IsLoopback(), in(a, special):
		return fmt.Errorf("%w: %s is no public address, and the agent's own file does not allow it", ErrRefusedAddress, a)
	}
	return nil
}

// inside returns an address and the IPv4 address that is within it, if a gateway
// would take the one for the other: NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056)
// and IPv4-compatible addresses.
func inside(a netip.Addr) []netip.Addr {
	all := []netip.Addr{a}
	if !a.Is6() {
		return all
	}
	b := a.As16()
	four := func(at int) { all = append(all, netip.AddrFrom4([4]byte(b[at:at+4]))) }
	switch {
	case in(a, []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48")}):
		four(12)
	case in(a, []netip.Prefix{netip.MustParsePrefix("2002::/16")}):
		four(2)
	case in(a, []netip.Prefix{netip.MustParsePrefix("::/96")}) && !a.IsLoopback() && !a.IsUnspecified():
		four(12)
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
	return r.Check(a.Addr())
}
