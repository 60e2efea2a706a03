package route53

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// kinds of an error, as a caller of Swap sees them.
const (
	refused   = "refused"
	conflict  = "conflict"
	uncertain = "uncertain"
	unapplied = "not applied"
)

func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return registertest.Outcome(err)
}

// wantError wants a kind of error, texts in it, and no secret.
func wantError(t *testing.T, fake *cloudtest.Route53, err error, kind string, texts ...string) {
	t.Helper()
	if got := kindOf(err); got != kind {
		t.Fatalf("%s: %v, want %s", got, err, kind)
	}
	if err == nil {
		return
	}
	do, _ := register.Remedy(err)
	for _, text := range texts {
		if !strings.Contains(err.Error()+"\n"+do, text) {
			t.Errorf("error %q, do %q: want %q", err, do, text)
		}
	}
	for _, secret := range []string{fake.SecretAccessKey, fake.SessionToken} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, do), secret) {
			t.Errorf("a secret is in %q", strings.ReplaceAll(err.Error(), secret, "***"))
		}
	}
}

// TestAnswers has the service answer with each error that it documents, and what
// proxies answer, to a Load and to a Swap.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		status        int
		code, message string
		kind          string // of the Swap; a Load is refused or fails
		texts         []string
		zoneID        bool // the zone is configured by its id
	}{
		{404, "NoSuchHostedZone", "No hosted zone found with ID: Z1", refused, []string{"NoSuchHostedZone: No hosted zone found with ID: Z1 (404)", "set dns.zone_id", "--dns-name example.com"}, true},
		{403, "AccessDenied", "User: arn:aws:iam::1:user/x is not authorized to perform: route53:Y", refused, []string{"user/x is not authorized", "solotick keygen policy"}, true},
		{403, "InvalidClientTokenId", "The security token included in the request is invalid.", refused, []string{"check the access key", "aws sts get-caller-identity"}, true},
		{403, "UnrecognizedClientException", "The security token included in the request is invalid.", refused, []string{"check the access key"}, true},
		{403, "ExpiredToken", "The security token included in the request is expired", refused, []string{"get new credentials"}, true},
		{403, "SignatureDoesNotMatch", "The request signature we calculated\n\nx-amz-security-token:abc", refused, []string{"SignatureDoesNotMatch", "copy the secret access key again"}, true},
		{403, "MissingAuthenticationToken", "Missing Authentication Token", refused, []string{"check the endpoint"}, true},
		{403, "OptInRequired", "The AWS Access Key Id needs a subscription for the service", refused, []string{"the account is active"}, true},
		{403, "SomethingNew", "No.", refused, []string{"SomethingNew: No. (403)"}, true},
		{400, "LimitsExceeded", "This operation can't be completed", unapplied, []string{"LimitsExceeded: This operation can't be completed (400)"}, true},
		{500, "InternalFailure", "An internal error", uncertain, []string{"500 Internal Server Error (InternalFailure)"}, true},
		{503, "ServiceUnavailable", "The service is unavailable", uncertain, []string{"503 Service Unavailable"}, true},
	} {
		t.Run(tt.code, func(t *testing.T) {
			fake, zone, _ := start(t)
			cfg := configFor(fake)
			cfg.ZoneID = zone
			r := open(t, newClient(t, cfg), "record.example.com")
			fake.Refuse(tt.status, tt.code, tt.message)
			if clockCode(tt.code) { // the first one may be the clock's fault
				fake.Refuse(tt.status, tt.code, tt.message)
			}
			_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
			wantError(t, fake, err, tt.kind, append(tt.texts, "route53: swap record.example.com: ")...)
			kind := tt.kind
			if kind == uncertain {
				kind = unapplied
			}
			fake.Refuse(tt.status, tt.code, tt.message)
			_, err = r.Load(t.Context())
			wantError(t, fake, err, kind, append(tt.texts, "route53: load record.example.com: ")...)
			if strings.Contains(err.Error(), "abc") {
				t.Errorf("%q quotes the request", err)
			}
			// Whatever it was, the next ones find all well.
			swap(t, r, load(t, r), "second")
		})
	}
}

