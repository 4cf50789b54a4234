package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/state"
)

// Saved is a match as a store has it, for Config.Restore; Load reads one. It is not
// to be changed.
type Saved struct {
	Match string    // its name
	Room  string    // the name of the room that it was played in
	Epoch uint64    // of the snapshot
	Tick  uint64    // likewise
	Time  time.Time // likewise

	// Events is what happened after the snapshot, and is not in it: the world is as if
	// it had not happened. A match that records what must not be undone may look here
	// and do it again. Those of a later epoch come from a time in which the match
	// was restored before, and stopped before its first snapshot.
	Events []core.Event

	next    uint64 // the epoch in which it goes on
	room    roomState
	objects []core.ObjectState
}

// Load reads the newest snapshot of a match, and the events after it, so that
// Config.Restore can go on with it. The match "" means the newest that is under way:
// it has started and not ended, and its room has not begun another one since. A match
// whose server was shut down has not ended; one that failed has. To find it, Load looks
// at all that the store holds, and where several servers share a store it may be
// another one's: then say which.
//
// The error wraps core.ErrNotFound if there is no such match, or no snapshot of it,
// and core.ErrMalformed if the store does not hold what a server wrote: a gap in
// the events after the snapshot is an error, as nobody knows what is missing.
func Load(ctx context.Context, from core.SnapshotReader, match string) (*Saved, error) {
	if match != "" {
		s, _, err := load(ctx, from, match)
		return s, err
	}
	names, err := from.Matches(ctx)
	if err != nil {
		return nil, fmt.Errorf("parley: restore: the store's matches: %w", err)
	}
	type candidate struct {
		name string
		at   time.Time
	}
	var all []candidate
	for _, name := range names {
		snap, err := from.Latest(ctx, name)
		switch {
		case err == nil:
			all = append(all, candidate{name, snap.Time})
		case !errors.Is(err, core.ErrNotFound):
			return nil, fmt.Errorf("parley: restore match %q: %w", name, err)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return b.at.Compare(a.at) })
	rooms := make(map[string]bool)
	for _, c := range all {
		s, ended, err := load(ctx, from, c.name)
		if err != nil {
			return nil, err
		}
		if s.room.Started && !ended && !rooms[s.Room] {
			return s, nil
		}
		rooms[s.Room] = true
	}
	return nil, core.Errorf(core.ErrNotFound, "parley: restore: none of the store's %d matches is under way", len(names))
}

// load reads one match, and whether it has ended.
func load(ctx context.Context, from core.SnapshotReader, match string) (_ *Saved, ended bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("parley: restore match %q: %w", match, err)
		}
	}()
	snap, err := from.Latest(ctx, match)
	if err != nil {
		return nil, false, err
	}
	s := &Saved{Match: match, Epoch: snap.Epoch, Tick: snap.Tick, Time: snap.Time, next: snap.Epoch + 1}
	if err := s.readObjects(snap); err != nil {
		return nil, false, fmt.Errorf("snapshot of epoch %d, tick %d: %w", snap.Epoch, snap.Tick, err)
	}
	ended, err = s.readEvents(ctx, from)
	if err == nil && s.next == 0 {
		err = core.Errorf(core.ErrMalformed, "there is no epoch after %d", uint64(math.MaxUint64))
	}
	return s, ended, err
}

func (s *Saved) readObjects(snap core.Snapshot) error {
	if snap.Objects != nil {
		for x := range snap.Objects {
			x.Fields = slices.Clone(x.Fields)
			for i := range x.Fields {
				x.Fields[i].Value = plain.Clone(x.Fields[i].Value)
			}
			s.objects = append(s.objects, x)
		}
	}
	if len(s.objects) == 0 {
		return core.Errorf(core.ErrMalformed, "it is empty")
	}
	var err error
	s.room, err = readRoom(s.objects[0])
	s.Room, s.objects = s.room.Name, s.objects[1:]
	return err
}

// readEvents reads the events after the snapshot and reports whether the match has
// ended.
func (s *Saved) readEvents(ctx context.Context, from core.SnapshotReader) (ended bool, err error) {
	epoch, seq := s.Epoch, uint64(s.room.Events) // of the last one that is known
	for e, err := range from.Events(ctx, s.Match, 0, math.MaxUint64) {
		switch {
		case err != nil:
			return false, err
		case e.Epoch < s.Epoch:
			continue // undone before
		case e.Epoch != epoch:
			epoch, seq = e.Epoch, 0
		}
		ended = e.Kind == eventEnded && e.Data["reason"] != endShutdown
		s.next = max(s.next, e.Epoch+1)
		if e.Epoch == s.Epoch && e.Seq <= uint64(s.room.Events) {
			continue // the snapshot knows it
		}
		if seq++; e.Seq != seq {
			return false, core.Errorf(core.ErrMalformed, "in epoch %d event %d is followed by event %d: something is missing after the snapshot, which knows %d",
				e.Epoch, seq-1, e.Seq, s.room.Events)
		}
		s.room.LastPlayer = max(s.room.LastPlayer, int64(e.Player))
		e.Data, _ = plain.Clone(e.Data).(map[string]any)
		s.Events = append(s.Events, e)
	}
	return ended, nil
}

