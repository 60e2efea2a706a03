package route53

import (
	"context"
	"net/http"
	"testing"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/solotick/solotick/register/cloudtest"
)

// TestRequestEnds has the time of a request end, as sendChanges sees it, while the
// service has it: Amazon's library then says no more than that the context ended.
func TestRequestEnds(t *testing.T) {
	fake, _, c := start(t)
	r := open(t, c, "record.example.com")
	load(t, r) // so that credentials and zone are there
	next, err := setWith([]string{"text"}, rrset{}, 60)
	if err != nil {
		t.Fatal(err)
	}
	fake.OnWrites(cloudtest.Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.sendChanges(ctx, []change{{name: r.name, next: next}})
	wantError(t, fake, err, uncertain, "deadline exceeded")
}

// TestRetryAfterIsADate has the service say until when it wants no request.
func TestRetryAfterIsADate(t *testing.T) {
	now := time.Now().UTC()
	a := answerOf(&smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 429, Header: http.Header{
		"Date": {now.Format(http.TimeFormat)}, "Retry-After": {now.Add(30 * time.Second).Format(http.TimeFormat)},
	}}}})
	if a.after != 30*time.Second {
		t.Errorf("%s", a.after)
	}
}
