package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// The bounds of one evaluation. expr has none for time, and counts the elements
// of lists and maps only.
const (
	maxTime     = time.Second
	maxBytes    = 32 << 20
	maxElements = 1_000_000
)

var (
	errTime = fmt.Errorf("takes longer than %v", maxTime)
	errSize = errors.New("needs more memory than an expression may have")
)

// replaced are functions of expr that can make much of little, or take a time
// that grows with the square of their data. Ours do the same within bounds.
var replaced = []string{"repeat", "replace", "join", "string", "toJSON", "uniq", "split", "splitAfter", "fromJSON", "flatten"}

// An account is what one evaluation has used.
type account struct {
	end   time.Time
	steps int
	bytes int
}

func newAccount() *account { return &account{end: time.Now().Add(maxTime)} }

func (a *account) functions() map[string]any {
	return map[string]any{
		"__step": a.step, "__text": a.text, "__any": a.any,
		"__list": a.list, "__map": a.mapping, "__given": a.given, "__bool": a.bool, "__int": a.int, "__then": a.then, "__match": a.match,
		"repeat": a.repeat, "replace": a.replace, "join": a.join, "string": a.string, "toJSON": a.toJSON, "uniq": a.uniq,
		"split": a.split, "splitAfter": a.splitAfter, "fromJSON": a.fromJSON, "flatten": a.flatten,
	}
}

// step is called once for each element that a function such as filter looks at.
func (a *account) step() (bool, error) {
	return true, a.inTime()
}

func (a *account) inTime() error {
	if time.Now().After(a.end) {
		return errTime
	}
	return nil
}

// grow counts bytes before they are made.
func (a *account) grow(n int) error {
	if n < 0 || n > maxBytes-a.bytes {
		return errSize
	}
	a.bytes += n
	return a.inTime()
}

// These count what a function has made, which is not much more than it was given.
func (a *account) text(s string) (string, error) { return s, a.grow(len(s)) }

func (a *account) any(v any) (any, error) {
	n, err := a.sizeOf(v, 0)
	if err == nil {
		err = a.grow(n)
	}
	return v, err
}

func (a *account) repeat(s string, n int) (string, error) {
	if n < 0 {
		return "", fmt.Errorf("cannot repeat %d times", n)
	}
	if len(s) > 0 && n > maxBytes/len(s) {
		return "", errSize
	}
	if err := a.grow(len(s) * n); err != nil {
		return "", err
	}
	return strings.Repeat(s, n), nil
}

func (a *account) replace(s, old, by string) (string, error) {
	if n := strings.Count(s, old); len(by) > 0 && n > maxBytes/len(by) {
		return "", errSize
	} else if err := a.grow(len(s) + n*len(by)); err != nil {
		return "", err
	}
	return strings.ReplaceAll(s, old, by), nil
}

func (a *account) join(list any, glue ...string) (string, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return "", fmt.Errorf("cannot join %T", list)
	}
	var between string
	if len(glue) > 0 {
		between = glue[0]
	}
	var b strings.Builder
	for i := range v.Len() {
		s, ok := v.Index(i).Interface().(string)
		if !ok {
			return "", fmt.Errorf("cannot join a list with a %T in it", v.Index(i).Interface())
		}
		if i > 0 {
			s = between + s
		}
		if err := a.grow(len(s)); err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// string is the text of a value as a [Text] shows it.
func (a *account) string(v any) (string, error) {
	n, err := a.sizeOf(v, 0)
	if err == nil {
		err = a.grow(n)
	}
	if err != nil {
		return "", err
	}
	return show(v), nil
}

func (a *account) toJSON(v any) (string, error) {
	n, err := a.sizeOf(v, 0)
	if err == nil {
		err = a.grow(2 * n)
	}
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return string(b), err
}

// uniq leaves out what was there before. Values are the same if their JSON is.
func (a *account) uniq(list any) ([]any, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return nil, fmt.Errorf("cannot take what is unique of %T", list)
	}
	seen := make(map[string]bool)
	all := []any{}
	for i := range v.Len() {
		one := v.Index(i).Interface()
		n, err := a.sizeOf(one, 0)
		if err == nil {
			err = a.grow(n + 16)
		}
		if err != nil {
			return nil, err
		}
		key, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		if text := fmt.Sprintf("%T %s", one, key); !seen[text] {
			seen[text] = true
			all = append(all, one)
		}
	}
	return all, nil
}

// sizeOf is about how many bytes the text of a value has. Parts that several
// values share count for each: they are written as often.
func (a *account) sizeOf(v any, depth int) (int, error) {
	if depth > 100 {
		return 0, errSize
	}
	if a.steps++; a.steps&63 == 0 {
		if err := a.inTime(); err != nil {
			return 0, err
		}
	}
	n := 8
	add := func(part any) error {
		m, err := a.sizeOf(part, depth+1)
		if n += m; n > maxBytes {
			return errSize
		}
		return err
	}
	switch v := v.(type) {
	case string:
		return n + len(v), nil
	case []int:
		return n + 8*len(v), nil
	case []any:
		for _, one := range v {
			if err := add(one); err != nil {
				return 0, err
			}
		}
	case map[string]any:
		for k, one := range v {
			n += len(k)
			if err := add(one); err != nil {
				return 0, err
			}
		}
	default:
		r := reflect.ValueOf(v)
		switch r.Kind() {
		case reflect.Slice, reflect.Array:
			for i := range r.Len() {
				if err := add(r.Index(i).Interface()); err != nil {
					return 0, err
				}
			}
		case reflect.Map:
			for _, k := range r.MapKeys() {
				if err := errors.Join(add(k.Interface()), add(r.MapIndex(k).Interface())); err != nil {
					return 0, err
				}
			}
		case reflect.String:
			n += r.Len()
		}
	}
	return n, nil
}
