package api

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

func TestProbe(t *testing.T) {
	z, other := newZone(t), newZone(t)
	z.put("canary", ended(now(), agentA, record.OK))
	z.put("bad", `{"id":"VDND`)
	z.put("evil", record.Record{ID: "\x1b[31mA", Timer: now().Unix() + 60, TimerOld: now().Unix(), Seq: now().UnixMilli()}.String())
	a := serve(t, Config{Eyes: z.eyes(t), Resolvers: []string{other.addr}})
	text := get200(t, a, "/probe?target=canary.example.com")
	lint(t, text)
	wants(t, text,
		"probe_success 1", `solotick_record_condition{condition="on_time",job="canary",name="canary.example.com"} 1`,
		fmt.Sprintf(`solotick_resolver_up{name="canary.example.com",resolver=%q} 1`, z.addr),
	)
	wants(t, get200(t, a, "/probe?target=canary"), "probe_success 1", `solotick_record_condition{condition="on_time",job="canary",name="canary.example.com"} 1`)
	if !strings.Contains(text, "\nprobe_duration_seconds 0.") {
		t.Error("it is not said how long it took")
	}
	for _, way := range []string{"192.0.2.9", "192.0.2.9:53", "2001:db8::1", "[2001:db8::1]:53"} {
		b := serve(t, Config{Eyes: z.eyes(t), Resolvers: []string{"192.0.2.9", "[2001:db8::1]:53"}})
		if _, err := b.prober.through(way); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	wants(t, get200(t, a, "/probe?target=canary.example.com&resolver="+other.addr), "probe_success 0", `solotick_record_condition{condition="absent",job="canary",name="canary.example.com"} 1`)
	wants(t, get200(t, a, "/probe?target=bad.example.com"), "probe_success 0", `solotick_record_condition{condition="damaged",job="",name="bad.example.com"} 1`)
	text = get200(t, a, "/probe?debug=true&target=EVIL.example.com.")
	if strings.Contains(text, "\x1b") || !strings.Contains(text, "Metrics that would have been returned:\n") || !strings.Contains(text, "\nprobe_success 1\n") || !strings.Contains(text, "present, seq ") {
		t.Errorf("in words:\n%s", text)
	}
	if text := get200(t, a, "/probe?debug=true&target=canary.example.net"); !strings.Contains(text, "error: ") || !strings.Contains(text, "\nprobe_success 0\n") {
		t.Errorf("where DNS does not tell:\n%s", text)
	}
	if p := problem(t, ask(t, serve(t, Config{}), asking{path: "/probe?target=canary.example.com"})); p.Status != http.StatusNotFound {
		t.Errorf("without eyes: %+v", p)
	}
}

// TestProbeRefusals asks nobody whom the operator has not named, and nothing that is
// no name.
func TestProbeRefusals(t *testing.T) {
	z := newZone(t)
	a := serve(t, Config{Eyes: z.eyes(t), Resolvers: []string{"192.0.2.53"}})
	for query, want := range map[string]int{
		"": 400, "?target=": 400, "?target=.": 400, "?target=a..b": 400, "?target=http://a/": 400, "?target=" + strings.Repeat("a", 64) + ".b": 400,
		"?target=" + strings.Repeat("a.", 127) + "b": 400, "?target=a%20b": 400, "?target=%C3%BC.example.com": 400, "?target=a%00b": 400, "?target=a&debug=perhaps": 200,
		"?target=canary.example.com&resolver=127.0.0.1": 403, "?target=canary.example.com&resolver=192.0.2.53:54": 403, "?target=canary.example.com&resolver=ns1.example.net": 403,
	} {
		resp := ask(t, a, asking{path: "/probe" + query})
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", query, resp.StatusCode, want)
		}
		if want != 200 && problem(t, resp).Detail == "" {
			t.Errorf("%s: it is not said why", query)
		}
	}
	for _, text := range []string{"x", "-1", "0", "NaN", "Inf", "1e99"} {
		if p := problem(t, ask(t, a, asking{path: "/probe?target=a", header: map[string]string{"X-Prometheus-Scrape-Timeout-Seconds": text}})); p.Status != http.StatusBadRequest {
			t.Errorf("time-out %s: %+v", text, p)
		}
	}
	anybody := serve(t, Config{Eyes: z.eyes(t), AnyResolver: true})
	wants(t, get200(t, anybody, "/probe?target=canary.example.com&resolver="+z.addr), "probe_success 0")
	if p := problem(t, ask(t, anybody, asking{path: "/probe?target=a&resolver=" + "127.0.0.1:x:y"})); p.Status != http.StatusBadRequest {
		t.Errorf("an address that is none: %+v", p)
	}
}

// TestProbeTime has a probe end before Prometheus no longer waits, and no more of
// them at once than there may be.
func TestProbeTime(t *testing.T) {
	silent, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	eyes, err := monitor.NewEyes(monitor.EyesConfig{Servers: []string{silent.LocalAddr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, Config{Eyes: eyes})
	begin := time.Now()
	resp := ask(t, a, asking{path: "/probe?target=canary.example.com", header: map[string]string{"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}})
	if _, text := read(t, resp); !strings.Contains(text, "\nprobe_success 0\n") || time.Since(begin) > 3*time.Second {
		t.Errorf("after %v: %s", time.Since(begin), text)
	}
	for range probesAtOnce {
		a.prober.slots <- struct{}{}
	}
	if resp := ask(t, a, asking{path: "/probe?target=canary.example.com"}); resp.Header.Get("Retry-After") == "" || problem(t, resp).Status != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", resp.StatusCode)
	}
}

func TestCheckResolver(t *testing.T) {
	for _, good := range []string{"192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "ns1.example.com"} {
		if err := CheckResolver(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "http://a/", "a b", "user@host", "127.0.0.1:0", "127.0.0.1:x", "a:53:53", "[::1", "a..b"} {
		if CheckResolver(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
