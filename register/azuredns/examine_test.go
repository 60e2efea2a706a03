package azuredns

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

func TestExamine(t *testing.T) {
	fake := start(t)
	c := newTest(t, config(fake.URL))
	r, err := c.Register(canary)
	if err != nil {
		t.Fatal(err)
	}
	swap(t, r, register.Snapshot{}, "first")
	before := load(t, r)
	want := []register.Finding{
		{Check: "credential", OK: true, Text: "Microsoft Entra gives a token"},
		{Check: "read", OK: true, Text: "canary.t.test can be read, and holds 1 TXT records"},
		{Check: "write", OK: true, Text: "canary.t.test can be written: a write with an ETag that is not current was refused as a conflict"},
		{Check: "read", OK: true, Text: "new.t.test can be read, and is not there yet"},
		{Check: "write", OK: true, Text: "new.t.test can be written: a write with an ETag that is not current was refused as a conflict"},
	}
	if diff := cmp.Diff(want, c.Examine(t.Context(), canary, "new.t.test.")); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if after := load(t, r); after.Tag != before.Tag {
		t.Errorf("it has changed the record: %q, then %q", before.Tag, after.Tag)
	}
	if _, _, _, ok := fake.Set(subscription, group, zone, "new"); ok {
		t.Error("it has created a record")
	}
}

func TestExamineFaults(t *testing.T) {
	for name, row := range map[string]struct {
		prepare     func(*cloudtest.AzureDNS)
		record      string
		check, text string
		do          string
	}{
		"write": {func(f *cloudtest.AzureDNS) { f.Deny("write", "AuthorizationFailed") }, canary, "write", "azuredns: write canary.t.test: the register refuses: 403", "az role assignment create"},
		"read":  {func(f *cloudtest.AzureDNS) { f.Deny("read", "AuthorizationFailed") }, canary, "read", "azuredns: load canary.t.test: the register refuses: 403", "az role assignment create"},
		"name":  {func(*cloudtest.AzureDNS) {}, "canary.example.com", "name", "azuredns: canary.example.com is not in the zone t.test", ""},
		"CNAME": {func(f *cloudtest.AzureDNS) { f.PutCNAME(subscription, group, zone, "canary") }, canary, "write", "azuredns: write canary.t.test: the register refuses: 409 Conflict: a CNAME is there", "az network dns record-set cname delete"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := start(t)
			row.prepare(fake)
			all := newTest(t, config(fake.URL)).Examine(t.Context(), row.record)
			last := all[len(all)-1]
			if last.OK || last.Check != row.check || !strings.Contains(last.Text, row.text) || !strings.Contains(last.Do, row.do) {
				t.Errorf("%+v", last)
			}
		})
	}
	fake := start(t)
	e := &entra{t: t, code: 401, fail: "AADSTS7000222: expired"}
	cfg := config(fake.URL)
	cfg.TenantID, cfg.ClientID, cfg.ClientSecret = tenant, clientID, register.NewSecret("hunter2")
	c, err := newClient(cfg, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := c.Examine(t.Context(), canary)
	if len(all) != 1 || all[0].OK || all[0].Check != "credential" || !strings.Contains(all[0].Do, "az ad app credential reset") {
		t.Errorf("%+v", all)
	}
}

// TestIgnoredETag: a service that takes no notice of the condition is found out,
// and the record keeps its texts even so.
func TestIgnoredETag(t *testing.T) {
	fake := start(t)
	fake.IgnoreConditions(true)
	c := newTest(t, config(fake.URL))
	fake.Put(subscription, group, zone, "canary", nil, []string{"first"})
	all := c.Examine(t.Context(), canary)
	if last := all[len(all)-1]; last.OK || !strings.Contains(last.Text, "this is no register") {
		t.Errorf("%+v", last)
	}
	if values, _, _, _ := fake.Set(subscription, group, zone, "canary"); !cmp.Equal(values, [][]string{{"first"}}) {
		t.Errorf("%q", values)
	}
}

func TestRole(t *testing.T) {
	got := Role(subscription, group, "T.test.", []string{"canary.t.test", "t.test."})
	for _, want := range []string{
		`"Actions": ["Microsoft.Network/dnsZones/TXT/read", "Microsoft.Network/dnsZones/TXT/write", "Microsoft.Network/dnsZones/TXT/delete"]`,
		`"AssignableScopes": ["/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/dns"]`,
		`--scope "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/dns/providers/Microsoft.Network/dnsZones/t.test/TXT/canary"`,
		`/dnsZones/t.test/TXT/@"`,
		`--role "Solotick record"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
}
