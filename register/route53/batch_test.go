package route53

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

// direct takes requests to a fake without the network, so that time can be virtual.
type direct struct{ server http.Handler }

func (d direct) Do(req *http.Request) (resp *http.Response, err error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	arrived := req.Clone(req.Context())
	arrived.Host, arrived.RequestURI = req.URL.Host, req.URL.RequestURI()
	if arrived.Body == nil {
		arrived.Body = http.NoBody
	}
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, fmt.Errorf("%v: %w", p, web.ErrUncertain)
		}
	}()
	answer := httptest.NewRecorder()
	d.server.ServeHTTP(answer, arrived)
	if err := req.Context().Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", err, web.ErrUncertain)
	}
	return answer.Result(), nil
}

// doer is an HTTP client in a function.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(req *http.Request) (*http.Response, error) { return d(req) }

// bubble runs a test in virtual time, in which every request to the fake takes
// 300 ms.
func bubble(t *testing.T, f func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client)) {
	t.Helper()
	fake := cloudtest.NewRoute53(t)
	zone := fake.AddZone("example.com")
	fake.Delay(300 * time.Millisecond)
	synctest.Test(t, func(t *testing.T) {
		f(t, fake, zone, directClient(t, fake, zone, configFor(fake)))
		time.Sleep(time.Minute) // until every request has ended
	})
}

func directClient(t *testing.T, fake *cloudtest.Route53, zone string, cfg Config) *Client {
	t.Helper()
	cfg.ZoneID = zone
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.http = direct{fake.API}
	return c
}

func nameOf(i int) string { return fmt.Sprintf("job%d.example.com", i) }

// swapAll swaps n records at once, old for texts, in their order, and returns the
// outcomes.
func swapAll(t *testing.T, c *Client, olds []register.Snapshot, text string) []error {
	t.Helper()
	errs := make([]error, len(olds))
	var all sync.WaitGroup
	for i, old := range olds {
		all.Go(func() { _, errs[i] = open(t, c, nameOf(i)).Swap(context.Background(), old, []string{text}) })
		synctest.Wait()
	}
	all.Wait()
	return errs
}

// TestSwapsTogether sends the swaps of many jobs as one batch, and a conflict of
// some fails no other, whatever words the service has for it.
func TestSwapsTogether(t *testing.T) {
	for _, tt := range []struct {
		name       string
		documented bool
		words      string // the first answer's, in place of the service's own
		writes     int
	}{
		{"observed", false, "", 3},                                // one alone, all others, all but the losers
		{"documented", true, "", 3},                               //
		{"by other words", false, "[The stars are not right]", 6}, // ... and two halves, of which both have losers
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
				fake.DocumentedErrors = tt.documented
				olds := make([]register.Snapshot, 40)
				losers := []int{7, 8, 30}
				for _, i := range losers {
					fake.Put(zone, cloudtest.RecordSet{Name: nameOf(i), Type: "TXT", TTL: 60, Values: []string{`"another's"`}})
				}
				began := time.Now()
				if tt.words != "" {
					time.AfterFunc(450*time.Millisecond, func() { fake.Refuse(400, "InvalidChangeBatch", tt.words) })
				}
				for i, err := range swapAll(t, c, olds, "mine") {
					kind := ""
					if slices.Contains(losers, i) {
						kind = conflict
					}
					wantError(t, fake, err, kind)
					want := map[string]string{"": `"mine"`, conflict: `"another's"`}[kind]
					if got := fake.Sets(zone, nameOf(i)); len(got) != 1 || got[0].Values[0] != want {
						t.Errorf("job %d: %v", i, got)
					}
				}
				if _, writes, _ := fake.Count(); writes != tt.writes {
					t.Errorf("%d changes", writes)
				}
				if took := time.Since(began); took != time.Duration(tt.writes)*300*time.Millisecond {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// TestApexIsNotBlamed has one record that cannot be beside a CNAME, which the
// service says in a message with the zone's name, and another one at that name.
func TestApexIsNotBlamed(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
		fake.Put(zone, cloudtest.RecordSet{Name: "alias.example.com", Type: "CNAME", TTL: 60, Values: []string{"x."}})
		kinds := map[string]string{"first.example.com": "", "alias.example.com": refused, "example.com": "", "last.example.com": ""}
		var all sync.WaitGroup
		for _, name := range []string{"first.example.com", "alias.example.com", "example.com", "last.example.com"} {
			all.Go(func() {
				_, err := open(t, c, name).Swap(context.Background(), register.Snapshot{}, []string{"text"})
				wantError(t, fake, err, kinds[name])
			})
			synctest.Wait()
		}
		all.Wait()
	})
}

// TestUncertainTogether loses the reply to a batch: every member is uncertain, and
// none is sent again.
func TestUncertainTogether(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
		fake.OnWrites(cloudtest.Pass, cloudtest.LoseReply)
		for i, err := range swapAll(t, c, make([]register.Snapshot, 10), "text") {
			kind := uncertain
			if i == 0 {
				kind = ""
			}
			wantError(t, fake, err, kind)
			if got := fake.Sets(zone, nameOf(i)); len(got) != 1 {
				t.Errorf("job %d: %v", i, got)
			}
		}
		if _, writes, _ := fake.Count(); writes != 2 {
			t.Errorf("%d changes", writes)
		}
	})
}

