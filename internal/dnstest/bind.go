package dnstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeBIND writes the configuration of a BIND 9 server and returns its command.
func writeBIND(cfg Config, host string, port int) ([]string, error) {
	named, err := program("named", "bind9")
	if err != nil {
		return nil, err
	}
	var keys, grants strings.Builder
	for _, k := range cfg.Keys {
		fmt.Fprintf(&keys, "key %q { algorithm %s; secret %q; };\n", keyName(k), k.Algorithm, k.Secret)
		if len(k.Names) == 0 {
			fmt.Fprintf(&grants, "\t\tgrant %s zonesub TXT;\n", keyName(k))
		}
		for _, name := range k.Names {
			fmt.Fprintf(&grants, "\t\tgrant %s name %s TXT;\n", keyName(k), absolute(name, cfg.Zone))
		}
	}
	policy := ""
	if grants.Len() > 0 {
		policy = "\tupdate-policy {\n" + grants.String() + "\t};\n"
	}
	conf := fmt.Sprintf(`options {
	directory %[1]q;
	listen-on port %[2]d { %[7]s; };
	listen-on-v6 { none; };
	pid-file none;
	lock-file none;
	session-keyfile %[3]q;
	recursion no;
	dnssec-validation no;
	notify no;
	version none;
};
controls { };
%[4]szone %[5]q {
%[6]s};
`, cfg.Dir, port, filepath.Join(cfg.Dir, "session.key"), keys.String(), cfg.Zone,
		settings(cfg, port, "\ttype primary;", "\tfile \"zone\";")+policy, host)
	if err := os.WriteFile(filepath.Join(cfg.Dir, "named.conf"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "zone"), []byte(zoneFile(cfg)), 0o600); err != nil {
		return nil, err
	}
	// -g: in the foreground, log on stderr.
	return []string{named, "-g", "-c", filepath.Join(cfg.Dir, "named.conf")}, nil
}
