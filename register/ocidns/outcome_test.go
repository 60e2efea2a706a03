package ocidns_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/ocidns"
	"github.com/solotick/solotick/register/registertest"
)

const name = "canary." + zone

// A kind is what an error is to whoever swaps.
type kind string

const (
	conflict  kind = "conflict"
	uncertain kind = "uncertain"
	refused   kind = "refused"
	plain     kind = "not applied"
)

func kindOf(err error) kind { return kind(registertest.Outcome(err)) }

// wantError compares an error with its kind, its text and its remedy. None of it
// shows a secret.
func wantError(t *testing.T, err error, k kind, text, do string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	remedy, _ := register.Remedy(err)
	if kindOf(err) != k || err.Error() != text || !strings.Contains(remedy, do) || (do == "") != (remedy == "") {
		t.Errorf("%s: %s\n\tdo: %s\nwant %s: %s\n\tdo: %s", kindOf(err), err, remedy, k, text, do)
	}
	for _, secret := range []string{"PRIVATE", "signature=", "hunter2"} {
		if strings.Contains(err.Error()+remedy, secret) {
			t.Errorf("a secret is in %q", err)
		}
	}
}

func said(code, message string) string {
	return fmt.Sprintf(`{"code": %q, "message": %q}`, code, message)
}

// TestOutcomes has a server that answers every write in one way, and shows that
// nothing is there.
func TestOutcomes(t *testing.T) {
	fake := newFake(t)
	const (
		at      = "ocidns: swap canary.t.test: "
		unknown = at + "the outcome of the swap is unknown: "
		refuses = at + "the register refuses: "
		maybe   = "; it may have been received all the same"
	)
	for _, c := range []struct {
		name     string
		status   int
		body     string
		kind     kind
		text, do string
	}{
		{"differs", 412, said("NoEtagMatch", "No match."), conflict, at + "the register no longer holds what was read: 412 Precondition Failed: No match. (NoEtagMatch)", ""},
		{"conflicts", 409, said("Conflict", "A conflict."), conflict, at + "the register no longer holds what was read: 409 Conflict: A conflict. (Conflict)", ""},
		{"token", 401, said("NotAuthenticated", "No."), refused, refuses + "401 Unauthorized: No. (NotAuthenticated)", "oci iam user api-key list"},
		{"policy", 403, said("NotAuthorized", "No."), refused, refuses + "403 Forbidden: No. (NotAuthorized)", "solotick keygen policy"},
		{"zone or policy", 404, said("NotAuthorizedOrNotFound", "No."), refused, refuses + "404 Not Found: No. (NotAuthorizedOrNotFound)", "solotick keygen policy"},
		{"throttled", 429, said("TooManyRequests", "Too many."), plain, at + "throttled (429): 429 Too Many Requests: Too many. (TooManyRequests)", ""},
		{"alias", 400, said("InvalidParameter", "A CNAME is there."), refused, refuses + "400 Bad Request: A CNAME is there. (InvalidParameter)", "use another name"},
		{"invalid", 400, said("InvalidParameter", "Bad\nrdata."), plain, at + "400 Bad Request: Bad rdata. (InvalidParameter)", ""},
		{"a proxy's conflict", 409, "<html>hunter2", uncertain, unknown + "409 Conflict", ""},
		{"a proxy's refusal", 403, "hunter2", uncertain, unknown + "403 Forbidden", ""},
		{"no whole request in time", 408, said("RequestTimeout", "Timeout."), uncertain, unknown + "408 Request Timeout: Timeout. (RequestTimeout)", ""},
		{"server", 500, said("InternalServerError", "Oh."), uncertain, unknown + "500 Internal Server Error: Oh. (InternalServerError)" + maybe, ""},
		{"unavailable", 503, "", uncertain, unknown + "503 Service Unavailable" + maybe, ""},
		{"another place", 307, "", uncertain, unknown + "307 Temporary Redirect" + maybe, ""},
		{"a page of a portal", 200, "<html>hunter2", uncertain, unknown + "200 with a body that is not the API's: is this its address? it may have been received all the same", ""},
		{"an empty answer", 200, "{}", uncertain, unknown + "an answer that shows no record: it may have been received all the same", ""},
		{"no entity-tag", 200, `{"items": [{"rdata": "\"one\""}]}`, uncertain, unknown + "an answer without an entity-tag, so that nothing could be compared: it may have been received all the same", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					io.WriteString(w, `{"items": []}`)
					return
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}))
			t.Cleanup(srv.Close)
			cfg := config(fake)
			cfg.Endpoint = srv.URL
			_, err := open(t, cfg, name).Swap(t.Context(), register.Snapshot{}, []string{"one"})
			wantError(t, err, c.kind, c.text, c.do)
		})
	}
}

