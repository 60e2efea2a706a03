package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// A zoneState is the solotick zone server of one script.
type zoneState struct{ process *os.Process }

type zoneStateKey struct{}

// zoneCmd is the command zone of scripts.
func zoneCmd(ts *testscript.TestScript, neg bool, args []string) {
	st := ts.Value(zoneStateKey{}).(*zoneState)
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: zone start|pause|resume|kill, zone free|damage|delete NAME")
	case args[0] == "start":
		st.start(ts)
	case args[0] == "pause":
		ts.Check(st.process.Signal(syscall.SIGSTOP))
	case args[0] == "resume":
		ts.Check(st.process.Signal(syscall.SIGCONT))
	case args[0] == "kill":
		ts.Check(st.process.Kill())
	case len(args) == 2:
		add, ok := map[string]string{
			"free":   `update add %[1]s.t.test. 1 TXT "{\"id\":\"\",\"timer\":0,\"timerold\":0}"` + "\n",
			"damage": `update add %[1]s.t.test. 1 TXT "{\"id\":"` + "\n",
			"delete": "",
		}[args[0]]
		if !ok {
			ts.Fatalf("unknown: zone %s", args[0])
		}
		nsupdate(ts, fmt.Sprintf("update delete %[1]s.t.test. TXT\n"+add, args[1], ""))
	}
}

func nsupdate(ts *testscript.TestScript, changes string) {
	host, port, err := net.SplitHostPort(ts.Getenv("SERVER"))
	ts.Check(err)
	cmd := exec.Command("nsupdate", "-v", "-t", "5", "-k", ts.Getenv("KEY"))
	cmd.Stdin = strings.NewReader(fmt.Sprintf("server %s %s\nzone t.test\n%ssend\n", host, port, changes))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		ts.Fatalf("nsupdate: %v: %s", err, out)
	}
}

// start starts the server of the zone t.test, and writes a file for its clients.
func (st *zoneState) start(ts *testscript.TestScript) {
	key := ts.MkAbs("zone.key")
	ts.Check(os.WriteFile(key, []byte("key \"agents\" {\n\talgorithm hmac-sha256;\n\tsecret \"c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sh\";\n};\n"), 0o600))
	program, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "solotick"))
	ts.Check(err)
	cmd := exec.Command(program, "zone", "serve", "--listen", "127.0.0.1:0", "--zone", "t.test", "--key", key, "--data", ts.MkAbs(".zone"), "--log-format", "text")
	log, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	st.process = cmd.Process
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines, addr := bufio.NewScanner(log), ""
	for addr == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "serving addr="); ok {
			addr, _, _ = strings.Cut(rest, " ")
		}
	}
	if addr == "" {
		ts.Fatalf("the zone server did not start")
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()
	ts.Setenv("SERVER", addr)
	ts.Setenv("PORT", addr[strings.LastIndexByte(addr, ':')+1:])
	ts.Setenv("KEY", key)
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
	ts.Check(os.WriteFile(ts.MkAbs("solotick.yaml"), fmt.Appendf(nil, file, addr, key), 0o600))
}
