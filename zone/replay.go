package zone

import (
	"net/netip"
	"time"
)

// replay identifies one signed UPDATE as sent: its MAC, which covers the message, its id and its time. The zero value is an
// unsigned one.
type replay struct {
	mac  [16]byte
	from netip.AddrPort // of a datagram; zero for TCP
	seen time.Time
	ends time.Time // when its fudge does
}

// replays remembers the signed updates that changed something for as long as they would still be in time, 65,536 of them at
// most. The same octets sent again must not change anything again: an update without prerequisites would restore an old
// value. The rule of RFC 8945 section 5.2.3, to refuse what was signed before the latest message of the key, is not followed,
// since many agents with clocks of their own share a key.
//
// A datagram repeated from the same port within 15 s is taken as what it nearly always is: a client that had no answer. It is
// applied again, as RFC 2136 section 7.8 expects; who must know the outcome uses TCP.
type replays struct{ now, before map[[16]byte]replay }

const maxReplays = 32768 // in each of the two maps

func newReplays() *replays {
	return &replays{now: map[[16]byte]replay{}, before: map[[16]byte]replay{}}
}

func (r *replays) refuses(x replay) bool {
	if x.ends.IsZero() {
		return false
	}
	old, ok := r.now[x.mac]
	if !ok {
		old, ok = r.before[x.mac]
	}
	if !ok || time.Now().After(old.ends) {
		return false
	}
	again := x.from.IsValid() && x.from == old.from && time.Now().Before(old.seen.Add(15*time.Second))
	return !again
}

func (r *replays) add(x replay) {
	if x.ends.IsZero() {
		return
	}
	if len(r.now) >= maxReplays {
		r.now, r.before = map[[16]byte]replay{}, r.now
	}
	r.now[x.mac] = x
}

// forget takes back an add, of an update that came to nothing.
func (r *replays) forget(x replay) {
	delete(r.now, x.mac)
	delete(r.before, x.mac)
}
