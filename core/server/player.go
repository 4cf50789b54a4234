package server

import (
	"net"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/link"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/state"
)

// LinkStats is what the server knows of its link to a player.
type LinkStats = link.Stats

// Player is a player of a room. Its methods belong to the room's goroutine, and
// answer also when the player has left.
type Player struct {
	id     state.PlayerID
	room   *Room
	n      *session
	info   []byte
	lostAt time.Time

	restored bool // has not come back since the match was restored

	refused     refusals  // without the floods of this session
	saidRefused refusals  // as recorded
	unsaid      bool      // ready flag or info may differ from what was recorded,
	saidAt      time.Time // which was then,
	saidReady   bool      // and this
	newInfo     bool
}

// refusals counts what a player may not do, by its sorts.
type refusals struct {
	calls  uint64 // and events
	moves  uint64
	infos  uint64
	floods uint64 // messages above the rate
}

// ID returns the player's id, which is the owner of its objects.
func (p *Player) ID() state.PlayerID { return p.id }

// Info decodes what the player says about itself into v, a pointer to the type that
// the client's Info has.
func (p *Player) Info(v any) error {
	_, err := p.room.srv.cfg.Codec.Decode(p.info, v)
	return err
}

// Ready reports whether the player says that it is ready.
func (p *Player) Ready() bool { q, _ := p.room.lobby.Player(p.id); return q.Ready }

// Status returns how the player is connected.
func (p *Player) Status() lobby.Status { return p.room.lobby.Status(p.id) }

// RemoteAddr returns the address that the player is, or was, connected from; nil for
// one of a restored match who has not come back.
func (p *Player) RemoteAddr() net.Addr {
	if p.n.conn == nil {
		return nil
	}
	return p.n.conn.RemoteAddr()
}

// Link returns what the server knows of the link to the player.
func (p *Player) Link() LinkStats {
	var s LinkStats
	if p.n.conn != nil {
		s.Conn = p.n.conn.Stats()
	}
	p.n.packets.Fill(&s)
	return s
}

// Refused returns how many calls, events and movements of the player were refused:
// not the owner's to make, unknown, malformed or above the rate.
func (p *Player) Refused() uint64 {
	n := p.refused
	return n.calls + n.moves + n.infos + n.floods + p.n.dropped.Load()
}

// Kick throws the player out for a reason that it is told. Leave hooks run, and its
// objects go, before Kick returns.
func (p *Player) Kick(reason string) {
	p.room.log.Info("kicked", "player", p.id, "reason", reason)
	p.n.close(core.CodeKicked, reason)
	p.room.leave(p, eventKicked, core.CodeKicked, reason)
}
