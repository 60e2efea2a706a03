package e2e

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/internal/faultproxy"
)

// sayTime is within what agents have said what is wrong.
const sayTime = 30 * time.Second

// serverFaults happen to servers, and to what is in the record.
var serverFaults = []fault{
	{
		id: "F25", what: "the server's disk is full", how: "its files on a tmpfs that is filled to the last byte, for five ticks; then there is room again",
		holds: "nothing that was acknowledged is lost; no tick is run twice at one time or lost, and the job goes on",
		try:   diskFull, shown: "zone TestDiskFull, zone TestFailedSync",
	},
	{
		id: "F26", what: "the server's files are damaged", how: "each part of our own server's database flipped, cleared and cut off",
		holds: "it opens with all that was acknowledged, or refuses and says why: it never starts with less",
		shown: "zone TestDamage, zone TestOpenRefuses", on: []string{"own"},
	},
	{
		id: "F27", what: "somebody deletes the record", how: "nsupdate, between two runs and amid one",
		holds: "it is made anew; fences go on growing; the run goes on and is reported",
		quick: "knot", try: func(m *trial) {
			c := m.cluster()
			pardons := c.byHand(c.remove)
			m.since(c, time.Now(), healed)
			idle := m.took
			c.more(1)
			c.write("slow", "")
			n := len(c.runs())
			c.await("a run that takes longer than the tick", 30*time.Second, func() bool { return len(c.runs()) > n })
			r := c.runs()[n]
			c.remove()
			began := time.Now()
			c.await("the claim in its place again", 10*time.Second, func() bool { return strings.Contains(c.dig(), `"lease"`) })
			m.measured("%s; amid a run %.1f s", idle, time.Since(began).Seconds())
			if err := os.Remove(c.path("slow")); err != nil {
				m.Fatal(err)
			}
			c.await("the end of that run", 30*time.Second, func() bool { return c.runs()[n].ended })
			c.more(2)
			c.check(append(pardons, again(r))...)
		},
	},
	{
		id: "F28", what: "other values at the name, and two records", how: "nsupdate adds a foreign TXT, and an older record beside the present one",
		holds: "what is foreign stays and does no harm; of two records one is made",
		quick: "bind", try: func(m *trial) {
			c := m.cluster()
			c.betweenRuns()
			from := c.last()
			c.nsupdate("update add " + c.name + ` 1 TXT "v=spf1 -all"`)
			c.more(2)
			older := `{\"id\":\"AAAAAAAAAA\",\"timer\":4,\"timerold\":2,\"seq\":2000}`
			c.betweenRuns()
			began := time.Now()
			c.nsupdate("update add " + c.name + ` 1 TXT "` + older + `"`)
			c.await("one record of two", 20*time.Second, func() bool { return strings.Count(c.query(c.name, "TXT"), "timerold") == 1 })
			m.measured("%.1f s", time.Since(began).Seconds())
			c.more(1)
			if all := c.query(c.name, "TXT"); !strings.Contains(all, "v=spf1 -all") {
				m.Errorf("the foreign value is gone: %s", all)
			}
			c.betweenRuns()
			c.nsupdate("update delete " + c.name + ` TXT "v=spf1 -all"`)
			c.more(1)
			c.check(again(from))
		}, shown: "register/rfc2136 TestAliasAndWildcard",
	},
	{
		id: "F29", what: "the record is replaced by garbage, or by what another version writes",
		how:   "nsupdate: half a record, octets that are no UTF-8, zero octets, 3 KB, the original's record without a seq, a sealed text",
		holds: "no agent ends; what is damaged is left alone for a lease and a margin and then replaced, loudly; a sealed text is never replaced",
		try:   garbage, shown: "record TestReadVectors, cmd/solotick TestHostileLog",
	},
	{
		id: "F30", what: "the record's timer is nonsense", how: "nsupdate: the year 2100, 0, -5, a word",
		holds: "no tick is waited for longer than the policy allows: it is repaired, once, or taken as due now",
		quick: "powerdns", try: func(m *trial) {
			c := m.cluster()
			var pardons []pardon
			var took []string
			for _, timer := range []string{"4102444800", "0", "-5", `"soon"`} {
				pardons = append(pardons, c.byHand(func() { c.edit(`"timer":-?[0-9]+`, `"timer":`+timer) })...)
				m.since(c, time.Now(), healed)
				took = append(took, timer+": "+m.took)
				c.more(1)
			}
			m.measured("%s", strings.Join(took, "; "))
			c.check(pardons...)
		},
	},
	{
		id: "F31", what: "the zone is restored from a backup", how: "the server is stopped, its files are put back as they were some ticks ago, and it is started",
		holds: "fences go on growing; at most the tick of the backup's time is run again; an agent says so",
		quick: "own", try: restored,
	},
	{
		id: "F32", what: "somebody with the key holds the job up", how: "nsupdate writes a claim in a name of its own, each second for 10 s",
		holds: "nothing runs beside it, and fences grow beyond its own: whoever has the key is trusted; after its last write the job goes on within a takeover",
		quick: "knot", try: forger,
	},
	{
		id: "F33", what: "agents look at a cache", how: "Unbound before the server, with records that it keeps for 60 s; the holder is killed amid a run too",
		holds: "no run on what is old; ticks are run in time, and a lost one is taken over within a lease, a margin and the lag that is believed",
		quick: "bind", try: cached, shown: ". TestFleetBehindLaggingDNS, . TestStaleView",
	},
	{
		id: "F34", what: "a cache remembers that there was no record", how: "Unbound before the server is asked before the record is made, and keeps that for the 5 s that the zone says",
		holds: "the job starts at once, since that there is nothing is asked of the register",
		try: func(m *trial) {
			cache := dnstest.Run(m.T, dnstest.Config{Kind: dnstest.Unbound, Zone: m.at.zone, Upstream: m.at.addr})
			m.at.bridge = cache.Addr
			p := &pair{cluster: &cluster{t: m.T, at: m.at, name: "f34." + m.at.zone}}
			if text, _ := p.digs(cache.Addr); text != "" {
				m.Fatalf("the cache shows %q before anything is there", text)
			}
			began := time.Now()
			c := m.cluster()
			m.measured("%.1f s to the first run", c.runs()[0].begin.Sub(began).Seconds())
			c.more(3)
			c.check()
		},
	},
	{
		id: "F35", what: "two views of one zone", how: "agents look at another server of that zone: without the record, with one of some ticks ago, and with a newer one",
		holds: "every run is by a swap at the one register; no tick is run twice; what the other view says is not acted on",
		try:   twoViews,
	},
	{
		id: "F36", what: "two PowerDNS serve one database at READ COMMITTED", how: "PostgreSQL, two processes of PowerDNS, six that swap one record at both; then three agents at both; then all of it with the isolation that docs/providers/powerdns.md wants", on: []string{"powerdns"},
		holds: "nothing can keep two from winning one swap; agents make one record of what is left, and go on. At REPEATABLE READ one wins, and no tick is run twice",
		try:   (*trial).twoPowerDNS,
	},
	{
		id: "F37", what: "the server answers with each error", how: "faultproxy answers in the place of the server: FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE, for a tick each; the request is applied",
		holds: "what is not signed proves nothing: no tick is run twice or lost; agents do not hammer",
		quick: "own", try: errorsOnly, shown: "register/rfc2136 TestUpdateReplies",
	},
	{
		id: "F38", what: "signed updates are sent again", how: "faultproxy keeps each and sends all of them twice more while agents work, and once more at the end",
		holds: "nothing changes by it",
		quick: "powerdns", try: replayed, shown: "zone TestReplay",
	},
}

