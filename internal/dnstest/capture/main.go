// Command capture prints what real clients and servers say to each other: the seeds
// of the fuzz targets that read DNS messages.
//
//	go run ./internal/dnstest/capture >internal/dnsmsg/testdata/messages.txt
//
// A line is request or reply, the server, what was done, and the message in hex.
// Every message that is signed is so with the key of [dnstest.Captured].
package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

func main() {
	log.SetFlags(0)
	key := dnstest.Captured()
	for _, kind := range dnstest.Kinds() {
		if err := capture(kind, key); err != nil {
			log.Fatalf("capture: %s: %v", kind, err)
		}
	}
}

var long = strings.Repeat(strings.Repeat("x", 49)+" ", 30)

func capture(kind dnstest.Kind, key dnstest.Key) error {
	dir, err := os.MkdirTemp("", "capture")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := dnstest.Start(dnstest.Config{Kind: kind, Dir: dir, Keys: []dnstest.Key{key}, Records: []string{
		`one TXT "{\"id\":\"VDNDNQNWQY\",\"timer\":1,\"timerold\":0,\"seq\":5}"`, "alias CNAME one", `*.wild TXT "wild"`,
		"sub DNAME other.example.", "cut NS ns.cut", `two TXT "a" "b"`, `two TXT "c"`, `long TXT "` + strings.ReplaceAll(long[:1490], " ", `" "`) + `"`,
	}})
	if err != nil {
		return err
	}
	defer s.Kill()
	t := &tap{server: s}
	addr, err := t.listen()
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(addr)
	at := []string{"-p", port, "@" + host}
	y := key.Algorithm + ":" + key.Name + ":" + key.Secret
	update := func(what, script string, flags ...string) {
		t.run(what, "server "+host+" "+port+"\nzone t.test\n"+script+"send\n", "nsupdate", flags...)
	}
	const swap = "prereq yxrrset n.t.test IN TXT A\nupdate delete n.t.test TXT\nupdate add n.t.test 60 TXT B\n"
	update("create", "prereq nxrrset n.t.test TXT\nupdate add n.t.test 60 TXT A\n", "-v", "-y", y)
	update("swap", swap, "-v", "-y", y)
	update("stale", swap, "-v", "-y", y)
	update("key", swap, "-v", "-y", "hmac-sha256:nobody:"+key.Secret)
	update("secret", swap, "-v", "-y", "hmac-sha256:agent:c2VjcmV0")
	update("unsigned", swap)
	update("alias", "update add alias.t.test 60 TXT A\n", "-v", "-y", y)
	t.run("add", "server "+host+" "+port+"\nzone t.test.\nupdate add k.t.test. 60 TXT \"k\"\nsend\n", "knsupdate", "-v", "-y", y)
	t.run("signed", "", "dig", append(at, "+tcp", "-y", y, "n.t.test", "TXT")...)
	t.run("signed", "", "kdig", append(at, "+tcp", "-y", y, "two.t.test", "TXT")...)
	t.run("axfr", "", "dig", append(at, "-y", y, "t.test", "AXFR")...)
	t.run("version", "", "dig", append(at, "version.bind", "TXT", "CH")...)
	t.run("soa", "", "dig", append(at, "+dnssec", "t.test", "SOA")...)
	t.run("any", "", "dig", append(at, "two.t.test", "ANY")...)
	for _, name := range []string{"one", "alias", "x.wild", "x.sub", "x.cut", "two", "none", "long"} {
		t.run(name, "", "dig", append(at, name+".t.test", "TXT")...)
	}
	return nil
}

// A tap passes messages on and prints them.
type tap struct {
	server *dnstest.Server

	mu   sync.Mutex
	what string // is being done
}

// run runs a client. That a server refuses is no error here.
func (t *tap) run(what, in, program string, args ...string) {
	t.mu.Lock()
	t.what = program + "-" + what
	t.mu.Unlock()
	c := exec.Command(program, args...)
	c.Stdin = strings.NewReader(in)
	if out, err := c.CombinedOutput(); err != nil {
		log.Printf("%s: %v: %s", what, err, out)
	}
	time.Sleep(50 * time.Millisecond) // what was answered has been printed
}

func (t *tap) print(direction string, wire []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Println(direction, t.server.Kind, t.what, hex.EncodeToString(wire))
}

// listen takes connections and packets at one port.
func (t *tap) listen() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	u, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		return "", err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", t.server.Addr)
			if err != nil {
				log.Fatal(err)
			}
			go t.stream("request", c, s)
			go t.stream("reply", s, c)
		}
	}()
	go t.packets(u)
	return l.Addr().String(), nil
}

func (t *tap) stream(direction string, from, to net.Conn) {
	defer to.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(from, length[:]); err != nil {
			return
		}
		wire := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(from, wire); err != nil {
			return
		}
		t.print(direction, wire)
		if _, err := to.Write(append(length[:], wire...)); err != nil {
			return
		}
	}
}

// packets serves one client after the other, which is all that there are.
func (t *tap) packets(u net.PacketConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := u.ReadFrom(buf)
		if err != nil {
			return
		}
		t.print("request", buf[:n])
		s, err := net.Dial("udp", t.server.Addr)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = s.Write(buf[:n])
		_ = s.SetDeadline(time.Now().Add(3 * time.Second))
		if n, err = s.Read(buf); err == nil {
			t.print("reply", buf[:n])
			_, _ = u.WriteTo(buf[:n], from)
		}
		s.Close()
	}
}
