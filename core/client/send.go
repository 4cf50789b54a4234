package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/state"
)

// maxPacket bounds what one packet of input takes.
const maxPacket = 1100

// sendInput sends what the player steers, and acknowledges what came.
func (c *Client) sendInput(now time.Time) {
	c.sentAt, c.news = now, false
	seq := c.packets.Next()
	b := c.packets.AppendHeader(append(c.buf[:0], byte(wire.KindInput)), now)
	b, n := c.replica.AppendInputs(b, maxPacket)
	c.rounds[seq%uint64(len(c.rounds))] = round{seq, n}
	c.buf = b
	// A connection that has ended is the reader's to report.
	_ = c.conn.Send(core.Unreliable, b)
}

// frame begins a Reliable frame.
func (c *Client) frame(k wire.Kind) []byte {
	return c.frames.AppendHeader(append(c.buf[:0], byte(k)))
}

func (c *Client) sendFrame(b []byte) error {
	c.buf = b
	err := c.conn.Send(core.Reliable, b)
	if err != nil {
		c.frames.Unsent()
		if over := c.in.err(); over != nil && errors.Is(err, core.ErrClosed) {
			return over
		}
	}
	return err
}

// Emit sends an event to the server, which handles it with rpc.On. The error is
// core.ErrTooLarge, core.ErrUnsupported, core.ErrBackpressure or core.ErrClosed.
func (c *Client) Emit(name string, v any) error {
	value, err := c.events.Append(nil, name, v)
	if err != nil {
		return err
	}
	e := wire.Event{Name: name, Value: value}
	return c.sendFrame(e.Append(c.frame(wire.KindEvent)))
}

// SetReady tells the server, and so everyone, whether this player is ready. The
// error is core.ErrBackpressure or core.ErrClosed.
func (c *Client) SetReady(ready bool) error {
	return c.sendFrame(wire.AppendBool(c.frame(wire.KindReady), ready))
}

// SetInfo changes what the player says about itself; see Config.Info.
func (c *Client) SetInfo(info any) error {
	b, err := c.cfg.Codec.Append(nil, info)
	if err != nil {
		return err
	}
	if len(b) > lobby.MaxInfo {
		return fmt.Errorf("parley: client: the info takes %d bytes; at most %d are allowed: %w", len(b), lobby.MaxInfo, core.ErrTooLarge)
	}
	return c.sendFrame(append(c.frame(wire.KindInfo), b...))
}

// InfoOf decodes what a player of the Lobby says about itself into v, a pointer to
// the type that its Info has.
func (c *Client) InfoOf(p lobby.Player, v any) error {
	_, err := c.cfg.Codec.Decode(p.Info, v)
	return err
}

// SendCall implements state.Messenger; games use package rpc.
func (c *Client) SendCall(call state.Call) error {
	w := wire.Call{Number: call.Number, Object: uint32(call.Object), Args: call.Args}
	if call.Delivery == core.Unreliable {
		c.buf = w.Append(append(c.buf[:0], byte(wire.KindFastCall)))
		return c.conn.Send(core.Unreliable, c.buf)
	}
	return c.sendFrame(w.Append(c.frame(wire.KindCall)))
}
