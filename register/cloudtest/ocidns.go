package cloudtest

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// OCIDNS is the TXT record sets of Oracle Cloud Infrastructure DNS, API 20180115, as far
// as its Go library v65.130.0 describes them.
//
// Documented by Oracle: paths, fields and headers; that If-Match makes a request
// conditional on the entity-tag, with 412 NoEtagMatch; that PROHIBIT is a precondition
// and ADD none; that values are normalised; how requests are signed; the table of
// errors that all its services have. Assumed: how a failed PROHIBIT is told
// ([OCIDNS.Prohibited] sets that), that a read of what is not there is an empty set
// ([OCIDNS.AbsentIsMissing] makes it 404), that an entity-tag is that of the set
// ([OCIDNS.ZoneTags] makes it the zone's), that octets are escaped as in RFC 1035
// section 5.1, and that a set is read as it was last written. Others have seen quotes
// and backslashes go wrong in TXT values of this service; here they do not.
type OCIDNS struct {
	*API
	t testing.TB

	mu         sync.Mutex
	zones      map[string]*ociZone // by name and by OCID
	denied     map[string]ociError // by method
	prohibited ociError
	missing    bool
	zoneTags   bool
	pageSize   int
	tag        int
}

type ociZone struct {
	Name, ID, Kind, Scope string

	sets    map[string]ociSet // by domain
	aliases map[string]bool
	tag     int
}

type ociSet struct {
	tag     int
	records []ociRecord
}

// An ociRecord is a record, or an operation on one.
type ociRecord struct {
	Domain       string `json:"domain,omitempty"`
	RecordHash   string `json:"recordHash,omitempty"`
	IsProtected  *bool  `json:"isProtected,omitempty"`
	Rdata        string `json:"rdata,omitempty"`
	RrsetVersion string `json:"rrsetVersion,omitempty"`
	Rtype        string `json:"rtype,omitempty"`
	TTL          int    `json:"ttl,omitempty"`
	Operation    string `json:"operation,omitempty"`
}

type ociError struct {
	status        int
	code, message string
}

// Who signs the requests.
const (
	ociTenancy     = "ocid1.tenancy.oc1..cloudtest"
	ociUser        = "ocid1.user.oc1..robot"
	ociFingerprint = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
)

// NewOCIDNS starts a server that ends with the test. It has no zones.
func NewOCIDNS(t testing.TB) *OCIDNS {
	f := &OCIDNS{
		API: &API{}, t: t, zones: map[string]*ociZone{}, denied: map[string]ociError{}, pageSize: 100,
		prohibited: ociError{http.StatusConflict, "Conflict", "The requested state for the resource conflicts with its current state."},
	}
	f.serve = http.HandlerFunc(f.handleOCI)
	f.writes = func(r *http.Request) bool { return r.Method != http.MethodGet }
	f.tooMany = func(w http.ResponseWriter, after string) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		ociError{http.StatusTooManyRequests, "TooManyRequests", "Too many requests for the user."}.answer(w)
	}
	f.start(t)
	return f
}

// ConfigFile writes a file as the oci command line has it, with the key that the
// server knows, and returns its path.
func (f *OCIDNS) ConfigFile() string {
	f.t.Helper()
	key, err := testKey()
	if err != nil {
		f.t.Fatal(err)
	}
	dir := f.t.TempDir()
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	keyFile, file := filepath.Join(dir, "key.pem"), filepath.Join(dir, "config")
	text := "[DEFAULT]\nuser=" + ociUser + "\nfingerprint=" + ociFingerprint + "\ntenancy=" + ociTenancy + "\nregion=us-ashburn-1\nkey_file=" + keyFile + "\n"
	for name, data := range map[string][]byte{keyFile: private, file: []byte(text)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	return file
}

// AddZone makes an empty zone: its name without the final dot, its OCID, PRIMARY or
// SECONDARY, and GLOBAL or PRIVATE.
func (f *OCIDNS) AddZone(name, id, kind, scope string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := &ociZone{Name: name, ID: id, Kind: kind, Scope: scope, sets: map[string]ociSet{}, aliases: map[string]bool{}}
	f.zones[id] = z
	if scope == "GLOBAL" {
		f.zones[name] = z
	}
}

// RemoveZone removes a zone with all that is in it.
func (f *OCIDNS) RemoveZone(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.zones, f.zones[name].ID)
	delete(f.zones, name)
}

// Put makes values the TXT record set of a domain, whatever was there, as an operator
// would; none: it is removed.
func (f *OCIDNS) Put(zone, domain string, rdata ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	z := f.zones[zone]
	var records []ociRecord
	for _, value := range rdata {
		records = append(records, ociRecord{Domain: domain, Rtype: "TXT", TTL: 300, Rdata: value})
	}
	f.store(z, domain, records)
}

