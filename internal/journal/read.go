package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The most that is read, in bytes.
const (
	maxLine = 64 << 10
	maxRead = 64 << 20
)

// A Document is what an agent answers at /events.
type Document struct {
	Schema string  `json:"schema"`
	Agent  string  `json:"agent"`
	Events []Entry `json:"events"`
}

// ErrNone says that a text holds no entries at all, though there is something in it.
var ErrNone = errors.New("these are no events of an agent")

// Parse reads entries of a job: the answer of an agent, or the lines of a file. job is
// its name or that of its record; empty: all. What is no entry is left out; the error
// is ErrNone if nothing else was there. What says that the text before happened again
// takes its place.
func Parse(r io.Reader, job string) ([]Entry, error) {
	in := bufio.NewReaderSize(io.LimitReader(r, maxRead), maxLine)
	var all []Entry
	last := make(map[string]int) // the latest of each agent and job
	add := func(e Entry) {
		if !e.valid() {
			return
		}
		if job != "" && e.Job != job && e.Name != job {
			return
		}
		key := e.Agent + " " + e.Job
		if i, ok := last[key]; ok && e.Again > 0 && all[i].Time.Equal(e.Time) && same(&all[i], &e) {
			all[i] = e
			return
		}
		last[key] = len(all)
		all = append(all, e)
	}
	lines, good := 0, 0
	first, err := in.Peek(1)
	if err == nil && first[0] == '{' {
		if doc, ok := document(in); ok {
			for _, e := range doc.Events {
				add(e)
			}
			return all, nil
		}
	}
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // no entry is so long
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			line = nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines++
			var e Entry
			if json.Unmarshal(line, &e) == nil && e.Schema == Schema && e.valid() {
				good++
				add(e)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	}
	if lines > 0 && good == 0 {
		return nil, ErrNone
	}
	return all, nil
}

// document reads an agent's answer, if it is one: it says so at its beginning.
func document(in *bufio.Reader) (Document, bool) {
	head, _ := in.Peek(200)
	if !bytes.Contains(head, []byte(Schemas)) {
		return Document{}, false
	}
	var doc Document
	err := json.NewDecoder(in).Decode(&doc)
	return doc, err == nil && doc.Schema == Schemas
}

// valid says whether an entry can be one.
func (e *Entry) valid() bool {
	switch e.Did {
	case Look, Load, Swap, Wait, Run, Stop, Ran:
	default:
		return false
	}
	return !e.Time.IsZero() && e.Agent != "" && len(e.Agent) <= 64 && len(e.Job) <= 64 && len(e.Name) <= 253
}
