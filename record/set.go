package record

import (
	"errors"
	"fmt"
	"slices"
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
	State      State
	Record     Record     // zero unless Present
	Foreign    []string   // the values that are no record: kept in every write
	Detail     error      // what is odd about the values, also where one of them is a good record; nil: nothing
	Protection Protection // of the record, or of the value that keeps it from being Present

	form Form
}

// aYear is how far ahead of the register's time a seq may be, in seconds. A
// greater one would push every later fence out of reach.
const aYear = 366 * 24 * 60 * 60

// Read is [ReadAs] where records are plain: a sealed one is unopenable, and
// nobody looks at signatures.
func Read(texts []string, now int64) Set { return ReadAs(nil, texts, now) }

// ReadAs finds the record among the TXT values at a name, by the form that
// records have there. now is the register's time in epoch seconds, 0 if unknown.
//
// A value that begins with a brace is meant as a record, one that begins with
// [SealedPrefix] as a sealed record, everything else is foreign. Of several
// records the highest seq counts, of equal ones the bytewise greater value. A
// damaged value beside a good record is reported, and gone with the next write.
func ReadAs(f Form, texts []string, now int64) Set {
	set := Set{form: f}
	var best string
	var odd []error
	records := 0
	for _, text := range texts {
		if !meant(text) {
			set.Foreign = append(set.Foreign, text)
			continue
		}
		r, by, err := open(f, text, now)
		if errors.Is(err, ErrUnopenable) {
			return Set{State: Unopenable, Foreign: slices.Clone(texts), Detail: err, Protection: by, form: f}
		}
		if err != nil {
			odd = append(odd, err)
			if records == 0 {
				set.Protection = by
			}
			continue
		}
		records++
		if records == 1 || r.Seq > set.Record.Seq || r.Seq == set.Record.Seq && text > best {
			set.Record, set.Protection, best = r, by, text
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
// foreign values, in the form that the set was read by. An unopenable set comes
// back as it was read, without r: a sealed record is never replaced by an agent
// that cannot read it.
func (s Set) With(r Record) []string {
	if s.State == Unopenable {
		return slices.Clone(s.Foreign)
	}
	return s.Replace(r)
}

// Replace is [Set.With] for a person who has decided that a sealed record which
// nobody can open is to be lost: it is replaced as well. No agent does that.
func (s Set) Replace(r Record) []string {
	texts := slices.DeleteFunc(slices.Clone(s.Foreign), meant)
	text := r.String()
	if s.form != nil {
		text = s.form.Close(text)
	}
	return append(texts, text)
}
