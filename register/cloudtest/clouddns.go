package cloudtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// GoogleProject is the project that has the zones of [CloudDNS].
const GoogleProject = "acme"

// cloudDNSDescription is dns/v1/dns-api.json of google.golang.org/api v0.311.0, whose
// licence is beside it.
//
//go:embed testdata/google/dns-api.json
var cloudDNSDescription []byte

var readCloudDNS = sync.OnceValues(func() (*discovery, error) { return readDiscovery(cloudDNSDescription) })

// CloudDNS is the API of Google Cloud DNS, dns/v1, for one project, and an authority
// that gives tokens for it. A request that is not as Google's own description has it
// fails the test, and so does an answer of this server.
//
// Documented: paths, fields and statuses of a Change; that it is applied atomically
// and that its deletions must match exactly; 1,000 additions, 1,000 deletions and
// 100,000 bytes a Change, and 100 records a set; that pages show no consistent view
// of a zone; which permissions a Change takes; tokens for service accounts (RFC
// 7523). Observed by others: 404 for a deletion of what is not there, with an error
// for each; 412 for one that does not match; 409 for an addition of what is there;
// 403 for a Change that is too large; the words of all of these, of a missing zone,
// of throttling (429) and of a switched-off API; that values without quotes come
// back with them. Assumed: that those are all the errors of a kind, of the first
// kind that there is; that values match by their text, in any order; that octets
// are escaped as in RFC 1035 section 5.1; that a Change names a set once at most;
// and that a list shows every Change that was acknowledged before, but for
// [CloudDNS.Trail].
type CloudDNS struct {
	*API
	t         testing.TB
	described *discovery
	authority *httptest.Server

	mu       sync.Mutex
	zones    map[string]*cloudZone // by Google's name
	tokens   map[string]bool
	given    int
	noToken  *httptest.ResponseRecorder // the authority's answer in place of a token
	denied   map[string]cloudDenial     // by method
	withheld map[string]bool            // permissions
	pageSize int
	trail    int
	terse    bool
	between  func()
	changes  []int
}

type cloudZone struct {
	Name, DNSName, Visibility string

	sets    map[string]cloudSet // by name and type
	history []map[string]cloudSet
}

// A cloudSet is a ResourceRecordSet.
type cloudSet struct {
	Kind             string         `json:"kind,omitempty"`
	Name             string         `json:"name"`
	Type             string         `json:"type"`
	TTL              int            `json:"ttl"`
	Rrdatas          []string       `json:"rrdatas"`
	SignatureRrdatas []string       `json:"signatureRrdatas"`
	RoutingPolicy    map[string]any `json:"routingPolicy,omitempty"`
}

func (s cloudSet) key() string { return s.Name + " " + s.Type }

// label is how the service names a set in an error.
func (s cloudSet) label() string { return s.Name + " (" + s.Type + ")" }

// shown is the set as an answer has it.
func (s cloudSet) shown() cloudSet {
	s.Kind, s.SignatureRrdatas = "dns#resourceRecordSet", []string{}
	if s.Rrdatas == nil {
		s.Rrdatas = []string{}
	}
	return s
}

// matches says whether a deletion is of this set.
func (s cloudSet) matches(d cloudSet) bool {
	return s.TTL == d.TTL && len(s.RoutingPolicy) == 0 && slices.Equal(slices.Sorted(slices.Values(s.Rrdatas)), slices.Sorted(slices.Values(d.Rrdatas)))
}

type cloudDenial struct {
	status          int
	reason, message string
}

// NewCloudDNS starts a server and an authority, which end with the test. There are
// no zones.
func NewCloudDNS(t testing.TB) *CloudDNS {
	t.Helper()
	described, err := readCloudDNS()
	if err != nil {
		t.Fatal(err)
	}
	f := &CloudDNS{
		API: &API{}, t: t, described: described, pageSize: 100,
		zones: map[string]*cloudZone{}, tokens: map[string]bool{}, denied: map[string]cloudDenial{}, withheld: map[string]bool{},
	}
	f.serve = http.HandlerFunc(f.handleCloudDNS)
	f.writes = func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/changes") && r.Method == http.MethodPost
	}
	f.tooMany = func(w http.ResponseWriter, after string) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		googleError(w, http.StatusTooManyRequests, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota).")
	}
	f.start(t)
	f.authority = httptest.NewServer(http.HandlerFunc(f.handleAuthority))
	t.Cleanup(func() {
		f.authority.CloseClientConnections()
		f.authority.Close()
	})
	return f
}

