package cloudtest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// AzureToken is the token that the identity endpoint of [AzureDNS] gives out, the
// same for every server: Microsoft's library keeps what it was given for the
// process.
const AzureToken = "eyJ0eXAiOiJKV1QifQ.cloudtest.signature"

// azureIdentityHeader is what a managed identity shows to its endpoint.
const azureIdentityHeader = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"

// AzureDNS is the TXT record sets of Azure DNS as Azure Resource Manager has them,
// API version 2018-05-01, and an identity endpoint that gives tokens for it.
//
// Documented by Microsoft: paths, fields and statuses; what If-Match and
// If-None-Match do, and that a write without them always succeeds; a new ETag for
// every update; 20 records a set, 4,096 characters a set, TTLs from 1 to 2^31-1;
// that TXT strings are given separately; that roles and locks may be those of one
// record set. Observed by others: the words of the errors, that those of Azure DNS
// itself have code and message at the top and those of Resource Manager within
// "error", the conflict with a CNAME, that a set may be there without a record, and
// that the role at a record set suffices to create it. Assumed: that strings have
// the escapes of RFC 1035 section 5.1, as Microsoft's own command line hands
// them on (others have seen a backslash served as it was given); that strings come
// back as they were given; which of several errors comes first; and that a set is
// read as it was last written, but for [AzureDNS.Stale].
type AzureDNS struct {
	*API
	identity *httptest.Server

	mu      sync.Mutex
	zones   map[string]map[string]*azureSet // by zone's path and record set's name, in lower case
	tokens  map[string]bool
	denied  map[string]string // by action or scope, the error's code
	aliases map[string]bool   // paths of record sets at whose name a CNAME is
	locked  map[string]bool
	stale   map[string]map[string]azureSet
	blind   bool
	bare    int
}

// An azureSet is a record set: its values as the API has them.
type azureSet struct {
	ETag     string
	TTL      int64
	Metadata map[string]string
	Values   [][]string
	Target   string // of an alias record set
}

// NewAzureDNS starts a server that ends with the test. It has no zones.
func NewAzureDNS(t testing.TB) *AzureDNS {
	f := &AzureDNS{
		API: &API{}, zones: map[string]map[string]*azureSet{}, tokens: map[string]bool{AzureToken: true},
		denied: map[string]string{}, aliases: map[string]bool{}, locked: map[string]bool{},
	}
	f.serve = http.HandlerFunc(f.handleAzure)
	f.writes = func(r *http.Request) bool { return r.Method != http.MethodGet }
	f.tooMany = func(w http.ResponseWriter, after string) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		azureManagerError(w, http.StatusTooManyRequests, "ResourceRequestsThrottled", "Number of requests for action "+
			"'Microsoft.Network/dnsZones/TXT/write' exceeded the limit of '200' for time interval '00:01:00'. Please try again after '"+after+"' seconds.")
	}
	f.start(t)
	f.identity = httptest.NewServer(http.HandlerFunc(f.handleIdentity))
	t.Cleanup(func() {
		f.identity.CloseClientConnections()
		f.identity.Close()
	})
	return f
}

// Environment is the environment of a machine whose managed identity has the
// token, so that Microsoft's library asks this server for it and nobody else.
func (f *AzureDNS) Environment() map[string]string {
	return map[string]string{
		"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
		"IDENTITY_ENDPOINT":       f.identity.URL + "/msi/token", "IDENTITY_HEADER": azureIdentityHeader,
	}
}

// Accept makes a token valid, beside [AzureToken], or no longer.
func (f *AzureDNS) Accept(token string, valid bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens[token] = valid
}

// AddZone makes a zone, empty.
func (f *AzureDNS) AddZone(subscription, group, zone string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.zones[azurePath(subscription, group, zone)] = map[string]*azureSet{}
}

// Put makes strings the record set at a name relative to the zone, whatever was
// there, as an operator would; with none, an empty set.
func (f *AzureDNS) Put(subscription, group, zone, name string, metadata map[string]string, values ...[]string) {
	f.put(subscription, group, zone, name, &azureSet{ETag: azureETag(), TTL: 3600, Metadata: metadata, Values: values})
}

// PutAlias makes the record set at a name refer to another resource.
func (f *AzureDNS) PutAlias(subscription, group, zone, name, target string) {
	f.put(subscription, group, zone, name, &azureSet{ETag: azureETag(), TTL: 3600, Target: target})
}

