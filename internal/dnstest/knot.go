package dnstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeKnot writes the configuration of a Knot DNS server and returns its
// command. zonefile-load whole with the default journal of changes is what makes
// an acknowledged update survive a SIGKILL: with difference-no-serial and no
// flush of the zone file, a restart forgets them all.
func writeKnot(cfg Config, host string, port int) ([]string, error) {
	knotd, err := program("knotd", "knot")
	if err != nil {
		return nil, err
	}
	var keys, acls strings.Builder
	var rules []string
	for i, k := range cfg.Keys {
		if i == 0 {
			keys.WriteString("key:\n")
			acls.WriteString("acl:\n")
		}
		fmt.Fprintf(&keys, "  - id: %s\n    algorithm: %s\n    secret: %s\n", keyName(k), k.Algorithm, k.Secret)
		fmt.Fprintf(&acls, "  - id: update%d\n    key: %s\n    action: update\n    update-type: [TXT]\n", i, keyName(k))
		if len(k.Names) > 0 {
			fmt.Fprintf(&acls, "    update-owner: name\n    update-owner-match: equal\n    update-owner-name: [%s]\n",
				strings.Join(k.Names, ", "))
		}
		rules = append(rules, fmt.Sprintf("update%d", i))
	}
	acl := ""
	if len(rules) > 0 {
		acl = "    acl: [" + strings.Join(rules, ", ") + "]\n"
	}
	lines, remote := []string{"    file: zone", "    zonefile-load: whole", "    zonefile-sync: -1", "    journal-content: changes"}, ""
	if cfg.Upstream != "" {
		remote = "remote:\n  - id: primary\n    address: " + strings.Replace(cfg.Upstream, ":", "@", 1) + "\n"
		acls.WriteString("acl:\n  - id: notify\n    address: 127.0.0.0/8\n    action: notify\n")
		acl = "    acl: [notify]\n"
		lines = []string{"    file: copy", "    master: primary"}
	}
	conf := fmt.Sprintf(`server:
    rundir: %[1]s
    listen: %[7]s@%[2]d
    udp-workers: 1
    tcp-workers: 2
    background-workers: 1
database:
    storage: %[1]s
log:
  - target: stderr
    any: info
%[3]s%[8]s%[4]szone:
  - domain: %[5]s
    storage: %[1]s
%[6]s`, cfg.Dir, port, keys.String(), acls.String(), cfg.Zone,
		settings(cfg, port, lines...)+acl, host, remote)
	if err := os.WriteFile(filepath.Join(cfg.Dir, "knot.conf"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "zone"), []byte(zoneFile(cfg)), 0o600); err != nil {
		return nil, err
	}
	return []string{knotd, "-c", filepath.Join(cfg.Dir, "knot.conf")}, nil
}
