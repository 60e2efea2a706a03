package page

import (
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var shots = flag.String("shots", "", "write pictures of the pages to this folder")

// TestShots makes the pictures of the documentation.
func TestShots(t *testing.T) {
	if *shots == "" {
		return
	}
	now := time.Now().Truncate(time.Minute).Add(37 * time.Second) // amid all ticks
	w := everyday(now, 26*time.Hour)
	srv := httptest.NewServer(Handler(Config{History: w.h, Title: "example.com", Version: "v0.5.0", Now: func() time.Time { return now }}))
	defer srv.Close()
	for _, s := range []struct {
		name, path, scheme string
		w, h               int64
		full               bool
	}{
		{"overview", "/", "light", 1280, 860, false},
		{"overview-dark", "/", "dark", 1280, 860, false},
		{"overview-phone", "/", "light", 390, 844, false},
		{"job", "/records/canary.example.com", "light", 1280, 1000, true},
		{"job-dark", "/records/canary.example.com", "dark", 1280, 1000, true},
		{"job-phone", "/records/canary.example.com", "dark", 390, 844, true},
		{"job-day", "/records/canary.example.com?range=24h", "light", 1280, 1000, false},
		{"job-late", "/records/failover.ops.example.net", "light", 1280, 1000, false},
		{"job-pause", "/records/reindex.ops.example.net", "light", 1280, 1000, false},
		{"wall", "/wall", "dark", 1280, 800, false},
		{"missing", "/records/cannary.example.com", "light", 1280, 700, false},
	} {
		win := open(t, s.w, s.h)
		win.scheme(s.scheme)
		win.visit(srv.URL + s.path)
		shot := chromedp.CaptureScreenshot()
		if s.full {
			shot = chromedp.FullScreenshot(100)
		}
		png, err := chromedp.Run(win.ctx, shot)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*shots, s.name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
