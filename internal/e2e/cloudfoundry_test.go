package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/platformtest"
)

// cfKill is what Cloud Foundry leaves a process from TERM to KILL.
const cfKill = 10 * time.Second

// An instance is one of an app: a folder of its own, with what was pushed in it.
type instance struct {
	index int
	cmd   *exec.Cmd
	port  string
	log   string
	done  chan struct{}
}

// cfJob writes which instance ran which tick. Where there is a file hang it goes on,
// deaf to TERM, with a child that has left its session and its group.
const cfJob = `#!/bin/sh
echo "$SOLOTICK_TICK $CF_INSTANCE_INDEX" >>../runs
rm ../hang 2>/dev/null || exit 0
trap '' TERM
setsid sh -c 'trap "" TERM; echo $$ >>../hung; while :; do sleep 0.1; done' &
echo $$ >>../hung
echo "$SOLOTICK_TICK $CF_INSTANCE_INDEX" >../hanging
while :; do sleep 0.1; done
`

// TestCloudFoundry does to three processes what Cloud Foundry does to the instances of an
// app: their environment as it is documented, the manifest's command in a shell, the
// health check, TERM, and KILL of what is left after 10 s.
func TestCloudFoundry(t *testing.T) {
	t.Parallel()
	at, dir := startOwn(t), t.TempDir()
	secret := at.key.Algorithm + ":" + at.key.Name + ":" + at.key.Secret
	manifest, err := os.ReadFile("../../deploy/cloudfoundry/manifest-http.yml")
	if err != nil {
		t.Fatal(err)
	}
	process := platformtest.ReadManifest(t, string(manifest)).Applications[0].Processes[0]
	file := fmt.Sprintf(`version: 1
agent: { listen: ":${env:PORT}" }
dns: { provider: rfc2136, zone: t.test, server: %q, tsig: "${vcap:solotick.tsig}", ttl: 1s }
jobs: { cloud: { every: 2s, poll: 3s, spread: 400ms, head_start: 300ms, skew: 500ms, exec: [./check] } }
`, at.addr)
	var all []*instance
	for i := range *process.Instances {
		all = append(all, push(t, dir, i, process.Command, secret, file))
	}
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		return string(text)
	}
	await(t, "three runs", func() bool { return strings.Count(read("runs"), "\n") >= 3 })
	for _, in := range all {
		resp, err := http.Get("http://127.0.0.1:" + in.port + process.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("instance %d answers the health check %d %s", in.index, resp.StatusCode, body)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "hang"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "a run that hangs", func() bool { return strings.HasSuffix(read("hanging"), "\n") && strings.Count(read("hung"), "\n") == 2 })
	tick, index, _ := strings.Cut(strings.TrimSpace(read("hanging")), " ")
	i, err := strconv.Atoi(index)
	if err != nil {
		t.Fatal(err)
	}
	stopped := all[i]
	began := time.Now()
	stopped.end(t)
	if took := time.Since(began); took > cfKill {
		t.Errorf("instance %d ended after %v, and is killed after %v", i, took.Round(time.Millisecond), cfKill)
	}
	for _, pid := range strings.Fields(read("hung")) {
		if n, _ := strconv.Atoi(pid); syscall.Kill(n, 0) == nil {
			t.Errorf("process %s of the job is still there when its agent has ended", pid)
		}
	}
	again := func() bool {
		return slices.ContainsFunc(strings.Split(read("runs"), "\n"), func(l string) bool { return strings.HasPrefix(l, tick+" ") && l != tick+" "+index })
	}
	await(t, "another instance's run of that tick", again)
	if took := time.Since(began); took > cfKill+3*time.Second { // a poll, in which nobody waits for a lease
		t.Errorf("the tick was run again %v after TERM: it was not handed over", took.Round(time.Millisecond))
	}
	for _, in := range all {
		if in != stopped {
			in.end(t)
		}
	}
	checkInstances(t, read("runs"), tick, all, at)
}

