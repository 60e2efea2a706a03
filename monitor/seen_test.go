package monitor

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/lookup"
)

// seenAt is the second at which the sights of these tests were seen.
const seenAt = 1641903940

// says is an answer of a server with authority.
func says(addr string, texts ...string) lookup.Answer {
	a := lookup.Answer{Server: lookup.Server{Name: addr, Addr: addr + ":53"}, Authoritative: true, TTL: time.Minute, Status: lookup.NoName}
	if len(texts) > 0 {
		a.Texts, a.Status = texts, lookup.Found
	}
	return a
}

// keeps is one of a cache, with what is left of its TTL.
func keeps(addr string, left time.Duration, texts ...string) lookup.Answer {
	a := says(addr, texts...)
	a.Authoritative, a.TTL = false, left
	return a
}

func seen(answers ...lookup.Answer) Sight {
	return sightOf(Target{Name: "canary.t.test"}, time.Unix(seenAt, 0), answers, nil, nil)
}

const (
	newText    = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903911000,"last":"ok"}`
	oldText    = `{"id":"AAAAAAAAAA","timer":1641903910,"timerold":1641903850,"seq":1641903851000,"last":"ok"}`
	newOf2022  = `{"id": "MAWDAHDOQH", "timer": 1641903970, "timerold": 1641903859}`
	oldOf2022  = `{"id": "ZZZZZZZZZZ", "timer": 1641903859, "timerold": 1641903750}`
	brokenText = `{"id":"VDND`
)

// TestSideBySide is what several servers show of one record.
func TestSideBySide(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []lookup.Answer
		best    int
		behind  []float64
		others  []string
	}{
		{"the same", []lookup.Answer{says("ns1", newText), says("ns2", newText)}, 0, []float64{0, 0}, nil},
		{"the newest is not the first", []lookup.Answer{says("ns1", oldText), says("ns2", newText)}, 1, []float64{60, 0}, []string{"ns1:53 shows an older record, by 60 s"}},
		{"of 2022 too", []lookup.Answer{says("ns1", oldOf2022), says("ns2", newOf2022)}, 1, []float64{111, 0}, []string{"ns1:53 shows an older record, by 111 s"}},
		{"the last of 2022, and the first since", []lookup.Answer{says("ns1", newOf2022), says("ns2", newText)}, 1, []float64{12, 0}, []string{"ns1:53 shows an older record, by 12 s"}},
		{"none", []lookup.Answer{says("ns1"), says("ns2", newText)}, 1, []float64{29, 0}, []string{"ns1:53 shows no record"}},
		{"damaged", []lookup.Answer{says("ns1", newText), says("ns2", brokenText)}, 0, []float64{0, 29}, []string{"ns2:53 shows a record that is damaged"}},
		{"no answer", []lookup.Answer{says("ns1", newText), {Err: errors.New("lookup: refused")}}, 0, []float64{0, 0}, []string{"another server gave no answer: lookup: refused"}},
		{"nobody has one", []lookup.Answer{says("ns1"), says("ns2")}, 0, []float64{0, 0}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := seen(c.answers...)
			if s.Best != c.best {
				t.Errorf("the newest is that of server %d, want %d", s.Best, c.best)
			}
			var behind []float64
			for _, one := range Judge(s, time.Unix(seenAt, 0)).Servers {
				behind = append(behind, one.Behind)
			}
			if diff := cmp.Diff(c.behind, behind); diff != "" {
				t.Errorf("behind: -want +got\n%s", diff)
			}
			if diff := cmp.Diff(c.others, s.Others()); diff != "" {
				t.Errorf("others: -want +got\n%s", diff)
			}
		})
	}
}

func TestOld(t *testing.T) {
	const m = time.Minute
	for _, c := range []struct {
		name    string
		answers []lookup.Answer
		full    time.Duration
		want    time.Duration
	}{
		{"of an authority", []lookup.Answer{says("ns1", newText)}, 0, 0},
		{"of a cache, by the TTL that agents write", []lookup.Answer{keeps("r", 45*time.Second, newText)}, 0, 15 * time.Second},
		{"by the TTL that is known", []lookup.Answer{keeps("r", 45*time.Second, newText)}, 50 * time.Second, 5 * time.Second},
		{"not older than the record", []lookup.Answer{keeps("r", 10*time.Second, newText)}, 5 * m, 29 * time.Second},
		{"nor than the run of an agent of 2022", []lookup.Answer{keeps("r", 10*time.Second, newOf2022)}, 5 * m, 41 * time.Second},
		{"a TTL that is longer than known", []lookup.Answer{keeps("r", 5*m, newText)}, m, 0},
		{"of the fresher one of two caches", []lookup.Answer{keeps("r", 35*time.Second, newText), keeps("s", 50*time.Second, newText)}, 0, 10 * time.Second},
		{"an authority shows the same", []lookup.Answer{keeps("r", 35*time.Second, newText), says("ns1", newText)}, 0, 0},
		{"an authority shows less, and tells the TTL", []lookup.Answer{keeps("r", 40*time.Second, newText), says("ns1", oldText)}, 5 * m, 20 * time.Second},
		{"nobody answers", []lookup.Answer{{Err: errors.New("no answer")}}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(seenAt, 0)
			if got := Judge(seen(c.answers...), now).Old(now, c.full); got != c.want {
				t.Errorf("%v old, want %v", got, c.want)
			}
		})
	}
}
