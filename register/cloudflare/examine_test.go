package cloudflare

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// told is findings in lines.
func told(all []register.Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s %v: %s", f.Check, f.OK, f.Text)
		if f.Do != "" {
			fmt.Fprintf(&b, " -> %s", f.Do)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestExamine(t *testing.T) {
	const (
		token   = "token true: the token is valid until 2030-01-01T00:00:00Z\n"
		found   = "zone true: the records of t.test are at /zones/ID/dns_records\n"
		write   = "write true: the token may write, and Cloudflare refused a batch that deletes a record that is not there\n"
		edit    = "give it the permission Zone, DNS, Edit for t.test: solotick keygen policy prints it\n"
		nothing = "read true: canary.t.test can be read, and is not there yet\n"
	)
	for _, c := range []struct {
		name string
		make func(*cloudtest.Cloudflare, string)
		want string
	}{
		{"all is well", func(f *cloudtest.Cloudflare, id string) {}, token + found + write + nothing},
		{
			"a record without a guard", func(f *cloudtest.Cloudflare, id string) { f.Put(id, "TXT", name, `"text"`) },
			token + found + write + "read true: canary.t.test can be read, and holds 1 TXT records; it has no guard yet, which the first write makes\n",
		},
		{
			"an alias", func(f *cloudtest.Cloudflare, id string) { f.Put(id, "CNAME", name, "www.t.test") },
			token + found + write + "read false: cloudflare: load canary.t.test: the register refuses: there is a CNAME record at canary.t.test, beside which no other can be -> use another name, or delete that record\n",
		},
		{
			"it may only read", func(f *cloudtest.Cloudflare, id string) { f.Deny("write", 403, 10000, "Authentication error") },
			token + found + "write false: cloudflare: the register refuses: the token may not do this (403 10000: Authentication error) -> " + edit + nothing,
		},
		{
			"a token of an account", func(f *cloudtest.Cloudflare, id string) { f.Deny("verify", 401, 1000, "Invalid API Token") },
			"token true: the token may read the zone's records; it is none of a user's, so that no more is known of it\n" + found + write + nothing,
		},
		{
			"deletes of what is gone are taken", func(f *cloudtest.Cloudflare, id string) { f.AcceptGone(true) },
			token + found + "write false: the token may write; but Cloudflare took a batch that deletes a record that is not there, so that only the guard keeps two writes apart" +
				" -> tell the makers of Solotick; solotick conformance shows whether the guard holds\n" + nothing,
		},
		{
			"without Zone Read", func(f *cloudtest.Cloudflare, id string) { f.ZoneRead(false) },
			token + "zone false: cloudflare: the register refuses: no zone t.test is listed for this token -> either give the token the permission Zone, Zone, Read for t.test, " +
				"or set dns.zone_id (dashboard: the zone's Overview, in the right column); a zone is named as the dashboard lists it\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake, id := start(t)
			c.make(fake, id)
			before := fake.Records(id, "")
			client := newTest(t, config(fake))
			got := strings.ReplaceAll(told(client.Examine(t.Context(), name)), id, "ID")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, fake.Records(id, "")); diff != "" {
				t.Errorf("something was changed:\n%s", diff)
			}
		})
	}
}

func TestExamineWithoutAService(t *testing.T) {
	cfg := Config{Zone: zoneName, Token: register.NewSecret(cloudtest.CloudflareToken), Endpoint: "http://" + registertest.ClosedPort(t)}
	for _, f := range newTest(t, cfg).Examine(t.Context(), name) {
		if f.OK || f.Text == "" || strings.Contains(f.Text, cloudtest.CloudflareToken) {
			t.Errorf("%+v", f)
		}
	}
}

func TestExamineWithAWrongToken(t *testing.T) {
	fake, _ := start(t)
	cfg := config(fake)
	cfg.Token = register.NewSecret(strings.Repeat("y", 40))
	got := newTest(t, cfg).Examine(t.Context(), name)
	if len(got) != 2 || got[0].OK || got[1].OK || !strings.Contains(got[0].Text, "the token is not valid (401 1000: Invalid API Token)") || !strings.Contains(got[0].Do, "keygen policy") {
		t.Errorf("%s", told(got))
	}
}
