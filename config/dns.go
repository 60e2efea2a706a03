package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// DNS says where the records are, and how they are written. Which fields are of
// use depends on Provider.
type DNS struct {
	Provider string
	Zone     string // without the last dot, in lower case
	TTL      time.Duration
	Timeout  time.Duration // of one question, update or request
	// NameServers show the records to outsiders, host:port; none: those that the
	// zone names, or Server.
	NameServers []string
	// AcceptWeaker says that the user knows what the provider's class means.
	AcceptWeaker bool
	// Rate is how many requests a minute the account may send; 0: what the provider
	// documents.
	Rate     int
	Endpoint string // another server that speaks the provider's API; empty: the provider's

	Server string // host:port
	// TSIG is a key as text, TSIGFile the path of one; at most one is set.
	TSIG     Secret
	TSIGFile string

	ZoneID string

	Profile, RoleARN, Region   string
	AccessKeyID                string
	SecretAccessKey, SessToken Secret

	Project, ManagedZone string
	// Credentials is a key as JSON, CredentialsFile the path of one; at most one is
	// set.
	Credentials     Secret
	CredentialsFile string

	Subscription, ResourceGroup, TenantID, ClientID, Cloud string
	ClientSecret                                           Secret

	ConfigFile        string
	InstancePrincipal bool
	Passphrase        Secret

	Token Secret

	ApplicationKey                 string
	ApplicationSecret, ConsumerKey Secret

	Command []string
	URL     string
	Class   string

	// Settle has claims settle in place of ballots: within that time a write takes
	// effect. 0: ballots.
	Settle time.Duration

	command argv
	mode    string
}

// A provider is what the file has to know of one.
type provider struct {
	name string
	keys []string // beside those of all providers
	need []string // of these
	ttl  time.Duration
	lag  time.Duration // by which its name servers usually trail what was written
	also []string      // what it is called elsewhere
}

// cloudKeys are those of every provider with an API of its own.
var cloudKeys = []string{"name_servers", "endpoint", "rate"}

// providers are all that a file may name. The lag is that of the provider's
// package, or what is assumed of the others: see docs/providers.md.
var providers = []provider{
	{name: "rfc2136", keys: []string{"server", "tsig"}, need: []string{"server"}, lag: 2 * time.Second, also: []string{"bind", "knot", "powerdns", "ddns", "nsupdate"}},
	{
		name: "route53", keys: append([]string{"zone_id", "profile", "role_arn", "region", "access_key_id", "secret_access_key", "session_token"}, cloudKeys...),
		lag: 10 * time.Second, also: []string{"aws", "amazon"},
	},
	{
		name: "clouddns", keys: append([]string{"project", "managed_zone", "credentials"}, cloudKeys...),
		lag: 10 * time.Second, also: []string{"google", "gcp", "gcloud", "googleclouddns"},
	},
	{
		name: "azuredns", keys: append([]string{"subscription", "resource_group", "tenant_id", "client_id", "client_secret", "cloud"}, cloudKeys...),
		need: []string{"subscription", "resource_group"}, lag: 10 * time.Second, also: []string{"azure"},
	},
	{
		name: "cloudflare", keys: append([]string{"zone_id", "token", "mode"}, cloudKeys...), need: []string{"token"},
		ttl: time.Minute, lag: 5 * time.Second, also: []string{"cf"},
	},
	{
		name: "ocidns", keys: append([]string{"zone_id", "profile", "region", "config_file", "instance_principal", "passphrase"}, cloudKeys...),
		lag: 10 * time.Second, also: []string{"oci", "oracle"},
	},
	{name: "command", keys: []string{"command", "url", "token", "class", "name_servers"}, lag: 10 * time.Second, also: []string{"exec", "script", "webhook", "http"}},
	{name: "desec", keys: []string{"token", "settle", "name_servers"}, need: []string{"token"}, ttl: time.Hour, lag: 30 * time.Second},
	libdns("digitalocean", 30*time.Second, "do"),
	libdns("gandi", 5*time.Minute, "livedns"),
	libdns("hetzner", time.Minute, "hcloud"),
	{
		name: "ovh", keys: []string{"region", "application_key", "application_secret", "consumer_key", "name_servers"},
		need: []string{"region", "application_key", "application_secret", "consumer_key"}, ttl: time.Minute, lag: 30 * time.Second, also: []string{"ovhcloud"},
	},
}

