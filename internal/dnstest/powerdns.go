package dnstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const powerDNSSchemas = "/usr/share/pdns-backend-"

// writePowerDNS writes the configuration and the database of a PowerDNS server and
// returns its command. It is one process with every cache off, since another
// process's or a cache's older answer would be a read that lags.
func writePowerDNS(cfg Config, host string, port int) ([]string, error) {
	server, err := program("pdns_server", "pdns-server pdns-backend-sqlite3")
	if err != nil {
		return nil, err
	}
	pdnsutil, err := program("pdnsutil", "pdns-server")
	if err != nil {
		return nil, err
	}
	backend := fmt.Sprintf("launch=gsqlite3\ngsqlite3-database=%s/zone.sqlite\n", cfg.Dir)
	if db := cfg.Database; db != (Database{}) {
		backend = fmt.Sprintf("launch=gpgsql\ngpgsql-host=%s\ngpgsql-dbname=%s\ngpgsql-user=%s\n", db.Host, db.Name, db.User)
	}
	conf := fmt.Sprintf(`local-address=%[3]s
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
	files := map[string]string{"pdns.conf": backend + conf, "policy.lua": powerDNSPolicy(cfg), "zone": zoneFile(cfg)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}

	command := []string{server, "--config-dir=" + cfg.Dir}
	empty, err := makeTables(cfg)
	if err != nil || !empty {
		return command, err
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

// makeTables makes those of PowerDNS, unless they are there: an earlier attempt at
// another port made them, or another server.
func makeTables(cfg Config) (made bool, err error) {
	args, schema, there := []string{"sqlite3", filepath.Join(cfg.Dir, "zone.sqlite")}, "sqlite3/schema/schema.sqlite3.sql", "SELECT 1 FROM sqlite_master WHERE name = 'domains';"
	if db := cfg.Database; db != (Database{}) {
		args = []string{"psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", db.Host, "-U", db.User, "-d", db.Name}
		schema, there = "pgsql/schema/schema.pgsql.sql", "SELECT 1 FROM pg_tables WHERE tablename = 'domains';"
	}
	if args[0], err = program(args[0], "sqlite3 postgresql-client"); err != nil {
		return false, err
	}
	run := func(sql string) (string, error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(sql)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
		return strings.TrimSpace(string(out)), nil
	}
	out, err := run(there)
	if err != nil || out != "" {
		return false, err
	}
	tables, err := os.ReadFile(powerDNSSchemas + schema)
	if err != nil {
		return false, fmt.Errorf("apt-get install pdns-backend-%s: %w", strings.SplitN(schema, "/", 2)[0], err)
	}
	_, err = run(string(tables))
	return true, err
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
