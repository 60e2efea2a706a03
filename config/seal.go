package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/seal"
)

// accepts are the words for what is done about records without a protection.
var accepts = map[string]seal.Accept{"refuse": seal.Refuse, "read": seal.Read, "write": seal.Write}

// A sealing is what seal: says.
type sealing struct {
	keys  []Secret
	plain string
	ring  seal.Ring // what follows
	files []string
}

// A signing is what sign: says.
type signing struct {
	key      Secret
	verify   []string
	unsigned string
	ring     seal.Ring // what follows
	files    []string
}

var sealTable = []key[sealing]{
	{
		name: "keys", also: []string{"key", "secrets"}, doc: "the keys that agents share: the first one seals, all of them open; solotick keygen seal makes one",
		to:   func(s *sealing) any { return &s.keys },
		rule: rule{required: true, secret: true, check: func(text string) error { return keyProblem(seal.ParseKey(text)) }},
	},
	{
		name: "plain", doc: "what is done about a record that is not sealed, to turn sealing on or off without a stop: refuse, read, or read and also write so",
		to: func(s *sealing) any { return &s.plain }, rule: rule{def: "refuse", oneOf: []string{"refuse", "read", "write"}},
	},
}

var signTable = []key[signing]{
	{
		name: "key", also: []string{"keys", "secret", "signing_key"}, doc: "the key that signs what is written; solotick keygen sign makes one",
		to:   func(s *signing) any { return &s.key },
		rule: rule{required: true, secret: true, check: func(text string) error { return keyProblem(seal.ParseSigningKey(text)) }},
	},
	{
		name: "verify", also: []string{"public", "verify_keys"}, doc: "the public keys by which signatures are good, beside that of key; all agents' if they have keys of their own",
		to:   func(s *signing) any { return &s.verify },
		rule: rule{check: func(text string) error { return keyProblem(seal.ParseVerifyKey(text)) }, pattern: `^solotick-verify-[a-zA-Z2-7]{56}$`},
	},
	{
		name: "unsigned", doc: "what is done about a record that is not signed, to turn signing on or off without a stop: refuse, read, or read and also write so",
		to: func(s *signing) any { return &s.unsigned }, rule: rule{def: "refuse", oneOf: []string{"refuse", "read", "write"}},
	},
}

// keyProblem gives the error of a key that does not parse its remedy.
func keyProblem[K any](_ K, err error) error {
	if err == nil {
		return nil
	}
	hint := "solotick keygen seal makes one"
	switch _, is := any(*new(K)).(seal.Key); {
	case !is && strings.Contains(err.Error(), "is a seal key"):
		hint = "a seal key belongs under seal: { keys: [...] }"
	case !is:
		hint = "solotick keygen sign makes a pair: the secret half for key:, the public one for verify:"
	case strings.Contains(err.Error(), "is a signing key"):
		hint = "a signing key belongs under sign: { key: ... }"
	}
	return problem{err.Error(), hint}
}

// seals reads seal:.
func (w *walker) seals(n *yaml.Node, path string, s *sealing) {
	preset(sealTable, s)
	at := object(w, n, path, sealTable, s)
	s.ring.Plain = accepts[s.plain]
	keys := at["keys"]
	if !keys.good {
		s.ring.Sealed = true // who only looks may be without them
		return
	}
	if len(s.keys) == 0 {
		w.mistake(keys.value, keys.path, "solotick keygen seal makes one", "there is no key")
	}
	for _, text := range s.keys {
		k, _ := seal.ParseKey(text.Reveal()) // which the table has checked
		s.ring.Seal = append(s.ring.Seal, k)
		w.hushed = append(w.hushed, k.Secret()) // which a file has beside comments
	}
	s.files = filesOf(keys.value)
	w.twice(keys, &s.ring)
}

// signs reads sign:.
func (w *walker) signs(n *yaml.Node, path string, s *signing) {
	preset(signTable, s)
	at := object(w, n, path, signTable, s)
	if at.given("key") {
		s.ring.Sign, _ = seal.ParseSigningKey(s.key.Reveal())
		s.files = filesOf(at["key"].value)
		w.hushed = append(w.hushed, s.ring.Sign.Secret())
	} else {
		s.ring.Signed = true // as above
	}
	if at.given("verify") {
		for _, text := range s.verify {
			k, _ := seal.ParseVerifyKey(text)
			s.ring.Verify = append(s.ring.Verify, k)
		}
		w.twice(at["verify"], &s.ring)
	}
	s.ring.Unsigned = accepts[s.unsigned]
}

// ring is the keys of a file.
func (f *file) ring() seal.Ring {
	r := f.sign.ring
	r.Seal, r.Plain, r.Sealed = f.seal.ring.Seal, f.seal.ring.Plain, f.seal.ring.Sealed
	return r
}

// keyFiles are the files that keys of a file were read from.
func (f *file) keyFiles() []string {
	return append(f.seal.files[:len(f.seal.files):len(f.seal.files)], f.sign.files...)
}

// filesOf are the files that values, or a single one, are read from.
func filesOf(n *yaml.Node) (files []string) {
	n = follow(n)
	for _, item := range append(n.Content, n) {
		inside, is := strings.CutPrefix(follow(item).Value, "${file:")
		if path, closed := strings.CutSuffix(inside, "}"); is && closed {
			files = append(files, path)
		}
	}
	return files
}

// twice reports a key that a list has twice.
func (w *walker) twice(p place, ring *seal.Ring) {
	if err := ring.Check(); err != nil {
		w.mistake(p.value, p.path, "leave one of them out", "%v", err)
	}
}

// secretList returns a list of secrets; a single one is a list of one.
func (w *walker) secretList(n *yaml.Node, path string, r rule) []Secret {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var all []Secret
	for i, item := range items {
		at := path
		if n.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		var s Secret
		if w.value(item, at, &s, r) {
			all = append(all, s)
		}
	}
	return all
}