func (f *AzureDNS) put(subscription, group, zone, name string, set *azureSet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.zones[azurePath(subscription, group, zone)][strings.ToLower(name)] = set
}

// PutCNAME puts an alias of DNS at a name, beside which no TXT may be.
func (f *AzureDNS) PutCNAME(subscription, group, zone, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aliases[azurePath(subscription, group, zone)+"/txt/"+strings.ToLower(name)] = true
}

// Set is the record set at a name: its values, TTL and metadata, and whether it is
// there.
func (f *AzureDNS) Set(subscription, group, zone, name string) (values [][]string, ttl int64, metadata map[string]string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := f.zones[azurePath(subscription, group, zone)][strings.ToLower(name)]
	if set == nil {
		return nil, 0, nil, false
	}
	return set.Values, set.TTL, set.Metadata, true
}

// Deny refuses an action ("read", "write", "delete") with 403 and a code, such as
// AuthorizationFailed; without a code it is allowed again.
func (f *AzureDNS) Deny(action, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied[action] = code
}

// Lock puts a lock on the zone, or takes it away: nothing may be written.
func (f *AzureDNS) Lock(subscription, group, zone string, locked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locked[azurePath(subscription, group, zone)] = locked
}

// Stale has reads show what is there now, whatever is written, until it is set to
// false.
func (f *AzureDNS) Stale(stale bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stale = nil
	if !stale {
		return
	}
	f.stale = map[string]map[string]azureSet{}
	for path, sets := range f.zones {
		f.stale[path] = map[string]azureSet{}
		for name, set := range sets {
			f.stale[path][name] = *set
		}
	}
}

// IgnoreConditions has writes succeed whatever their ETag, as Azure DNS never does.
func (f *AzureDNS) IgnoreConditions(ignore bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blind = ignore
}

// Unconditional tells how many writes came without an ETag, which overwrite
// whatever is there.
func (f *AzureDNS) Unconditional() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bare
}

func azurePath(subscription, group, zone string) string {
	return strings.ToLower("/subscriptions/" + subscription + "/resourceGroups/" + group + "/providers/Microsoft.Network/dnsZones/" + zone)
}