// TestHugeAnswer has an answer that cannot be taken in, and so tells nothing.
func TestHugeAnswer(t *testing.T) {
	fake := newFake(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat(" ", 1<<20+1)) }))
	t.Cleanup(srv.Close)
	cfg := config(fake)
	cfg.Endpoint = srv.URL
	if _, err := open(t, cfg, name).Swap(t.Context(), register.Snapshot{}, []string{"one"}); kindOf(err) != uncertain {
		t.Errorf("%s: %v", kindOf(err), err)
	}
}

// TestCreateOver has a failed PROHIBIT told in any way: what is there decides.
func TestCreateOver(t *testing.T) {
	fake := newFake(t)
	fake.Put(zone, name, `"theirs"`)
	r := open(t, config(fake), name)
	for _, status := range []int{400, 404, 409, 412, 422} {
		fake.Prohibited(status, "InvalidParameter")
		if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"ours"}); kindOf(err) != conflict {
			t.Errorf("%d: %s: %v", status, kindOf(err), err)
		}
	}
	if got := fake.Values(zone, name); len(got) != 1 || got[0] != `"theirs"` {
		t.Errorf("the service holds %q", got)
	}
	fake.Prohibited(400, "InvalidParameter")
	fake.Deny(http.MethodGet, 429, "TooManyRequests", "Too many.")
	_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"ours"})
	wantError(t, err, plain, "ocidns: swap canary.t.test: 400 Bad Request: A precondition was not met. (InvalidParameter); "+
		"and reading the record again failed: throttled (429): 429 Too Many Requests: Too many. (TooManyRequests)", "")
}

func TestLostAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   cloudtest.Fault
		kind    kind
		applied bool
	}{
		{"no reply", cloudtest.LoseReply, uncertain, true},
		{"no request", cloudtest.LoseRequest, uncertain, false},
		{"500, and not done", cloudtest.ServerError, uncertain, false},
		{"500, and done", cloudtest.DoneError, uncertain, true},
		{"503", cloudtest.Unavailable, uncertain, false},
		{"one too many", cloudtest.Throttle, plain, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := newFake(t)
			fake.OnWrites(c.fault)
			_, err := open(t, config(fake), name).Swap(t.Context(), register.Snapshot{}, []string{"one"})
			if kindOf(err) != c.kind {
				t.Errorf("%s: %v, want %s", kindOf(err), err, c.kind)
			}
			if there := len(fake.Values(zone, name)) > 0; there != c.applied {
				t.Errorf("the record is there: %t, want %t", there, c.applied)
			}
			if _, writes, refusals := fake.Count(); writes+refusals != 1 {
				t.Errorf("%d writes: it was tried again", writes+refusals)
			}
		})
	}
}

// TestLateWrite has a swap land after another one of the same snapshot.
func TestLateWrite(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	old, err := r.Swap(t.Context(), register.Snapshot{}, []string{"old"})
	if err != nil {
		t.Fatal(err)
	}
	fake.OnWrites(cloudtest.Late)
	if _, err := r.Swap(t.Context(), old, []string{"late"}); kindOf(err) != uncertain {
		t.Fatalf("error %v", err)
	}
	if _, err := r.Swap(t.Context(), old, []string{"new"}); err != nil {
		t.Fatal(err)
	}
	fake.Land()
	if got := fake.Values(zone, name); len(got) != 1 || got[0] != `"new"` {
		t.Errorf("the service holds %q: the late one was applied over another", got)
	}
}

