package gate

import (
	"crypto/rand"
	"crypto/subtle"
	"math"
	"net/netip"
	"time"
)

// A client's address may change: a NAT forgets it, a phone leaves the house. The
// server notices by an authentic packet from elsewhere, and asks there for proof
// before it sends anything else: the packet may be a copy that somebody sends
// from an address of his, or of his victim's.
const (
	maxPaths       = 4 // addresses under proof; one more takes the place of the oldest
	challengeTries = 5
	challengeSize  = 8
	challengeBytes = Overhead + 1 + challengeSize // of the packet
)

// path is an address under proof.
type path struct {
	addr      netip.AddrPort // not valid: this place is free
	challenge [challengeSize]byte
	tries     int
	since     time.Duration
	next      time.Duration // when to ask again
	in, out   int           // bytes; out stays below in
}

// elsewhere notes that an authentic packet of size bytes, the newest so far, came from
// an address that is not the peer's. l.mu is held.
func (l *Link) elsewhere(from netip.AddrPort, size int, now time.Duration) {
	if l.state != open {
		return
	}
	place := &l.paths[0]
	for i := range l.paths {
		p := &l.paths[i]
		if p.addr == from {
			p.in += size
			l.challenge(now)
			return
		}
		if !p.addr.IsValid() || place.addr.IsValid() && p.since < place.since {
			place = p
		}
	}
	*place = path{addr: from, since: now, next: now, in: size}
	rand.Read(place.challenge[:]) // never fails
	l.challenge(now)
	l.rearm(now)
}

// challenge asks where it is time to. l.mu is held.
func (l *Link) challenge(now time.Duration) {
	for i := range l.paths {
		p := &l.paths[i]
		if !p.addr.IsValid() || now < p.next || p.out+challengeBytes > p.in {
			continue
		}
		if p.tries == challengeTries {
			*p = path{}
			continue
		}
		p.tries++
		p.next = now + max(fastestRetry, l.rtt)<<min(p.tries-1, 3)
		p.out += l.control(p.addr, opChallenge, p.challenge[:], 0)
	}
}

func (l *Link) nextChallenge() time.Duration {
	next := time.Duration(math.MaxInt64)
	for i := range l.paths {
		if p := &l.paths[i]; p.addr.IsValid() && p.out+challengeBytes <= p.in {
			next = min(next, p.next)
		}
	}
	return next
}

// proven takes the answer to a challenge. It reports whether the peer has moved, for
// which the answer must come from where the challenge went. l.mu is held.
func (l *Link) proven(answer [challengeSize]byte, from netip.AddrPort) bool {
	if l.state != open {
		return false
	}
	for i := range l.paths {
		p := &l.paths[i]
		if p.addr.IsValid() && p.addr == from && subtle.ConstantTimeCompare(p.challenge[:], answer[:]) == 1 {
			l.addr = from
			l.paths = [maxPaths]path{}
			return true
		}
	}
	return false
}