// PutCNAME puts an alias at a domain, beside which no TXT may be.
func (f *OCIDNS) PutCNAME(zone, domain string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.zones[zone].aliases[domain] = true
}

// Values are the values of the TXT record set of a domain.
func (f *OCIDNS) Values(zone, domain string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, r := range f.zones[zone].sets[domain].records {
		all = append(all, r.Rdata)
	}
	return all
}

// Deny has the service answer requests of an HTTP method with an error. A status of 0
// ends that.
func (f *OCIDNS) Deny(method string, status int, code, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied[method] = ociError{status, code, message}
	if status == 0 {
		delete(f.denied, method)
	}
}

// Prohibited is how a failed PROHIBIT is told.
func (f *OCIDNS) Prohibited(status int, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prohibited = ociError{status, code, "A precondition was not met."}
}

// AbsentIsMissing has a read of what is not there answered with 404.
func (f *OCIDNS) AbsentIsMissing() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missing = true
}

// ZoneTags has every change of a zone change the entity-tag of each of its sets.
func (f *OCIDNS) ZoneTags() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.zoneTags = true
}

// PageSize is how many records a page has, 100 if it is not called.
func (f *OCIDNS) PageSize(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pageSize = n
}

func (e ociError) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("opc-request-id", "F1D5DA49787241A59EEA4B2F8656EE9A")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": e.code, "message": e.message})
}

// store makes records the set of a domain.
func (f *OCIDNS) store(z *ociZone, domain string, records []ociRecord) {
	f.tag++
	z.tag = f.tag
	z.sets[domain] = ociSet{f.tag, records}
	if len(records) == 0 {
		delete(z.sets, domain)
	}
}

func (f *OCIDNS) etag(z *ociZone, domain string) string {
	if set, there := z.sets[domain]; there && !f.zoneTags {
		return fmt.Sprintf("%d-%s--json", set.tag, domain)
	}
	return fmt.Sprintf("%d-%s--json", z.tag, z.ID)
}

var (
	ociZonePath = regexp.MustCompile(`^/20180115/zones/([^/]+)$`)
	ociSetPath  = regexp.MustCompile(`^/20180115/zones/([^/]+)/records/([^/]+)/TXT$`)
)

func (f *OCIDNS) handleOCI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = checkOCISignature(r, body)
	}
	if err != nil {
		f.t.Errorf("cloudtest: %s %s: %v", r.Method, r.URL, err)
		ociError{http.StatusUnauthorized, "NotAuthenticated", "The required information to complete authentication was not provided or was incorrect."}.answer(w)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.denied[r.Method]; e.status > 0 {
		e.answer(w)
		return
	}
	var zone, domain string
	if m := ociZonePath.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodGet {
		zone = m[1]
	} else if m := ociSetPath.FindStringSubmatch(r.URL.Path); m != nil {
		zone, domain = m[1], m[2]
	}
	z := f.zones[zone]
	if scope := r.URL.Query().Get("scope"); z == nil || scope != "" && scope != z.Scope || domain != "" && domain != z.Name && !strings.HasSuffix(domain, "."+z.Name) {
		ociError{http.StatusNotFound, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found."}.answer(w)
		return
	}
	if domain == "" {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"name": z.Name, "id": z.ID, "zoneType": z.Kind, "scope": z.Scope})
		return
	}
	if e := f.serveSet(w, r, z, domain, body); e != nil {
		e.answer(w)
	}
}

