package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestReach(t *testing.T) {
	const (
		never   = iota // by nobody
		allowed        // by the agent's own file
		public         // by everybody
	)
	for _, tt := range []struct {
		want  int
		addrs string
	}{
		{public, "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0"},
		{public, "172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255"},
		{public, "198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 168.63.129.15 168.63.129.17"},
		{public, "192.31.196.1 192.52.193.1 192.175.48.1"}, // AS112 and AMT are globally reachable
		{public, "2606:4700::1111 2000:: 2001:200:: 2001:4860::8888 2001:db7:ffff::1 2001:db9::1 2003::1 3ffe::1 3fff:1000::1 2620:4f:8000::1"},
		{public, "::ffff:8.8.8.8 ::ffff:8.8.8.8%eth0 2606:4700::1%eth0"},
		{public, "64:ff9b::8.8.8.8 64:ff9b::808:808"},

		{allowed, "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1"},
		{allowed, "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 fc00::1 fdff:ffff::1 ::ffff:10.0.0.1"},
		{allowed, "0.0.0.1 0.255.255.255 100.64.0.0 100.127.255.255 192.0.0.0 192.0.0.8 192.0.0.9 192.0.0.170 192.0.0.255 192.0.2.0 192.0.2.255"},
		{allowed, "192.88.99.0 192.88.99.2 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1 240.0.0.0 255.255.255.254"},
		{allowed, "100:: 100::1 100:0:0:1::1 5f00:: 5f00:ffff::1 4000::1 1fff:ffff::1 fec0::1 feff::1 200::1 ::2 ::ffff:0:0:1"},
		{allowed, "2001::1:0:0:ff:ff 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff:ffff::1 2001:db8::1 2001:db8:ffff::1 3fff::1 3fff:fff:ffff::1"},
		{allowed, "2002:808:808::1 2002:a00:1::1 2002:7f00:1::1"},
		{allowed, "::8.8.8.8 ::10.0.0.1 ::127.0.0.1 ::ffff:0:8.8.8.8 ::ffff:0:127.0.0.1"},
		{allowed, "64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b::192.168.1.1"},
		{allowed, "64:ff9b:1::8.8.8.8 64:ff9b:1::10.0.0.1 64:ff9b:1:808:8:800:: 64:ff9b:1:ffff::1 64:ff9b:0:1::1 64:ff9a::1"},
		{allowed, "fd00:ec1::254 fd20:ce::253 fd00:42::41 100.100.100.199 192.0.0.191"},

		{never, "0.0.0.0 :: ::ffff:0.0.0.0 255.255.255.255 ::ffff:255.255.255.255"},
		{never, "169.254.0.0 169.254.169.254 169.254.170.2 169.254.170.23 169.254.42.42 169.254.255.255 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe"},
		{never, "fe80::1 fe80::1%eth0 fe80::a9fe:a9fe febf::1 224.0.0.1 239.255.255.255 ff02::1 ff0e::1 ::ffff:224.0.0.1"},
		{never, "fd00:ec2::254 fd00:ec2::23 fd00:ec2::253%eth0 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:a9fe:a9fe::1 fd00:42::42 fd00:100::100:200"},
		{never, "100.100.100.200 168.63.129.16 192.0.0.192 ::ffff:100.100.100.200"},
		{never, "64:ff9b::169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b::168.63.129.16 64:ff9b::0.0.0.0 64:ff9b::224.0.0.1"},
		{never, "64:ff9b:1::169.254.169.254 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:a9:fe:a9fe:: 64:ff9b:1:0:a9:fea9:fe00:0 64:ff9b:1:64:64:64c8:: 64:ff9b:1:6464:64:c800::"},
		{never, "2002:a9fe:a9fe::1 2002:6464:64c8:: 2002::1 ::169.254.169.254 ::100.100.100.200 ::ffff:0:169.254.169.254"},
		{public, "2a00::5efe:8.8.8.8 2a00::1:5efe:10.0.0.1"},
		{allowed, "2a00::5efe:10.0.0.1 2a00::200:5efe:127.0.0.1"},
		{never, "2a00::5efe:169.254.169.254 2a00:1::200:5efe:a9fe:a9fe"},
		{never, "2001:0:a9fe:a9fe::1 2001::5601:5601 2001:0:808:808::ffff:ffff"},
	} {
		for _, s := range strings.Fields(tt.addrs) {
			a := netip.MustParseAddr(s)
			everything := prefixes("0.0.0.0/0", "::/0")
			for _, r := range []struct {
				Reach
				ok bool
			}{
				{Reach{}, tt.want != never},
				{Reach{Private: prefixes("192.0.2.0/24")}, tt.want != never},
				{Reach{Public: true}, tt.want == public},
				{Reach{Public: true, Private: prefixes("203.0.113.128/25")}, tt.want == public},
				{Reach{Public: true, Private: everything}, tt.want != never},
			} {
				err := r.Check(a)
				if (err == nil) != r.ok || err != nil && !errors.Is(err, ErrRefusedAddress) {
					t.Errorf("%s by %+v: %v, want allowed: %v", s, r.Reach, err, r.ok)
				}
			}
		}
	}
}

