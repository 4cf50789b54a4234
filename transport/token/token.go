package token

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

const (
	// textPrefix begins the text form of a token.
	textPrefix = "parley-token-1-"
	// maxAddr is how long a server's address with its pin may be.
	maxAddr = 255
	// maxText bounds what Parse looks at.
	maxText = len(textPrefix) + (Size+pskSize+1+maxAddr+crc32.Size)*4/3 + 1

	pskSize = 32
)

// textEncoding is that of tokens, which programs pass on and nobody types.
var textEncoding = base64.RawURLEncoding

// PSK is the secret that a token gives to its player and, inside the sealed part, to the
// server: the pre-shared key of their handshake. Printing it, with any verb, and encoding
// it as text or JSON shows that it is there and nothing else. (In an unexported field of
// your own it is not safe from printing: package fmt does not ask it there.)
type PSK [pskSize]byte

const hidden = "(secret)"

// Format implements fmt.Formatter.
func (PSK) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText implements encoding.TextMarshaler, for loggers.
func (PSK) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Token lets its player into a server, once. Printing it does not show its PSK.
type Token struct {
	Addr   string // where to dial, with the server's pin; empty if the login service gave none
	Sealed []byte // for the server, which alone can open it; Size bytes
	PSK    PSK    // proves to the server that the token is the player's own
}

// String returns the token's address with a few words around it.
func (t Token) String() string {
	if t.Addr == "" {
		return "token for a server"
	}
	return "token for " + t.Addr
}

// Format implements fmt.Formatter: every verb prints the same.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// Parse reads the text that [Issue] returned; space around it is ignored. The text says
// nothing that a client can check but that it was copied whole: whether the token is
// good is for the server to say. The error wraps core.ErrMalformed and does not repeat
// the text.
func Parse(text string) (Token, error) {
	const advice = "copy the whole text that the login service gives"
	text = strings.TrimSpace(text)
	digits, ok := strings.CutPrefix(text, textPrefix)
	if !ok {
		return Token{}, core.Errorf(core.ErrMalformed, "token: this is not a token: a token begins with %q", textPrefix)
	}
	if len(text) > maxText {
		return Token{}, core.Errorf(core.ErrMalformed, "token: this is not a token: it has %d characters, and tokens at most %d", len(text), maxText)
	}
	b, err := textEncoding.DecodeString(digits)
	if err != nil {
		return Token{}, core.Errorf(core.ErrMalformed, "token: the token is damaged: %w: "+advice, err)
	}
	const addrAt = Size + pskSize + 1
	if len(b) < addrAt || len(b) != addrAt+int(b[addrAt-1])+crc32.Size {
		return Token{}, core.Errorf(core.ErrMalformed, "token: the token was cut, or something was added: "+advice)
	}
	end := len(b) - crc32.Size
	// Base64 has several spellings of one value; one of them is a token.
	if crc32.ChecksumIEEE(b[:end]) != order.Uint32(b[end:]) || textEncoding.EncodeToString(b) != digits {
		return Token{}, core.Errorf(core.ErrMalformed, "token: the token was changed: "+advice)
	}
	t := Token{Addr: string(b[addrAt:end]), Sealed: b[:Size:Size], PSK: PSK(b[Size:])}
	if _, _, err := identity.Split(t.Addr); err != nil {
		return Token{}, core.Errorf(core.ErrMalformed, "token: the token's address is none: %w", err)
	}
	return t, nil
}

// text writes a token as Parse reads it.
func (t Token) text() string {
	b := append([]byte(nil), t.Sealed...)
	b = append(b, t.PSK[:]...)
	b = append(b, byte(len(t.Addr)))
	b = append(b, t.Addr...)
	b = order.AppendUint32(b, crc32.ChecksumIEEE(b))
	return textPrefix + textEncoding.EncodeToString(b)
}
