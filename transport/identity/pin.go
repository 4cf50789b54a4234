package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"unicode"

	"github.com/parley-net/parley/core"
)

// PinSize is the length of a pin in characters.
const PinSize = 26

// pinBytes is how much of the hash a pin carries: enough that nobody finds another
// key with the same pin.
const pinBytes = 16

// pinLabel keeps this use of SHA-256 apart from any other.
const pinLabel = "parley pin 1\x00"

// PublicKeys are the public halves of a Key. They are comparable.
type PublicKeys struct {
	Ed25519 [32]byte // signs the certificate
	X25519  [32]byte // static key of a Noise handshake
}

// Pin returns the pin of the keys, in lower case.
func (p PublicKeys) Pin() string {
	h := sha256.New()
	h.Write([]byte(pinLabel))
	h.Write(p.Ed25519[:])
	h.Write(p.X25519[:])
	return encoding.EncodeToString(h.Sum(nil)[:pinBytes])
}

// Split cuts an address "host:port#pin", as a player types it, into what to dial
// and the pin, in lower case. Space around the address and in the pin, and upper case in
// the pin, are tolerated. Without a "#" the pin is empty. What stands before the "#" is
// returned as it is: its form is the adapter's business.
//
// A pin that cannot be one, and a "#" with nothing behind it, is an error that wraps
// core.ErrMalformed: an address that was meant to be pinned is never taken for one
// without a pin.
func Split(addr string) (hostport, pin string, err error) {
	hostport, pin, pinned := strings.Cut(addr, "#")
	hostport = strings.TrimSpace(hostport)
	if !pinned {
		return hostport, "", nil
	}
	if pin, err = parsePin(pin); err != nil {
		return "", "", err
	}
	return hostport, pin, nil
}

// Join is the opposite of Split: it returns "hostport#pin", or hostport alone if
// pin is empty.
func Join(hostport, pin string) string {
	if pin == "" {
		return hostport
	}
	return hostport + "#" + pin
}

// parsePin returns the one spelling of a pin.
func parsePin(s string) (string, error) {
	const advice = "copy the whole address that the server prints"
	pin := strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s))
	if pin == "" {
		return "", core.Errorf(core.ErrMalformed, "nothing stands behind the # of the address, expected a pin: "+advice)
	}
	for _, r := range pin {
		if (r < 'a' || r > 'z') && (r < '2' || r > '7') {
			return "", core.Errorf(core.ErrMalformed, "the pin behind the # of the address contains %q, but a pin has only a-z and 2-7: "+advice, r)
		}
	}
	if len(pin) != PinSize {
		return "", core.Errorf(core.ErrMalformed, "the pin behind the # of the address has %d characters, expected %d: "+advice, len(pin), PinSize)
	}
	if _, err := decode(pin); err != nil {
		return "", core.Errorf(core.ErrMalformed, "the pin behind the # of the address is damaged: %w: "+advice, err)
	}
	return pin, nil
}

// samePin compares in a time that does not depend on where they differ.
func samePin(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