// TestZoneTags has entity-tags of the zone: another record's change is a conflict,
// and nothing worse.
func TestZoneTags(t *testing.T) {
	fake := newFake(t)
	fake.ZoneTags()
	cfg := config(fake)
	r, beside := open(t, cfg, name), open(t, cfg, "beside."+zone)
	s, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beside.Swap(t.Context(), register.Snapshot{}, []string{"other"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Swap(t.Context(), s, []string{"two"}); kindOf(err) != conflict {
		t.Errorf("error %v", err)
	}
	if s, err = r.Load(t.Context()); err == nil {
		_, err = r.Swap(t.Context(), s, []string{"two"})
	}
	if err != nil {
		t.Error(err)
	}
}

func TestPages(t *testing.T) {
	fake := newFake(t)
	fake.PageSize(2)
	fake.Put(zone, name, `"v=spf1 " "-all"`, `"b"`, `"c"`, `"d"`, `"e"`)
	r := open(t, config(fake), name)
	s, err := r.Load(t.Context())
	if err != nil || strings.Join(s.Texts, "|") != "b|c|d|e|v=spf1 -all" {
		t.Fatalf("%v, error %v", s, err)
	}
	if _, err = r.Swap(t.Context(), s, []string{"ours", "v=spf1 -all", "ours"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(fake.Values(zone, name), "|"); got != `"ours"|"v=spf1 " "-all"` {
		t.Errorf("the service holds %s", got)
	}
}

func TestSnapshots(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	if s, err := r.Swap(t.Context(), register.Snapshot{}, nil); err != nil || s.Tag != "" || s.Time.IsZero() {
		t.Errorf("nothing in the place of nothing: %v, error %v", s, err)
	}
	fake.Put(zone, name, `"one"`)
	if _, err := r.Swap(t.Context(), register.Snapshot{}, nil); kindOf(err) != conflict {
		t.Errorf("nothing in the place of nothing, where something is: %v", err)
	}
	for _, old := range []register.Snapshot{
		{Texts: []string{"one"}},
		{Texts: []string{"one"}, Tag: "6f6e65"},
		{Texts: []string{"one"}, Tag: `{"etag":"1","rdata":[]}`},
		{Texts: []string{"one"}, Tag: `{"etag":"1","rdata":["\"one"]}`},
	} {
		_, err := r.Swap(t.Context(), old, []string{"two"})
		wantError(t, err, plain, "ocidns: swap canary.t.test: the old snapshot is none of this kind of register", "")
	}
	fake.Put(zone, name, `"one`)
	_, err := r.Load(t.Context())
	wantError(t, err, plain, "ocidns: load canary.t.test: a TXT value there is none as in a zone file: a quote that is not closed", "")
	fake.RemoveZone(zone)
	_, err = r.Load(t.Context())
	wantError(t, err, refused, "ocidns: load canary.t.test: the register refuses: 404 Not Found: Authorization failed or requested resource not found. (NotAuthorizedOrNotFound)", "oci dns zone get --zone-name-or-id t.test")
}

func TestNew(t *testing.T) {
	fake := newFake(t)
	good := config(fake)
	for _, c := range []struct {
		change func(*ocidns.Config)
		want   string
	}{
		{func(c *ocidns.Config) { c.Zone = "" }, `ocidns: zone: "" is no domain name`},
		{func(c *ocidns.Config) { c.TTL = 8 * 24 * time.Hour }, "ocidns: a TTL of 192h0m0s: want whole seconds, from 1 to 604800"},
		{func(c *ocidns.Config) { c.Timeout = -1 }, "ocidns: a timeout of -1ns"},
		{func(c *ocidns.Config) { c.Rate = -1 }, "ocidns: a rate of -1 requests a second and a burst of 10000"},
		{func(c *ocidns.Config) { c.Endpoint = "dns.example.com" }, "ocidns: want an endpoint that begins with https://"},
		{func(c *ocidns.Config) { c.InstancePrincipal = true }, "ocidns: the instance's principal and a file: want one of them"},
		{func(c *ocidns.Config) { c.ConfigFile = "/nowhere/config" }, "ocidns: credential: "},
		{func(c *ocidns.Config) { c.Profile = "OTHER" }, "ocidns: credential: "},
		{func(c *ocidns.Config) {
			c.ConfigFile = filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(c.ConfigFile, []byte("[DEFAULT]\nuser=hunter2\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "ocidns: credential: "},
	} {
		cfg := good
		c.change(&cfg)
		_, err := ocidns.New(cfg)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v\nwant  %s", err, c.want)
		}
	}
	if _, err := newClient(t, good).Register("canary.example.com"); err == nil || err.Error() != "ocidns: canary.example.com is not in the zone t.test" {
		t.Errorf("error %v", err)
	}
	if reads, _, _ := fake.Count(); reads > 0 {
		t.Error("New or Register has asked somebody")
	}
}

// TestInstance has an instance without a certificate, and a metadata service on
// loopback.
func TestInstance(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/instance/region" {
			io.WriteString(w, "us-ashburn-1")
			return
		}
		io.WriteString(w, "hunter2")
	}))
	t.Cleanup(srv.Close)
	t.Setenv("OCI_METADATA_BASE_URL", srv.URL)
	c := newClient(t, ocidns.Config{Zone: zone, InstancePrincipal: true})
	r, err := c.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
	if kindOf(err) != plain || !strings.HasPrefix(err.Error(), "ocidns: swap canary.t.test: no credential of the instance: ") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%s: %v", kindOf(err), err)
	}
	if got := c.Examine(t.Context()); len(got) != 1 || got[0].OK || got[0].Check != "credential" {
		t.Errorf("%+v", got)
	}
	if c.Requests() != 0 {
		t.Error("a request was sent")
	}
}

func TestExamine(t *testing.T) {
	credential := register.Finding{Check: "credential", OK: true, Text: "Oracle takes it"}
	for _, c := range []struct {
		name    string
		prepare func(*cloudtest.OCIDNS, *ocidns.Config)
		names   []string
		want    []register.Finding
	}{
		{"all is well", func(f *cloudtest.OCIDNS, _ *ocidns.Config) { f.Put(zone, name, `"one"`) }, []string{name, "new." + zone, "canary.example.com"}, []register.Finding{
			credential,
			{Check: "zone", OK: true, Text: "t.test"},
			{Check: name, OK: true, Text: "1 TXT values"},
			{Check: "new.t.test", OK: true, Text: "0 TXT values"},
			{Check: "canary.example.com", Text: "canary.example.com is not in the zone t.test"},
		}},
		{"no zone", func(f *cloudtest.OCIDNS, _ *ocidns.Config) { f.RemoveZone(zone) }, nil, []register.Finding{{
			Check: "zone", Text: "the register refuses: 404 Not Found: Authorization failed or requested resource not found. (NotAuthorizedOrNotFound)",
			Do: "see that the zone t.test is there, in the region of the credential (oci dns zone get --zone-name-or-id t.test), and that a policy lets it manage the records: solotick keygen policy prints one",
		}}},
		{"another zone", func(f *cloudtest.OCIDNS, c *ocidns.Config) {
			f.AddZone("other.test", "ocid1.other", "PRIMARY", "GLOBAL")
			c.ZoneID = "ocid1.other"
		}, nil, []register.Finding{credential, {
			Check: "zone", Text: "it is the zone other.test, and not t.test", Do: "name the OCID of the right one as zone_id: oci dns zone list --compartment-id ...",
		}}},
		{"a private zone", func(f *cloudtest.OCIDNS, c *ocidns.Config) {
			f.AddZone(zone, "ocid1.private", "PRIMARY", "PRIVATE")
			c.ZoneID = "ocid1.private"
		}, nil, []register.Finding{credential, {Check: "zone", OK: true, Text: "t.test, a private zone: only its networks see the records by DNS"}}},
		{"a secondary zone", func(f *cloudtest.OCIDNS, _ *ocidns.Config) { f.AddZone(zone, zoneID, "SECONDARY", "GLOBAL") }, nil, []register.Finding{credential, {
			Check: "zone", Text: "t.test is a secondary zone, whose records come from elsewhere", Do: "use a primary zone: oci dns zone create --zone-type PRIMARY ...",
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := newFake(t)
			cfg := config(fake)
			c.prepare(fake, &cfg)
			got := newClient(t, cfg).Examine(t.Context(), c.names...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAlias(t *testing.T) {
	fake := newFake(t)
	fake.PutCNAME(zone, name)
	_, err := open(t, config(fake), name).Swap(t.Context(), register.Snapshot{}, []string{"one"})
	if do, _ := register.Remedy(err); kindOf(err) != refused || !strings.Contains(do, "use another name") {
		t.Errorf("%s: %v, do: %s", kindOf(err), err, do)
	}
}

func TestPolicy(t *testing.T) {
	want := `# Policy statements of Oracle Cloud for Solotick; for instances write "dynamic-group agents".
allow group agents to read dns-zones in compartment jobs where target.dns-zone.name = 't.test'
allow group agents to manage dns-records in compartment jobs where all {target.dns-zone.name = 't.test', target.dns-record.type = 'TXT', target.dns-domain.name = 'canary.t.test'}
`
	if diff := cmp.Diff(want, ocidns.Policy("agents", "jobs", "t.test.", "canary.t.test.")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := ocidns.Policy("", "", "t.test"); !strings.Contains(got, "allow group GROUP to manage dns-records in compartment COMPARTMENT where all {target.dns-zone.name = 't.test', target.dns-record.type = 'TXT'}\n") {
		t.Errorf("got %s", got)
	}
}

// TestTwoValuesOfOneText: somebody else's values may differ only in how they are
// split into strings. Both stay.
func TestTwoValuesOfOneText(t *testing.T) {
	fake := newFake(t)
	fake.Put(zone, name, `"a" "bc"`, `"ab" "c"`)
	r := open(t, config(fake), name)
	s, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Swap(t.Context(), s, append(s.Texts, "record", "record")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`"a" "bc"`, `"ab" "c"`, `"record"`}, fake.Values(zone, name)); diff != "" {
		t.Error(diff)
	}
}

// TestThrottled: after a 429 nothing is sent before the time that Oracle has named.
func TestThrottled(t *testing.T) {
	fake := newFake(t)
	c := newClient(t, config(fake))
	r, err := c.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	fake.Limit(1e6, 1e6, 30*time.Second)
	fake.OnWrites(cloudtest.Throttle)
	_, err = r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
	wantError(t, err, plain, "ocidns: swap canary.t.test: throttled (429): 429 Too Many Requests: Too many requests for the user. (TooManyRequests)", "")
	if _, err = r.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "not sent: the service wants no request for another ") || c.Requests() != 1 {
		t.Errorf("error %v after %d requests", err, c.Requests())
	}
}
