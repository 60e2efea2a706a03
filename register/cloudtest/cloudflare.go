package cloudtest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// CloudflareToken is the token that [Cloudflare] takes.
const CloudflareToken = "cfut_cloudtest0123456789abcdefghijklmnopqrstuv"

// Cloudflare is the part of Cloudflare's API, version 4, that has to do with the
// records of a zone. A client's endpoint is its URL and /client/v4.
//
// Documented by Cloudflare: paths, fields and filters; that a batch is one
// transaction in the order deletes, patches, puts, posts, each in the order given,
// of which nothing is applied if an action fails, and the first error is returned;
// 200 actions a batch in Free zones; TTLs from 60 to 86400, or 30 in Enterprise
// zones, or 1; TXT content as quoted strings, split where they are longer than 255
// octets; that a CNAME is refused at the name of an A, AAAA or CNAME record, and A
// and AAAA at that of a CNAME; the status, Retry-After and the block after too many
// requests; the token's formats; that a change reaches the name servers record by
// record. Observed by others: the codes and words of the errors, and 81044 for an
// update or a read of an id that is gone; that a record identical in name, type and
// content is refused; that TXT content without quotes is taken, and comes back so.
// Assumed: 81044 for the delete of an id that is gone, in a batch as outside of it
// ([Cloudflare.AcceptGone]); the statuses of errors within a batch; which of several
// errors comes first; that no TXT can be beside a CNAME; that batches are applied
// one after the other; the pointers of errors ([Cloudflare.Pointers]); that a list
// shows every change that was acknowledged, but for [Cloudflare.Stale]; that a token
// without Zone Read is shown no zones in a list, and refused a single one.
//
// Requests are taken as strictly as the vendor's own Go library writes them: a test
// holds the fields against its types. What is no request of that kind fails the
// test.
type Cloudflare struct {
	*API
	t testing.TB

	mu        sync.Mutex
	zones     []*cloudflareZone
	noZones   bool // the token has no Zone Read
	denied    map[string]cloudflareError
	pointers  bool
	minTTL    int
	quota     int // records in a zone
	largest   int // page, if it is smaller than what is asked for
	gone      bool
	identical bool
	aliases   bool
	between   func()
}

type cloudflareZone struct {
	id, name string
	records  []CloudflareRecord // in the order in which they were made
	stale    []CloudflareRecord // what lists show instead, if not nil
	dns      []*CloudflareDNS
}

// A CloudflareRecord is a record of a zone.
type CloudflareRecord struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"` // with the zone's
	Type       string    `json:"type"`
	Content    string    `json:"content"` // as the API has it: of TXT records quoted
	TTL        int       `json:"ttl"`
	Proxied    bool      `json:"proxied"`
	Comment    string    `json:"comment,omitempty"`
	Tags       []string  `json:"tags"`
	CreatedOn  time.Time `json:"created_on"`
	ModifiedOn time.Time `json:"modified_on"`
}

// A cloudflareError is one error in an answer.
type cloudflareError struct {
	status  int
	Code    int               `json:"code"`
	Message string            `json:"message"`
	Chain   []cloudflareError `json:"error_chain,omitempty"`
	Source  *struct {
		Pointer string `json:"pointer"`
	} `json:"source,omitempty"`
}

// NewCloudflare starts a server that ends with the test. It has no zones.
func NewCloudflare(t testing.TB) *Cloudflare {
	f := &Cloudflare{API: &API{}, t: t, denied: map[string]cloudflareError{}, minTTL: 60, quota: 1 << 30, largest: 1 << 30}
	f.serve = f.routes()
	f.writes = func(r *http.Request) bool { return r.Method != http.MethodGet }
	f.tooMany = func(w http.ResponseWriter, after string) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		f.fail(w, cloudflareError{status: http.StatusTooManyRequests, Code: 971, Message: "Please wait and consider throttling your request speed"})
	}
	f.start(t)
	return f
}

// Endpoint is the URL before /zones.
func (f *Cloudflare) Endpoint() string { return f.URL + "/client/v4" }

// AddZone makes a zone, empty, and returns its id.
func (f *Cloudflare) AddZone(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := &cloudflareZone{id: cloudflareID(), name: name}
	f.zones = append(f.zones, z)
	return z.id
}

