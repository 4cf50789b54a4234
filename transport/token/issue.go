package token

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/parley-net/parley/transport/identity"
)

// How long tokens live.
const (
	DefaultTTL = 45 * time.Second
	MaxTTL     = 5 * time.Minute
)

// Grant says what a login service grants to a player. User and Servers are required. A
// token has room for a user of 128 bytes, servers of 64 bytes each, Data of 256 bytes,
// and for 399 bytes of them in sum, where each server counts one more than its length.
type Grant struct {
	// User is the player's name or number; the server's core.Identifier returns it.
	User string
	// Servers are the names of the servers that the token is good for, each its own
	// Config.Server. A token serves once on each of them.
	Servers []string
	// Addr is where the player dials, with the server's pin: "host:port#pin". Zero means
	// that the client learns it otherwise.
	Addr string
	// Data is for the game: roles, a character, a party. Players cannot read or change
	// it. Zero means none.
	Data []byte
	// TTL is how long the player may take to connect, at most MaxTTL. Zero means
	// DefaultTTL.
	TTL time.Duration
}

// Issue makes a token, as text that the login service sends to the player over a
// connection that nobody can read (HTTPS), and that [Parse] reads. It is sealed with the
// first of keys, the newest. Whoever has the text can use it, so it must not be logged.
//
// It fails if the grant does not fit or makes no sense, and if there is no key.
func Issue(keys []Key, g Grant) (string, error) {
	if err := checkKeys(keys); err != nil {
		return "", err
	}
	if g.TTL == 0 {
		g.TTL = DefaultTTL
	}
	now := time.Now().UnixMilli()
	c := content{issued: now, user: g.User, servers: slices.Clone(g.Servers), data: g.Data}
	err := c.check()
	switch {
	case err != nil:
	case g.TTL < time.Millisecond || g.TTL > MaxTTL:
		err = fmt.Errorf("it lives for %v, which must be at least 1ms and at most %v", g.TTL, MaxTTL)
	case len(g.Addr) > maxAddr:
		err = fmt.Errorf("its address has %d bytes, at most %d are allowed", len(g.Addr), maxAddr)
	default:
		_, _, err = identity.Split(g.Addr)
	}
	if err != nil {
		return "", fmt.Errorf("token: issue a token for %q: %w", g.User, err)
	}
	var nonce [nonceSize]byte
	rand.Read(c.id[:]) // these never fail
	rand.Read(c.psk[:])
	rand.Read(nonce[:])
	t := Token{Addr: g.Addr, Sealed: seal(keys[0], now+g.TTL.Milliseconds(), nonce, &c), PSK: c.psk}
	return t.text(), nil
}
