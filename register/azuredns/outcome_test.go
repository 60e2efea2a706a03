package azuredns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

const canary = "canary." + zone

// errPlain stands for an error that is no outcome of a swap: surely not applied.
var errPlain = errors.New("not applied")

func wantOutcome(t *testing.T, err, want error) {
	t.Helper()
	var got []error
	for _, outcome := range []error{register.ErrConflict, register.ErrUncertain, register.ErrRefused} {
		if errors.Is(err, outcome) {
			got = append(got, outcome)
		}
	}
	if err != nil && got == nil {
		got = []error{errPlain}
	}
	if len(got) != 1 || got[0] != want {
		t.Fatalf("error %v, which is %v, want %v", err, got, want)
	}
}

func load(t *testing.T, r register.Register) register.Snapshot {
	t.Helper()
	s, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func swap(t *testing.T, r register.Register, old register.Snapshot, texts ...string) register.Snapshot {
	t.Helper()
	s, err := r.Swap(t.Context(), old, texts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSwapFaults: what a swap is told by everything that can happen to its
// request, and what was applied.
func TestSwapFaults(t *testing.T) {
	for _, row := range []struct {
		name    string
		fault   cloudtest.Fault
		outcome error
		applied bool
		text    string
	}{
		{"lost reply", cloudtest.LoseReply, register.ErrUncertain, true, "the outcome of the swap is unknown: PUT http://"},
		{"lost request", cloudtest.LoseRequest, register.ErrUncertain, false, "it may have been received all the same"},
		{"late", cloudtest.Late, register.ErrUncertain, false, "it may have been received all the same"},
		{"hang", cloudtest.Hang, register.ErrUncertain, false, "context deadline exceeded"},
		{"500", cloudtest.ServerError, register.ErrUncertain, false, "the outcome of the swap is unknown: answered 500"},
		{"500, done", cloudtest.DoneError, register.ErrUncertain, true, "answered 500"},
		{"503", cloudtest.Unavailable, register.ErrUncertain, false, "answered 503"},
		{"429", cloudtest.Throttle, errPlain, false, "throttled (429 ResourceRequestsThrottled: Number of requests for action 'Microsoft.Network/dnsZones/TXT/write' exceeded"},
	} {
		for _, texts := range [][]string{{"second"}, nil} {
			t.Run(fmt.Sprintf("%s to %d texts", row.name, len(texts)), func(t *testing.T) {
				fake := start(t)
				first := swap(t, open(t, config(fake.URL), canary), register.Snapshot{}, "first")
				r := open(t, config(fake.URL), canary)
				load(t, r) // so that a token is there
				if row.fault == cloudtest.Hang {
					r.(*record).client.timeout = 500 * time.Millisecond
				}
				fake.OnWrites(row.fault)
				_, err := r.Swap(t.Context(), first, texts)
				wantOutcome(t, err, row.outcome)
				want := strings.Replace(row.text, "PUT", map[bool]string{true: "PUT", false: "DELETE"}[len(texts) > 0], 1)
				if !strings.HasPrefix(err.Error(), "azuredns: swap canary.t.test: ") || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
				held := load(t, open(t, config(fake.URL), canary)).Texts
				if want := map[bool][]string{true: texts, false: {"first"}}[row.applied]; !cmp.Equal(held, want) {
					t.Errorf("the register holds %q, want %q", held, want)
				}
				fake.Land()
				if held := load(t, open(t, config(fake.URL), canary)).Texts; row.fault == cloudtest.Late && !cmp.Equal(held, texts) {
					t.Errorf("after it has landed: %q, want %q", held, texts)
				}
			})
		}
	}
}

// TestLoadFaults: no fault of a read says anything about the record.
func TestLoadFaults(t *testing.T) {
	fake := start(t)
	for fault, text := range map[cloudtest.Fault]string{
		cloudtest.LoseReply: "GET http://", cloudtest.LoseRequest: "GET http://", cloudtest.Hang: "context deadline exceeded",
		cloudtest.ServerError: "answered 500", cloudtest.Unavailable: "answered 503", cloudtest.Throttle: "throttled (429 ResourceRequestsThrottled",
	} {
		r := open(t, config(fake.URL), canary)
		if fault == cloudtest.Hang {
			r.(*record).client.timeout = 500 * time.Millisecond
		}
		fake.OnReads(fault)
		_, err := r.Load(t.Context())
		wantOutcome(t, err, errPlain)
		if !strings.HasPrefix(err.Error(), "azuredns: load canary.t.test: ") || !strings.Contains(err.Error(), text) {
			t.Errorf("fault %d: error %v, want one with %q", fault, err, text)
		}
	}
}

// TestRefusals: the errors that people meet end in a sentence with cause and
// remedy.
func TestRefusals(t *testing.T) {
	const role = `az role assignment create --assignee CLIENT_ID --role "DNS Zone Contributor" --scope ` +
		"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/dns/providers/Microsoft.Network/dnsZones/t.test/TXT/canary"
	for _, row := range []struct {
		name        string
		prepare     func(*cloudtest.AzureDNS, *Config)
		reads       bool // are refused as well
		text, do    string
		configError bool
	}{
		{
			name:    "no role",
			prepare: func(f *cloudtest.AzureDNS, _ *Config) { f.Deny("write", "AuthorizationFailed") },
			text:    "the register refuses: 403 AuthorizationFailed: The client '0f1e' with object id '0f1e' does not have authorization to perform action 'Microsoft.Network/dnszones/TXT/write' over scope", do: role,
		},
		{
			name: "no role to read",
			prepare: func(f *cloudtest.AzureDNS, _ *Config) {
				f.Deny("read", "AuthorizationFailed")
				f.Deny("write", "AuthorizationFailed")
			},
			reads: true, text: "403 AuthorizationFailed", do: role,
		},
		{
			name:    "policy",
			prepare: func(f *cloudtest.AzureDNS, _ *Config) { f.Deny("write", "RequestDisallowedByPolicy") },
			text:    "403 RequestDisallowedByPolicy", do: "a policy of the subscription forbids it",
		},
		{
			name:    "disabled",
			prepare: func(f *cloudtest.AzureDNS, _ *Config) { f.Deny("write", "ReadOnlyDisabledSubscription") },
			text:    "403 ReadOnlyDisabledSubscription", do: "whoever pays for it",
		},
		{
			name:    "no zone",
			prepare: func(_ *cloudtest.AzureDNS, c *Config) { c.Zone = "test" },
			reads:   true, text: "404 ParentResourceNotFound: Failed to perform '", do: "there is no public zone test in this resource group", configError: true,
		},
		{
			name:    "no group",
			prepare: func(_ *cloudtest.AzureDNS, c *Config) { c.ResourceGroup = "other" },
			reads:   true, text: "404 ResourceGroupNotFound: Resource group 'other' could not be found.", do: "there is no resource group other in the subscription", configError: true,
		},
		{
			name:    "no subscription",
			prepare: func(_ *cloudtest.AzureDNS, c *Config) { c.Subscription = "22222222-2222-3333-4444-555555555555" },
			reads:   true, text: "404 SubscriptionNotFound", do: "az account list", configError: true,
		},
		{
			name:    "lock",
			prepare: func(f *cloudtest.AzureDNS, _ *Config) { f.Lock(subscription, group, zone, true) },
			text:    "409 ScopeLocked: The scope '/subscriptions/", do: "az lock list --resource-group dns",
		},
		{
			name:    "CNAME",
			prepare: func(f *cloudtest.AzureDNS, _ *Config) { f.PutCNAME(subscription, group, zone, "canary") },
			text:    "409 Conflict: The record could not be created because a CNAME record with the same name already exists in this zone.",
			do:      "az network dns record-set cname delete -g dns -z t.test -n canary", configError: true,
		},
		{
			name:    "token",
			prepare: func(f *cloudtest.AzureDNS, _ *Config) { f.Accept(cloudtest.AzureToken, false) },
			reads:   true, text: "401 InvalidAuthenticationToken: The access token is invalid.", do: "tenant, subscription and cloud belong together",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			fake := start(t)
			cfg := config(fake.URL)
			row.prepare(fake, &cfg)
			r := open(t, cfg, canary)
			check := func(err error) {
				t.Helper()
				wantOutcome(t, err, register.ErrRefused)
				if !strings.Contains(err.Error(), row.text) {
					t.Errorf("error %v, want one with %q", err, row.text)
				}
				var p *register.Problem
				if !errors.As(err, &p) || !strings.Contains(p.Do, row.do) || p.Config != row.configError {
					t.Errorf("remedy %+v, want one with %q", p, row.do)
				}
				if strings.Contains(err.Error(), cloudtest.AzureToken) {
					t.Errorf("error %q shows the token", err)
				}
			}
			_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
			check(err)
			if _, err = r.Load(t.Context()); row.reads {
				check(err)
			} else if err != nil {
				t.Errorf("load: %v", err)
			}
		})
	}
}

// TestAnswers: statuses and codes that the fake has no reason for.
func TestAnswers(t *testing.T) {
	const top, within = `{"code":%q,"message":%q}`, `{"error":{"code":%q,"message":%q}}`
	for _, row := range []struct {
		name       string
		status     int
		body       string
		swap, load error
		text       string
	}{
		{"pending", 409, fmt.Sprintf(within, "Conflict", "Another operation is pending for requested object."), errPlain, nil, "not applied (409 Conflict: Another operation is pending"},
		{"not registered", 409, fmt.Sprintf(within, "MissingSubscriptionRegistration", "The subscription is not registered."), register.ErrRefused, nil, "409 MissingSubscriptionRegistration"},
		{"bad request", 400, fmt.Sprintf(top, "BadRequest", "The value is invalid."), register.ErrRefused, register.ErrRefused, "400 BadRequest: The value is invalid."},
		{"other tenant", 401, fmt.Sprintf(within, "InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer."), register.ErrRefused, register.ErrRefused, "401 InvalidAuthenticationTokenTenant"},
		{"request timeout", 408, "", register.ErrUncertain, errPlain, "408"},
		{"elsewhere", 404, "<html>", register.ErrUncertain, errPlain, "answered 404"},
		{"a guard in between", 403, "blocked", register.ErrUncertain, errPlain, "answered 403"},
		{"a cache in between", 412, "", register.ErrUncertain, errPlain, "answered 412"},
		{"bad gateway", 502, "<html>", register.ErrUncertain, errPlain, "answered 502"},
		{"redirect", 307, "", register.ErrUncertain, errPlain, "answered 307"},
		{"no JSON", 200, "<html>", register.ErrUncertain, errPlain, "200, and an answer that cannot be read"},
		{"no ETag", 200, `{"properties":{"TTL":60}}`, register.ErrUncertain, errPlain, "the answer has no ETag"},
		{"echo", 403, fmt.Sprintf(within, "AuthorizationFailed", "not with "+cloudtest.AzureToken), register.ErrRefused, register.ErrRefused, "403 AuthorizationFailed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			start(t) // for tokens
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(row.status)
				fmt.Fprint(w, row.body)
			}))
			defer server.Close()
			r := open(t, config(server.URL), canary)
			_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
			wantOutcome(t, err, row.swap)
			errs := []error{err}
			if row.load != nil {
				_, err := r.Load(t.Context())
				wantOutcome(t, err, row.load)
				errs = append(errs, err)
			}
			for _, err := range errs {
				if !strings.Contains(err.Error(), row.text) || strings.Contains(err.Error(), cloudtest.AzureToken) {
					t.Errorf("error %v, want one with %q and no token", err, row.text)
				}
			}
		})
	}
}

