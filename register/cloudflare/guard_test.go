package cloudflare

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

// A world is Cloudflare as it may be: what of the things that keep two swaps apart
// does not hold.
type world struct {
	name                     string
	gone, identical, aliases bool // accepted: the delete of a gone id, an identical record, a second CNAME
}

func (w world) start(t *testing.T) (fake *cloudtest.Cloudflare, zone string) {
	fake, zone = start(t)
	fake.AcceptGone(w.gone)
	fake.AcceptIdentical(w.identical)
	fake.AcceptAliases(w.aliases)
	return fake, zone
}

var (
	asDocumented   = world{name: "as documented"}
	onlyGone       = world{name: "only A: the delete of a gone id fails", identical: true, aliases: true}
	onlyPlace      = world{name: "only B: a name has one CNAME, and no two records are identical", gone: true}
	onlyIdentical  = world{name: "only B: no two records are identical", gone: true, aliases: true}
	onlyCNAME      = world{name: "only B: a name has one CNAME", gone: true, identical: true}
	nothingOfThese = world{name: "neither A nor B", gone: true, identical: true, aliases: true}
)

// race lets 16 clients swap what each of them has read, and returns the texts of
// those who won.
func race(t *testing.T, fake *cloudtest.Cloudflare, old register.Snapshot) (winners []string) {
	t.Helper()
	const racers = 16
	outcomes := make([]error, racers)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		r := open(t, config(fake), name)
		load(t, r)
		wg.Go(func() {
			<-begin
			_, outcomes[i] = r.Swap(t.Context(), old, []string{fmt.Sprintf("client %d", i)})
		})
	}
	close(begin)
	wg.Wait()
	for i, err := range outcomes {
		switch {
		case err == nil:
			winners = append(winners, fmt.Sprintf("client %d", i))
		case !errors.Is(err, register.ErrConflict):
			t.Errorf("client %d: error %v, want a conflict", i, err)
		}
	}
	slices.Sort(winners)
	got := load(t, open(t, config(fake), name)).Texts
	slices.Sort(got)
	if diff := cmp.Diff(winners, got); diff != "" {
		t.Errorf("what the winners wrote is not what is there (-want +got):\n%s", diff)
	}
	return winners
}

func TestEachGuardAloneLetsOneSwapWin(t *testing.T) {
	for _, w := range []world{asDocumented, onlyGone, onlyPlace, onlyIdentical, onlyCNAME} {
		t.Run(w.name, func(t *testing.T) {
			fake, _ := w.start(t)
			r := open(t, config(fake), name)
			s := swap(t, r, register.Snapshot{}, "first")
			for range 3 {
				if winners := race(t, fake, s); len(winners) != 1 {
					t.Fatalf("%d clients won: %q", len(winners), winners)
				}
				s = load(t, r)
			}
		})
	}
}

func TestTheGuardLetsOneCreateWin(t *testing.T) {
	for _, w := range []world{asDocumented, onlyPlace, onlyIdentical, onlyCNAME} {
		t.Run(w.name, func(t *testing.T) {
			fake, _ := w.start(t)
			if winners := race(t, fake, register.Snapshot{}); len(winners) != 1 {
				t.Fatalf("%d clients won: %q", len(winners), winners)
			}
		})
	}
}

// TestWithoutGuardsSeveralWin shows that the tests above can fail.
func TestWithoutGuardsSeveralWin(t *testing.T) {
	t.Run("swaps", func(t *testing.T) {
		fake, _ := nothingOfThese.start(t)
		s := swap(t, open(t, config(fake), name), register.Snapshot{}, "first")
		if winners := race(t, fake, s); len(winners) < 2 {
			t.Errorf("%d clients won", len(winners))
		}
	})
	// Where nothing is there is no id that could be gone: A is of no use.
	t.Run("creates", func(t *testing.T) {
		fake, _ := onlyGone.start(t)
		if winners := race(t, fake, register.Snapshot{}); len(winners) < 2 {
			t.Errorf("%d clients won", len(winners))
		}
	})
}

// TestLateCopies has a copy of a swap land when other swaps have been applied since:
// it must not be, however many they are.
func TestLateCopies(t *testing.T) {
	for _, w := range []world{asDocumented, onlyGone, onlyPlace, onlyIdentical, onlyCNAME} {
		t.Run(w.name, func(t *testing.T) {
			fake, zone := w.start(t)
			r := open(t, config(fake), name)
			s := swap(t, r, register.Snapshot{}, "first")
			for i := range 4 {
				fake.OnWrites(cloudtest.Late)
				if _, err := r.Swap(t.Context(), s, []string{fmt.Sprintf("late %d", i)}); !errors.Is(err, register.ErrUncertain) {
					t.Fatalf("error %v, want uncertain", err)
				}
				s = swap(t, r, s, fmt.Sprintf("swap %d", i))
			}
			fake.Land()
			if got := load(t, r); len(got.Texts) != 1 || got.Texts[0] != "swap 3" || got.Tag != s.Tag {
				t.Errorf("there is %q", got.Texts)
			}
			if n := len(fake.Records(zone, "")); n != 2 {
				t.Errorf("%d records in the zone, want the record and its guard", n)
			}
		})
	}
}

