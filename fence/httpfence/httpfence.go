// Package httpfence guards what a server does for requests by the fence that they
// carry in the header Solotick-Fence.
//
// The client sets it with [Set], and the server puts [Handler] in front of what
// changes something. It is If-Match turned round: the request says which claim it
// comes from, and is refused if a later one has been here.
//
//	POST /invoices HTTP/1.1
//	Solotick-Fence: 1795413935000
//
// It says nothing of who may send requests: anybody who can set a header can set a
// great one and keep all others out. Authenticate first.
package httpfence

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/solotick/solotick/fence"
)

// Header is the name of the header.
const Header = "Solotick-Fence"

// Set puts a fence into the header of a request. Of a run without one (0, which is an
// unarbitrated run) it sets none, and the server refuses it.
func Set(h http.Header, fence int64) {
	if fence <= 0 {
		h.Del(Header)
		return
	}
	h.Set(Header, strconv.FormatInt(fence, 10))
}

// Handler lets a request through to next if no greater fence of its resource was
// there before. The resource is what the server says, for instance the name of the
// job that may write here; it must not be what the client chooses. Requests for one resource are
// served one after another.
//
// It answers by itself with 428 if the header is missing or not a number, with 412 if the
// fence is stale, and with 503 if the guard cannot load or save, or the client went away
// while it waited.
func Handler(g *fence.Guard, resource func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number, err := number(r.Header)
		if err != nil {
			http.Error(w, err.Error(), http.StatusPreconditionRequired)
			return
		}
		err = g.Do(r.Context(), resource(r), number, func() error {
			next.ServeHTTP(w, r)
			return nil
		})
		switch {
		case err == nil:
		case errors.Is(err, fence.ErrStale):
			http.Error(w, "stale fence: a later run or holder has been here; nothing was done", http.StatusPreconditionFailed)
		default:
			http.Error(w, "the fence cannot be compared now; nothing was done", http.StatusServiceUnavailable)
		}
	})
}

func number(h http.Header) (int64, error) {
	values := h.Values(Header)
	if len(values) != 1 {
		return 0, errors.New("want one header " + Header + ": the fence of the run or lock that this is done under")
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || n <= 0 {
		return 0, errors.New("the header " + Header + " is no fence")
	}
	return n, nil
}
