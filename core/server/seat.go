package server

import (
	"errors"
	"slices"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
)

// errOver is the answer to a stranger who finds that the match is over: there may
// be another one.
var errOver = errors.New("parley: the match is over")

// OnJoin adds a hook that runs for each player who is here already, and for each
// who comes. It does not run for those who have a seat of a match that was restored:
// they had joined, and their objects are there.
func (r *Room) OnJoin(fn func(*Player)) {
	r.onJoin = append(r.onJoin, fn)
	for p := range r.Players() {
		if !p.restored {
			r.contain("join hook", func() { fn(p) })
		}
	}
}

// OnClaim adds a hook that decides whether p, who wants to come in, is the player
// whose seat waits because its connection was lost, or because the match was
// restored. If it returns true p takes the seat, and with it the id and the objects,
// and the OnReturn hooks run instead of those of OnJoin. Without such a hook everybody
// is somebody new. The seats are asked about in ascending order of ID.
//
//	room.OnClaim(func(p, seat *server.Player) bool { return nameOf(p) == nameOf(seat) })
//
// p is no player yet: look at what it says (Player.Info), at where it comes from
// (Player.RemoteAddr), and at nothing else. Nothing proves who somebody is here, and
// everyone in a room sees what the others say: a name is enough among friends, and
// where it is not, leave the seats to their players by not adding this hook. Where a
// server has several rooms, a client that wants its seat back asks for the room by
// name.
func (r *Room) OnClaim(fn func(p, seat *Player) bool) { r.onClaim = append(r.onClaim, fn) }

// OnReturn adds a hook that runs when a player whose seat waited is here again.
func (r *Room) OnReturn(fn func(*Player)) { r.onReturn = append(r.onReturn, fn) }

// OnLost adds a hook that runs when a player's connection was lost. The seat is
// kept for Config.Grace.
func (r *Room) OnLost(fn func(*Player)) { r.onLost = append(r.onLost, fn) }

// OnLeave adds a hook that runs when a player is gone: left, was kicked, or did not
// come back in time. The objects that the player still owns afterwards despawn; a
// game that keeps them gives them to somebody else here.
func (r *Room) OnLeave(fn func(*Player)) { r.onLeave = append(r.onLeave, fn) }

// admit seats a player and welcomes it, or says why not.
func (r *Room) admit(n *session, info []byte) error {
	if !r.playing {
		return errOver
	}
	if !n.claim.CompareAndSwap(0, claimed) {
		return core.ErrTimeout
	}
	if p := r.claims(n, info); p != nil {
		r.comeBack(p, n, info)
		return nil
	}
	if n.ended {
		return core.ErrClosed // a claim hook threw it out
	}
	id, err := r.lobby.Join(info)
	if err != nil {
		n.claim.Store(0) // another room may have a seat
		return err
	}
	p := &Player{id: id, room: r, n: n, info: info}
	r.lastPlayer = id
	r.players = append(r.players, p)
	r.welcome(p)
	r.log.Info("joined", "player", id, "addr", n.conn.RemoteAddr())
	r.say(eventJoined, p)
	for _, fn := range r.onJoin {
		r.contain("join hook", func() { fn(p) })
	}
	return nil
}

// claims returns the player whose seat waits and whom the game takes n for, nil if
// there is none.
func (r *Room) claims(n *session, info []byte) *Player {
	for _, seat := range r.players {
		for _, fn := range r.onClaim {
			if r.lobby.Status(seat.id) != lobby.LostConnection {
				break // a hook may have kicked it
			}
			ok := false
			r.contain("claim hook", func() { ok = fn(&Player{room: r, n: n, info: info}, seat) })
			if ok && r.lobby.Regain(seat.id) {
				return seat
			}
		}
	}
	return nil
}

// comeBack gives a player who has a seat a new session.
func (r *Room) comeBack(p *Player, n *session, info []byte) {
	p.refused.floods += p.n.dropped.Load()
	p.n, p.info = n, info
	r.lobby.SetInfo(p.id, info) // the hello's is not too long
	r.world.ResetInputs(p.id)
	r.welcome(p)
	r.log.Info("came back", "player", p.id, "addr", n.conn.RemoteAddr())
	r.say(eventResumed, p)
	for _, fn := range r.onReturn {
		r.contain("return hook", func() { fn(p) })
	}
}

// welcome begins the session of a player who has a seat.
func (r *Room) welcome(p *Player) {
	n := p.n
	n.room, n.player = r, p
	n.viewer = r.sender.NewViewer()
	n.onAck = func(seq uint64) { n.viewer.Ack(seq) }
	n.onLost = func(seq uint64) { n.viewer.Lost(seq) }
	cfg := &r.srv.cfg
	w := wire.Welcome{
		Player:  uint32(p.id),
		Room:    r.name,
		Tick:    time.Second / time.Duration(cfg.TickRate),
		Update:  time.Second / time.Duration(cfg.UpdateRate),
		Started: r.lobby.Started(),
		Seats:   r.lobby.Seats(),
	}
	_ = n.sendFrame(w.Append(n.frame(wire.KindWelcome)))
	r.tell(n, slices.Collect(r.lobby.Players()))
}
