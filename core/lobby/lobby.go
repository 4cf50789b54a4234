package lobby

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/state"
)

// Status is how a player is connected (thesis §5.2.8).
type Status uint8

const (
	// Disconnected players left, were kicked, or did not come back in time.
	Disconnected Status = iota
	// OK players are connected.
	OK
	// LostConnection players fell silent. Their seat is kept for the grace time.
	LostConnection
)

// String returns "disconnected", "ok" or "lost connection".
func (s Status) String() string {
	switch s {
	case Disconnected:
		return "disconnected"
	case OK:
		return "ok"
	case LostConnection:
		return "lost connection"
	}
	return "status " + strconv.Itoa(int(s))
}

// MaxInfo is the longest encoding in bytes of what a player says about itself.
const MaxInfo = 4096

// Player is one player of a room.
type Player struct {
	ID     state.PlayerID
	Status Status
	Ready  bool
	Info   []byte // what the player says about itself, encoded by the room's codec; not to be changed
}

// RefusedError says why a player may not come in. It is a core.ErrRefused.
type RefusedError struct {
	// Code is what a program looks at: CodeFull, CodeStarted or CodeRefused from a
	// Lobby, and from a server also CodeIncompatible, CodeShutdown or CodeTimeout.
	Code core.Code
	// Reason is for people.
	Reason string
}

func (e *RefusedError) Error() string {
	if e.Reason == "" {
		return "refused: " + e.Code.String()
	}
	return "refused: " + e.Reason
}

// Is reports whether target is core.ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == core.ErrRefused }

// Lobby is the players of a room. It is not safe for concurrent use: it belongs
// to the goroutine of the room, or of the client.
type Lobby struct {
	seats   int
	late    bool
	next    state.PlayerID
	players []Player // by ID
	changed map[state.PlayerID]bool
	started bool
	locked  string
}

// New returns an empty lobby with that many seats, 0 for no limit. late says whether
// players may join after Start.
func New(seats int, late bool) *Lobby {
	return &Lobby{seats: seats, late: late, changed: make(map[state.PlayerID]bool)}
}

// Join seats a new player, who is OK and not ready, or refuses with a
// *RefusedError. Ids are never given twice.
func (l *Lobby) Join(info []byte) (state.PlayerID, error) {
	switch taken := len(l.players); {
	case l.locked != "":
		return 0, &RefusedError{core.CodeRefused, l.locked}
	case l.started && !l.late:
		return 0, &RefusedError{core.CodeStarted, "the match has started and takes no more players"}
	case l.seats > 0 && taken >= l.seats:
		reason := fmt.Sprintf("the room is full: %d of %d seats are taken", taken, l.seats)
		if lost := taken - l.Connected(); lost > 0 {
			reason += fmt.Sprintf(", %d of them kept for players who lost their connection", lost)
		}
		return 0, &RefusedError{core.CodeFull, reason}
	case len(info) > MaxInfo:
		return 0, &RefusedError{core.CodeRefused, fmt.Sprintf("the player info has %d bytes; at most %d are allowed", len(info), MaxInfo)}
	}
	l.next++
	l.Put(Player{ID: l.next, Status: OK, Info: slices.Clone(info)})
	return l.next, nil
}

// Lock refuses every further player for the given reason; Lock("") lets them in
// again.
func (l *Lobby) Lock(reason string) { l.locked = reason }

// Start marks the match as started.
func (l *Lobby) Start() { l.started = true }

// Reopen returns to before Start, for a rematch, and takes back all ready flags.
func (l *Lobby) Reopen() {
	l.started = false
	for i := range l.players {
		l.SetReady(l.players[i].ID, false)
	}
}

// Started reports whether the match has started.
func (l *Lobby) Started() bool { return l.started }

// SetReady sets a player's ready flag. It reports false if the player is not here.
func (l *Lobby) SetReady(id state.PlayerID, ready bool) bool {
	return l.change(id, func(p *Player) bool {
		differs := p.Ready != ready
		p.Ready = ready
		return differs
	})
}

// SetInfo sets what a player says about itself. It reports false if the player is
// not here or the info is longer than MaxInfo.
func (l *Lobby) SetInfo(id state.PlayerID, info []byte) bool {
	if len(info) > MaxInfo {
		return false
	}
	return l.change(id, func(p *Player) bool {
		differs := !bytes.Equal(p.Info, info)
		p.Info = slices.Clone(info)
		return differs
	})
}

