package token

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/parley-net/parley/core"
)

// keyPrefix begins the text form of a key, so that nobody takes it for a server's key.
const keyPrefix = "parley-token-key-1-"

// keyLabel keeps this use of SHA-256 apart from any other.
const keyLabel = "parley token key 1\x00"

// maxKeys is how many keys live at once at most. A rotation needs two.
const maxKeys = 8

const (
	keySize   = chacha20poly1305.KeySize
	keyIDSize = 4
)

// encoding is the base32 of keys, the one of package identity.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Key is what a login service seals tokens with, and what game servers open them with:
// 32 secret bytes that both have. Make one with [GenerateKey], [LoadKeys] or
// [ParseKey]; the zero Key is none. It does not change, and is safe for concurrent use.
//
// Printing a Key shows its number, by which people can tell keys apart. The secret leaves
// only by [Key.Secret].
type Key struct {
	secret [keySize]byte
	id     [keyIDSize]byte
	aead   cipher.AEAD
}

// GenerateKey makes a new random key. It fails only where the Go runtime is told to
// forbid ChaCha20-Poly1305 (GODEBUG=fips140=only).
func GenerateKey() (Key, error) {
	var secret [keySize]byte
	rand.Read(secret[:]) // never fails
	return newKey(secret)
}

func newKey(secret [keySize]byte) (Key, error) {
	aead, err := chacha20poly1305.NewX(secret[:])
	if err != nil {
		return Key{}, fmt.Errorf("token: make a key: %w", err)
	}
	k := Key{secret: secret, aead: aead}
	sum := sha256.Sum256(append([]byte(keyLabel), secret[:]...))
	copy(k.id[:], sum[:])
	return k, nil
}

// ParseKey reads the text that Secret returns; space around it is ignored. Use it where
// keys come from environment variables or a secret store instead of a file. The error
// wraps core.ErrMalformed and does not repeat the text.
func ParseKey(text string) (Key, error) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	if !ok {
		return Key{}, core.Errorf(core.ErrMalformed, "token: this is not a key for tokens: such a key begins with %q", keyPrefix)
	}
	if want := encoding.EncodedLen(keySize); len(digits) != want {
		return Key{}, core.Errorf(core.ErrMalformed, "token: the key has %d characters behind %q, expected %d: it was cut or something was added", len(digits), keyPrefix, want)
	}
	raw, err := encoding.DecodeString(digits)
	if err != nil {
		return Key{}, core.Errorf(core.ErrMalformed, "token: the key is damaged: %w", err)
	}
	if encoding.EncodeToString(raw) != digits { // one spelling for each key
		return Key{}, core.Errorf(core.ErrMalformed, "token: the key is damaged at its end")
	}
	return newKey([keySize]byte(raw))
}

// Secret returns the key as one line of text, for ParseKey. Whoever reads it can make
// tokens for anybody.
func (k Key) Secret() string { return keyPrefix + encoding.EncodeToString(k.secret[:]) }

// String returns the key's number with a few words around it, never the secret.
func (k Key) String() string { return "token key " + hex.EncodeToString(k.id[:]) }

// Format implements fmt.Formatter: no verb shows the secret.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// checkKeys says what is wrong with the keys that somebody hands in.
func checkKeys(keys []Key) error {
	if len(keys) == 0 {
		return fmt.Errorf("token: there is no key: LoadKeys reads them from a file, and makes the first")
	}
	if len(keys) > maxKeys {
		return fmt.Errorf("token: there are %d keys, at most %d live at once: drop the oldest", len(keys), maxKeys)
	}
	for i, k := range keys {
		if k.aead == nil {
			return fmt.Errorf("token: key %d of %d is the zero Key: make it with GenerateKey, LoadKeys or ParseKey", i+1, len(keys))
		}
	}
	return nil
}
