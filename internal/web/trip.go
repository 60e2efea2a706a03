package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// RoundTripper sends the requests of a vendor's client as c sends its own: each of
// them once and without a redirect, what is not safe on a connection of its own,
// and the answer read to its end before it is returned. Options.Retries and
// Options.Redirects mean nothing here. An error is as that of [Client.Do]: it wraps
// [ErrUncertain] if the request may have been received.
//
// A status is an answer and no error: whether a server that answers 500 has done
// what was asked is for the caller to judge.
func (c *Client) RoundTripper() http.RoundTripper { return roundTripper{c} }

type roundTripper struct{ client *Client }

func (t roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	c := t.client
	ctx, cancel := context.WithTimeout(req.Context(), c.opt.Timeout)
	defer cancel()
	if req.Body != nil {
		defer req.Body.Close()
	}
	where := req.Method + " " + req.URL.Scheme + "://" + req.URL.Host
	resp, f, err := c.trip(ctx, req)
	if err == nil && ctx.Err() != nil { // as in once
		c.opt.Room.Give(resp.Taken)
		f, err = doubtful, ctx.Err()
	}
	if err != nil {
		switch {
		case f == answered:
		case req.Context().Err() != nil:
			err = req.Context().Err()
		case ctx.Err() != nil:
			err = fmt.Errorf("%w (%s)", ErrTimeout, c.opt.Timeout)
		}
		if f == doubtful || f == answered { // an answer that could not be taken in tells nothing
			return nil, fmt.Errorf("%s: %w; %w", where, err, ErrUncertain)
		}
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return &http.Response{
		Status: strconv.Itoa(resp.Status) + " " + http.StatusText(resp.Status), StatusCode: resp.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: resp.Header, Body: io.NopCloser(bytes.NewReader(resp.Body)), ContentLength: int64(len(resp.Body)), Request: req,
	}, nil
}

func (c *Client) trip(ctx context.Context, req *http.Request) (*Response, fate, error) {
	again := req.Clone(ctx)
	if again.Header.Get("User-Agent") == "" {
		again.Header.Set("User-Agent", "solotick")
	}
	resp, f, err := c.send(again, kindFor(req.Method))
	if err != nil {
		return nil, f, err
	}
	return c.read(ctx, resp)
}