// libdns is a provider that only overwrites, by its libdns module; ttl is the least
// that it takes.
func libdns(name string, ttl time.Duration, also ...string) provider {
	return provider{name: name, keys: []string{"token", "name_servers"}, need: []string{"token"}, ttl: ttl, lag: 30 * time.Second, also: also}
}

// Providers are the names of all providers.
func Providers() []string {
	var all []string
	for _, p := range providers {
		all = append(all, p.name)
	}
	return all
}

// commonKeys are those of all providers.
var commonKeys = []string{"provider", "zone", "ttl", "timeout", "accept_weaker"}

var dnsKeys = []key[DNS]{
	{name: "provider", also: []string{"type", "service"}, doc: "how records are written", to: func(d *DNS) any { return &d.Provider }, rule: rule{required: true, oneOf: Providers()}},
	{name: "zone", also: []string{"domain", "zone_name"}, doc: "the DNS zone that holds the records", to: func(d *DNS) any { return &d.Zone }, rule: rule{required: true, check: checkDNSName, pattern: dnsName}},
	{name: "ttl", doc: "the TTL of the records; if absent 60s, or the least that the provider takes", to: func(d *DNS) any { return &d.TTL }, rule: rule{least: second, most: 24 * hour, seconds: true}},
	{name: "timeout", doc: "how long a server may take for an answer; if absent 5s for rfc2136, and 10s for the others", to: func(d *DNS) any { return &d.Timeout }, rule: rule{least: second / 10, most: minute}},
	{name: "accept_weaker", also: []string{"force", "unsafe"}, doc: "start although the provider's class is weaker than exact; solotick doctor says what that means", to: func(d *DNS) any { return &d.AcceptWeaker }},
	{name: "name_servers", also: []string{"nameservers", "resolvers", "servers"}, doc: "the servers that show the records, host or host:port (53), if not those that the zone names", to: func(d *DNS) any { return &d.NameServers }, rule: rule{check: checkServer}},
	{name: "rate", also: []string{"rate_limit"}, doc: "how many requests a minute the account may send, if that is not what the provider documents", to: func(d *DNS) any { return &d.Rate }, rule: rule{least: 1, most: 1_000_000}},
	{name: "endpoint", also: []string{"api", "base_url"}, doc: "another server that speaks the provider's API", to: func(d *DNS) any { return &d.Endpoint }, rule: rule{check: checkEndpoint, pattern: endpointURL}},

	{name: "server", also: []string{"primary", "host"}, doc: "the primary server, host or host:port (53)", to: func(d *DNS) any { return &d.Server }, rule: rule{check: checkServer}},
	{name: "tsig", also: []string{"key", "tsig_key", "secret"}, doc: "the TSIG key: the path of a key file, ${file:/path}, or ${env:NAME} with [algorithm:]name:secret", to: func(d *DNS) any { return &d.TSIG }},

	{name: "zone_id", also: []string{"hosted_zone_id", "zoneid"}, doc: "the provider's own id of the zone; if absent it is looked for by name", to: func(d *DNS) any { return &d.ZoneID }},

	{name: "profile", doc: "the profile in the configuration files of AWS, or of OCI", to: func(d *DNS) any { return &d.Profile }},
	{name: "role_arn", also: []string{"role", "assume_role"}, doc: "the role to assume", to: func(d *DNS) any { return &d.RoleARN }},
	{name: "region", doc: "the region: of AWS it decides the partition, and is us-east-1 if absent; of OCI it is where the zone is managed; of OVHcloud it is ovh-eu, ovh-ca or ovh-us", to: func(d *DNS) any { return &d.Region }},
	{name: "access_key_id", also: []string{"access_key"}, doc: "the access key; if absent it is found as AWS programs do", to: func(d *DNS) any { return &d.AccessKeyID }},
	{name: "secret_access_key", also: []string{"secret_key"}, doc: "and its secret", to: func(d *DNS) any { return &d.SecretAccessKey }, rule: rule{secret: true}},
	{name: "session_token", doc: "of temporary keys", to: func(d *DNS) any { return &d.SessToken }, rule: rule{secret: true}},

	{name: "project", also: []string{"project_id"}, doc: "the Google Cloud project; if absent that of the credential", to: func(d *DNS) any { return &d.Project }},
	{name: "managed_zone", doc: "Google's name of the zone; if absent it is looked for by its DNS name", to: func(d *DNS) any { return &d.ManagedZone }},
	{name: "credentials", also: []string{"service_account", "key_file"}, doc: "the key of a service account: the path of its file, ${file:/path}, or ${env:NAME}; if absent it is found as Google's programs do", to: func(d *DNS) any { return &d.Credentials }},

	{name: "subscription", also: []string{"subscription_id"}, doc: "the id of the Azure subscription", to: func(d *DNS) any { return &d.Subscription }},
	{name: "resource_group", doc: "the resource group of the zone", to: func(d *DNS) any { return &d.ResourceGroup }},
	{name: "tenant_id", also: []string{"tenant"}, doc: "the directory of client_id", to: func(d *DNS) any { return &d.TenantID }},
	{name: "client_id", doc: "the application, or a managed identity that a user has assigned; if absent the machine's own identity", to: func(d *DNS) any { return &d.ClientID }},
	{name: "client_secret", doc: "the application's secret", to: func(d *DNS) any { return &d.ClientSecret }, rule: rule{secret: true}},
	{name: "cloud", also: []string{"environment"}, doc: "which of Azure's clouds", to: func(d *DNS) any { return &d.Cloud }, rule: rule{oneOf: []string{"public", "china", "government"}}},

	{name: "config_file", doc: "a file as the oci command line has it; if absent ~/.oci/config", to: func(d *DNS) any { return &d.ConfigFile }, rule: rule{check: checkPath, pattern: "^/"}},
	{name: "instance_principal", doc: "be what Oracle has made the instance, without a file", to: func(d *DNS) any { return &d.InstancePrincipal }},
	{name: "passphrase", doc: "that of the key which the file names", to: func(d *DNS) any { return &d.Passphrase }, rule: rule{secret: true}},

	{name: "token", also: []string{"api_token", "apitoken", "api_key"}, doc: "the API token", to: func(d *DNS) any { return &d.Token }, rule: rule{secret: true}},
	{name: "application_key", doc: "the key of an application at OVHcloud", to: func(d *DNS) any { return &d.ApplicationKey }},
	{name: "application_secret", doc: "and its secret", to: func(d *DNS) any { return &d.ApplicationSecret }, rule: rule{secret: true}},
	{name: "consumer_key", doc: "what the application may do, and for whom", to: func(d *DNS) any { return &d.ConsumerKey }, rule: rule{secret: true}},
	{name: "mode", doc: "how a record is replaced: batch, and no other", to: func(d *DNS) any { return &d.mode }, rule: rule{check: checkMode, pattern: "^batch$"}},

	{name: "command", also: []string{"exec", "argv", "program"}, doc: "a program and its arguments, which reads and swaps records: docs/providers.md", to: func(d *DNS) any { return &d.command }},
	{name: "url", doc: "or an endpoint that does, https:// or http://", to: func(d *DNS) any { return &d.URL }, rule: rule{check: checkEndpoint, pattern: endpointURL}},
	{name: "class", doc: "whether it compares and replaces in one step: exact, or conditional if nobody is sure", to: func(d *DNS) any { return &d.Class }, rule: rule{def: "conditional", oneOf: []string{"exact", "conditional"}}},

	{name: "settle", doc: "only where one name is all that the token may write: no ballots, but claims that settle, if every write takes effect within this time", to: func(d *DNS) any { return &d.Settle }, rule: rule{least: second, most: 10 * minute, seconds: true}},
}

