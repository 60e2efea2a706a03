package alert

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// A Reference identifies a message at a service that gives it a time of its own,
// as Slack does: its epoch microsecond. 0: none.
type Reference int64

// ParseReference reads a text such as "1641903970.000100"; anything else is 0.
func ParseReference(text string) Reference {
	sec, micro, ok := strings.Cut(text, ".")
	if !ok || len(micro) != 6 || len(sec) > 10 {
		return 0
	}
	n, err := strconv.ParseUint(sec+micro, 10, 53)
	if err != nil {
		return 0
	}
	return Reference(n)
}

// String returns the text that ParseReference reads; empty for 0.
func (r Reference) String() string {
	if r <= 0 {
		return ""
	}
	return fmt.Sprintf("%d.%06d", r/1e6, r%1e6)
}

// An ID is what a book knows an alert by: two characters.
type ID [2]byte

// IDOf returns the ID of an alert's name. Two names of one job may have the same
// one, once in 4,096 pairs: whoever names alerts has to check that.
func IDOf(name string) ID {
	h := fnv.New32a()
	h.Write([]byte(name))
	n := h.Sum32()
	return ID{digits[n>>6&63], digits[n&63]}
}

// A Book is the state of a job: what its alerts remember, and the job's own
// text. Its text is the job's own, as it is, while all alerts are quiet; else it
// begins with "!" and the alerts, one after the other, and the job's own text
// follows a "~" if there is one. All of it but the job's own text is letters,
// digits, - and _.
//
// The zero Book is empty.
type Book struct {
	Own    string // the job's own text
	alerts map[ID]Status
}

const (
	mark    = "!"
	divider = "~"
	digits  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

	epoch   = 1_735_689_600 // 2025-01-01, so that five digits reach to 2059
	maxRuns = 1<<12 - 1

	// The lengths of what is written.
	lenHead, lenRuns, lenTime, lenRef = 3, 2, 5, 9

	hasDoubt, hasTold, hasRef = 1, 2, 4 // beside the phase, in bits 3 to 5
)

// Len returns how long the text of one alert can get, in characters, if reminders
// are sent and if its messages have a [Reference]; see [Status.Fit].
func Len(remind, reference bool) int {
	n := lenHead + lenTime
	if reference {
		n = lenHead + lenRef
	}
	if remind {
		n += lenTime
	}
	return n
}

// Extra is what a book's text has beside its alerts and the job's own text.
const Extra = len(mark) + len(divider)

// ParseBook reads a state. One that no Book has written is the job's own text,
// all of it.
func ParseBook(state string) Book {
	rest, ok := strings.CutPrefix(state, mark)
	if !ok {
		return Book{Own: state}
	}
	text, own, _ := strings.Cut(rest, divider)
	b := Book{Own: own}
	for text != "" {
		id, s, n := parseStatus(text)
		if n == 0 {
			return Book{Own: state}
		}
		b.Set(id, s)
		text = text[n:]
	}
	return b
}

// Get returns what is remembered of an alert.
func (b *Book) Get(id ID) Status { return b.alerts[id] }

// Set has an alert remembered.
func (b *Book) Set(id ID, s Status) {
	if s == (Status{}) {
		delete(b.alerts, id)
		return
	}
	if b.alerts == nil {
		b.alerts = make(map[ID]Status)
	}
	b.alerts[id] = s
}

// IDs returns the alerts that are not quiet, in order.
func (b *Book) IDs() []ID {
	all := make([]ID, 0, len(b.alerts))
	for id := range b.alerts {
		all = append(all, id)
	}
	slices.SortFunc(all, func(x, y ID) int { return cmp.Compare(string(x[:]), string(y[:])) })
	return all
}

// String returns the text that ParseBook reads.
func (b *Book) String() string {
	if len(b.alerts) == 0 && !strings.HasPrefix(b.Own, mark) {
		return b.Own
	}
	text := []byte(mark)
	for _, id := range b.IDs() {
		text = appendStatus(text, id, b.alerts[id])
	}
	if b.Own != "" {
		text = append(append(text, divider...), b.Own...)
	}
	return string(text)
}

func appendStatus(b []byte, id ID, s Status) []byte {
	flags := 0
	if s.Doubt {
		flags |= hasDoubt
	}
	if s.Phase == Told && s.Told != s.Since {
		flags |= hasTold
	}
	if s.Ref != 0 {
		flags |= hasRef
	}
	b = append(b, id[0], id[1], digits[flags<<3|int(s.Phase)])
	if s.Phase == Pending {
		return appendNumber(b, int64(s.Runs), lenRuns)
	}
	if s.Ref != 0 {
		b = appendNumber(b, int64(s.Ref), lenRef)
	} else {
		b = appendNumber(b, s.Since-epoch, lenTime)
	}
	if flags&hasTold != 0 {
		b = appendNumber(b, s.Told-epoch, lenTime)
	}
	return b
}

// parseStatus reads one alert and returns how long its text is; 0: it is none.
func parseStatus(text string) (id ID, s Status, n int) {
	if len(text) < lenHead || strings.IndexByte(digits, text[0]) < 0 || strings.IndexByte(digits, text[1]) < 0 {
		return ID{}, Status{}, 0
	}
	id = ID{text[0], text[1]}
	head := strings.IndexByte(digits, text[2])
	s.Phase = Phase(head & 7)
	flags := head >> 3
	n = lenHead
	read := func(length int) int64 {
		v, ok := parseNumber(text[min(n, len(text)):], length)
		if n += length; !ok {
			head = -1
		}
		return v
	}
	switch {
	case head < 0, s.Phase == Quiet, s.Phase > OwesPassed:
		return ID{}, Status{}, 0
	case s.Phase == Pending:
		s.Runs = int(read(lenRuns))
	case flags&hasRef != 0:
		s.Ref = Reference(read(lenRef))
		s.Since = int64(s.Ref / 1e6)
	default:
		s.Since = epoch + read(lenTime)
	}
	if s.Phase == Told {
		s.Told = s.Since
	}
	if flags&hasTold != 0 {
		s.Told = epoch + read(lenTime)
	}
	s.Doubt = flags&hasDoubt != 0
	if head < 0 {
		return ID{}, Status{}, 0
	}
	return id, s, n
}

// appendNumber writes v in so many digits of six bits; what does not fit is
// written as the nearest number that does.
func appendNumber(b []byte, v int64, length int) []byte {
	v = max(0, min(v, 1<<(6*length)-1))
	for i := length - 1; i >= 0; i-- {
		b = append(b, digits[v>>(6*i)&63])
	}
	return b
}

func parseNumber(text string, length int) (int64, bool) {
	if len(text) < length {
		return 0, false
	}
	var v int64
	for i := range length {
		d := strings.IndexByte(digits, text[i])
		if d < 0 {
			return 0, false
		}
		v = v<<6 | int64(d)
	}
	return v, true
}
