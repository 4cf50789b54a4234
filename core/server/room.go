package server

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// Room is where one match is played. It belongs to the goroutine that runs the
// Match: hooks and handlers run there too, while the match waits in Ticks or in the
// lobby, so a game needs no lock. Only Context is for any goroutine.
type Room struct {
	srv      *Server
	name     string
	ctx      context.Context // ends when the room closes its connections
	stop     context.CancelFunc
	outer    context.Context // ends when the server shuts down, or the room has closed
	endOuter context.CancelFunc
	log      *slog.Logger

	world  *state.World
	sender *state.Sender
	rec    *recorder // nil without a sink
	calls  *rpc.Table
	events *rpc.Events
	lobby  *lobby.Lobby

	players  []*Player // by id
	onJoin   []func(*Player)
	onClaim  []func(p, seat *Player) bool
	onReturn []func(*Player)
	onLost   []func(*Player)
	onLeave  []func(*Player)
	in       inbox
	timer    *time.Timer
	next     time.Time     // of the next tick
	updateAt time.Time     // of the next update
	step     time.Duration // between two ticks of the world: those of updates, where nothing moves
	captured bool
	playing  bool // until the match returns: nothing of the game runs afterwards
	buf      []byte
	slow     []*session // that did not take a frame in time
	told     time.Time  // when players were told last who is here
	looked   time.Time  // when housekeep looked last
	awake    time.Time  // since when it looks regularly
	stats    Stats
	warned   map[string]bool

	lastPlayer state.PlayerID // the highest id that was given
	saved      *Saved         // what it goes on from; may be nil
	resume     bool           // the match had started when it was saved: the lobby does not wait
	begun      bool           // it has started
	wanted     bool           // a snapshot
	snapshotAt time.Time      // when the next one is due

	closed chan struct{} // closed when the match has returned: nobody gets in any more
}

// Stats counts what a room has seen.
type Stats struct {
	Ticks     uint64 // ticks played
	Skipped   uint64 // ticks that a late room left out
	Refused   uint64 // calls, events and movements refused: not the owner's, unknown, malformed
	Gone      uint64 // calls on objects that had just gone away
	Panics    uint64 // handlers and hooks that panicked
	Malformed uint64 // messages that cost their sender the connection

	EventsLost       uint64 // events that Config.Sink did not take in time
	SnapshotsSkipped uint64 // snapshots that a newer one overtook on their way to the sink, or that it did not take
	SinkErrors       uint64 // writes to the sink that failed; they are repeated
}