// TestReachOwn keeps others from what listens on this machine's own addresses,
// for which a firewall before it does nothing.
func TestReachOwn(t *testing.T) {
	own := []net.Addr{
		&net.IPNet{IP: net.ParseIP("8.8.8.8"), Mask: net.CIDRMask(24, 32)},
		&net.IPNet{IP: net.ParseIP("2a00::1"), Mask: net.CIDRMask(64, 128)},
		&net.UnixAddr{Name: "x"},
	}
	for _, tt := range []struct {
		Reach
		addr string
		want bool
	}{
		{Reach{Public: true}, "8.8.8.8", false},
		{Reach{Public: true}, "::ffff:8.8.8.8", false},
		{Reach{Public: true}, "2a00::1", false},
		{Reach{Public: true}, "8.8.8.9", true},
		{Reach{Public: true}, "2a00::2", true},
		{Reach{Public: true, Private: prefixes("8.8.8.8/32")}, "8.8.8.8", true},
		{Reach{}, "8.8.8.8", true},
	} {
		err := tt.checkOwn(netip.MustParseAddr(tt.addr), own)
		if (err == nil) != tt.want || err != nil && !errors.Is(err, ErrRefusedAddress) {
			t.Errorf("%s: %v", tt.addr, err)
		}
	}
}

