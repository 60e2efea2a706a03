package doctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"time"
)

// usual is the file of the agents that pages speak of.
const usual = `version: 1
dns:
  provider: rfc2136
  zone: example.com
  server: ns1.example.com
  tsig: ${file:/etc/solotick/solotick.key}
notify:
  ops: { webhook: { url: "https://hooks.example.com/solotick" } }
  well: { ping: { url: "https://hc-ping.com/6bd8" } }
jobs:
  canary: { every: 60s, offset: 0s, exec: ["true"] }
  report: { cron: "30 2 * * *", exec: ["true"] }
  backup: { cron: "0 3 * * *", exec: ["true"] }
`

// The agent that runs these jobs while a page is played.
const (
	agentFile   = "/run/agent/solotick.yaml"
	agentEvents = "/var/log/solotick/events.jsonl"
	agentListen = "agent: { listen: 127.0.0.1:9480, events: " + agentEvents + " }\n"
)

// set gives a scene what its page takes for granted: files, and records as agents have
// left them after the latest tick.
func set(s *scene) {
	for _, path := range []string{filepath.Join(s.Top, "solotick.yaml"), "/etc/solotick/solotick.yaml"} {
		s.Files[path] = usual
	}
	s.Files[agentFile] = usual + agentListen
	s.Files["/etc/solotick/solotick.key"] = firstKey
	now := time.Now()
	day := now.UTC().Truncate(24 * time.Hour)
	minute := now.Truncate(time.Minute)
	for name, last := range map[string]time.Time{
		"canary": minute, "report": before(day.Add(150*time.Minute), now), "backup": before(day.Add(3*time.Hour), now),
	} {
		next := last.Add(24 * time.Hour)
		if last == minute {
			next = last.Add(time.Minute)
		}
		s.Records[name] = fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d001,"last":"ok"}`, next.Unix(), last.Unix(), last.Unix())
	}
	for _, name := range []string{"deploy", "migrate", "scheduler"} { // locks that are free
		s.Records[name] = `{"id":"","timer":0,"timerold":0}`
	}
	if change := sets[s.Page]; change != nil {
		change(s)
	}
}

// before is the latest time of day that is over.
func before(today, now time.Time) time.Time {
	if today.After(now) {
		return today.Add(-24 * time.Hour)
	}
	return today
}

// sets are the pages that begin with something else than most.
var sets = map[string]func(*scene){
	"docs/locks.md": func(s *scene) {
		s.Files[filepath.Join(s.Top, "scheduler")] = "#!/bin/sh\nexec sleep 600\n"
	},
	"docs/reference/commands.md": func(s *scene) { // examples of many things, one beside the other
		s.Apart, s.Database = true, true
		for name, text := range map[string]string{
			"config.ini": "[Default]\nSUBDOMAIN: canary.jobs\nDOMAIN: example.com\nURL: https://api.example.com/runs\n",
			"db.jobs":    "$TTL 60\n@ IN SOA ns hostmaster 1 3600 600 86400 5\n@ IN NS ns\nns IN A 192.0.2.1\n",
			"web.yaml":   "basic_auth_users: {}\n", "migrate.sql": "SELECT :fence;\n",
			"scheduler": "#!/bin/sh\nexec sleep 600\n",
		} {
			s.Files[filepath.Join(s.Top, name)] = text
		}
		s.Files["/var/lib/solotick/README"] = "The folder of --data.\n"
	},
	"docs/serve.md": func(s *scene) {
		certificate, key := pair("serve.example.com")
		s.Files["/etc/solotick/tls.crt"], s.Files["/etc/solotick/tls.key"] = certificate, key
	},
	"docs/dig.md": func(s *scene) { // moments that the page spells out
		s.Records = map[string]string{
			"canary": `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903911000,"last":"ok"}`,
			"report": `{"id":"ABCDEFGHIJ","timer":1641954600,"timerold":0,"seq":1641900000000}`,
		}
		delete(s.Files, agentFile)
		s.Values = []string{`canary TXT "v=spf1 -all"`}
	},
}

// pair is a certificate by nobody in particular, and its key.
func pair(name string) (certificate, key string) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &secret.PublicKey, secret)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}
