package cloudtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const rrset = "/2013-04-01/hostedzone/Z1/rrset"

// batchOf is the body of a change batch.
func batchOf(changes ...string) string {
	return `<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes>` +
		strings.Join(changes, "") + `</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
}

// changeOf is one change of a TXT record set.
func changeOf(action, name, ttl string, values ...string) string {
	records := ""
	for _, v := range values {
		records += "<ResourceRecord><Value>" + v + "</Value></ResourceRecord>"
	}
	return "<Change><Action>" + action + "</Action><ResourceRecordSet><Name>" + name + "</Name><Type>TXT</Type><TTL>" + ttl +
		"</TTL><ResourceRecords>" + records + "</ResourceRecords></ResourceRecordSet></Change>"
}

// TestDescription shows that requests which are not as Amazon describes them are
// found out, and in what.
func TestDescription(t *testing.T) {
	model, err := parsedRoute53()
	if err != nil {
		t.Fatal(err)
	}
	good := changeOf("CREATE", "a.example.com.", "60", `"x"`)
	for _, tt := range []struct {
		method, path, body string
		want               string // empty: it is as described
	}{
		{"POST", rrset + "/", batchOf(good), ""},
		{"POST", rrset, batchOf(good, changeOf("DELETE", "a.", "0", `"x"`, `"y"`)), ""},
		{"POST", rrset, batchOf(changeOf("UPSERT", "a.", "2147483647", strings.Repeat("x", 4000))), ""},
		{"GET", rrset, "", ""},
		{"GET", rrset + "?name=a.example.com.&type=TXT&maxitems=1", "", ""},
		{"GET", "/2013-04-01/hostedzonesbyname?dnsname=example.com", "", ""},
		{"GET", "/2013-04-01/hostedzone/Z1", "", ""},

		{"PUT", rrset, batchOf(good), "no such operation"},
		{"POST", "/2013-04-01/hostedzone/Z1", batchOf(good), "no such operation"},
		{"POST", "/2013-04-01/hostedzone/" + strings.Repeat("Z", 33) + "/rrset", batchOf(good), "HostedZoneId: 33 characters is out of range"},
		{"POST", rrset, "", "the body is no XML"},
		{"POST", rrset, batchOf(good)[:200], "no XML"},
		{"POST", rrset, strings.Replace(batchOf(good), "2013-04-01", "2012-12-12", 1), "want a ChangeResourceRecordSetsRequest of"},
		{"POST", rrset, strings.ReplaceAll(batchOf(good), "ChangeResourceRecordSetsRequest", "Change"), "the body is a Change"},
		{"POST", rrset, batchOf(), "Changes: 0 elements is out of range"},
		{"POST", rrset, strings.ReplaceAll(batchOf(good), "ChangeBatch", "Batch"), "there is no Batch"},
		{"POST", rrset, strings.ReplaceAll(batchOf(good), "ChangeBatch", "Batch"), "ChangeBatch is missing"},
		{"POST", rrset, batchOf(strings.ReplaceAll(good, "Change>", "Changed>")), "a Changed, want a Change"},
		{"POST", rrset, batchOf(changeOf("REPLACE", "a.", "60", `"x"`)), `"REPLACE" is none of CREATE, DELETE, UPSERT`},
		{"POST", rrset, batchOf(strings.Replace(good, "<Action>CREATE</Action>", "", 1)), "Changes[0]: Action is missing"},
		{"POST", rrset, batchOf(good, strings.Replace(good, "<Action>CREATE</Action>", "", 1)), "Changes[1]: Action is missing"},
		{"POST", rrset, batchOf(strings.Replace(good, "<Action>CREATE</Action>", "<Action>CREATE</Action><Action>DELETE</Action>", 1)), "Action more than once"},
		{"POST", rrset, batchOf(strings.Replace(good, "<Type>TXT</Type>", "<Type>TEXT</Type>", 1)), `"TEXT" is none of`},
		{"POST", rrset, batchOf(strings.Replace(good, "<Type>TXT</Type>", "", 1)), "ResourceRecordSet: Type is missing"},
		{"POST", rrset, batchOf(strings.Replace(good, "<Type>TXT</Type>", "<Type>TXT</Type><Class>IN</Class>", 1)), "there is no Class"},
		{"POST", rrset, batchOf(changeOf("CREATE", strings.Repeat("a", 1025), "60", `"x"`)), "Name: 1025 characters is out of range"},
		{"POST", rrset, batchOf(changeOf("CREATE", "a.", "-1", `"x"`)), "TTL: -1  is out of range"},
		{"POST", rrset, batchOf(changeOf("CREATE", "a.", "2147483648", `"x"`)), "is out of range"},
		{"POST", rrset, batchOf(changeOf("CREATE", "a.", "1m", `"x"`)), `parsing "1m"`},
		{"POST", rrset, batchOf(changeOf("CREATE", "a.", "60")), "ResourceRecords: 0 elements is out of range"},
		{"POST", rrset, batchOf(changeOf("CREATE", "a.", "60", strings.Repeat("x", 4001))), "Value: 4001 characters is out of range"},
		{"POST", rrset, batchOf(strings.ReplaceAll(good, "Value>", "value>")), "there is no value"},
		{"POST", rrset, batchOf(strings.Replace(good, `"x"`, "<b>x</b>", 1)), "elements within a string"},
		{"POST", rrset, batchOf(strings.Replace(good, "<TTL>60</TTL>", "<Weight>300</Weight>", 1)), "Weight: 300  is out of range"},
		{"POST", rrset, batchOf(strings.Replace(good, "<TTL>60</TTL>", "<MultiValueAnswer>yes</MultiValueAnswer>", 1)), "is no boolean"},
		{"POST", rrset, batchOf(strings.Replace(good, "<TTL>60</TTL>", "<CidrRoutingConfig><CollectionId>x</CollectionId><LocationName>y</LocationName></CidrRoutingConfig>", 1)), "does not match"},
		{"GET", rrset + "?start=a", "", "there is no parameter start"},
		{"GET", rrset + "?type=TEXT", "", `"TEXT" is none of`},
		{"GET", rrset + "?name=" + strings.Repeat("a", 1025), "", "StartRecordName: 1025 characters"},
		{"GET", rrset, "x", "there is a body"},
	} {
		r, err := http.NewRequest(tt.method, "http://localhost"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = model.check(r, []byte(tt.body), "ChangeResourceRecordSets", "ListResourceRecordSets", "ListHostedZonesByName", "GetHostedZone")
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s %.60s %.80s: error %v, want %q", tt.method, tt.path, tt.body, err, tt.want)
		}
	}
}

// ask sends a signed request to a fake, and returns status and body.
func ask(t *testing.T, f *Route53, method, path, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, f.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(body))
	key := aws.Credentials{AccessKeyID: f.AccessKeyID, SecretAccessKey: f.SecretAccessKey, SessionToken: f.SessionToken}
	if err := v4.NewSigner().SignHTTP(t.Context(), key, req, hex.EncodeToString(hash[:]), "route53", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// TestRoute53Refuses sends what the service refuses.
func TestRoute53Refuses(t *testing.T) {
	f := NewRoute53(t)
	zone := f.AddZone("example.com")
	path := strings.Replace(rrset, "Z1", zone, 1)
	f.Put(zone, RecordSet{Name: "there.example.com", Type: "TXT", TTL: 60, Values: []string{`"a"`, `"b"`}})
	f.Put(zone, RecordSet{Name: "alias.example.com", Type: "CNAME", TTL: 60, Values: []string{"x."}})
	many := make([]string, 1001)
	for i := range many {
		many[i] = changeOf("CREATE", fmt.Sprintf("a%d.example.com.", i), "60", `"x"`)
	}
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"as described", batchOf(strings.Replace(changeOf("CREATE", "a.example.com", "60", `"x"`), "TTL", "Ttl", 2)), 400, "InvalidInput"},
		{"no values", batchOf("<Change><Action>CREATE</Action><ResourceRecordSet><Name>a</Name><Type>TXT</Type></ResourceRecordSet></Change>"), 400, "InvalidInput"},
		{"create what is there", batchOf(changeOf("CREATE", "THERE.example.com", "60", `"x"`)), 400, "[Tried to create resource record set [name=&#39;there.example.com.&#39;, type=&#39;TXT&#39;] but it already exists]"},
		{"delete what is not there", batchOf(changeOf("DELETE", "a.example.com", "60", `"x"`)), 400, "but it was not found"},
		{"delete by other values", batchOf(changeOf("DELETE", "there.example.com", "60", `"a"`)), 400, "do not match the current values"},
		{"delete by another TTL", batchOf(changeOf("DELETE", "there.example.com", "61", `"a"`, `"b"`)), 400, "do not match the current values"},
		{"all that is wrong", batchOf(changeOf("DELETE", "a.example.com", "60", `"x"`), changeOf("CREATE", "there.example.com", "60", `"x"`)), 400, "but it was not found, Tried to create"},
		{"delete twice", batchOf(changeOf("DELETE", "there.example.com", "60", `"b"`, `"a"`), changeOf("DELETE", "there.example.com", "60", `"a"`, `"b"`)), 400, "but it was not found"},
		{"another zone", batchOf(changeOf("CREATE", "a.example.org", "60", `"x"`)), 400, "RRSet with DNS name a.example.org. is not permitted in zone example.com."},
		{"beside a CNAME", batchOf(changeOf("CREATE", "alias.example.com", "60", `"x"`)), 400, "conflicting RRSet of type  CNAME"},
		{"no quotes", batchOf(changeOf("CREATE", "a.example.com", "60", "x")), 400, "enclosed in quotation marks"},
		{"open quotes", batchOf(changeOf("CREATE", "a.example.com", "60", `"x`)), 400, "enclosed in quotation marks"},
		{"no space between", batchOf(changeOf("CREATE", "a.example.com", "60", `"x""y"`)), 400, "Unexpected character"},
		{"a long string", batchOf(changeOf("CREATE", "a.example.com", "60", `"`+strings.Repeat(`\001`, 256)+`"`)), 400, "CharacterStringTooLong"},
		{"a value twice", batchOf(changeOf("CREATE", "a.example.com", "60", `"x"`, `"x"`)), 400, "Duplicate Resource Record"},
		{"many elements", batchOf(many...), 400, "Number of records limit of 1000 exceeded."},
		{"an UPSERT counts twice", batchOf(strings.ReplaceAll(strings.Join(many[:501], ""), "CREATE", "UPSERT")), 400, "Number of records limit of 1000 exceeded."},
		{"many characters", batchOf(changeOf("CREATE", "a.example.com", "60", values(16, 198)...), changeOf("DELETE", "b.example.com", "60", values(145, 198)...)), 400, "Number of characters limit of 32000 exceeded."},
		{"delete and create", batchOf(changeOf("DELETE", "there.example.com", "60", `"b"`, `"a"`), changeOf("CREATE", "there.example.com", "60", `"c"`)), 200, "PENDING"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := ask(t, f, "POST", path, tt.body, nil)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	if n := f.Changes(); n != 1 {
		t.Errorf("%d batches were applied", n)
	}
}

// values makes n values of so many characters between the quotes.
func values(n, length int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"%0*d"`, length, i)
	}
	return all
}

// TestRoute53Signature changes what was signed.
func TestRoute53Signature(t *testing.T) {
	f := NewRoute53(t)
	zone := f.AddZone("example.com")
	path := strings.Replace(rrset, "Z1", zone, 1)
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		status int
		want   string
	}{
		{"as signed", nil, 200, "ListResourceRecordSetsResponse"},
		{"not signed", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken"},
		{"another path", func(r *http.Request) { r.URL.Path += "/" }, 403, "SignatureDoesNotMatch"},
		{"another query", func(r *http.Request) { r.URL.RawQuery = "maxitems=1" }, 403, "SignatureDoesNotMatch"},
		{"another body", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
		}, 403, "SignatureDoesNotMatch"},
		{"another day", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }, 403, "IncompleteSignature"},
		{"no token", func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") }, 403, "InvalidClientTokenId"},
		{"another service", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/route53/", "/s3/", 1))
		}, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, body := ask(t, f, "GET", path, "", tt.change); status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	for ahead, want := range map[time.Duration]string{4 * time.Minute: "ListResourceRecordSets", 6 * time.Minute: "Signature expired", -6 * time.Minute: "not yet current"} {
		f.SetClock(ahead)
		if _, body := ask(t, f, "GET", path, "", nil); !strings.Contains(body, want) {
			t.Errorf("%s: %s", ahead, body)
		}
	}
}
