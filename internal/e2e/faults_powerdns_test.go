package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/internal/pgtest"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
)

// twoPowerDNS has two processes of PowerDNS take updates on one database, first at its
// default isolation, then at the one that the documentation wants.
func (m *trial) twoPowerDNS() {
	const page = "../../docs/providers/powerdns.md"
	text, err := os.ReadFile(page)
	if err != nil {
		m.Fatal(err)
	}
	remedy := regexp.MustCompile("ALTER ROLE pdns SET [^`]+").FindString(string(text))
	if remedy == "" {
		m.Fatalf("%s does not say how the isolation is set", page)
	}
	pg := pgtest.Run(m.T)
	m.sql(pg, "CREATE ROLE pdns LOGIN;")
	m.sql(pg, "CREATE DATABASE pdns OWNER pdns;")
	cfg := dnstest.Config{
		Kind: dnstest.PowerDNS, Keys: []dnstest.Key{dnstest.NewKey("agents")},
		Database: dnstest.Database{Host: pg.Dir, Name: "pdns", User: "pdns"},
	}
	a, b := dnstest.Run(m.T, cfg), dnstest.Run(m.T, cfg)
	m.at = &place{server: a, addr: a.Addr, zone: a.Zone, key: a.Keys[0], each: []string{a.Addr, b.Addr, a.Addr}}

	// A swap that two win may leave two records, or one over the other.
	won, rounds, left := m.race("f36."+a.Zone, 1500, func(twice, there int) bool { return twice > 0 && there > 1 })
	if won == 0 || left < 2 {
		m.Fatalf("of %d swaps %d had two winners, and %d records are left: the fault has not happened", rounds, won, left)
	}
	c := m.cluster()
	c.more(3)
	if n := len(m.load(a.Addr, "f36."+a.Zone).Texts); n != 1 {
		m.Errorf("%d records at the name, %d before the agents: want one made of them", n, left)
	}
	c.end()
	attempts := map[string]int{} // two agents may both have won one: told, and no failure
	twice := 0
	for _, r := range c.runs() {
		k := fmt.Sprint(r.tick, " ", r.attempt)
		if attempts[k]++; attempts[k] == 2 {
			twice++
		}
	}

	m.sql(pg, remedy+";")
	for _, s := range []*dnstest.Server{a, b} { // which connect anew
		s.Kill()
		if err := s.Restart(); err != nil {
			m.Fatal(err)
		}
	}
	again, rounds2, _ := m.race("race."+a.Zone, 300, func(int, int) bool { return false })
	if again > 0 {
		m.Errorf("%d of %d swaps had two winners with %q", again, rounds2, remedy)
	}
	c = newCluster(m.T, m.at, "f36b")
	c.more(4)
	c.check()
	m.measured("%d of %d swaps won by two, %d of %d attempts of agents; then 0 of %d", won, rounds, twice, len(attempts), rounds2)
}

func (m *trial) sql(pg *pgtest.Server, statement string) {
	m.Helper()
	if out, err := pg.Psql(statement); err != nil {
		m.Fatalf("%s: %v: %s", statement, err, out)
	}
}

func (m *trial) register(addr, name string) register.Register {
	m.Helper()
	key, err := rfc2136.ParseKey(keyText(m.at.key))
	if err != nil {
		m.Fatal(err)
	}
	client, err := rfc2136.New(rfc2136.Config{Server: addr, Zone: m.at.zone, Key: key, TTL: time.Second, Timeout: 3 * time.Second})
	if err != nil {
		m.Fatal(err)
	}
	r, err := client.Register(name)
	if err != nil {
		m.Fatal(err)
	}
	return r
}

func (m *trial) load(addr, name string) register.Snapshot {
	m.Helper()
	s, err := m.register(addr, name).Load(context.Background())
	if err != nil {
		m.Fatal(err)
	}
	return s
}

// race has six swap the same record at once, three at each server, again and again
// until it is enough. It counts the swaps that more than one of them has won, and the
// records that are left.
func (m *trial) race(name string, most int, enough func(twice, there int) bool) (twice, rounds, left int) {
	m.Helper()
	var racers []register.Register
	for i := range 6 {
		racers = append(racers, m.register(m.at.each[i%2], name))
	}
	won := 0
	for rounds = 0; rounds < most && !enough(twice, left); rounds++ {
		old, err := racers[0].Load(m.Context())
		if err != nil {
			m.Fatal(err)
		}
		left = len(old.Texts)
		if enough(twice, left) {
			break
		}
		seq := time.Now().UnixMilli()
		tick := seq/1000 - seq/1000%2
		var winners atomic.Int32
		var wg sync.WaitGroup
		for i, r := range racers {
			wg.Go(func() {
				text := record.Record{ID: fmt.Sprintf("RACER%d", i), Timer: tick + 2, TimerOld: tick, Seq: seq, Last: record.OK}.String()
				if _, err := r.Swap(m.Context(), old, []string{text}); err == nil {
					winners.Add(1)
				}
			})
		}
		wg.Wait()
		won += int(winners.Load())
		if winners.Load() > 1 {
			twice++
		}
	}
	if won == 0 {
		m.Fatalf("nobody has won any of %d swaps", rounds)
	}
	return twice, rounds, left
}
