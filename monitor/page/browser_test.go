package page

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long a browser may take for anything on a busy machine.
const patience = time.Minute

// chromium is one browser for all tests of this package; TestMain ends it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

func startChromium() {
	c := &chromium
	path, err := exec.LookPath("chromium")
	if err != nil {
		c.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, end := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(options...))
	c.ctx, c.end = ctx, end
	c.err = chromedp.Do(ctx)
}

func endChromium() {
	if chromium.end != nil {
		chromium.end()
	}
}

// A window is one of a browser that has no cookies yet.
type window struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T, width, height int64) window {
	t.Helper()
	chromium.once.Do(startChromium)
	if chromium.err != nil {
		t.Fatalf("chromium, as tools/needs installs it: %v", chromium.err)
	}
	ctx, cancel := context.WithTimeout(chromium.ctx, patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	w := window{t, ctx}
	w.do(chromedp.EmulateViewport(width, height))
	return w
}

func (w window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

// visit goes to a page and waits for its script.
func (w window) visit(url string) {
	w.t.Helper()
	w.do(chromedp.Navigate(url))
	w.until(`document.getElementById('live').dataset.state === 'on'`)
}

// scheme has the browser ask for one of light and dark.
func (w window) scheme(which string) {
	w.t.Helper()
	_, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: which}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// is evaluates an expression in the page.
func is[T any](w window, expression string) T {
	w.t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true.
func (w window) until(expression string) {
	w.t.Helper()
	for end := time.Now().Add(patience); !is[bool](w, expression); {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s\nthe page has: %s", expression, is[string](w, `document.getElementById('main')?.innerText ?? ''`))
		}
		time.Sleep(30 * time.Millisecond)
	}
}