func diskFull(m *trial) {
	dir, err := m.tmpfs("64m")
	if err != nil {
		m.cannot(err)
		return
	}
	m.at.Kill()
	m.at = m.startIn(dir)
	c := m.cluster("catch_up: all")
	c.betweenRuns()
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		m.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := fill.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := fill.Close(); err != nil {
		m.Fatal(err)
	}
	time.Sleep(5 * interval) // the fault itself
	said := c.logged(func(l logLine) bool {
		return strings.HasPrefix(l.Msg, "cannot write the record") || strings.HasPrefix(l.Msg, "the outcome of a write is unknown")
	})
	if err := os.Remove(fill.Name()); err != nil {
		m.Fatal(err)
	}
	m.since(c, time.Now(), healed)
	if said == 0 { // our own server writes over what it has, and needs no more room
		m.measured("%s; it took writes all the while", m.took)
	}
	c.calm()
	c.check(repeats())
}

func garbage(m *trial) {
	c := m.cluster()
	var pardons []pardon
	put := func(texts string) {
		pardons = append(pardons, c.byHand(func() {
			c.nsupdate("update delete "+c.name+" TXT", "update add "+c.name+" 1 TXT "+texts)
		})...)
	}
	for _, texts := range []string{
		`"{\"id\":\"VDNDN"`, `"{\255\254\"id\""`, `"\000\000"`, strings.Repeat(`"{{{{{{{{`+strings.Repeat("x", 190)+`" `, 15),
		`"{\"id\":\"VDNDNQNWQY\",\"timer\":1641903970,\"timerold\":1641903910,\"entryid\":\"12\"}"`,
	} {
		put(texts)
		m.since(c, time.Now(), healed)
		c.more(1)
		c.betweenRuns()
		c.nsupdate("update delete " + c.name + ` TXT "\000\000"`) // it is foreign, and stays
	}
	took := m.took
	put(`"st1.aaaaaaaa.AAAA"`)
	began, n := time.Now(), len(c.runs())
	time.Sleep(lease + margin + 2*poll) // in which it would be replaced
	if got := c.dig(); got != "st1.aaaaaaaa.AAAA" || len(c.runs()) != n {
		m.Errorf("a sealed text became %s, %d runs after it", got, len(c.runs())-n)
	}
	c.remove()
	m.since(c, time.Now(), healed)
	m.measured("%s for the original's; a sealed one removed by hand: %s", took, m.took)
	c.more(1)
	pardons = append(pardons, gap(c.runs()[n-1], time.Since(began)+lease+skew+spread))
	c.check(pardons...)
}