func TestReachPrivate(t *testing.T) {
	r := Reach{Public: true, Private: prefixes("10.1.0.0/16", "127.0.0.1/32", "fd00:1::/64", "169.254.0.0/16", "64:ff9b:1::/48")}
	for s, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": true, "127.0.0.2": false, "::ffff:10.1.2.3": true, "::ffff:10.2.2.3": false,
		"fd00:1::1": true, "fd00:1::1%eth0": true, "fd00:2::1": false, "169.254.169.254": false, "8.8.8.8": true, "::1": false,
		"64:ff9b::10.1.2.3": true, "64:ff9b::10.2.2.3": false,
		"64:ff9b:1::8.8.8.8": true, "64:ff9b:1::10.1.2.3": true, "64:ff9b:1::10.2.2.3": false, "64:ff9b:1::169.254.1.1": false,
	} {
		if err := r.Check(netip.MustParseAddr(s)); (err == nil) != want {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, r := range []Reach{{}, {Public: true}} {
		if err := r.Check(netip.Addr{}); !errors.Is(err, ErrRefusedAddress) {
			t.Errorf("no address at all: %v", err)
		}
	}
}

// FuzzReach holds what is true of every address.
func FuzzReach(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1}, []byte{10, 0, 0, 0}, 8)
	f.Add([]byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 169, 254, 169, 254}, []byte{0, 0x64, 0xff, 0x9b}, 32)
	f.Add([]byte{0x20, 0x02, 169, 254, 169, 254, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, []byte{0x20, 0x02}, 16)
	f.Fuzz(func(t *testing.T, addr, prefix []byte, bits int) {
		var long, other [16]byte
		copy(long[:], addr)
		copy(other[:], prefix)
		a := netip.AddrFrom16(long)
		if len(addr) == 4 {
			a = netip.AddrFrom4([4]byte(addr))
		}
		p, _ := netip.AddrFrom16(other).Prefix(bits & 127)
		allows := func(r Reach, a netip.Addr) bool { return r.Check(a) == nil }
		if allows(Reach{Public: true}, a) && !allows(Reach{}, a) {
			t.Errorf("%s is public and refused by the zero Reach", a)
		}
		some := Reach{Public: true, Private: []netip.Prefix{p}}
		if allows(some, a) && !allows(Reach{}, a) {
			t.Errorf("%s opens %s", p, a)
		}
		if allows(Reach{Public: true}, a) && !allows(some, a) {
			t.Errorf("%s closes %s", p, a)
		}
		everything := Reach{Public: true, Private: prefixes("0.0.0.0/0", "::/0")}
		if allows(everything, a) != allows(Reach{}, a) {
			t.Errorf("%s: two ways to allow everything differ", a)
		}
		if !a.Unmap().Is4() {
			return
		}
		// However an IPv4 address is written, it is no more public.
		b := a.Unmap().As4()
		for _, written := range []netip.Addr{
			netip.AddrFrom16(a.As16()),
			netip.AddrFrom16([16]byte{1: 0x64, 2: 0xff, 3: 0x9b, 12: b[0], b[1], b[2], b[3]}),
			netip.AddrFrom16([16]byte{0x20, 0x02, b[0], b[1], b[2], b[3]}),
		} {
			for _, r := range []Reach{{}, {Public: true}} {
				if allows(r, written) && !allows(r, a) {
					t.Errorf("%s is allowed and %s is not", written, a)
				}
			}
		}
	})
}