// providerOf is the provider that a mapping names; false: none that is known.
func providerOf(name string) (provider, bool) {
	i := slices.IndexFunc(providers, func(p provider) bool { return p.name == name })
	if i < 0 {
		return provider{}, false
	}
	return providers[i], true
}

func (p provider) knows(key string) bool {
	return slices.Contains(commonKeys, key) || slices.Contains(p.keys, key)
}

// keysOf are the keys of a provider.
func keysOf(p provider) []key[DNS] {
	var all []key[DNS]
	for _, k := range dnsKeys {
		if p.knows(k.name) {
			k.required = k.required || slices.Contains(p.need, k.name)
			all = append(all, k)
		}
	}
	return all
}

// others are the providers that know a key.
func others(key string) (names []string) {
	for _, p := range providers {
		if p.knows(key) {
			names = append(names, p.name)
		}
	}
	return names
}

// unknownOf is the hint at a key that is not one of the file's provider.
func unknownOf(word string, keys []key[DNS]) string {
	hint := unknownHint(word, keys)
	if all := others(word); len(all) > 0 && !strings.HasPrefix(hint, "did you mean") {
		return fmt.Sprintf("it is a key of %s; %s", strings.Join(all, ", "), hint)
	}
	return hint
}

// dns reads dns: whose keys depend on the first of them.
func (w *walker) dns(n *yaml.Node, path string, d *DNS) {
	var named string
	if n.Kind == yaml.MappingNode {
		each(n, func(name string, v *yaml.Node) {
			if name == "provider" && v.Kind == yaml.ScalarNode {
				named, _, _ = w.interpolate(v.Value)
			}
		})
	}
	p, known := providerOf(named)
	keys := dnsKeys
	if known {
		keys = keysOf(p)
	} else if meant := calledElsewhere(named); meant != "" {
		keys = slices.Clone(dnsKeys)
		keys[0].check, keys[0].oneOf = func(string) error { return problem{"is no provider", fmt.Sprintf("did you mean %q?", meant)} }, nil
	}
	preset(keys, d)
	at := objectOf(w, n, path, keys, d, unknownOf)
	d.Zone = canonical(d.Zone)
	if at.given("server") {
		d.Server, _ = hostPort(d.Server)
	}
	for i, s := range d.NameServers {
		d.NameServers[i], _ = hostPort(s)
	}
	d.TSIG, d.TSIGFile = w.secretOrFile(at, "tsig", d.TSIG, "the absolute path of a key file, or ${env:NAME}; see solotick keygen tsig")
	d.Credentials, d.CredentialsFile = w.secretOrFile(at, "credentials", d.Credentials, "the absolute path of a key's file, or ${env:NAME}")
	d.Command = d.command.words
	if known {
		w.dnsAgrees(n, path, at, p, d)
	}
}

