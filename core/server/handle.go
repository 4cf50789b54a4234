package server

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// drain handles everything that came in.
func (r *Room) drain() {
	for len(r.slow) > 0 {
		n := r.slow[0]
		r.slow = r.slow[1:]
		if r.playing {
			r.lose(n, core.CodeSlow, tooSlow)
		}
	}
	q := r.in.take()
	for i := range q {
		switch it := &q[i]; {
		case it.join != nil:
			it.join.answer <- r.admit(it.n, it.join.info)
		case it.n.player == nil || it.n.player.n != it.n || it.n.ended:
			r.release(it)
		case !r.playing:
			r.late(it)
			r.release(it)
		case it.err != nil:
			r.end(it.n, it.err)
		default:
			r.message(it.n, it.msg)
			r.release(it)
		}
	}
	r.in.recycle(q)
	if r.lobby.Changed() {
		r.sendPlayers(time.Now())
	}
}

func (r *Room) release(it *item) {
	if it.err == nil {
		it.n.credit.give(len(it.msg))
	}
}

// late handles what comes when the match is over: what clients have of the last
// state, and who is gone.
func (r *Room) late(it *item) {
	if it.err != nil {
		it.n.close(core.CodeNormal, "")
		return
	}
	rd := wire.NewReader(it.msg)
	if wire.Kind(rd.Byte()) == wire.KindInput {
		now := time.Now()
		seq := it.n.packets.ReadHeader(&rd, now, it.n.onAck, it.n.onLost)
		if rd.Err() == nil {
			it.n.packets.Received(seq, now)
		}
	}
}

// message handles one message of a player. What is malformed costs its sender the
// connection.
func (r *Room) message(n *session, msg []byte) {
	rd := wire.NewReader(msg)
	kind := wire.Kind(rd.Byte())
	if kind.IsReliable() {
		n.frames.ReadHeader(&rd)
	}
	if rd.Err() == nil {
		r.body(n, kind, &rd)
	}
	if rd.Err() != nil {
		r.stats.Malformed++
		r.log.Debug("malformed message", "player", n.player.id, "kind", kind, "err", rd.Err())
		r.expel(n, core.CodeProtocol, "it sent a malformed message")
	}
}

// bareInputs is the longest form in bytes of input without any movement, whose
// acknowledgement can wait.
const bareInputs = 5

func (r *Room) body(n *session, kind wire.Kind, rd *wire.Reader) {
	p := n.player
	switch kind {
	case wire.KindInput:
		now := time.Now()
		seq := n.packets.ReadHeader(rd, now, n.onAck, n.onLost)
		if rd.Err() != nil || !n.packets.Received(seq, now) {
			return
		}
		inputs := rd.Rest()
		if len(inputs) > bareInputs {
			n.gotAt = now
		}
		before := r.world.Refused()
		if err := r.world.ApplyInputs(p.id, inputs); err != nil {
			rd.Fail("movement")
		}
		p.refused.moves += r.world.Refused() - before
	case wire.KindCall, wire.KindFastCall:
		c := wire.ReadCall(rd)
		if rd.Err() == nil {
			from := rpc.Caller{Player: p.id, Tick: r.world.Tick()}
			r.handled(p, rd, r.calls.Dispatch(c.Number, state.ObjectID(c.Object), from, c.Args))
		}
	case wire.KindEvent:
		e := wire.ReadEvent(rd)
		if rd.Err() == nil {
			from := rpc.Caller{Player: p.id, Tick: r.world.Tick()}
			r.handled(p, rd, r.events.Dispatch(e.Name, from, e.Value))
		}
	case wire.KindReady:
		ready := rd.Bool()
		if rd.End() == nil {
			r.lobby.SetReady(p.id, ready)
			p.unsaid = true
		}
	case wire.KindInfo:
		info := slices.Clone(rd.Rest())
		if r.lobby.SetInfo(p.id, info) {
			p.info = info
			p.unsaid, p.newInfo = true, true
		} else {
			p.refused.infos++
			r.stats.Refused++
		}
	default:
		rd.Fail("a kind that clients do not send")
	}
}

// handled looks at what became of a call or an event.
func (r *Room) handled(p *Player, rd *wire.Reader, err error) {
	var panicked *rpc.PanicError
	switch {
	case err == nil:
	case errors.As(err, &panicked):
		r.stats.Panics++
		r.log.Error("a handler panicked", "player", p.id, "panic", panicked.Value, "stack", string(panicked.Stack))
	case errors.Is(err, rpc.ErrNoObject):
		r.stats.Gone++
	default:
		p.refused.calls++
		r.stats.Refused++
		r.warnOnce(p, err)
		if errors.Is(err, rpc.ErrUnknown) {
			rd.Fail(err.Error())
		}
	}
}