// TestFaults has replies and requests get lost, and servers fail.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault   cloudtest.Fault
		kind    string
		applied bool
		texts   []string
	}{
		{cloudtest.LoseReply, uncertain, true, []string{"closed before the end of the answer"}},
		{cloudtest.LoseRequest, uncertain, false, nil},
		{cloudtest.Hang, uncertain, false, []string{"context canceled"}},
		{cloudtest.ServerError, uncertain, false, []string{"500 Internal Server Error"}},
		{cloudtest.DoneError, uncertain, true, []string{"500 Internal Server Error"}},
		{cloudtest.Unavailable, uncertain, false, []string{"503 Service Unavailable"}},
	} {
		t.Run(fmt.Sprint(tt.fault), func(t *testing.T) {
			fake, _, c := start(t)
			r := open(t, c, "record.example.com")
			s := load(t, r)
			fake.OnWrites(tt.fault)
			ctx := t.Context()
			if tt.fault == cloudtest.Hang {
				ctx = untilAsked(t, fake)
			}
			_, err := r.Swap(ctx, s, []string{"text"})
			wantError(t, fake, err, tt.kind, tt.texts...)
			if got := load(t, open(t, newClient(t, configFor(fake)), "record.example.com")); (len(got.Texts) == 1) != tt.applied {
				t.Errorf("the register holds %q", got.Texts)
			}
			if _, writes, _ := fake.Count(); writes != 1 {
				t.Errorf("sent %d times", writes)
			}
			fake.OnReads(tt.fault)
			if tt.fault == cloudtest.Hang {
				ctx = untilAsked(t, fake)
			}
			if _, err = r.Load(ctx); err != nil { // net/http asks again where a connection ended
				wantError(t, fake, err, unapplied)
			}
		})
	}
}

// untilAsked is a context that ends when a fake has got one request more.
func untilAsked(t *testing.T, fake *cloudtest.Route53) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	count := func() int {
		reads, writes, _ := fake.Count()
		return reads + writes
	}
	before := count()
	go func() {
		defer cancel()
		for count() == before && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}()
	return ctx
}

// TestLateWrite has a change land after its sender gave up: what was swapped
// against the same snapshot meanwhile wins, and not both.
func TestLateWrite(t *testing.T) {
	fake, _, c := start(t)
	r := open(t, c, "record.example.com")
	s := swap(t, r, register.Snapshot{}, "first")
	fake.OnWrites(cloudtest.Late)
	_, err := r.Swap(t.Context(), s, []string{"late"})
	wantError(t, fake, err, uncertain)
	swap(t, r, s, "second")
	fake.Land()
	if got := load(t, r); got.Texts[0] != "second" {
		t.Errorf("the register holds %q", got.Texts)
	}

	s = load(t, r)
	fake.OnWrites(cloudtest.Late)
	_, err = r.Swap(t.Context(), s, []string{"late"})
	wantError(t, fake, err, uncertain)
	fake.Land()
	_, err = r.Swap(t.Context(), s, []string{"third"})
	wantError(t, fake, err, conflict, "do not match the current values")
}

// TestNotTheService has something answer in the API's place.
func TestNotTheService(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		kind   string
	}{
		{"a portal", 200, "<html><body>Welcome</body></html>", uncertain},
		{"a portal with half a page", 200, "<p>Welcome", uncertain},
		{"nothing", 200, "", uncertain},
		{"another API", 200, `<ChangeResourceRecordSetsResponse></ChangeResourceRecordSetsResponse>`, uncertain},
		{"a redirect", 302, "", uncertain},
		{"a proxy", 403, "<html>blocked</html>", uncertain},
		{"a proxy without a word", 407, "", uncertain},
		{"a gateway", 502, "bad gateway", uncertain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake := cloudtest.NewRoute53(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", fake.URL)
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			t.Cleanup(server.Close)
			cfg := configFor(fake)
			cfg.Endpoint, cfg.ZoneID = server.URL, "Z1"
			r := open(t, newClient(t, cfg), "record.example.com")
			_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
			wantError(t, fake, err, tt.kind)
		})
	}
}