// AddZone makes an empty zone: Google's name of it, its DNS name with the final dot,
// and public or private.
func (f *CloudDNS) AddZone(name, dnsName, visibility string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.zones[name] = &cloudZone{Name: name, DNSName: dnsName, Visibility: visibility, sets: map[string]cloudSet{}}
}

// RemoveZone removes a zone with all that is in it.
func (f *CloudDNS) RemoveZone(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.zones, name)
}

// Put makes values the record set of a name and type, whatever was there, as an
// operator would; none: it is removed.
func (f *CloudDNS) Put(zone, name, kind string, ttl int, rrdatas ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := cloudSet{Name: name, Type: kind, TTL: ttl, Rrdatas: rrdatas}
	next := maps.Clone(f.zones[zone].sets)
	next[set.key()] = set
	if len(rrdatas) == 0 {
		delete(next, set.key())
	}
	f.zones[zone].become(next)
}

// PutPolicy makes the TXT record set of a name one that a routing policy chooses.
func (f *CloudDNS) PutPolicy(zone, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := cloudSet{Name: name, Type: "TXT", TTL: 60, RoutingPolicy: map[string]any{
		"wrr": map[string]any{"items": []any{map[string]any{"weight": 1.0, "rrdatas": []string{`"one"`}}}},
	}}
	f.zones[zone].sets[set.key()] = set
}

// Set is the record set of a name and type: its values, its TTL, and whether it is
// there.
func (f *CloudDNS) Set(zone, name, kind string) (rrdatas []string, ttl int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set, ok := f.zones[zone].sets[name+" "+kind]
	return set.Rrdatas, set.TTL, ok
}

// Deny has the service answer a method, such as dns.changes.create, with an error.
// A status of 0 ends that.
func (f *CloudDNS) Deny(method string, status int, reason, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied[method] = cloudDenial{status, reason, message}
	if status == 0 {
		delete(f.denied, method)
	}
}

// Withhold has the service say that the credential lacks permissions. It goes on
// serving it: whether it may is up to Deny.
func (f *CloudDNS) Withhold(permissions ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range permissions {
		f.withheld[p] = true
	}
}

// PageSize is how many sets or zones a page has, 100 if it is not called. What is
// done between two pages moves what is on them.
func (f *CloudDNS) PageSize(n int, between func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pageSize, f.between = n, between
}

// Trail has lists show the zones as they were so many changes ago.
func (f *CloudDNS) Trail(changes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trail = changes
}

// Terse has errors of a Change name no set of it.
func (f *CloudDNS) Terse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.terse = true
}

// Changes is of how many sets each Change was that was applied, additions and
// deletions together.
func (f *CloudDNS) Changes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.changes)
}

// become makes sets what the zone holds.
func (z *cloudZone) become(sets map[string]cloudSet) {
	z.history = append(z.history, z.sets)
	if len(z.history) > 8 {
		z.history = z.history[1:]
	}
	z.sets = sets
}

// seen is what a list shows.
func (z *cloudZone) seen(trail int) map[string]cloudSet {
	if n := len(z.history); trail > 0 && n > 0 {
		return z.history[max(0, n-trail)]
	}
	return z.sets
}

