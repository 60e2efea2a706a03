package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const planted = "S3CRET"

// texts returns what an error and all that it wraps can be made to say.
func texts(err error) []string {
	all := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if in := e.Unwrap(); in != nil {
			all = append(all, texts(in)...)
		}
	case interface{ Unwrap() []error }:
		for _, in := range e.Unwrap() {
			all = append(all, texts(in)...)
		}
	}
	return all
}

// TestErrorsHoldNoSecret plants a word wherever a secret may stand, and lets
// everything go wrong.
func TestErrorsHoldNoSecret(t *testing.T) {
	raw := func(answer string) func(*testing.T) string {
		return func(t *testing.T) string {
			return "http://" + serveRaw(t, func(c net.Conn) {
				http.ReadRequest(bufio.NewReader(c))
				io.WriteString(c, answer)
			})
		}
	}
	handler := func(h http.HandlerFunc) func(*testing.T) string {
		return func(t *testing.T) string { return serve(t, h).URL }
	}
	redirect := func(to string) func(*testing.T) string {
		return handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(302)
		})
	}
	proxy := func(u string, err error) func(*Client) {
		return func(c *Client) {
			c.pool.proxy = func(*http.Request) (*url.URL, error) {
				if err != nil {
					return nil, err
				}
				return url.Parse(u)
			}
		}
	}
	const leak = "//u" + planted + ":p" + planted + "@127.0.0.1:1/" + planted + "?q=" + planted + "#" + planted
	for _, tt := range []struct {
		name   string
		server func(*testing.T) string // begins the URL
		url    string                  // if there is no server
		set    func(*Client)
		change func(*Request)
		want   string
	}{
		{name: "no URL", url: "http://u" + planted + " :p@host/" + planted, want: "not a URL"},
		{name: "no port", url: "http://u:p@host:" + planted + "/", want: "not a URL"},
		{name: "no escape", url: "http://host/%zz" + planted, want: "not a URL"},
		{name: "no scheme", url: planted + "://host/" + planted, want: "want a URL"},
		{name: "no host", url: "https:" + planted, want: "want a URL"},
		{name: "refused address", url: "http:" + strings.Replace(leak, "127.0.0.1", "169.254.169.254", 1), want: "refused address"},
		{name: "refused connection", server: func(t *testing.T) string { return "http://" + closedPort(t) }, want: "refused"},
		{
			name: "no such host", url: "http://u" + planted + "@name.test/" + planted,
			set:  func(c *Client) { c.pool.resolver = fakeDNS(t, nil) },
			want: "no such host",
		},
		{
			name: "not believed", want: "failed to verify certificate",
			server: func(t *testing.T) string {
				s := httptest.NewUnstartedServer(nil)
				s.Config.ErrorLog = log.New(io.Discard, "", 0)
				s.StartTLS()
				t.Cleanup(s.Close)
				return s.URL
			},
		},
		{
			name: "no TLS", want: "speaks no TLS",
			server: func(t *testing.T) string {
				return strings.Replace(handler(func(http.ResponseWriter, *http.Request) {})(t), "http:", "https:", 1)
			},
		},
		{name: "echo", want: "malformed HTTP", server: func(t *testing.T) string {
			return "http://" + serveRaw(t, func(c net.Conn) {
				line, _ := bufio.NewReader(c).ReadString('\n')
				io.WriteString(c, line+"\r\n")
			})
		}},
		{name: "status line", server: raw("HTTP/1.1 " + planted + "\r\n\r\n"), want: "malformed HTTP status code"},
		{name: "version", server: raw("HTTP/" + planted + " 200 OK\r\n\r\n"), want: "malformed HTTP version"},
		{name: "header line", server: raw("HTTP/1.1 200 OK\r\n" + planted + "\r\n\r\n"), want: "malformed MIME header"},
		{name: "length", server: raw("HTTP/1.1 200 OK\r\nContent-Length: " + planted + "\r\n\r\n"), want: "bad Content-Length"},
		{name: "lengths", server: raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2" + planted + "\r\n\r\n"), want: "Content-Length"},
		{name: "encoding", server: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + planted + "\r\n\r\n"), want: "unsupported transfer encoding"},
		{name: "chunk", server: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + planted + "\r\n"), want: "chunk"},
		{name: "zip", server: raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 24\r\n\r\n" + strings.Repeat(planted, 4)), want: "gzip"},
		{name: "hung up", server: raw(""), want: "closed before the end of the answer"},
		{name: "too large", server: handler(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, strings.Repeat(r.RequestURI, 100))
		}), want: "larger than allowed"},
		{name: "timeout", server: handler(silent), set: func(c *Client) { c.opt.Timeout = 50 * time.Millisecond }, want: "in time"},
		{name: "header value", url: "http:" + leak, change: func(r *Request) { r.Header.Set("X", planted+"\n") }, want: "invalid header"},
		{name: "method", url: "http:" + leak, change: func(r *Request) { r.Method = "A B" }, want: "the method or the URL"},
		{name: "redirect to a scheme", server: redirect(planted + "://host/" + planted), want: "redirected to what is no address"},
		{name: "redirect to nonsense", server: redirect("http://a b/" + planted), want: "redirected to what is no address"},
		{name: "redirect to a refused connection", server: redirect("http:" + leak), want: "redirected to http://127.0.0.1:1: dial"},
		{name: "redirect to a refused address", server: redirect("http://169.254.169.254/" + planted), want: "refused address"},
		{name: "redirect elsewhere", server: redirect("http:" + leak), set: func(c *Client) { c.opt.Redirects = SameHost }, want: "another host (http://127.0.0.1:1)"},
		{name: "redirects", server: redirect("/" + planted + "?" + planted), want: "redirected more than"},
		{name: "proxy that is none", url: "http:" + leak, set: proxy("", errors.New("invalid proxy address "+planted)), want: "no valid proxy"},
		{name: "proxy that is not there", url: "http:" + leak, set: proxy("http:"+leak, nil), want: "proxyconnect"},
		{name: "proxy that refuses", url: "https:" + leak, want: "the proxy makes no connection: status 407", set: func(c *Client) {
			addr := serveRaw(t, func(c net.Conn) {
				http.ReadRequest(bufio.NewReader(c))
				io.WriteString(c, "HTTP/1.1 407 "+planted+"\r\nContent-Length: 0\r\n\r\n")
			})
			proxy("http://u:"+planted+"@"+addr, nil)(c)
		}},
	} {
		for _, method := range []string{"GET", "POST"} {
			if method == "POST" && strings.HasPrefix(tt.name, "redirect") {
				continue // which is an answer
			}
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				r := Request{Method: method, URL: tt.url, Header: http.Header{"Authorization": {planted}}}
				if method == "POST" {
					r.Body = []byte(planted)
				}
				if tt.server != nil {
					r.URL = strings.Replace(tt.server(t), "//", "//u"+planted+":p"+planted+"@", 1) + "/" + planted + "?q=" + planted + "#" + planted
				}
				c := newClient(t, Options{MaxBody: 100, Retries: 1})
				if tt.set != nil {
					tt.set(c)
				}
				if tt.change != nil {
					tt.change(&r)
				}
				_, err := c.Do(t.Context(), r)
				wantText(t, err, tt.want)
				for _, s := range texts(err) {
					if strings.Contains(s, planted) {
						t.Errorf("%q tells it", s)
					}
				}
			})
		}
	}
}

// TestPlainText holds that what is quoted of the other side cannot write lines of
// its own into a log.
func TestPlainText(t *testing.T) {
	for in, want := range map[string]string{
		"net/http: something":         "net/http: something",
		"a: \"b\" c":                  "a",
		"a `b`":                       "a",
		"bad [\"b\"]":                 "bad",
		"line\nanother":               "line",
		"colour \x1b[31m":             "colour",
		"GOAWAY: debug=\"x\"":         "GOAWAY: debug",
		"wrapped: malformed: \"x\\\"": "wrapped: malformed",
	} {
		if got := plain(errors.New(in)).Error(); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
