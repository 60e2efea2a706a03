package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"
)

// What a list, a map or a function is made of may be in several places at once. It
// counts in each of them, as whoever goes through it meets it so often. So no value
// is greater, gone through, than an expression may be.

func (a *account) within(v any) error {
	_, err := a.sizeOf(v, 0)
	return err
}

func (a *account) list(v []any) ([]any, error) { return v, a.within(v) }

func (a *account) mapping(v map[string]any) (map[string]any, error) { return v, a.within(v) }

func (a *account) given(v any) (any, error) { return v, a.within(v) }

// These look at the time after what may have taken long.

func (a *account) bool(v bool) (bool, error) { return v, a.inTime() }

func (a *account) int(v int) (int, error) { return v, a.inTime() }

func (a *account) then(v any) (any, error) { return v, a.inTime() }

func (a *account) split(s, by string, n ...int) ([]string, error) {
	if err := a.parts(s, by, n); err != nil {
		return nil, err
	}
	if len(n) > 0 {
		return strings.SplitN(s, by, n[0]), nil
	}
	return strings.Split(s, by), nil
}

func (a *account) splitAfter(s, by string, n ...int) ([]string, error) {
	if err := a.parts(s, by, n); err != nil {
		return nil, err
	}
	if len(n) > 0 {
		return strings.SplitAfterN(s, by, n[0]), nil
	}
	return strings.SplitAfter(s, by), nil
}

// parts counts what a split makes.
func (a *account) parts(s, by string, n []int) error {
	if len(n) > 1 {
		return errors.New("want a text, what to split it by, and how often at most")
	}
	parts := strings.Count(s, by) + 1
	if len(n) > 0 && n[0] >= 0 {
		parts = min(parts, n[0])
	}
	return a.grow(16 * parts)
}

func (a *account) fromJSON(s string) (any, error) {
	if err := a.grow(len(s) + 48*(strings.Count(s, ",")+strings.Count(s, "[")+strings.Count(s, "{"))); err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return nil, err
	}
	return v, a.inTime()
}

func (a *account) flatten(list any) ([]any, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return nil, fmt.Errorf("cannot flatten %T", list)
	}
	n, err := a.sizeOf(list, 0)
	if err == nil {
		err = a.grow(n)
	}
	if err != nil {
		return nil, err
	}
	return flat([]any{}, v), nil
}

func flat(all []any, v reflect.Value) []any {
	for i := range v.Len() {
		one := v.Index(i)
		if one.Kind() == reflect.Interface {
			one = one.Elem()
		}
		if one.Kind() == reflect.Slice || one.Kind() == reflect.Array {
			all = flat(all, one)
		} else {
			all = append(all, v.Index(i).Interface())
		}
	}
	return all
}

// match is matches. What has to do with nil does not match. The pattern is a text,
// or was one that does not change.
func (a *account) match(text, pattern any) (bool, error) {
	if text == nil || pattern == nil {
		return false, nil
	}
	s, ok := text.(string)
	if !ok {
		return false, fmt.Errorf("cannot match %T", text)
	}
	r, ok := pattern.(*regexp.Regexp)
	if !ok {
		p, ok := pattern.(string)
		if !ok {
			return false, fmt.Errorf("cannot match with %T", pattern)
		}
		var err error
		if r, err = regexp.Compile(p); err != nil {
			return false, err
		}
	}
	if len(s) < 1024 {
		return r.MatchString(s), a.inTime()
	}
	in := &timedReader{account: a, rest: s}
	matched := r.MatchReader(in)
	return matched, in.err
}

// A timedReader ends when the time is over.
type timedReader struct {
	account *account
	rest    string
	n       int
	err     error
}

func (t *timedReader) ReadRune() (r rune, size int, err error) {
	if t.n++; t.n&255 == 0 && t.err == nil {
		t.err = t.account.inTime()
	}
	if t.rest == "" || t.err != nil {
		return 0, 0, io.EOF
	}
	r, size = utf8.DecodeRuneInString(t.rest)
	t.rest = t.rest[size:]
	return r, size, nil
}
