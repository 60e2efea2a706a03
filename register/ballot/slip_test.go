package ballot

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var compareSlips = cmp.AllowUnexported(slip{}, version{})

func TestSlips(t *testing.T) {
	for want, s := range map[string]slip{
		"sb1.1.1.0.0.-.0.":                     {slot: 1, mbal: 1, prev: "0"},
		"sb1.7.2.0.abc-1.-.1.e30.":             {slot: 7, mbal: 2, prev: "abc-1", text: []string{"{}"}},
		"sb1.7.3.2.abc-1.kq-2.2.e30..":         {slot: 7, mbal: 3, bal: 2, prev: "abc-1", id: "kq-2", text: []string{"{}", ""}},
		"sb1.7.3.0.abc-1.-.-.":                 {slot: 7, mbal: 3, prev: "abc-1", bare: true},
		"sb1e.7.3.3.abc-1.kq-2.0.":             {slot: 7, mbal: 3, bal: 3, prev: "abc-1", id: "kq-2", ended: true},
		"sb1.18446744073709551615.1.0.x.-.-.":  {slot: 1<<64 - 1, mbal: 1, prev: "x", bare: true},
		"sb1.2.1.1.0.kq-1.1.YSAiYiIgXDsg_w.":   {slot: 2, mbal: 1, bal: 1, prev: "0", id: "kq-1", text: []string{"a \"b\" \\; \xff"}},
		"sb1.2.1.1.0.kq-1.2.YQ.Yg.":            {slot: 2, mbal: 1, bal: 1, prev: "0", id: "kq-1", text: []string{"a", "b"}},
		"sb1.2.12.11.veryold-9z.kq-1.1.YWJj.":  {slot: 2, mbal: 12, bal: 11, prev: "veryold-9z", id: "kq-1", text: []string{"abc"}},
		"sb1e.2.12.11.veryold-9z.kq-1.1.YWJj.": {slot: 2, mbal: 12, bal: 11, prev: "veryold-9z", id: "kq-1", text: []string{"abc"}, ended: true},
	} {
		text := s.String()
		if cut := text[:len(text)-8]; cut != want {
			t.Errorf("%+v is %q, want %q", s, cut, want)
		}
		if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
			t.Errorf("%q has other characters", text)
		}
		for _, given := range []string{text, `"` + text + `"`, `"` + text[:9] + `" "` + text[9:] + `"`, `\"` + text + `\"`} {
			got, err := parseSlip(given)
			if err != nil {
				t.Errorf("%q: %v", given, err)
			}
			if diff := cmp.Diff(s, got, compareSlips); diff != "" {
				t.Errorf("%q (-want +got):\n%s", given, diff)
			}
		}
	}
}

func TestDamagedSlips(t *testing.T) {
	good := slip{slot: 7, mbal: 3, bal: 2, prev: "abc-1", id: "kq-2", text: []string{"text"}}.String()
	resealed := func(fields ...string) string { return sealed(fields) }
	for _, c := range []struct {
		text string
		want error
	}{
		{"", errSlip},
		{"v=spf1 -all", errSlip},
		{"sb2.7.3.2.abc-1.kq-2.1.dGV4dA.00000000", errSlip},
		{good[:len(good)-1], errSum},
		{good[:20], errSum},
		{strings.Replace(good, ".7.", ".8.", 1), errSum},
		{resealed("sb2", "7", "3", "2", "a", "b", "0"), errSlip},
		{resealed("sb1", "7", "3", "2", "a", "b"), errSlip},
		{resealed("sb1", "x", "3", "2", "a", "b", "0"), errFields},
		{resealed("sb1", "0", "3", "2", "a", "b", "0"), errFields},
		{resealed("sb1", "7", "0", "0", "a", "-", "0"), errFields},
		{resealed("sb1", "7", "1", "2", "a", "b", "0"), errFields},
		{resealed("sb1", "7", "1", "1", "a", "-", "0"), errFields},
		{resealed("sb1", "7", "1", "0", "a", "b", "0"), errFields},
		{resealed("sb1", "7", "1", "0", "", "-", "0"), errFields},
		{resealed("sb1", "7", "1", "1", "a", "b", "-"), errFields},
		{resealed("sb1", "7", "1", "1", "a", "b", "2", "dGV4dA"), errFields},
		{resealed("sb1", "7", "1", "1", "a", "b", "1", "d=V4dA"), errFields},
	} {
		if s, err := parseSlip(c.text); !errors.Is(err, c.want) {
			t.Errorf("%q: %+v, error %v, want %v", c.text, s, err, c.want)
		}
	}
}

