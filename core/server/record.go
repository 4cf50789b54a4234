package server

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
	"github.com/parley-net/parley/core/state"
)

// The kinds of events that a room records by itself; see the package comment.
const (
	eventStarted  = "started"
	eventReopened = "reopened"
	eventRestored = "restored"
	eventEnded    = "ended"
	eventJoined   = "joined"
	eventResumed  = "resumed"
	eventReady    = "ready"
	eventInfo     = "info"
	eventLost     = "lost"
	eventLeft     = "left"
	eventKicked   = "kicked"
	eventRefused  = "refused"
	eventDropped  = "dropped"
)

var ownKinds = []string{eventStarted, eventReopened, eventRestored, eventEnded, eventJoined, eventResumed, eventReady,
	eventInfo, eventLost, eventLeft, eventKicked, eventRefused, eventDropped}

// maxKind is the longest name of a kind of event in bytes.
const maxKind = 64

// sayGap is how often a player's ready flag and info are recorded at most: who
// changes them all the time must not fill the store.
const sayGap = time.Second

// Record writes an event of the game's own to Config.Sink: what happened, to whom
// (state.Server for nobody), and its data, a struct, of which the exported fields are
// written, or a map with strings for keys; nil for none. It never waits for the sink,
// and data may be changed when it returns. Without a Sink it does nothing but
// check.
//
// The error wraps core.ErrUnsupported if data holds what a store cannot hold, such as
// a channel. A kind must be text of 1 to 64 bytes, and none of those that the room
// records by itself.
func (r *Room) Record(kind string, player state.PlayerID, data any) error {
	switch {
	case kind == "" || len(kind) > maxKind || !plain.IsText(kind):
		return fmt.Errorf("parley: record: the kind %.70q is no text of 1 to %d bytes", kind, maxKind)
	case slices.Contains(ownKinds, kind):
		return fmt.Errorf("parley: record: events of kind %q are the room's own; choose another name", kind)
	}
	x, err := plain.Of(reflect.ValueOf(data))
	if err != nil {
		return fmt.Errorf("parley: record %s: %w", kind, err)
	}
	m, ok := x.(map[string]any)
	if !ok && x != nil {
		return core.Errorf(core.ErrUnsupported, "parley: record %s: the data is a %T: want a struct or a map", kind, data)
	}
	r.event(kind, player, m)
	return nil
}

// Snapshot has the state of the room written to Config.Sink with the next update,
// at the end of the tick: beside the snapshots of Config.SnapshotEvery, when
// something happened that must not be lost. It never waits for the sink. Once the
// match has returned it does nothing, as the last state is written anyway.
func (r *Room) Snapshot() { r.wanted = true }

// Match returns the name under which Config.Sink keeps the match: the room's name and
// the time of the first record. It is "" without a Sink, and while nothing was
// recorded.
func (r *Room) Match() string {
	if r.rec == nil {
		return ""
	}
	return r.rec.matchName()
}

// event records an event.
func (r *Room) event(kind string, p state.PlayerID, data map[string]any) {
	if r.rec != nil {
		r.rec.add(event{Event: core.Event{Tick: r.world.Tick(), Time: time.Now(), Kind: kind, Player: uint32(p), Data: data}})
	}
}

// say records an event with what a player says about itself.
func (r *Room) say(kind string, p *Player) {
	if r.rec != nil {
		e := event{Event: core.Event{Tick: r.world.Tick(), Time: time.Now(), Kind: kind, Player: uint32(p.id)}}
		if len(p.info) > 0 {
			e.info = p.info
		}
		r.rec.add(e)
	}
}

// why is the data of an event about a connection or a seat.
func why(code core.Code, reason string) map[string]any {
	m := map[string]any{"code": code.String()}
	if reason != "" {
		m["reason"] = plain.Text(core.CutReason(reason))
	}
	return m
}

