package clouddns_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/clouddns"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

const name = "canary." + zone

// fqdn is name as the API has it.
const fqdn = name + "."

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
	for _, secret := range []string{"ya29.", "PRIVATE", "Bearer"} {
		if strings.Contains(err.Error()+remedy, secret) {
			t.Errorf("a secret is in %q", err)
		}
	}
}

// answering is a server that answers each Change in one way, with its token where
// the body has TOKEN, and leads the rest to
// the service.
func answering(t *testing.T, fake *cloudtest.CloudDNS, status int, body string, header ...string) clouddns.Config {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			forward(w, r, fake.URL)
			return
		}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, strings.ReplaceAll(body, "TOKEN", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
	}))
	t.Cleanup(srv.Close)
	cfg := config(fake)
	cfg.Endpoint, cfg.ManagedZone = srv.URL, managed
	return cfg
}

func forward(w http.ResponseWriter, r *http.Request, to string) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.RequestURI(), nil)
	if err != nil {
		panic(err)
	}
	req.Header = r.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

// said is the body of an error of Google's.
func said(status int, reason, message string) string {
	return fmt.Sprintf(`{"error": {"code": %d, "message": %q, "errors": [{"message": %[2]q, "domain": "global", "reason": %[3]q}]}}`, status, message, reason)
}

func TestOutcomes(t *testing.T) {
	fake := newFake(t)
	const (
		at          = "clouddns: swap canary.t.test: "
		itsConflict = at + "the register no longer holds what was read: "
		unknown     = at + "the outcome of the swap is unknown: "
		refuses     = at + "the register refuses: "
		maybe       = "; it may have been received all the same"
	)
	for _, c := range []struct {
		name     string
		status   int
		body     string
		kind     kind
		text, do string
	}{
		{
			"exists", 409, said(409, "alreadyExists", "The resource 'entity.change.additions[0]' named 'canary.t.test. (TXT)' already exists"), conflict,
			itsConflict + "409 Conflict: The resource 'entity.change.additions[0]' named 'canary.t.test. (TXT)' already exists (alreadyExists)", "",
		},
		{
			"differs", 412, said(412, "conditionNotMet", "Precondition not met for 'entity.change.deletions[0]'"), conflict,
			itsConflict + "412 Precondition Failed: Precondition not met for 'entity.change.deletions[0]' (conditionNotMet)", "",
		},
		{
			"is gone", 404, said(404, "notFound", "The 'entity.change.deletions[0]' resource named 'canary.t.test. (TXT)' does not exist."), conflict,
			itsConflict + "404 Not Found: The 'entity.change.deletions[0]' resource named 'canary.t.test. (TXT)' does not exist. (notFound)", "",
		},
		{
			"is gone, in other words, while the zone is there", 404, said(404, "notFound", "Not found."), conflict,
			itsConflict + "404 Not Found: Not found. (notFound)", "",
		},
		{
			"the zone is gone", 404, said(404, "notFound", "The 'parameters.managedZone' resource named 't-test' does not exist."), refused,
			refuses + "there is no zone t-test in the project acme: 404 Not Found: The 'parameters.managedZone' resource named 't-test' does not exist. (notFound)",
			"gcloud dns managed-zones list --project=acme",
		},
		{
			"the project is gone", 404, said(404, "notFound", "The 'parameters.project' resource named 'acme' does not exist."), refused,
			refuses + "there is no zone t-test in the project acme: 404 Not Found: The 'parameters.project' resource named 'acme' does not exist. (notFound)",
			"gcloud dns managed-zones list --project=acme",
		},
		{"not found, says another", 404, "<html>404</html>", uncertain, unknown + "404 Not Found", ""},
		{"a conflict, says another", 409, "<html>409</html>", uncertain, unknown + "409 Conflict", ""},
		{"a precondition, says another", 412, "", uncertain, unknown + "412 Precondition Failed", ""},
		{"forbidden, says another", 403, "the proxy forbids", uncertain, unknown + "403 Forbidden", ""},
		{"no whole request in time", 408, said(408, "timeout", "Timeout."), uncertain, unknown + "408 Request Timeout: Timeout. (timeout)", ""},

		{
			"token", 401, said(401, "authError", "Invalid Credentials"), refused,
			refuses + "401 Unauthorized: Invalid Credentials (authError)", "gcloud iam service-accounts keys list",
		},
		{
			"role", 403, said(403, "forbidden", "Forbidden"), refused,
			refuses + "403 Forbidden: Forbidden (forbidden)", "grant the role that solotick keygen policy prints to the service account, on the zone t-test or the project acme",
		},
		{
			"scope", 403, said(403, "insufficientPermissions", "Request had insufficient authentication scopes."), refused,
			refuses + "403 Forbidden: Request had insufficient authentication scopes. (insufficientPermissions)", "access scope cloud-platform",
		},
		{
			"API", 403, said(403, "accessNotConfigured", "Cloud DNS API has not been used in project 540196616614 before or it is disabled."), refused,
			refuses + "403 Forbidden: Cloud DNS API has not been used in project 540196616614 before or it is disabled. (accessNotConfigured)",
			"gcloud services enable dns.googleapis.com --project=acme",
		},
		{
			"API, in the newer form", 403, `{"error": {"code": 403, "message": "Cloud DNS API is disabled.", "status": "SERVICE_DISABLED"}}`, refused,
			refuses + "403 Forbidden: Cloud DNS API is disabled. (SERVICE_DISABLED)", "gcloud services enable dns.googleapis.com --project=acme",
		},
		{
			"too large", 403, said(403, "quotaExceeded", "The change would exceed quota for total rrdata size per change."), refused,
			refuses + "403 Forbidden: The change would exceed quota for total rrdata size per change. (quotaExceeded)", "quotas of the Cloud DNS API",
		},
		{
			"too much", 413, said(413, "quotaExceeded", "Quota exceeded."), plain,
			at + "413 Request Entity Too Large: Quota exceeded. (quotaExceeded)", "quotas of the Cloud DNS API",
		},
		{
			"alias", 400, said(400, "cnameResourceRecordSetConflict", "The resource record set 'entity.change.additions[0]' is invalid because the DNS name 'canary.t.test.' may have either one CNAME resource record set or resource record sets of other types, but not both."), refused,
			refuses + "400 Bad Request: The resource record set 'entity.change.additions[0]' is invalid because the DNS name 'canary.t.test.' may have either one CNAME resource record set or resource record sets of other types, but not both. (cnameResourceRecordSetConflict)",
			"use another name",
		},
		{
			"invalid", 400, said(400, "invalid", "Invalid value for 'entity.change.additions[0].rrdata[0]': 'x'"), plain,
			at + "400 Bad Request: Invalid value for 'entity.change.additions[0].rrdata[0]': 'x' (invalid)", "",
		},
		{
			"an echo", 400, said(400, "invalid", "not with TOKEN"), plain,
			at + "400 Bad Request: not with *** (invalid)", "",
		},
		{"a long tale", 400, said(400, "invalid", strings.Repeat("much\n", 100)), plain, at + "400 Bad Request: " + strings.Repeat("much ", 60) + "... (invalid)", ""},

		{"server", 500, said(500, "backendError", "Internal error"), uncertain, unknown + "500 Internal Server Error: Internal error (backendError)" + maybe, ""},
		{"gateway", 502, "<html>", uncertain, unknown + "502 Bad Gateway" + maybe, ""},
		{"unavailable", 503, "", uncertain, unknown + "503 Service Unavailable" + maybe, ""},
		{"another place", 302, "", uncertain, unknown + "302 Found" + maybe, ""},
		{"a page of a portal", 200, "<html>Welcome</html>", uncertain, unknown + "200 with a body that is not the API's: is this its address? it may have been received all the same", ""},
		{"an empty answer", 200, "{}", uncertain, unknown + "an answer that is no Change: it may have been received all the same", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := open(t, answering(t, fake, c.status, c.body), name)
			_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
			wantError(t, err, c.kind, c.text, c.do)
		})
	}
}

