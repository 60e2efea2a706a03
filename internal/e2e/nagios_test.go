package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// kindOf is the text of all blocks of a kind on a page.
func kindOf(t *testing.T, page, kind string) string {
	t.Helper()
	var b strings.Builder
	for _, one := range blocks(t, page) {
		if one.kind == kind {
			b.WriteString(one.text + "\n")
		}
	}
	if b.Len() == 0 {
		t.Fatalf("docs/%s has no block of %s", page, kind)
	}
	return b.String()
}

// An icinga is a real Icinga 2 with the configuration of docs/nagios.md.
type icinga struct {
	t    *testing.T
	dir  string
	args []string
}

// newIcinga writes the configuration, of which lines are replaced, and has Icinga
// validate it.
func newIcinga(t *testing.T, replaced ...string) *icinga {
	t.Helper()
	i := &icinga{t: t, dir: t.TempDir()}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	i.args = []string{"daemon", "-c", filepath.Join(i.dir, "icinga2.conf"), "-DConfiguration.RunAsUser=" + me.Username, "-DConfiguration.RunAsGroup=" + group.Name}
	for key, name := range map[string]string{"DataDir": "lib", "LogDir": "log", "CacheDir": "cache", "SpoolDir": "spool", "InitRunDir": "run"} {
		if err := os.Mkdir(filepath.Join(i.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		i.args = append(i.args, "-DConfiguration."+key+"="+filepath.Join(i.dir, name))
	}
	i.args = append(i.args, "-DConfiguration.PidPath="+filepath.Join(i.dir, "run", "pid"))
	page := strings.NewReplacer(replaced...).Replace(kindOf(t, "nagios.md", "icinga2"))
	conf := fmt.Sprintf(`include <itl>
const NodeName = "localhost"
const ZoneName = NodeName
object CheckerComponent "checker" { }
object PerfdataWriter "results" {
  host_perfdata_path = %[1]q + "/log/host"
  host_temp_path = %[1]q + "/log/host.tmp"
  service_perfdata_path = %[1]q + "/log/result"
  service_temp_path = %[1]q + "/log/tmp"
  rotation_interval = 1s
  service_format_template = "$service.name$\t$service.state$\t$service.output$\t$service.perfdata$"
}
`, i.dir) + page
	if err := os.WriteFile(filepath.Join(i.dir, "icinga2.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("icinga2", append(slices.Clone(i.args), "--validate")...).CombinedOutput(); err != nil {
		t.Fatalf("icinga2: %v: %s", err, out)
	}
	return i
}

// start has it check until the end of the test.
func (i *icinga) start() {
	i.t.Helper()
	var out output
	cmd := exec.Command("icinga2", i.args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &out, endWithParent()
	if err := cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	i.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if i.t.Failed() {
			i.t.Logf("icinga2:\n%s", out.String())
		}
	})
}

// A result is what Icinga made of one check.
type result struct{ service, state, output, data string }

// results are all of one service, in the order of the files.
func (i *icinga) results(service string) (all []result) {
	files, err := filepath.Glob(filepath.Join(i.dir, "log", "result.*"))
	if err != nil {
		i.t.Fatal(err)
	}
	slices.Sort(files)
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			i.t.Fatal(err)
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if p := strings.Split(s.Text(), "\t"); len(p) == 4 && p[0] == service {
				all = append(all, result{p[0], p[1], p[2], p[3]})
			}
		}
		f.Close()
	}
	return all
}

// await waits for a check with a state, and returns it.
func (i *icinga) await(service, state string) result {
	i.t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if all := i.results(service); len(all) > 0 && all[len(all)-1].state == state {
			return all[len(all)-1]
		}
	}
	i.t.Fatalf("%s is not %s: %v", service, state, i.results(service))
	return result{}
}

