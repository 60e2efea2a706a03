package steps

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/internal/web"
)

// An HTTP is a request. Its client says where it may go, how large an answer may
// be, and when it is sent again.
type HTTP struct {
	Method string // empty: GET, or POST with a body
	URL    expression.Text
	Header []Field
	Body   *Body // nil: none
	Client *web.Client
}

// A Body is what a request sends: one of its fields.
type Body struct {
	Text *expression.Text
	JSON *Value
	Form []Field
}

// A Value is a JSON value with expressions in it: one of its fields, or null.
type Value struct {
	Text    *expression.Text // a text that is one expression has that one's type
	Fixed   any              // a number or a bool
	List    []Value
	Members []Member
	IsList  bool
	IsMap   bool
}

// A Member is a member of a JSON object.
type Member struct {
	Name  string
	Value Value
}

// do sends the request and fills out. plain has a status that is not from 200 to
// 299 be an error.
// held gets what the answer has taken of the client's room, which is given back
// when the run no longer has it.
func (h *HTTP) do(ctx context.Context, vars, out map[string]any, plain bool, held *held) (note string, err error) {
	req, err := h.request(&texts{ctx: ctx, vars: vars})
	if err != nil {
		return "", err
	}
	if err := held.request(ctx, h.Client.Room(), req); err != nil {
		return "", err
	}
	resp, err := h.Client.Do(ctx, req)
	if errors.Is(err, web.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if err != nil {
		return "", err
	}
	held.add(h.Client.Room(), resp.Taken)
	text := strings.ToValidUTF8(string(resp.Body), "\uFFFD")
	if err := held.answer(ctx, h.Client.Room(), resp.Header, text); err != nil {
		return "", fmt.Errorf("%s %s: %w", req.Method, host(req.URL), err)
	}
	headers := make(map[string]string, len(resp.Header))
	for name, values := range resp.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	out["status"], out["headers"], out["text"], out["json"], out["tries"] = resp.Status, headers, text, decoded(text), resp.Tries
	note = fmt.Sprintf("%s %s: %d", req.Method, host(req.URL), resp.Status)
	if plain && (resp.Status < 200 || resp.Status > 299) {
		return note, fmt.Errorf("%s: status %d, want 200 to 299: %q", strings.TrimSuffix(note, fmt.Sprintf(": %d", resp.Status)), resp.Status, (&Step{HTTP: h}).excerpt(vars, text, 120))
	}
	return note, nil
}

func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "?"
	}
	return u.Host
}

// request makes the request.
func (h *HTTP) request(t *texts) (web.Request, error) {
	fail := func(what string, err error) (web.Request, error) {
		return web.Request{}, fmt.Errorf("%s: %w", what, err)
	}
	r := web.Request{Method: h.Method, Header: make(http.Header)}
	var err error
	if r.URL, err = t.words(h.URL); err != nil {
		return fail("url", err)
	}
	if h.Body != nil {
		var kind string
		if r.Body, kind, err = h.Body.render(t); err != nil {
			return fail("body", err)
		}
		r.Header.Set("Content-Type", kind)
		r.Method = cmp.Or(r.Method, http.MethodPost)
	}
	r.Method = cmp.Or(r.Method, http.MethodGet)
	for _, f := range h.Header {
		v, err := t.words(f.Text)
		if err != nil {
			return fail("header "+f.Name, err)
		}
		r.Header.Set(f.Name, v)
	}
	return r, nil
}

func (b *Body) render(t *texts) (data []byte, kind string, err error) {
	switch {
	case b.JSON != nil:
		var buf bytes.Buffer
		err := b.JSON.write(&buf, t)
		return buf.Bytes(), "application/json; charset=utf-8", err
	case b.Form != nil:
		form := make(url.Values)
		for _, f := range b.Form {
			v, err := t.words(f.Text)
			if err != nil {
				return nil, "", fmt.Errorf("%s: %w", f.Name, err)
			}
			form.Add(f.Name, v)
		}
		return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
	}
	text, err := t.words(*b.Text)
	return []byte(text), "text/plain; charset=utf-8", err
}

// write appends the value as JSON. Members keep the order of the file.
func (v *Value) write(b *bytes.Buffer, t *texts) error {
	switch {
	case v.IsMap:
		b.WriteByte('{')
		for i := range v.Members {
			m := &v.Members[i]
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, m.Name); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := m.Value.write(b, t); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
		b.WriteByte('}')
	case v.IsList:
		b.WriteByte('[')
		for i := range v.List {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := v.List[i].write(b, t); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case v.Text != nil:
		value, err := t.value(*v.Text)
		if err != nil {
			return err
		}
		before := b.Len()
		if err := appendJSON(b, value); err != nil {
			return err
		}
		return t.grow(b.Len() - before)
	default:
		return appendJSON(b, v.Fixed)
	}
	return nil
}

func appendJSON(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the line's end
	return nil
}