// TestHugeAnswer has an answer that cannot be taken in, and so tells nothing.
func TestHugeAnswer(t *testing.T) {
	fake := newFake(t)
	r := open(t, answering(t, fake, 200, strings.Repeat(" ", 16<<20+1)), name)
	if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"}); kindOf(err) != uncertain {
		t.Errorf("%s: %v", kindOf(err), err)
	}
}

// TestUnknown404 has the service unable to say whether the zone is there.
func TestUnknown404(t *testing.T) {
	fake := newFake(t)
	cfg := answering(t, fake, 404, said(404, "notFound", "Not found."))
	r := open(t, cfg, name)
	fake.RemoveZone(managed)
	_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
	wantError(t, err, refused, "clouddns: swap canary.t.test: the register refuses: there is no zone t-test in the project acme: 404 Not Found: Not found. (notFound)", "gcloud dns")

	fake.Deny("dns.managedZones.get", 403, "forbidden", "Forbidden")
	_, err = r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
	wantError(t, err, plain, "clouddns: swap canary.t.test: 404 Not Found: Not found. (notFound); and whether the zone is there cannot be found out: 403 Forbidden: Forbidden (forbidden)", "")
}

// TestThrottled holds that a Change that was one too many is sent again once the
// service allows it, and that the error says so where there is no time for that.
func TestThrottled(t *testing.T) {
	fake := newFake(t)
	fake.OnWrites(cloudtest.Throttle, cloudtest.Throttle)
	r := open(t, config(fake), name)
	s, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
	if err != nil || len(s.Texts) != 1 {
		t.Fatalf("%v, error %v", s, err)
	}
	if _, writes, refusals := fake.Count(); writes != 1 || refusals != 2 {
		t.Errorf("%d writes and %d refusals", writes, refusals)
	}

	fake.Limit(0.0001, 1, 2*time.Second)
	r.Load(t.Context()) // takes what there is
	began := time.Now()
	cfg := config(fake)
	cfg.Timeout, cfg.ManagedZone = time.Second, managed
	r = open(t, cfg, name)
	_, err = r.Swap(t.Context(), s, []string{"two"})
	wantError(t, err, plain, "clouddns: swap canary.t.test: throttled (429): 429 Too Many Requests: Resource has been exhausted (e.g. check quota). (rateLimitExceeded)", "")
	_, err = r.Load(t.Context())
	wantError(t, err, plain, "clouddns: load canary.t.test: throttled (429): 429 Too Many Requests: Resource has been exhausted (e.g. check quota). (rateLimitExceeded)", "")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s, although there was no hope", took)
	}
}