func restored(m *trial) {
	c := m.cluster()
	backup := m.TempDir()
	swapFiles := func(from, to string) (before *run) {
		c.calm()
		c.betweenRuns()
		before = c.last()
		m.at.Kill()
		if err := copyFiles(from, to); err != nil {
			m.Fatal(err)
		}
		// Restoring takes a while: within one second of a claim that is gone again, who
		// has not seen that claim may write one with the same fence (protocol section 3).
		time.Sleep(time.Until(time.Unix(before.tick, 0).Add(interval)))
		if err := m.at.Restart(); err != nil {
			m.Fatal(err)
		}
		return before
	}
	swapFiles(m.files(), backup)
	c.more(3)
	from := swapFiles(backup, m.files())
	m.since(c, time.Now(), healed)
	c.more(2)
	c.check(again(from))
}

func forger(m *trial) {
	c := m.cluster()
	c.betweenRuns()
	from := c.last()
	n := len(c.runs())
	began := time.Now()
	var seq int64
	for time.Since(began) < 10*time.Second {
		now := time.Now()
		seq = now.UnixMilli() + 500
		c.put(`{"id":"FORGERAAAA","timer":` + itoa(from.tick+4) + `,"timerold":` + itoa(from.tick+2) + `,"seq":` + itoa(seq) +
			`,"until":` + itoa(now.Unix()+3) + `,"lease":3}`)
		time.Sleep(time.Second - time.Since(now)) // its pace
	}
	if runs := c.runs(); len(runs) != n {
		m.Errorf("%d runs beside a claim that was renewed", len(runs)-n)
	}
	last := time.Now()
	m.since(c, last, healed)
	if r := c.runs()[n]; r.begin.Sub(last) > takeover+slack {
		m.Errorf("the job went on after %v, want %v and some round trips", r.begin.Sub(last), takeover)
	} else if fenceOf(m.T, r) <= seq {
		m.Errorf("fence %s, not above the forger's %d", r.fence, seq)
	}
	c.more(2)
	c.check(gap(from, 12*time.Second+takeover))
}

