package containertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestOnce is two schedulers in two regions that start a turn at the same moment: no
// environment but what the turn needs, nothing to write to but 512 MiB in /tmp, and
// each tick is run by one of them.
func TestOnce(t *testing.T) {
	t.Parallel()
	addr, secrets := serveZone(t)
	root := newRoot(t, nil)
	check(t, os.Mkdir(filepath.Join(root, "tmp"), 0o755))
	b := box{
		Root: root, Mounts: map[string]string{"/run/secrets": secrets}, Tmp: true,
		Args: []string{
			"/solotick", "exec", "--once", "--name", "canary", "--every", "2s", "--lease", "3s", "--kill-grace", "0s", "--skew", "100ms", "--head-start", "200ms", "--spread", "200ms",
			"--zone", "t.test", "--server", addr, "--tsig-file", "/run/secrets/solotick.key", "--", "/job",
		},
	}
	ticks := map[string]int{}
	for end := time.Now().Add(60 * time.Second); len(ticks) < 3 && time.Now().Before(end); {
		var both sync.WaitGroup
		var mu sync.Mutex
		for range 2 {
			both.Go(func() {
				code, out, errs := b.run(t)
				mu.Lock()
				defer mu.Unlock()
				if code != 0 && code != 75 {
					t.Errorf("code %d: %s", code, errs)
				}
				var one told
				if json.Unmarshal([]byte(out), &one) == nil {
					ticks[one.Tick]++
					if one.Home || !one.Tmp || !strings.HasPrefix(one.Out, "/tmp/") {
						t.Errorf("the job has %+v; want no HOME, and its state in /tmp", one)
					}
				}
			})
		}
		both.Wait()
	}
	if len(ticks) < 3 {
		t.Errorf("%d ticks were run, want 3", len(ticks))
	}
	for tick, n := range ticks {
		if n != 1 {
			t.Errorf("tick %s was run %d times", tick, n)
		}
	}
}

// A lambda is the runtime's API: it hands out invocations, one after the other.
type lambda struct {
	t      *testing.T
	file   string       // of the job's fate: while it is there, the job fails
	starts *time.Ticker // of the scheduler
	end    time.Time    // of a test that goes wrong

	mu      sync.Mutex
	given   int
	open    string // the invocation that was not answered yet
	answers map[string]int
}

func (l *lambda) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/next") {
		<-l.starts.C
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	const at = "/2018-06-01/runtime/invocation/"
	body, _ := io.ReadAll(r.Body)
	switch what, ok := strings.CutPrefix(r.URL.Path, at); {
	case !ok:
		l.t.Errorf("asked for %s", r.URL.Path)
	case what == "next":
		if l.open != "" {
			l.t.Errorf("invocation %s was not answered", l.open)
		}
		if l.given++; l.answers["error"] > 0 || time.Now().After(l.end) {
			w.WriteHeader(http.StatusGone)
			return
		}
		l.open = fmt.Sprintf("8476a536-%d", l.given)
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", l.open)
		fmt.Fprintln(w, "{}")
	default:
		id, how, _ := strings.Cut(what, "/")
		if id != l.open || r.Method != http.MethodPost || !json.Valid(body) {
			l.t.Errorf("%s %s answers %q, with %s", r.Method, r.URL.Path, l.open, body)
		}
		if how == "error" && (r.Header.Get("Lambda-Runtime-Function-Error-Type") != "Job.Failed" || !strings.Contains(string(body), "exit code 3")) {
			l.t.Errorf("the error is told as %s", body)
		}
		l.open = ""
		l.answers[how]++
		if runs, err := os.ReadFile(l.file); err == nil && strings.Count(string(runs), "ran") >= 2 {
			check(l.t, os.WriteFile(l.file+".fails", nil, 0o600))
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

// TestLambda runs the bootstrap of docs/platforms/serverless.md against the runtime's
// API: as it stands, but for the job's interval.
func TestLambda(t *testing.T) {
	t.Parallel()
	addr, secrets := serveZone(t)
	root := t.TempDir()
	text, err := os.ReadFile("../../deploy/serverless/bootstrap")
	check(t, err)
	const every = "--every 60s"
	if strings.Count(string(text), every) != 1 {
		t.Fatal("the bootstrap is not what it was")
	}
	text = []byte(strings.Replace(string(text), every, "--every 1s --lease 3s --kill-grace 0s --skew 100ms", 1))
	runs := filepath.Join(root, "runs")
	for name, content := range map[string]string{
		"bootstrap":     string(text),
		"job":           "#!/bin/sh\necho ran >>" + runs + "\n[ ! -e " + runs + ".fails ] || exit 3\n",
		"solotick.yaml": fmt.Sprintf("version: 1\ndns: { provider: rfc2136, zone: t.test, server: %q, tsig: %s/solotick.key }\n", addr, secrets),
	} {
		check(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o755))
	}
	check(t, os.Link(program, filepath.Join(root, "solotick")))
	l := &lambda{t: t, file: runs, starts: time.NewTicker(200 * time.Millisecond), end: time.Now().Add(time.Minute), answers: map[string]int{}}
	defer l.starts.Stop()
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	cmd := exec.Command(filepath.Join(root, "bootstrap"))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(s.URL, "http://"), "LAMBDA_TASK_ROOT=" + root, "TMPDIR=" + t.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || l.answers["error"] != 1 || l.answers["response"] < 2 {
		t.Errorf("the bootstrap ended with %v after %d invocations, answered %v:\n%s", err, l.given, l.answers, out)
	}
}