// push starts an instance as the platform does.
func push(t *testing.T, dir string, index int, command, secret, file string) *instance {
	t.Helper()
	app := filepath.Join(dir, fmt.Sprintf("app%d", index))
	if err := os.Mkdir(app, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	in := &instance{index: index, port: port, log: filepath.Join(app, "log"), done: make(chan struct{})}
	for name, text := range map[string]string{"solotick.yaml": file, "check": cfJob, "log": ""} {
		if err := os.WriteFile(filepath.Join(app, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(program, filepath.Join(app, "solotick")); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(in.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in.cmd = exec.Command("sh", "-c", command)
	in.cmd.Dir, in.cmd.Env, in.cmd.Stdout, in.cmd.Stderr, in.cmd.SysProcAttr = app, containerEnv(t, app, index, port, secret), f, f, endWithParent()
	if err := in.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		in.cmd.Wait()
		close(in.done)
	}()
	t.Cleanup(func() {
		_ = in.cmd.Process.Kill() // only fails if it has ended
		<-in.done
		if t.Failed() {
			t.Logf("instance %d:\n%s", index, tail(in.log, 40))
		}
	})
	return in
}

// containerEnv is the environment of an instance: that of all but for the index, the id
// and, since these share a machine, the port.
func containerEnv(t *testing.T, app string, index int, port, secret string) []string {
	t.Helper()
	marshal := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	id := fmt.Sprintf("41653aa4-3a3a-486a-4431-%012d", index)
	type object = map[string]any
	return []string{
		"HOME=" + app, "PWD=" + app, "TMPDIR=" + app, "USER=vcap", "LANG=en_US.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin", "MEMORY_LIMIT=128m",
		"PORT=" + port, "VCAP_APP_HOST=0.0.0.0", "VCAP_APP_PORT=" + port,
		fmt.Sprintf("CF_INSTANCE_INDEX=%d", index), "INSTANCE_INDEX=" + strconv.Itoa(index), "CF_INSTANCE_GUID=" + id, "INSTANCE_GUID=" + id,
		"CF_INSTANCE_IP=192.0.2.7", "CF_INSTANCE_INTERNAL_IP=192.0.2.8", "CF_INSTANCE_PORT=61045", "CF_INSTANCE_ADDR=192.0.2.7:61045", "CF_INSTANCE_PORTS=[]",
		"VCAP_APPLICATION=" + marshal(object{
			"application_id": "fa05c1a9-0fc1-4fbd-bae1-139850dec7a3", "application_name": "solotick", "name": "solotick", "application_uris": []string{}, "uris": []string{},
			"application_version": "fb8fbcc6-8d58-479e-bcc7-3b4ce5a7f0ca", "version": "fb8fbcc6-8d58-479e-bcc7-3b4ce5a7f0ca", "cf_api": "https://api.example.com",
			"limits": object{"disk": 256, "fds": 16384, "mem": 128}, "space_id": "06450c72-4669-4dc6-8096-45f9777db68a", "space_name": "space",
			"organization_name": "org", "process_type": "web", "users": nil, "instance_id": id, "instance_index": index, "host": "0.0.0.0", "port": port,
		}),
		"VCAP_SERVICES=" + marshal(object{"user-provided": []object{{
			"name": "solotick", "instance_name": "solotick", "label": "user-provided", "binding_name": nil, "credentials": object{"tsig": secret},
			"syslog_drain_url": "", "tags": []string{}, "volume_mounts": []string{},
		}}}),
	}
}

// end tells an instance to end, and waits for that.
func (in *instance) end(t *testing.T) {
	t.Helper()
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-in.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("instance %d does not end", in.index)
	}
	if code := in.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("instance %d ended with code %d, want 0", in.index, code)
	}
}

// checkInstances: no tick was run twice but the one that was cut, the log says which
// instance an agent is, the record does not, and nothing says the secret.
func checkInstances(t *testing.T, runs, cut string, all []*instance, at *place) {
	t.Helper()
	times := map[string]int{}
	for _, line := range strings.Fields(strings.ReplaceAll(runs, " ", "/")) {
		tick, _, _ := strings.Cut(line, "/")
		if times[tick]++; times[tick] > 1 && tick != cut {
			t.Errorf("tick %s was run %d times:\n%s", tick, times[tick], runs)
		}
	}
	for _, in := range all {
		log, err := os.ReadFile(in.log)
		if err != nil || !strings.Contains(string(log), fmt.Sprintf(`"instance":"%d"`, in.index)) {
			t.Errorf("the log of instance %d does not tell its number: %v", in.index, err)
		}
		if strings.Contains(string(log), at.key.Secret) {
			t.Errorf("the log of instance %d has the secret", in.index)
		}
	}
	c := &cluster{t: t, at: at, name: "cloud.t.test."}
	if text := c.dig(); !original.MatchString(text) || strings.Contains(text, "41653aa4") {
		t.Errorf("the record is %s", text)
	}
}

// await polls until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 60 s", what)
		}
	}
}
