package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A crontab is one line of a file for /etc/cron.d, and the environment that the file
// gives it.
type crontab struct {
	env     []string
	shell   string
	command string
}

// cronLine is five fields, a user, and the rest for the shell, in which cron takes a
// percent sign for the end of the line (crontab(5)).
var cronLine = regexp.MustCompile(`^(?:[-*/,0-9]+ ){5}([a-z][-a-z0-9_]*) ([^%]+)$`)

func readCrontab(t *testing.T, file string) crontab {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c crontab
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		name, value, assigns := strings.Cut(line, "=")
		switch m := cronLine.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "#"):
		case m != nil:
			c.command = m[2]
		case assigns && !strings.Contains(name, " "):
			c.env = append(c.env, line)
			if name == "SHELL" {
				c.shell = value
			}
		default:
			t.Fatalf("%s: cron does not understand %q", file, line)
		}
	}
	return c
}

// A machine is one that has the line in its crontab, once: what cron did with it.
type machine struct {
	out  bytes.Buffer // what cron would send by mail
	code int
}

// minute has three machines start the line at the same moment, as cron does at that of
// every minute, and waits for all of them.
func (c crontab) minute(t *testing.T, dir string) []*machine {
	t.Helper()
	all := make([]*machine, 3)
	var running sync.WaitGroup
	for i := range all {
		m := new(machine)
		all[i] = m
		cmd := exec.Command(c.shell, "-c", c.command)
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, &m.out, &m.out, endWithParent()
		cmd.Env = append([]string{"LOGNAME=solotick", "HOME=" + dir}, c.env...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			_ = cmd.Wait()
			m.code = cmd.ProcessState.ExitCode()
		})
	}
	running.Wait()
	return all
}

// TestCrontab: three machines with one line in their crontabs, at the same minute, run
// the job once, and nobody gets mail.
func TestCrontab(t *testing.T) {
	t.Parallel()
	at := startOwn(t)
	c := prepare(t, at, "canary")
	c.configure("")
	c.write("check", "#!/bin/sh\necho \"$SOLOTICK_TICK $1\" >>runs\n")
	if err := os.Chmod(c.path("check"), 0o700); err != nil {
		t.Fatal(err)
	}
	tab := readCrontab(t, "../../deploy/cron/solotick")
	for _, change := range [][2]string{
		{"solotick exec ", program + " exec "},
		{"/etc/solotick/solotick.yaml", c.path("solotick.yaml")},
		{"/usr/local/bin/check", c.path("check")},
		{"--every 60s --timeout 40s", "--every 6s --timeout 40s --lease 3s --kill-grace 0s --skew 100ms --head-start 300ms --spread 300ms"}, // a minute is too long
	} {
		if strings.Count(tab.command, change[0]) != 1 {
			t.Fatalf("the line %q has no %q", tab.command, change[0])
		}
		tab.command = strings.Replace(tab.command, change[0], change[1], 1)
	}
	if filepath.Base(tab.shell) != "sh" || strings.Contains(tab.command, "flock") {
		t.Errorf("the line is for %q: %s", tab.shell, tab.command)
	}
	tab.minute(t, c.dir) // makes the record
	before := strings.Count(c.read("runs"), "\n")
	for range 2 {
		tick := c.lastTick()
		c.await("the next tick", 15*time.Second, func() bool { return time.Now().Unix() > tick })
		for i, m := range tab.minute(t, c.dir) {
			if m.code != 0 && m.code != 75 {
				t.Errorf("machine %d: exit code %d", i, m.code)
			}
			if m.out.Len() > 0 {
				t.Errorf("machine %d: cron sends mail:\n%s", i, &m.out)
			}
		}
		runs := c.read("runs")
		if n := strings.Count(runs, "\n"); n != before+1 {
			t.Fatalf("%d machines ran the job, want one:\n%s", n-before, runs)
		}
		before++
	}
	if strings.Count(c.read("runs"), " --fast\n") != before {
		t.Errorf("runs:\n%s", c.read("runs"))
	}
	c.mail(tab)
}

// lastTick is the record's timer: when it is due next.
func (c *cluster) lastTick() (timer int64) {
	c.t.Helper()
	m := regexp.MustCompile(`"timer":([0-9]+)`).FindStringSubmatch(c.dig())
	if m == nil {
		c.t.Fatalf("the record is %s", c.dig())
	}
	fmt.Sscan(m[1], &timer)
	return timer
}

// mail: somebody else's long run is no reason for mail, and a failure is one.
func (c *cluster) mail(tab crontab) {
	c.t.Helper()
	c.write("check", "#!/bin/sh\necho \"$SOLOTICK_TICK long\" >>runs\nsleep 9\n")
	tick := c.lastTick()
	c.await("the next tick", 15*time.Second, func() bool { return time.Now().Unix() > tick })
	busy := 0
	for i, m := range tab.minute(c.t, c.dir) {
		if m.code == 75 {
			busy++
		}
		if m.out.Len() > 0 {
			c.t.Errorf("machine %d ended with %d during a long run, and cron sends mail:\n%s", i, m.code, &m.out)
		}
	}
	if n := strings.Count(c.read("runs"), "long\n"); busy == 0 || n != 1 {
		c.t.Errorf("%d machines ran the long job, %d found it running; want 1, and the others", n, busy)
	}
	tab.command = strings.Replace(tab.command, "solotick.yaml", "none.yaml", 1)
	for i, m := range tab.minute(c.t, c.dir) {
		if m.code != 78 || m.out.Len() == 0 {
			c.t.Errorf("machine %d without a file: exit code %d, mail %q", i, m.code, &m.out)
		}
	}
}