// TestIcinga has a real Icinga 2 run the plugin as docs/nagios.md defines it, and
// understand its states and its performance data.
func TestIcinga(t *testing.T) {
	t.Parallel()
	s := dnstest.Run(t, dnstest.Config{Kind: dnstest.BIND, Zone: "example.com", Keys: []dnstest.Key{dnstest.NewKey("agents")}})
	at := &place{server: s, addr: s.Addr, zone: s.Zone, key: s.Keys[0]}
	canary := &cluster{t: t, at: at, name: "canary.example.com."}
	report := &cluster{t: t, at: at, name: "report.example.com."}
	now := time.Now().Unix()
	canary.put(recordText("VDNDNQNWQY", now-30, now+3000))
	report.put(fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d,"last":"ok","pause":-1}`, now-3000, now-6000, (now-5999)*1000))
	servers := "\n    solotick_servers = [ \"@" + s.Addr + "\" ]"
	i := newIcinga(t,
		"/usr/local/bin/solotick", program, "check_interval = 1m", "check_interval = 1s", "retry_interval = 30s", "retry_interval = 1s",
		`solotick_names = [ "canary.example.com" ]`, `solotick_names = [ "canary.example.com" ]`+servers,
		`solotick_names = [ "report.example.com" ]`, `solotick_names = [ "report.example.com" ]`+servers)
	i.start()

	got := i.await("canary", "OK")
	if !strings.HasPrefix(got.output, "SOLOTICK OK - canary.example.com on time: ") {
		t.Errorf("output %q", got.output)
	}
	if want := regexp.MustCompile(`^late=0s;90;300;0 since_last=\d+s until_next=\d+s overdue=0;;;0 time=0(\.\d+)?s;;;0$`); !want.MatchString(got.data) {
		t.Errorf("performance data %q, want %s", got.data, want)
	}
	if got := i.await("nightly report", "OK"); !strings.Contains(got.output, "paused until somebody resumes it") {
		t.Errorf("output %q", got.output)
	}
	canary.put(recordText("VDNDNQNWQY", now-900, now-600))
	if got := i.await("canary", "CRITICAL"); !strings.Contains(got.output, "outside -c 300") || !strings.HasPrefix(got.data, "late=6") {
		t.Errorf("output %q, performance data %q", got.output, got.data)
	}
	s.Kill()
	if got := i.await("canary", "UNKNOWN"); !strings.HasPrefix(got.output, "SOLOTICK UNKNOWN - canary.example.com not known: ") {
		t.Errorf("output %q", got.output)
	}
}

// definition is a block of Nagios's configuration.
var definition = regexp.MustCompile(`(?ms)^define (\w+) \{\n(.*?)^\}$`)

// definitions are those of docs/nagios.md, as Nagios reads them.
func definitions(t *testing.T) (commands map[string]string, services []map[string]string) {
	t.Helper()
	text := kindOf(t, "nagios.md", "nagios")
	if rest := strings.TrimSpace(definition.ReplaceAllString(text, "")); rest != "" {
		t.Fatalf("no definition: %s", rest)
	}
	commands = map[string]string{}
	for _, m := range definition.FindAllStringSubmatch(text, -1) {
		one := map[string]string{}
		for line := range strings.Lines(m[2]) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), " ")
			if !ok || one[key] != "" {
				t.Fatalf("no directive, or one too many: %s", line)
			}
			one[key] = strings.TrimSpace(value)
		}
		switch m[1] {
		case "command":
			commands[one["command_name"]] = one["command_line"]
		case "service":
			services = append(services, one)
		default:
			t.Fatalf("define %s", m[1])
		}
	}
	return commands, services
}

// TestNagios runs the commands of docs/nagios.md as Nagios does: macros are put in, and
// a shell gets the rest.
func TestNagios(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	now := time.Now().Unix()
	r.set("canary", recordText("VDNDNQNWQY", now-900, now-100))
	r.set("report", fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":%d,"timerold":%d,"seq":%d,"last":"ok","pause":-1}`, now-3000, now-6000, (now-5999)*1000))
	commands, services := definitions(t)
	said := map[string]string{}
	for _, s := range services {
		for _, needed := range []string{"use", "host_name", "service_description", "check_command", "check_interval", "max_check_attempts"} {
			if s[needed] == "" {
				t.Errorf("%s: %s is missing", s["service_description"], needed)
			}
		}
		args := strings.Split(s["check_command"], "!")
		line := commands[args[0]]
		if line == "" {
			t.Fatalf("no command %s", args[0])
		}
		for n := 1; n <= 9; n++ {
			value := ""
			if n < len(args) {
				value = args[n]
			}
			line = strings.ReplaceAll(line, fmt.Sprintf("$ARG%d$", n), value)
		}
		if strings.Contains(line, "$") {
			t.Errorf("a macro that is not there: %s", line)
		}
		said[s["service_description"]] = r.sh(strings.Replace(line, "/usr/local/bin/solotick", "solotick", 1) + `; echo "exit code $?"`)
	}
	for service, want := range map[string]string{
		"job canary": `^SOLOTICK WARNING - canary.example.com .*; late is 10\d s, outside -w 90 \| late=10\ds;90;300;0 .*\nexit code 1\n$`,
		"job report": `^SOLOTICK OK - report.example.com paused: .*\nexit code 0\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(said[service]) {
			t.Errorf("%s: %q, want %s", service, said[service], want)
		}
	}
	if len(said) != 2 {
		t.Errorf("services %v", said)
	}
}
