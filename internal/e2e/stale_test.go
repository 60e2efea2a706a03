package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// ask runs the program and returns its exit code and what it said on stdout.
func ask(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &errs, endWithParent()
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "NO_COLOR=1")
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if errs.Len() > 0 {
		t.Logf("%s says on stderr: %s", strings.Join(args, " "), errs.String())
	}
	return code, out.String()
}

// wants runs the program and wants an exit code, and lines that match.
func wants(t *testing.T, code int, patterns []string, args ...string) string {
	t.Helper()
	got, said := ask(t, args...)
	if got != code {
		t.Errorf("%s: exit code %d, want %d:\n%s", strings.Join(args, " "), got, code, said)
	}
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(said) {
			t.Errorf("%s: no line matches %s in\n%s", strings.Join(args, " "), p, said)
		}
	}
	return said
}

// A pair is a zone's server and a cache in front of it, with one record.
type pair struct {
	*cluster
	authority, cache string // addresses
}

func newPair(t *testing.T, at *place, record string) *pair {
	t.Helper()
	cache := dnstest.Run(t, dnstest.Config{Kind: dnstest.Unbound, Zone: at.zone, Upstream: at.addr})
	return &pair{cluster: &cluster{t: t, at: at, name: record + "." + at.zone}, authority: at.addr, cache: cache.Addr}
}

// put makes text the record, for caches to keep for so many seconds.
func (p *pair) put(ttl int, text string) {
	p.t.Helper()
	quoted := `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	p.nsupdate("update delete "+p.name+" TXT", "update add "+p.name+" "+strconv.Itoa(ttl)+" TXT "+quoted)
}

// digs is what dig shows of the record at a server: its text, and the TTL.
func (p *pair) digs(server string) (text string, ttl int) {
	p.t.Helper()
	host, port, _ := strings.Cut(server, ":")
	out, err := exec.Command("dig", "+noall", "+answer", "+tries=3", "+time=5", "@"+host, "-p", port, p.name, "TXT").CombinedOutput()
	if err != nil {
		p.t.Fatalf("dig: %v: %s", err, out)
	}
	f := strings.SplitN(strings.Join(strings.Fields(string(out)), " "), " ", 5)
	if len(f) < 5 {
		return "", 0
	}
	if ttl, err = strconv.Atoi(f[1]); err != nil {
		p.t.Fatalf("dig: %s", out)
	}
	return strings.ReplaceAll(strings.Trim(f[4], `"`), `\"`, `"`), ttl
}

func recordText(id string, tick, next int64) string {
	return fmt.Sprintf(`{"id":%q,"timer":%d,"timerold":%d,"seq":%d,"last":"ok"}`, id, next, tick, (tick+1)*1000)
}

// TestStaleness has a cache show what the zone's server no longer has: dig shows
// it, and status and check say that it is old, and how old. That a run is late is
// believed of who knows it.
func TestStaleness(t *testing.T) {
	t.Parallel()
	p := newPair(t, startOwn(t), "canary")
	now := time.Now().Unix()
	older := recordText("AAAAAAAAAA", now-58, now+2)
	p.put(60, older)
	if got, _ := p.digs(p.cache); got != older {
		t.Fatalf("dig shows %s through the cache, want %s", got, older)
	}
	p.await("an answer that the cache has had for 8 s", time.Minute, func() bool { _, ttl := p.digs(p.cache); return ttl <= 52 })

	// The run is due, and nobody has begun it: the zone's server knows, the cache
	// does not.
	name := strings.TrimSuffix(p.name, ".")
	wants(t, 1, []string{`^SOLOTICK WARNING - ` + name + ` on time: .*; late is \d+ s, outside -w 2 \| late=\d+s;2;;0 `},
		"check", name, "@"+p.authority, "-w", "2")
	wants(t, 0, []string{`^SOLOTICK OK - ` + name + ` on time: .*; as of .*Z, since only a cache answered, and its answer may be \d+ s old \| late=0s;2;;0 `},
		"check", name, "@"+p.cache, "-w", "2")
	wants(t, 0, []string{
		`^  record .* · \d\d s left in the cache · `,
		`from a cache, which may be old: it keeps this answer for \d\d s more`,
		`judged as of .*Z, as the cache's answer may be \d+ s old`,
	}, "status", name, "@"+p.cache)

	// It is run. The cache goes on showing what was.
	newer := recordText("BBBBBBBBBB", now+2, now+62)
	p.put(60, newer)
	if got, _ := p.digs(p.authority); got != newer {
		t.Fatalf("dig shows %s at the zone's server, want %s", got, newer)
	}
	got, ttl := p.digs(p.cache)
	if got != older {
		t.Fatalf("dig shows %s through the cache, want %s", got, older)
	}
	wants(t, 0, []string{
		`^SOLOTICK OK - ` + name + ` on time: .*; ` + p.cache + ` is 60 s behind, a cache that may show this for \d+ s more \| late=0s;;;0 .* behind=60s;;;0 `,
		`^  seen by ` + p.authority + `: present, the newest, authoritative, TTL 60 s$`,
		`^  seen by ` + p.cache + `: present, 60 s behind, a cache, for \d+ s more, \d+ s old$`,
	}, "check", name, "@"+p.authority, "--resolver", p.cache, "-v")
	wants(t, 1, []string{`behind is 60 s, outside --behind 30 `}, "check", name, "@"+p.authority, "--resolver", p.cache, "--behind", "30,90")
	wants(t, 2, []string{`behind is 60 s, outside --behind ,30 `}, "check", name, "@"+p.authority, "--resolver", p.cache, "--behind", ",30")
	wants(t, 0, []string{
		`^  seen by    ` + p.authority + ` +● authoritative  the newest +TTL 60 s$`,
		`^             ` + p.cache + ` +▲ a cache        60 s behind +\d+ s left, \d+ s old$`,
	}, "status", name, "@"+p.authority, "--resolver", p.cache)
	p.checkAge(ttl)
}

