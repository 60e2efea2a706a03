package cloudtest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const zonePath = "/dns/v1/projects/acme/managedZones/t-test"

// TestDiscovery shows which requests are caught that Google would refuse, and that
// good ones are not.
func TestDiscovery(t *testing.T) {
	d, err := readCloudDNS()
	if err != nil {
		t.Fatal(err)
	}
	const set = `{"name": "a.t.test.", "type": "TXT", "ttl": 60, "rrdatas": ["\"one\""]}`
	for _, c := range []struct {
		name, method, target, body string
		want                       string // the method, or after a minus the error
	}{
		{"a change", "POST", zonePath + "/changes", `{"additions": [` + set + `], "deletions": [` + set + `]}`, "dns.changes.create"},
		{"a list", "GET", zonePath + "/rrsets?name=a.t.test.&type=TXT&maxResults=10", "", "dns.resourceRecordSets.list"},
		{"a parameter of all methods", "GET", zonePath + "/rrsets?alt=json&prettyPrint=false", "", "dns.resourceRecordSets.list"},
		{"zones", "GET", "/dns/v1/projects/acme/managedZones?dnsName=t.test.", "", "dns.managedZones.list"},
		{"a zone", "GET", zonePath, "", "dns.managedZones.get"},
		{"permissions", "POST", zonePath + ":testIamPermissions", `{"permissions": ["dns.changes.create"]}`, "dns.managedZones.testIamPermissions"},
		{"a routing policy", "POST", zonePath + "/changes", `{"additions": [{"name": "a.t.test.", "type": "TXT", "routingPolicy": {"wrr": {"items": [{"weight": 0.5}]}}}]}`, "dns.changes.create"},

		{"another path", "GET", "/dns/v1/projects/acme/zones", "", "-no method is GET /dns/v1/projects/acme/zones"},
		{"another method", "PUT", zonePath + "/changes", `{}`, "-no method is PUT"},
		{"an unknown parameter", "GET", zonePath + "/rrsets?names=a", "", `-dns.resourceRecordSets.list has no parameter "names"`},
		{"a parameter twice", "GET", zonePath + "/rrsets?name=a.&name=b.", "", `-dns.resourceRecordSets.list has no parameter "name", or it is given twice`},
		{"a parameter of the path in the query", "GET", zonePath + "/rrsets?project=acme", "", `-dns.resourceRecordSets.list has no parameter "project"`},
		{"a number that is none", "GET", zonePath + "/rrsets?maxResults=many", "", `-dns.resourceRecordSets.list: parameter "maxResults"`},
		{"a number that is too large", "GET", zonePath + "/rrsets?maxResults=2147483648", "", `-dns.resourceRecordSets.list: parameter "maxResults"`},
		{"a choice that is none", "GET", zonePath + "/changes?sortBy=time", "", `-dns.changes.list: parameter "sortBy": "time" is none of ["changeSequence"]`},
		{"a body to a GET", "GET", zonePath + "/rrsets", `{}`, "-dns.resourceRecordSets.list takes no body"},
		{"no body", "POST", zonePath + "/changes", "", "-dns.changes.create: the body is no JSON"},
		{"two bodies", "POST", zonePath + "/changes", "{} {}", "-dns.changes.create: the body is more than one value"},
		{"a body that is no object", "POST", zonePath + "/changes", "[]", "-dns.changes.create: body is no object"},
		{"an unknown field", "POST", zonePath + "/changes", `{"addition": []}`, `-dns.changes.create: body has no field "addition"`},
		{"an unknown field within", "POST", zonePath + "/changes", `{"additions": [{"rrdata": []}]}`, `-dns.changes.create: body.additions[0] has no field "rrdata"`},
		{"a field in capitals", "POST", zonePath + "/changes", `{"Additions": []}`, `-dns.changes.create: body has no field "Additions"`},
		{"a list that is none", "POST", zonePath + "/changes", `{"additions": ` + set + `}`, "-dns.changes.create: body.additions is no array"},
		{"a text that is none", "POST", zonePath + "/changes", `{"additions": [{"rrdatas": [1]}]}`, "-dns.changes.create: body.additions[0].rrdatas[0] is no string: 1"},
		{"a number in quotes", "POST", zonePath + "/changes", `{"additions": [{"ttl": "60"}]}`, "-dns.changes.create: body.additions[0].ttl is no integer: 60"},
		{"a number with a fraction", "POST", zonePath + "/changes", `{"additions": [{"ttl": 60.5}]}`, "-dns.changes.create: body.additions[0].ttl"},
		{"a TTL beyond 32 bits", "POST", zonePath + "/changes", `{"additions": [{"ttl": 4294967296}]}`, "-dns.changes.create: body.additions[0].ttl"},
		{"a null", "POST", zonePath + "/changes", `{"additions": null}`, "-dns.changes.create: body.additions is no array"},
		{"a choice in a body", "POST", zonePath + "/changes", `{"status": "undone"}`, `-dns.changes.create: body.status: "undone" is none of`},
		{"a truth that is none", "POST", zonePath + "/changes", `{"isServing": "yes"}`, "-dns.changes.create: body.isServing is no boolean"},
		{"what is the service's to set", "POST", zonePath + "/changes", `{"kind": "dns#change"}`, "-dns.changes.create: body.kind is the service's to set"},
		{"bytes that are none", "POST", zonePath + ":setIamPolicy", `{"policy": {"etag": "?"}}`, "-dns.managedZones.setIamPolicy: body.policy.etag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.target, strings.NewReader(c.body))
			if c.method != http.MethodGet {
				r.Header.Set("Content-Type", "application/json")
			}
			call, err := d.check(r)
			if prefix, refused := strings.CutPrefix(c.want, "-"); refused {
				if err == nil || !strings.HasPrefix(err.Error(), prefix) {
					t.Errorf("error %v, want %s", err, prefix)
				}
				return
			}
			if err != nil || call.method.ID != c.want {
				t.Errorf("%+v, error %v; want %s", call, err, c.want)
			}
		})
	}
}

