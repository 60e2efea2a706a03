package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/browsertest"
	"github.com/solotick/solotick/internal/dnstest"
)

// TestPage looks at real agents with a real browser: what is on the page is what
// the agents' own job wrote down.
func TestPage(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, start(t, dnstest.BIND), "page")
	c.write("slow", "") // so that no claim passes between two looks
	c.configure("jobs:\n" + jobText("page", "every: 6s", "exec: ["+strconv.Quote(self)+"]"))
	c.launch()
	url := c.serve("--every", "1s")
	record := strings.TrimSuffix(c.name, ".")
	w := browsertest.Open(t, 1280, 900)

	w.Go(url)
	w.Until(`document.getElementById('live').dataset.state === 'on'`)
	w.Until(`document.querySelector('h1').innerText.includes('fine')`)
	w.Until(`document.querySelector('main a[href*="records/` + record + `"]') !== null`)
	browsertest.Is[bool](w, `document.querySelector('main a[href*="records/`+record+`"]').click() === undefined`)
	w.Until(`location.pathname.endsWith('/records/` + record + `')`)
	w.Until(`document.getElementById('live').dataset.state === 'on'`)

	// The countdown moves, and starts again with each tick, without a new page.
	browsertest.Is[bool](w, `(window.here = "still the same page", true)`)
	seen := map[string]bool{}
	c.await("the countdown", 20*time.Second, func() bool {
		seen[browsertest.Is[string](w, `document.querySelector('[data-until]').textContent`)] = true
		return len(seen) >= 3
	})

	// A takeover appears by itself.
	if n := browsertest.Is[int](w, `document.querySelectorAll('g.takeover').length`); n != 0 {
		t.Errorf("%d takeovers before there was one", n)
	}
	r := c.killMidRun()
	w.Until(`document.querySelectorAll('g.takeover').length === 1`)
	title := browsertest.Is[string](w, `document.querySelector('g.takeover title').textContent`)
	if want := " took over from " + r.agent; !strings.Contains(title, want) {
		t.Errorf("the takeover says %q, want %q in it", title, want)
	}
	w.Until(`[...document.querySelectorAll('table.runs tr')].some(tr => tr.innerText.includes('lost') && tr.innerText.includes('` + r.agent + `'))`)
	if !browsertest.Is[bool](w, `window.here === "still the same page"`) {
		t.Error("the page was loaded anew")
	}

	// Light and dark, and a phone.
	w.Scheme("light")
	light := browsertest.Is[string](w, `getComputedStyle(document.body).backgroundColor`)
	w.Scheme("dark")
	if dark := browsertest.Is[string](w, `getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("dark and light are both %s", dark)
	}
	phone := browsertest.Open(t, 360, 740)
	phone.Go(url + "records/" + record)
	phone.Until(`document.querySelectorAll('g.takeover').length === 1`)
	if wide := browsertest.Is[int](phone, `document.documentElement.scrollWidth`); wide > 360 {
		t.Errorf("on a phone the page is %d pixels wide", wide)
	}

	// Without JavaScript the same is there.
	plain := browsertest.Open(t, 1280, 900)
	plain.WithoutScripts()
	plain.Go(url + "records/" + record)
	plain.Until(`document.querySelectorAll('g.takeover').length === 1`)
	if text := browsertest.Is[string](plain, `document.body.innerText`); !strings.Contains(text, r.agent) || !strings.Contains(text, "reloads every 15 s") {
		t.Errorf("without JavaScript the page has %q", text)
	}

	// Everybody is gone: it is late, and says so on the page and in its title.
	for _, a := range c.agents {
		a.kill()
	}
	w.Until(`/late|missed/i.test(document.title)`)
	w.Go(url)
	w.Until(`/late|missed/.test(document.getElementById('main').innerText) && !document.querySelector('h1').innerText.includes('fine')`)
}

// serve runs "solotick serve" on the cluster's record and returns its address.
func (c *cluster) serve(args ...string) (url string) {
	c.t.Helper()
	args = append([]string{"serve", "-c", c.path("solotick.yaml"), "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = endWithParent()
	log, err := cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(log); s.Scan(); {
			select {
			case lines <- s.Text():
			default:
			}
		}
	}()
	c.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			c.t.Errorf("serve ended with %v", err)
		}
	})
	deadline := time.After(30 * time.Second)
	var said []string
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				c.t.Fatalf("serve ended:\n%s", strings.Join(said, "\n"))
			}
			said = append(said, line)
			var l struct{ Msg, URL string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "serving" {
				return l.URL
			}
		case <-deadline:
			c.t.Fatal(fmt.Sprint("serve does not say its address: ", said))
		}
	}
}