// TestLateCreate: a late copy of a create is refused while anything is there. The
// one of the very first may land after a removal: nothing is nothing.
func TestLateCreate(t *testing.T) {
	for _, w := range []world{asDocumented, onlyPlace, onlyIdentical, onlyCNAME} {
		t.Run(w.name, func(t *testing.T) {
			fake, _ := w.start(t)
			r := open(t, config(fake), name)
			load(t, r)
			fake.OnWrites(cloudtest.Late)
			if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"late"}); !errors.Is(err, register.ErrUncertain) {
				t.Fatalf("error %v, want uncertain", err)
			}
			s := swap(t, r, register.Snapshot{}, "first")
			s = swap(t, r, s, "second")
			fake.Land()
			if got := load(t, r); got.Tag != s.Tag {
				t.Errorf("there is %q", got.Texts)
			}
		})
	}
}

func TestResendingASwapThatIsUnderWay(t *testing.T) {
	fake, _ := start(t)
	r := open(t, config(fake), name)
	s := swap(t, r, register.Snapshot{}, "first")
	fake.OnWrites(cloudtest.Late)
	if _, err := r.Swap(t.Context(), s, []string{"second"}); !errors.Is(err, register.ErrUncertain) {
		t.Fatalf("error %v, want uncertain", err)
	}
	fake.Land() // before the second copy is sent
	if _, err := r.Swap(t.Context(), s, []string{"second"}); !errors.Is(err, register.ErrConflict) {
		t.Errorf("error %v, want a conflict", err)
	}
	if got := load(t, r).Texts; !slices.Equal(got, []string{"second"}) {
		t.Errorf("there is %q", got)
	}
}

// TestRemoval: a removal posts nothing, and rests on the ids alone.
func TestRemoval(t *testing.T) {
	for _, w := range []world{asDocumented, onlyGone} {
		t.Run(w.name, func(t *testing.T) {
			fake, zone := w.start(t)
			r := open(t, config(fake), name)
			s := swap(t, r, register.Snapshot{}, "first")
			if gone := swap(t, r, s); gone.Tag != "" || len(gone.Texts) > 0 {
				t.Errorf("%+v is left", gone)
			}
			if left := fake.Records(zone, ""); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
			for _, texts := range [][]string{{"second"}, nil} {
				if _, err := r.Swap(t.Context(), s, texts); !errors.Is(err, register.ErrConflict) {
					t.Errorf("a swap of what was removed to %q: error %v, want a conflict", texts, err)
				}
			}
			swap(t, r, register.Snapshot{}, "again")
		})
	}
	t.Run("a late one is told so even without A", func(t *testing.T) {
		fake, _ := onlyPlace.start(t)
		r := open(t, config(fake), name)
		s := swap(t, r, register.Snapshot{}, "first")
		swap(t, r, s, "second")
		if _, err := r.Swap(t.Context(), s, nil); !errors.Is(err, register.ErrConflict) {
			t.Errorf("error %v, want a conflict", err)
		}
		if got := load(t, r).Texts; !slices.Equal(got, []string{"second"}) {
			t.Errorf("there is %q", got)
		}
	})
}

// TestByHand: what people delete in the dashboard.
func TestByHand(t *testing.T) {
	for _, w := range []world{asDocumented, onlyGone, onlyPlace} {
		t.Run(w.name, func(t *testing.T) {
			t.Run("the record", func(t *testing.T) {
				fake, zone := w.start(t)
				r := open(t, config(fake), name)
				s := swap(t, r, register.Snapshot{}, "first")
				fake.Remove(zone, name)
				nothing := load(t, r)
				if len(nothing.Texts) > 0 || nothing.Tag == "" {
					t.Fatalf("%+v: want nothing, and the guard that was left", nothing)
				}
				if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"unseen"}); w != onlyGone && !errors.Is(err, register.ErrConflict) {
					t.Errorf("a create that knows nothing of the guard: error %v, want a conflict", err)
				}
				if w == asDocumented {
					if _, err := r.Swap(t.Context(), s, []string{"late"}); !errors.Is(err, register.ErrConflict) {
						t.Errorf("a swap of what was deleted: error %v, want a conflict", err)
					}
				}
				if w != onlyGone {
					swap(t, r, nothing, "second")
					if winners := race(t, fake, load(t, r)); len(winners) != 1 {
						t.Errorf("%d clients won", len(winners))
					}
				}
			})
			t.Run("the guard", func(t *testing.T) {
				fake, zone := w.start(t)
				r := open(t, config(fake), name)
				swap(t, r, register.Snapshot{}, "first")
				fake.Remove(zone, guardOf(name))
				if winners := race(t, fake, load(t, r)); len(winners) != 1 {
					t.Errorf("%d clients won", len(winners))
				}
			})
		})
	}
}

// TestEditInPlace documents what cannot be seen: an edit keeps the id.
func TestEditInPlace(t *testing.T) {
	fake, zone := start(t)
	r := open(t, config(fake), name)
	s := swap(t, r, register.Snapshot{}, "first")
	fake.Edit(zone, fake.Records(zone, name)[0].ID, `"edited"`)
	now := load(t, r)
	if now.Tag == s.Tag {
		t.Error("a Load does not tell an edited record from what was there before")
	}
	swap(t, r, s, "second")
	if got := load(t, r).Texts; !slices.Equal(got, []string{"second"}) {
		t.Errorf("there is %q", got)
	}
}