// fakeDNS is a resolver that asks a server on loopback. That has one answer for
// each time that a name is looked up, the last for all later ones: addresses, or
// nothing, which says that there is no such name.
func fakeDNS(t *testing.T, names map[string][]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[dnsmessage.Question]int{}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 1<<10)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if err := q.Unpack(buf[:n]); err != nil || len(q.Questions) != 1 {
				t.Errorf("no question: %v", err)
				return
			}
			ask := q.Questions[0]
			all := names[strings.TrimSuffix(ask.Name.String(), ".")]
			var addrs []string
			if len(all) > 0 {
				addrs = strings.Fields(all[min(asked[ask], len(all)-1)])
			}
			asked[ask]++
			reply, err := answer(q, addrs)
			if err != nil {
				t.Error(err)
				return
			}
			conn.WriteTo(reply, from)
		}
	})
	t.Cleanup(func() {
		conn.Close()
		done.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answer(q dnsmessage.Message, addrs []string) ([]byte, error) {
	q.Response, q.RecursionAvailable, q.Additionals = true, true, nil
	if len(addrs) == 0 {
		q.RCode = dnsmessage.RCodeNameError
	}
	ask := q.Questions[0]
	h := dnsmessage.ResourceHeader{Name: ask.Name, Type: ask.Type, Class: ask.Class}
	for _, s := range addrs {
		switch a := netip.MustParseAddr(s); {
		case a.Is4() && ask.Type == dnsmessage.TypeA:
			q.Answers = append(q.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && ask.Type == dnsmessage.TypeAAAA:
			q.Answers = append(q.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return q.Pack()
}

// TestRebinding looks a name up as a check beforehand would, finds a public
// address, and then has the name mean another one.
func TestRebinding(t *testing.T) {
	var arrived atomic.Int32
	s := serve(t, func(http.ResponseWriter, *http.Request) { arrived.Add(1) })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	const outside = "93.184.215.14"
	for _, tt := range []struct {
		name  string
		later string
		reach Reach
		ok    bool
	}{
		{"this machine", "127.0.0.1", Reach{Public: true}, false},
		{"this machine, mapped", "::ffff:127.0.0.1", Reach{Public: true}, false},
		{"this machine by IPv6", "::1", Reach{Public: true}, false},
		{"metadata", "169.254.169.254", Reach{}, false},
		{"metadata that is allowed", "169.254.169.254", Reach{Public: true, Private: prefixes("169.254.0.0/16")}, false},
		{"metadata by NAT64", "64:ff9b::169.254.169.254", Reach{}, false},
		{"none", "0.0.0.0", Reach{}, false},
		{"several", "169.254.169.254 10.0.0.1 127.0.0.1 ::1", Reach{Public: true}, false},
		{"the agent's own file", "127.0.0.1", Reach{}, true},
		{"allowed", "127.0.0.1", Reach{Public: true, Private: prefixes("127.0.0.1/32")}, true},
		{"one of several is allowed", "127.0.0.2 127.0.0.1 169.254.169.254 10.0.0.1", Reach{Public: true, Private: prefixes("127.0.0.1/32")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			arrived.Store(0)
			c := newClient(t, Options{Reach: tt.reach, Retries: 3})
			c.pool.resolver = fakeDNS(t, map[string][]string{"rebind.test": {outside, tt.later}})
			before, err := c.pool.resolver.LookupNetIP(t.Context(), "ip", "rebind.test")
			if err != nil || before[0].Unmap().String() != outside || tt.reach.Check(before[0]) != nil {
				t.Fatalf("a check beforehand finds %v, %v", before, err)
			}
			_, err = c.Do(t.Context(), Request{Method: "POST", URL: "http://rebind.test:" + port})
			if tt.ok {
				if err != nil || arrived.Load() != 1 {
					t.Errorf("arrived %d times: %v", arrived.Load(), err)
				}
				return
			}
			wantError(t, err, []error{ErrRefusedAddress}, ErrUncertain)
			if arrived.Load() != 0 {
				t.Error("it arrived")
			}
		})
	}
}

// TestOddHosts writes this machine's address in ways that resolvers and browsers
// read as it. Where the resolver does, the name server here answers so.
func TestOddHosts(t *testing.T) {
	var arrived atomic.Int32
	s := serve(t, func(http.ResponseWriter, *http.Request) { arrived.Add(1) })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	hosts := []string{
		"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.0.0.1", "127.0.0.1.", "local.test",
		"localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]",
		"①②⑦.⓪.⓪.①", "１２７.0.0.1", "0.0.0.0", "[::]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "%31%32%37.0.0.1",
	}
	names := map[string][]string{}
	for _, h := range hosts {
		names[strings.TrimSuffix(h, ".")] = []string{"127.0.0.1"}
	}
	for _, h := range hosts {
		c := newClient(t, Options{Reach: Reach{Public: true}})
		c.pool.resolver = fakeDNS(t, names)
		_, err := c.Do(t.Context(), Request{URL: "http://" + h + ":" + port + "/"})
		wantError(t, err, nil, ErrUncertain)
		if !errors.Is(err, ErrRefusedAddress) && !strings.Contains(err.Error(), "no such host") && !strings.Contains(err.Error(), "not a URL") {
			t.Errorf("%s: %v", h, err)
		}
	}
	if n := arrived.Load(); n != 0 {
		t.Errorf("it arrived %d times", n)
	}
}

// TestLocalhost holds that the agent's own file may name this machine.
func TestLocalhost(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, h := range []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]"} {
		do(t, newClient(t, Options{}), Request{URL: "http://" + h + ":" + port})
	}
}
