package server

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// Emit sends an event to every player; clients handle it with rpc.On. The error
// is core.ErrTooLarge or core.ErrUnsupported; a player who does not keep up loses the
// connection instead.
func (r *Room) Emit(name string, v any) error { return r.emit(name, v, r.players) }

// EmitTo sends an event to the given players. Those who are not here are passed
// over. See Emit.
func (r *Room) EmitTo(name string, v any, players ...state.PlayerID) error {
	return r.emit(name, v, r.some(players))
}

func (r *Room) emit(name string, v any, to []*Player) error {
	value, err := r.events.Append(nil, name, v)
	if err != nil {
		return err
	}
	e := wire.Event{Tick: r.world.Tick(), Name: name, Value: value}
	return r.each(to, func(n *session) error { return n.sendFrame(e.Append(n.frame(wire.KindEvent))) })
}

// SendCall implements state.Messenger; games use package rpc.
func (r *Room) SendCall(c state.Call) error {
	w := wire.Call{Number: c.Number, Object: uint32(c.Object), Tick: r.world.Tick(), Args: c.Args}
	var to []*Player
	switch c.To {
	case state.ToServer: // the server is here
		return r.calls.Dispatch(c.Number, c.Object, rpc.Caller{Player: state.Server, Tick: r.world.Tick()}, c.Args)
	case state.ToOwner: // package rpc has looked that there is one
		to = r.some([]state.PlayerID{r.world.Object(c.Object).Owner()})
	case state.ToAll:
		to = r.players
	case state.ToPlayers:
		to = r.some(c.Players)
	}
	return r.each(to, func(n *session) error {
		if c.Delivery == core.Unreliable {
			r.buf = w.Append(append(r.buf[:0], byte(wire.KindFastCall)))
			return n.conn.Send(core.Unreliable, r.buf)
		}
		return n.sendFrame(w.Append(n.frame(wire.KindCall)))
	})
}

// each sends to players who are connected, and joins the errors that are not about
// a connection that ends.
func (r *Room) each(to []*Player, send func(*session) error) error {
	var errs []error
	for _, p := range to {
		if p.n.ended {
			continue
		}
		if err := send(p.n); err != nil && !errors.Is(err, core.ErrClosed) && !errors.Is(err, core.ErrBackpressure) {
			errs = append(errs, fmt.Errorf("%v: %w", p.id, err))
		}
	}
	r.flush()
	return errors.Join(errs...)
}

func (r *Room) some(ids []state.PlayerID) []*Player {
	var out []*Player
	for _, id := range ids {
		if p := r.Player(id); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// Lobby is who is in a room. It belongs to the room's goroutine.
type Lobby struct{ r *Room }

// Wait handles what comes in and sends what changed until the condition holds, then
// starts the match: from then on Config.RefuseLate refuses players. It fails with a
// core.ErrClosed when the server shuts down first. Calls and events come in meanwhile:
// handlers for them belong before it. In a match that was restored, and had started
// before, the first Wait returns at once.
func (l *Lobby) Wait(until lobby.Condition) error {
	r := l.r
	for !r.resume && !until(r.lobby) {
		if !r.wait(r.next) {
			if r.over() {
				return fmt.Errorf("parley: waiting in the lobby: the server shuts down: %w", core.ErrClosed)
			}
			r.update()
			r.next = time.Now().Add(r.updateGap())
		}
	}
	l.start(true)
	return nil
}

func (l *Lobby) start(started bool) {
	r := l.r
	if started {
		r.lobby.Start()
		r.began()
		r.resume = false
	} else {
		r.lobby.Reopen()
		r.begun = false
		for _, p := range r.players {
			p.saidReady = false
		}
		r.event(eventReopened, state.Server, nil)
	}
	r.told = time.Time{}
	r.sendPlayers(time.Now()) // the flags that led here come first
	for p := range r.Players() {
		if !p.n.ended {
			_ = p.n.sendFrame(wire.AppendBool(p.n.frame(wire.KindPhase), started))
		}
	}
}

// Reopen returns to the lobby, for a rematch: all ready flags are taken back, and
// late players come in again.
func (l *Lobby) Reopen() { l.start(false) }

// Lock refuses every further player, with a reason that they are told; "" lets them
// in again.
func (l *Lobby) Lock(reason string) { l.r.lobby.Lock(reason) }

// Started reports whether Wait has returned.
func (l *Lobby) Started() bool { return l.r.lobby.Started() }

// Len returns how many seats are taken.
func (l *Lobby) Len() int { return l.r.lobby.Len() }

// Connected returns how many players are connected now.
func (l *Lobby) Connected() int { return l.r.lobby.Connected() }

// Status returns a player's status: lobby.Disconnected for whoever has no seat.
func (l *Lobby) Status(id state.PlayerID) lobby.Status { return l.r.lobby.Status(id) }

// Players yields the players who have a seat, in ascending order of ID.
func (l *Lobby) Players() iter.Seq[lobby.Player] { return l.r.lobby.Players() }
