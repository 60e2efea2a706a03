package page

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// The keys of these tests.
var (
	sealKey = seal.NewKey([32]byte{1})
	signKey = seal.NewSigningKey([32]byte{2})
)

// guarded is a history of one record as an agent with the keys writes it, and as an
// observer with others sees it.
func guarded(name string, agents, observer *seal.Ring) (*monitor.History, record.Record) {
	h, t := monitor.NewHistory(monitor.Limits{}), monitor.Target{Name: name, Ring: observer}
	h.Watch(t)
	r := record.Record{ID: "VDNDNQNWQY", Timer: at(23), TimerOld: at(-37), Seq: at(-35) * 1000, Last: record.OK}
	when := noon.Add(-30 * time.Second)
	s := seen(t, when, r, false)
	texts := []string{agents.Form(name).Close(r.String())}
	for i := range s.Answers {
		s.Answers[i].Texts = texts
	}
	if s.Set = record.Read(texts, when.Unix()); observer != nil {
		s.Set = record.ReadAs(observer.Form(name), texts, when.Unix())
	}
	h.See(s)
	return h, r
}

// TestProtection: the page tells what guards a record, and says so where it shows in
// clear what DNS does not. No key is on it.
func TestProtection(t *testing.T) {
	both := &seal.Ring{Seal: []seal.Key{sealKey}, Sign: signKey}
	verify := []seal.VerifyKey{signKey.Public()}
	other := []seal.VerifyKey{seal.NewSigningKey([32]byte{9}).Public()}
	const clear, agent = "is shown here in clear, as this page has the key", "VDNDNQNWQY"
	for _, tt := range []struct {
		name             string
		agents, observer *seal.Ring
		has, hasNot      []string
	}{
		{"opened", both, &seal.Ring{Seal: both.Seal, Verify: verify}, []string{"It is sealed with the key " + sealKey.ID() + ", signed, verified by the key " + signKey.Public().ID() + ".", clear, agent, "st1." + sealKey.ID()}, nil},
		{"closed", both, nil, []string{"It is sealed with the key " + sealKey.ID() + ", which is not here.", "nothing can be told but whether its text changes"}, []string{clear, agent}},
		{"signed", &seal.Ring{Sign: signKey}, &seal.Ring{Verify: verify}, []string{"It is signed, verified by the key " + signKey.Public().ID(), agent}, []string{clear}},
		{"signed, and nobody looks", &seal.Ring{Sign: signKey}, nil, []string{"It is signed, not verified: no verify key is here.", agent}, []string{clear}},
		{"forged", &seal.Ring{Sign: signKey}, &seal.Ring{Verify: other}, []string{"It is signed by none of the keys here.", "tampered with: the signature"}, []string{clear, agent}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := guarded("canary.example.com", tt.agents, tt.observer)
			page := Handler(fixed(h))
			for _, path := range []string{"/records/canary.example.com", "/", "/wall"} {
				body := ask(t, page, path).body
				if path == "/records/canary.example.com" {
					has(t, body, tt.has...)
					hasNot(t, body, tt.hasNot...)
				}
				hasNot(t, body, sealKey.Secret(), sealKey.Secret()[len("solotick-seal-"):], signKey.Secret()[len("solotick-sign-"):])
			}
		})
	}
}

// TestBrowserProtection looks at such a page as people with a screen reader do.
func TestBrowserProtection(t *testing.T) {
	ring := &seal.Ring{Seal: []seal.Key{sealKey}, Sign: signKey}
	h, _ := guarded("canary.example.com", ring, ring)
	srv := httptest.NewServer(Handler(fixed(h)))
	defer srv.Close()
	checkAxe(t, srv.URL+"/records/canary.example.com")
	srv.CloseClientConnections()
}