// googleError answers with an error as Google's APIs have them, with a message for
// each thing that is wrong.
func googleError(w http.ResponseWriter, status int, reason string, messages ...string) {
	var all []map[string]string
	for _, message := range messages {
		all = append(all, map[string]string{"message": message, "domain": "global", "reason": reason})
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": messages[0], "errors": all}})
}

// answer sends a body that is as the description has it.
func (f *CloudDNS) answer(w http.ResponseWriter, c *discoCall, body any) {
	data, err := json.Marshal(body)
	if err == nil {
		err = f.described.checkBody(c.method.Response, data, false)
	}
	if err != nil {
		f.t.Errorf("cloudtest: an answer to %s: %v", c.method.ID, err)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(data)
}

func (f *CloudDNS) handleCloudDNS(w http.ResponseWriter, r *http.Request) {
	c, err := f.described.check(r)
	if err != nil {
		f.t.Errorf("cloudtest: a request that is none of Cloud DNS: %v", err)
		googleError(w, http.StatusBadRequest, "badRequest", err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	denial := f.denied[c.method.ID]
	switch {
	case !bearer || !f.tokens[token]:
		googleError(w, http.StatusUnauthorized, "authError", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
		return
	case denial.status > 0:
		googleError(w, denial.status, denial.reason, denial.message)
		return
	case c.params["project"] != GoogleProject && c.params["resource"] == "":
		googleError(w, http.StatusForbidden, "forbidden", "Forbidden")
		return
	}
	if c.method.ID == "dns.managedZones.list" {
		f.listZones(w, c)
		return
	}
	if c.method.ID == "dns.managedZones.testIamPermissions" {
		f.testPermissions(w, c)
		return
	}
	zone := f.zones[c.params["managedZone"]]
	if zone == nil {
		googleError(w, http.StatusNotFound, "notFound", fmt.Sprintf("The 'parameters.managedZone' resource named '%s' does not exist.", c.params["managedZone"]))
		return
	}
	switch c.method.ID {
	case "dns.managedZones.get":
		f.answer(w, c, zone.resource())
	case "dns.resourceRecordSets.list":
		f.listSets(w, c, zone)
	case "dns.changes.create":
		f.createChange(w, c, zone)
	default:
		f.t.Errorf("cloudtest: %s is not served", c.method.ID)
		googleError(w, http.StatusNotImplemented, "notImplemented", "not served")
	}
}

func (z *cloudZone) resource() map[string]any {
	return map[string]any{"kind": "dns#managedZone", "name": z.Name, "dnsName": z.DNSName, "visibility": z.Visibility, "id": "1", "nameServers": []string{"ns-cloud-a1.googledomains.com."}}
}

func (f *CloudDNS) listZones(w http.ResponseWriter, c *discoCall) {
	all := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(f.zones)) {
		if z := f.zones[name]; c.params["dnsName"] == "" || z.DNSName == c.params["dnsName"] {
			all = append(all, z.resource())
		}
	}
	from, to, next := f.page(c, len(all))
	body := map[string]any{"kind": "dns#managedZonesListResponse", "managedZones": all[from:to]}
	if next != "" {
		body["nextPageToken"] = next
	}
	f.answer(w, c, body)
}

func (f *CloudDNS) listSets(w http.ResponseWriter, c *discoCall, z *cloudZone) {
	name, kind := c.params["name"], c.params["type"]
	if kind != "" && name == "" || name != "" && !strings.HasSuffix(name, ".") {
		googleError(w, http.StatusBadRequest, "invalid", fmt.Sprintf("Invalid value for 'parameters.name': '%s'", name))
		return
	}
	sets := z.seen(f.trail)
	all := []cloudSet{}
	for _, key := range slices.Sorted(maps.Keys(sets)) {
		set := sets[key]
		if (name == "" || set.Name == name) && (kind == "" || set.Type == kind) {
			all = append(all, set.shown())
		}
	}
	from, to, next := f.page(c, len(all))
	body := map[string]any{"kind": "dns#resourceRecordSetsListResponse", "rrsets": all[from:to]}
	if next != "" {
		body["nextPageToken"] = next
		if f.between != nil {
			between := f.between
			f.mu.Unlock()
			between()
			f.mu.Lock()
		}
	}
	f.answer(w, c, body)
}

// page is which of n things a page has. The token is a place in the list, so that
// what is removed before it moves something over to the page that was read.
func (f *CloudDNS) page(c *discoCall, n int) (from, to int, next string) {
	from, _ = strconv.Atoi(strings.TrimPrefix(c.params["pageToken"], "page-"))
	from = min(from, n)
	to = min(from+f.pageSize, n)
	if to < n {
		next = fmt.Sprintf("page-%d", to)
	}
	return from, to, next
}

func (f *CloudDNS) testPermissions(w http.ResponseWriter, c *discoCall) {
	var asked, granted struct {
		Permissions []string `json:"permissions"`
	}
	_ = json.Unmarshal(c.body, &asked)
	name := c.params["resource"][strings.LastIndex(c.params["resource"], "/")+1:]
	for _, p := range asked.Permissions {
		if f.zones[name] != nil && !f.withheld[p] {
			granted.Permissions = append(granted.Permissions, p)
		}
	}
	f.answer(w, c, granted)
}
