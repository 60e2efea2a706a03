package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/solotick/solotick/internal/dnstest"
)

var update = flag.Bool("update", false, "rewrite the golden texts in testdata/script")

// TestScripts runs testdata/script/*.txt: one file for each command, and some
// for what several have in common. Beside the commands of testscript they have
//
//	exits CODE COMMAND ARG...     run a command and want this very exit code
//	dns bind|knot|powerdns [RR]...  start a server for t.test, with these lines in
//	                              its zone; sets $SERVER, $PORT and $KEY, of a key that may
//	                              write canary.t.test only, and writes solotick.yaml. One
//	                              that begins with set: is a line of the zone's statement
//	dns second knot|powerdns|secondary [RR]...   one more at 127.0.0.2 and the first one's
//	                              port, in the place of the second before it. It knows
//	                              nothing of the first, or is its secondary
//	dns pause|resume|kill|restart as with SIGSTOP, SIGCONT, SIGKILL
//	txt NAME TEXT...              put TXT values at NAME.t.test with nsupdate, whatever was there
//	api                           start a server whose address is $API: it answers
//	                              /items and /jobs.yaml with files of the script's
//	                              folder, /refused with 403, and all else with ok; what
//	                              it was asked but for those files is in the file asked
//	cloud PROVIDER                start the API of a provider of DNS, and a name server
//	                              that shows its records; sets $API, and writes solotick.yaml
//	[!] cloud wrong WHAT          have it go wrong in a way that cloud_test.go knows
//	page NAME                     do all that docs/providers/NAME.md says, at that API or with
//	                              the page's own server
//	zone start            start Solotick's own server for t.test; sets $SERVER, $PORT and $KEY,
//	                      of a key that may write every TXT record, and writes solotick.yaml
//	zone pause|resume|kill    as with SIGSTOP, SIGCONT, SIGKILL
//	zone free|damage|delete NAME  put the record of a free lock at NAME.t.test, a broken one, or none
//	epoch VARIABLE SECONDS        set a variable to now and so many seconds, as epoch second
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LC_ALL", "C.UTF-8")
			e.Setenv("NO_COLOR", "")
			e.Values[dnsKey{}] = &dnsState{}
			e.Values[cloudKey{}] = &cloudState{}
			e.Values[zoneStateKey{}] = &zoneState{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exitsCmd, "dns": dnsCmd, "txt": txtCmd, "epoch": epochCmd, "api": apiCmd, "cloud": cloudCmd(t), "zone": zoneCmd, "page": pageCmd,
		},
	})
}

func exitsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func apiCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: api")
	}
	dir, mu := ts.MkAbs("."), new(sync.Mutex)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		file := map[string]string{"/items": "items.json", "/jobs.yaml": "jobs.yaml"}[r.URL.Path]
		if file == "" {
			f, err := os.OpenFile(filepath.Join(dir, "asked"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err == nil {
				fmt.Fprintf(f, "%s %s %s\n", r.Method, r.URL.Path, body)
				f.Close()
			}
			if r.URL.Path == "/refused" {
				w.WriteHeader(http.StatusForbidden)
			}
			fmt.Fprintln(w, "ok")
			return
		}
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(text))))
		http.ServeContent(w, r, file, time.Time{}, bytes.NewReader(text))
	}))
	ts.Defer(s.Close)
	ts.Setenv("API", s.URL)
}

func epochCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: epoch VARIABLE SECONDS")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Setenv(args[0], strconv.FormatInt(time.Now().Unix()+n, 10))
}

type dnsKey struct{}

// A dnsState is the server of one script.
type dnsState struct {
	server   *dnstest.Server
	beside   *dnstest.Server
	operator dnstest.Key
}

func dnsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: dns bind|knot|powerdns|second|pause|resume|kill|restart")
	}
	st := ts.Value(dnsKey{}).(*dnsState)
	switch args[0] {
	case "pause":
		ts.Check(st.server.Pause())
	case "resume":
		ts.Check(st.server.Resume())
	case "kill":
		st.server.Kill()
	case "restart":
		ts.Check(st.server.Restart())
	case "second":
		st.second(ts, args[1], args[2:])
	default:
		st.start(ts, args[0], args[1:])
	}
}

