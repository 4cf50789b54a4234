package gate

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"net/netip"
	"time"
)

// A cookie proves that its sender receives at the address that it sends from, and
// costs the server nothing to remember:
//
//	1  number of the secret
//	3  seconds since the server started, when it was made
//	16 first half of HMAC-SHA256(secret, address (16 bytes), port, client's id, seconds)
const (
	cookieLife   = 10 * time.Second // a round trip of a second, with losses
	secretLife   = 60 * time.Second
	cookieStampN = 4 // bytes before the HMAC
)

// jar makes and checks cookies. It belongs to the goroutine that reads.
type jar struct {
	number  byte
	secrets [2]hash.Hash // by number%2: the present one and the one before
	changed time.Duration
	stamp   [cookieStampN]byte
	input   [16 + 2 + cidSize + 3]byte
	sum     [sha256.Size]byte
}

func newJar() *jar {
	j := new(jar)
	j.secrets[0], j.secrets[1] = newSecret(), newSecret()
	return j
}

func newSecret() hash.Hash {
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	return hmac.New(sha256.New, secret[:])
}

// make makes the cookie of a hello with connection id cid from addr, now, the time
// since the server started.
func (j *jar) make(addr netip.AddrPort, cid uint64, now time.Duration) (cookie [cookieSize]byte) {
	if now-j.changed >= secretLife {
		j.number++
		j.secrets[j.number%2], j.changed = newSecret(), now
	}
	seconds := uint32(now / time.Second)
	j.stamp = [...]byte{j.number, byte(seconds), byte(seconds >> 8), byte(seconds >> 16)}
	copy(cookie[:], j.stamp[:])
	copy(cookie[cookieStampN:], j.mac(addr, cid))
	return cookie
}

// check reports whether cookie was made for cid and addr, not too long ago.
func (j *jar) check(cookie []byte, addr netip.AddrPort, cid uint64, now time.Duration) bool {
	if len(cookie) != cookieSize || j.number-cookie[0] > 1 { // the difference of bytes wraps as the number does
		return false
	}
	const span = 1 << 24 // the seconds of a stamp wrap after half a year
	made := uint32(cookie[1]) | uint32(cookie[2])<<8 | uint32(cookie[3])<<16
	if age := (uint32(now/time.Second) - made) % span; age > uint32(cookieLife/time.Second) {
		return false
	}
	copy(j.stamp[:], cookie)
	return subtle.ConstantTimeCompare(j.mac(addr, cid), cookie[cookieStampN:]) == 1
}

// mac returns the HMAC of a cookie with j.stamp. It stays valid until the next call.
func (j *jar) mac(addr netip.AddrPort, cid uint64) []byte {
	ip := addr.Addr().As16()
	b := append(j.input[:0], ip[:]...)
	b = order.AppendUint16(b, addr.Port())
	b = order.AppendUint64(b, cid)
	b = append(b, j.stamp[1:]...)
	h := j.secrets[j.stamp[0]%2]
	h.Reset()
	h.Write(b)
	return h.Sum(j.sum[:0])[:cookieSize-cookieStampN]
}
