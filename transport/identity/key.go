package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base32"
	"fmt"
	"strings"
	"sync"

	"github.com/parley-net/parley/core"
)

// SeedSize is the length in bytes of the seed that a Key is made from.
const SeedSize = 32

// Labels keep the uses of one seed apart. To change one is to change every pin.
const (
	seedLabel    = "parley identity 1"
	ed25519Label = "parley identity 1 ed25519"
	x25519Label  = "parley identity 1 x25519"
)

// keyPrefix begins the text form of a key, so that nobody takes it for a pin.
const keyPrefix = "parley-key-1-"

// encoding is the base32 of pins and keys. It has no 0, 1 and 8, which people
// misread.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Key is the secret key of a server. It does not change after it was made, and is
// safe for concurrent use. Make one with [Generate], [Load], [Parse] or [FromSeed].
//
// Printing a Key shows its pin. The secret leaves only by [Key.Secret]; a Key is
// deliberately no encoding.TextMarshaler, as loggers would call that.
type Key struct {
	seed    [SeedSize]byte
	ed      ed25519.PrivateKey
	x       *ecdh.PrivateKey
	public  PublicKeys
	pin     string
	certify func() (tls.Certificate, error)
}

// Generate makes a new random key. It fails only where the Go runtime is told to
// forbid X25519 (GODEBUG=fips140=only).
func Generate() (*Key, error) {
	var seed [SeedSize]byte
	rand.Read(seed[:]) // never fails
	return FromSeed(seed)
}

// FromSeed makes the key that belongs to a seed, always the same one. The seed must
// come from a cryptographic random source or a secret store: whoever guesses it is
// the server. It fails as Generate does.
func FromSeed(seed [SeedSize]byte) (*Key, error) {
	prk, err := hkdf.Extract(sha256.New, seed[:], []byte(seedLabel))
	if err != nil {
		return nil, fmt.Errorf("identity: make a key: %w", err)
	}
	edSeed, err := hkdf.Expand(sha256.New, prk, ed25519Label, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("identity: make an Ed25519 key: %w", err)
	}
	xSeed, err := hkdf.Expand(sha256.New, prk, x25519Label, 32)
	if err != nil {
		return nil, fmt.Errorf("identity: make an X25519 key: %w", err)
	}
	k := &Key{seed: seed, ed: ed25519.NewKeyFromSeed(edSeed)}
	if k.x, err = ecdh.X25519().NewPrivateKey(xSeed); err != nil {
		return nil, fmt.Errorf("identity: make an X25519 key: %w", err)
	}
	copy(k.public.Ed25519[:], k.ed.Public().(ed25519.PublicKey))
	copy(k.public.X25519[:], k.x.PublicKey().Bytes())
	k.pin = k.public.Pin()
	k.certify = sync.OnceValues(k.makeCertificate)
	return k, nil
}

// Parse reads the text that Secret returns; space around it is ignored. Use it
// where the key comes from an environment variable or a secret store instead of a
// file. The error wraps core.ErrMalformed and does not repeat the text.
func Parse(text string) (*Key, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, core.Errorf(core.ErrMalformed, "identity: the key is empty: expected %q and %d characters", keyPrefix, encoding.EncodedLen(SeedSize))
	}
	digits, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return nil, core.Errorf(core.ErrMalformed, "identity: this is not a key: a key begins with %q", keyPrefix)
	}
	if want := encoding.EncodedLen(SeedSize); len(digits) != want {
		return nil, core.Errorf(core.ErrMalformed, "identity: the key has %d characters behind %q, expected %d: it was cut or something was added", len(digits), keyPrefix, want)
	}
	raw, err := decode(digits)
	if err != nil {
		return nil, core.Errorf(core.ErrMalformed, "identity: the key is damaged: %w", err)
	}
	return FromSeed([SeedSize]byte(raw))
}

// Secret returns the key as one line of text, for Parse. Whoever reads it can pass
// for the server.
func (k *Key) Secret() string { return keyPrefix + encoding.EncodeToString(k.seed[:]) }

// Public returns the public half, which is no secret.
func (k *Key) Public() PublicKeys { return k.public }

// Pin returns the pin of the key: 26 characters, for people to append to an
// address (see [Join]).
func (k *Key) Pin() string { return k.pin }

// Ed25519 returns the key that signs the certificate. It must not be changed.
func (k *Key) Ed25519() ed25519.PrivateKey { return k.ed }

// X25519 returns the static key for a Noise handshake.
func (k *Key) X25519() *ecdh.PrivateKey { return k.x }

// String returns the pin with a few words around it, never the secret.
func (k *Key) String() string { return "key with pin " + k.pin }

// GoString is String, so that %#v shows no secret either.
func (k *Key) GoString() string { return k.String() }

// decode reads base32 and accepts one spelling of each value only.
func decode(s string) ([]byte, error) {
	raw, err := encoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	if encoding.EncodeToString(raw) != s {
		return nil, fmt.Errorf("the last character, %q, cannot be right", s[len(s)-1:])
	}
	return raw, nil
}