// TestGoneBefore: a set that somebody else has deleted is a conflict, whatever is
// to become of it.
func TestGoneBefore(t *testing.T) {
	fake := start(t)
	r := open(t, config(fake.URL), canary)
	first := swap(t, r, register.Snapshot{}, "first")
	swap(t, open(t, config(fake.URL), canary), first)
	for _, texts := range [][]string{{"second"}, nil} {
		_, err := r.Swap(t.Context(), first, texts)
		wantOutcome(t, err, register.ErrConflict)
	}
	swap(t, r, register.Snapshot{}) // nothing for nothing
	swap(t, r, register.Snapshot{}, "third")
	_, err := r.Swap(t.Context(), register.Snapshot{}, nil)
	wantOutcome(t, err, register.ErrConflict)
}

// TestStaleRead: what was read late loses, and changes nothing.
func TestStaleRead(t *testing.T) {
	fake := start(t)
	r := open(t, config(fake.URL), canary)
	first := swap(t, r, register.Snapshot{}, "first")
	fake.Stale(true)
	swap(t, open(t, config(fake.URL), canary), first, "second")
	old := load(t, r)
	if !cmp.Equal(old.Texts, []string{"first"}) {
		t.Fatalf("the read is not stale: %q", old.Texts)
	}
	_, err := r.Swap(t.Context(), old, []string{"third"})
	wantOutcome(t, err, register.ErrConflict)
	fake.Stale(false)
	if s := load(t, r); !cmp.Equal(s.Texts, []string{"second"}) {
		t.Errorf("%q", s.Texts)
	}
}

