package doctest

import (
	"fmt"
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
  canary: { every: 60s, exec: ["true"] }
  report: { cron: "30 2 * * *", exec: ["true"] }
  backup: { cron: "0 3 * * *", exec: ["true"] }
`

// set gives a scene what its page takes for granted.
func set(s *scene) {
	for _, path := range []string{filepath.Join(s.Top, "solotick.yaml"), "/etc/solotick/solotick.yaml"} {
		s.Files[path] = usual
	}
	s.Files["/etc/solotick/solotick.key"] = firstKey
	now := time.Now().Unix()
	for _, name := range []string{"canary", "report", "backup", "nightly"} {
		s.Records[name] = fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d000,"last":"ok"}`, now+3600, now-3600, now-3599)
	}
	if change := sets[s.Page]; change != nil {
		change(s)
	}
}

// sets are the pages that begin with something else than most.
var sets = map[string]func(*scene){}
