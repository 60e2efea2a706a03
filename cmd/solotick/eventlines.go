package main

import (
	"bytes"
	"strings"
	"sync"
)

// An eventLevel is how bad an event is to a log of events.
type eventLevel uint8

const (
	eventInfo eventLevel = iota
	eventWarning
	eventError
)

// longestEvent is the length of an event that Windows takes for certain, in bytes.
const longestEvent = 30_000

// eventLines makes events of what is written: of each line one, as bad as its log line
// says that it is. It is safe for concurrent use.
type eventLines struct {
	tell func(eventLevel, string)

	mu   sync.Mutex
	rest []byte // a line that has not ended
}

// Write never fails. A line that does not end is told in parts.
func (e *eventLines) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rest = append(e.rest, p...)
	for {
		end := bytes.IndexByte(e.rest, '\n')
		next := end + 1
		if end < 0 || end > longestEvent {
			if len(e.rest) <= longestEvent {
				return len(p), nil
			}
			end, next = longestEvent, longestEvent
		}
		line := strings.ToValidUTF8(strings.ReplaceAll(strings.TrimRight(string(e.rest[:end]), "\r"), "\x00", ""), "\uFFFD")
		e.rest = append(e.rest[:0], e.rest[next:]...)
		if strings.TrimSpace(line) != "" {
			e.tell(levelOfLine(line), line)
		}
	}
}

// levelOfLine is what a line of the log says of itself; other lines are for information.
func levelOfLine(line string) eventLevel {
	if !strings.HasPrefix(line, `{"time":`) {
		return eventInfo
	}
	switch head := line[:min(len(line), 100)]; {
	case strings.Contains(head, `"level":"ERROR"`):
		return eventError
	case strings.Contains(head, `"level":"WARN"`):
		return eventWarning
	}
	return eventInfo
}
