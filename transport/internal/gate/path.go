package gate

import (
	"crypto/rand"
	"crypto/sha256"
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
	addr    netip.AddrPort // not valid: this place is free
	tries   int
	since   time.Duration
	next    time.Duration // when to ask again
	in, out int           // bytes; out stays below in
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
			place = p
			break
		}
		if !p.addr.IsValid() || place.addr.IsValid() && p.since < place.since {
			place = p
		}
	}
	if place.addr != from {
		*place = path{addr: from, since: now, next: now}
	}
	place.in += size
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
		if !l.challenges.take(now, challengesPerSecond, challengeBurst) {
			p.next = now + fastestRetry
			continue
		}
		p.next = now + l.retryAfter(l.rtt)<<min(p.tries, 3)
		p.tries++
		words := l.challengeFor(p.addr)
		p.out += l.control(p.addr, opChallenge, words[:], 0)
	}
}

// challengeFor returns the challenge for an address. It is not kept with the path: the
// true one is known also after a crowd of others has taken its place. It changes with
// each move, so that no answer is good twice.
func (l *Link) challengeFor(addr netip.AddrPort) [challengeSize]byte {
	if l.pathKey == [32]byte{} {
		rand.Read(l.pathKey[:]) // never fails
	}
	var b [len(l.pathKey) + 8 + 16 + 2]byte // of one length, so that the hash serves as a MAC
	copy(b[:], l.pathKey[:])
	order.PutUint64(b[32:], l.moves)
	ip := addr.Addr().As16()
	copy(b[40:], ip[:])
	order.PutUint16(b[56:], addr.Port())
	sum := sha256.Sum256(b[:])
	return [challengeSize]byte(sum[:challengeSize])
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
	if l.state != open || from == l.addr || l.moves == 0 && l.pathKey == [32]byte{} {
		return false
	}
	words := l.challengeFor(from)
	if subtle.ConstantTimeCompare(words[:], answer[:]) != 1 {
		return false
	}
	l.addr = from
	l.moves++
	l.paths = [maxPaths]path{}
	return true
}
