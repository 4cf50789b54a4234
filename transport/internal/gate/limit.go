package gate

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// What others can make us do. A stranger costs an answer of a tenth of his hello's size,
// and more only if he has proven an address.
const (
	retriesPerSecond = 20000 // answers to hellos without a cookie, in all
	retryBurst       = 2000
	resetsPerSecond  = 1000 // answers to packets of unknown connections, in all
	resetBurst       = 100

	hellosPerSecond = 20   // hellos with a cookie, of one address
	helloBurst      = 64   // as many players behind one NAT may come at once
	addressSlots    = 4096 // addresses share these; it is the size whatever their number

	maxHalfOpen       = 1024 // handshakes under way; one more is ignored
	maxHalfPerAddress = 64   // of them, of one address
	maxHalfPerToken   = 4    // and with one token, whose owner may dial again
	maxPast           = 4096 // handshakes that are over, and whose hello may come again
	halfOpenLife      = cookieLife + time.Second

	repliesPerSecond    = 50 // of a Link, to what its peer asks of the gate
	replyBurst          = 20
	challengesPerSecond = 100 // of a Link, to new addresses of its peer's
	challengeBurst      = 20

	maxJobs    = 256 // hellos that wait for a worker
	maxWorkers = 2   // goroutines that compute handshakes
)

// bucket is a token bucket.
type bucket struct {
	level float64       // tokens there were
	at    time.Duration // then
}

func (b *bucket) take(now time.Duration, perSecond, burst float64) bool {
	b.level = min(burst, b.level+(now-b.at).Seconds()*perSecond)
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// addressLimit limits the hellos of each address. Addresses that fall in one slot
// share it; nobody can choose whose slot is shared.
type addressLimit struct {
	seed  maphash.Seed
	slots [addressSlots]bucket
}

func newAddressLimit() *addressLimit {
	l := &addressLimit{seed: maphash.MakeSeed()}
	for i := range l.slots {
		l.slots[i].level = helloBurst
	}
	return l
}

func (l *addressLimit) take(addr netip.Addr, now time.Duration) bool {
	if addr.IsLoopback() {
		return true
	}
	slot := maphash.Comparable(l.seed, household(addr)) % addressSlots
	return l.slots[slot].take(now, hellosPerSecond, helloBurst)
}

// household returns what counts as one address: of IPv6 the first 64 bits, which
// a house has to itself.
func household(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
