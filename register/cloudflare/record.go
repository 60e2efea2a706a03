package cloudflare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/txt"
	"github.com/solotick/solotick/register"
)

// record is the register of one name.
type record struct {
	client *Client
	name   string
}

func (r *record) fail(op string, err error) error {
	return fmt.Errorf("cloudflare: %s %s: %w", op, r.name, err)
}

// A version is what a swap compares with: the records that it has read, by their
// ids and with their content as it came. It is a Snapshot's Tag.
type version struct {
	Texts  []stored `json:"t,omitempty"` // in the order of their ids
	Guards []string `json:"g,omitempty"` // ids: of one as a rule, of none where nobody has swapped yet
}

type stored struct {
	ID      string `json:"i"`
	Content string `json:"c"`
}

// snapshot is the version as a register shows it.
func (v version) snapshot(at time.Time) register.Snapshot {
	slices.SortFunc(v.Texts, func(a, b stored) int { return strings.Compare(a.ID, b.ID) })
	slices.Sort(v.Guards)
	s := register.Snapshot{Time: at}
	for _, t := range v.Texts {
		s.Texts = append(s.Texts, textOf(t.Content))
	}
	if len(v.Texts)+len(v.Guards) > 0 {
		tag, _ := json.Marshal(v) // texts and lists of texts: it cannot fail
		s.Tag = string(tag)
	}
	return s
}

func versionOf(s register.Snapshot) (version, error) {
	var v version
	if s.Tag != "" && json.Unmarshal([]byte(s.Tag), &v) != nil || len(v.Texts) != len(s.Texts) {
		return v, errors.New("the old snapshot is none of this kind of register")
	}
	return v, nil
}

// textOf is the text of a TXT record's content: quoted strings. What was written by
// the API without quotes comes back without, and means itself.
func textOf(content string) string {
	if strings.HasPrefix(content, `"`) {
		if text, err := txt.Unquote(content, txt.Decimal); err == nil {
			return text
		}
	}
	return content
}

// Load implements register.Register. It asks the API, and with others who load at
// the same time.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	s, err := r.load(ctx)
	if err != nil {
		return register.Snapshot{}, r.fail("load", err)
	}
	return s, nil
}

func (r *record) load(ctx context.Context) (register.Snapshot, error) {
	found, err := r.client.loads.Do(ctx, r.name)
	if err != nil {
		return register.Snapshot{}, err
	}
	if err := r.obstacle(found.entries); err != nil {
		return register.Snapshot{}, err
	}
	return versionIn(found.entries, r.name).snapshot(found.at), nil
}

// versionIn is what of a list belongs to the register of a name.
func versionIn(all []entry, name string) version {
	var v version
	for _, e := range all {
		switch {
		case e.Type == "TXT" && e.Name == name:
			v.Texts = append(v.Texts, stored{e.ID, e.Content})
		case e.Type == guardType && e.Name == guardOf(name):
			v.Guards = append(v.Guards, e.ID)
		}
	}
	return v
}

// Swap implements register.Register.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	was, err := versionOf(old)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	s, err := r.swap(ctx, was, texts)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	return s, nil
}

func (r *record) swap(ctx context.Context, was version, texts []string) (register.Snapshot, error) {
	ch := r.change(was, texts)
	if len(ch.deletes)+len(ch.posts) == 0 {
		return r.stillNothing(ctx)
	}
	got, err := r.client.swaps.Do(ctx, ch)
	if errors.Is(err, errTaken) {
		// Either somebody else's guard is there, or records that leave no room for
		// ours or the texts. Nothing was applied; a look tells which.
		if _, seen := r.load(ctx); errors.Is(seen, register.ErrRefused) {
			return register.Snapshot{}, seen
		}
	}
	if err != nil {
		return register.Snapshot{}, err
	}
	if got.late {
		return register.Snapshot{}, fmt.Errorf("%w (the records to delete were gone)", register.ErrConflict)
	}
	return got.version.snapshot(got.at), nil
}

// stillNothing is the swap of nothing for nothing: there is nothing to write, and a
// look tells whether it still holds.
func (r *record) stillNothing(ctx context.Context) (register.Snapshot, error) {
	s, err := r.load(ctx)
	if err == nil && len(s.Texts) > 0 {
		return register.Snapshot{}, fmt.Errorf("%w (there are %d TXT records)", register.ErrConflict, len(s.Texts))
	}
	return s, err
}