func azureETag() string {
	b := make([]byte, 16)
	rand.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// handleIdentity is the identity endpoint of App Service and Functions, version
// 2019-08-01.
func (f *AzureDNS) handleIdentity(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	resource, err := url.Parse(q.Get("resource"))
	if r.Header.Get("X-Identity-Header") != azureIdentityHeader || q.Get("api-version") != "2019-08-01" || err != nil || !strings.HasPrefix(resource.Host, "management.") {
		http.Error(w, "this is no request of a managed identity for Resource Manager", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"expires_on":"4102444800","resource":%q,"token_type":"Bearer"}`, AzureToken, q.Get("resource"))
}

func (f *AzureDNS) handleAzure(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !f.tokens[token] {
		w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="https://login.windows.net/common", error="invalid_token"`)
		azureManagerError(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid.")
		return
	}
	if r.URL.Query().Get("api-version") != "2018-05-01" {
		azureManagerError(w, http.StatusBadRequest, "InvalidApiVersionParameter", "The api-version '"+r.URL.Query().Get("api-version")+"' is invalid.")
		return
	}
	// /subscriptions/S/resourceGroups/G/providers/Microsoft.Network/dnsZones/Z/TXT/N
	part := strings.Split(r.URL.Path, "/")
	kind := ""
	if len(part) == 11 {
		kind = strings.ToUpper(part[9])
	}
	if kind != "TXT" && (kind != "CNAME" || r.Method != http.MethodGet) {
		azureManagerError(w, http.StatusNotFound, "InvalidResourceType", "The resource type could not be found.")
		return
	}
	action := map[string]string{http.MethodGet: "read", http.MethodPut: "write", http.MethodDelete: "delete"}[r.Method]
	subscription, group, zone, name := part[2], part[4], part[8], part[10]
	path := azurePath(subscription, group, zone)
	sets, ok := f.zones[path]
	switch {
	case action == "":
		azureManagerError(w, http.StatusMethodNotAllowed, "HttpMethodNotAllowed", "The method is not one that is known here.")
	case f.denied[action] != "":
		azureManagerError(w, http.StatusForbidden, f.denied[action], "The client '0f1e' with object id '0f1e' does not have authorization to perform action "+
			"'Microsoft.Network/dnszones/TXT/"+action+"' over scope '"+r.URL.Path+"' or the scope is invalid. If access was recently granted, please refresh your credentials.")
	case !f.some(azureUpTo(path, "/resourcegroups/")):
		azureManagerError(w, http.StatusNotFound, "SubscriptionNotFound", "The subscription '"+subscription+"' could not be found.")
	case !f.some(azureUpTo(path, "/providers/")):
		azureManagerError(w, http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+group+"' could not be found.")
	case !ok:
		azureManagerError(w, http.StatusNotFound, "ParentResourceNotFound", "Failed to perform '"+action+"' on resource(s) of type 'dnszones/TXT', "+
			"because the parent resource '"+strings.Join(part[:9], "/")+"' could not be found.")
	case action != "read" && f.locked[path]:
		azureManagerError(w, http.StatusConflict, "ScopeLocked", "The scope '"+r.URL.Path+"' cannot perform "+action+" operation because following scope(s) are locked: '"+
			strings.Join(part[:9], "/")+"'. Please remove the lock and try again.")
	case kind == "CNAME" && f.aliases[path+"/txt/"+strings.ToLower(name)]:
		azureJSON(w, http.StatusOK, map[string]any{"name": name, "etag": azureETag(), "properties": map[string]any{"TTL": 60, "CNAMERecord": map[string]string{"cname": "elsewhere.test"}}})
	case kind == "CNAME":
		azureError(w, http.StatusNotFound, "NotFound", "The resource record '"+name+"' does not exist.")
	case action == "read":
		set := sets[strings.ToLower(name)]
		if was, ok := f.stale[path]; ok {
			set = nil
			if old, ok := was[strings.ToLower(name)]; ok {
				set = &old
			}
		}
		if set == nil {
			azureError(w, http.StatusNotFound, "NotFound", fmt.Sprintf("The resource record '%s' does not exist in resource group '%s' of subscription '%s'.", name, group, subscription))
			return
		}
		set.answer(w, http.StatusOK, r.URL.Path, zone, name)
	default:
		f.write(w, r, sets, path, zone, name)
	}
}

// some says whether a zone is below a path.
func (f *AzureDNS) some(above string) bool {
	for path := range f.zones {
		if strings.HasPrefix(path, above) {
			return true
		}
	}
	return false
}

func azureUpTo(path, part string) string {
	before, _, _ := strings.Cut(path, part)
	return before + part
}

// write is a PUT or a DELETE: the condition and the change are one step.
func (f *AzureDNS) write(w http.ResponseWriter, r *http.Request, sets map[string]*azureSet, path, zone, name string) {
	key := strings.ToLower(name)
	old := sets[key]
	match, noneMatch := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	if match == "" && noneMatch == "" {
		f.bare++
	}
	if f.blind {
		match, noneMatch = "", ""
	}
	next, err := azureRead(r)
	switch {
	case r.Method == http.MethodPut && err != nil:
		azureError(w, http.StatusBadRequest, "BadRequest", err.Error())
	case r.Method == http.MethodDelete && old == nil:
		w.WriteHeader(http.StatusNoContent)
	case noneMatch == "*" && old != nil:
		azureError(w, http.StatusPreconditionFailed, "PreconditionFailed", "The condition '*' in the If-None-Match header was not satisfied. The current was 'n/a'.")
	case match != "" && old == nil:
		azureError(w, http.StatusPreconditionFailed, "PreconditionFailed", "The condition '"+match+"' in the If-Match header was not satisfied.")
	case match != "" && match != "*" && match != old.ETag:
		azureError(w, http.StatusPreconditionFailed, "PreconditionFailed", "The condition '"+match+"' in the If-Match header was not satisfied. The current was '"+old.ETag+"'.")
	case r.Method == http.MethodDelete:
		delete(sets, key)
		w.WriteHeader(http.StatusOK)
	case f.aliases[path+"/txt/"+key]:
		azureError(w, http.StatusConflict, "Conflict", "The record could not be created because a CNAME record with the same name already exists in this zone.")
	default:
		status := http.StatusCreated
		if old != nil {
			status = http.StatusOK
		}
		sets[key] = next
		next.answer(w, status, r.URL.Path, zone, name)
	}
}
