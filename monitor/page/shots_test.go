package page

import (
	"bytes"
	"flag"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var shots = flag.String("shots", "", "write pictures of the pages to this folder: docs/images")

// most is how many bytes a picture may have.
const most = 150_000

// TestPictures makes the pictures of the documentation from the everyday world, in
// the fonts Inter and JetBrains Mono if they are installed. Without the flag it only
// checks that the pictures are there and not too big.
func TestPictures(t *testing.T) {
	now := time.Now().Truncate(time.Minute).Add(37 * time.Second) // amid all ticks
	var srv *httptest.Server
	if *shots != "" {
		cfg := Config{History: everyday(now, 26*time.Hour).h, Title: "example.com", Now: func() time.Time { return now }}
		srv = httptest.NewServer(Handler(cfg))
		defer srv.Close()
		defer srv.CloseClientConnections()
	}
	for _, s := range []struct {
		name, path, scheme string
		w, h               int64
	}{
		{"page-overview.png", "/", "light", 1280, 900},
		{"page-record.png", "/records/canary.example.com", "light", 1280, 1100},
		{"page-record-dark.png", "/records/canary.example.com?range=24h", "dark", 1280, 1000},
		{"page-phone.png", "/", "dark", 390, 844},
	} {
		file := filepath.Join("../../docs/images", s.name)
		if *shots != "" {
			file = filepath.Join(*shots, s.name)
			w := open(t, s.w, s.h)
			w.scheme(s.scheme)
			w.visit(srv.URL + s.path)
			if err := os.WriteFile(file, w.picture(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			t.Errorf("%s has %d bytes", file, info.Size())
		}
	}
}

// picture is what a window shows, as a small file.
func (w window) picture() []byte {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`{
		const { style } = document.documentElement;
		style.fontFamily = 'Inter, system-ui, sans-serif';
		style.setProperty('--mono', '"JetBrains Mono", ui-monospace, monospace');
		scrollTo(0, 0);
	} document.fonts.ready.then(() => 0)`, chromedp.EvalAwaitPromise))
	shot, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		w.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, img); err != nil {
		w.t.Fatal(err)
	}
	return small.Bytes()
}