// began notes that the match has started, which a match that never waits in the
// lobby does with its first tick.
func (r *Room) began() {
	if r.begun {
		return
	}
	r.begun = true
	r.snapshotAt = time.Time{}
	players := []any{}
	for p := range r.Players() {
		r.sayLobby(p)
		players = append(players, int64(p.id))
	}
	r.event(eventStarted, state.Server, map[string]any{"players": players})
}

// sayLobby records a player's ready flag and info if they have changed.
func (r *Room) sayLobby(p *Player) {
	if !p.unsaid {
		return
	}
	p.unsaid, p.saidAt = false, time.Now()
	if ready := p.Ready(); ready != p.saidReady {
		p.saidReady = ready
		r.event(eventReady, p.id, map[string]any{"ready": ready})
	}
	if p.newInfo {
		p.newInfo = false
		r.say(eventInfo, p)
	}
}

// sayRefused records what was refused of a player since it was recorded last.
func (r *Room) sayRefused(p *Player) {
	now := p.refused
	now.floods += p.n.dropped.Load()
	if now == p.saidRefused {
		return
	}
	data := make(map[string]any)
	for name, n := range map[string]uint64{
		"calls": now.calls - p.saidRefused.calls, "moves": now.moves - p.saidRefused.moves,
		"infos": now.infos - p.saidRefused.infos, "floods": now.floods - p.saidRefused.floods,
	} {
		if n > 0 {
			data[name] = int64(n)
		}
	}
	p.saidRefused = now
	r.event(eventRefused, p.id, data)
}

// record is what an update does for the sink.
func (r *Room) record(now time.Time) {
	if r.rec == nil {
		return
	}
	for _, p := range r.players {
		if p.unsaid && now.Sub(p.saidAt) >= sayGap {
			r.sayLobby(p)
		}
	}
	every := r.srv.cfg.SnapshotEvery
	if r.wanted || r.begun && every > 0 && !now.Before(r.snapshotAt) {
		r.freeze(now)
		r.wanted, r.snapshotAt = false, now.Add(every)
	}
}

// freeze has a snapshot written.
func (r *Room) freeze(now time.Time) {
	for _, p := range r.players {
		r.sayRefused(p)
	}
	s := r.rec.blank()
	s.at = now
	s.room.Name, s.room.LastPlayer = r.name, int64(r.lastPlayer)
	s.room.Started, s.room.Waited = r.begun, r.lobby.Started()
	s.room.Players, s.infos = s.room.Players[:0], s.infos[:0]
	for q := range r.lobby.Players() {
		s.room.Players = append(s.room.Players, seatState{ID: int64(q.ID), Status: q.Status.String(), Ready: q.Ready})
		s.infos = append(s.infos, q.Info)
	}
	r.world.Freeze(&s.Frozen)
	r.rec.put(s)
}

// finish records the end of the match, which returned err.
func (r *Room) finish(err error) {
	if r.rec == nil {
		return
	}
	if r.begun || r.Match() != "" {
		r.freeze(time.Now())
		data := map[string]any{"reason": endOver}
		switch {
		case r.over() && (err == nil || endsWithServer(err)):
			data["reason"] = endShutdown
		case err != nil:
			data["reason"] = endFailed
			first, _, _ := strings.Cut(err.Error(), "\n") // without the stack of a panic
			data["error"] = plain.Text(core.CutReason(first))
		}
		r.event(eventEnded, state.Server, data)
	}
	r.rec.finish()
}

// Why a match ended.
const (
	endOver     = "over"     // it returned
	endFailed   = "failed"   // it returned an error, or panicked
	endShutdown = "shutdown" // the server shut down meanwhile
)

// matchName makes the name of a match. What of a room's name is not plain, as players
// may choose it, is replaced.
func matchName(room string, start time.Time) string {
	var b strings.Builder
	for _, c := range room {
		if b.Len() >= maxKind {
			break
		}
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_') {
			c = '-'
		}
		b.WriteRune(c)
	}
	return b.String() + start.UTC().Format("-20060102-150405.000000000")
}
