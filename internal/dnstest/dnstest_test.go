package dnstest

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nsupdate runs a script with BIND's own client and returns its output; an
// update that the server refuses is part of the output.
func nsupdate(t *testing.T, s *Server, k Key, script string) string {
	t.Helper()
	path, err := program("nsupdate", "bind9-dnsutils")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(s.Addr, ":")
	cmd := exec.Command(path, "-v", "-t", "3", "-y", k.Algorithm+":"+k.Name+":"+k.Secret)
	cmd.Stdin = strings.NewReader("server " + host + " " + port + "\nzone " + s.Zone + "\n" + script + "send\n")
	out, _ := cmd.CombinedOutput() // it exits with 2 where the server refuses
	return string(out)
}

func dig(t *testing.T, s *Server, name string) string {
	t.Helper()
	path, err := program("dig", "bind9-dnsutils")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(s.Addr, ":")
	out, err := exec.Command(path, "+short", "+tries=1", "+time=3", "@"+host, "-p", port, name, "TXT").CombinedOutput()
	if err != nil {
		t.Fatalf("dig: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestServers(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			key := NewKey("agent", "a", "b")
			other := NewKey("stranger", "c")
			all := NewKey("operator")
			s := Run(t, Config{Kind: kind, Keys: []Key{key, other, all}, Records: []string{`old TXT "from the zone file"`}})

			if got, want := dig(t, s, "old."+s.Zone), `"from the zone file"`; got != want {
				t.Errorf("zone file: dig got %s, want %s", got, want)
			}
			if out := nsupdate(t, s, key, "update add a."+s.Zone+" 1 TXT first\n"); out != "" {
				t.Errorf("granted name: nsupdate says %s", out)
			}
			if out := nsupdate(t, s, all, "update add any.name."+s.Zone+" 1 TXT first\n"); out != "" {
				t.Errorf("granted zone: nsupdate says %s", out)
			}
			for what, out := range map[string]string{
				"other key's name": nsupdate(t, s, other, "update add a."+s.Zone+" 1 TXT stolen\n"),
				"other name":       nsupdate(t, s, key, "update add x."+s.Zone+" 1 TXT stolen\n"),
				"other type":       nsupdate(t, s, key, "update add a."+s.Zone+" 1 A 127.0.0.1\n"),
				"unknown key":      nsupdate(t, s, NewKey("nobody"), "update add a."+s.Zone+" 1 TXT stolen\n"),
				"wrong secret":     nsupdate(t, s, NewKey("agent"), "update add a."+s.Zone+" 1 TXT stolen\n"),
			} {
				// PowerDNS 4.7 answers NOERROR to what its policy forbids, and ignores it.
				silent := kind == PowerDNS && strings.HasPrefix(what, "other ")
				if !silent && !strings.Contains(out, "REFUSED") && !strings.Contains(out, "NOTAUTH") {
					t.Errorf("%s: not refused: nsupdate says %q", what, out)
				}
			}
			if got, want := dig(t, s, "a."+s.Zone), `"first"`; got != want {
				t.Errorf("after refused updates: dig got %s, want %s", got, want)
			}
			if got := dig(t, s, "x."+s.Zone); got != "" {
				t.Errorf("a name that is not granted: dig got %s, want nothing", got)
			}

			s.Kill()
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			if got, want := dig(t, s, "a."+s.Zone), `"first"`; got != want {
				t.Errorf("after SIGKILL: dig got %s, want %s", got, want)
			}
			if err := s.Pause(); err != nil {
				t.Fatal(err)
			}
			if err := askSOA(s.Addr, s.Zone, true); err == nil {
				t.Error("a paused server answers")
			}
			if err := s.Resume(); err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(s.Pid(), 0); err == nil {
				t.Error("the server lives after Stop")
			}
		})
	}
}

func TestMissingProgramIsAnError(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := program("no-such-server", "no-such-package")
	if err == nil || !strings.Contains(err.Error(), "apt-get install no-such-package") {
		t.Errorf("error %v does not name the package", err)
	}
}

// TestCache has Unbound keep what the zone's server no longer has, and for no
// longer than its TTL.
func TestCache(t *testing.T) {
	t.Parallel()
	key := NewKey("operator")
	s := Run(t, Config{Kind: BIND, Keys: []Key{key}})
	cache := Run(t, Config{Kind: Unbound, Upstream: s.Addr, Zone: s.Zone})
	put := func(ttl, text string) {
		t.Helper()
		if out := nsupdate(t, s, key, "update delete a."+s.Zone+" TXT\nupdate add a."+s.Zone+" "+ttl+" TXT "+text+"\n"); out != "" {
			t.Fatalf("nsupdate says %s", out)
		}
	}
	put("2", "first")
	if got := dig(t, cache, "a."+s.Zone); got != `"first"` {
		t.Fatalf("through the cache: dig got %s", got)
	}
	put("300", "second")
	if got := dig(t, s, "a."+s.Zone); got != `"second"` {
		t.Errorf("at the server: dig got %s", got)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := dig(t, cache, "a."+s.Zone)
		if got == `"second"` {
			break
		}
		if got != `"first"` || time.Now().After(deadline) {
			t.Fatalf("the cache shows %s", got)
		}
	}
	put("300", "third")
	if got := dig(t, cache, "a."+s.Zone); got != `"second"` {
		t.Errorf("the cache shows %s, want what it keeps for 300 s", got)
	}
}
