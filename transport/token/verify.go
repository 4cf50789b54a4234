package token

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
)

// DefaultSkew is how far the clocks of login service and game server may differ when
// Config does not say otherwise.
const DefaultSkew = 5 * time.Second

// Config says which tokens a Verifier takes. Keys and Server are required.
type Config struct {
	// Keys are those that tokens may be sealed with, in any order; see [LoadKeys].
	Keys []Key
	// Server is this server's name, under which login services grant access. No two
	// processes may have the same: each would let a token in once.
	Server string
	// Skew is how far the clocks of login service and game server may differ. Zero means
	// DefaultSkew, negative means not at all.
	Skew time.Duration
}

// Verifier is what a game server checks tokens with, and where it remembers those that
// were used. There is one in a process, for all its listeners. It is safe for concurrent
// use.
type Verifier struct {
	server string
	skew   int64 // milliseconds, as all times here
	start  int64
	keys   atomic.Pointer[[]Key]

	mu   sync.Mutex
	past history
}

// NewVerifier returns a Verifier, or what is wrong with the Config. Tokens that were
// issued before it was made are refused, since an earlier process may have let them in.
func NewVerifier(c Config) (*Verifier, error) {
	if err := checkName("server", c.Server, maxServer); err != nil {
		return nil, fmt.Errorf("token: Config.Server: %w", err)
	}
	switch {
	case c.Skew == 0:
		c.Skew = DefaultSkew
	case c.Skew < 0:
		c.Skew = 0
	}
	v := &Verifier{server: c.Server, skew: c.Skew.Milliseconds(), start: time.Now().UnixMilli(), past: newHistory()}
	if err := v.SetKeys(c.Keys); err != nil {
		return nil, err
	}
	return v, nil
}

// SetKeys replaces the keys that tokens may be sealed with, while the server runs. After
// an error those from before stay.
func (v *Verifier) SetKeys(keys []Key) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	keys = slices.Clone(keys)
	v.keys.Store(&keys)
	return nil
}

// Pass is what a server learns from a token that it opened. Printing it does not show its
// PSK and Data.
type Pass struct {
	ID      [16]byte // the token's number
	User    string
	Data    []byte    // the grant's
	PSK     PSK       // what the player must prove to have
	Expires time.Time // by the login service's clock
}

// String returns the user with a few words around it.
func (p Pass) String() string { return fmt.Sprintf("pass of %q", p.User) }

// Format implements fmt.Formatter: every verb prints the same.
func (p Pass) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

const advice = ": get a new one from the login service"

// Open opens a sealed token that somebody shows at the time now. There is a Pass if the
// token is authentic, for this server, issued since the Verifier was made, not expired
// and not consumed. The error wraps core.ErrRefused; it says which of these fails and
// what to do, and may be told to whoever showed the token.
//
// Whoever shows a token need not be whom it was given to: that is proven by the PSK.
// Only then is the token consumed, see [Verifier.Consume].
func (v *Verifier) Open(sealed []byte, now time.Time) (*Pass, error) {
	at := now.UnixMilli()
	h, ok := parseHeader(sealed)
	if !ok {
		return nil, core.Errorf(core.ErrRefused, "token: %d bytes that are no token of this version"+advice, len(sealed))
	}
	// What the header says is not authentic yet, but an expired token is not worth more.
	if err := v.lives(h.expires, at); err != nil {
		return nil, err
	}
	c, err := v.decrypt(h, sealed)
	if err != nil {
		return nil, err
	}
	switch {
	case c.issued >= h.expires || c.issued < h.expires-MaxTTL.Milliseconds():
		return nil, core.Errorf(core.ErrRefused, "token: the token lives longer than %v, or not at all: the login service makes tokens wrongly", MaxTTL)
	case c.issued > at+v.skew:
		return nil, core.Errorf(core.ErrRefused, "token: the token was issued %v in the future: set the clocks of login service and server, which may differ by %v", ms(c.issued-at), ms(v.skew))
	case c.issued < v.start-v.skew:
		return nil, core.Errorf(core.ErrRefused, "token: the token is older than the server, which started %v after it was issued"+advice, ms(v.start-c.issued))
	case !slices.Contains(c.servers, v.server):
		return nil, core.Errorf(core.ErrRefused, "token: the token is for other servers than %q"+advice, v.server)
	}
	v.mu.Lock()
	_, err = v.past.find(use{h.expires, c.id})
	v.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &Pass{ID: c.id, User: c.user, Data: c.data, PSK: c.psk, Expires: time.UnixMilli(h.expires)}, nil
}

// lives says whether a token that expires then is good at a time.
func (v *Verifier) lives(expires, at int64) error {
	switch {
	case expires <= at-v.skew && expires > 0: // a forged one may be anything
		return core.Errorf(core.ErrRefused, "token: the token expired %v ago"+advice, ms(at-expires))
	case expires <= at-v.skew:
		return errForgotten
	case expires > at+v.skew+MaxTTL.Milliseconds():
		return core.Errorf(core.ErrRefused, "token: the token expires too far in the future: set the clocks of login service and server, which may differ by %v", ms(v.skew))
	}
	return nil
}

// decrypt returns what is in a sealed token.
func (v *Verifier) decrypt(h header, sealed []byte) (content, error) {
	known := false
	for _, k := range *v.keys.Load() {
		if k.id != h.key {
			continue
		}
		known = true
		if text := open(k, sealed); text != nil {
			c, err := parseContent(text)
			if err != nil {
				err = core.Errorf(core.ErrRefused, "token: the token is authentic and malformed: %w", err)
			}
			return c, err
		}
	}
	if known {
		return content{}, core.Errorf(core.ErrRefused, "token: the token was changed on its way, or forged"+advice)
	}
	return content{}, core.Errorf(core.ErrRefused, "token: the token is sealed with key %x, which this server does not have: give the login service's keys to the server", h.key)
}

// Consume makes a token that Open opened useless. The server calls it once its player
// has proven to have the PSK, before it lets the player in; not earlier, or whoever
// sees a token on the wire could spend it. If two connections come with one token, one
// of them gets an error.
//
// The error wraps core.ErrRefused: the token was consumed or has expired meanwhile, or
// MaxConsumed others were consumed of late.
func (v *Verifier) Consume(p *Pass, now time.Time) error {
	u := use{p.Expires.UnixMilli(), p.ID}
	at := now.UnixMilli()
	if err := v.lives(u.expires, at); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.past.forget(at - v.skew)
	i, err := v.past.find(u)
	if err != nil {
		return err
	}
	if len(v.past.used) >= MaxConsumed {
		return core.Errorf(core.ErrRefused, "token: %d players came in of late, more than the server remembers: try again in %v",
			MaxConsumed, ms(v.past.used[0].expires+v.skew-at))
	}
	v.past.add(i, u)
	return nil
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