// RemoveZone deletes a zone.
func (f *Cloudflare) RemoveZone(id string) {
	f.set(func() { f.zones = slices.DeleteFunc(f.zones, func(z *cloudflareZone) bool { return z.id == id }) })
}

// ZoneRead gives the token the permission Zone Read, as it has at first, or takes it
// away.
func (f *Cloudflare) ZoneRead(granted bool) { f.set(func() { f.noZones = !granted }) }

// AcceptGone has a batch pass over the deletes of ids that are gone, instead of
// failing.
func (f *Cloudflare) AcceptGone(accept bool) { f.set(func() { f.gone = accept }) }

// AcceptIdentical lets records be made that are identical to others.
func (f *Cloudflare) AcceptIdentical(accept bool) { f.set(func() { f.identical = accept }) }

// AcceptAliases lets a name have several CNAMEs.
func (f *Cloudflare) AcceptAliases(accept bool) { f.set(func() { f.aliases = accept }) }

// Pointers has the errors of a batch point at the action that failed.
func (f *Cloudflare) Pointers(on bool) { f.set(func() { f.pointers = on }) }

// MinTTL is the least TTL in seconds, 60 at first.
func (f *Cloudflare) MinTTL(seconds int) { f.set(func() { f.minTTL = seconds }) }

// Quota is how many records a zone may have.
func (f *Cloudflare) Quota(records int) { f.set(func() { f.quota = records }) }

// PageSize is how many records a page of a list has at most, whatever is asked for.
func (f *Cloudflare) PageSize(records int) { f.set(func() { f.largest = records }) }

// BetweenPages is called after each page of a list that is not its last.
func (f *Cloudflare) BetweenPages(do func()) { f.set(func() { f.between = do }) }

// Deny answers with an error to "zones", "verify", "read" or "write" requests; with
// status 0 no longer.
func (f *Cloudflare) Deny(what string, status, code int, message string) {
	f.set(func() { f.denied[what] = cloudflareError{status: status, Code: code, Message: message} })
}

func (f *Cloudflare) set(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// Put makes a record, as an operator would, whatever is there; the content of a TXT
// record is as the API has it. It returns the record's id.
func (f *Cloudflare) Put(zone, kind, name, content string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := f.zone(zone)
	r := CloudflareRecord{ID: cloudflareID(), Name: name, Type: kind, Content: content, TTL: 300, Tags: []string{}, CreatedOn: time.Now(), ModifiedOn: time.Now()}
	z.become(append(slices.Clone(z.records), r))
	return r.ID
}

// Edit changes the content of a record in place, so that it keeps its id.
func (f *Cloudflare) Edit(zone, id, content string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := f.zone(zone)
	records := slices.Clone(z.records)
	for i := range records {
		if records[i].ID == id {
			records[i].Content = content
		}
	}
	z.become(records)
}

// Remove deletes all records at a name.
func (f *Cloudflare) Remove(zone, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := f.zone(zone)
	z.become(slices.DeleteFunc(slices.Clone(z.records), func(r CloudflareRecord) bool { return r.Name == name }))
}

// Records are those at a name; of the whole zone if it is empty.
func (f *Cloudflare) Records(zone, name string) []CloudflareRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.zone(zone).records), func(r CloudflareRecord) bool { return name != "" && r.Name != name })
}

// Stale has lists show what is there now, whatever is written, until it is set to
// false.
func (f *Cloudflare) Stale(zone string, stale bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := f.zone(zone)
	z.stale = nil
	if stale {
		z.stale = append([]CloudflareRecord{}, z.records...)
	}
}

// zone is one by its id, nil if there is none. The caller holds mu.
func (f *Cloudflare) zone(id string) *cloudflareZone {
	for _, z := range f.zones {
		if z.id == id {
			return z
		}
	}
	return nil
}

