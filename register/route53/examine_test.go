package route53

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

// TestExamine has each thing wrong that can be found out, and nothing written by
// looking for it.
func TestExamine(t *testing.T) {
	const name = "record.example.com"
	for _, tt := range []struct {
		name string
		set  func(t *testing.T, f *cloudtest.Route53, zone string, cfg *Config)
		want string // what is not well, by check, text and remedy
	}{
		{"all is well", func(*testing.T, *cloudtest.Route53, string, *Config) {}, ""},
		{"the least privilege", func(t *testing.T, f *cloudtest.Route53, zone string, cfg *Config) {
			cfg.ZoneID = zone
			allow(t, f, Policy(zone, []string{name}))
		}, ""},
		{"the least privilege without an id", func(t *testing.T, f *cloudtest.Route53, _ string, _ *Config) { allow(t, f, Policy("", []string{name})) }, ""},
		{"the zone may not be seen", func(t *testing.T, f *cloudtest.Route53, zone string, cfg *Config) {
			cfg.ZoneID = zone
			allow(t, f, strings.Replace(Policy(zone, []string{name}), "route53:GetHostedZone", "route53:GetChange", 1))
		}, ""},
		{"another name is allowed", func(t *testing.T, f *cloudtest.Route53, zone string, cfg *Config) {
			cfg.ZoneID = zone
			allow(t, f, Policy(zone, []string{"other.example.com"}))
		}, "write record.example.com: the register refuses: AccessDenied: User: arn:aws:iam::123456789012:user/solotick is not authorized to perform: route53:ChangeResourceRecordSets / allow the action"},
		{"zones may not be listed", func(t *testing.T, f *cloudtest.Route53, zone string, _ *Config) {
			allow(t, f, Policy(zone, []string{name}))
		}, "credentials: find the zone example.com: the register refuses: AccessDenied: User: arn:aws:iam::123456789012:user/solotick is not authorized to perform: route53:ListHostedZonesByName / allow the action"},
		{"wrong secret", func(_ *testing.T, _ *cloudtest.Route53, _ string, cfg *Config) {
			cfg.SecretAccessKey = register.NewSecret("wrong")
		}, "credentials: find the zone example.com: the register refuses: 403 Forbidden (SignatureDoesNotMatch): the service does not accept the signature / copy the secret"},
		{
			"no such zone", func(_ *testing.T, f *cloudtest.Route53, _ string, cfg *Config) { cfg.Zone = "example.org" },
			"credentials: the register refuses: the account has no public zone example.org / check the zone's name",
		},
		{
			"no such id", func(_ *testing.T, f *cloudtest.Route53, _ string, cfg *Config) { cfg.ZoneID = "Z1" },
			"zone: the register refuses: NoSuchHostedZone: No hosted zone found with ID: Z1 (404) / set dns.zone_id\nread record.example.com: the register refuses: NoSuchHostedZone / set dns.zone_id",
		},
		{
			"another zone's id", func(_ *testing.T, f *cloudtest.Route53, _ string, cfg *Config) { cfg.ZoneID = f.AddZone("example.org") },
			"zone: Z is the zone example.org, and not example.com / set dns.zone_id",
		},
		{"a private zone's id", func(_ *testing.T, f *cloudtest.Route53, _ string, cfg *Config) {
			cfg.ZoneID = f.AddPrivateZone("example.com")
		}, "zone: Z is a private zone / set dns.zone_id"},
		{
			"the clock", func(_ *testing.T, f *cloudtest.Route53, _ string, _ *Config) { f.SetClock(2 * time.Minute) },
			"clock: behind the service's / set it: chronyc tracking",
		},
		{"a CNAME", func(_ *testing.T, f *cloudtest.Route53, zone string, _ *Config) {
			f.Put(zone, cloudtest.RecordSet{Name: name, Type: "CNAME", TTL: 60, Values: []string{"other.example.com."}})
		}, "read record.example.com: the register refuses: the name is a CNAME, beside which no TXT record can be / use another name"},
		{"an alias", func(_ *testing.T, f *cloudtest.Route53, zone string, _ *Config) {
			f.Put(zone, cloudtest.RecordSet{Name: name, Type: "TXT", AliasOf: "other.example.com."})
		}, "read record.example.com: the register refuses: the TXT record set there is an alias / use a name of its own"},
		{"a name elsewhere", func(_ *testing.T, f *cloudtest.Route53, _ string, cfg *Config) {
			cfg.Zone = "example.net"
			f.AddZone("example.net")
		}, "name: route53: record.example.com is not in the zone example.net / "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, zone, _ := start(t)
			cfg := configFor(fake)
			tt.set(t, fake, zone, &cfg)
			before := fake.Sets(zone, name)
			var bad []register.Finding
			for _, f := range newClient(t, cfg).Examine(t.Context(), name) {
				if !f.OK {
					bad = append(bad, f)
				}
				if f.Text == "" {
					t.Errorf("nothing is said of %s", f.Check)
				}
				for _, secret := range []string{fake.SecretAccessKey, fake.SessionToken} {
					if strings.Contains(f.Text+f.Do, secret) {
						t.Errorf("a secret is said of %s", f.Check)
					}
				}
			}
			wantFindings(t, bad, tt.want)
			if diff := cmp.Diff(before, fake.Sets(zone, name)); diff != "" || fake.Changes() > 0 {
				t.Errorf("it was changed %d times (-before +after):\n%s", fake.Changes(), diff)
			}
		})
	}
}

