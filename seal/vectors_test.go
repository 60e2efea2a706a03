package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors anew")

// vectors is testdata/vectors.json: what another implementation can check itself by.
type vectors struct {
	About   []string  `json:"about"`
	Keys    []keyed   `json:"keys"`
	Values  []written `json:"values"`
	Refused []refused `json:"refused"`
}

// keyed is a key of either kind: the secret in hex, and what follows from it.
type keyed struct {
	Kind    string `json:"kind"` // seal or sign
	Secret  string `json:"secret"`
	Text    string `json:"text"`
	ID      string `json:"id"`
	Encrypt string `json:"encrypt,omitempty"`
	Nonce   string `json:"nonce,omitempty"`
	Verify  string `json:"verify,omitempty"`
}

// written is a record with keys, by their places in the list of keys: -1 is none.
type written struct {
	Name  string `json:"name"`
	Seal  int    `json:"seal"`
	Sign  int    `json:"sign"`
	Text  string `json:"text"`
	Value string `json:"value"`
}

// refused is a value that these keys do not take at a name, and what it counts as.
type refused struct {
	Why   string `json:"why"`
	Name  string `json:"name"`
	Seal  int    `json:"seal"`
	Sign  int    `json:"sign"`
	Value string `json:"value"`
	State string `json:"state"`
}

// byHand is section 9 of docs/protocol.md once more, by nothing of package seal.
type byHand struct{ secret []byte }

func (b byHand) hkdf(info string, size int) []byte {
	h := hmac.New(sha256.New, make([]byte, 32)) // RFC 5869, no salt
	h.Write(b.secret)
	prk := h.Sum(nil)
	h = hmac.New(sha256.New, prk)
	h.Write([]byte("solotick seal v1 " + info + "\x01"))
	return h.Sum(nil)[:size]
}

func (b byHand) lower(raw []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}

func (b byHand) text(prefix string, key []byte) string {
	sum := sha256.Sum256([]byte(prefix + string(key)))
	return prefix + b.lower(append(bytes.Clone(key), sum[:3]...))
}

func (b byHand) id() string { return b.lower(b.hkdf("id", 5)) }

func (b byHand) seal(t *testing.T, name, text string) string {
	for _, fits := range []int{141, 332, 524, 715, 906, 1097, 1289} {
		if len(text) <= fits {
			text += strings.Repeat(" ", fits-len(text))
			break
		}
	}
	h := hmac.New(sha256.New, b.hkdf("nonce", 32))
	h.Write([]byte(name + "\x00" + text))
	nonce := h.Sum(nil)[:24]
	c, err := chacha20poly1305.NewX(b.hkdf("encrypt", 32))
	if err != nil {
		t.Fatal(err)
	}
	box := c.Seal(nil, nonce, []byte(text), []byte("st1."+b.id()+"."+name))
	return "st1." + b.id() + "." + base64.RawURLEncoding.EncodeToString(append(nonce, box...))
}

func (b byHand) public() ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(b.secret).Public().(ed25519.PublicKey)
}

func (b byHand) sign(name, text string) string {
	sig := ed25519.Sign(ed25519.NewKeyFromSeed(b.secret), []byte("solotick record v1\n"+name+"\n"+text))
	return strings.TrimSuffix(text, "}") + `,"sig":"` + base64.RawURLEncoding.EncodeToString(sig) + `"}`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v vectors) secret(t testing.TB, at int) (s [32]byte) {
	t.Helper()
	raw, err := hex.DecodeString(v.Keys[at].Secret)
	if err != nil || len(raw) != 32 {
		t.Fatalf("secret %d", at)
	}
	return [32]byte(raw)
}

// ring has the keys at two places of the list.
func (v vectors) ring(t testing.TB, sealAt, signAt int) *seal.Ring {
	r := new(seal.Ring)
	if sealAt >= 0 {
		r.Seal = []seal.Key{seal.NewKey(v.secret(t, sealAt))}
	}
	if signAt >= 0 {
		r.Sign = seal.NewSigningKey(v.secret(t, signAt))
	}
	return r
}

