package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rowOf is a line of the table of runs.
var rowOf = regexp.MustCompile(`(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)  ([A-Z]{10}) +(\d+) +(\S+) +(-|\d+ s) +(-|\d+ s) +(\w.*)$`)

// TestHistory watches three agents by DNS alone while two are killed amid their runs
// of one tick, ends as Ctrl-C does, and compares what was seen with what the job
// itself wrote.
func TestHistory(t *testing.T) {
	t.Parallel()
	c := newCluster(t, startOwn(t), "canary")
	host, port, _ := strings.Cut(c.at.addr, ":")
	var out, errs output
	cmd := exec.Command(program, "history", c.name, "@"+host, "-p", port, "--for", "10m", "--every", "1s")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &errs, endWithParent()
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "NO_COLOR=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	rows := func() [][]string { return rowOf.FindAllStringSubmatch(out.String(), -1) }

	c.await("two runs", time.Minute, func() bool { return len(rows()) >= 2 })
	lost, holder := c.hang()
	c.write("hang", "") // and so does the run that takes over, for long enough to be seen
	holder.kill()
	second := c.rerun(lost, takeover+30*time.Second)
	c.agent(second.agent).kill()
	c.await("a takeover", time.Minute, func() bool { return strings.Contains(out.String(), ", took over") })
	n := len(rows())
	c.await("two more runs", time.Minute, func() bool { return len(rows()) >= n+2 })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	text := out.String()
	if t.Failed() || !strings.Contains(errs.String(), "watching for 10m0s") {
		t.Errorf("on stderr:\n%s", errs.String())
	}

	key := func(tick int64, attempt int) string { return strconv.FormatInt(tick, 10) + " " + strconv.Itoa(attempt) }
	really := map[string]string{} // who ran that attempt
	for _, r := range c.runs() {
		really[key(r.tick, r.attempt)] = r.agent
	}
	seen := map[string]string{} // how it ended
	for _, row := range rows() {
		tick, err := time.Parse("2006-01-02 15:04:05Z", row[1])
		if err != nil {
			t.Fatal(err)
		}
		attempt, _ := strconv.Atoi(row[3])
		k := key(tick.Unix(), attempt)
		if really[k] != row[2] {
			t.Errorf("nobody ran that: %s", row[0])
		}
		if seen[k] != "" {
			t.Errorf("shown twice: %s", row[0])
		}
		seen[k] = row[7]
		switch how := strings.TrimSuffix(row[7], ", took over"); {
		case how == "end not seen", how == "lost" && tick.Unix() == lost.tick:
		case how != "ok" && how != "running", tick.Unix() == lost.tick && attempt < 3:
			t.Errorf("it did not end so: %s", row[0])
		}
	}
	if how := seen[key(lost.tick, 1)]; how != "lost" {
		t.Errorf("the run of %s that was lost is shown as %q:\n%s", lost.agent, how, text)
	}
	if how := seen[key(lost.tick, 2)]; !strings.HasSuffix(how, ", took over") {
		t.Errorf("the run of %s that took over is shown as %q:\n%s", second.agent, how, text)
	}
	for _, want := range []string{`(?m)^watched for \d+ s without a gap$`, `(?m)^agent +runs  ok  failed  lost  other  lag, median and worst  took, median and worst$`, `(?m)^` + lost.agent + ` +\d+ +\d+ +0 +1 +0 `} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no line matches %s in\n%s", want, text)
		}
	}
	c.end()
}