func (st *dnsState) start(ts *testscript.TestScript, kind string, records []string) {
	agent := dnstest.NewKey("agent", "canary")
	wide := dnstest.NewKey("wide")
	st.operator = dnstest.NewKey("operator")
	dir, err := os.MkdirTemp(ts.MkAbs("."), ".dns")
	ts.Check(err)
	if st.server != nil {
		st.server.Kill()
	}
	records, settings := settingsAmong(records)
	s, err := dnstest.Start(dnstest.Config{
		Kind: dnstest.Kind(kind), Dir: dir, Records: records, Settings: settings, Keys: []dnstest.Key{agent, wide, st.operator},
	})
	ts.Check(err)
	st.server = s
	ts.Defer(s.Kill)
	_, port, err := net.SplitHostPort(s.Addr)
	ts.Check(err)
	ts.Setenv("SERVER", s.Addr)
	ts.Setenv("PORT", port)
	for _, k := range []dnstest.Key{agent, wide} {
		text := fmt.Sprintf("key %q {\n\talgorithm %s;\n\tsecret %q;\n};\n", k.Name, k.Algorithm, k.Secret)
		ts.Check(os.WriteFile(ts.MkAbs(k.Name+".key"), []byte(text), 0o600))
	}
	ts.Setenv("KEY", ts.MkAbs("agent.key"))
	const file = `version: 1
dns:
  provider: rfc2136
  zone: t.test
  server: %s
  tsig: ${file:%s}
jobs:
  canary:
    every: 60s
    exec: ["true"]
`
	ts.Check(os.WriteFile(ts.MkAbs("solotick.yaml"), fmt.Appendf(nil, file, s.Addr, ts.MkAbs("agent.key")), 0o600))
}

// second starts a server beside the first, for the same zone.
func (st *dnsState) second(ts *testscript.TestScript, kind string, records []string) {
	if st.beside != nil {
		st.beside.Kill()
	}
	_, port, err := net.SplitHostPort(st.server.Addr)
	ts.Check(err)
	dir, err := os.MkdirTemp(ts.MkAbs("."), ".dns")
	ts.Check(err)
	cfg := dnstest.Config{Kind: dnstest.Kind(kind), Dir: dir, Records: records, Addr: "127.0.0.2:" + port}
	if kind == "secondary" {
		cfg.Kind, cfg.Upstream = dnstest.Knot, st.server.Addr
	}
	s, err := dnstest.Start(cfg)
	ts.Check(err)
	st.beside = s
	ts.Defer(s.Kill)
}

// settingsAmong takes the arguments apart that begin with set:.
func settingsAmong(args []string) (records, settings []string) {
	for _, arg := range args {
		if line, is := strings.CutPrefix(arg, "set:"); is {
			settings = append(settings, line)
			continue
		}
		records = append(records, arg)
	}
	return records, settings
}

func txtCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: txt NAME TEXT...")
	}
	st := ts.Value(dnsKey{}).(*dnsState)
	host, port, err := net.SplitHostPort(st.server.Addr)
	ts.Check(err)
	var script strings.Builder
	fmt.Fprintf(&script, "server %s %s\nzone t.test\nupdate delete %s.t.test. TXT\n", host, port, args[0])
	for _, text := range args[1:] {
		fmt.Fprintf(&script, "update add %s.t.test. 60 TXT %s\n", args[0], strconv.QuoteToASCII(text))
	}
	script.WriteString("send\n")
	k := st.operator
	cmd := exec.Command("nsupdate", "-v", "-t", "5", "-y", k.Algorithm+":"+k.Name+":"+k.Secret)
	cmd.Stdin = strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		ts.Fatalf("nsupdate: %v: %s", err, out)
	}
}
