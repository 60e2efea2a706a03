package cloudtest

import (
	"bytes"
	"io"
	"net/http"
)

// readBody reads the body of a request once, and returns what puts it into it and
// into copies of it.
func readBody(r *http.Request) (func(*http.Request) *http.Request, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) *http.Request {
		r.Body = io.NopCloser(bytes.NewReader(data))
		return r
	}, nil
}