func FuzzSlip(f *testing.F) {
	f.Add(slip{slot: 7, mbal: 3, bal: 2, prev: "abc-1", id: "kq-2", text: []string{"text", ""}}.String())
	f.Add(slip{slot: 1, mbal: 1, prev: "0"}.String())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSlip(text)
		if err != nil {
			return
		}
		again, err := parseSlip(s.String())
		if err != nil || !again.equal(s) {
			t.Errorf("%q is %+v, and then %+v (%v)", text, s, again, err)
		}
	})
}

func TestTags(t *testing.T) {
	for _, v := range []version{
		{slot: 0, id: zeroID, texts: []string{"plain"}},
		{slot: 12, id: "kq-2", texts: []string{"", "a", "b.c"}},
	} {
		got, err := parseTag(v.tag())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v, got, compareSlips); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, tag := range []string{"", "7.kq-2", "x.kq-2.YQ", "7..YQ", "7.kq.?"} {
		if v, err := parseTag(tag); err == nil {
			t.Errorf("%q is %+v, want an error", tag, v)
		}
	}
}

// A view is a moment only if two lists agree, and nothing has vanished in between.
func TestListsAgree(t *testing.T) {
	one := view{slips: []owned{left("b5", 3)}}
	two := view{slips: []owned{left("b5", 4)}}
	shaky := view{slips: one.slips, shaky: true}
	for _, c := range []struct {
		name  string
		lists []view
		want  bool
	}{
		{"one list", []view{one}, false},
		{"two that agree", []view{one, one}, true},
		{"two that differ", []view{one, two}, false},
		{"the second and the third agree", []view{one, two, two}, true},
		{"something has vanished", []view{one, shaky}, false},
		{"and then nothing", []view{one, shaky, one}, true},
		{"other copies", []view{one, {slips: one.slips, plain: []string{"x"}}}, true},
		{"no records, other texts", []view{{plain: []string{"x"}}, {plain: []string{"y"}}}, false},
	} {
		o := newLoad(self{spare: "kq"})
		a := o.start()
		for _, v := range c.lists {
			a = o.listed(v)
		}
		if got := a.verb == end; got != c.want {
			t.Errorf("%s: ended %v, want %v", c.name, got, c.want)
		}
	}
}

// What is decided, and what is not, by one look.
func TestStand(t *testing.T) {
	begun := func(by string, n uint64) owned {
		return owned{by, slip{slot: 4, mbal: n, prev: "b5-1", text: []string{"old"}}}
	}
	accepted := func(by string, mbal, bal uint64) owned {
		return owned{by, slip{slot: 4, mbal: mbal, bal: bal, prev: "b5-1", id: by + "-1", text: []string{by}}}
	}
	for _, c := range []struct {
		name    string
		slips   []owned
		verdict verdict
		id      string // of the current one
	}{
		{"nothing", nil, open, zeroID},
		{"one version", []owned{left("b5", 3)}, decided, "b5-1"},
		{"a ballot has begun", []owned{begun("a", 1), left("b5", 3)}, open, "b5-1"},
		{"it was accepted", []owned{accepted("a", 1, 1), left("b5", 3)}, decided, "a-1"},
		{"a lower one has begun", []owned{accepted("b", 1, 1), begun("a", 1)}, decided, "b-1"},
		{"a higher one has begun", []owned{accepted("a", 1, 1), begun("b", 1)}, torn, ""},
		{"its own next one has begun", []owned{accepted("a", 2, 1)}, torn, ""},
		{"two were accepted", []owned{accepted("a", 2, 2), accepted("b", 1, 1)}, decided, "a-1"},
		{"another history", []owned{begun("a", 1), {"b", slip{slot: 4, mbal: 1, prev: "other", text: []string{"x"}}}}, broken, ""},
		{"what was accepted is gone", []owned{{"a", slip{slot: 4, mbal: 1, prev: "b5-1", bare: true}}}, broken, ""},
	} {
		st := stand(view{slips: c.slips})
		now, ok := st.current()
		if st.verdict != c.verdict || ok != (c.id != "") || now.id != c.id {
			t.Errorf("%s: verdict %d, current %+v, want verdict %d and %q", c.name, st.verdict, now, c.verdict, c.id)
		}
	}
}
