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

	"github.com/solotick/solotick/internal/browsertest"
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
		{"overview.png", "/", "light", 1280, 900},
		{"job.png", "/records/canary.example.com", "light", 1280, 1040},
		{"job-dark.png", "/records/canary.example.com?range=24h", "dark", 1280, 1000},
		{"overview-phone.png", "/", "dark", 390, 844},
	} {
		file := filepath.Join("../../docs/images", s.name)
		if *shots != "" {
			file = filepath.Join(*shots, s.name)
			w := browsertest.Open(t, s.w, s.h)
			w.Scheme(s.scheme)
			visit(w, srv.URL+s.path)
			if err := os.WriteFile(file, snapshot(t, w), 0o644); err != nil {
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

// snapshot is what a window shows, as a small file.
func snapshot(t *testing.T, w browsertest.Window) []byte {
	t.Helper()
	w.Await(`(({ style }) => {
		style.fontFamily = 'Inter, system-ui, sans-serif';
		style.setProperty('--mono', '"JetBrains Mono", ui-monospace, monospace');
		return document.fonts.ready.then(() => 'ready');
	})(document.documentElement)`)
	img, err := png.Decode(bytes.NewReader(w.Shot()))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, img); err != nil {
		t.Fatal(err)
	}
	return small.Bytes()
}