// warnings is how many sorts of refusals a room tells the operator of: enough for
// the mistakes of a developer, and nothing for a hostile client to fill a log with.
const warnings = 32

// warnOnce logs a refusal, loudly the first time that one reads so.
func (r *Room) warnOnce(p *Player, err error) {
	text := err.Error()
	if !r.warned[text] && len(r.warned) < warnings {
		r.warned[text] = true
		r.log.Warn("refused; more of the same are only counted", "player", p.id, "err", text)
		return
	}
	r.log.Debug("refused", "player", p.id, "err", text)
}

// end handles the end of a player's connection.
func (r *Room) end(n *session, err error) {
	var closed *core.CloseError
	switch {
	case errors.As(err, &closed) && closed.Remote && closed.Code == core.CodeNormal:
		n.close(core.CodeNormal, "")
		r.log.Info("left", "player", n.player.id)
		r.leave(n.player, eventLeft, closed.Code, closed.Reason)
	case closed != nil && !closed.Remote && closed.Code == core.CodeFlood:
		r.expel(n, closed.Code, closed.Reason)
	default:
		why := core.CodeLost
		if closed != nil {
			why = closed.Code
		}
		r.lose(n, why, err.Error())
	}
}

// expel ends the session of a client that breaks the rules, at once.
func (r *Room) expel(n *session, code core.Code, reason string) {
	if n.ended {
		return
	}
	n.ended = true
	r.log.Info("expelled", "player", n.player.id, "addr", n.conn.RemoteAddr(), "code", code, "reason", reason)
	r.srv.work.Go(func() { _ = n.conn.Close(code, reason) })
	r.leave(n.player, eventKicked, code, reason)
}

// lose notes that a player's connection is gone. What the player steers stands
// still; the seat is kept for the grace time.
func (r *Room) lose(n *session, code core.Code, reason string) {
	n.close(code, reason)
	p := n.player
	if !r.lobby.Lose(p.id) {
		return
	}
	p.lostAt = time.Now()
	r.log.Info("lost connection", "player", p.id, "code", code, "reason", reason)
	r.world.Halt(p.id)
	r.event(eventLost, p.id, why(code, reason))
	for _, fn := range r.onLost {
		r.contain("lost hook", func() { fn(p) })
	}
}

// leave frees a player's seat and takes its objects out of the world.
func (r *Room) leave(p *Player, kind string, code core.Code, reason string) {
	if !r.lobby.Leave(p.id) {
		return
	}
	r.sayRefused(p)
	r.event(kind, p.id, why(code, reason))
	// A new slice, since somebody may be ranging over the old one.
	r.players = slices.DeleteFunc(slices.Clone(r.players), func(q *Player) bool { return q == p })
	for _, fn := range r.onLeave {
		r.contain("leave hook", func() { fn(p) })
	}
	for obj := range r.world.OwnedBy(p.id) {
		r.contain("despawn hook", obj.Despawn)
	}
}

// housekeep looks for players who fell silent and for those who did not come back.
func (r *Room) housekeep(now time.Time) {
	if now.Sub(r.looked) > time.Second {
		r.awake = now // the room itself did not listen
	}
	r.looked = now
	for _, p := range r.players {
		switch {
		case r.lobby.Status(p.id) == lobby.LostConnection:
			if now.Sub(p.lostAt) >= r.srv.cfg.Grace {
				r.log.Info("did not come back", "player", p.id)
				r.leave(p, eventLeft, core.CodeTimeout, "it did not come back")
			}
		case !p.n.ended && p.n.silence(now, r.awake) >= r.srv.cfg.Timeout:
			r.lose(p.n, core.CodeTimeout, fmt.Sprintf("nothing heard for %v", r.srv.cfg.Timeout))
		}
	}
}

// contain runs a hook; its panic is logged and counted, and ends nothing else.
func (r *Room) contain(what string, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			r.stats.Panics++
			r.log.Error("a "+what+" panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	fn()
}

// sendPlayers tells everyone which players changed, unless it did a moment ago: a
// player who changes all the time must not cost the others more than a trickle.
func (r *Room) sendPlayers(now time.Time) {
	if now.Sub(r.told) < playersGap {
		return
	}
	changes := r.lobby.TakeChanges()
	if len(changes) == 0 {
		return
	}
	r.told = now
	for _, p := range r.players {
		r.tell(p.n, changes)
	}
}

// tell tells one player about players.
func (r *Room) tell(n *session, players []lobby.Player) {
	for len(players) > 0 && !n.ended {
		b := n.frame(wire.KindPlayers)
		for len(players) > 0 && len(b) < playersFrame {
			q := &players[0]
			b = wire.AppendPlayer(b, wire.Player{ID: uint32(q.ID), Status: uint8(q.Status), Ready: q.Ready, Info: q.Info})
			players = players[1:]
		}
		_ = n.sendFrame(b) // a player who does not take it loses the connection
	}
}
