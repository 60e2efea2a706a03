package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What must not be seen anywhere. Each part of a path and of a query that is
// longer than three characters counts.
const (
	plantedToken  = "xoxb-Tok3nPlanted"
	plantedHeader = "Bearer H3aderPlanted"
	plantedTopic  = "topicPlanted"
	plantedPath   = "/services/T0Planted/B0Planted/x%20yPlanted?sig=SigPlanted"
)

func copyBody(w io.Writer, r *http.Request) (int64, error) { return io.Copy(w, r.Body) }

// verbs are those for a notifier and for an error.
var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"}

// shown are all the ways in which a value comes before somebody's eyes.
func shown(v any, verbs []string) string {
	var b bytes.Buffer
	for _, verb := range verbs {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	if text, err := json.Marshal(v); err == nil {
		b.Write(text)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	return b.String()
}

// leaks says what of the secrets is in a text.
func leaks(text string) []string {
	var found []string
	lower := strings.ToLower(text)
	for _, s := range []string{"planted", "706c616e746564"} { // and in hexadecimal
		if strings.Contains(lower, s) {
			found = append(found, s)
		}
	}
	return found
}

// checkError looks at an error, and at all that it wraps.
func checkError(t *testing.T, err error) {
	t.Helper()
	if found := leaks(shown(err, verbs)); found != nil {
		t.Errorf("an error shows %q: %+v", found, err)
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			checkError(t, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			checkError(t, inner)
		}
	}
}

// echo answers with all that came in, as a badly made or hostile server would.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintln(w, r.Method, r.URL, r.URL.Path, r.Header, r.URL.Query())
	}
}

// TestSecretsInErrors makes every notifier fail in every way.
func TestSecretsInErrors(t *testing.T) {
	malformed := rawServer(t, func(conn net.Conn) {
		request := make([]byte, 64<<10)
		n, _ := conn.Read(request)
		conn.Write(request[:n]) // net/http quotes a status line that is none
	})
	gone := rawServer(t, func(net.Conn) {})
	servers := map[string]string{
		"400": record(t, echo(400)).URL,
		"500": record(t, echo(500)).URL,
		"301": record(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String()+plantedPath, http.StatusMovedPermanently)
		}).URL,
		"malformed": malformed,
		"hung up":   gone,
		"no URL":    "http://127.0.0.1:1:2",
		"no host":   "nowhere",
	}
	for name, server := range servers {
		for service, notifier := range overHTTP {
			t.Run(name+"/"+service, func(t *testing.T) {
				t.Parallel()
				_, err := notifier(server, tries(t, 0)).Notify(t.Context(), message())
				if err == nil {
					t.Fatal("no error")
				}
				checkError(t, err)
			})
		}
	}
	slack := record(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"ok":false,"error":"missing_scope","needed":%q,"provided":%q,"response_metadata":{"messages":[%q]}}`,
			r.Header.Get("Authorization"), plantedToken, r.Header.Get("Authorization"))
	})
	_, err := overHTTP["slack"](slack.URL, tries(t, 0)).Notify(t.Context(), message())
	checkError(t, err)
}

// TestSecretsInNotifiers prints every notifier.
func TestSecretsInNotifiers(t *testing.T) {
	all := []Notifier{
		&Email{Host: "mail.example.com", User: "user", Password: NewSecret(plantedToken)},
		&URL{URL: NewSecret("telegram://Planted1:Planted2@telegram?chats=Planted3")},
		&Ping{URL: NewSecret(plantedPath), FailURL: NewSecret(plantedPath)},
	}
	for _, notifier := range overHTTP {
		all = append(all, notifier("https://example.com", nil))
	}
	for _, n := range all {
		if found := leaks(shown(n, verbs)); found != nil {
			t.Errorf("%T shows %q", n, found)
		}
		nested := struct{ N any }{map[string]Notifier{"n": n}}
		if found := leaks(shown(nested, verbs)); found != nil {
			t.Errorf("%T within something shows %q", n, found)
		}
	}
}

func TestSecret(t *testing.T) {
	for in, want := range map[string]string{"": "", "x": "***"} {
		s := NewSecret(in)
		text, err := json.Marshal(s)
		if got := fmt.Sprintf("%s%v", s, s); err != nil || got != want+want || string(text) != `"`+want+`"` || s.LogValue().String() != want {
			t.Errorf("%q: %s, %s, %v", in, got, text, err)
		}
	}
}

func TestScrub(t *testing.T) {
	for _, tt := range []struct {
		text   string
		secret Secret
		want   string
	}{
		{"https://hooks.example.com/services/T0/B000/abcd: no", NewSecret("https://hooks.example.com/services/T0/B000/abcd"), "***: no"},
		{"hooks.example.com: ABCD", NewSecret("https://hooks.example.com/services/T0/B000/abcd"), "hooks.example.com: ***"},
		{"x yz and x%20yz", NewSecret("https://h/x%20yz"), "*** and ***"},
		{"user pass and key", NewSecret("https://user:pass@h/p?key=value"), "*** *** and key"},
		{"Basic dXNlcjpwYTpz", NewSecret("https://user:pa%3As@h/p"), "Basic ***"},
		{"value", NewSecret("https://user:pass@h/p?key=value"), "***"},
		{"tokens of tok", NewSecret("tok"), "tokens of tok"}, // too short to hide
		{"tokens", NewSecret("token"), "***s"},
		{"nothing", NewSecret(""), "nothing"},
	} {
		if got := scrub(tt.text, tt.secret); got != tt.want {
			t.Errorf("%q without %q: %q, want %q", tt.text, tt.secret.reveal(), got, tt.want)
		}
	}
}

// rawServer takes connections and serves each by serve, then closes it.
func rawServer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				serve(conn)
				conn.Close()
			}
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}