// newWorld returns a world that is empty, or as it was saved.
func (s *Server) newWorld(saved *Saved) (*state.World, error) {
	w, err := state.NewWorld(s.cfg.Schema, s.cfg.Codec)
	if err != nil || saved == nil {
		return w, err
	}
	if err := w.Restore(saved.Tick, state.ObjectID(saved.room.LastObject), slices.Values(saved.objects)); err != nil {
		return nil, fmt.Errorf("match %q: %w", saved.Match, err)
	}
	for _, p := range saved.room.Players {
		if p.Info == nil {
			continue
		}
		if b, err := infoBytes(s.cfg.Codec, p.Info); err != nil || len(b) > lobby.MaxInfo {
			return nil, core.Errorf(core.ErrMalformed, "match %q: what %v said about itself takes %d bytes: %w", saved.Match, state.PlayerID(p.ID), len(b), cmp.Or(err, core.ErrTooLarge))
		}
	}
	return w, nil
}

// checkRestore returns why the saved matches of the Config cannot be played.
func (s *Server) checkRestore() error {
	cfg := &s.cfg
	if n := len(cfg.Restore); n > cfg.Rooms || cfg.Matches > 0 && n > cfg.Matches {
		return fmt.Errorf("parley: server: Restore has %d matches; Rooms (%d) and Matches (%d) must allow them", n, cfg.Rooms, cfg.Matches)
	}
	rooms := make(map[string]bool)
	for _, saved := range cfg.Restore {
		if saved == nil {
			return errors.New("parley: server: Restore has a match that is nil; Load reads one")
		}
		if rooms[saved.Room] {
			return fmt.Errorf("parley: server: Restore has two matches in room %q; one room plays one match", saved.Room)
		}
		rooms[saved.Room] = true
		if _, err := s.newWorld(saved); err != nil {
			return fmt.Errorf("parley: server: Restore: %w", err)
		}
	}
	return nil
}

// Restored returns what the match goes on from, nil if it began anew. In a match
// that was restored the objects are in the world, with their owners and values, when
// the match's function is called; what it keeps beside the world, such as hooks,
// handlers and variables of its own, it sets up again:
//
//	if room.Restored() == nil {
//		state.Spawn(room.World(), newBall())
//	}
//	for ball := range state.All[*Ball](room.World()) {
//		ball.Pos.OnCollision(…)
//	}
func (r *Room) Restored() *Saved { return r.saved }

// restore puts a saved match in place of an empty one: the world has its objects.
func (r *Room) restore(saved *Saved) {
	r.saved = saved
	r.lastPlayer = state.PlayerID(saved.room.LastPlayer)
	r.begun = saved.room.Started
	if r.resume = saved.room.Waited; r.resume {
		r.lobby.Start()
	}
	// Ids are not given twice, also those of players who are gone.
	r.lobby.Put(lobby.Player{ID: r.lastPlayer, Status: lobby.OK})
	r.lobby.Leave(r.lastPlayer)
	for _, q := range saved.room.Players {
		if r.begun {
			r.keepSeat(q)
			continue
		}
		for e := range r.world.OwnedBy(state.PlayerID(q.ID)) { // players of a lobby join anew
			e.Despawn()
		}
	}
	r.lobby.TakeChanges() // nobody is here to hear of them
	if r.rec != nil {
		r.rec.match, r.rec.epoch = saved.Match, saved.next
		r.event(eventRestored, state.Server, map[string]any{"epoch": int64(saved.Epoch), "tick": int64(saved.Tick), "undone": int64(len(saved.Events))})
	}
}

// keepSeat keeps a player's seat, as if the connection was lost now.
func (r *Room) keepSeat(q seatState) {
	var info []byte
	if q.Info != nil {
		info, _ = infoBytes(r.srv.cfg.Codec, q.Info) // newWorld has tried it
	}
	id := state.PlayerID(q.ID)
	p := &Player{id: id, room: r, info: info, lostAt: time.Now(), restored: true, saidReady: q.Ready}
	p.n = &session{srv: r.srv, room: r, player: p, ended: true}
	r.players = append(r.players, p)
	r.lobby.Put(lobby.Player{ID: id, Status: lobby.LostConnection, Ready: q.Ready, Info: info})
	r.world.Halt(id)
}
