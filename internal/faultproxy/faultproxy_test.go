package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that says what it hears, on UDP and TCP.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				for {
					m, err := readMessage(c)
					if err != nil {
						return
					}
					writeMessage(c, m, Faults{})
				}
			})
		}
	})
	wg.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(buf[:n], from)
		}
	})
	t.Cleanup(func() {
		l.Close()
		u.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// says sends messages over UDP or TCP and returns what comes back within the time.
func says(t *testing.T, network, addr string, within time.Duration, messages ...string) (all []string, err error) {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	for _, m := range messages {
		if network == "tcp" {
			writeMessage(c, []byte(m), Faults{})
		} else if _, err := c.Write([]byte(m)); err != nil {
			return all, err
		}
	}
	buf := make([]byte, 1<<16)
	for {
		if network == "tcp" {
			m, err := readMessage(c)
			if err != nil {
				return all, err
			}
			all = append(all, string(m))
			continue
		}
		n, err := c.Read(buf)
		if err != nil {
			return all, err
		}
		all = append(all, string(buf[:n]))
	}
}

func TestFaults(t *testing.T) {
	server := echo(t)
	const text = "a message that is long enough"
	for _, network := range []string{"udp", "tcp"} {
		for name, c := range map[string]struct {
			f     Faults
			want  func(got []string) bool
			ended bool // the connection is reset
		}{
			"nothing":   {Faults{}, func(got []string) bool { return len(got) == 1 && got[0] == text }, false},
			"drop":      {Faults{Drop: 1}, func(got []string) bool { return len(got) == 0 }, false},
			"duplicate": {Faults{Duplicate: 1}, func(got []string) bool { return len(got) == 2 && got[0] == text && got[1] == text }, false},
			"corrupt":   {Faults{Corrupt: 1}, func(got []string) bool { return len(got) == 1 && got[0] != text && len(got[0]) == len(text) }, false},
			"truncate":  {Faults{Truncate: 1}, func(got []string) bool { return len(got) == 1 && got[0] == text[:len(text)/2] }, false},
			"edit": {Faults{Edit: func(m []byte) [][]byte { return [][]byte{bytes.ToUpper(m), []byte("and more")} }}, func(got []string) bool {
				return len(got) == 2 && got[1] == "and more" || len(got) == 2 && got[0] == "and more"
			}, false},
			"slices": {Faults{Slice: 1}, func(got []string) bool { return len(got) == 1 && got[0] == text }, false},
		} {
			t.Run(network+" "+name, func(t *testing.T) {
				t.Parallel()
				for _, way := range []string{"requests", "replies"} {
					p := New(t, server, 1)
					if way == "requests" {
						p.Requests(c.f)
					} else {
						p.Replies(c.f)
					}
					got, err := says(t, network, p.Addr, 400*time.Millisecond, text)
					if (p.Struck() > 0) != (name != "nothing" && network+" "+name != "udp slices") {
						t.Errorf("%s: a fault has befallen %d messages", way, p.Struck())
					}
					if !c.want(got) || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%s: %q, %v", way, got, err)
					}
				}
			})
		}
	}
}

// TestLate has a message be overtaken.
func TestLate(t *testing.T) {
	p := New(t, echo(t), 1)
	p.Requests(Faults{Late: 1, LateBy: 200 * time.Millisecond})
	late := make(chan time.Time)
	go func() {
		if got, _ := says(t, "udp", p.Addr, 600*time.Millisecond, "late"); len(got) != 1 {
			t.Errorf("the late one: %q", got)
		}
		late <- time.Now()
	}()
	for asked, _ := p.Passed(); asked == 0; asked, _ = p.Passed() {
		time.Sleep(time.Millisecond)
	}
	p.Heal()
	if got, _ := says(t, "udp", p.Addr, 100*time.Millisecond, "soon"); len(got) != 1 {
		t.Errorf("the one behind it: %q", got)
	}
	<-late
}

// TestHold keeps requests until they are released.
func TestHold(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		p := New(t, echo(t), 1)
		release := p.Hold()
		if got, _ := says(t, network, p.Addr, 100*time.Millisecond, "held"); len(got) != 0 {
			t.Errorf("%s: %q although it is held", network, got)
		}
		release()
		if got, _ := says(t, network, p.Addr, 300*time.Millisecond, "free"); len(got) != 1 {
			t.Errorf("%s: %q although nothing is held", network, got)
		}
	}
}