func TestDiscoveryMediaType(t *testing.T) {
	d, err := readCloudDNS()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, zonePath+"/changes", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "text/plain")
	if _, err := d.check(r); err == nil || err.Error() != `dns.changes.create takes JSON, and not "text/plain"` {
		t.Errorf("error %v", err)
	}
}

func TestDiscoveryAnswer(t *testing.T) {
	d, err := readCloudDNS()
	if err != nil {
		t.Fatal(err)
	}
	change := &discoSchema{Ref: "Change"}
	if err := d.checkBody(change, []byte(`{"kind": "dns#change", "status": "pending", "id": "1"}`), false); err != nil {
		t.Errorf("a good answer: %v", err)
	}
	if err := d.checkBody(change, []byte(`{"id": 1}`), false); err == nil {
		t.Error("an answer with a number for a text is taken for good")
	}
}

func TestReadDiscovery(t *testing.T) {
	for _, text := range []string{"", "{}", `{"resources": {"a": {"methods": {}}}}`, `{"schemas": {"A": {"required": "yes"}}}`} {
		if _, err := readDiscovery([]byte(text)); err == nil {
			t.Errorf("%s is taken for a description", text)
		}
	}
}

// TestCloudTXT holds how the service stores TXT values.
func TestCloudTXT(t *testing.T) {
	for value, want := range map[string]string{
		`"one"`:                              `"one"`,
		`one`:                                `"one"`,
		`one two`:                            `"one" "two"`,
		`"one""two" three`:                   `"one" "two" "three"`,
		`"a\"b\\c\;d\065"`:                   `"a\"b\\c;dA"`,
		"\"tab\there\"":                      `"tab\009here"`,
		`""`:                                 `""`,
		strings.Repeat("x", 255):             `"` + strings.Repeat("x", 255) + `"`,
		``:                                   "-",
		` `:                                  "-",
		`"one`:                               "-",
		`"\256"`:                             "-",
		`"\06"`:                              "-",
		`\`:                                  "-",
		`"` + strings.Repeat("x", 256) + `"`: "-",
	} {
		got, ok := cloudTXT(value)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%.40s: %.40s, want %.40s", value, got, want)
		}
	}
}
