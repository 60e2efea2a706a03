package clouddns

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/solotick/solotick/internal/web"
)

// An apiError is an answer that says that nothing was done.
type apiError struct {
	status  int
	reason  string // of the first error
	message string
	errors  []apiDetail
	google  bool          // the body is as the API's are, and not from something in between
	after   time.Duration // Retry-After
}

type apiDetail struct{ Reason, Message string }

func (e *apiError) Error() string {
	text := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	if e.message != "" {
		text += ": " + line(e.message)
	}
	if e.reason != "" {
		text += " (" + line(e.reason) + ")"
	}
	return text
}

// call sends one request and reads the answer into v. An *apiError is an answer of
// 4xx; every other answer that is not what was asked for wraps web.ErrUncertain,
// since what was asked may have been done.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, v any) (time.Time, error) {
	token, err := c.token.get(ctx)
	if err != nil {
		return time.Time{}, err
	}
	req := web.Request{
		Method: method, URL: c.endpoint + path,
		Header: http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json"}},
	}
	if len(query) > 0 {
		req.URL += "?" + query.Encode()
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		if req.Body, err = json.Marshal(body); err != nil {
			return time.Time{}, err
		}
	}
	c.sent.Add(1)
	resp, err := c.http.Do(ctx, req)
	switch {
	case errors.Is(err, web.ErrTooLarge): // an answer that could not be taken in tells nothing
		return time.Time{}, fmt.Errorf("%w; %w", err, web.ErrUncertain)
	case err != nil:
		return time.Time{}, err
	case resp.Status >= 400 && resp.Status < 500:
		if resp.Status == http.StatusUnauthorized {
			c.token.forget()
		}
		return time.Time{}, readError(resp, token)
	case resp.Status < 200 || resp.Status >= 300:
		return time.Time{}, fmt.Errorf("%w; %w", readError(resp, token), web.ErrUncertain)
	}
	if err := json.Unmarshal(resp.Body, v); err != nil {
		return time.Time{}, fmt.Errorf("%d with a body that is not the API's: is this its address? %w", resp.Status, web.ErrUncertain)
	}
	return timeOf(resp.Header), nil
}

// readError reads the body of an answer that is an error, in which a token is
// sometimes quoted.
func readError(resp *web.Response, token string) *apiError {
	e := &apiError{status: resp.Status}
	e.after, _ = web.RetryAfter(resp.Header, time.Now())
	var body struct {
		Error *struct {
			Message, Status string
			Errors          []apiDetail
		}
	}
	if json.Unmarshal(bytes.ReplaceAll(resp.Body, []byte(token), []byte("***")), &body) == nil && body.Error != nil {
		e.google, e.message, e.errors = true, body.Error.Message, body.Error.Errors
		e.reason = body.Error.Status
		if len(e.errors) > 0 {
			e.reason = cmp.Or(e.errors[0].Reason, e.reason)
		}
	}
	return e
}