// TestThrottled: after a 429 nothing is sent before the time that Azure has named,
// and reads have a limit of their own.
func TestThrottled(t *testing.T) {
	fake := start(t)
	c := newTest(t, config(fake.URL))
	r, err := c.Register(canary)
	if err != nil {
		t.Fatal(err)
	}
	fake.Limit(1e6, 1e6, 30*time.Second)
	fake.OnWrites(cloudtest.Throttle)
	_, err = r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
	wantOutcome(t, err, errPlain)
	sent := c.Requests()
	_, err = r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
	wantOutcome(t, err, errPlain)
	if !strings.Contains(err.Error(), "the service wants no request for another ") || c.Requests() != sent {
		t.Errorf("error %v, %d requests", err, c.Requests()-sent)
	}
	load(t, r)
}

// TestBudget: writes beyond the burst wait for their turn, and one whose time does
// not suffice is not sent.
func TestBudget(t *testing.T) {
	fake := start(t)
	cfg := config(fake.URL)
	cfg.Rate, cfg.Burst = 0.001, 2
	c := newTest(t, cfg)
	r, err := c.Register(canary)
	if err != nil {
		t.Fatal(err)
	}
	s := swap(t, r, register.Snapshot{}, "first")
	s = swap(t, r, s, "second")
	_, err = r.Swap(t.Context(), s, []string{"third"})
	wantOutcome(t, err, errPlain)
	if !strings.Contains(err.Error(), "within the rate that the service allows this account") || c.Requests() != 2 {
		t.Errorf("error %v after %d requests", err, c.Requests())
	}
}

