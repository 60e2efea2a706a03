package api

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/solotick/solotick/elect"
)

// checkSVG reads a badge as XML and wants nothing in it but what draws.
func checkSVG(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = true
	for {
		token, err := d.Token()
		switch is := token.(type) {
		case xml.StartElement:
			if !strings.Contains(" svg title rect g text ", " "+is.Name.Local+" ") {
				t.Errorf("<%s> in a badge: %s", is.Name.Local, text)
			}
			for _, attr := range is.Attr {
				if strings.HasPrefix(attr.Name.Local, "on") || strings.Contains(attr.Name.Local, "href") {
					t.Errorf("%s in a badge: %s", attr.Name.Local, text)
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%v: %s", err, text)
			return
		}
	}
}

func TestBadge(t *testing.T) {
	a := serve(t, Config{})
	for path, want := range map[string]string{
		"canary.example.com": "canary: on time", "canary": "canary: on time", "nightly": "nightly: failing", "gone": "gone: absent", "silent": "silent: unknown",
	} {
		resp := ask(t, a, asking{path: "/badge/" + path + ".svg"})
		status, text := read(t, resp)
		if status != http.StatusOK || resp.Header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(text, "<title>"+want+"</title>") || !strings.Contains(text, `aria-label="`+want+`"`) {
			t.Errorf("%s: %d %s", path, status, text)
		}
		checkSVG(t, text)
	}
	status, text := read(t, ask(t, a, asking{path: "/badge/nobody.svg"}))
	if status != http.StatusNotFound || !strings.Contains(text, "not watched") {
		t.Errorf("%d %s", status, text)
	}
	checkSVG(t, text)
	if p := problem(t, ask(t, a, asking{path: "/badge/canary"})); p.Status != http.StatusNotFound {
		t.Errorf("%+v", p)
	}
}

// TestBadgeColors have a contrast of 4.5 to white, as WCAG wants it.
func TestBadgeColors(t *testing.T) {
	for _, level := range []elect.Level{elect.LevelFine, elect.LevelDoubtful, elect.LevelBad, elect.LevelUnknown} {
		if c := contrast(t, badgeColors[level]); c < 4.5 {
			t.Errorf("%s: contrast %.2f", badgeColors[level], c)
		}
	}
}