func cloudflareID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (f *Cloudflare) routes() http.Handler {
	mux := http.NewServeMux()
	on := func(pattern, what string, do func(http.ResponseWriter, *http.Request)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /client/v4"+path, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			err := f.authorize(r, what)
			f.mu.Unlock()
			if err.Code != 0 {
				f.fail(w, err)
				return
			}
			do(w, r)
		})
	}
	on("GET /user/tokens/verify", "verify", f.verify)
	on("GET /zones", "zones", f.listZones)
	on("GET /zones/{zone}", "zones", f.oneZone)
	on("GET /zones/{zone}/dns_records", "read", f.within(f.listRecords))
	on("POST /zones/{zone}/dns_records/batch", "write", f.within(f.batch))
	on("GET /zones/{zone}/dns_records/{id}", "read", f.within(f.oneRecord))
	on("DELETE /zones/{zone}/dns_records/{id}", "write", f.within(f.single))
	on("PATCH /zones/{zone}/dns_records/{id}", "write", f.within(f.single))
	on("PUT /zones/{zone}/dns_records/{id}", "write", f.within(f.single))
	on("POST /zones/{zone}/dns_records", "write", f.within(f.single))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { f.noRoute(w, r) })
	return mux
}

var cloudflareBearer = regexp.MustCompile(`^Bearer (cfut_|cfat_)?[0-9A-Za-z_-]{40,}$`)

// authorize says why a request is not served. The caller holds mu.
func (f *Cloudflare) authorize(r *http.Request, what string) cloudflareError {
	header := r.Header.Get("Authorization")
	switch denied := f.denied[what]; {
	case header == "":
		return cloudflareError{status: http.StatusBadRequest, Code: 9106, Message: "Missing X-Auth-Key, X-Auth-Email or Authorization headers"}
	case !cloudflareBearer.MatchString(header):
		return cloudflareError{
			status: http.StatusBadRequest, Code: 6003, Message: "Invalid request headers",
			Chain: []cloudflareError{{Code: 6111, Message: "Invalid format for Authorization header"}},
		}
	case header != "Bearer "+CloudflareToken && what == "verify":
		return cloudflareError{status: http.StatusUnauthorized, Code: 1000, Message: "Invalid API Token"}
	case header != "Bearer "+CloudflareToken:
		return cloudflareError{status: http.StatusForbidden, Code: 9109, Message: "Invalid access token"}
	case denied.status != 0:
		return denied
	}
	return cloudflareError{}
}

// within finds the zone of a request. What it calls holds mu, and returns what is to
// be done without it.
func (f *Cloudflare) within(do func(*cloudflareZone, http.ResponseWriter, *http.Request) func()) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		var after func()
		if z := f.zone(r.PathValue("zone")); z == nil {
			f.noRoute(w, r)
		} else {
			after = do(z, w, r)
		}
		f.mu.Unlock()
		if after != nil {
			after()
		}
	}
}

func (f *Cloudflare) noRoute(w http.ResponseWriter, r *http.Request) {
	f.fail(w, cloudflareError{status: http.StatusNotFound, Code: 7003, Message: "Could not route to " + r.URL.Path + ", perhaps your object identifier is invalid?"})
}

// misuse fails the test: no client of the API sends such a request.
func (f *Cloudflare) misuse(w http.ResponseWriter, what string) {
	f.t.Errorf("cloudflare: no such request: %s", what)
	f.fail(w, cloudflareError{status: http.StatusBadRequest, Code: 1004, Message: "DNS Validation Error"})
}

func (f *Cloudflare) fail(w http.ResponseWriter, errs ...cloudflareError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(errs[0].status)
	json.NewEncoder(w).Encode(map[string]any{"result": nil, "success": false, "errors": errs, "messages": []any{}})
}

// answer sends a result, and with a list where in it that is.
func (f *Cloudflare) answer(w http.ResponseWriter, result, info any) {
	w.Header().Set("Content-Type", "application/json")
	all := map[string]any{"result": result, "success": true, "errors": []any{}, "messages": []any{}}
	if info != nil {
		all["result_info"] = info
	}
	json.NewEncoder(w).Encode(all)
}

func (f *Cloudflare) verify(w http.ResponseWriter, _ *http.Request) {
	f.answer(w, map[string]string{"id": cloudflareID(), "status": "active", "expires_on": "2030-01-01T00:00:00Z"}, nil)
}

func cloudflareZoneJSON(z *cloudflareZone) map[string]any {
	return map[string]any{"id": z.id, "name": z.name, "status": "active", "type": "full"}
}