// newRoom returns a room, which goes on with a saved match if that is not nil.
func newRoom(ctx context.Context, s *Server, name string, saved *Saved) *Room {
	w, err := s.newWorld(saved)
	if err != nil {
		panic(err) // New has tried it
	}
	r := &Room{
		srv:    s,
		name:   name,
		log:    s.cfg.Logger.With("room", name),
		world:  w,
		sender: state.NewSender(w, s.cfg.UpdateRate),
		calls:  rpc.NewTable(w),
		events: rpc.NewEvents(s.cfg.Codec),
		lobby:  lobby.New(s.cfg.Seats, !s.cfg.RefuseLate),
		in:     inbox{notify: make(chan struct{}, 1)},
		timer:  time.NewTimer(0),
		warned: make(map[string]bool),
		closed: make(chan struct{}),

		playing: true,
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.outer, r.endOuter = context.WithCancel(ctx)
	r.step = r.updateGap()
	w.SetMessenger(r)
	if sink := s.cfg.Sink; sink != nil {
		r.rec = newRecorder(sink, s.cfg.Codec, r.log, s.work.Go, func() string { return matchName(name, s.nextStart()) })
	}
	if saved != nil {
		r.restore(saved)
	}
	return r
}

// Name returns the room's name.
func (r *Room) Name() string { return r.name }

// World returns the room's objects.
func (r *Room) World() *state.World { return r.world }

// Lobby returns who is here.
func (r *Room) Lobby() *Lobby { return &Lobby{r} }

// Context ends when the server shuts down or the room has closed: for what a match
// starts beside itself.
func (r *Room) Context() context.Context { return r.outer }

// Log returns the server's logger with the room's name.
func (r *Room) Log() *slog.Logger { return r.log }

// Stats returns the room's counters.
func (r *Room) Stats() Stats {
	s := r.stats
	s.Refused += r.world.Refused()
	if r.rec != nil {
		s.EventsLost, s.SnapshotsSkipped, s.SinkErrors = r.rec.counters()
	}
	return s
}

// ServerCalls is where the handlers of calls are kept; see rpc.ServerCall.Handle.
func (r *Room) ServerCalls() *rpc.Table { return r.calls }

// Events is where the handlers of events are kept; see rpc.On.
func (r *Room) Events() *rpc.Events { return r.events }

// Player returns a player who has a seat, nil if there is none with this id.
func (r *Room) Player(id state.PlayerID) *Player {
	if i, ok := slices.BinarySearchFunc(r.players, id, comparePlayer); ok {
		return r.players[i]
	}
	return nil
}

func comparePlayer(p *Player, id state.PlayerID) int { return int(p.id) - int(id) }

// Players yields the players who have a seat, in ascending order of ID. Players may
// leave meanwhile, and are not yielded then.
func (r *Room) Players() iter.Seq[*Player] {
	return func(yield func(*Player) bool) {
		for _, p := range r.players {
			if p.Status() != lobby.Disconnected && !yield(p) {
				return
			}
		}
	}
}

// Ticks plays the match tick by tick: it handles what came in, moves the world by
// dt, runs the loop's body, and sends what changed. dt is always the same; a room
// that is late skips ticks and counts them. The loop ends when the server shuts
// down, or by break; what was changed before is sent then too. Ticks may be ranged
// over again.
//
//	for dt := range room.Ticks() {
//		ball.Bounce(dt)
//	}
func (r *Room) Ticks() iter.Seq[time.Duration] {
	dt := time.Second / time.Duration(r.srv.cfg.TickRate)
	return func(yield func(time.Duration) bool) {
		r.next = time.Now().Add(dt)
		r.updateAt = r.next
		r.step = dt
		r.began()
		defer func() { r.step = r.updateGap() }()
		for {
			for r.wait(r.next) {
			}
			if r.over() {
				return
			}
			if late := time.Since(r.next); late >= dt {
				skip := late / dt
				r.stats.Skipped += uint64(skip)
				r.next = r.next.Add(skip * dt)
			}
			r.contain("hook of a movement", func() { r.world.Advance(dt) })
			more := yield(dt)
			r.stats.Ticks++
			if !more || !r.next.Add(dt/2).Before(r.updateAt) { // the tick that is nearest
				r.update()
				r.updateAt = r.updateAt.Add(r.updateGap())
				if r.updateAt.Before(r.next) {
					r.updateAt = r.next
				}
			}
			if !more {
				return
			}
			r.next = r.next.Add(dt)
		}
	}
}

// updateGap is the time between two updates.
func (r *Room) updateGap() time.Duration {
	return time.Second / time.Duration(r.srv.cfg.UpdateRate)
}

// over reports whether the room has to end.
func (r *Room) over() bool { return r.outer.Err() != nil }

// wait handles what comes in, until something was handled, t has come or the room
// has to end. It reports whether to wait on.
func (r *Room) wait(t time.Time) bool {
	if r.drain(); r.over() {
		return false
	}
	d := time.Until(t)
	if d <= 0 {
		return false
	}
	r.timer.Reset(d)
	select {
	case <-r.in.notify:
		return true
	case <-r.timer.C:
	case <-r.outer.Done():
	}
	return false
}

// update sends players what changed.
func (r *Room) update() {
	now := time.Now()
	if r.playing {
		r.housekeep(now)
	}
	r.sendPlayers(now)
	r.sender.Capture()
	r.captured = true
	for _, p := range r.players {
		if !p.n.ended {
			p.n.sendState(now)
		}
	}
	r.flush()
	if r.playing {
		r.record(now)
	}
}

// flush has listeners send what they gathered.
func (r *Room) flush() {
	for i, p := range r.players {
		if f := p.n.flusher; f != nil && (i == 0 || f != r.players[i-1].n.flusher) {
			_ = f.Flush() // the connections report what is wrong with them
		}
	}
}

// run plays the match and closes the room.
func (r *Room) run() error {
	r.log.Info("room opened")
	err := r.play()
	switch {
	case err != nil && !(r.over() && endsWithServer(err)):
		r.log.Error("match failed", "err", err)
	case err == nil && r.stats.Ticks == 0 && !r.over():
		r.log.Warn("the match returned without a tick; a match lasts as long as it ranges over Room.Ticks")
	}
	r.playing = false
	close(r.closed)
	r.contain("last update", r.settle)
	code, reason := core.CodeNormal, "the match is over"
	switch {
	case r.over():
		code, reason = core.CodeShutdown, "the server is shutting down"
	case err != nil:
		code, reason = core.CodeInternal, "the match failed"
	}
	r.drain()
	for _, p := range r.players {
		p.n.close(code, reason)
	}
	r.finish(err)
	r.stop()
	r.endOuter()
	r.timer.Stop()
	r.log.Info("room closed", "ticks", r.stats.Ticks, "skipped", r.stats.Skipped)
	return err
}

// play runs the game's function and turns its panic into an error.
func (r *Room) play() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("parley: the match panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return r.srv.cfg.Match(r)
}

// endsWithServer reports whether a match's error says no more than that the server
// shut down.
func endsWithServer(err error) bool {
	return errors.Is(err, core.ErrClosed) || errors.Is(err, context.Canceled)
}

// settle gives clients the last state: a lost packet must not hide how it ended.
// Nothing of the game runs meanwhile.
func (r *Room) settle() {
	r.told = time.Time{}
	if !r.captured {
		r.sendPlayers(time.Now())
		return
	}
	for end := time.Now().Add(settleTime); time.Now().Before(end); {
		r.update()
		complete := true
		for _, p := range r.players {
			complete = complete && (p.n.ended || p.n.viewer.Complete())
		}
		if complete {
			return
		}
		t := time.Now().Add(r.updateGap())
		for time.Now().Before(t) {
			r.drain()
			r.timer.Reset(time.Until(t))
			select {
			case <-r.in.notify:
			case <-r.timer.C:
			}
		}
	}
}
