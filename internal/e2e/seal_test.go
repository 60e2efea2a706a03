package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// keygen makes a key in the cluster's folder, and returns its id.
func (c *cluster) keygen(kind, name string) (id string) {
	c.t.Helper()
	out, err := exec.Command(program, "keygen", kind, "-o", c.path(name)).CombinedOutput()
	if m := regexp.MustCompile(`(?:seal key|public half,) ([a-z2-7]{8})`).FindSubmatch(out); m != nil {
		return string(m[1])
	}
	c.t.Fatalf("keygen %s: %v\n%s", kind, err, out)
	return ""
}

// keysText is the section seal of a file.
func (c *cluster) keysText(plain string, names ...string) string {
	var all []string
	for _, name := range names {
		all = append(all, strconv.Quote("${file:"+c.path(name)+"}"))
	}
	return fmt.Sprintf("seal: { keys: [%s], plain: %s }\n", strings.Join(all, ", "), plain)
}

// TestKeysRolledOut: three agents on a real server are restarted one after the other,
// with another file each time: records come to be sealed and signed, with one key and
// then with another, and at last are plain again. No tick is missed, and none run twice.
func TestKeysRolledOut(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, start(t, dnstest.BIND), "sealed")
	old, next := c.keygen("seal", "old"), c.keygen("seal", "new")
	c.keygen("sign", "sign")
	jobs := "jobs:\n" + jobText(c.job, "exec: ["+strconv.Quote(self)+"]")
	sign := func(unsigned string) string {
		return fmt.Sprintf("sign: { key: %q, unsigned: %s }\n", "${file:"+c.path("sign")+"}", unsigned)
	}
	stages := []struct{ keys, shown string }{
		{"", `{"id":`},
		{c.keysText("write", "old") + sign("write"), `{"id":`},
		{c.keysText("read", "old") + sign("read"), "st1." + old + "."},
		{c.keysText("refuse", "old") + sign("refuse"), "st1." + old + "."},
		{c.keysText("refuse", "old", "new") + sign("refuse"), "st1." + old + "."},
		{c.keysText("refuse", "new", "old") + sign("refuse"), "st1." + next + "."},
		{c.keysText("read", "new") + sign("read"), "st1." + next + "."},
		{c.keysText("write", "new") + sign("write"), `{"id":`},
		{"", `{"id":`},
	}
	c.configure(jobs)
	c.launch()
	for i, s := range stages[1:] {
		c.configure(s.keys + jobs)
		c.file = fmt.Sprintf("stage%d.yaml", i+1)
		if err := os.Rename(c.path("solotick.yaml"), c.path(c.file)); err != nil {
			t.Fatal(err)
		}
		for _, a := range c.agents[len(c.agents)-3:] {
			c.start()
			a.signal(t, syscall.SIGTERM) // also in a run, which goes on to its end
			<-a.done
			if code := a.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("agent %s ended with code %d", a.id, code)
			}
			a.dead = true
		}
		c.more(2)
		if text := strings.ReplaceAll(c.shown(), `" "`, ""); !strings.HasPrefix(text, s.shown) {
			t.Errorf("after stage %d the record is %s, want %s...", i+1, text, s.shown)
		}
	}
	c.check()
	for _, a := range c.agents {
		for _, l := range a.lines() {
			if l.Msg == "the record needs a look" {
				t.Errorf("agent %s found fault with the record: %s", a.id, l.Err)
			}
		}
	}
	for _, r := range c.runs() {
		if late := r.begin.Sub(time.Unix(r.tick, 0)); r.attempt == 1 && late > takeover+slack {
			t.Errorf("tick %d began %v late", r.tick, late)
		}
	}
}
