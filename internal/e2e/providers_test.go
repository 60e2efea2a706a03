package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/register/cloudtest"
)

// A wrongs is a place at a provider whose API can be told to go wrong.
type wrongs struct {
	*cloudtest.API
	place
}

// TestProviders has the same story at the API of each provider: agents are killed
// and frozen, replies are lost, writes land late, requests are refused as too many,
// and the API is away for a while.
func TestProviders(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) wrongs{
		"azuredns":   azureDNS,
		"clouddns":   cloudDNS,
		"cloudflare": cloudflare,
		"ocidns":     ociDNS,
		"route53":    route53,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atProvider(t, open(t))
		})
	}
}

func atProvider(t *testing.T, at wrongs) {
	// At ticks of two seconds an API that is away for one is an outage, in which
	// agents that see DNS would run without it.
	c := newCluster(t, &at.place, "canary", "catch_up: all", "without_register: wait")
	c.more(1)
	k := c.killMidRun()
	c.start()
	c.calm()

	at.Limit(1e6, 1e6, time.Second) // who is refused as one too many may ask again soon

	// What nobody was told of is found out: nothing is run twice, and no tick lost.
	at.OnWrites(cloudtest.LoseReply, cloudtest.Pass, cloudtest.Throttle, cloudtest.DoneError, cloudtest.Pass, cloudtest.LoseRequest, cloudtest.LoseReply)
	c.more(5)
	at.OnWrites(cloudtest.Late)
	c.more(2)
	at.Land()
	c.more(1)

	// Away for a while.
	c.calm()
	c.betweenRuns()
	for range 4 {
		at.OnWrites(cloudtest.Unavailable)
		at.OnReads(cloudtest.Unavailable)
	}
	c.more(3)

	if n := c.logged(func(l logLine) bool { return strings.HasPrefix(l.Msg, "the outcome of a write is unknown") }); n == 0 {
		t.Error("no agent was ever in doubt")
	}
	c.check(again(k))
}

// common is what dns: says at every provider.
func common(api *cloudtest.API) []string {
	// Nobody answers there: the register is asked in place of DNS.
	return []string{"endpoint: " + api.URL, "name_servers: 127.0.0.1:1", "timeout: 2s"}
}

func cloudDNS(t *testing.T) wrongs {
	fake := cloudtest.NewCloudDNS(t)
	fake.AddZone("solotick", "t.test.", "public")
	return wrongs{fake.API, place{
		zone: "t.test.",
		dns: append(common(fake.API), "provider: clouddns", "project: "+cloudtest.GoogleProject, "managed_zone: solotick",
			"credentials: ${file:"+keep(t, fake.Credentials())+"}"),
		texts: func(name string) []string {
			values, _, _ := fake.Set("solotick", name, "TXT")
			return unquoted(t, values, txt.Decimal)
		},
	}}
}

func route53(t *testing.T) wrongs {
	fake := cloudtest.NewRoute53(t)
	id := fake.AddZone("t.test")
	return wrongs{fake.API, place{
		zone: "t.test.",
		dns: append(common(fake.API), "provider: route53", "access_key_id: "+fake.AccessKeyID, "zone_id: "+id,
			"secret_access_key: ${file:"+keep(t, fake.SecretAccessKey)+"}", "session_token: ${file:"+keep(t, fake.SessionToken)+"}"),
		texts: func(name string) []string {
			for _, set := range fake.Sets(id, name) {
				if set.Type == "TXT" {
					return unquoted(t, set.Values, txt.Octal)
				}
			}
			return nil
		},
	}}
}

func azureDNS(t *testing.T) wrongs {
	const subscription, group = "00000000-0000-0000-0000-000000000001", "dns"
	fake := cloudtest.NewAzureDNS(t)
	fake.AddZone(subscription, group, "t.test")
	var env []string
	for name, value := range fake.Environment() {
		env = append(env, name+"="+value)
	}
	return wrongs{fake.API, place{
		zone: "t.test.", env: env,
		dns: append(common(fake.API), "provider: azuredns", "subscription: "+subscription, "resource_group: "+group),
		texts: func(name string) (texts []string) {
			values, _, _, _ := fake.Set(subscription, group, "t.test", strings.TrimSuffix(name, ".t.test."))
			for _, v := range values {
				texts = append(texts, strings.Join(v, ""))
			}
			return texts
		},
	}}
}

func ociDNS(t *testing.T) wrongs {
	fake := cloudtest.NewOCIDNS(t)
	fake.AddZone("t.test", "ocid1.dns-zone.oc1..t", "PRIMARY", "GLOBAL")
	return wrongs{fake.API, place{
		zone: "t.test.",
		dns:  append(common(fake.API), "provider: ocidns", "config_file: "+fake.ConfigFile(), "accept_weaker: true"),
		texts: func(name string) []string {
			return unquoted(t, fake.Values("t.test", strings.TrimSuffix(name, ".")), txt.Decimal)
		},
	}}
}

// TestCommand has the agents' register be a program.
func TestCommand(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("../../examples/providers/command/register.sh")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "records.db")
	at := place{
		zone: "t.test.",
		dns:  []string{"provider: command", "command: [" + script + ", " + file + "]", "class: exact", "name_servers: 127.0.0.1:1"},
		texts: func(name string) (texts []string) {
			cmd := exec.Command(script, file)
			cmd.Stdin = strings.NewReader(`{"version":1,"op":"load","name":"` + strings.TrimSuffix(name, ".") + `"}`)
			out, err := cmd.Output()
			answer := struct{ Texts []string }{}
			if err == nil {
				err = json.Unmarshal(out, &answer)
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return answer.Texts
		},
	}
	killed(t, &at)
}

// cloudflare has name servers, which agents look at: they show each record of a
// change by itself, so that a reader may meet none, or two.
func cloudflare(t *testing.T) wrongs {
	fake := cloudtest.NewCloudflare(t)
	id := fake.AddZone("t.test")
	dns := fake.ServeDNS(id)
	dns.Delay(50 * time.Millisecond)
	return wrongs{fake.API, place{
		addr: dns.Addr, zone: "t.test.",
		dns: []string{
			"provider: cloudflare", "endpoint: " + fake.Endpoint(), "timeout: 2s", "name_servers: " + dns.Addr, "accept_weaker: true",
			"token: ${file:" + keep(t, cloudtest.CloudflareToken) + "}",
		},
		texts: func(name string) []string {
			var values []string
			for _, r := range fake.Records(id, strings.TrimSuffix(name, ".")) {
				if r.Type == "TXT" {
					values = append(values, r.Content)
				}
			}
			return unquoted(t, values, txt.Decimal)
		},
	}}
}

// keep writes a file.
func keep(t *testing.T, text string) (path string) {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir()}
	c.write("credentials", text)
	return c.path("credentials")
}

func unquoted(t *testing.T, values []string, e txt.Escape) (texts []string) {
	t.Helper()
	for _, v := range values {
		text, err := txt.Unquote(v, e)
		if err != nil {
			t.Fatalf("%s: %v", strconv.Quote(v), err)
		}
		texts = append(texts, text)
	}
	return texts
}