func TestThrottled(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, _ string, c *Client) {
		r := open(t, c, "record.example.com")
		fake.OnWrites(cloudtest.Throttle)
		fake.OnReads(cloudtest.Throttle)
		began := time.Now()
		s := swap(t, r, load(t, r), "first")
		if took, want := time.Since(began), 2*(300+1000+300)*time.Millisecond; took != want {
			t.Errorf("it took %s, want %s", took, want)
		}

		// For longer than there is time: at once, and known not to be applied.
		fake.Limit(0.001, 0, time.Minute)
		began = time.Now()
		_, err := r.Swap(t.Context(), s, []string{"second"})
		wantError(t, fake, err, unapplied, "throttled: Throttling: Rate exceeded (400)")
		_, err = r.Load(t.Context())
		wantError(t, fake, err, unapplied, "the service wants no request for another")
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// load0 is the snapshot of one text, without asking.
func load0(t *testing.T, r *record, text string) register.Snapshot {
	t.Helper()
	set, err := setWith([]string{text}, rrset{}, r.client.ttl)
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.snapshot(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPriorRequestNotComplete(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, _ string, c *Client) {
		r := open(t, c, "record.example.com")
		fake.Busy(2)
		s := swap(t, r, register.Snapshot{}, "first")
		if _, writes, _ := fake.Count(); writes != 3 {
			t.Errorf("sent %d times", writes)
		}
		fake.Busy(1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Swap(ctx, s, []string{"second"})
		wantError(t, fake, err, unapplied, "PriorRequestNotComplete")
	})
}

// TestSignature has a secret that is wrong, a key that nobody knows, and clocks
// that are wrong.
func TestSignature(t *testing.T) {
	for _, tt := range []struct {
		name  string
		set   func(*Config, *cloudtest.Route53)
		kind  string
		texts []string
	}{
		{"wrong secret", func(c *Config, _ *cloudtest.Route53) { c.SecretAccessKey = register.NewSecret("wrong") }, refused, []string{"SignatureDoesNotMatch", "copy the secret access key again"}},
		{"unknown key", func(c *Config, _ *cloudtest.Route53) { c.AccessKeyID = "AKIAUNKNOWN" }, refused, []string{"InvalidClientTokenId", "check the access key"}},
		{"no token", func(c *Config, _ *cloudtest.Route53) { c.SessionToken = register.Secret{} }, refused, []string{"InvalidClientTokenId", "session token is missing"}},
		{"the clock is behind", func(_ *Config, f *cloudtest.Route53) { f.SetClock(time.Hour) }, "", nil},
		{"the clock is ahead", func(_ *Config, f *cloudtest.Route53) { f.SetClock(-time.Hour) }, "", nil},
		{"the clock and the secret", func(c *Config, f *cloudtest.Route53) {
			c.SecretAccessKey = register.NewSecret("wrong")
			f.SetClock(-time.Hour)
		}, refused, []string{"ahead of the service's", "or copy the secret access key again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, _, _ := start(t)
			cfg := configFor(fake)
			tt.set(&cfg, fake)
			r := open(t, newClient(t, cfg), "record.example.com")
			s, err := r.Load(t.Context())
			wantError(t, fake, err, tt.kind, tt.texts...)
			_, err = r.Swap(t.Context(), s, []string{"first"})
			wantError(t, fake, err, tt.kind, tt.texts...)
		})
	}
}

// TestClockThatSteps corrects the signature once more whenever all was well in
// between.
func TestClockThatSteps(t *testing.T) {
	fake, _, c := start(t)
	r := open(t, c, "record.example.com")
	s := load(t, r)
	for i, ahead := range []time.Duration{time.Hour, -time.Hour, 0} {
		fake.SetClock(ahead)
		s = swap(t, r, s, fmt.Sprint(i))
		if got := time.Until(s.Time) - ahead; got.Abs() > 5*time.Second {
			t.Errorf("the register's time is %s, %s off", s.Time, got)
		}
	}
}

// TestNotApplicable has the service reject what no reading could make right.
func TestNotApplicable(t *testing.T) {
	for _, tt := range []struct {
		name  string
		set   func(f *cloudtest.Route53, zone string)
		old   string
		kind  string
		texts []string
	}{
		{"a CNAME is there", func(f *cloudtest.Route53, zone string) {
			f.Put(zone, cloudtest.RecordSet{Name: "record.example.com", Type: "CNAME", TTL: 60, Values: []string{"other.example.com."}})
		}, "", refused, []string{"InvalidChangeBatch: RRSet of type TXT", "conflicting RRSet of type  CNAME", "at which no CNAME is"}},
		{"something is there", func(f *cloudtest.Route53, zone string) {
			f.Put(zone, cloudtest.RecordSet{Name: "record.example.com", Type: "TXT", TTL: 60, Values: []string{`"x"`}})
		}, "", conflict, []string{"Tried to create resource record set", "but it already exists"}},
		{"the TTL is another", func(f *cloudtest.Route53, zone string) {
			f.Put(zone, cloudtest.RecordSet{Name: "record.example.com", Type: "TXT", TTL: 300, Values: []string{`"old"`}})
		}, "old", conflict, []string{"do not match the current values"}},
		{"it is gone", func(*cloudtest.Route53, string) {}, "old", conflict, []string{"but it was not found"}},
		{"a routing policy", func(f *cloudtest.Route53, zone string) {
			f.Put(zone, cloudtest.RecordSet{Name: "record.example.com", Type: "TXT", TTL: 60, Values: []string{`"x"`}, SetIdentifier: "blue"})
		}, "", refused, []string{"a routing policy chooses from (blue)", "use a name of its own"}},
		{"other words, and all is as it was", func(f *cloudtest.Route53, zone string) {
			f.Refuse(400, "InvalidChangeBatch", "[The stars are not right]")
		}, "", refused, []string{"InvalidChangeBatch: The stars are not right"}},
		{"other words, and it was changed", func(f *cloudtest.Route53, zone string) {
			f.Put(zone, cloudtest.RecordSet{Name: "record.example.com", Type: "TXT", TTL: 60, Values: []string{`"x"`}})
			f.Refuse(400, "InvalidChangeBatch", "[The stars are not right]")
		}, "", conflict, []string{"The stars are not right"}},
		{"other words, and the TTL was changed", func(f *cloudtest.Route53, zone string) {
			f.Put(zone, cloudtest.RecordSet{Name: "record.example.com", Type: "TXT", TTL: 300, Values: []string{`"old"`}})
			f.Refuse(400, "InvalidChangeBatch", "[The stars are not right]")
		}, "old", conflict, []string{"The stars are not right"}},
		{"invalid input", func(f *cloudtest.Route53, zone string) {
			f.Refuse(400, "InvalidInput", "The input is not valid.")
		}, "", refused, []string{"InvalidInput: The input is not valid."}},
	} {
		for _, documented := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %v", tt.name, documented), func(t *testing.T) {
				fake, zone, _ := start(t)
				fake.DocumentedErrors = documented
				cfg := configFor(fake)
				cfg.ZoneID = zone
				r := open(t, newClient(t, cfg), "record.example.com")
				tt.set(fake, zone)
				old := register.Snapshot{}
				if tt.old != "" {
					old = load0(t, r, tt.old)
				}
				_, err := r.Swap(t.Context(), old, []string{"new"})
				wantError(t, fake, err, tt.kind, tt.texts...)
			})
		}
	}
}

