package register_test

import (
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

func TestMemory(t *testing.T) { registertest.Test(t, memoryFixture) }

// What passes all of the suite passes what is asked of a timed register.
func TestMemoryWeak(t *testing.T) { registertest.Weak(t, memoryFixture) }

func memoryFixture(*testing.T) registertest.Fixture {
	m := new(register.Memory)
	const name = "canary.example.com"
	open := func() register.Register { return m.At(name) }
	return registertest.Fixture{
		// What fails here is the wrapper, Memory cannot: no provider to name.
		Provider: "", Name: name, Open: open,
		Neighbour:   func() register.Register { return m.At("beside.example.com") },
		LoseReply:   func() register.Register { return registertest.NewFaulty(open(), name, registertest.Lose) },
		LoseRequest: func() register.Register { return registertest.NewFaulty(open(), name, registertest.Drop) },
		Unreachable: func() register.Register {
			f := registertest.NewFaulty(open(), name)
			f.SetDown(true)
			return f
		},
	}
}

func TestMemoryClock(t *testing.T) {
	at := time.Date(2026, 11, 23, 5, 0, 0, 999, time.UTC)
	m := &register.Memory{Now: func() time.Time { return at }}
	s, err := m.At("a").Load(t.Context())
	if want := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC); err != nil || !s.Time.Equal(want) {
		t.Errorf("time %v, error %v, want %v", s.Time, err, want)
	}
	at = time.Time{}
	if s, err = m.At("a").Load(t.Context()); err != nil || !s.Time.IsZero() {
		t.Errorf("a register that tells no time: time %v, error %v", s.Time, err)
	}
}

func TestMemoryPut(t *testing.T) {
	m := new(register.Memory)
	r := m.At("a")
	m.Put("a", "by hand", "by hand", "and more")
	s, err := r.Load(t.Context())
	if err != nil || len(s.Texts) != 2 {
		t.Fatalf("texts %q, error %v, want two", s.Texts, err)
	}
	m.Put("a")
	if _, err := r.Swap(t.Context(), s, []string{"new"}); err == nil {
		t.Error("a swap of what an operator has deleted was applied")
	}
	if texts := m.Texts("a"); len(texts) != 0 {
		t.Errorf("texts %q, want none", texts)
	}
}