// checkAge wants status to say of the cache what dig says of it: ttl seconds are
// left of the 60.
func (p *pair) checkAge(ttl int) {
	p.t.Helper()
	_, said := ask(p.t, "status", p.name, "@"+p.authority, "--resolver", p.cache, "--json")
	var doc struct {
		Records []struct {
			ID      string
			Servers []struct {
				Server        string
				Authoritative bool
				Newest        bool
				ID            string
				Behind        float64 `json:"behind_seconds"`
				TTL           float64 `json:"ttl_seconds"`
				Age           float64 `json:"age_seconds"`
			}
		}
	}
	if err := json.Unmarshal([]byte(said), &doc); err != nil || len(doc.Records) != 1 || len(doc.Records[0].Servers) != 2 {
		p.t.Fatalf("%v: %s", err, said)
	}
	r := doc.Records[0]
	a, c := r.Servers[0], r.Servers[1]
	if r.ID != "BBBBBBBBBB" || !a.Authoritative || !a.Newest || a.Behind != 0 || a.TTL != 60 || a.Age != 0 {
		p.t.Errorf("the zone's server: %+v", a)
	}
	if c.Authoritative || c.Newest || c.ID != "AAAAAAAAAA" || c.Behind != 60 || c.TTL+c.Age != 60 || c.TTL > float64(ttl) || c.TTL < float64(ttl-30) {
		p.t.Errorf("the cache, of which dig says that %d s were left: %+v", ttl, c)
	}
}

// TestStaleNoMore has the cache forget, and one that remembers that there was
// nothing, for the 5 s that the zone says.
func TestStaleNoMore(t *testing.T) {
	t.Parallel()
	p := newPair(t, start(t, dnstest.BIND), "canary")
	now := time.Now().Unix()
	if got, _ := p.digs(p.cache); got != "" {
		t.Fatalf("dig shows %s before anything is there", got)
	}
	p.put(2, recordText("AAAAAAAAAA", now-30, now+30))
	wants(t, 0, []string{p.cache + ` shows the record as absent, \d+ s after it was written`}, "check", p.name, "@"+p.authority, "--resolver", p.cache)
	wants(t, 0, []string{`^             ` + p.cache + ` +▲ a cache        absent`}, "status", p.name, "@"+p.authority, "--resolver", p.cache)

	both := regexp.MustCompile(`(?s)authoritative  the newest.*a cache        the newest`)
	p.await("a cache that shows the record", 2*time.Minute, func() bool {
		_, said := ask(t, "status", p.name, "@"+p.authority, "--resolver", p.cache)
		return both.MatchString(said)
	})
	newer := recordText("BBBBBBBBBB", now, now+600)
	p.put(2, newer)
	p.await("a cache that shows the new record", 30*time.Second, func() bool { got, _ := p.digs(p.cache); return got == newer })
	wants(t, 0, []string{` behind=0s;5;;0 `}, "check", p.name, "@"+p.authority, "--resolver", p.cache, "--behind", "5")
}