// TestReadingBackFails leaves a conflict a conflict: it is known that nothing was
// applied.
func TestReadingBackFails(t *testing.T) {
	fake, zone, _ := start(t)
	cfg := configFor(fake)
	cfg.ZoneID = zone
	r := open(t, newClient(t, cfg), "record.example.com")
	fake.Refuse(400, "InvalidChangeBatch", "[The stars are not right]")
	fake.OnReads(cloudtest.ServerError)
	_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"new"})
	wantError(t, fake, err, conflict, "The stars are not right")
}

// TestStaleList has a list show what was there before: the swap conflicts, and the
// next Load sees it.
func TestStaleList(t *testing.T) {
	fake, _, c := start(t)
	r := open(t, c, "record.example.com")
	first := swap(t, r, register.Snapshot{}, "first")
	swap(t, r, first, "second")
	fake.StaleLists(1)
	s := load(t, r)
	if !slices.Equal(s.Texts, first.Texts) {
		t.Fatalf("%q is not stale", s.Texts)
	}
	_, err := r.Swap(t.Context(), s, []string{"third"})
	wantError(t, fake, err, conflict)
	swap(t, r, load(t, r), "third")
}

// TestNothingForNothing swaps what is not there for nothing.
func TestNothingForNothing(t *testing.T) {
	fake, _, c := start(t)
	r := open(t, c, "record.example.com")
	if s := swap(t, r, register.Snapshot{}); len(s.Texts) > 0 || s.Tag != "" || s.Time.IsZero() {
		t.Errorf("%+v", s)
	}
	swap(t, r, register.Snapshot{}, "first")
	_, err := r.Swap(context.Background(), register.Snapshot{}, nil)
	wantError(t, fake, err, conflict)
}
