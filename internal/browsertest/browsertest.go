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

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
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
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch}); err != nil {
		t.Fatal(err)
	}
	return w
}

// watch notes what goes wrong in a page.
const watch = `window.problems = [];
for (const kind of ['securitypolicyviolation', 'error', 'unhandledrejection']) {
	addEventListener(kind, (e) => problems.push(kind + ': ' + (e.violatedDirective ?? e.message ?? e.reason) + ' ' + (e.blockedURI ?? '')), true);
}`

// Problems are what went wrong in the page: errors of scripts, and what its policy
// has refused.
func (w Window) Problems() []string {
	w.t.Helper()
	return Is[[]string](w, `problems`)
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

// call sends the browser a command that has no answer.
func call[P any](w Window, cmd cdp.Command[P, cdp.Empty], params P) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, cmd, params); err != nil {
		w.t.Fatal(err)
	}
}

// Scheme has the browser ask for one of light and dark.
func (w Window) Scheme(which string) {
	w.t.Helper()
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: which}},
	})
}

// Zone has the browser be in a time zone.
func (w Window) Zone(name string) {
	w.t.Helper()
	call(w, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: name})
}

// WithoutScripts has pages run no JavaScript of theirs. Is and Until still do.
func (w Window) WithoutScripts() {
	w.t.Helper()
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Press presses a key that stands for no letter, of package kb.
func (w Window) Press(key string) {
	w.t.Helper()
	w.Do(chromedp.KeyEvent(key))
}

// Type presses keys as a keyboard does: a page may keep one from being typed.
func (w Window) Type(keys string) {
	w.t.Helper()
	for _, c := range keys {
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: string(c), Text: string(c)})
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: string(c)})
	}
}

// Await evaluates an expression that is a promise of a text.
func (w Window) Await(expression string) string {
	w.t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Run runs statements in the page.
func (w Window) Run(script string) {
	w.t.Helper()
	w.Do(chromedp.Evaluate[chromedp.Void](script))
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
