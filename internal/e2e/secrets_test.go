package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// spy is a command of a job that fails, after it has written down what it, and
// whatever else runs on the machine, can be seen with. What it prints holds the one
// secret that it was given.
const spy = `#!/bin/sh
{ tr '\0' '\n' </proc/self/environ; cat /proc/self/cmdline; } >>spied.own
for p in $(ps -o pid= -e); do tr '\0' ' ' </proc/$p/cmdline; echo; done >>spied.argv 2>/dev/null
echo "I was given $GIVEN" >&2
exit 3
`

// A secretWorld is one in which every secret is another.
type secretWorld struct {
	*cluster
	plants plants
	others *others
	web    string   // of the observer
	desks  []string // of the agents
}

// newSecretWorld plants a secret wherever one can be.
func newSecretWorld(t *testing.T) *secretWorld {
	t.Helper()
	w := &secretWorld{cluster: prepare(t, startOwn(t), "planted"), plants: plants{}, others: newOthers(t)}
	w.plants["tsig"] = w.at.key.Secret
	p, url := w.plants, w.others.server.URL
	host := strings.TrimPrefix(url, "http://")
	w.write("spy", spy)
	if err := os.Chmod(w.path("spy"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string {
		w.env = append(w.env, "PLANT_"+name+"="+p.add(name))
		return "${env:PLANT_" + name + "}"
	}
	file := func(name string) string {
		w.write("secret-"+name, p.add(name)+"\n")
		return "${file:" + w.path("secret-"+name) + "}"
	}
	w.env = append(w.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+url+"/traces", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20"+p.add("otlp"), "OTEL_BSP_SCHEDULE_DELAY=200")
	for _, flag := range []string{"admin", "reports", "passcode"} {
		file(flag)
	}
	mail, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mail.Close() })
	go greet(mail)
	quick := "\n          timeout: 400ms\n          retries: 1"
	steps := stepsText(
		"- id: asked\n  may_fail: true\n  http: { url: \"http://"+host+"/step/"+env("steppath")+"?key="+env("stepquery")+"\", headers: { Authorization: \"Bearer "+file("stepheader")+"\" }, json: { a: [\""+env("stepjson")+"\"] }, timeout: 400ms, retries: 1 }",
		"- id: form\n  may_fail: true\n  http:\n          url: \"http://user:"+env("steppassword")+"@"+host+"/form\"\n          form: { a: \""+env("stepform")+"\" }"+quick,
		"- id: spies\n  may_fail: true\n  exec: [./spy]\n  dir: "+w.dir+"\n  env: { GIVEN: \""+env("given")+"\" }",
		"- http: \"http://127.0.0.1:1/"+env("refused")+"\"",
	)
	w.configure(strings.Join([]string{
		"agent:",
		"  listen: 127.0.0.1:0",
		"  events: " + w.path("events"),
		"  report: { url: \"http://user:" + env("reportpassword") + "@" + host + "/report?k=" + env("reportquery") + "\", hmac: \"" + file("reporthmac") + "\", output: true }",
		"notify:",
		"  slackhook: { slack: { webhook: \"" + url + "/slackhook/T0/B0/" + env("slackhook") + "\" } }",
		"  slacktoken: { slack: { token: \"" + file("slacktoken") + "\", channel: C024BE91L, api: \"" + url + "/slacktoken\", dedupe: true } }",
		"  webhook: { webhook: { url: \"http://user:" + env("hookpassword") + "@" + host + "/webhook?q=" + env("hookquery") + "\", headers: { X-Key: \"" + env("hookheader") + "\" }, secret: \"" + file("hooksecret") + "\" } }",
		"  email: { email: { host: 127.0.0.1, port: " + fmt.Sprint(mail.Addr().(*net.TCPAddr).Port) + ", from: a@example.com, to: b@example.com, user: user, password: \"" + env("mail") + "\" } }",
		"  teams: { teams: { url: \"" + url + "/teams/" + env("teams") + "\" } }",
		"  discord: { discord: { url: \"" + url + "/discord/1/" + env("discord") + "\" } }",
		"  ntfy: { ntfy: { url: \"" + url + "/ntfy\", topic: \"" + env("topic") + "\", token: \"" + env("ntfy") + "\" } }",
		"  pagerduty: { pagerduty: { url: \"" + url + "/pagerduty\", routing_key: \"" + env("pagerduty") + "\" } }",
		"  ping: { ping: { url: \"" + url + "/ping/" + env("ping") + "\" } }",
		"  program: { exec: { command: [sh, -c, 'echo told; exit 1'], env: { TOKEN: \"" + env("program") + "\" } } }",
		"jobs_from:",
		"  url: \"http://user:" + env("listpassword") + "@" + host + "/list?sig=" + env("listquery") + "\"",
		"  insecure: true",
		"  timeout: 400ms",
		"  headers: { X-Token: \"" + env("listheader") + "\" }",
		"  allow: { private: [127.0.0.0/8], env: [PLANT_listjob] }",
		"jobs:",
		jobText("planted", "every: 1s", "timeout: 5s", "output: quiet", steps) + telling("slackhook", "slacktoken", "webhook", "email", "teams", "discord", "ntfy", "pagerduty", "ping", "program"),
	}, "\n"))
	listed := env("listjob")
	w.others.list = func() string {
		return "version: 1\njobs:\n" + jobText("listed", "every: 1s", stepsText("- http: { url: \""+url+"/listed\", headers: { X-Key: \""+listed+"\" }, timeout: 400ms }"))
	}
	return w
}

// telling is a job for each of the notifiers, which tells it of everything.
func telling(notifiers ...string) (text string) {
	for _, n := range notifiers {
		steps := stepsText("- alert: "+n+"\n  if: \"true\"\n  text: it is {{ tick }}\n  remind: 1s", "- exec: [\"false\"]")
		text += jobText("tells-"+n, "every: 2s", "timeout: 5s", steps, "on_failure: { alert: "+n+", after: 1, remind: 1s }")
	}
	return text
}

// greet is a mail server that speaks no SMTP: it says what it hears.
func greet(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(conn, "220 mail.example.com\r\n")
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				fmt.Fprintf(conn, "535 not you: %s\r\n", strings.TrimSpace(string(buf[:n])))
			}
		}()
	}
}

