package client

import (
	"errors"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// drain handles everything that came in.
func (c *Client) drain() {
	for {
		msg, ok := c.in.take()
		if !ok {
			return
		}
		c.heard = time.Now()
		r := wire.NewReader(msg)
		kind := wire.Kind(r.Byte())
		if kind.IsReliable() {
			c.frames.ReadHeader(&r)
		}
		if r.Err() == nil {
			c.message(kind, &r)
		}
		if err := r.Err(); err != nil {
			c.end(&core.CloseError{Code: core.CodeProtocol, Reason: "the server sent a malformed message", Err: err})
		}
		c.in.done(msg)
	}
}

func (c *Client) message(kind wire.Kind, r *wire.Reader) {
	switch kind {
	case wire.KindState:
		c.state(r)
	case wire.KindValue:
		if err := c.replica.ApplyValue(r.Rest()); err != nil {
			r.Fail(err.Error())
			return
		}
		c.noteFaults()
		c.held.release(c)
	case wire.KindPlayers:
		for r.Len() > 0 {
			p := wire.ReadPlayer(r)
			if r.Err() != nil {
				return
			}
			p.Info = append([]byte(nil), p.Info...)
			c.lobby.Put(lobby.Player{ID: state.PlayerID(p.ID), Status: lobby.Status(p.Status), Ready: p.Ready, Info: p.Info})
		}
		for _, p := range c.lobby.TakeChanges() {
			for _, fn := range c.onWho {
				fn(p)
			}
		}
	case wire.KindPhase:
		started := r.Bool()
		if r.End() != nil || started == c.started {
			return
		}
		c.started = started
		for _, fn := range c.onPhase {
			fn(started)
		}
	case wire.KindCall, wire.KindFastCall:
		call := wire.ReadCall(r)
		if r.Err() == nil {
			c.call(call, kind == wire.KindCall)
		}
	case wire.KindEvent:
		e := wire.ReadEvent(r)
		if r.Err() == nil {
			c.handled(c.events.Dispatch(e.Name, rpc.Caller{Tick: e.Tick}, e.Value))
		}
	default:
		r.Fail("a kind that servers do not send")
	}
}

// state applies a packet of state. One that was overtaken is not acknowledged, so
// that the server sends again what is missing.
func (c *Client) state(r *wire.Reader) {
	now := time.Now()
	seq := c.packets.ReadHeader(r, now, c.acked, func(uint64) {})
	tick := r.Uint(1<<32 - 1)
	if r.Err() != nil {
		return
	}
	blocks := r.Rest()
	if tick >= c.Tick() {
		c.in.stateAt = now
	}
	switch err := c.replica.Apply(tick, blocks); {
	case errors.Is(err, state.ErrStale):
		c.stats.Rejected++
		return
	case err != nil:
		r.Fail(err.Error())
		return
	}
	c.noteFaults()
	c.packets.Received(seq, now)
	c.news = c.news || len(blocks) > 0
	c.held.release(c)
}

// noteFaults logs values that did not decode, once.
func (c *Client) noteFaults() {
	n, first := c.replica.Faults()
	if c.stats.Faults == 0 && n > 0 {
		c.log.Error("a value does not decode; do server and client have the same codec?", "err", first)
	}
	c.stats.Faults = n
}

// acked notes that the server has a packet of this client.
func (c *Client) acked(seq uint64) {
	if r := c.rounds[seq%uint64(len(c.rounds))]; r.seq == seq {
		c.replica.AckInputs(r.n)
	}
}

// call runs a call, or keeps it until its object is here.
func (c *Client) call(call wire.Call, reliable bool) {
	id := state.ObjectID(call.Object)
	if c.World().Object(id) == nil || c.held.has(id) {
		if !reliable || c.replica.IsGone(id) || !c.held.add(call) {
			c.stats.Gone++
		}
		return
	}
	c.dispatch(call)
}

func (c *Client) dispatch(call wire.Call) {
	c.handled(c.calls.Dispatch(call.Number, state.ObjectID(call.Object), rpc.Caller{Tick: call.Tick}, call.Args))
}

func (c *Client) handled(err error) {
	var panicked *rpc.PanicError
	switch {
	case err == nil:
	case errors.As(err, &panicked):
		c.stats.Panics++
		c.log.Error("a handler panicked", "panic", panicked.Value, "stack", string(panicked.Stack))
	case errors.Is(err, rpc.ErrNoObject):
		c.stats.Gone++
	default:
		c.stats.Unhandled++
		c.log.Debug("not handled", "err", err)
	}
}

// held keeps Reliable calls on objects that are not here yet, in order for each.
type held struct {
	calls []heldCall
	bytes int
}

type heldCall struct {
	call wire.Call
	at   time.Time
}

// The bounds of what waits for its object.
const (
	maxHeldCalls = 4096
	maxHeldBytes = 4 << 20
	maxHeldTime  = 5 * time.Second
)

func (h *held) has(id state.ObjectID) bool {
	for i := range h.calls {
		if h.calls[i].call.Object == uint32(id) {
			return true
		}
	}
	return false
}

func (h *held) add(call wire.Call) bool {
	if len(h.calls) >= maxHeldCalls || h.bytes+len(call.Args) > maxHeldBytes {
		return false
	}
	call.Args = append([]byte(nil), call.Args...)
	h.calls = append(h.calls, heldCall{call, time.Now()})
	h.bytes += len(call.Args)
	return true
}

// release runs the calls whose objects have come.
func (h *held) release(c *Client) {
	if len(h.calls) == 0 {
		return
	}
	h.sift(func(hc heldCall) bool {
		id := state.ObjectID(hc.call.Object)
		switch {
		case c.World().Object(id) != nil:
			c.dispatch(hc.call)
		case c.replica.IsGone(id):
			c.stats.Gone++
		default:
			return true
		}
		return false
	})
}

// expire gives up on objects that do not come.
func (h *held) expire(c *Client, now time.Time) {
	if len(h.calls) == 0 || now.Sub(h.calls[0].at) < maxHeldTime {
		return
	}
	h.sift(func(hc heldCall) bool {
		if now.Sub(hc.at) < maxHeldTime {
			return true
		}
		c.stats.Gone++
		return false
	})
}

// sift keeps the calls for which keep says so.
func (h *held) sift(keep func(heldCall) bool) {
	calls := h.calls
	h.calls, h.bytes = nil, 0
	var left []heldCall
	for _, hc := range calls {
		if keep(hc) {
			left = append(left, hc)
			h.bytes += len(hc.call.Args)
		}
	}
	h.calls = append(left, h.calls...)
}
