package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A pageBlock is one piece of code of docs/providers/*.md. A comment above it, which
// readers do not see, may say that it is for the server with the wide key (wide), or
// needs the vendor itself (vendor).
type pageBlock struct{ lang, mark, text string }

var pagePattern = regexp.MustCompile("(?ms)(?:^<!-- provider: ([^\n]*) -->\n)?^```([a-z]+)\n(.*?)^```$")

// A howTo is what one script does of a page: all of its commands, in a folder of its
// own, with its files, on a server or an API of this machine.
type howTo struct {
	ts     *testscript.TestScript
	name   string
	dir    string
	addr   string
	texts  *strings.Replacer // what the page says, and what is so here
	conf   string            // of the server
	served string            // how the server was started
	server *exec.Cmd
	ran    int
}

// pageCmd is the command page of the scripts: page NAME does what docs/providers/NAME.md
// says, at the API that cloud has started, or with the page's own server.
func pageCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: page NAME")
	}
	p := &howTo{ts: ts, name: args[0], dir: ts.MkAbs("page"), addr: freeAddress(ts)}
	ts.Check(os.MkdirAll(p.dir, 0o755))
	ts.Check(ts.Chdir(p.dir))
	host := "/etc/" + p.name + "/"
	p.texts = strings.NewReplacer(host, p.dir+"/", "/var/lib/bind/", p.dir+"/", "/etc/solotick/", p.dir+"/", "/var/lib/solotick", p.dir+"/data",
		"server: ns1.example.com ", "server: "+p.addr+" ", "server: ns-jobs.example.com", "server: "+p.addr, "192.0.2.1:53", p.addr)
	defer p.end()
	if p.name == "powerdns" {
		p.preparePowerDNS()
	}
	text, err := os.ReadFile("../../docs/providers/" + p.name + ".md")
	ts.Check(err)
	for _, m := range pagePattern.FindAllStringSubmatch(string(text), -1) {
		p.do(pageBlock{m[2], m[1], m[3]})
	}
	if p.ran == 0 {
		ts.Fatalf("no command of the page was run: it has changed")
	}
}

func (p *howTo) do(b pageBlock) {
	text := p.texts.Replace(b.text)
	switch {
	case b.mark == "vendor": // the suites of the packages have fakes of these, and no command can be pointed at them
	case b.mark == "wide":
		p.serve(strings.Replace(p.served, "=canary.jobs.example.com", "", 1))
		p.sh(text)
	case b.lang == "sh" && strings.Contains(text, "zone serve"):
		p.serve("exec " + text)
	case b.lang == "sh":
		p.sh(text)
	case b.lang == "yaml":
		p.file(b.text)
	case b.lang == "named", b.lang == "knot", b.lang == "pdns":
		p.conf += text
	case b.lang == "lua":
		p.write("solotick.lua", text)
	case b.lang != "zone":
		p.ts.Fatalf("what is to be done with a block of %q?", b.lang)
	}
}

// file takes a page's solotick.yaml. That of a vendor is the example's, and what the
// commands get is the one for the API that runs here.
func (p *howTo) file(text string) {
	provider := regexp.MustCompile(`provider: (\w+)`).FindStringSubmatch(text)[1]
	if provider == "rfc2136" {
		p.write("solotick.yaml", p.texts.Replace(text))
		if p.server == nil {
			p.start()
		}
		return
	}
	example, err := os.ReadFile("../../examples/providers/" + provider + "/solotick.yaml")
	p.ts.Check(err)
	if want := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(example), ""); text != want {
		p.ts.Fatalf("the page's file is\n%s\nand the example's\n%s", text, want)
	}
	switch st := p.ts.Value(cloudKey{}).(*cloudState); {
	case st.cloud != nil:
		here, err := os.ReadFile(p.ts.MkAbs("../solotick.yaml"))
		p.ts.Check(err)
		text = string(here)
		p.texts = strings.NewReplacer("jobs.example.com", "t.test")
	case provider == "command":
		p.program()
		text = strings.Replace(text, "class: exact\n", "class: exact\n  name_servers: "+p.addr+"\n", 1)
		text = p.texts.Replace(strings.ReplaceAll(text, "jobs.example.com", "t.test"))
	}
	p.write("solotick.yaml", text)
}

// program is the register of the page about registers of one's own, and a name server
// that shows what is in it.
func (p *howTo) program() {
	script, err := os.ReadFile("../../examples/providers/command/register.sh")
	p.ts.Check(err)
	p.write("register.sh", string(script))
	p.ts.Check(os.Chmod(filepath.Join(p.dir, "register.sh"), 0o700))
	p.ts.Check(os.Mkdir(filepath.Join(p.dir, "data"), 0o700))
	db := filepath.Join(p.dir, "data", "records.db")
	conn, err := net.ListenPacket("udp", p.addr)
	p.ts.Check(err)
	p.ts.Defer(serveTexts(conn, func(name string) []string {
		out, _ := exec.Command("sqlite3", "-cmd", ".timeout 5000", db, "SELECT value FROM txt, json_each(texts) WHERE name = '"+name+"'").Output()
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }) // nothing before the first write
	}))
}

func (p *howTo) write(name, text string) {
	p.ts.Check(os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
}

// sh runs commands, which end with 0 and find nothing that has failed.
func (p *howTo) sh(text string) {
	p.ran++
	prelude := "PATH=$PATH:/usr/sbin\npdnsutil() { command pdnsutil --config-dir=" + p.dir + " \"$@\"; }\n"
	if err := p.ts.Exec("sh", "-e", "-c", prelude+text); err != nil {
		p.ts.Fatalf("%s%v", text, err)
	}
	if strings.Contains(p.ts.ReadFile("stdout"), "✖") {
		p.ts.Fatalf("%ssomething has failed", text)
	}
}

// start starts the server of another maker with what the page has of its configuration.
func (p *howTo) start() {
	host, port, err := net.SplitHostPort(p.addr)
	p.ts.Check(err)
	p.write("db.example.com", pageZone)
	switch p.name {
	case "bind":
		p.write("named.conf", "options { directory \""+p.dir+"\"; listen-on port "+port+" { "+host+"; }; listen-on-v6 { none; }; pid-file none;\n"+
			"session-keyfile \""+p.dir+"/session.key\"; recursion no; dnssec-validation no; };\ncontrols { };\n"+p.conf)
		p.serve("exec named -g -c " + p.dir + "/named.conf")
	case "knot":
		p.write("knot.conf", "server:\n    rundir: "+p.dir+"\n    listen: "+host+"@"+port+"\ndatabase:\n    storage: "+p.dir+"\n"+
			"template:\n  - id: default\n    storage: "+p.dir+"\n    file: db.example.com\n"+p.conf)
		p.serve("exec knotd -c " + p.dir + "/knot.conf")
	case "powerdns":
		p.write("pdns.conf", powerDNSBase(p.dir)+"local-address="+host+"\nlocal-port="+port+"\n"+p.conf)
		p.serve("exec pdns_server --config-dir=" + p.dir)
	default:
		p.ts.Fatalf("no server is known for the page %s", p.name)
	}
}

const pageZone = "$ORIGIN example.com.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 5\n@ NS ns1\nns1 A 127.0.0.1\n"

func powerDNSBase(dir string) string {
	return "launch=gsqlite3\ngsqlite3-database=" + dir + "/zone.sqlite\nsocket-dir=" + dir + "\ndaemon=no\nguardian=no\n"
}

// preparePowerDNS makes the database with the zone, which the page takes for granted.
func (p *howTo) preparePowerDNS() {
	p.write("pdns.conf", powerDNSBase(p.dir))
	p.write("zone", pageZone)
	p.sh("sqlite3 zone.sqlite </usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql\npdnsutil load-zone example.com zone\npdnsutil rectify-zone example.com\n")
	p.ran--
}

// serve has a server go on in the place of the one before it.
func (p *howTo) serve(script string) {
	p.end()
	p.served = script
	log, err := os.OpenFile(filepath.Join(p.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	p.ts.Check(err)
	defer log.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.Env = append(slices.Clone(os.Environ()), "PATH="+p.ts.Getenv("PATH")+":/usr/sbin")
	p.ts.Check(cmd.Start())
	p.server = cmd
	err = errors.New("never asked")
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", p.addr, time.Second); err == nil {
			conn.Close()
		}
	}
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		p.ts.Fatalf("%s: %v\n%s", script, err, text)
	}
}

func (p *howTo) end() {
	if p.server != nil {
		_ = p.server.Process.Kill() // fails if it has ended
		_ = p.server.Wait()         // killed
	}
	p.server = nil
}

// freeAddress is one that nobody listens on.
func freeAddress(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	return l.Addr().String()
}
