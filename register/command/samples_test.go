package command_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/command"
	"github.com/solotick/solotick/register/registertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sqlite is the sample that people are shown.
const sqlite = "../../examples/providers/command/register.sh"

// script writes a program for the shell.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.sh")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func newTest(t *testing.T, cfg command.Config) *command.Client {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	c, err := command.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// open returns one more client of the record, as another process would be.
func open(t *testing.T, cfg command.Config, name string) register.Register {
	t.Helper()
	r, err := newTest(t, cfg).Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSQLite runs the suite on a program that has no versions.
func TestSQLite(t *testing.T) {
	argv := []string{sqlite, filepath.Join(t.TempDir(), "register.db")}
	var n atomic.Int64
	registertest.Test(t, func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.t.test", n.Add(1))
		loseReply := script(t, `"$@" >&2; exit 1`)
		with := func(name string, argv ...string) func() register.Register {
			return func() register.Register { return open(t, command.Config{Program: argv}, name) }
		}
		return registertest.Fixture{
			Provider: "command", Name: name,
			Open: with(name, argv...), Neighbour: with("beside."+name, argv...),
			LoseReply:   with(name, append([]string{loseReply}, argv...)...),
			LoseRequest: with(name, script(t, `cat >/dev/null; exit 1`)),
			Unreachable: with(name, filepath.Join(t.TempDir(), "missing")),
		}
	})
}

// TestHandler runs the suite on the endpoint of the example, which has versions.
func TestHandler(t *testing.T) {
	server := httptest.NewServer(&desk{})
	defer server.Close()
	defer server.CloseClientConnections()
	config := func(url string) command.Config {
		return command.Config{URL: url + "/register", Token: register.NewSecret("hunter2")}
	}
	var n atomic.Int64
	registertest.Test(t, func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.t.test", n.Add(1))
		through := func(lose func(*registertest.Proxy)) func() register.Register {
			return func() register.Register {
				proxy := registertest.NewProxy(t, strings.TrimPrefix(server.URL, "http://"))
				lose(proxy)
				return open(t, config("http://"+proxy.Addr), name)
			}
		}
		return registertest.Fixture{
			Provider: "command", Name: name, Secrets: []string{"hunter2"},
			Open:        func() register.Register { return open(t, config(server.URL), name) },
			Neighbour:   func() register.Register { return open(t, config(server.URL), "beside."+name) },
			LoseReply:   through(func(p *registertest.Proxy) { p.LoseReplies(true) }),
			LoseRequest: through(func(p *registertest.Proxy) { p.LoseRequests(true) }),
			Unreachable: func() register.Register { return open(t, config("http://"+registertest.ClosedPort(t)), name) },
		}
	})
}
