package clouddns

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/register"
)

const typeTXT = "TXT"

// An rrset is a ResourceRecordSet of the API, as far as it is of interest here.
type rrset struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	TTL     int64    `json:"ttl"`
	Rrdatas []string `json:"rrdatas"`
	// RoutingPolicy chooses what to answer, in the place of Rrdatas.
	RoutingPolicy json.RawMessage `json:"routingPolicy,omitempty"`
}

// sameSet says whether a set that the service shows is one that it was sent.
func sameSet(shown, sent *rrset) bool {
	return shown != nil && strings.EqualFold(shown.Name, sent.Name) && shown.Type == sent.Type && len(shown.Rrdatas) == len(sent.Rrdatas)
}

// size is what a set counts of the bytes of a Change.
func (s *rrset) size() int {
	n := 0
	if s != nil {
		for _, data := range s.Rrdatas {
			n += len(data)
		}
	}
	return n
}

// A tag is the version of a set: what a deletion has to match.
type tag struct {
	TTL     int64    `json:"ttl"`
	Rrdatas []string `json:"rrdatas"`
}

var errForeignTag = errors.New("the old snapshot is none of this kind of register")

// snapshot is what a set holds; nil: nothing.
func snapshot(set *rrset, at time.Time) (register.Snapshot, error) {
	s := register.Snapshot{Time: at}
	if set == nil {
		return s, nil
	}
	if len(set.RoutingPolicy) > 0 {
		return register.Snapshot{}, &register.Problem{
			Err: fmt.Errorf("%w: a routing policy chooses among the TXT records there, so that nobody is told the same", register.ErrRefused),
			Do:  "use another name, or delete the policy: gcloud dns record-sets delete " + set.Name + " --type=TXT --zone=...",
		}
	}
	for _, data := range set.Rrdatas {
		text, err := txt.Unquote(data, txt.Decimal)
		if err != nil {
			return register.Snapshot{}, fmt.Errorf("a TXT value there is none as in a zone file: %w", err)
		}
		s.Texts = append(s.Texts, text)
	}
	version, err := json.Marshal(tag{TTL: set.TTL, Rrdatas: set.Rrdatas})
	if err != nil {
		return register.Snapshot{}, err
	}
	s.Tag = string(version)
	return s, nil
}

// setOfTag is the set that a snapshot saw, to the letter; nil: none.
func setOfTag(name string, old register.Snapshot) (*rrset, error) {
	if len(old.Texts) == 0 {
		return nil, nil
	}
	var t tag
	if json.Unmarshal([]byte(old.Tag), &t) != nil || len(t.Rrdatas) != len(old.Texts) {
		return nil, errForeignTag
	}
	return &rrset{Name: name, Type: typeTXT, TTL: t.TTL, Rrdatas: t.Rrdatas}, nil
}

// setOfTexts is the set to write; nil: none. A text that is there already stays as
// it is: somebody else's value may be in several strings, and how they are split
// is theirs.
func setOfTexts(name string, ttl int64, texts []string, was *rrset) (*rrset, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	there := map[string][]string{} // several where they differ in how they are split
	if was != nil {
		for _, data := range was.Rrdatas {
			text, err := txt.Unquote(data, txt.Decimal)
			if err != nil {
				return nil, errForeignTag
			}
			there[text] = append(there[text], data)
		}
	}
	set := &rrset{Name: name, Type: typeTXT, TTL: ttl}
	for i, text := range texts {
		if same := there[text]; len(same) > 0 {
			set.Rrdatas = append(set.Rrdatas, same[0])
			there[text] = same[1:]
		} else if !slices.Contains(texts[:i], text) {
			set.Rrdatas = append(set.Rrdatas, txt.Quote(text, txt.Decimal))
		}
	}
	return set, nil
}
