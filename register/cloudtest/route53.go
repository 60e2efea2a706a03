package cloudtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Route53 is the API of Amazon Route 53, as far as records are concerned:
// ChangeResourceRecordSets, ListResourceRecordSets, ListHostedZonesByName and
// GetHostedZone.
//
// Documented by Amazon: the shape of every request, which is checked against the
// machine-readable description; that a change batch is applied whole or not at
// all; that a DELETE has to name the current values and TTL, and a CREATE finds
// nothing there; the order of a list, its pages and that it shows the latest
// change; the limits of a batch and the rate of requests; the codes
// InvalidChangeBatch, PriorRequestNotComplete, Throttling and NoSuchHostedZone;
// the octal escapes of names and values; signatures, which are computed again, and
// how old they may be; the keys of IAM conditions.
//
// Observed by others: the wording and the two forms of InvalidChangeBatch, that one
// answer lists all that is wrong, and DELETE and CREATE of one set in one batch.
//
// Assumed: that values are kept in the spelling in which they came, that values of
// a DELETE are compared as a set, that a credential is judged before the change is,
// and that a list never lags, unless told so.
type Route53 struct {
	*API
	// AccessKeyID, SecretAccessKey and SessionToken are what requests are signed
	// with.
	AccessKeyID, SecretAccessKey, SessionToken string
	// PageSize is how many record sets a list has at most, if not 300.
	PageSize int
	// DocumentedErrors has InvalidChangeBatch take the form of the documentation
	// rather than the one that is observed.
	DocumentedErrors bool

	model *awsModel

	mu      sync.Mutex
	zones   map[string]*route53Zone // by id
	policy  *iamPolicy              // nil: everything is allowed
	offset  time.Duration           // of the service's clock
	refuse  []apiError              // of the next requests
	busy    int                     // changes that meet another one
	stale   int                     // lists that show what was before the latest change
	changes int
}

// NewRoute53 starts a server that ends with the test.
func NewRoute53(t testing.TB) *Route53 {
	t.Helper()
	model, err := parsedRoute53()
	if err != nil {
		t.Fatal(err)
	}
	f := &Route53{
		AccessKeyID: "AKIA" + rand.Text()[:16], SecretAccessKey: rand.Text() + rand.Text()[:14], SessionToken: "FwoG" + rand.Text(),
		PageSize: 300, model: model, zones: make(map[string]*route53Zone),
	}
	f.API = &API{
		serve:  http.HandlerFunc(f.answer),
		writes: func(r *http.Request) bool { return r.Method == http.MethodPost },
		tooMany: func(w http.ResponseWriter, after string) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			f.fail(w, apiError{http.StatusBadRequest, "Throttling", "Rate exceeded"})
		},
	}
	f.start(t)
	return f
}

// An apiError is an error as the API tells it.
type apiError struct {
	status        int
	code, message string
}

func invalid(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidInput", fmt.Sprintf(format, args...)}
}

// Refuse has the next request answered with an error, and nothing done.
func (f *Route53) Refuse(status int, code, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = append(f.refuse, apiError{status, code, message})
}

// Busy has the next n changes find another one of the same zone under way.
func (f *Route53) Busy(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = n
}

// StaleLists has the next n lists show what was there before the latest change.
func (f *Route53) StaleLists(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stale = n
}

// SetClock sets the service's clock: so much it is ahead of this machine's.
func (f *Route53) SetClock(ahead time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offset = ahead
}

// SetPolicy has an IAM policy say what the credential may do.
func (f *Route53) SetPolicy(text string) error {
	policy, err := parsePolicy(text)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.policy = policy
	return err
}

func (f *Route53) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.offset)
}

// answer is the vendor's part of the server.
func (f *Route53) answer(w http.ResponseWriter, r *http.Request) {
	body := readAll(r)
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	if e := f.signature(r, body); e != nil {
		f.fail(w, *e)
		return
	}
	if e := f.nextRefusal(); e != nil {
		f.fail(w, *e)
		return
	}
	operation, in, err := f.model.check(r, body, "ChangeResourceRecordSets", "ListResourceRecordSets", "ListHostedZonesByName", "GetHostedZone")
	if err != nil {
		f.fail(w, *invalid("the request is not as described: %v", err))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out any
	var e *apiError
	switch operation {
	case "ChangeResourceRecordSets":
		out, e = f.change(in, body)
	case "ListResourceRecordSets":
		out, e = f.list(in)
	case "ListHostedZonesByName":
		out, e = f.listZones(in)
	case "GetHostedZone":
		out, e = f.getZone(in)
	}
	if e != nil {
		f.fail(w, *e)
		return
	}
	writeXML(w, http.StatusOK, out)
}

func (f *Route53) nextRefusal() *apiError {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.refuse) == 0 {
		return nil
	}
	e := f.refuse[0]
	f.refuse = f.refuse[1:]
	return &e
}

// maxAge is how old a signature may be (IAM User Guide).
const maxAge = 5 * time.Minute

