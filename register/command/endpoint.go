package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// openEndpoint makes an endpoint what is asked.
func (c *Client) openEndpoint(where string) error {
	u, err := url.Parse(where)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the URL does not begin with https:// and a host")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("the URL is http, which is for loopback only: use https")
	case u.User != nil:
		return errors.New("the URL has a user in it: give a token")
	}
	c.web = web.New(web.Options{Timeout: c.timeout, MaxBody: maxAnswer, Redirects: web.Never, Proxy: true})
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	c.ask = func(ctx context.Context, body []byte) (reply, error) {
		return c.post(ctx, web.Request{Method: http.MethodPost, URL: where, Header: h, Body: body})
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// post sends one request. What was not sent, or was refused, has done nothing.
func (c *Client) post(ctx context.Context, r web.Request) (reply, error) {
	resp, err := c.web.Do(ctx, r)
	switch {
	case errors.Is(err, web.ErrUncertain), errors.Is(err, web.ErrTooLarge):
		return reply{}, doubt{err}
	case err != nil:
		return reply{}, err
	}
	switch resp.Status {
	case http.StatusOK:
		at, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			return reply{body: resp.Body}, nil
		}
		return reply{body: resp.Body, at: at}, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return reply{}, &register.Problem{
			Err: fmt.Errorf("%w: the endpoint answered %d", register.ErrRefused, resp.Status), Do: "check the token, and what the endpoint lets it do",
		}
	case http.StatusNotFound:
		return reply{}, &register.Problem{
			Err: fmt.Errorf("%w: the endpoint answered %d", register.ErrRefused, resp.Status), Do: "check the path of the URL", Config: true,
		}
	}
	return reply{}, doubt{fmt.Errorf("the endpoint answered %d", resp.Status)}
}