// TestNotSent: a context that ends before the request is sent is no outcome, also
// while a token is on its way.
func TestNotSent(t *testing.T) {
	start(t)
	hang := transporter(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	})
	t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/other") // the library keeps tokens by client
	cfg := config("https://localhost")
	cfg.ClientID, cfg.Timeout = "33333333-2222-3333-4444-555555555555", 50*time.Millisecond
	c, err := newClient(cfg, hang, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Register(canary)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
	wantOutcome(t, err, errPlain)
	if !errors.Is(err, context.DeadlineExceeded) || c.Requests() != 0 {
		t.Errorf("error %v, %d requests", err, c.Requests())
	}
}

// TestChallenge: the library would answer a challenge by sending the request again,
// with another token. It is sent once, and the next operation has that token.
func TestChallenge(t *testing.T) {
	start(t)
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	_, err := open(t, config(server.URL), canary).Swap(t.Context(), register.Snapshot{}, []string{"first"})
	wantOutcome(t, err, register.ErrRefused)
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestRetryAfterIsADate has Azure say until when it wants no request.
func TestRetryAfterIsADate(t *testing.T) {
	now := time.Now().UTC()
	n := &call{}
	n.read(&http.Response{StatusCode: http.StatusTooManyRequests, Body: http.NoBody, Header: http.Header{
		"Date": {now.Format(http.TimeFormat)}, "Retry-After": {now.Add(30 * time.Second).Format(http.TimeFormat)},
	}})
	if n.retryAfter != 30*time.Second {
		t.Errorf("%s", n.retryAfter)
	}
}
