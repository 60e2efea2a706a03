package azuredns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/register"
)

// record is the register of one name.
type record struct {
	client   *Client
	name     string // without the final dot
	relative string // to the zone, as Azure wants it; the zone itself is @
}

func (r *record) fail(op string, err error) error {
	return fmt.Errorf("azuredns: %s %s: %w", op, r.name, err)
}

// A version is a record set as it was read: all that a swap of it needs, and what
// its Tag is made of.
type version struct {
	ETag     string             `json:"etag"`
	Metadata map[string]*string `json:"metadata,omitempty"`
	Values   [][]string         `json:"values"` // as the API has them, sorted
}

// Load implements register.Register by one GET.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	s, _, err := r.get(ctx)
	if err != nil {
		return register.Snapshot{}, r.fail("load", err)
	}
	return s, nil
}

func (r *record) get(ctx context.Context) (register.Snapshot, *version, error) {
	c := r.client
	ctx, cancel, n := c.within(ctx)
	defer cancel()
	if err := c.turn(ctx, c.reads); err != nil {
		return register.Snapshot{}, nil, err
	}
	resp, err := c.sets.Get(ctx, c.group, c.zone, r.relative, armdns.RecordTypeTXT, nil)
	switch {
	case n.absent():
		return register.Snapshot{Time: n.date}, &version{}, nil
	case err != nil:
		return register.Snapshot{}, nil, r.unread(ctx, n, err)
	}
	v, err := versionOf(resp.RecordSet)
	if err != nil {
		return register.Snapshot{}, nil, err
	}
	s, err := v.snapshot(n)
	return s, v, err
}

// Swap implements register.Register by one PUT or DELETE.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	was, err := versionOfTag(old)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	values, err := was.values(texts)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	s, err := r.swap(ctx, was, values)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	return s, nil
}

func (r *record) swap(ctx context.Context, was *version, values [][]string) (register.Snapshot, error) {
	c := r.client
	if len(values) == 0 && was.ETag == "" {
		return r.still(ctx)
	}
	ctx, cancel, n := c.within(ctx)
	defer cancel()
	if err := c.turn(ctx, c.writes); err != nil {
		return register.Snapshot{}, err
	}
	if len(values) == 0 {
		return r.remove(ctx, n, was)
	}
	set, err := r.put(ctx, was, values)
	if err != nil {
		return register.Snapshot{}, r.outcome(ctx, n, was, err)
	}
	v, err := versionOf(set)
	if err != nil {
		return register.Snapshot{}, fmt.Errorf("%w: %v", register.ErrUncertain, err)
	}
	return v.snapshot(n)
}

// put sends the values, in the place of what was there or of nothing.
func (r *record) put(ctx context.Context, was *version, values [][]string) (armdns.RecordSet, error) {
	c := r.client
	set := armdns.RecordSet{Properties: &armdns.RecordSetProperties{TTL: &c.ttl, Metadata: was.Metadata}}
	for _, value := range values {
		set.Properties.TxtRecords = append(set.Properties.TxtRecords, &armdns.TxtRecord{Value: pointers(value)})
	}
	only := &armdns.RecordSetsClientCreateOrUpdateOptions{IfMatch: &was.ETag}
	if was.ETag == "" {
		nothing := "*"
		only = &armdns.RecordSetsClientCreateOrUpdateOptions{IfNoneMatch: &nothing}
	}
	resp, err := c.sets.CreateOrUpdate(ctx, c.group, c.zone, r.relative, armdns.RecordTypeTXT, set, only)
	return resp.RecordSet, err
}

// remove deletes the set. Azure answers 204 if there was none, which the library
// takes for a success.
func (r *record) remove(ctx context.Context, n *call, was *version) (register.Snapshot, error) {
	c := r.client
	_, err := c.sets.Delete(ctx, c.group, c.zone, r.relative, armdns.RecordTypeTXT, &armdns.RecordSetsClientDeleteOptions{IfMatch: &was.ETag})
	if err != nil || n.status != 200 {
		return register.Snapshot{}, r.outcome(ctx, n, was, err)
	}
	return register.Snapshot{Time: n.date}, nil
}

// turn waits for the turn of a request.
func (c *Client) turn(ctx context.Context, b *batch.Budget) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	return b.Wait(ctx)
}

// versionOf is what the API says of a record set.
func versionOf(set armdns.RecordSet) (*version, error) {
	p := set.Properties
	switch {
	case set.Etag == nil || *set.Etag == "" || p == nil:
		return nil, errors.New("the answer has no ETag")
	case p.TargetResource != nil && p.TargetResource.ID != nil && *p.TargetResource.ID != "":
		return nil, &register.Problem{
			Err: fmt.Errorf("%w: the record set is an alias of %s, which has its values: use another name", register.ErrRefused, *p.TargetResource.ID),
			Do:  "use a name that no alias record set holds", Config: true,
		}
	}
	v := &version{ETag: *set.Etag, Metadata: p.Metadata, Values: [][]string{}}
	for _, record := range p.TxtRecords {
		var value []string
		for _, s := range record.Value {
			if s != nil {
				value = append(value, *s)
			}
		}
		v.Values = append(v.Values, value)
	}
	slices.SortFunc(v.Values, slices.Compare[[]string])
	return v, nil
}

// snapshot is the version for others. A set that is there without a record is
// nothing to them, but it has a Tag: it can only be changed as what it is.
func (v *version) snapshot(n *call) (register.Snapshot, error) {
	tag, err := json.Marshal(v)
	if err != nil {
		return register.Snapshot{}, err
	}
	s := register.Snapshot{Tag: string(tag), Time: n.date}
	for _, value := range v.Values {
		s.Texts = append(s.Texts, decode(value))
	}
	return s, nil
}

// versionOfTag is the version that a snapshot saw.
func versionOfTag(old register.Snapshot) (*version, error) {
	v := &version{}
	if old.Tag == "" && len(old.Texts) == 0 {
		return v, nil
	}
	if err := json.Unmarshal([]byte(old.Tag), v); err != nil || v.ETag == "" {
		return nil, errors.New("the old snapshot is none of this kind of register")
	}
	return v, nil
}

// values are what to write for texts. A text that is there already stays as it is:
// somebody else's value may be in several strings, and how they are split is
// theirs.
func (v *version) values(texts []string) ([][]string, error) {
	there := make(map[string][][]string)
	for _, value := range v.Values {
		text := decode(value)
		there[text] = append(there[text], value)
	}
	var all [][]string
	for _, text := range texts {
		same := there[text]
		switch {
		case len(same) > 0:
			all, there[text] = append(all, same[0]), same[1:]
		case text == "":
			return nil, errors.New("no text may be empty in Azure DNS")
		default:
			all = append(all, encode(text))
		}
	}
	return all, nil
}

func pointers(values []string) []*string {
	all := make([]*string, len(values))
	for i := range values {
		all[i] = &values[i]
	}
	return all
}

// still is the swap of nothing for nothing: a look at whether nothing is there.
func (r *record) still(ctx context.Context) (register.Snapshot, error) {
	s, v, err := r.get(ctx)
	if err == nil && v.ETag != "" {
		err = fmt.Errorf("%w (a record set is there)", register.ErrConflict)
	}
	return s, err
}