// dnsAgrees checks what one key has to do with others, and fills what follows
// from the provider.
func (w *walker) dnsAgrees(n *yaml.Node, path string, at places, p provider, d *DNS) {
	together := func(a, b string) {
		if at[a].key != nil && at[b].key == nil {
			w.mistake(at[a].key, at[a].path, "", "%s is missing, to which it belongs", b)
		}
	}
	together("access_key_id", "secret_access_key")
	together("secret_access_key", "access_key_id")
	together("session_token", "access_key_id")
	together("client_secret", "client_id")
	together("client_secret", "tenant_id")
	if d.InstancePrincipal {
		for _, key := range []string{"config_file", "profile", "passphrase"} {
			if at[key].key != nil {
				w.mistake(at[key].key, at[key].path, "leave one of them out", "has no meaning with instance_principal")
			}
		}
	}
	if p.name == "command" {
		switch one, other := at["command"], at["url"]; {
		case one.key == nil && other.key == nil:
			w.mistake(n, path, "", "command or url is missing")
		case one.key != nil && other.key != nil:
			w.mistake(other.key, other.path, "leave one of them out", "command and url are both given")
		case one.key != nil && at["token"].key != nil:
			w.mistake(at["token"].key, at["token"].path, "a program finds it in its environment, or in a file", "token is for url:")
		case one.good && d.command.text:
			w.mistake(one.value, one.path, "command: [program, argument, ...]", "want a list of arguments, got one text")
		case one.good && d.command.words[0] == "":
			w.mistake(one.value, one.path, "", "the program has no name")
		}
	}
	if ttl := at["ttl"]; ttl.good && d.TTL < p.ttl {
		w.mistake(ttl.value, ttl.path, "", "%s takes at least %s", p.name, short(p.ttl))
	}
	d.TTL = cmp.Or(d.TTL, max(p.ttl, time.Minute))
	d.Timeout = cmp.Or(d.Timeout, timeoutOf(p.name))
}

