package gate

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"math"
	"time"
)

// When keys change. A sender takes the next key after rekeyPackets or rekeyAfter, but
// not before the connection has lived through two silences of its peer's: then
// the peer has seen the present one, or the connection is dead. A receiver takes
// no key within rekeyKeeps of the one before, as each costs more than a packet.
const (
	rekeyPackets = 1 << 20
	rekeyAfter   = 10 * time.Minute
	rekeyKeeps   = 3 * time.Second // how long a receiver accepts the key before
	rekeyRest    = 2 * rekeyKeeps  // the least time between two keys of a sender's
)

// What ends a connection whose keys or numbers are used up.
const (
	lastNumber = 1 << 60 // no packet has this number, or a later one
	keyPackets = 1 << 23 // the most under one key (RFC 9001, 6.6)
	lastWords  = 64      // numbers kept for saying so
)

// key is one direction's key and what the next grows from.
type key struct {
	aead   cipher.AEAD
	secret []byte
}

// keySize is that of AES-128-GCM. Whatever plays games has it in hardware, where it
// takes a third of the time that ChaCha20-Poly1305 does.
const keySize, nonceSize = 16, 12

const keyLabel, nextLabel = "parley 1 key", "parley 1 next"

func newKey(secret []byte) (key, error) {
	raw, err := hkdf.Expand(sha256.New, secret, keyLabel, keySize)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	return key{aead, secret}, err
}

func (k key) next() (key, error) {
	secret, err := hkdf.Expand(sha256.New, k.secret, nextLabel, sha256.Size)
	if err != nil {
		return key{}, err
	}
	return newKey(secret)
}

// nonce is a packet number as the AEAD wants it. It is a field and not a variable
// so that sealing allocates nothing.
type nonce [nonceSize]byte

func (n *nonce) set(pn uint64) []byte {
	order.PutUint64(n[4:], pn)
	return n[:]
}

// sealer seals what one side sends. Its owner locks it.
type sealer struct {
	key   key
	peer  uint64 // connection id that the peer listens to
	next  uint64 // packet number
	phase byte   // 0 or flagPhase

	since   time.Duration // when the present key was taken
	from    uint64        // its first packet number
	packets uint64        // rekeyPackets, but in tests
	rest    time.Duration // the least between two changes

	nonce nonce
}

// ready takes the next key if it is time to, and reports whether more packets than
// spare can be sealed.
func (s *sealer) ready(now time.Duration, spare uint64) bool {
	n, age := s.next-s.from, now-s.since
	due := (n >= s.packets || age >= rekeyAfter) && age >= s.rest
	if due || n >= keyPackets/2 && age >= rekeyRest { // so many that the peer has seen one of them
		if next, err := s.key.next(); err == nil { // it always is, with these lengths
			s.key, s.from, s.since = next, s.next, now
			s.phase ^= flagPhase
		}
	}
	return s.next+spare < min(lastNumber, s.from+keyPackets)
}

// seal seals the n bytes of payload that stand in buf behind the header, as the
// packet s.next, and returns the packet. The sealer must be ready.
func (s *sealer) seal(buf []byte, n int, control bool) []byte {
	buf[0] = flagSealed | s.phase
	if control {
		buf[0] |= flagControl
	}
	order.PutUint64(buf[1:], s.peer)
	order.PutUint32(buf[1+cidSize:], uint32(s.next))
	body := buf[sealedHeader:]
	s.key.aead.Seal(body[:0], s.nonce.set(s.next), body[:n], buf[:sealedHeader])
	if record != nil {
		record(s.key.secret, s.next)
	}
	s.next++
	return buf[:sealedHeader+n+tagSize]
}

// record is told each key and number that something is sealed under. Tests set it,
// to see that none comes twice.
var record func(secret []byte, pn uint64)

// opener opens what one side receives. It belongs to the goroutine that reads.
type opener struct {
	now, before, after key // before has no aead if there was none, or it is too long ago
	phase              byte
	from               uint64 // the first number seen under the present key
	until              time.Duration
	window             window
	nonce              nonce
}

func newOpener(secret []byte) (*opener, error) {
	k, err := newKey(secret)
	if err != nil {
		return nil, err
	}
	next, err := k.next()
	return &opener{now: k, after: next}, err
}

// number returns the packet number whose low half is given: the one closest to what
// is expected next.
func (o *opener) number(low uint32) uint64 {
	const span = 1 << 32
	next := o.window.next
	pn := next&^(span-1) | uint64(low)
	switch {
	case pn < next && next-pn > span/2 && pn <= math.MaxUint64-span:
		return pn + span
	case pn > next && pn-next > span/2 && pn >= span:
		return pn - span
	}
	return pn
}

// What became of a packet.
type verdict int

const (
	opened verdict = iota
	replayed
	forged
)

// open opens a sealed packet in place. newest reports that no later one has come yet.
func (o *opener) open(p []byte, now time.Duration) (pn uint64, payload []byte, newest bool, v verdict) {
	if len(p) < Overhead || p[0]&flagsUnused != 0 {
		return 0, nil, false, forged
	}
	pn = o.number(order.Uint32(p[1+cidSize:]))
	if pn >= lastNumber {
		return 0, nil, false, forged
	}
	if !o.window.fresh(pn) {
		return 0, nil, false, replayed
	}
	k, change := &o.now, false
	if p[0]&flagPhase != o.phase {
		switch {
		case pn < o.from && o.before.aead != nil && now < o.until:
			k = &o.before
		case pn >= o.window.next && now >= o.until:
			k, change = &o.after, true
		default:
			return 0, nil, false, forged
		}
	}
	body := p[sealedHeader:]
	payload, err := k.aead.Open(body[:0], o.nonce.set(pn), body, p[:sealedHeader])
	if err != nil {
		return 0, nil, false, forged
	}
	if change {
		next, err := o.after.next()
		if err != nil {
			return 0, nil, false, forged
		}
		o.before, o.now, o.after = o.now, o.after, next
		o.phase ^= flagPhase
		o.from, o.until = pn, now+rekeyKeeps
	}
	newest = pn >= o.window.next
	o.window.mark(pn)
	return pn, payload, newest, opened
}