// Lose marks an OK player as LostConnection. It reports false for any other.
func (l *Lobby) Lose(id state.PlayerID) bool {
	p, ok := l.Player(id)
	return ok && p.Status == OK && l.change(id, func(p *Player) bool { p.Status = LostConnection; return true })
}

// Regain marks a LostConnection player as OK again. It reports false for any other.
func (l *Lobby) Regain(id state.PlayerID) bool {
	p, ok := l.Player(id)
	return ok && p.Status == LostConnection && l.change(id, func(p *Player) bool { p.Status = OK; return true })
}

// Leave frees a player's seat. It reports false if the player is not here.
func (l *Lobby) Leave(id state.PlayerID) bool {
	i, ok := l.find(id)
	if ok {
		l.players = slices.Delete(l.players, i, i+1)
		l.changed[id] = true
	}
	return ok
}

// Put adds or replaces a player as it is, without a question; a Disconnected one
// goes. It is how a copy follows its original, with the players of TakeChanges.
func (l *Lobby) Put(p Player) {
	i, ok := l.find(p.ID)
	switch {
	case p.Status == Disconnected:
		l.Leave(p.ID)
		return
	case ok:
		l.players[i] = p
	default:
		l.players = slices.Insert(l.players, i, p)
	}
	l.next = max(l.next, p.ID)
	l.changed[p.ID] = true
}

func (l *Lobby) find(id state.PlayerID) (int, bool) {
	return slices.BinarySearchFunc(l.players, id, func(p Player, id state.PlayerID) int { return cmp.Compare(p.ID, id) })
}

func (l *Lobby) change(id state.PlayerID, fn func(*Player) bool) bool {
	i, ok := l.find(id)
	if ok && fn(&l.players[i]) {
		l.changed[id] = true
	}
	return ok
}

// Player returns a player who has a seat.
func (l *Lobby) Player(id state.PlayerID) (Player, bool) {
	if i, ok := l.find(id); ok {
		return l.players[i], true
	}
	return Player{}, false
}

// Status returns a player's status: Disconnected for whoever has no seat.
func (l *Lobby) Status(id state.PlayerID) Status {
	p, _ := l.Player(id)
	return p.Status
}

// Players yields the players who have a seat, in ascending order of ID.
func (l *Lobby) Players() iter.Seq[Player] {
	return func(yield func(Player) bool) {
		for _, p := range slices.Clone(l.players) {
			if !yield(p) {
				return
			}
		}
	}
}

// Len returns how many seats are taken.
func (l *Lobby) Len() int { return len(l.players) }

// Seats returns how many seats there are; 0 means no limit.
func (l *Lobby) Seats() int { return l.seats }

// Connected returns how many players are OK.
func (l *Lobby) Connected() int {
	n := 0
	for i := range l.players {
		if l.players[i].Status == OK {
			n++
		}
	}
	return n
}

// Changed reports whether TakeChanges would return something.
func (l *Lobby) Changed() bool { return len(l.changed) > 0 }

// TakeChanges returns the players who changed since the last call, those who went
// as Disconnected, in ascending order of ID.
func (l *Lobby) TakeChanges() []Player {
	if len(l.changed) == 0 {
		return nil
	}
	ids := make([]state.PlayerID, 0, len(l.changed))
	for id := range l.changed {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	clear(l.changed)
	out := make([]Player, len(ids))
	for i, id := range ids {
		out[i].ID = id
		if p, ok := l.Player(id); ok {
			out[i] = p
		}
	}
	return out
}

// Condition says when a lobby's wait is over. AllReady and AtLeast are two; a game may
// write its own:
//
//	func(l *lobby.Lobby) bool { return l.Connected()%2 == 0 && lobby.AllReady(2)(l) }
type Condition func(*Lobby) bool

// AllReady holds when at least n players are here, and all who are here are connected
// and have said that they are ready.
func AllReady(n int) Condition {
	return func(l *Lobby) bool {
		for i := range l.players {
			if p := &l.players[i]; p.Status != OK || !p.Ready {
				return false
			}
		}
		return len(l.players) >= n
	}
}

// AtLeast holds when at least n players are connected.
func AtLeast(n int) Condition {
	return func(l *Lobby) bool { return l.Connected() >= n }
}
