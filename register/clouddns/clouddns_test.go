package clouddns_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/clouddns"
	"github.com/solotick/solotick/register/cloudtest"
)

func TestNew(t *testing.T) {
	fake := newFake(t)
	good := config(fake)
	for _, c := range []struct {
		change func(*clouddns.Config)
		want   string
	}{
		{func(c *clouddns.Config) { c.Zone = "" }, `clouddns: zone: "" is no domain name`},
		{func(c *clouddns.Config) { c.TTL = time.Millisecond }, "clouddns: a TTL of 1ms: want whole seconds, from 1 to 2147483647"},
		{func(c *clouddns.Config) { c.TTL = 1500 * time.Millisecond }, "clouddns: a TTL of 1.5s: want whole seconds, from 1 to 2147483647"},
		{func(c *clouddns.Config) { c.Timeout = -1 }, "clouddns: a timeout of -1ns"},
		{func(c *clouddns.Config) { c.Rate = -1 }, "clouddns: a rate of -1 requests a second and a burst of 10000"},
		{func(c *clouddns.Config) { c.Burst = -1 }, "clouddns: a rate of 10000 requests a second and a burst of -1"},
		{func(c *clouddns.Config) { c.Endpoint = "dns.example.com" }, "clouddns: want an endpoint that begins with https://"},
		{func(c *clouddns.Config) { c.Project = "projects/acme" }, "clouddns: a project or a managed zone is a name without slashes"},
		{func(c *clouddns.Config) { c.ManagedZone = "managedZones/t-test" }, "clouddns: a project or a managed zone is a name without slashes"},
		{func(c *clouddns.Config) { c.CredentialsFile = "key.json" }, "clouddns: credentials in the configuration and a file of credentials: want one of them"},
		{func(c *clouddns.Config) { c.Credentials = register.NewSecret("hunter2") }, "clouddns: credentials: want the JSON of a service account's key, as the console or gcloud iam service-accounts keys create gives it"},
		{func(c *clouddns.Config) {
			c.Credentials = register.NewSecret(`{"type": "password", "secret": "hunter2"}`)
		}, `clouddns: credentials of type "password": `},
		{func(c *clouddns.Config) { c.Credentials, c.CredentialsFile = register.Secret{}, "/nowhere/key.json" }, "clouddns: credentials: open /nowhere/key.json: no such file or directory"},
	} {
		cfg := good
		c.change(&cfg)
		_, err := clouddns.New(cfg)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v\nwant  %s", err, c.want)
		}
	}
	c := newClient(t, good)
	for n, want := range map[string]string{
		"canary.example.com": "clouddns: canary.example.com is not in the zone t.test",
		"at.test":            "clouddns: at.test is not in the zone t.test",
		"":                   `clouddns: name: "" is no domain name`,
	} {
		if _, err := c.Register(n); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", n, err, want)
		}
	}
	if reads, _, _ := fake.Count(); reads > 0 || len(fake.Tokens()) > 0 {
		t.Error("New or Register has asked somebody")
	}
	for _, n := range []string{"canary.t.test", "Canary.T.test.", "t.test"} {
		if _, err := at(t, c, n).Load(t.Context()); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", good, good, good); strings.Contains(text, "PRIVATE KEY") {
		t.Error("a Config shows its secret")
	}
}

// TestZone has the ways in which the zone can be found or not.
func TestZone(t *testing.T) {
	const load = "clouddns: load canary.t.test: the register refuses: "
	for _, c := range []struct {
		name     string
		prepare  func(*cloudtest.CloudDNS, *clouddns.Config)
		text, do string // none: it is found
	}{
		{"by its DNS name", func(*cloudtest.CloudDNS, *clouddns.Config) {}, "", ""},
		{"by its DNS name, on the second page", func(f *cloudtest.CloudDNS, c *clouddns.Config) {
			f.AddZone("a-test", "a.test.", "public")
			f.PageSize(1, nil)
		}, "", ""},
		{"by its name, of several", func(f *cloudtest.CloudDNS, c *clouddns.Config) {
			f.AddZone("inside", zone+".", "private")
			c.ManagedZone = managed
		}, "", ""},
		{"in a project that is named", func(_ *cloudtest.CloudDNS, c *clouddns.Config) { c.Project = cloudtest.GoogleProject }, "", ""},
		{
			"one of several", func(f *cloudtest.CloudDNS, c *clouddns.Config) { f.AddZone("inside", zone+".", "private") },
			load + "the project acme has several zones t.test: private inside, public t-test", "managed_zone",
		},
		{
			"none", func(f *cloudtest.CloudDNS, c *clouddns.Config) { f.RemoveZone(managed) },
			load + "the project acme has no zone t.test", "gcloud dns managed-zones list --project=acme",
		},
		{
			"none of the name", func(_ *cloudtest.CloudDNS, c *clouddns.Config) { c.ManagedZone = "other" },
			load + "there is no zone other in the project acme: 404 Not Found: The 'parameters.managedZone' resource named 'other' does not exist. (notFound)", "gcloud dns managed-zones list",
		},
		{
			"another project", func(_ *cloudtest.CloudDNS, c *clouddns.Config) { c.Project = "other" },
			load + "403 Forbidden: Forbidden (forbidden)", "the zone t.test or the project other",
		},
		{"no project", func(f *cloudtest.CloudDNS, c *clouddns.Config) {
			c.Credentials = register.NewSecret(strings.Replace(f.Credentials(), `"project_id":"acme"`, `"project_id":""`, 1))
		}, load + "the credential names no project", "as project"},
		{"zones may not be listed", func(f *cloudtest.CloudDNS, _ *clouddns.Config) {
			f.Deny("dns.managedZones.list", 403, "forbidden", "Forbidden")
		}, load + "403 Forbidden: Forbidden (forbidden)", "solotick keygen policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := newFake(t)
			cfg := config(fake)
			c.prepare(fake, &cfg)
			_, err := open(t, cfg, name).Load(t.Context())
			if c.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, refused, c.text, c.do)
		})
	}
}

