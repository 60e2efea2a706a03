package route53

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

func TestConfig(t *testing.T) {
	secret := register.NewSecret("secret")
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, `zone: "" is no domain name`},
		{Config{Zone: "a..b"}, `zone: "a..b" is no domain name`},
		{Config{Zone: "example.com", ZoneID: "zone/1"}, `"zone/1" is no id of a hosted zone`},
		{Config{Zone: "example.com", TTL: 1500 * time.Millisecond}, "a TTL of 1.5s: want whole seconds, from 1 to 2147483647"},
		{Config{Zone: "example.com", TTL: -time.Second}, "a TTL of -1s"},
		{Config{Zone: "example.com", Timeout: -1}, "a timeout of -1ns"},
		{Config{Zone: "example.com", Rate: -1}, "a rate of -1 requests a second"},
		{Config{Zone: "example.com", Region: "Frankfurt"}, `"Frankfurt" is no region`},
		{Config{Zone: "example.com", Endpoint: "localhost:80"}, "begins with https://"},
		{Config{Zone: "example.com", AccessKeyID: "AKIA"}, "one of them is missing"},
		{Config{Zone: "example.com", SecretAccessKey: secret}, "one of them is missing"},
		{Config{Zone: "example.com", SessionToken: secret}, "a session token belongs to an access key"},
		{Config{Zone: "example.com", AccessKeyID: "AKIA", SecretAccessKey: secret, Profile: "p"}, "an access key and a profile"},
	} {
		_, err := New(tt.cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "route53: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	good := Config{Zone: "Example.com", ZoneID: "/hostedzone/Z1", AccessKeyID: "AKIA", SecretAccessKey: secret, SessionToken: secret}
	c := newClient(t, good)
	if c.zone != "example.com." || c.zoneID != "Z1" || c.ttl != 60 || c.timeout != 10*time.Second {
		t.Errorf("%q %q %d %s", c.zone, c.zoneID, c.ttl, c.timeout)
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(format+format, good, c); strings.Contains(text, "secret") {
			t.Errorf("%s prints a secret", format)
		}
	}
}

// TestFindZone finds the zone by its name among others.
func TestFindZone(t *testing.T) {
	for _, tt := range []struct {
		name            string
		public, private []string
		kind            string
		texts           []string
	}{
		{"one", []string{"example.com", "a.example.com", "example.net", "xample.com"}, nil, "", nil},
		{"and a private one", []string{"example.com"}, []string{"example.com", "example.com"}, "", nil},
		{"on the next page", []string{"example.com"}, []string{"example.com", "example.com", "example.com", "example.com"}, "", nil},
		{"none", []string{"a.example.com", "com"}, nil, refused, []string{"the account has no public zone example.com", "list-hosted-zones-by-name --dns-name example.com"}},
		{"none at all", nil, nil, refused, []string{"no public zone example.com"}},
		{"a private one", nil, []string{"example.com"}, refused, []string{"only a private one: Z", "use a public hosted zone"}},
		{"two", []string{"example.com", "example.com"}, nil, refused, []string{"2 public zones example.com: Z", "set dns.zone_id"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake := cloudtest.NewRoute53(t)
			fake.PageSize = 2
			for _, name := range tt.private {
				fake.AddPrivateZone(name)
			}
			for _, name := range tt.public {
				fake.AddZone(name)
			}
			r := open(t, newClient(t, configFor(fake)), "record.example.com")
			s, err := r.Load(t.Context())
			wantError(t, fake, err, tt.kind, tt.texts...)
			if err == nil {
				swap(t, r, s, "text")
			}
			if reads, _, _ := fake.Count(); tt.name == "one" && reads != 2 { // the zones, and the record
				t.Errorf("%d lists", reads)
			}
		})
	}
}

// TestZoneMadeAnew has a zone deleted and made again, with another id.
func TestZoneMadeAnew(t *testing.T) {
	fake, zone, c := start(t)
	r := open(t, c, "record.example.com")
	s := swap(t, r, register.Snapshot{}, "text")
	fake.DeleteZone(zone)
	fake.AddZone("example.com")
	_, err := r.Swap(t.Context(), s, []string{"next"})
	wantError(t, fake, err, refused, "NoSuchHostedZone")
	swap(t, r, load(t, r), "next")
}

// clean keeps everything of this machine from being found: keys, files, roles.
func clean(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // so that it is put back
			os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": filepath.Join(home, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, "credentials"),
	} {
		t.Setenv(name, value)
	}
	return home
}

