package doctest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files of other programs, as these judge them.

func checkNamed(t *testing.T, b block) error {
	dir := t.TempDir()
	for _, place := range []string{"/etc/bind/", "/etc/solotick/"} {
		b.text = strings.ReplaceAll(b.text, place, dir+"/")
	}
	if err := os.WriteFile(filepath.Join(dir, "solotick.key"), []byte(firstKey), 0o600); err != nil {
		return err
	}
	return tool("named-checkconf", b.kept(t, "named.conf", b.text))
}

func checkKnot(t *testing.T, b block) error {
	text := b.text
	if !strings.Contains(text, "secret:") {
		text = "key:\n  - id: solotick\n    algorithm: hmac-sha256\n    secret: c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sgLi4=\n" + text
	}
	return tool("knotc", "-c", b.kept(t, "knot.conf", text), "conf-check")
}

// checkPowerDNS wants every setting to be one that the server knows.
func checkPowerDNS(t *testing.T, b block) error {
	path := b.kept(t, "pdns.conf", b.text)
	return tool("pdns_server", "--config=check", "--config-dir="+filepath.Dir(path))
}

// checkLua has the script compiled as by the Lua that PowerDNS has.
func checkLua(t *testing.T, b block) error {
	return tool("luac5.1", "-p", b.kept(t, "policy.lua", b.text))
}

func checkZone(t *testing.T, b block) error {
	head := "$ORIGIN example.com.\n$TTL 60\n@ IN SOA ns1 hostmaster 1 3600 600 86400 5\n@ IN NS ns1\nns1 IN A 192.0.2.53\n"
	return tool("named-checkzone", "example.com", b.kept(t, "zone", head+b.text))
}

func checkNginx(t *testing.T, b block) error {
	dir := t.TempDir()
	text := "daemon off; pid " + dir + "/pid; error_log stderr; events {}\nhttp { access_log off; server { listen 127.0.0.1:8088;\n" + b.text + "} }\n"
	return tool("nginx", "-t", "-p", dir, "-c", b.kept(t, "nginx.conf", text))
}

func checkApache(t *testing.T, b block) error {
	modules := "/usr/lib/apache2/modules/"
	text := "ServerName example.com\nErrorLog /dev/stderr\nListen 127.0.0.1:8088\n"
	for _, name := range []string{"mpm_event", "proxy", "proxy_http", "headers", "authz_core"} {
		text += "LoadModule " + name + "_module " + modules + "mod_" + name + ".so\n"
	}
	return tool("apache2", "-t", "-f", b.kept(t, "apache.conf", text+b.text))
}

func checkCaddy(t *testing.T, b block) error {
	return tool("caddy", "validate", "--adapter", "caddyfile", "--config", b.kept(t, "Caddyfile", b.text))
}

// checkSystemd wants a unit that systemd understands; the program that it starts is
// the shell, as no other is sure to be there.
func checkSystemd(t *testing.T, b block) error {
	if err := words(b.text); err != nil {
		return err
	}
	text := strings.NewReplacer("/usr/local/bin/solotick", "/bin/sh", "/usr/bin/solotick", "/bin/sh").Replace(b.text)
	if strings.Contains(text, "[Service]") && !strings.Contains(text, "Exec") { // of a drop-in
		text = strings.Replace(text, "[Service]\n", "[Service]\nExecStart=/bin/sh\n", 1)
	}
	return tool("systemd-analyze", "verify", "--man=no", b.kept(t, "page.service", text))
}

func checkPrometheus(t *testing.T, b block) error {
	return tool("promtool", "check", "config", b.kept(t, "prometheus.yml", b.text))
}

func checkAlertmanager(t *testing.T, b block) error {
	text := b.text
	if !strings.Contains(text, "receivers:") {
		text += "receivers: [{ name: ops }]\n"
	}
	return tool("amtool", "check-config", b.kept(t, "alertmanager.yml", text))
}
