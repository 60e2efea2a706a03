// Package trace tells a collector of traces of the runs of an agent: a span for each
// run, and one for each of its steps.
//
// A program makes one [Exporter] with [New], which takes what the environment says by
// the names that OpenTelemetry has for it, and hands it spans, which are sent in the
// background as OTLP over HTTP in JSON. Where the environment names no collector there
// is no exporter, and all of this costs nothing.
//
// What identifies a trace follows from the record and the tick alone ([IDOf]), so that
// attempts on different machines are one trace, though nobody has told anybody. A
// child process gets [Parent] in its environment, whether or not anything is exported.
//
// It makes no metrics and no logs, samples nothing, and reads no traces.
package trace

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// An ID identifies a trace. It is never all zeros.
type ID [16]byte

// IDOf is the trace of a tick: the same on every agent.
func IDOf(record string, tick time.Time) ID {
	sum := sha256.Sum256([]byte("solotick trace\x00" + record + "\x00" + strconv.FormatInt(tick.Unix(), 10)))
	var id ID
	copy(id[:], sum[:])
	id[15] |= 1 // all zeros would be no id
	return id
}

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// A SpanID identifies a span within its trace. The zero SpanID is none.
type SpanID [8]byte

// Span is the span of a trace that these words name: other words, another span.
func (id ID) Span(words ...any) SpanID {
	sum := sha256.Sum256(fmt.Appendf(id[:], "%#v", words))
	var s SpanID
	copy(s[:], sum[:])
	s[7] |= 1
	return s
}

func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// Parent is the value of a traceparent, of version 00 (W3C Trace Context section 3.2),
// for what belongs to a span. exported says that the span itself is.
func Parent(id ID, s SpanID, exported bool) string {
	flags := "00"
	if exported {
		flags = "01"
	}
	return "00-" + id.String() + "-" + s.String() + "-" + flags
}

// A Span is something that took its time.
type Span struct {
	Trace      ID
	ID         SpanID
	Parent     SpanID // zero: none
	Name       string
	Kind       Kind
	Start, End time.Time // by this machine's clock, as spans of others are
	Attrs      []Attr
	Failed     bool
	Message    string // why it failed
}

// A Kind is how a span stands to others, as OTLP numbers it.
type Kind int

// The kinds of spans.
const (
	Internal Kind = 1
	Server   Kind = 2 // what was called from outside, by the clock too
	Client   Kind = 3 // what calls another service
)

// An Attr is an attribute: a string, bool, int, int64 or float64 by name.
type Attr struct {
	Key   string
	Value any
}