// serveSet answers a request about one set; an error: nothing was done.
func (f *OCIDNS) serveSet(w http.ResponseWriter, r *http.Request, z *ociZone, domain string, body []byte) *ociError {
	_, there := z.sets[domain]
	if match := r.Header.Get("If-Match"); match != "" && (!there || match != f.etag(z, domain)) {
		return &ociError{http.StatusPreconditionFailed, "NoEtagMatch", "The ETag supplied does not match the current ETag of the resource."}
	}
	switch r.Method {
	case http.MethodGet:
		if !there && f.missing {
			return &ociError{http.StatusNotFound, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found."}
		}
		f.show(w, r, z, domain)
		return nil
	case http.MethodDelete:
		f.store(z, domain, nil)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	items, err := readOCIItems(body, domain)
	if err != nil {
		return &ociError{http.StatusBadRequest, "CannotParseRequest", err.Error()}
	}
	next, e := f.apply(r.Method, z, domain, items)
	if e != nil {
		return e
	}
	if z.aliases[domain] && len(next) > 0 {
		return &ociError{http.StatusBadRequest, "InvalidParameter", "A CNAME record cannot coexist with other records at " + domain}
	}
	f.store(z, domain, next)
	f.show(w, r, z, domain)
	return nil
}

// apply is what the records of a set are after a PUT or a PATCH.
func (f *OCIDNS) apply(method string, z *ociZone, domain string, items []ociRecord) ([]ociRecord, *ociError) {
	if method == http.MethodPut {
		return items, nil
	}
	next := slices.Clone(z.sets[domain].records)
	for _, item := range items {
		is := func(r ociRecord) bool { return item.Rdata == "" || r.Rdata == item.Rdata }
		switch item.Operation {
		case "PROHIBIT":
			if slices.ContainsFunc(z.sets[domain].records, is) {
				return nil, &f.prohibited
			}
		case "REQUIRE":
			if !slices.ContainsFunc(z.sets[domain].records, is) {
				return nil, &f.prohibited
			}
		case "REMOVE":
			next = slices.DeleteFunc(next, is)
		case "ADD":
			if !slices.ContainsFunc(next, is) {
				item.Operation = ""
				next = append(next, item)
			}
		default:
			return nil, &ociError{http.StatusBadRequest, "InvalidParameter", "an operation " + item.Operation}
		}
	}
	return next, nil
}

// readOCIItems reads the records of a request, each as it is stored.
func readOCIItems(body []byte, domain string) ([]ociRecord, error) {
	var read struct {
		Items []ociRecord `json:"items"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&read); err != nil {
		return nil, err
	}
	for i := range read.Items {
		item := &read.Items[i]
		if item.Domain != domain || item.Rtype != "TXT" {
			return nil, fmt.Errorf("items[%d] is of another set", i)
		}
		if item.Rdata == "" && (item.Operation == "PROHIBIT" || item.Operation == "REMOVE") {
			continue
		}
		stored, ok := cloudTXT(item.Rdata)
		if !ok || item.TTL <= 0 || item.TTL > 604800 {
			return nil, fmt.Errorf("invalid value for items[%d].rdata or ttl: %q, %d", i, item.Rdata, item.TTL)
		}
		item.Rdata = stored
	}
	return read.Items, nil
}

func (f *OCIDNS) show(w http.ResponseWriter, r *http.Request, z *ociZone, domain string) {
	all := z.sets[domain].records
	from, _ := strconv.Atoi(r.URL.Query().Get("page"))
	from = min(from, len(all))
	to := len(all)
	if r.Method == http.MethodGet && to > from+f.pageSize {
		to = from + f.pageSize
		w.Header().Set("opc-next-page", strconv.Itoa(to))
	}
	items := []ociRecord{}
	for _, record := range all[from:to] {
		hash := sha256.Sum256([]byte(record.Rdata))
		protected := false
		record.RecordHash, record.RrsetVersion, record.IsProtected = fmt.Sprintf("%x", hash[:16]), strconv.Itoa(z.sets[domain].tag), &protected
		items = append(items, record)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", f.etag(z, domain))
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
}

// signedBy is an Authorization header of Oracle's kind.
var signedBy = regexp.MustCompile(`^Signature version="1",headers="([^"]+)",keyId="([^"]+)",algorithm="rsa-sha256",signature="([^"]+)"$`)

// checkOCISignature says whether a request is signed by the user's key, as Oracle
// documents it: what names the request and, if it has one, its body.
func checkOCISignature(r *http.Request, body []byte) error {
	m := signedBy.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return fmt.Errorf("an Authorization of another kind: %.20s", r.Header.Get("Authorization"))
	}
	if m[2] != ociTenancy+"/"+ociUser+"/"+ociFingerprint {
		return fmt.Errorf("the key %s", m[2])
	}
	headers := strings.Split(m[1], " ")
	want := []string{"date", "(request-target)", "host"}
	if r.Method == http.MethodPut || r.Method == http.MethodPatch {
		want = append(want, "content-length", "content-type", "x-content-sha256")
	}
	var lines []string
	for _, h := range headers {
		value := r.Header.Get(h)
		switch h {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.Itoa(len(body))
		}
		lines = append(lines, h+": "+value)
	}
	hash := sha256.Sum256(body)
	date, err := http.ParseTime(r.Header.Get("Date"))
	switch {
	case slices.ContainsFunc(want, func(h string) bool { return !slices.Contains(headers, h) }):
		return fmt.Errorf("signed are %q, and not all of %q", headers, want)
	case err != nil || time.Since(date).Abs() > 5*time.Minute:
		return fmt.Errorf("the date %q", r.Header.Get("Date"))
	case len(body) > 0 && r.Header.Get("X-Content-Sha256") != base64.StdEncoding.EncodeToString(hash[:]):
		return fmt.Errorf("the body is not the one that was signed")
	}
	key, err := testKey()
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(m[3])
	if err != nil {
		return err
	}
	hash = sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, hash[:], signature)
}
