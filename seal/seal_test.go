package seal_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

const (
	name  = "canary.example.com"
	claim = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903910000,"until":1641903925,"lease":15,"last":"ok"}`
	idle  = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903911000,"last":"ok"}`
)

// secret is 32 bytes that are the same for the same n.
func secret(n byte) (s [32]byte) {
	for i := range s {
		s[i] = n + byte(i)
	}
	return s
}

func key(n byte) seal.Key            { return seal.NewKey(secret(n)) }
func signing(n byte) seal.SigningKey { return seal.NewSigningKey(secret(n)) }

func rings() map[string]*seal.Ring {
	return map[string]*seal.Ring{
		"sealed": {Seal: []seal.Key{key(1)}},
		"signed": {Sign: signing(2)},
		"both":   {Seal: []seal.Key{key(1)}, Sign: signing(2)},
	}
}

func mustParse(t testing.TB, text string) record.Record {
	t.Helper()
	r, err := record.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read is what one value at the name amounts to.
func read(ring *seal.Ring, at, value string) record.Set {
	return record.ReadAs(ring.Form(at), []string{value}, 0)
}

func TestRoundTrip(t *testing.T) {
	for kind, ring := range rings() {
		t.Run(kind, func(t *testing.T) {
			for _, text := range []string{claim, idle} {
				r := mustParse(t, text)
				texts := record.ReadAs(ring.Form(name), []string{"v=spf1 -all"}, 0).With(r)
				if len(texts) != 2 || texts[0] != "v=spf1 -all" {
					t.Fatalf("written: %q", texts)
				}
				if again := record.ReadAs(ring.Form("Canary.Example.COM."), []string{"v=spf1 -all"}, 0).With(r); again[1] != texts[1] {
					t.Errorf("not a function of key, name and record:\n%s\n%s", texts[1], again[1])
				}
				set := record.ReadAs(ring.Form(name), texts, 0)
				want := record.Protection{}
				if kind != "signed" {
					want.Sealed = key(1).ID()
				}
				if kind != "sealed" {
					want.Signed, want.Signer = true, signing(2).Public().ID()
				}
				if set.State != record.Present || set.Record != r || set.Detail != nil || set.Protection != want {
					t.Errorf("read as %+v", set)
				}
			}
		})
	}
}

// Whatever byte of a value is changed to whatever it is no record any more.
func TestEveryByte(t *testing.T) {
	for kind, ring := range rings() {
		t.Run(kind, func(t *testing.T) {
			value := ring.Form(name).Close(claim)
			for at := range value {
				for bit := range 8 {
					b := []byte(value)
					b[at] ^= 1 << bit
					if set := read(ring, name, string(b)); set.State == record.Present {
						t.Fatalf("byte %d, bit %d: %q reads as %s", at, bit, b, set.Record)
					}
				}
				if set := read(ring, name, value[:at]); set.State == record.Present {
					t.Fatalf("cut at %d, it reads as %s", at, set.Record)
				}
				if set := read(ring, name, value[:at]+"A"+value[at:]); set.State == record.Present {
					t.Fatalf("with a byte more at %d, it reads as %s", at, set.Record)
				}
			}
		})
	}
}

func TestMoved(t *testing.T) {
	for kind, ring := range rings() {
		value := ring.Form(name).Close(claim)
		set := read(ring, "other.example.com", value)
		want := record.Unopenable
		if kind == "signed" {
			want = record.Damaged
		}
		if set.State != want || !strings.Contains(fmt.Sprint(set.Detail), "moved here from another name") {
			t.Errorf("%s: %v, %v", kind, set.State, set.Detail)
		}
	}
}

func TestErrUnopenable(t *testing.T) {
	mine := &seal.Ring{Seal: []seal.Key{key(1)}}
	for value, want := range map[string]string{
		(&seal.Ring{Seal: []seal.Key{key(9)}}).Form(name).Close(claim): "sealed with the key " + key(9).ID() + ", which is not here",
		"st1." + key(1).ID() + ".AAAA":                                 "is here, so the record was altered",
		"st1.":                                                         "cut short or altered",
		"st1.\x1b[31m.AAAA":                                            "cut short or altered",
	} {
		_, _, err := mine.Form(name).Open(value)
		if !errors.Is(err, record.ErrUnopenable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", value, err, want)
		}
	}
}

// A sealed value tells nothing of what is in it by its length either.
func TestLength(t *testing.T) {
	ring := rings()["sealed"]
	for n, want := range map[int]int{2: 255, 92: 255, 141: 255, 142: 509, 332: 509, 333: 765, 1024: 1529} {
		value := ring.Form(name).Close("{" + strings.Repeat("x", n-2) + "}")
		if len(value) != want {
			t.Errorf("%d bytes are sealed in %d, want %d", n, len(value), want)
		}
		if _, err := base64.RawURLEncoding.DecodeString(value[13:]); err != nil {
			t.Error(err)
		}
	}
}
