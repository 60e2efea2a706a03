package seal_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

func TestKeyText(t *testing.T) {
	k, s := key(1), signing(2)
	for name, c := range map[string]struct {
		text string
		want string // in the error; "": none
	}{
		"as written":              {k.Secret(), ""},
		"in a file":               {"# Solotick: the seal key\n\n  " + strings.ToUpper(k.Secret()) + "\r\n", ""},
		"nothing":                 {"# only a comment\n\n", "is empty, or has nothing but comments"},
		"two keys":                {k.Secret() + "\n" + key(3).Secret(), "has more than one line"},
		"something else":          {"hunter2", "is no key of Solotick; want a seal key"},
		"a signing key":           {s.Secret(), "is a signing key (solotick-sign-...), which is secret; want a seal key"},
		"a verify key":            {s.Public().String(), "is a verify key"},
		"one character less":      {k.Secret()[:len(k.Secret())-1], "has 55 characters"},
		"one more":                {k.Secret() + "a", "has 57 characters"},
		"a digit that is not one": {k.Secret()[:30] + "1" + k.Secret()[31:], "letters and the digits 2 to 7"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := seal.ParseKey(c.text)
			switch {
			case c.want == "" && (err != nil || !got.Equal(k)):
				t.Errorf("%v, %v", got, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %s", err, c.want)
			case err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), k.Secret()[15:30])):
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// Any one character mistyped, and any two neighbours swapped, are found.
func TestKeyTypos(t *testing.T) {
	text := key(1).Secret()
	begin := len("solotick-seal-")
	for i := begin; i < len(text); i++ {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			typo := text[:i] + string(c) + text[i+1:]
			if _, err := seal.ParseKey(typo); err == nil && typo != text {
				t.Errorf("%q in the place of %q at %d is not found", c, text[i], i)
			}
		}
		if i > begin && text[i] != text[i-1] {
			typo := text[:i-1] + text[i:i+1] + text[i-1:i] + text[i+1:]
			if _, err := seal.ParseKey(typo); err == nil {
				t.Errorf("characters %d and %d swapped are not found", i-1, i)
			}
		}
	}
}

// No way to print a key shows its secret.
func TestKeysAreNotShown(t *testing.T) {
	ring := seal.Ring{Seal: []seal.Key{key(1)}, Sign: signing(2), Verify: []seal.VerifyKey{signing(3).Public()}}
	var out strings.Builder
	hidden := struct { // in fields that fmt prints without asking
		key  seal.Key
		sign seal.SigningKey
		ring seal.Ring
		form record.Form
	}{ring.Seal[0], ring.Sign, ring, ring.Form(name)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		for _, v := range []any{hidden, &hidden, ring.Form(name), read(&ring, name, claim), ring, &ring, ring.Seal, ring.Seal[0], &ring.Seal[0], ring.Sign, &ring.Sign, map[string]any{"x": ring.Sign}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, log := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(log).Info("x", "ring", ring, "key", ring.Seal[0], "sign", ring.Sign)
	}
	if text, err := json.Marshal(ring); err == nil {
		out.Write(text)
	}
	shown := out.String()
	if !strings.Contains(shown, "seal key "+key(1).ID()) || !strings.Contains(shown, "signing key "+signing(2).Public().ID()) {
		t.Errorf("a key is not named:\n%s", shown)
	}
	s1, s2 := secret(1), secret(2)
	for _, secret := range []string{
		key(1).Secret()[14:40], signing(2).Secret()[14:40], fmt.Sprintf("%x", s1[:8]), fmt.Sprintf("%x", s2[:8]),
		strings.Trim(fmt.Sprint(s1[:8]), "[]"), strings.Trim(fmt.Sprint(s2[:8]), "[]"), string(s1[:8]), string(s2[:8]),
	} {
		if strings.Contains(shown, secret) {
			t.Errorf("shows %q", secret)
		}
	}
}

// Two readings of one file are equal: an agent that is told to read its file again goes
// on with the jobs whose keys are the same.
func TestFormsAreEqual(t *testing.T) {
	form := func(sealed, signed byte) record.Form {
		r := seal.Ring{Seal: []seal.Key{key(sealed)}, Sign: signing(signed)}
		return r.Form(name)
	}
	if !reflect.DeepEqual(form(1, 2), form(1, 2)) {
		t.Error("the same keys make different forms")
	}
	if reflect.DeepEqual(form(1, 2), form(3, 2)) || reflect.DeepEqual(form(1, 2), form(1, 3)) {
		t.Error("other keys make the same form")
	}
}

// While records without a signature are taken, one whose signature is not where agents
// put it is none of these.
func TestSignatureOutOfPlace(t *testing.T) {
	r := seal.Ring{Sign: signing(2), Unsigned: seal.Read}
	altered := strings.Replace(r.Form(name).Close(claim), `"timer":`, `"timer":9`, 1)
	for _, value := range []string{altered, altered + " ", strings.Replace(altered, `"sig"`, `"\u0073ig"`, 1), strings.Replace(altered, `,"sig":`, `, "sig":`, 1)} {
		if set := read(&r, name, value); set.State != record.Damaged || !set.Protection.Signed || set.Protection.Signer != "" {
			t.Errorf("%s: %v, %+v", value, set.State, set.Protection)
		}
	}
	if set := read(&r, name, claim); set.State != record.Present {
		t.Errorf("a record without one is %v: %v", set.State, set.Detail)
	}
}

func TestRingAdd(t *testing.T) {
	var r seal.Ring
	for _, c := range []struct{ text, want string }{
		{key(1).Secret(), ""},
		{"# public\n" + signing(2).Public().String(), ""},
		{key(1).Secret(), "is there twice: seal keys 1 and 2 are the same, " + key(1).ID()},
		{signing(2).Secret(), "is a signing key (solotick-sign-...), which is secret: who only reads needs the public half, " + signing(2).Public().String()},
		{"x", "is no key of Solotick"},
		{"", "is empty"},
		{key(1).Secret()[:40], "characters"},
	} {
		before := len(r.Seal) + len(r.Verify)
		err := r.Add(c.text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if grew := len(r.Seal)+len(r.Verify) > before; grew != (c.want == "") {
			t.Errorf("%q: grew %v", c.want, grew)
		}
	}
	value := (&seal.Ring{Seal: []seal.Key{key(1)}, Sign: signing(2)}).Form(name).Close(claim)
	if set := read(&r, name, value); set.State != record.Present || set.Protection != (record.Protection{Sealed: key(1).ID(), Signed: true, Signer: signing(2).Public().ID()}) {
		t.Errorf("a reader sees %v %+v: %v", set.State, set.Protection, set.Detail)
	}
}

func TestRingCheck(t *testing.T) {
	twice := seal.Ring{Verify: []seal.VerifyKey{signing(1).Public(), signing(2).Public(), signing(1).Public()}}
	if err := twice.Check(); err == nil || !strings.Contains(err.Error(), "verify keys 1 and 3 are the same") {
		t.Error(err)
	}
	fine := seal.Ring{Seal: []seal.Key{key(1), key(2)}, Sign: signing(1), Verify: []seal.VerifyKey{signing(1).Public(), signing(2).Public()}}
	if err := fine.Check(); err != nil {
		t.Error(err)
	}
	if new(seal.Ring).Form(name) != nil {
		t.Error("no key, and a form")
	}
}

// Two keys may have one id: what one seals the other does not open, and a ring
// with both opens either.
func TestSameID(t *testing.T) {
	v := readVectors(t)
	a, b := seal.NewKey(v.secret(t, 0)), seal.NewKey(v.secret(t, 1))
	if a.ID() != b.ID() || a.Equal(b) {
		t.Fatalf("%v and %v", a, b)
	}
	both := &seal.Ring{Seal: []seal.Key{a, b}}
	for _, k := range []seal.Key{a, b} {
		alone := &seal.Ring{Seal: []seal.Key{k}}
		value := alone.Form(name).Close(claim)
		if set := read(both, name, value); set.State != record.Present {
			t.Errorf("%v: %v", set.State, set.Detail)
		}
	}
	set := read(&seal.Ring{Seal: []seal.Key{b}}, name, (&seal.Ring{Seal: []seal.Key{a}}).Form(name).Close(claim))
	if set.State != record.Unopenable || !strings.Contains(set.Detail.Error(), "is here, so the record was altered") {
		t.Errorf("%v: %v", set.State, set.Detail)
	}
}

// What is done about a record without a protection is for the ring to say.
func TestAccept(t *testing.T) {
	signedOnly := &seal.Ring{Sign: signing(2)}
	for _, c := range []struct {
		name    string
		ring    seal.Ring
		value   string
		read    record.State
		written string // how the next one begins
	}{
		{"plain, refused", seal.Ring{Seal: []seal.Key{key(1)}}, claim, record.Damaged, "st1."},
		{"plain, read", seal.Ring{Seal: []seal.Key{key(1)}, Plain: seal.Read}, claim, record.Present, "st1."},
		{"plain, written", seal.Ring{Seal: []seal.Key{key(1)}, Plain: seal.Write}, claim, record.Present, `{"id"`},
		{"sealed, plain written", seal.Ring{Seal: []seal.Key{key(1)}, Plain: seal.Write}, (&seal.Ring{Seal: []seal.Key{key(1)}}).Form(name).Close(claim), record.Present, `{"id"`},
		{"signed is plain, too", seal.Ring{Seal: []seal.Key{key(1)}}, signedOnly.Form(name).Close(claim), record.Damaged, "st1."},
		{"unsigned, read", seal.Ring{Sign: signing(2), Unsigned: seal.Read}, claim, record.Present, `{"id"`},
		{"a signature that is not good, where none is needed", seal.Ring{Sign: signing(3), Unsigned: seal.Read}, signedOnly.Form(name).Close(claim), record.Damaged, `{"id"`},
		{"signed, without a key to verify by", seal.Ring{}, signedOnly.Form(name).Close(claim), record.Present, `{"id"`},
		{"verified by a public key alone", seal.Ring{Verify: []seal.VerifyKey{signing(2).Public()}}, signedOnly.Form(name).Close(claim), record.Present, `{"id"`},
	} {
		set := read(&c.ring, name, c.value)
		if set.State != c.read {
			t.Errorf("%s: %v, %v", c.name, set.State, set.Detail)
		}
		if c.read == record.Present && (set.Record.ID != "VDNDNQNWQY" || set.Record.Extra != "") {
			t.Errorf("%s: %s", c.name, set.Record)
		}
		next := set.With(record.Record{ID: "N", Seq: 9})
		if len(next) != 1 || !strings.HasPrefix(next[0], c.written) {
			t.Errorf("%s: writes %q", c.name, next)
		}
		signs := !c.ring.Sign.Zero() && c.ring.Unsigned != seal.Write && c.written != "st1."
		if strings.Contains(next[0], `"sig"`) != signs {
			t.Errorf("%s: writes %q", c.name, next)
		}
	}
}

// The bounds of section 9: what agents write without a state stays in one string,
// sealed or signed, whatever their numbers are; and what does not.
func TestOneString(t *testing.T) {
	const lastSecond = 9999999999 // of ten digits: in 2286
	longest := record.Record{
		ID: "VDNDNQNWQY", Timer: lastSecond, TimerOld: lastSecond, Seq: lastSecond * 1000, Claimed: true, Until: lastSecond, Lease: 900,
		Try: 999, Last: record.Timeout, // attempts 100 and takeovers 100 at most
	}
	first := longest
	first.Try, first.Last = 0, record.Replaced
	retry := longest
	retry.Claimed, retry.Until, retry.Lease = false, 0, 0
	paused := retry
	paused.Pause = lastSecond
	why := paused
	why.Try, why.Last, why.Why = 0, record.OK, strings.Repeat("w", 40)
	prefix := first
	prefix.ID = strings.Repeat("P", 12) + first.ID
	both := longest
	both.ID = prefix.ID
	state := retry
	state.State = strings.Repeat("s", 94)
	protocol, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string // in the table there
		r    record.Record
		want [4]int // bytes plain, signed, sealed, both
	}{
		{"idle, `ok`", mustParse(t, idle), [4]int{92, 187, 255, 509}},
		{"claim, first attempt, `ok`", mustParse(t, claim), [4]int{122, 217, 255, 509}},
		{"claim, the longest", longest, [4]int{138, 233, 255, 509}},
		{"idle, a retry at its longest, paused", paused, [4]int{126, 221, 255, 509}},
		{"idle, paused with a reason of 40 bytes", why, [4]int{160, 255, 509, 509}},
		{"first claim, a prefix of 12 before the id", prefix, [4]int{141, 236, 255, 509}},
		{"claim, the longest, with that prefix", both, [4]int{150, 245, 509, 509}},
		{"idle, a retry at its longest, with the longest state", state, [4]int{212, 307, 509, 509}},
	} {
		text := c.r.String()
		if err := c.r.Check(); err != nil {
			t.Fatal(err)
		}
		got := [4]int{len(text)}
		for i, kind := range []string{"signed", "sealed", "both"} {
			got[i+1] = len(rings()[kind].Form(name).Close(text))
		}
		if got != c.want {
			t.Errorf("%s: %v bytes, want %v", c.name, got, c.want)
		}
		row := fmt.Sprintf("| %s | %d | %d | %d | %d |", c.name, got[0], got[1], got[2], got[3])
		if !strings.Contains(string(protocol), row) {
			t.Errorf("docs/protocol.md has no row %s", row)
		}
	}
}

// FuzzOpen: what opens was written with the key, since the one text that stands for
// it is the value itself.
func FuzzOpen(f *testing.F) {
	v := readVectors(f)
	for _, c := range v.Values {
		f.Add(c.Value)
	}
	for _, c := range v.Refused {
		f.Add(c.Value)
	}
	form := rings()["both"].Form(name)
	f.Add(form.Close(claim))
	f.Fuzz(func(t *testing.T, value string) {
		for kind, ring := range rings() {
			form := ring.Form(name)
			text, by, err := form.Open(value)
			if err != nil {
				continue
			}
			if by == (record.Protection{}) {
				t.Fatalf("%s: unprotected, and taken: %q", kind, value)
			}
			if kind == "signed" {
				continue // by its signature, whatever it says
			}
			body := text
			if kind == "both" {
				body = text[:strings.LastIndex(text, `,"sig":"`)] + "}"
			}
			if again := form.Close(body); again != value {
				t.Fatalf("%s: %q opens as %q, which is written as %q", kind, value, text, again)
			}
		}
	})
}

// FuzzKeys: what is read as a key of some kind works as one.
func FuzzKeys(f *testing.F) {
	for _, file := range []string{"testdata/vectors.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return r == '"' || r == '\n' }) {
			if strings.HasPrefix(word, "solotick-") {
				f.Add(word)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := seal.ParseKey(text); err == nil {
			form := (&seal.Ring{Seal: []seal.Key{k}}).Form(name)
			if back, _, err := form.Open(form.Close(claim)); err != nil || back != claim {
				t.Errorf("%q seals %q as what opens as %q, error %v", text, claim, back, err)
			}
		}
		if k, err := seal.ParseSigningKey(text); err == nil {
			form := (&seal.Ring{Sign: k, Verify: []seal.VerifyKey{k.Public()}}).Form(name)
			if _, by, err := form.Open(form.Close(claim)); err != nil || by.Signer != k.Public().ID() {
				t.Errorf("%q signs as %+v, error %v", text, by, err)
			}
		}
		if k, err := seal.ParseVerifyKey(text); err == nil {
			if again, err := seal.ParseVerifyKey(k.String()); err != nil || again.ID() != k.ID() {
				t.Errorf("%q is %s and then %s, error %v", text, k.ID(), again.ID(), err)
			}
		}
	})
}

func BenchmarkClose(b *testing.B) {
	for kind, ring := range rings() {
		b.Run(kind, func(b *testing.B) {
			form := ring.Form(name)
			b.ReportAllocs()
			for b.Loop() {
				form.Close(claim)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for kind, ring := range rings() {
		b.Run(kind, func(b *testing.B) {
			form := ring.Form(name)
			value := form.Close(claim)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := form.Open(value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
