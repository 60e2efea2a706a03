package dnstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeUnbound writes the configuration of an Unbound that asks Config.Upstream
// for the zone, and a port where nobody listens for all else, and returns its
// command. It keeps an answer for as long as its TTL says, and not a second longer.
func writeUnbound(cfg Config, host string, port int) ([]string, error) {
	unbound, err := program("unbound", "unbound")
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(`server:
	directory: %[1]q
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	log-time-ascii: yes
	verbosity: 1
	interface: %[6]s@%[2]d
	do-ip6: no
	do-not-query-localhost: no
	access-control: 127.0.0.0/8 allow
	module-config: "iterator"
	num-threads: 1
	outgoing-range: 64
	so-reuseport: no
	cache-min-ttl: 0
	cache-max-ttl: 86400
	infra-host-ttl: 1
	prefetch: no
	serve-expired: no
	qname-minimisation: no
	local-zone: %[3]q nodefault
remote-control:
	control-enable: no
stub-zone:
	name: %[4]q
	stub-addr: %[5]s
	stub-prime: no
forward-zone:
	name: "."
	forward-addr: 127.0.0.1@1
`, cfg.Dir, port, topLabel(cfg.Zone), cfg.Zone, strings.Replace(cfg.Upstream, ":", "@", 1), host)
	if err := os.WriteFile(filepath.Join(cfg.Dir, "unbound.conf"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return []string{unbound, "-d", "-p", "-c", filepath.Join(cfg.Dir, "unbound.conf")}, nil
}

// topLabel is the last label of a zone: those that stand for tests are answered by
// Unbound itself unless it is told not to.
func topLabel(zone string) string {
	labels := strings.Split(strings.TrimSuffix(zone, "."), ".")
	return labels[len(labels)-1] + "."
}
