package page

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/browsertest"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

var update = flag.Bool("update", false, "write what pages look like to testdata")

func TestMain(m *testing.M) {
	code := m.Run()
	browsertest.End()
	os.Exit(code)
}

// noon is when most tests take place.
var noon = time.Date(2026, 11, 24, 12, 0, 37, 0, time.UTC)

// at is an epoch second, counted from noon.
func at(sec int64) int64 { return noon.Unix() + sec }

// ordinary is the everyday world at noon, for those who only read it.
var ordinary = sync.OnceValue(func() *monitor.History { return everyday(noon, 2*time.Hour).h })

// fixed returns a configuration in which it stays noon.
func fixed(h History) Config {
	return Config{History: h, Now: func() time.Time { return noon }}
}

// small is a history of one record that was seen once, idle.
func small(name string) (*monitor.History, monitor.Target, record.Record) {
	h, t := monitor.NewHistory(monitor.Limits{}), monitor.Target{Name: name}
	h.Watch(t)
	r := record.Record{ID: "VDNDNQNWQY", Timer: at(23), TimerOld: at(-37), Seq: at(-35) * 1000, Last: record.OK}
	h.See(seen(t, noon.Add(-30*time.Second), r, false))
	return h, t, r
}

// A reply is what a handler answered.
type reply struct {
	code   int
	header http.Header
	body   string
}

// ask sends a GET, with header fields in pairs.
func ask(t *testing.T, h http.Handler, path string, header ...string) reply {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{w.Code, w.Result().Header, string(body)}
}

// has checks that a text holds others.
func has(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("no %q in:\n%s", s, brief(text))
		}
	}
}

// hasNot checks that a text holds none of others.
func hasNot(t *testing.T, text string, not ...string) {
	t.Helper()
	for _, s := range not {
		if i := strings.Index(text, s); i >= 0 {
			t.Errorf("%q in: ...%s", s, text[max(0, i-100):min(len(text), i+200)])
		}
	}
}

// brief is what a page says, for messages.
func brief(page string) string {
	if _, main, ok := strings.Cut(page, "<main"); ok {
		page = "<main" + main
	}
	page = regexp.MustCompile(`<[^>]*>|\s+`).ReplaceAllString(page, " ")
	return regexp.MustCompile(` +`).ReplaceAllString(page[:min(len(page), 3000)], " ")
}

// part is what of a page stands between two texts, both included.
func part(t *testing.T, page, from, to string) string {
	t.Helper()
	i := strings.Index(page, from)
	if i < 0 {
		t.Fatalf("no %q in:\n%s", from, brief(page))
	}
	j := strings.Index(page[i:], to)
	if j < 0 {
		t.Fatalf("no %q after %q in:\n%s", to, from, page)
	}
	return page[i : i+j+len(to)]
}

// golden compares a part of a page with what it looked like before.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".html")
	got = strings.TrimSpace(got) + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update writes it anew):\n%s", path, diff)
	}
}