// meant are the secrets that each of the others is sent, by rights.
var meant = map[string][]string{
	"step": {"steppath", "stepquery", "stepheader", "stepjson"}, "form": {"steppassword", "stepform"}, "listed": {"listjob"},
	"report": {"reportpassword", "reportquery"}, "slackhook": {"slackhook"}, "slacktoken": {"slacktoken"},
	"webhook": {"hookpassword", "hookquery", "hookheader"}, "teams": {"teams"}, "discord": {"discord"}, "ntfy": {"topic", "ntfy"}, "pagerduty": {"pagerduty"}, "ping": {"ping"},
	"list": {"listpassword", "listquery", "listheader"}, "traces": {"otlp"},
}

// TestPlantedSecrets has agents, an observer and every command meet whatever can go
// wrong, in a world where each secret is another one, and looks for these in all that
// comes of it.
func TestPlantedSecrets(t *testing.T) {
	t.Parallel()
	w := newSecretWorld(t)
	w.startAgents(2)
	o := w.observe("observer.log", "--admin", "--admin-token-file", w.path("secret-admin"), "--reports-token-file", w.path("secret-reports"),
		"--reports-passcode-file", w.path("secret-passcode"), "--notify", "slackhook,slacktoken,webhook", "--ping", "ping", "--log-level", "debug", "--data", w.path("history.db"))
	w.findAddresses(o)
	for _, mood := range moods {
		w.others.be(mood)
		from := w.ran()
		w.await("runs while the others answer so: "+mood, 60*time.Second, func() bool { return w.ran() >= from+2 })
		w.look(mood)
	}
	w.others.be("well")
	w.commands("right")
	for end := time.Now().Add(20 * time.Second); len(w.missing()) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("these were not told what they are to know: %q", w.missing())
		}
	}
	w.wrongKey()
	w.sealed()
	w.dump(w.agents[1])
	o.end(t)
	for _, a := range w.agents {
		a.kill()
	}
	w.verify()
}

// startAgents starts some, of which every other one logs text.
func (w *secretWorld) startAgents(n int) {
	for range n {
		w.start()
	}
}

// findAddresses is where everybody answers, as their logs say.
func (w *secretWorld) findAddresses(o *observer) {
	w.t.Helper()
	address := func(log, before, after string) (url string) {
		w.await("an address in "+log, 20*time.Second, func() bool {
			text, _ := os.ReadFile(log)
			_, rest, ok := strings.Cut(string(text), before)
			url, _, _ = strings.Cut(rest, after)
			return ok
		})
		return url
	}
	w.web = strings.TrimSuffix(address(o.log, `"url":"`, `"`), "/")
	for _, a := range w.agents {
		w.desks = append(w.desks, "http://"+address(a.log, `/status and /events","addr":"`, `"`))
	}
}

// ran counts the runs of the job.
func (w *secretWorld) ran() int {
	return w.logged(func(l logLine) bool { return l.Job == "planted" && l.Msg == "ran" })
}