func allow(t *testing.T, f *cloudtest.Route53, policy string) {
	t.Helper()
	if err := f.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
}

// wantFindings wants a line for each finding: its check, words of its text, and how
// its remedy begins.
func wantFindings(t *testing.T, found []register.Finding, want string) {
	t.Helper()
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%s: %s / %s", f.Check, f.Text, f.Do))
	}
	lines := strings.Split(want, "\n")
	if want == "" {
		lines = nil
	}
	if len(lines) != len(got) {
		t.Fatalf("found %q, want %q", got, lines)
	}
	for i, line := range lines {
		text, do, _ := strings.Cut(line, " / ")
		gotText, gotDo, _ := strings.Cut(got[i], " / ")
		for _, words := range strings.Split(text, ": ") {
			if !strings.Contains(gotText, strings.TrimPrefix(words, "Z ")) {
				t.Errorf("found %q, want %q", gotText, words)
			}
		}
		if !strings.HasPrefix(gotDo, do) {
			t.Errorf("do %q, want %q", gotDo, do)
		}
	}
}

func TestPolicy(t *testing.T) {
	const want = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "SwapRecords",
      "Effect": "Allow",
      "Action": [
        "route53:ChangeResourceRecordSets"
      ],
      "Resource": "arn:aws:route53:::hostedzone/Z123",
      "Condition": {
        "ForAllValues:StringEquals": {
          "route53:ChangeResourceRecordSetsActions": [
            "CREATE",
            "DELETE"
          ],
          "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
            "\\052.example.com",
            "canary.example.com"
          ],
          "route53:ChangeResourceRecordSetsRecordTypes": [
            "TXT"
          ]
        }
      }
    },
    {
      "Sid": "LoadRecords",
      "Effect": "Allow",
      "Action": [
        "route53:ListResourceRecordSets",
        "route53:GetHostedZone"
      ],
      "Resource": "arn:aws:route53:::hostedzone/Z123"
    }
  ]
}`
	got := Policy("Z123", []string{"Canary.example.com.", "*.example.com", "canary.example.com", "no..name"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var any struct {
		Statement []struct{ Sid, Resource string }
	}
	if err := json.Unmarshal([]byte(Policy("", []string{"canary.example.com"})), &any); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]struct{ Sid, Resource string }{
		{"SwapRecords", "arn:aws:route53:::hostedzone/*"}, {"LoadRecords", "arn:aws:route53:::hostedzone/*"}, {"FindZone", "*"},
	}, any.Statement); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
