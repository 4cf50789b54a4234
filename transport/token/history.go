package token

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/parley-net/parley/core"
)

// MaxConsumed is how many consumed tokens a Verifier remembers. Each is remembered until
// it expires, and nobody gets in while there are as many: to forget one that is still
// good would let it in again. It is enough for 1,300 players a second with tokens of
// DefaultTTL, in 1.5 MiB.
const MaxConsumed = 1 << 16

// history is the tokens that were consumed and have not expired.
type history struct {
	used []use // sorted
	// A clock that is set back must not make forgotten tokens good again: none is that
	// expires up to here.
	forgotten int64
}

type use struct {
	expires int64
	id      [idSize]byte
}

func (u use) compare(v use) int {
	return cmp.Or(cmp.Compare(u.expires, v.expires), bytes.Compare(u.id[:], v.id[:]))
}

func newHistory() history { return history{forgotten: math.MinInt64} }

var (
	errConsumed  = core.Errorf(core.ErrRefused, "token: the token was used already, and serves once"+advice)
	errForgotten = core.Errorf(core.ErrRefused, "token: the token expired"+advice)
)

// find returns where u belongs, or an error if it may be here or have been.
func (h *history) find(u use) (at int, err error) {
	if u.expires <= h.forgotten {
		return 0, errForgotten
	}
	at, found := slices.BinarySearchFunc(h.used, u, use.compare)
	if found {
		return 0, errConsumed
	}
	return at, nil
}

// forget drops the tokens that expired then or before.
func (h *history) forget(then int64) {
	n := 0
	for n < len(h.used) && h.used[n].expires <= then {
		n++
	}
	if n > 0 {
		h.forgotten = h.used[n-1].expires // later than before, or find had refused it
		if h.used = h.used[n:]; len(h.used) == 0 {
			h.used = nil // gives the memory back
		}
	}
}

// add adds u where find said.
func (h *history) add(at int, u use) { h.used = slices.Insert(h.used, at, u) }