// look keeps what everybody shows to whoever asks.
func (w *secretWorld) look(when string) {
	w.t.Helper()
	keep := func(name string, text []byte) {
		w.write("shown-"+when+"-"+strings.NewReplacer("/", "_", ":", "_", "?", "_").Replace(name), string(text))
	}
	urls := []string{w.web + "/", w.web + "/metrics", w.web + "/api/v1/records", w.web + "/api/v1/events", w.web + "/records/planted.t.test", w.web + "/wall", w.web + "/api/v1/records/planted.t.test", w.web + "/api/v1/records/planted.t.test/runs", w.web + "/admin/login"}
	for _, a := range w.desks {
		urls = append(urls, a+"/metrics", a+"/status", a+"/events", a+"/readyz", a+"/livez")
	}
	for _, u := range urls {
		resp, err := http.Get(u)
		if err != nil {
			w.t.Error(err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || len(body) == 0 || resp.StatusCode == http.StatusNotFound {
			w.t.Errorf("%s: %s, %d bytes, %v", u, resp.Status, len(body), err)
		}
		keep(strings.TrimPrefix(u, "http://"), body)
	}
	for _, name := range []string{"planted", "listed"} {
		keep("record-"+name, []byte(w.query(name+"."+w.at.zone, "TXT")))
	}
}

// commands runs each command that has anything to do with the file.
func (w *secretWorld) commands(when string) {
	w.t.Helper()
	for i, line := range []string{
		"validate FILE", "validate --explain FILE", "validate --json FILE", "validate --explain --json FILE", "config show FILE", "config show --json FILE",
		"doctor FILE", "doctor --json FILE", "run --dry-run FILE", "run --dry-run --json FILE", "run --now --job planted FILE", "run --now --json --job planted FILE",
		"run --now --job listed FILE", "status FILE", "status --json FILE", "next --json FILE", "history --for 1s FILE", "check planted.t.test --config=PATH -vvv", "check planted --json FILE",
		"record get planted FILE", "record get planted --json FILE", "record get planted --raw FILE", "explain planted FILE --from AGENT", "explain planted --json FILE --from " + w.path("events"),
		"watch --jsonl --for 1s FILE", "trigger planted --json FILE", "pause planted --reason upgrade FILE", "resume planted FILE", "notify test FILE", "notify test --json FILE",
		"exec --once --name listed --every 1s --log-level debug FILE -- ./spy", "lock planted-lock --log-level debug --lease 3s FILE -- ./spy", "lock planted-lock --try FILE -- true",
	} {
		args := strings.Fields(strings.NewReplacer("FILE", "-c "+w.path("solotick.yaml"), "PATH", w.path("solotick.yaml"), "AGENT", w.desks[0]).Replace(line))
		if args[0] == "validate" {
			args = append(args[:len(args)-2], args[len(args)-1])
		}
		w.command(fmt.Sprintf("printed-%s-%02d", when, i), args...)
	}
}

// command runs one command, and keeps what it prints. How it ends is told elsewhere.
func (w *secretWorld) command(keep string, args ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = w.dir, append(os.Environ(), w.env...), time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		w.t.Errorf("%q does not end", args)
	}
	if bytes.Contains(out, []byte("unknown flag")) || bytes.Contains(out, []byte("unknown command")) {
		w.t.Errorf("%q: %s", args, out)
	}
	w.write(keep, fmt.Sprintf("%q: %v\n%s", args, err, out))
}

// missing are those whom nobody has told anything yet.
func (w *secretWorld) missing() (names []string) {
	heard := w.others.all()
	for name, secrets := range meant {
		for _, s := range secrets {
			if !strings.Contains(heard[name], w.plants[s]) {
				names = append(names, name+" "+s)
			}
		}
	}
	return names
}

// wrongKey has everything done with a key that the server does not know, and with
// one of another secret.
func (w *secretWorld) wrongKey() {
	w.t.Helper()
	good := w.read("key")
	for _, name := range []string{"another", "agents"} {
		w.plants["wrong "+name] = base64.StdEncoding.EncodeToString([]byte("Pl4nted, and known to nobody: " + name + "..."))
		w.write("key", fmt.Sprintf("key %q { algorithm hmac-sha256; secret %q; };\n", name, w.plants["wrong "+name]))
		for i, line := range []string{"doctor", "doctor --json", "record get planted", "pause planted", "trigger planted", "record reset planted --yes", "lock x --try -- true", "exec --once --name other --every 1s -- true"} {
			head, tail, ok := strings.Cut(line, " --")
			args := append(strings.Fields(head), "-c", w.path("solotick.yaml"))
			if ok {
				args = append(args, strings.Fields("--"+tail)...)
			}
			w.command(fmt.Sprintf("printed-key-%s-%02d", name, i), args...)
		}
	}
	w.write("key", good)
}

// sealed has an agent write a record that is sealed and signed, and everybody look at
// it, with the right keys, the wrong ones and those of the wrong kind.
func (w *secretWorld) sealed() {
	w.t.Helper()
	for _, key := range []string{"seal", "other", "sign"} {
		kind := strings.Replace(key, "other", "seal", 1)
		w.command("printed-keygen-"+key, "keygen", kind, "-o", w.path("secret-"+key))
		for line := range strings.Lines(w.read("secret-" + key)) {
			if secret, ok := strings.CutPrefix(strings.TrimSpace(line), "solotick-"+kind+"-"); ok {
				w.plants[key] = secret
			}
		}
		if w.plants[key] == "" {
			w.t.Fatalf("keygen %s made no key: %s", kind, w.read("printed-keygen-"+key))
		}
	}
	agents := w.read("solotick.yaml")
	w.configure("seal: { keys: [\"${file:" + w.path("secret-seal") + "}\"] }\nsign: { key: \"${file:" + w.path("secret-sign") + "}\" }\njobs:\n" + jobText("sealed", "every: 1s", "exec: [./spy]", "dir: "+w.dir, "output: quiet"))
	env := w.env
	w.env = nil // this file names none of it: its commands would inherit all
	a := w.start()
	w.env = env
	w.await("a sealed record", 30*time.Second, func() bool { return strings.Contains(w.query("sealed."+w.at.zone, "TXT"), "st1.") })
	name := "sealed." + strings.TrimSuffix(w.at.zone, ".")
	for i, line := range []string{
		"status -c FILE", "status --json -c FILE", "check sealed --config FILE -vvv", "record get sealed -c FILE", "validate --explain FILE", "config show -c FILE", "doctor -c FILE", "pause sealed -c FILE", "explain sealed -c FILE",
		"status NAME SERVER", "check NAME SERVER", "status NAME SERVER --key seal", "check NAME SERVER --key seal -vvv", "status NAME SERVER --key other", "status NAME SERVER --key sign", "watch NAME SERVER --key sign", "status NAME SERVER --key seal --key seal",
	} {
		line = strings.NewReplacer("FILE", w.path("solotick.yaml"), "NAME", name, "SERVER", "@"+w.at.addr, "--key ", "--key "+w.path("secret-")).Replace(line)
		w.command(fmt.Sprintf("printed-sealed-%02d", i), strings.Fields(line)...)
	}
	if text := w.read("printed-sealed-00"); !strings.Contains(text, "sealed with the key") {
		w.t.Errorf("status says %s", text)
	}
	w.dump(a)
	w.write("solotick.yaml", agents)
}

// dump has an agent tell what all of its goroutines do, and end.
func (w *secretWorld) dump(a *agent) {
	w.t.Helper()
	a.signal(w.t, syscall.SIGQUIT)
	<-a.done
	if text := tail(a.log, 1<<20); !strings.Contains(text, "goroutine 1 ") {
		w.t.Errorf("agent %s told nothing of its goroutines: %.300s", a.id, text)
	}
}

// verify looks for the secrets in everything.
func (w *secretWorld) verify() {
	w.t.Helper()
	rightful := []string{"key", "spied.own"}
	for name := range w.plants {
		rightful = append(rightful, "secret-"+name)
	}
	shown := 0
	for path, text := range texts(w.t, w.dir, rightful...) {
		w.plants.check(w.t, filepath.Base(path), text)
		shown += len(text)
	}
	w.plants.check(w.t, "the server's log", tail(w.at.server.(*own).log, 1<<20))
	for name, text := range w.others.all() {
		w.plants.check(w.t, "what "+name+" is told", text, meant[name]...)
	}
	// What a command is given is its own; of what the agent has in its environment for
	// itself it has nothing, but for what the file does not name.
	w.plants.check(w.t, "the environment of a command", w.read("spied.own"), "given", "otlp")
	if text := w.read("spied.own"); !strings.Contains(text, "GIVEN="+w.plants["given"]) || !strings.Contains(w.read("spied.argv"), "run -c") {
		w.t.Errorf("the spy has seen nothing: %s", w.read("spied.argv"))
	}
	w.t.Logf("%d secrets, %d bytes of texts, %d others", len(w.plants), shown, len(w.others.all()))
	w.anonymous()
}

// anonymous: a record tells nothing of the machine, its user, or the command.
func (w *secretWorld) anonymous() {
	w.t.Helper()
	host, err := os.Hostname()
	if err != nil {
		w.t.Fatal(err)
	}
	for path, text := range texts(w.t, w.dir) {
		if !strings.HasPrefix(filepath.Base(path), "shown-") || !strings.Contains(path, "-record-") {
			continue
		}
		for _, word := range []string{host, w.dir, "spy", "127.0.0.1", "planted"} {
			if strings.Contains(text, word) {
				w.t.Errorf("%s holds %q: %s", filepath.Base(path), word, text)
			}
		}
	}
}