// TestThrottledOtherwise has the other words for the same.
func TestThrottledOtherwise(t *testing.T) {
	fake := newFake(t)
	for _, c := range []struct {
		status int
		body   string
		header []string
	}{
		{403, said(403, "rateLimitExceeded", "Rate Limit Exceeded"), nil},
		{403, said(403, "userRateLimitExceeded", "User Rate Limit Exceeded"), nil},
		{429, "", nil},
		{413, "", []string{"Retry-After", "60"}},
	} {
		cfg := answering(t, fake, c.status, c.body, append(c.header, "Retry-After", "60")...)
		_, err := open(t, cfg, name).Swap(t.Context(), register.Snapshot{}, []string{"one"})
		if err == nil || kindOf(err) != plain || !strings.HasPrefix(err.Error(), fmt.Sprintf("clouddns: swap canary.t.test: throttled (%d): ", c.status)) {
			t.Errorf("%d %s: error %v", c.status, c.body, err)
		}
	}
}

// TestLostAnswers has what went wrong on the way, and what is there afterwards.
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
		{"silence", cloudtest.Hang, uncertain, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := newFake(t)
			cfg := config(fake)
			r := open(t, cfg, name)
			if _, err := r.Load(t.Context()); err != nil { // so that the time-out is the swap's alone
				t.Fatal(err)
			}
			if c.fault == cloudtest.Hang {
				cfg.Timeout, cfg.ManagedZone = 300*time.Millisecond, managed
				r = open(t, cfg, name)
				if _, err := r.Load(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			fake.OnWrites(c.fault)
			_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
			if kindOf(err) != c.kind {
				t.Errorf("%s: %v, want %s", kindOf(err), err, c.kind)
			}
			if _, _, there := fake.Set(managed, fqdn, "TXT"); there != c.applied {
				t.Errorf("the record is there: %t, want %t", there, c.applied)
			}
			if _, writes, _ := fake.Count(); writes != 1 {
				t.Errorf("%d writes: it was tried again", writes)
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
	if s, err := r.Load(t.Context()); err != nil || len(s.Texts) != 1 || s.Texts[0] != "new" {
		t.Errorf("%v, error %v: the late one was applied over another", s, err)
	}
}

// TestStaleList has a list that trails: a swap of what it shows conflicts.
func TestStaleList(t *testing.T) {
	fake := newFake(t)
	r := open(t, config(fake), name)
	s, err := r.Swap(t.Context(), register.Snapshot{}, []string{"one"})
	if err == nil {
		s, err = r.Swap(t.Context(), s, []string{"two"})
	}
	if err != nil {
		t.Fatal(err)
	}
	fake.Trail(1)
	stale, err := r.Load(t.Context())
	if err != nil || stale.Texts[0] != "one" || stale.Tag == s.Tag {
		t.Fatalf("%v, error %v", stale, err)
	}
	if _, err := r.Swap(t.Context(), stale, []string{"three"}); kindOf(err) != conflict {
		t.Errorf("error %v", err)
	}
	if rrdatas, _, _ := fake.Set(managed, fqdn, "TXT"); len(rrdatas) != 1 || rrdatas[0] != `"two"` {
		t.Errorf("the record is %q", rrdatas)
	}
}

// TestTwoValuesOfOneText: somebody else's values may differ only in how they are
// split into strings. Both stay.
func TestTwoValuesOfOneText(t *testing.T) {
	fake := newFake(t)
	fake.Put(managed, fqdn, "TXT", 300, `"a" "bc"`, `"ab" "c"`)
	r := open(t, config(fake), name)
	s, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Swap(t.Context(), s, append(s.Texts, "record", "record")); err != nil {
		t.Fatal(err)
	}
	got, _, _ := fake.Set(managed, fqdn, "TXT")
	slices.Sort(got)
	if want := []string{`"a" "bc"`, `"ab" "c"`, `"record"`}; !slices.Equal(got, want) {
		t.Errorf("the service holds %q, want %q", got, want)
	}
}
