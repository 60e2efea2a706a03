package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A State says what the values at a job's name amount to.
type State uint8

// The states of a record.
const (
	Absent     State = iota // no value there is a record
	Present                 // a record
	Damaged                 // meant as a record, but it does not parse or is from the far future
	Unopenable              // sealed, and not with a key of this reader
)

func (s State) String() string {
	switch s {
	case Absent:
		return "absent"
	case Present:
		return "present"
	case Damaged:
		return "damaged"
	case Unopenable:
		return "unopenable"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// A Set is what all TXT values at one name say together.
type Set struct {
	State   State
	Record  Record   // zero unless Present
	Foreign []string // the values that are no record: kept in every write
	Detail  error    // what is odd about the values, also where one of them is a good record; nil: nothing
}

// aYear is how far ahead of the register's time a seq may be, in seconds. A
// greater one would push every later fence out of reach.
const aYear = 366 * 24 * 60 * 60

// Read finds the record among the TXT values at a name. now is the register's
// time in epoch seconds, 0 if unknown.
//
// A value that begins with a brace is meant as a record, one that begins with
// "st1." as a sealed record, everything else is foreign. Of several records the
// highest seq counts, of equal ones the bytewise greater text. A damaged value
// beside a good record is reported, and gone with the next write.
func Read(texts []string, now int64) Set {
	var set Set
	var best string
	var odd []error
	records := 0
	for _, text := range texts {
		if strings.HasPrefix(text, "st1.") {
			return Set{
				State: Unopenable, Foreign: slices.Clone(texts),
				Detail: errors.New("the record is sealed, and no key of this agent opens it"),
			}
		}
		if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
			set.Foreign = append(set.Foreign, text)
			continue
		}
		r, err := Parse(text)
		if err == nil && now > 0 && r.Seq > (now+aYear)*1000 {
			err = fmt.Errorf("seq %d is over a year ahead of the register's time", r.Seq)
		}
		if err != nil {
			odd = append(odd, err)
			continue
		}
		records++
		if records == 1 || r.Seq > set.Record.Seq || r.Seq == set.Record.Seq && text > best {
			set.Record, best = r, text
		}
	}
	if records > 1 {
		odd = append(odd, fmt.Errorf("%d records at one name, the one with the highest seq counts", records))
	}
	switch {
	case records > 0:
		set.State = Present
	case len(odd) > 0:
		set.State = Damaged
	}
	set.Detail = errors.Join(odd...)
	return set
}

// With returns the values to write so that r is the one record there, beside the
// foreign values. An unopenable set comes back as it was read, without r: a
// sealed record is never replaced by an agent that cannot read it.
func (s Set) With(r Record) []string {
	texts := slices.Clone(s.Foreign)
	if s.State == Unopenable {
		return texts
	}
	return append(texts, r.String())
}
