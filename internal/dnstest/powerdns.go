package dnstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const powerDNSSchema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

// writePowerDNS writes the configuration and the SQLite database of a PowerDNS
// server and returns its command. It is one process with every cache off, since
// another process's or a cache's older answer would be a read that lags.
func writePowerDNS(cfg Config, host string, port int) ([]string, error) {
	server, err := program("pdns_server", "pdns-server pdns-backend-sqlite3")
	if err != nil {
		return nil, err
	}
	pdnsutil, err := program("pdnsutil", "pdns-server")
	if err != nil {
		return nil, err
	}
	sqlite, err := program("sqlite3", "sqlite3")
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%[1]s/zone.sqlite
local-address=%[3]s
local-port=%[2]d
socket-dir=%[1]s
daemon=no
guardian=no
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
lua-dnsupdate-policy-script=%[1]s/policy.lua
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
consistent-backends=no
loglevel=5
`, cfg.Dir, port, host)
	files := map[string]string{"pdns.conf": conf, "policy.lua": powerDNSPolicy(cfg), "zone": zoneFile(cfg)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}

	command := []string{server, "--config-dir=" + cfg.Dir}
	if _, err := os.Stat(filepath.Join(cfg.Dir, "zone.sqlite")); err == nil {
		return command, nil // an earlier attempt at another port made it
	}
	schema, err := os.ReadFile(powerDNSSchema)
	if err != nil {
		return nil, fmt.Errorf("apt-get install pdns-backend-sqlite3: %w", err)
	}
	create := exec.Command(sqlite, filepath.Join(cfg.Dir, "zone.sqlite"))
	create.Stdin = strings.NewReader(string(schema))
	if out, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("sqlite3: %w: %s", err, out)
	}
	zone := strings.TrimSuffix(cfg.Zone, ".")
	steps := [][]string{{"load-zone", zone, filepath.Join(cfg.Dir, "zone")}}
	allow := []string{"set-meta", zone, "TSIG-ALLOW-DNSUPDATE"}
	for _, k := range cfg.Keys {
		steps = append(steps, []string{"import-tsig-key", keyName(k), k.Algorithm, k.Secret})
		allow = append(allow, keyName(k))
	}
	// Without it PowerDNS denies the existence of empty non-terminals.
	rectify := []string{"rectify-zone", zone}
	for _, args := range append(steps, allow, rectify) {
		step := exec.Command(pdnsutil, append([]string{"--config-dir=" + cfg.Dir}, args...)...)
		if out, err := step.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("pdnsutil %s: %w: %s", args[0], err, out)
		}
	}
	return command, nil
}

// powerDNSPolicy is the Lua policy that grants each key its names: without one,
// a key that may update the zone may update all of it.
func powerDNSPolicy(cfg Config) string {
	var b strings.Builder
	b.WriteString("local grants = {\n")
	for _, k := range cfg.Keys {
		fmt.Fprintf(&b, "  [%q] = {", strings.ToLower(keyName(k))+".")
		if len(k.Names) == 0 {
			b.WriteString(`["*"] = true`)
		}
		for _, name := range k.Names {
			fmt.Fprintf(&b, "[%q] = true, ", strings.ToLower(absolute(name, cfg.Zone)))
		}
		b.WriteString("},\n")
	}
	b.WriteString(`}
function updatepolicy(input)
  local grant = grants[input:getTsigName():toString():lower()]
  if not grant or input:getQType() ~= pdns.TXT then
    return false
  end
  return (grant["*"] or grant[input:getQName():toString():lower()]) == true
end
`)
	return b.String()
}