// TestCredentials finds credentials where Amazon's library does.
func TestCredentials(t *testing.T) {
	fake, _, _ := start(t)
	keys := fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", fake.AccessKeyID, fake.SecretAccessKey, fake.SessionToken)
	env := func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", fake.AccessKeyID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", fake.SecretAccessKey)
		t.Setenv("AWS_SESSION_TOKEN", fake.SessionToken)
	}
	for _, tt := range []struct {
		name  string
		set   func(t *testing.T, home string, cfg *Config)
		kind  string
		texts []string
	}{
		{"environment", func(t *testing.T, _ string, _ *Config) { env(t) }, "", nil},
		{"default profile", func(t *testing.T, home string, _ *Config) { write(t, home, "credentials", "[default]\n"+keys) }, "", nil},
		{"profile", func(t *testing.T, home string, cfg *Config) {
			write(t, home, "credentials", "[default]\naws_access_key_id = x\naws_secret_access_key = y\n[dns]\n"+keys)
			cfg.Profile = "dns"
		}, "", nil},
		{"no such profile", func(t *testing.T, _ string, cfg *Config) { cfg.Profile = "dns" }, unapplied, []string{"no credentials of AWS", "dns", "set an access key or a profile"}},
		{"none", func(*testing.T, string, *Config) {}, unapplied, []string{"no credentials of AWS", "set an access key or a profile"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := clean(t)
			cfg := Config{Zone: "example.com", Endpoint: fake.URL}
			tt.set(t, home, &cfg)
			r := open(t, newClient(t, cfg), strings.ReplaceAll(tt.name, " ", "-")+".example.com")
			s, err := r.Load(t.Context())
			wantError(t, fake, err, tt.kind, tt.texts...)
			_, err = r.Swap(t.Context(), s, []string{"text"})
			wantError(t, fake, err, tt.kind, tt.texts...)
		})
	}
}

func write(t *testing.T, home, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNewCredentials has credentials expire, and others laid down in their place.
func TestNewCredentials(t *testing.T) {
	fake, _, _ := start(t)
	home := clean(t)
	write(t, home, "credentials", "[default]\naws_access_key_id = AKIAOLD\naws_secret_access_key = old\n")
	r := open(t, newClient(t, Config{Zone: "example.com", Endpoint: fake.URL}), "record.example.com")
	_, err := r.Load(t.Context())
	wantError(t, fake, err, refused, "InvalidClientTokenId")
	write(t, home, "credentials", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n",
		fake.AccessKeyID, fake.SecretAccessKey, fake.SessionToken))
	swap(t, r, load(t, r), "text")
}

