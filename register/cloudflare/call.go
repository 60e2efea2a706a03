package cloudflare

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/web"
)

// entry is a record as the API has it, as far as it matters here.
type entry struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Type    string `json:"type,omitempty"`
	Content string `json:"content,omitempty"`
	TTL     int    `json:"ttl,omitempty"`
}

// A fault is one of the errors in an answer.
type fault struct {
	Code    int     `json:"code"`
	Message string  `json:"message"`
	Chain   []fault `json:"error_chain"`
	Source  struct {
		Pointer string `json:"pointer"`
	} `json:"source"`
}

// pages is where in a list an answer is.
type pages struct {
	Page       int `json:"page"`
	TotalPages int `json:"total_pages"`
	TotalCount int `json:"total_count"`
}

// An answer is what the API has said.
type answer struct {
	status     int
	date       time.Time // the service's, zero if it tells none
	retryAfter time.Duration
	known      bool // it is the API's own, and not that of something in between
	ok         bool
	faults     []fault
	pages      pages
	result     json.RawMessage
}

// call sends one request and reads its answer, whatever that says. An error means
// that there is none, as in [web.Client.Do].
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body any) (answer, error) {
	req := web.Request{Method: method, URL: c.endpoint + path, Header: http.Header{
		"Authorization": {"Bearer " + c.token.Reveal()}, "Accept": {"application/json"},
	}}
	if query != nil {
		req.URL += "?" + query.Encode()
	}
	if body != nil {
		var err error
		if req.Body, err = json.Marshal(body); err != nil {
			return answer{}, err
		}
		req.Header.Set("Content-Type", "application/json")
	}
	c.requests.Add(1)
	resp, err := c.web.Do(ctx, req)
	if err != nil {
		return answer{}, err
	}
	a := read(resp)
	if a.ok {
		c.mu.Lock()
		c.tooMany = 0
		c.mu.Unlock()
	}
	return a, nil
}

func read(resp *web.Response) answer {
	a := answer{status: resp.Status}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.date = at
	}
	a.retryAfter, _ = web.RetryAfter(resp.Header, time.Now())
	var said struct {
		Success *bool           `json:"success"`
		Errors  []fault         `json:"errors"`
		Result  json.RawMessage `json:"result"`
		Info    pages           `json:"result_info"`
	}
	if json.Unmarshal(resp.Body, &said) != nil || said.Success == nil {
		return a
	}
	a.known, a.ok = true, *said.Success && a.status < 300
	a.faults, a.result, a.pages = said.Errors, said.Result, said.Info
	return a
}

// has says whether one of the errors, or what led to it, has one of the codes.
func (a answer) has(codes ...int) bool { return has(a.faults, codes) }

func has(faults []fault, codes []int) bool {
	for _, f := range faults {
		for _, code := range codes {
			if f.Code == code {
				return true
			}
		}
		if has(f.Chain, codes) {
			return true
		}
	}
	return false
}

// longest is how much of a message of the API an error shows.
const longest = 200

// said is the answer in a line: "400 81044: Record does not exist."
func (c *Client) said(a answer) string {
	text := strconv.Itoa(a.status)
	faults := a.faults
	for len(faults) > 0 { // the first one, and what led to it
		f := faults[0]
		text += fmt.Sprintf(" %d: %s", f.Code, strings.TrimSuffix(c.plain(f.Message), "."))
		faults = f.Chain
	}
	return text
}

// plain is a message of the API on one line, cut, and without the token.
func (c *Client) plain(message string) string {
	message = strings.Join(strings.FieldsFunc(message, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	message = strings.ReplaceAll(message, c.token.Reveal(), "***")
	if len(message) > longest {
		message = strings.ToValidUTF8(message[:longest], "") + "..."
	}
	return message
}
