package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/solotick/solotick/internal/conformance"
	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/route53"
)

// A cloud is a provider's API of one script, which can be told to go wrong, and a
// name server that shows what is there.
type cloud struct {
	*cloudtest.API
	endpoint string                     // empty: the API's URL
	servers  string                     // name servers; empty: one that shows texts
	dns      []string                   // lines of dns: in the file
	env      map[string]string          // of the commands
	texts    func(name string) []string // at a name, without the last dot
	wrong    map[string]func(on bool)   // by what the script calls it
}

// clouds are the providers that a script can have.
var clouds = map[string]func(*testing.T, *testscript.TestScript) *cloud{
	"azuredns": azureCloud, "clouddns": googleCloud, "cloudflare": cloudflareCloud, "ocidns": oracleCloud, "route53": amazonCloud,
}

// cloudCmd is the command cloud of the scripts: see [TestScripts].
func cloudCmd(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) != 1 && len(args) != 2 || neg && len(args) != 2 {
			ts.Fatalf("usage: cloud PROVIDER, or [!] cloud wrong WHAT")
		}
		st := ts.Value(cloudKey{}).(*cloudState)
		if len(args) == 1 {
			open := clouds[args[0]]
			if open == nil {
				ts.Fatalf("cloud %q: want one of %q", args[0], slices.Sorted(maps.Keys(clouds)))
			}
			st.cloud = open(t, ts)
			st.cloud.lay(t, ts, args[0])
			return
		}
		wrong := st.cloud.wrong[args[1]]
		if args[0] != "wrong" || wrong == nil {
			ts.Fatalf("cloud %s %q: want wrong and one of %q", args[0], args[1], slices.Sorted(maps.Keys(st.cloud.wrong)))
		}
		wrong(!neg)
	}
}

type cloudKey struct{}

// A cloudState is the provider of one script.
type cloudState struct{ cloud *cloud }

// lay writes the file, and starts the name server.
func (c *cloud) lay(t *testing.T, ts *testscript.TestScript, provider string) {
	for name, value := range c.env {
		ts.Setenv(name, value)
	}
	ts.Setenv("API", c.URL)
	if c.servers == "" {
		c.servers = nameServer(t, c.texts)
	}
	lines := append([]string{
		"provider: " + provider, "zone: t.test", "endpoint: " + cmp.Or(c.endpoint, c.URL), "name_servers: " + c.servers,
		"rate: 600000", "timeout: 5s",
	}, c.dns...)
	text := "version: 1\ndns:\n  " + strings.Join(lines, "\n  ") + "\njobs:\n  canary:\n    every: 60s\n    exec: [\"true\"]\n"
	ts.Check(os.WriteFile(ts.MkAbs("solotick.yaml"), []byte(text), 0o600))
}

func googleCloud(t *testing.T, ts *testscript.TestScript) *cloud {
	const managed = "t-test"
	f := cloudtest.NewCloudDNS(t)
	f.AddZone(managed, "t.test.", "public")
	ts.Check(os.WriteFile(ts.MkAbs("key.json"), []byte(f.Credentials()), 0o600))
	denied := func(method string, status int, reason, message string) func(bool) {
		return func(on bool) {
			if !on {
				status = 0
			}
			f.Deny(method, status, reason, message)
		}
	}
	return &cloud{
		API: f.API,
		dns: []string{"project: " + cloudtest.GoogleProject, "credentials: ${file:" + ts.MkAbs("key.json") + "}"},
		texts: func(name string) []string {
			values, _, _ := f.Set(managed, name+".", "TXT")
			return unquoted(t, values, txt.Decimal)
		},
		wrong: map[string]func(bool){
			"grant": func(bool) {
				f.Withhold("dns.changes.create")
				denied("dns.changes.create", 403, "forbidden", "Forbidden")(true)
			},
			"api":  denied("dns.managedZones.list", 403, "accessNotConfigured", "Cloud DNS API has not been used in project 1234 before or it is disabled."),
			"zone": func(bool) { f.RemoveZone(managed) },
			"key": func(bool) {
				f.NoTokens(400, `{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}`)
			},
			"clock": func(bool) {
				f.NoTokens(400, `{"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."}`)
			},
			"quota": func(bool) { f.Limit(0.001, 8, 0) },
			"alias": func(bool) { f.Put(managed, "canary.t.test.", "CNAME", 60, "elsewhere.t.test.") },
		},
	}
}

func azureCloud(t *testing.T, _ *testscript.TestScript) *cloud {
	const subscription, group = "11111111-2222-3333-4444-555555555555", "dns"
	f := cloudtest.NewAzureDNS(t)
	f.AddZone(subscription, group, "t.test")
	return &cloud{
		API: f.API,
		dns: []string{"subscription: " + subscription, "resource_group: " + group},
		env: f.Environment(),
		texts: func(name string) []string {
			sets, _, _, _ := f.Set(subscription, group, "t.test", strings.TrimSuffix(name, ".t.test"))
			var texts []string
			for _, strs := range sets {
				texts = append(texts, unquoted(t, []string{`"` + strings.Join(strs, "") + `"`}, txt.Decimal)...)
			}
			return texts
		},
		wrong: map[string]func(bool){
			"grant":      func(bool) { f.Deny("write", "AuthorizationFailed") },
			"lock":       func(bool) { f.Lock(subscription, group, "t.test", true) },
			"token":      func(bool) { f.Accept(cloudtest.AzureToken, false) },
			"quota":      func(bool) { f.Limit(0.001, 8, 0) },
			"alias":      func(bool) { f.PutCNAME(subscription, group, "t.test", "canary") },
			"conditions": f.IgnoreConditions,
		},
	}
}

