package state

import (
	"math"
	"slices"

	"github.com/parley-net/parley/core/internal/wire"
)

// Movement that a client asks for rides in every upstream packet until one of them
// is acknowledged, so that none sticks when a packet is lost and none waits behind
// one: per object, the velocity asked for last.
//
//	round │ entries…: object │ round - round of the request │ velocity x │ y
//
// A round is one call of AppendInputs.

// ask notes that the server does not have p's request yet.
func (w *World) ask(p *Position2D) {
	if !p.listed {
		p.listed = true
		w.asks = append(w.asks, p)
	}
	p.askedAt = w.inputTick + 1
}

// AppendInputs begins the client's next round of input and appends to dst what
// the server may not have yet, up to a length of max for all of dst; what finds no
// room comes first in the next one. It returns the round's number.
func (r *Replica) AppendInputs(dst []byte, max int) ([]byte, uint32) {
	w := r.w
	w.inputTick++
	w.asks = slices.DeleteFunc(w.asks, func(p *Position2D) bool {
		if !p.o.alive || p.o.owner != w.me {
			p.askedAt = 0
		}
		p.listed = p.askedAt != 0
		return !p.listed
	})
	rides := &r.rides[w.inputTick%rememberedRounds]
	rides.round, rides.list = w.inputTick, rides.list[:0]
	dst = wire.AppendUvarint(dst, uint64(w.inputTick))
	for _, p := range w.asks {
		if len(dst)+maxInput > max {
			break
		}
		dst = wire.AppendUvarint(dst, uint64(p.o.id))
		dst = wire.AppendUvarint(dst, uint64(w.inputTick-p.askedAt))
		dst = wire.AppendVarint(dst, quantize(p.request.X))
		dst = wire.AppendVarint(dst, quantize(p.request.Y))
		rides.list = append(rides.list, ride{p, p.askedAt})
	}
	if n := len(rides.list); n < len(w.asks) { // the others first, next time
		slices.Reverse(w.asks[:n])
		slices.Reverse(w.asks[n:])
		slices.Reverse(w.asks)
	}
	return dst, w.inputTick
}

const (
	maxInput         = 20  // bytes of an entry at most
	rememberedRounds = 256 // a few seconds of them
)

// rides is what a round of input carried.
type rides struct {
	round uint32
	list  []ride
}

type ride struct {
	p       *Position2D
	askedAt uint32
}

// HasInputs reports whether the server may not have all that was asked for.
func (r *Replica) HasInputs() bool { return len(r.w.asks) > 0 }

// AckInputs notes that the server has what AppendInputs returned with a round's
// number.
func (r *Replica) AckInputs(round uint32) {
	rides := &r.rides[round%rememberedRounds]
	if rides.round != round {
		return
	}
	for _, ride := range rides.list {
		if ride.p.askedAt == ride.askedAt { // else it asked anew since
			ride.p.askedAt = 0
		}
	}
}

// ApplyInputs takes a client's AppendInputs: requests that are newer than what is
// known take effect at the next Advance. What the player may not ask for is counted
// (Refused) and has no effect. On an error, an ErrMalformed, nothing has changed.
func (w *World) ApplyInputs(player PlayerID, b []byte) error {
	if err := w.eachInput(b, func(*Object, uint32, int64, int64) {}); err != nil {
		return err
	}
	return w.eachInput(b, func(o *Object, at uint32, x, y int64) {
		switch {
		case o.owner != player || o.pos == nil:
			w.refused++
		case at > o.lastInput:
			o.lastInput = at
			if !o.pos.receive(x, y) {
				w.refused++
			}
		}
	})
}

// eachInput calls fn for each request in b that is about an object; others are
// about one that just went away.
func (w *World) eachInput(b []byte, fn func(o *Object, at uint32, x, y int64)) error {
	r := wire.NewReader(b)
	round := r.Uint(math.MaxUint32)
	for r.Len() > 0 {
		o := w.byID[ObjectID(r.Uint(math.MaxUint32))]
		age := r.Uint(round)
		x, y := r.Varint(), r.Varint()
		if o != nil && r.Err() == nil {
			fn(o, uint32(round-age), x, y)
		}
	}
	return r.Err()
}

// ResetInputs forgets which rounds of input a player's objects had, for a client
// that begins anew with another Replica.
func (w *World) ResetInputs(player PlayerID) {
	for e := range w.OwnedBy(player) {
		e.base().lastInput = 0
	}
}
