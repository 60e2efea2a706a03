package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// ownHost keeps pages of other sites from reading what only this machine may read. A
// site can have its own name resolve to the loopback address, and a browser then takes
// what is served there for the site's. But it names the site, and the port that it has
// really asked, in Host. A proxy asks for a name too, at a port of its own.
//
// Where not only this machine can ask, everybody can, and nothing is refused.
func ownHost(l net.Addr, h http.Handler) http.Handler {
	at, err := netip.ParseAddrPort(l.String())
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if foreignHost(r.Host, int(at.Port())) {
			http.Error(w, fmt.Sprintf("nothing is shown under this name, which may be that of another site: ask for http://localhost:%d", at.Port()), http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// foreignHost says whether the Host of a request to a loopback address may be the name
// of somebody's site.
func foreignHost(host string, port int) bool {
	name, asked, err := net.SplitHostPort(host)
	if err != nil {
		name, asked = strings.Trim(host, "[]"), "80"
	}
	if _, err := netip.ParseAddr(name); err == nil || asked != strconv.Itoa(port) {
		return false
	}
	// Nobody can register these, or a name of one label.
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return strings.Contains(name, ".") && !strings.HasSuffix(name, ".localhost") && !strings.HasSuffix(name, ".internal")
}