func amazonCloud(t *testing.T, ts *testscript.TestScript) *cloud {
	f := cloudtest.NewRoute53(t)
	id := f.AddZone("t.test")
	ts.Check(os.WriteFile(ts.MkAbs("secret"), []byte(f.SecretAccessKey), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("session"), []byte(f.SessionToken), 0o600))
	policy := func(names ...string) {
		if err := f.SetPolicy(route53.Policy(id, names)); err != nil {
			t.Error(err)
		}
	}
	return &cloud{
		API: f.API,
		dns: []string{
			"access_key_id: " + f.AccessKeyID, "zone_id: " + id,
			"secret_access_key: ${file:" + ts.MkAbs("secret") + "}", "session_token: ${file:" + ts.MkAbs("session") + "}",
		},
		texts: func(name string) []string {
			for _, set := range f.Sets(id, name) {
				if set.Type == "TXT" {
					return unquoted(t, set.Values, txt.Octal)
				}
			}
			return nil
		},
		wrong: map[string]func(bool){
			"grant":  func(bool) { policy("other.t.test") },
			"narrow": func(bool) { policy("canary.t.test") },
			"clock":  func(bool) { f.SetClock(7 * time.Minute) },
			"zone":   func(bool) { f.DeleteZone(id) },
			"quota":  func(bool) { f.Limit(0.001, 8, 0) },
			"alias": func(bool) {
				f.Put(id, cloudtest.RecordSet{Name: "canary.t.test.", Type: "CNAME", TTL: 60, Values: []string{"elsewhere.t.test."}})
			},
			"expired": func(bool) {
				for range 20 {
					f.Refuse(403, "ExpiredToken", "The security token included in the request is expired")
				}
			},
		},
	}
}

func oracleCloud(t *testing.T, _ *testscript.TestScript) *cloud {
	const id = "ocid1.dns-zone.oc1..t"
	f := cloudtest.NewOCIDNS(t)
	f.AddZone("t.test", id, "PRIMARY", "GLOBAL")
	return &cloud{
		API:   f.API,
		dns:   []string{"config_file: " + f.ConfigFile()},
		texts: func(name string) []string { return unquoted(t, f.Values("t.test", name), txt.Decimal) },
		wrong: map[string]func(bool){
			"grant": func(bool) {
				f.Deny("PATCH", 404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
			},
			"key": func(bool) {
				f.Deny("GET", 401, "NotAuthenticated", "The required information to complete authentication was not provided or was incorrect.")
			},
			"zone":  func(bool) { f.RemoveZone("t.test") },
			"quota": func(bool) { f.Limit(0.001, 8, 0) },
			"alias": func(bool) { f.PutCNAME("t.test", "canary.t.test") },
		},
	}
}

func cloudflareCloud(t *testing.T, ts *testscript.TestScript) *cloud {
	f := cloudtest.NewCloudflare(t)
	id := f.AddZone("t.test")
	ts.Check(os.WriteFile(ts.MkAbs("token"), []byte(cloudtest.CloudflareToken), 0o600))
	return &cloud{
		API: f.API, endpoint: f.Endpoint(), servers: f.ServeDNS(id).Addr,
		dns: []string{"token: ${file:" + ts.MkAbs("token") + "}"},
		wrong: map[string]func(bool){
			"zones":     func(bool) { f.ZoneRead(false) },
			"grant":     func(bool) { f.Deny("write", 403, 10000, "Authentication error") },
			"token":     func(bool) { ts.Check(os.WriteFile(ts.MkAbs("token"), []byte("cfut_"+strings.Repeat("x", 40)), 0o600)) },
			"quota":     func(bool) { f.Limit(0.001, 8, 0) },
			"alias":     func(bool) { f.Put(id, "CNAME", "canary.t.test", "elsewhere.t.test") },
			"gone":      f.AcceptGone,
			"identical": f.AcceptIdentical,
			"aliases":   f.AcceptAliases,
			"left": func(bool) {
				for _, r := range f.Records(id, "") {
					if strings.Contains(r.Name, conformance.Label) {
						t.Errorf("left over: %s %s %s", r.Name, r.Type, r.Content)
					}
				}
			},
		},
	}
}

func unquoted(t *testing.T, values []string, e txt.Escape) (texts []string) {
	for _, v := range values {
		text, err := txt.Unquote(v, e)
		if err != nil {
			t.Errorf("%s: %v", strconv.Quote(v), err)
		}
		texts = append(texts, text)
	}
	return texts
}

// nameServer answers for TXT records with what texts has at a name, with authority
// and over UDP, and returns its address.
func nameServer(t *testing.T, texts func(name string) []string) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serveTexts(conn, texts))
	return conn.LocalAddr().String()
}

// serveTexts is [nameServer] on a socket, and returns what ends it. What it cannot
// read it does not answer.
func serveTexts(conn net.PacketConn, texts func(name string) []string) (end func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 4096); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, err := answerTXT(buf[:n], texts); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return func() {
		conn.Close()
		<-ended
	}
}

func answerTXT(query []byte, texts func(name string) []string) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("not a question: %w", err)
	}
	q := m.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionDesired: m.RecursionDesired},
		Questions: m.Questions,
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	if q.Type == dnsmessage.TypeTXT {
		for _, text := range texts(name) {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.TXTResource{TXT: txt.Strings(text)},
			})
		}
	}
	if len(reply.Answers) == 0 { // so that it is no referral
		zone := dnsmessage.MustNewName("t.test.")
		reply.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: zone, Type: dnsmessage.TypeSOA, Class: q.Class, TTL: 5},
			Body:   &dnsmessage.SOAResource{NS: zone, MBox: zone, Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, MinTTL: 5},
		}}
	}
	return reply.Pack()
}
