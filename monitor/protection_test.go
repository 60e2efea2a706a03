package monitor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// The keys of these tests: two of each kind.
var (
	sealA, sealB = seal.NewKey([32]byte{1}), seal.NewKey([32]byte{2})
	signA, signB = seal.NewSigningKey([32]byte{3}), seal.NewSigningKey([32]byte{4})
)

func ringOf(keys ...any) *seal.Ring {
	r := new(seal.Ring)
	for _, k := range keys {
		switch k := k.(type) {
		case seal.Key:
			r.Seal = append(r.Seal, k)
		case seal.SigningKey:
			r.Sign = k
		case seal.VerifyKey:
			r.Verify = append(r.Verify, k)
		}
	}
	return r
}

// protectedText is a record as an agent with these keys writes it.
func protectedText(name string, r record.Record, keys ...any) string {
	if len(keys) == 0 {
		return r.String()
	}
	return ringOf(keys...).Form(name).Close(r.String())
}

// TestProtection: what an observer can tell of a record that agents wrote with some
// keys, when it has some itself.
func TestProtection(t *testing.T) {
	r := idle(agentA, 0, 1, record.OK)
	sealedA, signedA, both := protectedText("canary.t.test", r, sealA), protectedText("canary.t.test", r, signA), protectedText("canary.t.test", r, sealA, signA)
	flip := func(text string, at int) string { return text[:at] + string(text[at]^1) + text[at+1:] }
	at := strings.Index(signedA, `"timer":`) + len(`"timer":`)
	for _, tt := range []struct {
		name, text string
		ring       *seal.Ring
		state      elect.Condition
		says       string // in the sentence
		words      string // of the protection; empty: there is none
		tampered   bool
	}{
		{"plain, without keys", r.String(), nil, elect.HealthOnTime, "was ok", "", false},
		{"signed, without keys", signedA, nil, elect.HealthOnTime, "was ok", "signed, not verified: no verify key is here", false},
		{"signed, and verified", signedA, ringOf(signB.Public(), signA.Public()), elect.HealthOnTime, "was ok", "signed, verified by the key " + signA.Public().ID(), false},
		{"signed by another", signedA, ringOf(signB.Public()), elect.HealthDamaged, "tampered with: the signature is by none of the keys here", "signed by none of the keys here", true},
		{"signed, and altered", flip(signedA, at), ringOf(signA.Public()), elect.HealthDamaged, "tampered with: the signature", "signed by none of the keys here", true},
		{"signed for another name", protectedText("other.t.test", r, signA), ringOf(signA.Public()), elect.HealthDamaged, "or moved here from another name", "signed by none of the keys here", true},
		{"plain, where signed ones are to be", r.String(), ringOf(signA.Public()), elect.HealthDamaged, "tampered with: the record is not signed", "without a signature", true},
		{"no record, where signed ones are to be", `{"id"`, ringOf(signA.Public()), elect.HealthDamaged, "cannot be read", "without a signature", false},
		{"sealed, without keys", sealedA, nil, elect.HealthSealed, "sealed with key " + sealA.ID() + ", which is not here", "sealed with the key " + sealA.ID() + ", which is not here", false},
		{"sealed, with another key", sealedA, ringOf(sealB), elect.HealthSealed, "which is not here", "sealed with the key " + sealA.ID() + ", which is not here", false},
		{"sealed, with a verify key", both, ringOf(signA.Public()), elect.HealthSealed, "which is not here", "sealed with the key " + sealA.ID() + ", which is not here", false},
		{"sealed, and opened", sealedA, ringOf(sealB, sealA), elect.HealthOnTime, "was ok", "sealed with the key " + sealA.ID() + ", without a signature", false},
		{"sealed, and altered", flip(sealedA, len(sealedA)-9), ringOf(sealA), elect.HealthDamaged, "tampered with: the key " + sealA.ID() + " is here and does not open", "sealed as if with the key " + sealA.ID() + ", which does not open it", true},
		{"sealed for another name", protectedText("other.t.test", r, sealA), ringOf(sealA), elect.HealthDamaged, "moved here from another name", "sealed as if with the key " + sealA.ID() + ", which does not open it", true},
		{"sealed, with a hostile key", record.SealedPrefix + "<script>.abc", nil, elect.HealthSealed, "does not tell with which key", "sealed, with a key that it does not tell", false},
		{"plain, where sealed ones are to be", r.String(), ringOf(sealA), elect.HealthDamaged, "tampered with: the record is not sealed", "without a signature", true},
		{"both, with the seal key", both, ringOf(sealA), elect.HealthOnTime, "was ok", "sealed with the key " + sealA.ID() + ", signed, not verified: no verify key is here", false},
		{"both, and verified", both, ringOf(sealA, signA.Public()), elect.HealthOnTime, "was ok", "sealed with the key " + sealA.ID() + ", signed, verified by the key " + signA.Public().ID(), false},
		{"sealed by somebody who cannot sign", sealedA, ringOf(sealA, signA.Public()), elect.HealthDamaged, "tampered with", "sealed with the key " + sealA.ID() + ", without a signature", true},
		{"sealed, and signed by another", protectedText("canary.t.test", r, sealA, signB), ringOf(sealA, signA.Public()), elect.HealthDamaged, "tampered with: the signature", "sealed with the key " + sealA.ID() + ", signed by none of the keys here", true},
		{"a change-over: plain, and read", r.String(), &seal.Ring{Seal: []seal.Key{sealA}, Plain: seal.Read}, elect.HealthOnTime, "was ok", "without a signature", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(epoch+20, 0)
			item := Judge(sight(Target{Name: "canary.t.test", Policy: minute(t), Ring: tt.ring}, now, tt.text), now)
			words, tampered := "", false
			if item.Protection != nil {
				words, tampered = item.Protection.Words(), item.Protection.Tampered
			}
			if item.State != tt.state || !strings.Contains(item.Text, tt.says) || words != tt.words || tampered != tt.tampered {
				t.Errorf("%s: %s\nprotection %q, tampered %v; want %s with %q, and %q, %v", item.State, item.Text, words, tampered, tt.state, tt.says, tt.words, tt.tampered)
			}
			if good := tt.state == elect.HealthOnTime; good && (item.Raw != tt.text || item.ID != agentA || (item.Opened == r.String()) != strings.HasPrefix(tt.text, record.SealedPrefix)) {
				t.Errorf("raw %q, opened %q, id %s", item.Raw, item.Opened, item.ID)
			} else if !good && (item.Raw != "" || item.Opened != "" || item.ID != "" || item.Next != nil) {
				t.Errorf("it tells of what it cannot know: %+v", item)
			}
			if shown := strings.Join(append(item.Notes, item.Text), "\n"); strings.Contains(shown, "script") {
				t.Errorf("it shows %s", shown)
			}
		})
	}
}