// signature computes the signature of a request again.
func (f *Route53) signature(r *http.Request, body []byte) *apiError {
	forbidden := func(code, message string) *apiError { return &apiError{http.StatusForbidden, code, message} }
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return forbidden("MissingAuthenticationToken", "Missing Authentication Token")
	}
	given := make(map[string]string)
	for part := range strings.SplitSeq(fields, ", ") {
		name, value, _ := strings.Cut(part, "=")
		given[name] = value
	}
	scope := strings.Split(given["Credential"], "/") // key, day, region, service, aws4_request
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case len(scope) != 5 || err != nil || scope[1] != at.Format("20060102"):
		return forbidden("IncompleteSignature", "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders', and a date.")
	case scope[0] != f.AccessKeyID, r.Header.Get("X-Amz-Security-Token") != f.SessionToken:
		return forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
	case scope[3] != "route53":
		return forbidden("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'route53'.")
	}
	now := f.now().UTC()
	if age := now.Sub(at); age > maxAge {
		const stamp = "20060102T150405Z"
		return forbidden("SignatureDoesNotMatch", fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)",
			at.Format(stamp), now.Add(-maxAge).Format(stamp), now.Format(stamp)))
	} else if age < -maxAge {
		return forbidden("SignatureDoesNotMatch", fmt.Sprintf("Signature not yet current: %s is still later than the service's clock", at))
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return invalid("%v", err)
	}
	for name := range strings.SplitSeq(given["SignedHeaders"], ";") {
		if values := r.Header.Values(name); values != nil {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
		if name == "content-length" {
			again.ContentLength = int64(len(body))
		}
	}
	hash := sha256.Sum256(body)
	key := aws.Credentials{AccessKeyID: f.AccessKeyID, SecretAccessKey: f.SecretAccessKey, SessionToken: f.SessionToken}
	if err := v4.NewSigner().SignHTTP(r.Context(), key, again, hex.EncodeToString(hash[:]), scope[3], scope[2], at); err != nil {
		return invalid("%v", err)
	}
	if again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		// The service's own answer has the whole request in it, as this one.
		return forbidden("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n"+
			"The Canonical String for this request should have been\n'"+r.Method+"\n"+r.URL.Path+"\n\nx-amz-security-token:"+f.SessionToken+"'")
	}
	return nil
}

const route53Namespace = "https://route53.amazonaws.com/doc/2013-04-01/"

// fail writes an error in the form that is observed, or documented.
func (f *Route53) fail(w http.ResponseWriter, e apiError) {
	if e.code == "InvalidChangeBatch" && f.DocumentedErrors {
		type body struct {
			XMLName   xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ InvalidChangeBatch"`
			Messages  []string `xml:"Messages>Message"`
			RequestID string   `xml:"RequestId"`
		}
		all := strings.Split(strings.Trim(e.message, "[]"), ", Tried")
		for i := range all[1:] {
			all[i+1] = "Tried" + all[i+1]
		}
		writeXML(w, e.status, body{Messages: all, RequestID: rand.Text()})
		return
	}
	type body struct {
		XMLName   xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ErrorResponse"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}
	writeXML(w, e.status, body{Type: "Sender", Code: e.code, Message: e.message, RequestID: rand.Text()})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	data, err := xml.Marshal(v)
	if err != nil {
		panic(err) // the test's own values
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s%s", xml.Header, data)
}

// getZone is GetHostedZone.
func (f *Route53) getZone(in map[string]string) (any, *apiError) {
	z, e := f.zone(in["Id"], "route53:GetHostedZone")
	if e != nil {
		return nil, e
	}
	type response struct {
		XMLName xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ GetHostedZoneResponse"`
		Zone    zoneXML  `xml:"HostedZone"`
	}
	return response{Zone: z.xml()}, nil
}

// listZones is ListHostedZonesByName.
func (f *Route53) listZones(in map[string]string) (any, *apiError) {
	if e := f.may("route53:ListHostedZonesByName", "*", nil); e != nil {
		return nil, e
	}
	all := make([]*route53Zone, 0, len(f.zones))
	for _, z := range f.zones {
		all = append(all, z)
	}
	order := func(z *route53Zone) string { return sortName(z.name) + " " + z.id }
	slices.SortFunc(all, func(a, b *route53Zone) int { return strings.Compare(order(a), order(b)) })
	from := sortName(absolute(in["DNSName"])) + " " + in["HostedZoneId"]
	all = slices.DeleteFunc(all, func(z *route53Zone) bool { return in["DNSName"] != "" && order(z) < from })
	type response struct {
		XMLName xml.Name  `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListHostedZonesByNameResponse"`
		Zones   []zoneXML `xml:"HostedZones>HostedZone"`
		More    bool      `xml:"IsTruncated"`
		Next    string    `xml:"NextDNSName,omitempty"`
		NextID  string    `xml:"NextHostedZoneId,omitempty"`
		Max     int       `xml:"MaxItems"`
	}
	out := response{Max: f.pageSize(in, 100)}
	for _, z := range all {
		if len(out.Zones) == out.Max {
			out.More, out.Next, out.NextID = true, z.name, z.id
			break
		}
		out.Zones = append(out.Zones, z.xml())
	}
	return out, nil
}

// pageSize is how many items a list has at most.
func (f *Route53) pageSize(in map[string]string, most int) int {
	if n, err := strconv.Atoi(in["MaxItems"]); err == nil && n > 0 {
		most = min(most, n)
	}
	return min(most, f.PageSize)
}