// TestLimitsOfABatch keeps to 1000 elements and 32,000 characters.
func TestLimitsOfABatch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		texts  []string
		swaps  int
		writes int
	}{
		{"characters", []string{strings.Repeat("x", 198)}, 321, 3}, // 200 characters each
		{"elements", []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}, 201, 3},
		{"a long one alone", []string{strings.Repeat("x", 3900), strings.Repeat("y", 3900), strings.Repeat("z", 3900)}, 7, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
				var all sync.WaitGroup
				for i := range tt.swaps {
					all.Go(func() { swap(t, open(t, c, nameOf(i)), register.Snapshot{}, tt.texts...) })
					synctest.Wait()
				}
				all.Wait()
				if _, writes, _ := fake.Count(); writes != tt.writes {
					t.Errorf("%d changes", writes)
				}
			})
		})
	}
}

func TestTooLongText(t *testing.T) {
	fake, _, c := start(t)
	_, err := open(t, c, nameOf(1)).Swap(t.Context(), register.Snapshot{}, []string{strings.Repeat("\xff", 1024)})
	wantError(t, fake, err, unapplied, "a text of 1024 octets takes 4110 characters, and Route 53 allows 4000 for a value")
	if c.Requests() != 0 {
		t.Error("it was sent")
	}
}

// TestSameNameTogether has two swaps of one record meet: they go one after the
// other, and one wins.
func TestSameNameTogether(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, _ string, c *Client) {
		var all sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			all.Go(func() {
				_, errs[i] = open(t, c, nameOf(i/3)).Swap(context.Background(), register.Snapshot{}, []string{fmt.Sprint(i)})
			})
			synctest.Wait()
		}
		all.Wait()
		for i, kind := range []string{"", conflict, conflict, ""} {
			wantError(t, fake, errs[i], kind)
		}
	})
}

// TestDeniedName has a policy that allows all names but one, which would fail every
// batch that it is in: from then on it goes alone.
func TestDeniedName(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
		var names []string
		for i := range 20 {
			if i != 13 {
				names = append(names, nameOf(i))
			}
		}
		if err := fake.SetPolicy(Policy(zone, names)); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"first", "second"} {
			olds := make([]register.Snapshot, 20)
			if text == "second" {
				for i := range olds {
					olds[i] = load0(t, open(t, c, nameOf(i)), "first")
				}
			}
			_, before, _ := fake.Count()
			for i, err := range swapAll(t, c, olds, text) {
				kind := ""
				if i == 13 {
					kind = refused
				}
				wantError(t, fake, err, kind)
				if err != nil && !strings.Contains(err.Error(), "not authorized to perform: route53:ChangeResourceRecordSets") {
					t.Error(err)
				}
			}
			_, after, _ := fake.Count()
			if n := after - before; text == "second" && n != 4 { // the first, those before it, it, those after it
				t.Errorf("%d changes", n)
			}
		}
		// Once it is allowed, it goes with the others again.
		if err := fake.SetPolicy(Policy(zone, append(names, nameOf(13)))); err != nil {
			t.Fatal(err)
		}
		swap(t, open(t, c, nameOf(13)), register.Snapshot{}, "first")
		if c.isAlone(nameOf(13) + ".") {
			t.Error("still alone")
		}
	})
}

// TestThrottledTogether has a batch refused as one too many: it is sent again, and
// all come through.
func TestThrottledTogether(t *testing.T) {
	bubble(t, func(t *testing.T, fake *cloudtest.Route53, _ string, c *Client) {
		fake.OnWrites(cloudtest.Pass, cloudtest.Throttle, cloudtest.Throttle)
		for _, err := range swapAll(t, c, make([]register.Snapshot, 10), "text") {
			wantError(t, fake, err, "")
		}
		if _, writes, refused := fake.Count(); writes != 2 || refused != 2 {
			t.Errorf("%d changes, %d refused", writes, refused)
		}
	})
}

// TestContextEndsInBatch has one member give up: before its batch is sent nothing
// of it is, and after that it alone is told that nothing is known.
func TestContextEndsInBatch(t *testing.T) {
	for _, tt := range []struct {
		after   time.Duration
		kind    string
		applied bool
	}{
		{200 * time.Millisecond, unapplied, false},
		{400 * time.Millisecond, uncertain, true},
	} {
		t.Run(tt.after.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, fake *cloudtest.Route53, zone string, c *Client) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				errs := make([]error, 5)
				var all sync.WaitGroup
				for i := range errs {
					ctx := ctx
					if i != 2 {
						ctx = context.Background()
					}
					all.Go(func() {
						_, errs[i] = open(t, c, nameOf(i)).Swap(ctx, register.Snapshot{}, []string{"text"})
					})
					synctest.Wait()
				}
				all.Wait()
				for i, err := range errs {
					kind := ""
					if i == 2 {
						kind = tt.kind
					}
					wantError(t, fake, err, kind)
				}
				if !errors.Is(errs[2], context.DeadlineExceeded) {
					t.Errorf("error %v", errs[2])
				}
				if got := len(fake.Sets(zone, nameOf(2))) > 0; got != tt.applied {
					t.Errorf("applied: %v", got)
				}
			})
		})
	}
}
