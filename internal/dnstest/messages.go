package dnstest

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// A Message is one that a real client or server sent; see the command capture.
type Message struct {
	Reply  bool
	Server Kind
	What   string // was done: the client and the step
	Wire   []byte
}

// Captured is the key that the messages are signed with.
func Captured() Key {
	return Key{Name: "agent", Algorithm: "hmac-sha256", Secret: "dGhlIHNlY3JldCBvZiB0aGVzZSBtZXNzYWdlcyBoZXJlIQ=="}
}

// Messages reads the messages in a file that the command capture has written.
func Messages(path string) ([]Message, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("dnstest: %w", err)
	}
	var all []Message
	for line := range strings.Lines(string(text)) {
		var m Message
		var direction, wire string
		if _, err := fmt.Sscan(line, &direction, &m.Server, &m.What, &wire); err != nil {
			return nil, fmt.Errorf("dnstest: %s: %w", path, err)
		}
		if m.Wire, err = hex.DecodeString(wire); err != nil {
			return nil, fmt.Errorf("dnstest: %s: %w", path, err)
		}
		m.Reply = direction == "reply"
		all = append(all, m)
	}
	return all, nil
}
