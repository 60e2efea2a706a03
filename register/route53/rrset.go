package route53

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/register"
)

// maxValue is the length of a value at most (the API's description, RData).
const maxValue = 4000

// A rrset is a TXT record set as the service has it: values in its own spelling,
// sorted, and the TTL, all of which have to match where it is deleted. Without
// values there is none.
type rrset struct {
	TTL    int64    `json:"ttl"`
	Values []string `json:"values"`
}

// newSet sorts values, of which a set has none twice.
func newSet(ttl int64, values []string) rrset {
	values = slices.Clone(values)
	slices.Sort(values)
	return rrset{TTL: ttl, Values: slices.Compact(values)}
}

func (s rrset) equal(t rrset) bool {
	return slices.Equal(s.Values, t.Values) && (s.TTL == t.TTL || len(s.Values) == 0)
}

// chars is how many characters count against the limit of a batch.
func (s rrset) chars() int {
	n := 0
	for _, v := range s.Values {
		n += len(v)
	}
	return n
}

// snapshot is the set as the contract has it.
func (s rrset) snapshot(at time.Time) (register.Snapshot, error) {
	snapshot := register.Snapshot{Time: at.Truncate(time.Second)}
	if len(s.Values) == 0 {
		return snapshot, nil
	}
	for _, value := range s.Values {
		text, err := txt.Unquote(value, txt.Octal)
		if err != nil {
			return register.Snapshot{}, fmt.Errorf("the service shows a TXT value that is none: %w", err)
		}
		snapshot.Texts = append(snapshot.Texts, text)
	}
	tag, err := json.Marshal(s)
	if err != nil {
		return register.Snapshot{}, err
	}
	snapshot.Tag = string(tag)
	return snapshot, nil
}

// setOf is the set that a snapshot saw.
func setOf(old register.Snapshot) (rrset, error) {
	var s rrset
	if len(old.Texts) == 0 {
		return s, nil
	}
	if err := json.Unmarshal([]byte(old.Tag), &s); err != nil || len(s.Values) == 0 {
		return rrset{}, errors.New("the old snapshot is none of this kind of register")
	}
	return s, nil
}

// setWith is the set to write. A text that is there already keeps its spelling:
// somebody else's value may be in several strings, and how they are split is
// theirs.
func setWith(texts []string, was rrset, ttl int64) (rrset, error) {
	there := make(map[string][]string)
	for _, value := range was.Values {
		text, err := txt.Unquote(value, txt.Octal)
		if err != nil {
			return rrset{}, err
		}
		there[text] = append(there[text], value)
	}
	var values []string
	for _, text := range texts {
		value := txt.Quote(text, txt.Octal)
		if same := there[text]; len(same) > 0 {
			value, there[text] = same[0], same[1:]
		}
		if len(value) > maxValue {
			return rrset{}, fmt.Errorf("a text of %d octets takes %d characters, and Route 53 allows %d for a value", len(text), len(value), maxValue)
		}
		values = append(values, value)
	}
	return newSet(ttl, values), nil
}
