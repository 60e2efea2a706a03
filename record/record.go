// Package record is the text of one TXT record: the only state that Solotick
// has. docs/protocol.md says what its keys mean.
//
// An agent turns what a register holds into a [Set] with [Read], and a new
// record into the texts to write with [Set.With]. [Parse] and [Record.String]
// are the two directions for a single text: JSON in any form that other writers
// use comes in, one canonical form goes out.
//
// Nothing here decides anything: whose claim a record is, and whether it has
// lapsed, is for package elect.
package record

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"
)

// A Result says how a run ended.
type Result string

// The results of protocol.md section 3. A record may hold another one, written
// by a later version; it is kept.
const (
	None     Result = ""
	OK       Result = "ok"
	Failed   Result = "failed"
	Timeout  Result = "timeout"
	Lost     Result = "lost"     // its holder vanished or was cut
	Replaced Result = "replaced" // ended for a newer tick
	Skipped  Result = "skipped"  // never started
)

// A Record is the content of one job's TXT record. Its fields are comparable
// with ==, and equal records have equal texts. The zero Record is what "{}" says.
type Record struct {
	ID       string // the agent that made the latest claim
	Timer    int64  // epoch second of the next tick to be claimed, or of a retry or trigger
	TimerOld int64  // epoch second of the latest tick claimed; 0: none yet
	EntryID  string // the provider's record id, as the original agents wrote it; kept
	Seq      int64  // fence and version, 0 .. 2^53-1, only ever grows
	Claimed  bool   // a run is in progress: until or lease is present
	Until    int64  // epoch second at which the claim lapses, for people
	Lease    int64  // seconds; 0 or over 900: the reader's own
	Try      int    // the attempt of tick TimerOld as written; 0: absent, reads as 1
	Last     Result
	Pause    int64  // 0: not paused; -1: for ever; else the epoch second of its end
	Why      string // the operator's reason
	State    string // the job's own text, decoded
	Extra    string // unknown members as read, canonical: `"k":v,"l":w`
}

// Attempt returns the attempt of tick TimerOld, from 1.
func (r Record) Attempt() int { return max(r.Try, 1) }

// LeaseOr returns the length of the claim; own, the reader's, where the record
// tells none or one of over 15 minutes, which nobody would wait for.
func (r Record) LeaseOr(own time.Duration) time.Duration {
	if r.Lease <= 0 || r.Lease > 900 {
		return own
	}
	return time.Duration(r.Lease) * time.Second
}

// Check returns why r cannot be written: a value that Parse would not accept,
// or that no text can express (a lease without a claim).
func (r Record) Check() error {
	back, err := Parse(r.String())
	if err != nil {
		return err
	}
	if back != r {
		return fmt.Errorf("no record: %s reads back as something else", r.String())
	}
	return nil
}

// String returns the canonical text: one line of JSON without white space, keys
// in the order of protocol.md. id, timer and timerold are always there, until and
// lease in a claim, the others where they say something. Apart from the values
// in Extra, all of it is printable ASCII, which no provider or zone file alters.
//
// If r passes [Record.Check], Parse gives r back.
func (r Record) String() string {
	var buf [256]byte
	b := appendQuoted(append(buf[:0], `{"id":`...), r.ID)
	b = appendNumber(b, `,"timer":`, r.Timer)
	b = appendNumber(b, `,"timerold":`, r.TimerOld)
	b = appendString(b, `,"entryid":`, r.EntryID)
	if r.Seq != 0 {
		b = appendNumber(b, `,"seq":`, r.Seq)
	}
	if r.Claimed {
		b = appendNumber(b, `,"until":`, r.Until)
		b = appendNumber(b, `,"lease":`, r.Lease)
	}
	if r.Try != 0 {
		b = appendNumber(b, `,"try":`, int64(r.Try))
	}
	b = appendString(b, `,"last":`, string(r.Last))
	if r.Pause != 0 {
		b = appendNumber(b, `,"pause":`, r.Pause)
	}
	b = appendString(b, `,"why":`, r.Why)
	b = appendString(b, `,"state":`, r.State)
	if r.Extra != "" {
		b = append(append(b, ','), r.Extra...)
	}
	return string(append(b, '}'))
}

func appendNumber(b []byte, key string, v int64) []byte {
	return strconv.AppendInt(append(b, key...), v, 10)
}

// appendString appends a member, or nothing if it is empty.
func appendString(b []byte, key, v string) []byte {
	if v == "" {
		return b
	}
	return appendQuoted(append(b, key...), v)
}

// appendQuoted appends v as a JSON string of printable ASCII.
func appendQuoted(b []byte, v string) []byte {
	b = append(b, '"')
	for _, c := range v {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case ' ' <= c && c <= '~':
			b = append(b, byte(c))
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			b = appendUnit(appendUnit(b, high), low)
		default:
			b = appendUnit(b, c)
		}
	}
	return append(b, '"')
}

func appendUnit(b []byte, c rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[c>>12&15], hex[c>>8&15], hex[c>>4&15], hex[c&15])
}

// encodedLen returns how many bytes appendQuoted makes of v, without the quotes.
func encodedLen(v string) int {
	n := 0
	for _, c := range v {
		switch {
		case c == '"' || c == '\\':
			n += 2
		case ' ' <= c && c <= '~':
			n++
		default:
			n += 6 * len(utf16.AppendRune(nil, c))
		}
	}
	return n
}
