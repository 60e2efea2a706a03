package registertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/solotick/solotick/register"
)

// json is a record as agents write it: it has every byte that is special in a
// zone file but the backslash.
const json = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":%d}`

func absent(t *testing.T, f Fixture) {
	s := load(t, f.Open())
	wantTexts(t, s)
	if s.Tag != "" {
		t.Errorf("tag %q, want none", s.Tag)
	}
}

func create(t *testing.T, f Fixture) {
	r := f.Open()
	s := swap(t, r, load(t, r), "first")
	wantTexts(t, s, "first")
	wantHeld(t, f, "first")

	// The zero snapshot is what an absent record looks like, seen or not.
	n := f.Neighbour()
	wantTexts(t, swap(t, n, register.Snapshot{}, "unseen"), "unseen")
	wantTexts(t, load(t, n), "unseen")
}

func createOver(t *testing.T, f Fixture) {
	r := f.Open()
	nothing := load(t, r)
	swap(t, r, nothing, "first")
	wantConflict(t, r, nothing, "second")
	wantConflict(t, r, register.Snapshot{}, "second")
	// The same text is no exception: an agent must be able to tell its own
	// create from an equal one.
	wantConflict(t, r, nothing, "first")
	wantHeld(t, f, "first")
}

func wantConflict(t *testing.T, r register.Register, old register.Snapshot, texts ...string) {
	t.Helper()
	_, err := r.Swap(opContext(t), old, texts)
	if !errors.Is(err, register.ErrConflict) || errors.Is(err, register.ErrUncertain) || errors.Is(err, register.ErrRefused) {
		t.Fatalf("swap to %q: error %v, want a conflict", texts, err)
	}
}

func resultIsLoad(t *testing.T, f Fixture) {
	r := f.Open()
	s := swap(t, r, load(t, r), "one", "two")
	for _, texts := range [][]string{{"three"}, {"four", "five", "six"}, nil, {"seven"}} {
		s = swap(t, r, s, texts...)
		loaded := load(t, f.Open())
		wantTexts(t, s, loaded.Texts...)
		if s.Tag != loaded.Tag {
			t.Errorf("after a swap to %q: tag %q, but a Load has %q", texts, s.Tag, loaded.Tag)
		}
		if s.Time.IsZero() != loaded.Time.IsZero() {
			t.Errorf("after a swap to %q: time %v, but a Load has %v", texts, s.Time, loaded.Time)
		}
	}
}

func chain(t *testing.T, f Fixture) {
	r := f.Open()
	var s register.Snapshot
	for i := range 20 {
		s = swap(t, r, s, fmt.Sprintf(json, i))
	}
	wantHeld(t, f, fmt.Sprintf(json, 19))
}

func stale(t *testing.T, f Fixture) {
	r := f.Open()
	first := swap(t, r, load(t, r), "first")
	second := swap(t, f.Open(), first, "second")
	wantConflict(t, r, first, "third")
	wantConflict(t, r, first, "second")
	wantConflict(t, r, first, "first")
	wantConflict(t, r, first) // a removal compares as well
	wantTexts(t, second, "second")
	wantHeld(t, f, "second")
}

func remove(t *testing.T, f Fixture) {
	r := f.Open()
	first := swap(t, r, load(t, r), "first", "foreign")
	gone := swap(t, r, first)
	wantTexts(t, gone)
	absent(t, f)
	wantConflict(t, r, first, "second")
	wantConflict(t, r, first)
	swap(t, r, gone, "again")
	wantHeld(t, f, "again")
}

func otherClient(t *testing.T, f Fixture) {
	a, b := f.Open(), f.Open()
	s := swap(t, a, load(t, b), "a")
	s = swap(t, b, s, "b")
	s = swap(t, a, s, "c")
	wantTexts(t, s, "c")
	wantHeld(t, f, "c")
}

func bytesSurvive(t *testing.T, f Fixture) {
	r := f.Open()
	s := load(t, r)
	for _, text := range []string{
		fmt.Sprintf(json, 1),
		`quotes " "" and backslash \ \\ \" \065 \`,
		`a;semicolon (parenthesis) $ @ ' # = , %`,
		"  spaces  before, between   and after  ",
		strings.Repeat("x", 254),
		strings.Repeat("x", 255),
		strings.Repeat("x", 256),
		strings.Repeat("0123456789abcdef", 32),           // 512
		strings.Repeat(`{"id":"VDNDNQNWQY",\ }`, 46),     // 966
		"st1.a1b2c3d4." + strings.Repeat("Zm9v_-", 39),   // sealed
		"st1.a1b2c3d4." + strings.Repeat("Zm9v_-8A", 62), // the same with a signature in it
		strings.TrimSuffix(fmt.Sprintf(json, 2), "}") + `,"sig":"` + strings.Repeat("Zm9v_-", 14) + `8A"}`,
	} {
		s = swap(t, r, s, text)
		wantTexts(t, s, text)
		wantHeld(t, f, text)
	}
}

