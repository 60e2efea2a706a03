package page

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
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long a browser may take for anything on a busy machine.
const patience = 30 * time.Second

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
	ctx, cancel := context.WithTimeout(chromium.ctx, 3*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	w := window{t, ctx}
	w.do(chromedp.EmulateViewport(width, height))
	call(w, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Tehran"})
	if _, err := chromedp.Call(ctx, devpage.AddScriptToEvaluateOnNewDocument, devpage.AddScriptToEvaluateOnNewDocumentParams{Source: watch}); err != nil {
		t.Fatal(err)
	}
	return w
}

// watch notes what goes wrong in a page, and whether it was loaded anew.
const watch = `window.problems = [];
for (const kind of ['securitypolicyviolation', 'error', 'unhandledrejection']) {
	addEventListener(kind, (e) => problems.push(kind + ': ' + (e.violatedDirective ?? e.message ?? e.reason) + ' ' + (e.blockedURI ?? '')), true);
}`

// clean checks that nothing went wrong in the page.
func (w window) clean() {
	w.t.Helper()
	if all := is[[]string](w, `problems`); len(all) > 0 {
		w.t.Errorf("in the page: %q", all)
	}
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
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: which}},
	})
}

// call sends the browser a command that has no answer.
func call[P any](w window, cmd cdp.Command[P, cdp.Empty], params P) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, cmd, params); err != nil {
		w.t.Fatal(err)
	}
}

// press presses a key that has no letter.
func (w window) press(key string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(key))
}

// letter presses keys as a keyboard does: a page may keep one from being typed.
func (w window) letter(keys string) {
	w.t.Helper()
	for _, c := range keys {
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: string(c), Text: string(c)})
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: string(c)})
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