// TestRole assumes a role first.
func TestRole(t *testing.T) {
	fake, _, _ := start(t)
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		asked <- r.Form.Get("Action") + " " + r.Form.Get("RoleArn") + " " + r.Form.Get("RoleSessionName")
		type key struct {
			ID         string `xml:"AccessKeyId"`
			Secret     string `xml:"SecretAccessKey"`
			Token      string `xml:"SessionToken"`
			Expiration string
		}
		type response struct {
			XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
			Key     key      `xml:"AssumeRoleResult>Credentials"`
		}
		data, err := xml.Marshal(response{Key: key{fake.AccessKeyID, fake.SecretAccessKey, fake.SessionToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/xml")
		w.Write(data)
	}))
	t.Cleanup(server.Close)
	c := newClient(t, Config{
		Zone: "example.com", Endpoint: fake.URL, AccessKeyID: "AKIABASE", SecretAccessKey: register.NewSecret("base"),
		RoleARN: "arn:aws:iam::123456789012:role/dns",
	})
	c.sts = server.URL
	r := open(t, c, "record.example.com")
	swap(t, r, load(t, r), "text")
	if got := <-asked; got != "AssumeRole arn:aws:iam::123456789012:role/dns solotick" || len(asked) > 0 {
		t.Errorf("asked for %s, and %d more", got, len(asked))
	}
}

// TestRoleDenied may not assume the role.
func TestRoleDenied(t *testing.T) {
	fake, _, _ := start(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: x is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
	}))
	t.Cleanup(server.Close)
	c := newClient(t, Config{
		Zone: "example.com", Endpoint: fake.URL, AccessKeyID: "AKIABASE", SecretAccessKey: register.NewSecret("base"),
		RoleARN: "arn:aws:iam::123456789012:role/dns",
	})
	c.sts = server.URL
	_, err := open(t, c, "record.example.com").Swap(t.Context(), register.Snapshot{}, []string{"x"})
	wantError(t, fake, err, unapplied, "no credentials of AWS", "not authorized to perform: sts:AssumeRole", "that they may assume the role")
}

// TestWhere asks nobody but Amazon, in the partition of the region, whatever the
// environment says of endpoints.
func TestWhere(t *testing.T) {
	for _, tt := range []struct {
		cfg      Config
		env      string // AWS_REGION
		url      string
		signedBy string // the region in the signature
	}{
		{Config{}, "", "https://route53.amazonaws.com", "us-east-1"},
		{Config{Region: "eu-central-1"}, "", "https://route53.amazonaws.com", "us-east-1"},
		{Config{Region: "cn-north-1"}, "", "https://route53.amazonaws.com.cn", "cn-northwest-1"},
		{Config{Region: "us-gov-east-1"}, "", "https://route53.us-gov.amazonaws.com", "us-gov-west-1"},
		{Config{AccessKeyID: "-"}, "cn-north-1", "https://route53.amazonaws.com.cn", "cn-northwest-1"},
		{Config{Endpoint: "https://dns.example.net/"}, "", "https://dns.example.net", "us-east-1"},
	} {
		t.Run(tt.url+" "+tt.cfg.Region, func(t *testing.T) {
			clean(t)
			for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ROUTE_53"} {
				t.Setenv(name, "https://elsewhere.example.net")
			}
			t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			if tt.env != "" {
				t.Setenv("AWS_REGION", tt.env)
			}
			cfg := tt.cfg
			cfg.Zone, cfg.ZoneID = "example.com", "Z1"
			if cfg.AccessKeyID = strings.Trim(cfg.AccessKeyID, "-"); tt.env == "" {
				cfg.AccessKeyID, cfg.SecretAccessKey = "AKIA", register.NewSecret("secret")
			}
			c := newClient(t, cfg)
			var urls []string
			c.http = doer(func(req *http.Request) (*http.Response, error) {
				urls = append(urls, req.URL.Scheme+"://"+req.URL.Host)
				if !strings.Contains(req.Header.Get("Authorization"), "/"+tt.signedBy+"/route53/") {
					t.Errorf("signed: %s", req.Header.Get("Authorization"))
				}
				return nil, fmt.Errorf("not sent")
			})
			r := open(t, c, "record.example.com")
			if _, err := r.Load(t.Context()); kindOf(err) != unapplied {
				t.Error(err)
			}
			if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"x"}); kindOf(err) != unapplied {
				t.Error(err)
			}
			if got := strings.Join(urls, " "); got != tt.url+" "+tt.url {
				t.Errorf("asked %s", got)
			}
		})
	}
}