func (f *Cloudflare) listZones(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range r.URL.Query() {
		if key != "name" {
			f.misuse(w, "a list of zones with "+key)
			return
		}
	}
	zones := []any{}
	for _, z := range f.zones {
		if name := r.URL.Query().Get("name"); !f.noZones && (name == "" || name == z.name) {
			zones = append(zones, cloudflareZoneJSON(z))
		}
	}
	f.answer(w, zones, map[string]int{"page": 1, "per_page": 20, "count": len(zones), "total_count": len(zones), "total_pages": 1})
}

func (f *Cloudflare) oneZone(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch z := f.zone(r.PathValue("zone")); {
	case z == nil:
		f.noRoute(w, r)
	case f.noZones:
		f.fail(w, cloudflareError{status: http.StatusForbidden, Code: 9109, Message: "Unauthorized to access requested resource"})
	default:
		f.answer(w, cloudflareZoneJSON(z), nil)
	}
}

// listRecords is a list of records: the filters of name, type and content, one page
// of what they leave.
func (f *Cloudflare) listRecords(z *cloudflareZone, w http.ResponseWriter, r *http.Request) func() {
	query := r.URL.Query()
	page, size := 1, 100
	var filters []func(CloudflareRecord) bool
	order := ""
	for key, values := range query {
		if len(values) != 1 {
			f.misuse(w, "a list of records with several "+key)
			return nil
		}
		value := values[0]
		number, err := strconv.Atoi(value)
		filter := cloudflareFilter(key, value)
		switch {
		case key == "page" && err == nil && number > 0:
			page = number
		case key == "per_page" && err == nil && number > 0 && number <= 5_000_000:
			size = min(number, f.largest)
		case key == "order" && slices.Contains([]string{"type", "name", "content", "ttl", "proxied"}, value):
			order = value
		case key == "match" && (value == "any" || value == "all"), key == "direction" && value == "asc":
		case filter != nil:
			filters = append(filters, filter)
		default:
			f.misuse(w, "a list of records with "+key+"="+value)
			return nil
		}
	}
	records := z.records
	if z.stale != nil {
		records = z.stale
	}
	records = slices.DeleteFunc(slices.Clone(records), func(r CloudflareRecord) bool {
		passed := 0
		for _, filter := range filters {
			if filter(r) {
				passed++
			}
		}
		if query.Get("match") == "any" {
			return len(filters) > 0 && passed == 0
		}
		return passed < len(filters)
	})
	if order == "name" {
		slices.SortStableFunc(records, func(a, b CloudflareRecord) int { return strings.Compare(a.Name, b.Name) })
	}
	total := len(records)
	pages := (total + size - 1) / size
	from := min((page-1)*size, total)
	records = records[from:min(from+size, total)]
	f.answer(w, records, map[string]int{"page": page, "per_page": size, "count": len(records), "total_count": total, "total_pages": pages})
	if page < pages {
		return f.between
	}
	return nil
}

// cloudflareFilter is a filter of lists, nil if there is none of that name. Filters
// know no case.
func cloudflareFilter(key, value string) func(CloudflareRecord) bool {
	field, kind, _ := strings.Cut(key, ".")
	of := map[string]func(CloudflareRecord) string{
		"name":    func(r CloudflareRecord) string { return r.Name },
		"content": func(r CloudflareRecord) string { return r.Content },
		"type":    func(r CloudflareRecord) string { return r.Type },
	}[field]
	by := map[string]func(string, string) bool{
		"": strings.EqualFold, "exact": strings.EqualFold, "contains": strings.Contains,
		"startswith": strings.HasPrefix, "endswith": strings.HasSuffix,
	}[kind]
	if of == nil || by == nil || field == "type" && kind != "" {
		return nil
	}
	return func(r CloudflareRecord) bool { return by(strings.ToLower(of(r)), strings.ToLower(value)) }
}

func (f *Cloudflare) oneRecord(z *cloudflareZone, w http.ResponseWriter, r *http.Request) func() {
	i := cloudflareIndex(z.records, r.PathValue("id"))
	if i < 0 {
		f.fail(w, cloudflareNoRecord)
		return nil
	}
	f.answer(w, z.records[i], nil)
	return nil
}
