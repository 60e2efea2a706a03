package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/config"
)

// TestWithheldBy: commands inherit nothing that the agent has its credential from, and
// everything else.
func TestWithheldBy(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AZURE_TOKEN_CREDENTIALS", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_CLIENT_SECRET"} {
		t.Setenv(name, "")
	}
	keys := []string{"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN"}
	const route53 = "provider: route53, zone: example.com"
	const azure = "provider: azuredns, zone: example.com, subscription: s, resource_group: g"
	for name, c := range map[string]struct {
		dns  string
		env  []string // names and values
		want []string
	}{
		"what the file names":          {"provider: cloudflare, zone: example.com, token: '${env:TOKEN}'", []string{"TOKEN", "x"}, []string{"TOKEN"}},
		"but not what everybody needs": {"provider: cloudflare, zone: example.com, token: '${env:TOKEN}${env:HOME}'", []string{"TOKEN", "x", "HOME", "/root"}, []string{"TOKEN"}},
		"of Cloud Foundry":             {"provider: cloudflare, zone: example.com, token: '${vcap:a.b}'", []string{"VCAP_SERVICES", `{"u": [{"name": "a", "credentials": {"b": "x"}}]}`}, []string{"VCAP_SERVICES"}},
		"keys of AWS":                  {route53, []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S"}, keys},
		"of AWS, for a role":           {route53 + ", role_arn: 'arn:aws:iam::123456789012:role/r'", []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_KEY", "S"}, keys},
		"half a key is not used":       {route53, []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", ""}, nil},
		"nor one beside a profile":     {route53 + ", profile: dns", []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S"}, nil},
		"nor one beside the file's":    {route53 + ", access_key_id: B, secret_access_key: '${env:SECRET}'", []string{"SECRET", "x", "AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S"}, []string{"SECRET"}},
		"nor another provider's":       {"provider: cloudflare, zone: example.com, token: '${env:TOKEN}'", []string{"TOKEN", "x", "AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S"}, []string{"TOKEN"}},
		"a secret of Azure":            {azure, []string{"AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", "AZURE_CLIENT_SECRET", "x", "AZURE_USERNAME", "u"}, []string{"AZURE_CLIENT_SECRET"}},
		"a certificate's password":     {azure, []string{"AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", "AZURE_CLIENT_CERTIFICATE_PATH", "/c"}, []string{"AZURE_CLIENT_CERTIFICATE_PASSWORD"}},
		"a user's":                     {azure, []string{"AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", "AZURE_USERNAME", "u", "AZURE_TOKEN_CREDENTIALS", "environmentcredential"}, []string{"AZURE_PASSWORD"}},
		"of no application":            {azure, []string{"AZURE_TENANT_ID", "", "AZURE_CLIENT_ID", "c", "AZURE_CLIENT_SECRET", "x"}, nil},
		"beside the file's identity":   {azure + ", client_id: c", []string{"AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", "AZURE_CLIENT_SECRET", "x"}, nil},
		"beside the machine's":         {azure, []string{"AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", "AZURE_CLIENT_SECRET", "x", "AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for kv := range slices.Chunk(c.env, 2) {
				t.Setenv(kv[0], kv[1])
			}
			path := filepath.Join(t.TempDir(), "solotick.yaml")
			if err := os.WriteFile(path, []byte("version: 1\ndns: { "+c.dns+" }\njobs: { canary: { every: 60s, exec: [x] } }\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := config.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			got := withheldBy(path, file)
			slices.Sort(got)
			if d := cmp.Diff(c.want, slices.Compact(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestWithheldOnceNamed: a variable that a file has named is withheld for as long as the
// agent lives, whatever the file says later: it is in its environment still.
func TestWithheldOnceNamed(t *testing.T) {
	t.Setenv("ONE", "x")
	t.Setenv("TWO", "x")
	f := &fleet{file: filepath.Join(t.TempDir(), "solotick.yaml")}
	for _, c := range []struct {
		token string
		want  []string
	}{{"ONE", []string{"ONE"}}, {"TWO", []string{"ONE", "TWO"}}, {"TWO", []string{"ONE", "TWO"}}} {
		text := "version: 1\ndns: { provider: cloudflare, zone: example.com, token: '${env:" + c.token + "}' }\njobs: { canary: { every: 60s, exec: [x] } }\n"
		if err := os.WriteFile(f.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := config.Load(f.file)
		if err != nil {
			t.Fatal(err)
		}
		f.hide(file, &service{})
		if d := cmp.Diff(c.want, *f.withheld.Load()); d != "" {
			t.Error(d)
		}
	}
}