// TestVectors: the vectors are what section 9 says, step by step, and what the
// package writes and reads.
func TestVectors(t *testing.T) {
	if *rewrite {
		writeVectors(t)
	}
	v := readVectors(t)
	if len(v.Keys) < 5 || len(v.Values) < 9 || len(v.Refused) < 9 {
		t.Fatalf("%d keys, %d values, %d refused", len(v.Keys), len(v.Values), len(v.Refused))
	}
	for i, k := range v.Keys {
		secret := v.secret(t, i)
		b := byHand{secret[:]}
		want := k
		switch k.Kind {
		case "seal":
			want.Text, want.ID, want.Encrypt, want.Nonce = b.text("solotick-seal-", secret[:]), b.id(), hex.EncodeToString(b.hkdf("encrypt", 32)), hex.EncodeToString(b.hkdf("nonce", 32))
			got, err := seal.ParseKey(k.Text)
			if err != nil || !got.Equal(seal.NewKey(secret)) || got.ID() != k.ID || got.Secret() != k.Text {
				t.Errorf("%s is read as %v, %v", k.Text, got, err)
			}
		case "sign":
			sum := sha256.Sum256([]byte("solotick verify v1 id" + string(b.public())))
			want.Text, want.Verify, want.ID = b.text("solotick-sign-", secret[:]), b.text("solotick-verify-", b.public()), b.lower(sum[:5])
			got, err := seal.ParseSigningKey(k.Text)
			public, err2 := seal.ParseVerifyKey(k.Verify)
			if err != nil || err2 != nil || !got.Equal(seal.NewSigningKey(secret)) || got.Secret() != k.Text || got.Public() != public || public.ID() != k.ID {
				t.Errorf("%s is read as %v, %v, %v", k.Text, got, err, err2)
			}
		}
		if diff := cmp.Diff(want, k); diff != "" {
			t.Errorf("key %d (-by hand +vector)\n%s", i, diff)
		}
	}
	for _, c := range v.Values {
		text := c.Text
		if c.Sign >= 0 {
			secret := v.secret(t, c.Sign)
			text = byHand{secret[:]}.sign(c.Name, text)
		}
		if c.Seal >= 0 {
			secret := v.secret(t, c.Seal)
			text = byHand{secret[:]}.seal(t, c.Name, text)
		}
		if text != c.Value {
			t.Errorf("%s by hand\n%s, want\n%s", c.Text, text, c.Value)
		}
		form := v.ring(t, c.Seal, c.Sign).Form(c.Name)
		if got := form.Close(c.Text); got != c.Value {
			t.Errorf("%s is written as\n%s, want\n%s", c.Text, got, c.Value)
		}
		if set := record.ReadAs(form, []string{c.Value}, 0); set.State != record.Present || set.Record.String() != c.Text {
			t.Errorf("%s reads as %v %s", c.Value, set.State, set.Record)
		}
	}
	for _, c := range v.Refused {
		if set := record.ReadAs(v.ring(t, c.Seal, c.Sign).Form(c.Name), []string{c.Value}, 0); set.State.String() != c.State {
			t.Errorf("%s: %v %v, want %s", c.Why, set.State, set.Detail, c.State)
		}
	}
}