func cached(m *trial) {
	cache := dnstest.Run(m.T, dnstest.Config{Kind: dnstest.Unbound, Zone: m.at.zone, Upstream: m.at.addr})
	m.at.bridge = cache.Addr
	c := m.cluster()
	if text := (&pair{cluster: c}).seenAt(cache.Addr); text == "" {
		m.Fatal("the cache shows nothing")
	}
	c.more(3)
	r, a := c.hang()
	a.kill()
	next := c.rerun(r, takeover+20*time.Second+slack)
	m.measured("%.1f s", next.begin.Sub(r.begin).Seconds())
	c.more(3)
	c.check(again(r), gap(r, takeover+20*time.Second))
}

// seenAt is the record as a server shows it.
func (p *pair) seenAt(server string) string {
	text, _ := p.digs(server)
	return text
}

func twoViews(m *trial) {
	other := m.startIn(m.TempDir())
	m.at.bridge = other.addr
	c := m.cluster()
	elsewhere := &cluster{t: m.T, at: other, name: c.name}
	c.more(2)
	c.betweenRuns()
	elsewhere.put(c.dig())
	c.more(3)
	c.betweenRuns()
	from := c.last()
	newer := time.Now().Add(time.Minute).Unix()
	elsewhere.put(`{"id":"ELSEWHEREA","timer":` + itoa(newer+2) + `,"timerold":` + itoa(newer) + `,"seq":` + itoa(newer*1000) + `}`)
	m.since(c, time.Now(), healed)
	c.more(2)
	c.check(again(from))
}

func errorsOnly(m *trial) {
	p := m.network()
	c := m.cluster("catch_up: all")
	var most int
	for _, code := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10} {
		before, _ := p.Passed()
		p.Replies(faultproxy.Faults{Edit: func(reply []byte) [][]byte {
			head := slices.Clone(reply[:12])
			head[3] = head[3]&0xf0 | code
			clear(head[4:])
			return [][]byte{head}
		}})
		time.Sleep(interval) // the fault itself
		after, _ := p.Passed()
		most = max(most, after-before)
	}
	p.Heal()
	m.since(c, time.Now(), healed)
	m.measured("%s; at most %d requests of three agents in %v", m.took, most, interval)
	if most > 100 {
		m.Errorf("%d requests in %v", most, interval)
	}
	c.calm()
	c.check(repeats())
}

func replayed(m *trial) {
	var mu sync.Mutex
	var kept [][]byte
	p := faultproxy.New(m, m.at.addr, 1)
	m.at.through = p.Addr
	p.Requests(faultproxy.Faults{Edit: func(message []byte) [][]byte {
		if message[2]>>3&0xf == 5 {
			mu.Lock()
			kept = append(kept, slices.Clone(message))
			mu.Unlock()
		}
		return [][]byte{message}
	}})
	c := m.cluster()
	c.more(3)
	sent := 0
	again := func() {
		mu.Lock()
		all := slices.Clone(kept)
		mu.Unlock()
		for _, message := range all {
			m.send(message)
			sent++
		}
	}
	again()
	c.more(1)
	again()
	c.more(2)
	c.check()
	before := c.dig()
	again()
	if after := c.dig(); after != before {
		m.Errorf("%s became %s by an update that was sent before", before, after)
	}
	m.measured("%d updates sent again, none applied", sent)
}

// send sends a message to the server over TCP and waits for the answer, or for the end
// of the connection.
func (m *trial) send(message []byte) {
	m.Helper()
	conn, err := net.Dial("tcp", m.at.addr)
	if err != nil {
		m.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		m.Fatal(err)
	}
	if _, err := conn.Write(append([]byte{byte(len(message) >> 8), byte(len(message))}, message...)); err != nil {
		m.Fatal(err)
	}
	_, _ = conn.Read(make([]byte, 512)) // whatever it says
}
