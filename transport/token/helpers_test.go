package token

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// seeded returns a key that is always the same.
func seeded(t testing.TB, first byte) Key {
	t.Helper()
	k, err := newKey([keySize]byte{first})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue makes a token and reads it, as login service and client do.
func issue(t testing.TB, keys []Key, g Grant) Token {
	t.Helper()
	text, err := Issue(keys, g)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func verifier(t testing.TB, c Config) *Verifier {
	t.Helper()
	v, err := NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// refused holds that an error is a refusal that says want, and that it gives away
// nothing of the secrets.
func refused(t testing.TB, err error, want string, secrets ...[]byte) {
	t.Helper()
	if !errors.Is(err, core.ErrRefused) {
		t.Errorf("got %v; want a core.ErrRefused with %q", err, want)
		return
	}
	if !strings.HasPrefix(err.Error(), "token: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("the error reads %q, want %q in it", err, want)
	}
	if len(err.Error()) > 256 { // what a datagram adapter has room for
		t.Errorf("the error has %d bytes: %v", len(err.Error()), err)
	}
	for _, s := range secrets {
		if bytes.Contains([]byte(err.Error()), s) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

// anyGrant makes a grant that fits, from the smallest to the largest.
func anyGrant(r *rand.Rand) Grant {
	text := func(least, most int) string {
		const letters = "abcxyz 0189-_äß€😀\x00"
		var b strings.Builder
		runes := []rune(letters)
		for n := least + r.IntN(most-least+1); b.Len() < n; {
			c := string(runes[r.IntN(len(runes))])
			if b.Len()+len(c) > n {
				c = "a"
			}
			b.WriteString(c)
		}
		return b.String()
	}
	g := Grant{User: text(1, maxUser), TTL: time.Duration(1 + r.Int64N(int64(MaxTTL-time.Millisecond)))}
	g.TTL = max(g.TTL, time.Millisecond)
	left := maxContent - len(g.User)
	for left >= 2 && (len(g.Servers) == 0 || r.IntN(4) > 0) {
		s := text(1, min(maxServer, left-1))
		g.Servers = append(g.Servers, s)
		left -= 1 + len(s)
	}
	g.Data = []byte(text(0, min(MaxData, left)))
	if r.IntN(2) == 0 {
		g.Addr = "play.example.org:7777#qisyqwhrqg3knz3x7vtfmggxzy"
	}
	return g
}