// TestProtectionOverTime: what happens to a protected record is told once, and of one
// that cannot be read when it changes, and who shows another one.
func TestProtectionOverTime(t *testing.T) {
	target := Target{Name: "canary.t.test", Policy: minute(t), Ring: ringOf(sealA, signA.Public())}
	good := func(n, wrote int64) string {
		return protectedText(target.Name, idle(agentA, n, wrote, record.OK), sealA, signA)
	}
	h := NewHistory(Limits{})
	h.Watch(target)
	see := func(sec int64, text string) { h.See(sight(target, at(sec), text)) }
	see(1, good(0, 1))
	see(61, good(1, 61))
	see(70, protectedText(target.Name, idle("MALLORYMAL", 1, 70, record.OK), sealA))
	see(75, protectedText(target.Name, idle("MALLORYMAL", 1, 75, record.OK), sealA))
	see(90, good(1, 90))
	var told []string
	for _, e := range h.Events(target.Name, 0, 100) {
		if e.Kind != KindCondition {
			told = append([]string{string(e.Kind) + ": " + strings.SplitN(e.Text, ",", 2)[0]}, told...)
		}
		if e.Kind == KindDamaged && e.Level != elect.LevelBad {
			t.Errorf("%+v is not bad", e)
		}
	}
	if diff := cmp.Diff([]string{"ended: the run of 2027-01-15 08:01:00Z by AAAAAAAAAA: ok", "damaged: tampered with: the record is not signed", "repaired: the record can be read again"}, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	blind := Target{Name: target.Name}
	h = NewHistory(Limits{})
	h.Watch(blind)
	for _, sec := range []int64{1, 10, 61, 70} {
		s := sight(blind, at(sec), good(sec/60, sec/60*60))
		if sec == 70 { // a resolver shows the one before
			old := s.Answers[0]
			old.Server.Addr, old.Texts = "192.0.2.2:53", []string{good(0, 0)}
			s.Answers = append(s.Answers, old)
		}
		h.See(s)
	}
	item := h.Items(at(71))[0]
	if item.State != elect.HealthSealed || item.Changed == nil || !item.Changed.Equal(at(61)) || !strings.HasSuffix(item.Text, "it last changed at "+clock(at(61).Unix())) {
		t.Errorf("%s: %s, changed %v", item.State, item.Text, item.Changed)
	}
	if !item.Servers[0].Newest || item.Servers[1].Newest {
		t.Errorf("servers: %+v", item.Servers)
	}
}