// TestZoneMadeAnew has a zone removed and made again under another name.
func TestZoneMadeAnew(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	if _, err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.RemoveZone(managed)
	fake.AddZone("anew", zone+".", "public")
	if _, err := r.Load(t.Context()); kindOf(err) != refused {
		t.Errorf("error %v", err)
	}
	if _, err := r.Load(t.Context()); err != nil {
		t.Errorf("error %v", err)
	}
}

func TestExamine(t *testing.T) {
	const who = "Google gave a token for robot@acme.iam.gserviceaccount.com"
	const may = "all that is needed, by the service's word: dns.changes.create, dns.resourceRecordSets.create, dns.resourceRecordSets.delete, dns.resourceRecordSets.list, dns.resourceRecordSets.update"
	credential := register.Finding{Check: "credential", OK: true, Text: who}
	found := register.Finding{Check: "zone", OK: true, Text: "t-test of the project acme"}
	permissions := register.Finding{Check: "permissions", OK: true, Text: may}
	for _, c := range []struct {
		name    string
		prepare func(*cloudtest.CloudDNS, *clouddns.Config)
		names   []string
		want    []register.Finding
	}{
		{"all is well", func(f *cloudtest.CloudDNS, _ *clouddns.Config) {
			f.Put(managed, fqdn, "TXT", 300, `"one"`, `"two"`)
			f.Put(managed, fqdn, "A", 300, "192.0.2.1")
		}, []string{name, "new." + zone}, []register.Finding{
			credential, found, permissions,
			{Check: name, OK: true, Text: "2 TXT values, with a TTL of 300 s"},
			{Check: "new.t.test", OK: true, Text: "no TXT record yet"},
		}},
		{"no token", func(f *cloudtest.CloudDNS, _ *clouddns.Config) {
			f.NoTokens(400, `{"error": "invalid_grant", "error_description": "Account not found."}`)
		}, nil, []register.Finding{{
			Check: "credential", Text: "the register refuses: no token: HOST answered 400 Bad Request: invalid_grant Account not found.",
			Do: "see that the key was not deleted, that its service account is enabled (gcloud iam service-accounts keys list --iam-account=...), and that this machine's clock is right",
		}}},
		{"no zone", func(f *cloudtest.CloudDNS, _ *clouddns.Config) { f.RemoveZone(managed) }, []string{name}, []register.Finding{
			credential,
			{Check: "zone", Text: "the register refuses: the project acme has no zone t.test", Do: "check both names: gcloud dns managed-zones list --project=acme"},
		}},
		{"another zone", func(f *cloudtest.CloudDNS, c *clouddns.Config) {
			f.AddZone("other", "other.test.", "public")
			c.ManagedZone = "other"
		}, nil, []register.Finding{
			credential,
			{Check: "zone", Text: "other of the project acme is the zone other.test, and not t.test", Do: "name the right one as managed_zone: gcloud dns managed-zones list --project=acme"},
			permissions,
		}},
		{"a private zone", func(f *cloudtest.CloudDNS, _ *clouddns.Config) { f.AddZone(managed, zone+".", "private") }, nil, []register.Finding{
			credential,
			{Check: "zone", OK: true, Text: "t-test of the project acme, a private zone: only its networks see the records by DNS"},
			permissions,
		}},
		{"a zone that may not be seen", func(f *cloudtest.CloudDNS, c *clouddns.Config) {
			f.Deny("dns.managedZones.get", 403, "forbidden", "Forbidden")
			c.ManagedZone = managed
		}, nil, []register.Finding{
			credential,
			{Check: "zone", OK: true, Text: "t-test of the project acme; what it is may not be seen (dns.managedZones.get)"},
			permissions,
		}},
		{"a zone that is not there", func(_ *cloudtest.CloudDNS, c *clouddns.Config) { c.ManagedZone = "other" }, nil, []register.Finding{
			credential,
			{
				Check: "zone", Text: "the register refuses: there is no zone other in the project acme: 404 Not Found: The 'parameters.managedZone' resource named 'other' does not exist. (notFound)",
				Do: "check both names: gcloud dns managed-zones list --project=acme",
			},
		}},
		{"too little", func(f *cloudtest.CloudDNS, _ *clouddns.Config) {
			f.Withhold("dns.changes.create", "dns.resourceRecordSets.update")
		}, nil, []register.Finding{
			credential, found,
			{
				Check: "permissions", Text: "missing on the zone: dns.changes.create, dns.resourceRecordSets.update",
				Do: "grant the role that solotick keygen policy prints to the service account, on the zone t-test or the project acme",
			},
		}},
		{"permissions cannot be asked for", func(f *cloudtest.CloudDNS, _ *clouddns.Config) {
			f.Deny("dns.managedZones.testIamPermissions", 403, "accessNotConfigured", "Cloud DNS API has not been used in project 1 before or it is disabled.")
		}, nil, []register.Finding{
			credential, found,
			{
				Check: "permissions", Text: "the register refuses: 403 Forbidden: Cloud DNS API has not been used in project 1 before or it is disabled. (accessNotConfigured)",
				Do: "enable the API: gcloud services enable dns.googleapis.com --project=acme",
			},
		}},
		{"names that will not do", func(f *cloudtest.CloudDNS, _ *clouddns.Config) {
			f.Put(managed, fqdn, "CNAME", 300, "elsewhere.test.")
			f.PutPolicy(managed, "policy."+zone+".")
		}, []string{name, "policy." + zone, "canary.example.com"}, []register.Finding{
			credential, found, permissions,
			{Check: name, Text: "the register refuses: the name is an alias of elsewhere.test", Do: "use another name, or delete the CNAME: gcloud dns record-sets delete canary.t.test. --type=CNAME --zone=t-test"},
			{
				Check: "policy.t.test", Text: "the register refuses: a routing policy chooses among the TXT records there, so that nobody is told the same",
				Do: "use another name, or delete the policy: gcloud dns record-sets delete policy.t.test. --type=TXT --zone=...",
			},
			{Check: "canary.example.com", Text: "canary.example.com is not in the zone t.test"},
		}},
		{"names that may not be read", func(f *cloudtest.CloudDNS, _ *clouddns.Config) {
			f.Deny("dns.resourceRecordSets.list", 403, "forbidden", "Forbidden")
		}, []string{name}, []register.Finding{
			credential, found, permissions,
			{
				Check: name, Text: "the register refuses: 403 Forbidden: Forbidden (forbidden)",
				Do: "grant the role that solotick keygen policy prints to the service account, on the zone t-test or the project acme",
			},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := newFake(t)
			cfg := config(fake)
			c.prepare(fake, &cfg)
			got := newClient(t, cfg).Examine(t.Context(), c.names...)
			for i := range got {
				got[i].Text = strings.ReplaceAll(got[i].Text, fake.MetadataHost(), "HOST")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(fake.Changes()) > 0 {
				t.Error("it has changed something")
			}
		})
	}
}

// TestAlias has a CNAME at the name of a record.
func TestAlias(t *testing.T) {
	fake := newFake(t)
	fake.Put(managed, fqdn, "CNAME", 300, "elsewhere.test.")
	_, err := open(t, config(fake), name).Swap(t.Context(), register.Snapshot{}, []string{"one"})
	if do, _ := register.Remedy(err); kindOf(err) != refused || !strings.Contains(do, "use another name") {
		t.Errorf("%s: %v, do: %s", kindOf(err), err, do)
	}
}

func TestRole(t *testing.T) {
	role := clouddns.Role("acme")
	for _, want := range []string{
		"gcloud iam roles create solotick --project=acme --file=role.yaml", "projects/acme/roles/solotick",
		"- dns.changes.create\n", "- dns.resourceRecordSets.create\n", "- dns.resourceRecordSets.delete\n", "- dns.resourceRecordSets.list\n", "- dns.resourceRecordSets.update\n",
	} {
		if !strings.Contains(role, want) {
			t.Errorf("no %q in\n%s", want, role)
		}
	}
	if n := strings.Count(role, "\n- "); n != 7 {
		t.Errorf("%d permissions in\n%s", n, role)
	}
	if !strings.Contains(clouddns.Role(""), "--project=PROJECT") {
		t.Error("no place for the project's name")
	}
}
