package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/internal/faultproxy"
)

// A moment is one in the life of a claim, told by the messages that go by.
type moment int

const (
	claimSent   moment = iota // the update with a claim is about to reach the server
	claimWon                  // the server has it, and so the agent is about to learn
	reportSent                // the update that tells the run's end is about to reach the server
	reportTaken               // the server has it, and the agent is about to learn
)

// A blow is what was struck, and when.
type blow struct {
	agent   *agent
	at      time.Time
	tick    int64
	message []byte // that told the moment
}

// strike does something to the agent that comes to a moment first, once. do says
// whether the message that told the moment goes on. The agents have relays of their own.
func (m *trial) strike(c *cluster, at moment, do func(a *agent) (passes bool)) <-chan blow {
	out := make(chan blow, 1)
	var mu sync.Mutex
	struck := false
	for i, p := range m.links {
		a := c.agents[i]
		var sent update
		try := func(is bool, message []byte) [][]byte {
			if is && !struck {
				struck = true
				h := blow{agent: a, tick: sent.tick(), message: bytes.Clone(message), at: time.Now()}
				passes := do(a)
				out <- h
				if !passes {
					return nil
				}
			}
			return [][]byte{message}
		}
		p.Requests(faultproxy.Faults{Only: "tcp", If: faultproxy.Update, Edit: func(message []byte) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			sent = readUpdate(message)
			return try(at == claimSent && sent.claims() || at == reportSent && sent.reports(), message)
		}})
		p.Replies(faultproxy.Faults{Only: "tcp", Edit: func(message []byte) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			is := at == claimWon && sent.claims() && shownBy(message) == sent.next ||
				at == reportTaken && sent.reports() && faultproxy.Update(message) && binary.BigEndian.Uint16(message) == sent.id
			return try(is, message)
		}})
	}
	return out
}

// struck waits for the moment.
func (m *trial) struck(blows <-chan blow) blow {
	m.Helper()
	select {
	case h := <-blows:
		return h
	case <-time.After(time.Minute):
		m.Fatal("the moment does not come")
		panic("unreachable")
	}
}

// killedThen kills an agent at a moment; the message is lost.
func killedThen(a *agent) bool {
	a.dead = true
	_ = a.cmd.Process.Kill() // only fails if it has ended
	return false
}

// frozenThen stops an agent at a moment.
func frozenThen(passes bool) func(a *agent) bool {
	return func(a *agent) bool {
		_ = freeze(a.cmd.Process) // what follows shows it
		return passes
	}
}

// freeze stops a process, and returns when all its threads stand still.
func freeze(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Pid))
		if !slices.ContainsFunc(tasks, goesOn) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("process %d goes on after SIGSTOP", p.Pid)
		}
	}
}

// goesOn says whether a thread is not stopped, by its line in /proc.
func goesOn(stat string) bool {
	text, err := os.ReadFile(stat)
	return err == nil && !bytes.Contains(text, []byte(") T "))
}

// An update is what the tests read of a dynamic update.
type update struct {
	id        uint16
	was, next string // the record that it wants there, and the one that it writes
}

func readUpdate(message []byte) update {
	u := update{next: textIn(message, 2), was: textIn(message, 1)}
	if len(message) >= 2 {
		u.id = binary.BigEndian.Uint16(message)
	}
	return u
}

func (u update) claims() bool  { return held(u.next) && !held(u.was) }
func (u update) reports() bool { return held(u.was) && u.next != "" && !held(u.next) }

func (u update) tick() int64 {
	var r struct{ Timerold int64 }
	_ = json.Unmarshal([]byte(u.next), &r) // 0 then
	return r.Timerold
}

func held(text string) bool { return strings.Contains(text, `"lease"`) }

// shownBy is the record that an answer shows.
func shownBy(message []byte) string {
	if faultproxy.Update(message) {
		return ""
	}
	return textIn(message, 1)
}

// textIn is the first TXT record's text in a section of a message: 1 answers or what
// an update wants there, 2 what it writes (RFC 1035 section 4.1). It is read by hand, so
// that what is tried is not judged by the library that it uses. What is no message has none.
func textIn(message []byte, section int) (text string) {
	defer func() {
		if recover() != nil { // it ends where it should not
			text = ""
		}
	}()
	at := 12
	name := func() {
		for ; message[at] != 0; at += 1 + int(message[at]) {
			if message[at] >= 0xc0 { // a pointer ends it
				at++
				break
			}
		}
		at++
	}
	for s := range section + 1 {
		for range binary.BigEndian.Uint16(message[4+2*s:]) {
			name()
			if s == 0 {
				at += 4
				continue
			}
			kind, size := binary.BigEndian.Uint16(message[at:]), int(binary.BigEndian.Uint16(message[at+8:]))
			rdata := message[at+10 : at+10+size]
			at += 10 + size
			if s == section && kind == 16 && size > 0 {
				text, _ := dnsmsg.Text(rdata)
				return text
			}
		}
	}
	return ""
}

// deliver hands a message that was kept to the server, and returns what that answers.
func (m *trial) deliver(message []byte) (rcode int) {
	m.Helper()
	conn, err := net.DialTimeout("tcp", m.at.addr, 5*time.Second)
	if err != nil {
		m.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)); err != nil {
		m.Fatal(err)
	}
	var head [6]byte // the length, and a header up to the code
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		m.Fatal(err)
	}
	return int(head[5] & 0xf)
}
