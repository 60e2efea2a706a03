package archtest

// A row is one package of the module: what its code may import beyond the
// standard library. A package without a row, and a row that allows more than is
// used, are mistakes.
type row struct {
	dir   string   // from the top of the module
	own   []string // packages of this module, by folder
	other []string // packages of other modules
	pure  bool     // also bound by the rules for pure packages
	why   string   // why these and no others
}

const (
	sys  = "golang.org/x/sys/unix"
	mdns = "github.com/miekg/dns"

	awsSDK = "github.com/aws/aws-sdk-go-v2/"
	libdns = "github.com/libdns/libdns"
)

var table = []row{
	{
		dir: "record", pure: true,
		why: "the text of a record is read and written by anybody: programs, monitors, tests",
	},
	{
		dir: "seal", own: []string{"record"}, other: []string{"golang.org/x/crypto/chacha20poly1305"}, pure: true,
		why: "sealing and signing are functions of key, name and record; whoever makes keys brings the chance. XChaCha20 is the one cipher that the standard library lacks",
	},
	{
		dir: "schedule", pure: true,
		why: "ticks must be the same on every agent, so nothing of a machine may reach them",
	},
	{
		dir: "elect", own: []string{"record"}, pure: true,
		why: "the decision is explored exhaustively, which only a function without clock, network and chance can be; a schedule is two methods to it",
	},
	{
		dir: "register",
		why: "a provider is a register and never a lock: its contract knows no record, tick, claim or agent",
	},
	{
		dir: ".", own: []string{"elect", "record", "register"}, other: []string{sys},
		why: "the library: importing it must stay cheap, so no provider, no DNS and no network; x/sys is for the clock that counts through suspend",
	},
	{
		dir: "fence",
		why: "what is written to need not be Solotick's: a guard knows numbers and nothing of who has them",
	},
	{
		dir: "fence/httpfence", own: []string{"fence"},
		why: "the guard for requests: HTTP is kept out of fence itself",
	},
	{
		dir: "ready", own: []string{".", "elect", "internal/lead"},
		why: "HTTP for who embeds the library, which stays without it",
	},
	{
		dir: "internal/lead", own: []string{".", "elect", "record"},
		why: "who leads, as ready and the adapter for gocron need it: it reads events of an agent and asks nobody",
	},
	{
		dir: "internal/oncall", own: []string{"."},
		why: "what the adapters for schedulers share; no scheduler",
	},
	{
		dir: "internal/oncalltest", own: []string{"elect", "record", "register", "schedule"},
		why: "what tests of these adapters share; no scheduler either",
	},
	{
		dir: "adapter/gocron", own: []string{".", "elect", "internal/lead", "internal/oncall"}, other: []string{"github.com/go-co-op/gocron/v2"},
		why: "an adapter: the library on one side, one scheduler on the other, no provider",
	},
	{
		dir: "adapter/cron", own: []string{".", "elect", "internal/oncall"}, other: []string{"github.com/robfig/cron/v3"},
		why: "an adapter: the library on one side, one scheduler on the other, no provider",
	},
	{
		dir: "adapter/leaselock", own: []string{".", "elect", "record", "register"},
		other: []string{"k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io/client-go/tools/leaderelection/resourcelock"},
		why:   "an adapter, in a module of its own for client-go's weight: it drives a register as an agent would, since the elector decides",
	},
	{
		dir: "internal/faultproxy",
		why: "what networks do to messages, for tests: of DNS it knows how long a message in a stream is",
	},
	{
		dir: "sim", own: []string{"elect", "record"},
		why: "one more driver of the decision: its world is numbers, and knows no register, network or clock but its own",
	},
	{
		dir: "register/registertest", own: []string{"register"},
		other: []string{"github.com/anishathalye/porcupine", "github.com/google/go-cmp/cmp"},
		why:   "the suite checks the contract and nothing of the protocol; porcupine judges whether a history is linearizable",
	},
	{
		dir: "register/rfc2136", own: []string{"internal/dnsmsg", "register"}, other: []string{mdns},
		why: "a provider: knows its service, the contract, and neither records nor decisions",
	},
	{
		dir: "register/cloudflare", own: []string{"internal/batch", "internal/txt", "internal/web", "register"},
		why: "a provider by plain HTTP: the vendor's library is usable only through a package that imports all its services",
	},
	{
		dir: "register/azuredns", own: []string{"internal/batch", "internal/web", "register"},
		other: []string{
			"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm", "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud",
			"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy", "github.com/Azure/azure-sdk-for-go/sdk/azidentity",
			"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns",
		},
		why: "a provider: the vendor's library finds credentials and makes requests, which internal/web sends",
	},
	{
		dir: "register/clouddns", own: []string{"internal/batch", "internal/dnsmsg", "internal/txt", "internal/web", "register"},
		other: []string{
			"cloud.google.com/go/compute/metadata", "golang.org/x/oauth2", "golang.org/x/oauth2/google",
			"golang.org/x/sync/errgroup", "golang.org/x/sync/singleflight",
		},
		why: "a provider: Google's libraries for credentials alone, since its client for the API costs 11 MB for two calls",
	},
	{
		dir: "register/ocidns", own: []string{"internal/batch", "internal/dnsmsg", "internal/txt", "internal/web", "register"},
		other: []string{"github.com/oracle/oci-go-sdk/v65/common", "github.com/oracle/oci-go-sdk/v65/common/auth", "golang.org/x/sync/singleflight"},
		why:   "a provider: of Oracle's library only what finds credentials and signs, since its client leaves requests behind that were given up",
	},
	{
		dir: "register/command", own: []string{"internal/web", "register"},
		why: "a register of the user's own: a program or an endpoint, of which nothing is known but the protocol",
	},
	{
		dir: "register/cloudtest", own: []string{"zone"}, other: []string{mdns, "github.com/libdns/libdns", "golang.org/x/time/rate", awsSDK + "aws", awsSDK + "aws/signer/v4"},
		why: "the APIs of DNS providers for tests: it trusts nothing of what is tested with it; zone is where what a provider publishes can be asked for, and Amazon's signer computes signatures again",
	},
	{
		dir: "register/route53", own: []string{"internal/batch", "internal/dnsmsg", "internal/txt", "internal/web", "register"},
		other: []string{
			awsSDK + "aws", awsSDK + "aws/middleware", awsSDK + "config", awsSDK + "credentials", awsSDK + "credentials/stscreds",
			awsSDK + "service/route53", awsSDK + "service/route53/types", awsSDK + "service/sts",
			"github.com/aws/smithy-go", "github.com/aws/smithy-go/middleware", "github.com/aws/smithy-go/transport/http",
		},
		why: "a provider; credentials, signing and the API's calls are Amazon's library's, and its HTTP is ours",
	},
	{
		dir: "internal/conformance", own: []string{"register"},
		why: "tries a register on the user's own zone: like the suite it knows the contract, and no provider, record or decision",
	},
	{
		dir: "register/ballot", own: []string{"internal/batch", "internal/txt", "register"}, other: []string{libdns, sys},
		why: "a register at any provider: its algorithm knows neither clock nor network, and the rest only what every libdns module has; x/sys is for the clock that counts through suspend",
	},
	{
		dir: "register/ballot/libdnsproviders", own: []string{"register", "register/ballot"},
		other: []string{
			"github.com/digitalocean/godo", "github.com/hetznercloud/hcloud-go/v2/hcloud", "github.com/libdns/desec", "github.com/libdns/digitalocean",
			"github.com/libdns/gandi", "github.com/libdns/hetzner/v2", libdns, "github.com/libdns/ovh", "github.com/ovh/go-ovh/ovh",
		},
		why: "the modules of some services and what is known of these; whoever uses ballot with another module does not get them",
	},
	{
		dir: "internal/batch", own: []string{"register"}, other: []string{"golang.org/x/time/rate"},
		why: "many requests of one account in few: of registers it knows what one too many is called, and neither records nor HTTP",
	},
	{
		dir: "internal/txt",
		why: "a text as providers' APIs take it; it needs no DNS library",
	},
	{
		dir: "internal/dnsmsg", other: []string{mdns},
		why: "what rfc2136 and lookup share: TSIG keys, signing, and TXT values as octets",
	},
	{
		dir: "lookup", own: []string{"internal/dnsmsg"}, other: []string{mdns},
		why: "asks DNS as any outsider does; what the texts mean is for package record",
	},
	{
		dir: "monitor", own: []string{"elect", "lookup", "record", "seal"}, other: []string{"go.etcd.io/bbolt", "go.etcd.io/bbolt/errors", "golang.org/x/time/rate"},
		why: "what an outsider sees of records over time: it knows DNS and the words of health, and neither registers nor pages",
	},
	{
		dir: "monitor/api", own: []string{"elect", "monitor", "record"},
		other: []string{
			"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_golang/prometheus/collectors",
			"github.com/prometheus/client_golang/prometheus/promhttp", "github.com/prometheus/common/expfmt",
		},
		why: "a history over HTTP: how reports are proved and records written it is told, so that it knows neither keys nor registers",
	},
	{
		dir: "monitor/alarm", own: []string{"alert", "elect", "monitor", "notify"},
		why: "tells people what an observer sees: it asks DNS nothing, and knows neither the file nor which services there are",
	},
	{
		dir: "monitor/page", own: []string{"elect", "internal/spell", "monitor", "record", "schedule"},
		why: "a history for people, as HTML that needs no script: it changes nothing and asks nobody",
	},
	{
		dir: "deploy",
		why: "units, manifests, rules and dashboards for other programs, and tests of them with these programs",
	},
	{
		dir: "internal/browsertest",
		other: []string{
			"github.com/chromedp/cdproto/cdp", "github.com/chromedp/cdproto/emulation", "github.com/chromedp/cdproto/input", "github.com/chromedp/cdproto/page", "github.com/chromedp/chromedp",
		},
		why: "a real browser for tests, and nothing of what they look at",
	},
	{
		dir: "monitor/nagios", own: []string{"elect", "monitor", "record"},
		why: "what a plugin for Nagios says of records that were looked at: it asks nobody and reads no clock",
	},
	{
		dir: "monitor/tui", own: []string{"elect", "monitor", "record"},
		other: []string{"charm.land/bubbletea/v2", "github.com/charmbracelet/colorprofile", "github.com/charmbracelet/x/ansi", "golang.org/x/term"},
		why:   "a view of a history in a terminal, and the only place that knows how to draw on one: it asks no server anything",
	},
	{
		dir: "zone", other: []string{mdns, "go.etcd.io/bbolt"},
		why: "an authoritative server for anybody's records: it knows nothing of Solotick",
	},
	{
		dir: "alert", pure: true,
		why: "which message a condition calls for, and what is remembered of it: no clock, so that it can be tried through",
	},
	{
		dir: "internal/spell",
		why: "hints of messages: what was probably meant",
	},
	{
		dir: "internal/expression", own: []string{"internal/spell"},
		other: []string{
			"github.com/expr-lang/expr", "github.com/expr-lang/expr/ast", "github.com/expr-lang/expr/file",
			"github.com/expr-lang/expr/types", "github.com/expr-lang/expr/vm", "github.com/expr-lang/expr/vm/runtime",
		},
		why: "conditions and texts, and the only place that knows the language; bounded, since jobs may come from elsewhere",
	},
	{
		dir: "steps", own: []string{"alert", "internal/expression", "internal/web", "notify"}, other: []string{sys},
		why: "what a job does; it knows no claims and no DNS. x/sys is for process groups, subreapers and the clock of the guard",
	},
	{
		dir: "config", own: []string{"alert", "internal/expression", "internal/spell", "internal/web", "notify", "register", "schedule", "seal", "source", "steps"},
		other: []string{"go.yaml.in/yaml/v4", "golang.org/x/net/http/httpguts"},
		why:   "the file and its mistakes: it fills schedules, plans and notifiers, starts nothing and asks nobody",
	},
	{
		dir: "notify", own: []string{"internal/web"},
		other: []string{"github.com/nicholas-fedor/shoutrrr/pkg/router", "github.com/nicholas-fedor/shoutrrr/pkg/types", "github.com/wneessen/go-mail"},
		why:   "tells people: it knows messages and services, and neither records nor steps. All HTTP but the library's for the long tail goes through web",
	},
	{
		dir: "notify/notifytest",
		why: "takes messages as Slack does, and trusts nothing of what is tested with it",
	},
	{
		dir: "source", own: []string{"internal/web"},
		other: []string{
			"aead.dev/minisign",
			"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/azcore/policy", "github.com/Azure/azure-sdk-for-go/sdk/azidentity",
			"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/aws/signer/v4", "github.com/aws/aws-sdk-go-v2/config",
			"golang.org/x/oauth2", "golang.org/x/oauth2/google", "golang.org/x/sync/singleflight",
		},
		why: "a text from elsewhere, whatever it means: requests by internal/web, and of the vendors' libraries only what finds credentials and signs",
	},
	{
		dir: "docs",
		why: "the JSON Schemas where people look for them; nothing can be embedded from another folder",
	},
	{
		dir: "internal/manual", other: []string{"github.com/spf13/cobra", "github.com/spf13/pflag"},
		why: "manual pages of any tree of commands; it knows none of ours",
	},
	{
		dir: "cmd/solotick",
		own: []string{
			".", "config", "deploy", "docs", "elect", "internal/conformance", "internal/dnsmsg", "internal/journal", "internal/manual", "internal/spell", "internal/trace", "internal/web", "lookup", "monitor", "monitor/alarm", "monitor/api", "monitor/nagios", "monitor/page", "monitor/tui", "notify", "record", "register", "register/azuredns", "register/ballot", "register/ballot/libdnsproviders", "register/clouddns", "register/cloudflare", "register/command", "register/ocidns", "register/rfc2136", "register/route53", "report", "schedule", "seal", "sim", "source", "steps", "zone",
		},
		other: []string{
			"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_golang/prometheus/collectors",
			"github.com/prometheus/client_golang/prometheus/promhttp", "github.com/prometheus/exporter-toolkit/web", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/net/netutil", sys, "golang.org/x/sys/windows/svc", "golang.org/x/sys/windows/svc/eventlog", "golang.org/x/term",
		},
		why: "flags and wiring, and the only switch over provider names: nobody imports it, and nobody else imports cobra; x/sys is for what tells that nobody reads a pipe any more, systemd's clock, and services of Windows",
	},
	{
		dir: "internal/web", other: []string{"github.com/cenkalti/backoff/v5", "golang.org/x/sync/semaphore"},
		why: "every HTTP request that Solotick sends by itself: it knows no steps, messages or files; backoff spreads the waits between two tries",
	},
	{
		dir: "internal/journal", own: []string{".", "elect", "record"},
		why: "what agents did, kept and judged: it reads events, and neither the network nor the file of the user",
	},
	{
		dir: "internal/outbox",
		why: "what is sent in the background, whatever it is: it knows no HTTP, so that it can be tried in virtual time",
	},
	{
		dir: "internal/trace", own: []string{"internal/outbox", "internal/web"}, other: []string{"golang.org/x/net/http/httpguts"},
		why: "spans by OTLP in JSON: OpenTelemetry's own library costs 5 MB and 22 modules for one request",
	},
	{
		dir: "report", own: []string{"internal/outbox", "internal/web", "record", "register"},
		why: "what is told of a run, and who is believed: both sides of it, and nothing that keeps or shows it; of registers only what hides a secret",
	},
	{
		dir: "internal/platformtest", other: []string{"go.yaml.in/yaml/v4"},
		why: "judges units and manifests for tests, by systemd's programs and published rules, and nothing of what makes them",
	},
	{
		dir: "internal/pgtest",
		why: "a database for tests, which knows nothing of what is in it",
	},
	{
		dir: "internal/dnstest",
		why: "starts real DNS servers for tests and trusts no DNS library, so that no test judges a library by itself",
	},
	{
		dir: "internal/dnstest/capture", own: []string{"internal/dnstest"},
		why: "prints what real clients and servers say to each other, which fuzzing begins with",
	},
	{
		dir:   "internal/bench",
		own:   []string{".", "config", "elect", "internal/dnstest", "lookup", "record", "register", "register/rfc2136", "schedule", "steps"},
		other: []string{mdns},
		why:   "measures the parts in one process and the whole in many; the DNS library is for the bare update that is the yardstick",
	},
	{
		dir: "internal/bench/stamp",
		why: "the job that is measured: it must cost nothing itself",
	},
	{
		dir: "internal/bench/dnsperf", own: []string{"internal/dnstest", "zone"},
		why: "the zone server beside BIND, with a client that is neither's",
	},
	{
		dir: "internal/clash",
		why: "tests of the library as processes at real servers, with policies that no file can ask for",
	},
	{
		dir: "internal/e2e",
		why: "tests of the built program: they see what a user sees, and make what it talks to",
	},
	{
		dir: "internal/doctest",
		why: "tests of the pages: they see what a reader sees",
	},
	{
		dir: "internal/containertest",
		why: "tests of the built program in the namespaces of a container; as internal/e2e, it sees what a user sees",
	},
	{
		dir: "internal/containertest/job",
		why: "what an agent runs where there is no shell: it tells what it has got",
	},
	{
		dir: "internal/archtest",
		why: "this table: it parses, and needs the standard library only",
	},
}

// impure are the imports that a pure package must not have, with all below them.
var impure = []string{"net", "os", "log", "math/rand", "crypto/rand", "sync", "context", "runtime", "syscall"}

// clocks are the functions of package time that a pure package must not use.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "LoadLocation"}

// expensive must not be reached by a program that imports the library, with all
// below them.
var expensive = []string{
	"net", "os/exec", "crypto/tls", "archive", "compress",
	mdns, "go.yaml.in", "go.etcd.io", "github.com",
}
