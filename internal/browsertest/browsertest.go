// Package browsertest has tests look at pages with a real browser, Debian's
// Chromium, as tools/needs installs it.
package browsertest

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

// chromium is one browser for all tests of a program; End ends it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

func start() {
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

// End ends the browser, if there is one. TestMain calls it.
func End() {
	if chromium.end != nil {
		chromium.end()
	}
}

// A Window is one of a browser that has no cookies yet. Every method fails the
// test if the browser does.
type Window struct {
	t   *testing.T
	ctx context.Context
}

// Open opens a window of that size, in pixels, which is closed with the test, and
// after some minutes in any case.
func Open(t *testing.T, width, height int64) Window {
	t.Helper()
	chromium.once.Do(start)
	if chromium.err != nil {
		t.Fatalf("chromium, as tools/needs installs it: %v", chromium.err)
	}
	ctx, cancel := context.WithTimeout(chromium.ctx, 5*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	w := Window{t, ctx}
	w.Do(chromedp.EmulateViewport(width, height))
	return w
}

// Do takes steps of chromedp.
func (w Window) Do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

// Go goes to a page.
func (w Window) Go(url string) {
	w.t.Helper()
	w.Do(chromedp.Navigate(url))
}

// Scheme has the browser ask for one of light and dark.
func (w Window) Scheme(which string) {
	w.t.Helper()
	_, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: which}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// WithoutScripts has pages run no JavaScript of theirs. Is and Until still do.
func (w Window) WithoutScripts() {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		w.t.Fatal(err)
	}
}

// Shot is what the window shows, as a PNG.
func (w Window) Shot() []byte {
	w.t.Helper()
	png, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatal(err)
	}
	return png
}

// Is evaluates an expression in the page.
func Is[T any](w Window, expression string) T {
	w.t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Until waits for an expression to be true.
func (w Window) Until(expression string) {
	w.t.Helper()
	for end := time.Now().Add(patience); !Is[bool](w, expression); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s\nthe page has: %s", expression, Is[string](w, `document.body.innerText`))
		}
	}
}
