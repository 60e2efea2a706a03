package ocidns

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/register"
)

const typeTXT = "TXT"

// A version is the tag of a snapshot: the entity-tag, and the values in the service's
// own words. The zero version is that of nothing.
type version struct {
	ETag   string   `json:"etag"`
	Values []string `json:"rdata"`
}

// An rrset is what an answer shows.
type rrset struct {
	etag   string
	values []string // none: nothing is there
	at     time.Time
}

// newRRset is what an answer with a head and records shows.
func newRRset(h http.Header, items []recordItem) (rrset, error) {
	s := rrset{at: timeOf(h)}
	for _, item := range items {
		s.values = append(s.values, item.Rdata)
	}
	slices.Sort(s.values) // the order is not documented, and must be the same in a list and after a write
	if len(s.values) == 0 {
		return s, nil
	}
	if s.etag = h.Get("Etag"); s.etag == "" {
		return rrset{}, errors.New("an answer without an entity-tag, so that nothing could be compared")
	}
	return s, nil
}

func (s rrset) snapshot() (register.Snapshot, error) {
	out := register.Snapshot{Time: s.at}
	if len(s.values) == 0 {
		return out, nil
	}
	for _, value := range s.values {
		text, err := txt.Unquote(value, txt.Decimal)
		if err != nil {
			return register.Snapshot{}, fmt.Errorf("a TXT value there is none as in a zone file: %w", err)
		}
		out.Texts = append(out.Texts, text)
	}
	tag, err := json.Marshal(version{s.etag, s.values})
	if err != nil {
		return register.Snapshot{}, err
	}
	out.Tag = string(tag)
	return out, nil
}

var errForeignTag = errors.New("the old snapshot is none of this kind of register")

// versionOf is what a snapshot saw.
func versionOf(old register.Snapshot) (version, error) {
	var v version
	if len(old.Texts) == 0 {
		return v, nil
	}
	if json.Unmarshal([]byte(old.Tag), &v) != nil || v.ETag == "" || len(v.Values) != len(old.Texts) {
		return version{}, errForeignTag
	}
	return v, nil
}

// valuesFor are the values to write. A text that is there already stays as it is:
// somebody else's value may be in several strings, and how they are split is theirs.
func (v version) valuesFor(texts []string) ([]string, error) {
	there := map[string][]string{} // several where they differ in how they are split
	for _, value := range v.Values {
		text, err := txt.Unquote(value, txt.Decimal)
		if err != nil {
			return nil, errForeignTag
		}
		there[text] = append(there[text], value)
	}
	var values []string
	for i, text := range texts {
		if same := there[text]; len(same) > 0 {
			values, there[text] = append(values, same[0]), same[1:]
		} else if !slices.Contains(texts[:i], text) {
			values = append(values, txt.Quote(text, txt.Decimal))
		}
	}
	return values, nil
}