func severalTexts(t *testing.T, f Fixture) {
	r := f.Open()
	s := swap(t, r, load(t, r), "v=spf1 -all", "one", strings.Repeat("y", 300))
	wantHeld(t, f, "one", "v=spf1 -all", strings.Repeat("y", 300))
	s = swap(t, r, s, "two", "v=spf1 -all")
	wantHeld(t, f, "two", "v=spf1 -all")
	s = swap(t, r, s, "v=spf1 -all")
	wantTexts(t, s, "v=spf1 -all")
	wantHeld(t, f, "v=spf1 -all")
}

func wholeSet(t *testing.T, f Fixture) {
	r := f.Open()
	one := swap(t, r, load(t, r), "one")
	both := swap(t, f.Open(), one, "one", "two")
	wantConflict(t, r, one, "three") // "one" is there, but not alone
	swap(t, f.Open(), both, "two")
	wantConflict(t, r, both, "three") // half of it is there
	wantHeld(t, f, "two")
}

func loadIsFresh(t *testing.T, f Fixture) {
	a, b := f.Open(), f.Open()
	s := load(t, a)
	for i := range 50 {
		text := fmt.Sprintf(json, i)
		s = swap(t, a, s, text)
		wantTexts(t, load(t, b), text)
	}
}

func wholeSeconds(t *testing.T, f Fixture) {
	r := f.Open()
	s := swap(t, r, load(t, r), "first")
	for _, s := range []register.Snapshot{s, load(t, r)} {
		if s.Time.Nanosecond() != 0 {
			t.Errorf("time %v has a fraction", s.Time)
		}
	}
}

func neighbour(t *testing.T, f Fixture) {
	r, n := f.Open(), f.Neighbour()
	beside := swap(t, n, load(t, n), "beside", "and more")
	s := swap(t, r, load(t, r), "first")
	s = swap(t, r, s, "second")
	wantTexts(t, load(t, n), "beside", "and more")
	swap(t, r, s)
	wantTexts(t, load(t, n), "beside", "and more")
	swap(t, n, beside)
	wantTexts(t, load(t, n))
	wantHeld(t, f)
}

func lostReply(t *testing.T, f Fixture) {
	before := swap(t, f.Open(), load(t, f.Open()), "before")
	wantUncertain(t, f.LoseReply(), before, "after")
	wantHeld(t, f, "after")
}

func lostRequest(t *testing.T, f Fixture) {
	before := swap(t, f.Open(), load(t, f.Open()), "before")
	wantUncertain(t, f.LoseRequest(), before, "after")
	wantHeld(t, f, "before")
}

func wantUncertain(t *testing.T, r register.Register, old register.Snapshot, texts ...string) {
	t.Helper()
	s, err := r.Swap(opContext(t), old, texts)
	if !errors.Is(err, register.ErrUncertain) || errors.Is(err, register.ErrConflict) || errors.Is(err, register.ErrRefused) {
		t.Fatalf("swap: %v, error %v, want uncertain", s, err)
	}
}

func unreachable(t *testing.T, f Fixture) {
	r := f.Unreachable()
	if s, err := r.Load(opContext(t)); !isPlain(err) {
		t.Errorf("load: %v, error %v, want one that is no outcome", s, err)
	}
	if s, err := r.Swap(opContext(t), register.Snapshot{}, []string{"first"}); !isPlain(err) {
		t.Errorf("swap: %v, error %v, want one that is no outcome", s, err)
	}
	wantHeld(t, f)
}

// isPlain reports whether err is an error and none of the outcomes of a swap.
func isPlain(err error) bool {
	return err != nil && !errors.Is(err, register.ErrConflict) &&
		!errors.Is(err, register.ErrUncertain) && !errors.Is(err, register.ErrRefused)
}

func cancelledBefore(t *testing.T, f Fixture) {
	r := f.Open()
	s := swap(t, r, load(t, r), "first")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("load: error %v, want context.Canceled", err)
	}
	if _, err := r.Swap(ctx, s, []string{"second"}); !isPlain(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("swap: error %v, want context.Canceled and no outcome", err)
	}
	wantHeld(t, f, "first")
}

func errorTexts(t *testing.T, f Fixture) {
	r := f.Open()
	nothing := load(t, r)
	swap(t, r, nothing, "first")
	ended, cancel := context.WithCancel(context.Background())
	cancel()

	var errs []error
	note := func(_ register.Snapshot, err error) { errs = append(errs, err) }
	note(r.Swap(opContext(t), nothing, []string{"second"}))
	note(r.Swap(ended, nothing, []string{"second"}))
	note(r.Load(ended))
	note(f.Unreachable().Load(opContext(t)))
	note(f.Unreachable().Swap(opContext(t), nothing, []string{"second"}))
	note(f.LoseReply().Swap(opContext(t), nothing, []string{"second"}))
	for _, err := range errs {
		if err == nil {
			t.Fatal("an operation that cannot succeed did")
		}
		text := err.Error()
		if !strings.Contains(text, f.Provider) || !strings.Contains(text, f.Name) {
			t.Errorf("error %q does not name %s and %s", text, f.Provider, f.Name)
		}
		for _, secret := range f.Secrets {
			if strings.Contains(text, secret) {
				t.Errorf("error %q shows a secret", strings.ReplaceAll(text, secret, "***"))
			}
		}
	}
}