func timeoutOf(provider string) time.Duration {
	if provider == "rfc2136" {
		return 5 * time.Second
	}
	return 10 * time.Second
}

// Lag is how long the name servers of a provider usually trail what was written:
// the default of head_start.
func (d *DNS) Lag() time.Duration {
	p, _ := providerOf(d.Provider)
	return p.lag + d.Settle // agents then write one after the other, and seldom over each other
}

// calledElsewhere is the provider that somebody else calls so.
func calledElsewhere(name string) string {
	for _, p := range providers {
		if name != "" && slices.Contains(p.also, strings.ToLower(name)) {
			return p.name
		}
	}
	return ""
}

// secretOrFile reads a key that is a secret from elsewhere or the path of a file,
// whose name may be part of the secret.
func (w *walker) secretOrFile(at places, name string, s Secret, hint string) (text Secret, file string) {
	if !at.given(name) {
		return s, ""
	}
	p := at[name]
	written := follow(p.value).Value
	inside, closed := strings.CutSuffix(written, "}")
	inside, whole := strings.CutPrefix(inside, "${")
	kind, arg, _ := strings.Cut(inside, ":")
	switch whole = whole && closed && !strings.ContainsAny(inside, "{}"); {
	case whole && kind == "file":
		return Secret{}, arg
	case whole && kind == "credential":
		return Secret{}, credentialPath(arg)
	case strings.HasPrefix(written, "/") && !fromElsewhere.MatchString(written):
		path := s.Reveal()
		text, err := fetchFile(path)
		w.note(err)
		if err != nil {
			message, hint := problemOf(err)
			w.mistake(p.value, p.path, hint, "%s", message)
		}
		w.remember(p.path, text)
		return Secret{}, path
	case !fromElsewhere.MatchString(written):
		w.mistake(p.value, p.path, hint, "a secret does not belong into this file")
	}
	return s, ""
}

func checkMode(mode string) error {
	switch mode {
	case "batch":
		return nil
	case "patch", "put", "id", "entryid":
		return problem{
			"is how sync-agents-over-dns wrote: it overwrites a record by its id, whatever is in it by then, so that two agents both run a tick",
			"leave mode: out",
		}
	}
	return problem{"is no way to replace a record", "leave mode: out"}
}

func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return problem{"is not an absolute path", "an agent may be started anywhere: write the path from the root"}
	}
	return nil
}

func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return problem{"is no URL", "as in https://api.example.com"}
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return problem{"is not for a token or a key: anybody on the way could read it", "https://, or http:// on this machine"}
	}
	return nil
}

// hasUser says whether a URL names somebody, and with that perhaps a password.
func hasUser(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.User != nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