// writeVectors writes the vectors.
func writeVectors(t *testing.T) {
	v := vectors{About: []string{
		"Test vectors of docs/protocol.md, section 9. Secrets, subkeys and seeds are in hex.",
		"keys: what follows from a secret. values: text is a record's canonical JSON; value what is written at the name with the keys at these places of keys (-1: none).",
		"refused: values that a reader with these keys does not take; unopenable ones are never replaced, damaged ones are.",
		"Keys 0 and 1 have the same id.",
	}}
	ascending := ""
	for i := range 32 {
		ascending += hex.EncodeToString([]byte{byte(i)})
	}
	for _, k := range []keyed{
		{Kind: "seal", Secret: "000044a7" + strings.Repeat("00", 28)},
		{Kind: "seal", Secret: "000474f5" + strings.Repeat("00", 28)},
		{Kind: "seal", Secret: ascending},
		{Kind: "sign", Secret: ascending},
		{Kind: "sign", Secret: strings.Repeat("ff", 32)},
	} {
		v.Keys = append(v.Keys, k)
		secret := v.secret(t, len(v.Keys)-1)
		b, last := byHand{secret[:]}, &v.Keys[len(v.Keys)-1]
		if k.Kind == "seal" {
			key := seal.NewKey(secret)
			last.Text, last.ID = key.Secret(), key.ID()
			last.Encrypt, last.Nonce = hex.EncodeToString(b.hkdf("encrypt", 32)), hex.EncodeToString(b.hkdf("nonce", 32))
			continue
		}
		key := seal.NewSigningKey(secret)
		last.Text, last.ID, last.Verify = key.Secret(), key.Public().ID(), key.Public().String()
	}
	full := record.Record{ID: "BACKUPEUWEST" + "VDNDNQNWQY", Timer: 1641903970, TimerOld: 1641903910, Seq: 1641903910000, Last: record.Replaced, Pause: -1, Why: strings.Repeat("w", 40), State: strings.Repeat("s", 94)}
	for _, at := range [][2]int{{2, -1}, {0, -1}, {1, -1}, {-1, 3}, {2, 4}} {
		for _, text := range []string{idle, claim, full.String()} {
			c := written{Name: name, Seal: at[0], Sign: at[1], Text: text}
			c.Value = v.ring(t, c.Seal, c.Sign).Form(name).Close(text)
			v.Values = append(v.Values, c)
		}
	}
	sealed, signed := v.ring(t, 2, -1).Form(name).Close(claim), v.ring(t, -1, 3).Form(name).Close(claim)
	flipped := []byte(sealed)
	flipped[100] ^= 1
	random, _ := chacha20poly1305.NewX(must(hex.DecodeString(v.Keys[2].Encrypt)))
	nonce := make([]byte, 24)
	box := random.Seal(nonce, nonce, []byte(claim), []byte("st1."+v.Keys[2].ID+"."+name))
	v.Refused = []refused{
		{"another key", name, 0, -1, sealed, "unopenable"},
		{"another key with the same id", name, 1, -1, v.ring(t, 0, -1).Form(name).Close(claim), "unopenable"},
		{"no key", name, -1, -1, sealed, "unopenable"},
		{"moved from another name", "other.example.com", 2, -1, sealed, "unopenable"},
		{"a byte altered", name, 2, -1, string(flipped), "unopenable"},
		{"cut short", name, 2, -1, sealed[:254], "unopenable"},
		{"padding of base64", name, 2, -1, sealed + "=", "unopenable"},
		{"a nonce that does not follow from the text", name, 2, -1, "st1." + v.Keys[2].ID + "." + base64.RawURLEncoding.EncodeToString(box), "unopenable"},
		{"plain", name, 2, -1, claim, "damaged"},
		{"not signed", name, -1, 3, claim, "damaged"},
		{"signed by another key", name, -1, 4, signed, "damaged"},
		{"signed for another name", "other.example.com", -1, 3, signed, "damaged"},
		{"signed, a byte altered", name, -1, 3, strings.Replace(signed, "ok", "OK", 1), "damaged"},
		{"signed, and a space put in", name, -1, 3, strings.Replace(signed, `{`, `{ `, 1), "damaged"},
		{"sealed and not signed", name, 2, 3, sealed, "damaged"},
		{"signed and not sealed", name, 2, 3, signed, "damaged"},
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.WriteFile("testdata/vectors.json", append(out, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