// TestConnections has connections be reset, refused and not listened to.
func TestConnections(t *testing.T) {
	p := New(t, echo(t), 1)
	p.Replies(Faults{Reset: true})
	if got, err := says(t, "tcp", p.Addr, time.Second, "reset"); len(got) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reset: %q, %v", got, err)
	}
	p.Heal()
	p.Deaf(true)
	if got, err := says(t, "tcp", p.Addr, 100*time.Millisecond, "deaf"); len(got) != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deaf: %q, %v", got, err)
	}
	p.Heal()
	p.Refuse(true)
	if got, err := says(t, "tcp", p.Addr, time.Second, "refused"); len(got) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("refused: %q, %v", got, err)
	}
	p.Heal()
	if got, err := says(t, "tcp", p.Addr, 200*time.Millisecond, "healed"); len(got) != 1 || errors.Is(err, io.EOF) {
		t.Errorf("healed: %q, %v", got, err)
	}
}

// TestRefuse: who asked by datagrams before may do so again from the same port.
func TestRefuse(t *testing.T) {
	p := New(t, echo(t), 1)
	client, err := net.Dial("udp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answered := func() bool {
		if err := client.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte("message")); err != nil {
			t.Fatal(err)
		}
		_, err := client.Read(make([]byte, 64))
		return err == nil
	}
	if !answered() {
		t.Fatal("no answer")
	}
	p.Refuse(true)
	if answered() {
		t.Error("an answer while all is refused")
	}
	p.Heal()
	if !answered() {
		t.Error("no answer although it is healed")
	}
}

// TestOnly has faults befall messages of one kind, and the others pass.
func TestOnly(t *testing.T) {
	server := echo(t)
	for _, network := range []string{"udp", "tcp"} {
		p := New(t, server, 1)
		p.Requests(Faults{Only: "udp", Drop: 1})
		p.Requests(Faults{Only: "tcp", If: func(m []byte) bool { return string(m) == "this" }, Edit: func([]byte) [][]byte { return [][]byte{[]byte("edited")} }})
		got, _ := says(t, network, p.Addr, 200*time.Millisecond, "this", "that")
		want := []string{"edited", "that"}
		if network == "udp" {
			want = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", network, got, want)
		}
	}
	if Update([]byte{0, 1, 0}) || !Update([]byte{0, 1, 5 << 3}) || !Update([]byte{0, 1, 0x80 | 5<<3}) || Update(nil) {
		t.Error("Update does not know an update by its opcode")
	}
}

// TestCut: nothing comes through, until it is healed.
func TestCut(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		p := New(t, echo(t), 1)
		p.Cut(true)
		if got, err := says(t, network, p.Addr, 100*time.Millisecond, "cut"); len(got) != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %q, %v", network, got, err)
		}
		p.Heal()
		if got, _ := says(t, network, p.Addr, 300*time.Millisecond, "healed"); len(got) != 1 {
			t.Errorf("%s: %q although it is healed", network, got)
		}
	}
}

// TestLateRequest: a request that is late arrives, although its client has gone.
func TestLateRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := New(t, l.Addr().String(), 1)
	p.Requests(Faults{Delay: 200 * time.Millisecond})
	if _, err := says(t, "tcp", p.Addr, 20*time.Millisecond, "late"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m, err := readMessage(c); string(m) != "late" {
		t.Errorf("%q, %v", m, err)
	}
}
