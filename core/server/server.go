package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/state"
)

// Server plays matches in rooms, each on a goroutine of its own, for the clients
// that come in through its listeners. It is safe for concurrent use.
type Server struct {
	cfg Config

	mu       sync.Mutex
	rooms    []*Room // that are open
	serving  bool
	stopping bool
	played   int
	firstErr error
	ctx      context.Context // of Serve
	cancel   context.CancelFunc
	done     chan struct{} // closed when Serve returns
	changed  chan struct{} // closed and replaced when a room opens or closes

	work      sync.WaitGroup
	strangers strangers
	started   atomic.Int64 // when the newest match was, in nanoseconds since 1970
}

// New returns a Server, or what is wrong with cfg.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if _, err := state.NewWorld(cfg.Schema, cfg.Codec); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
	if err := s.checkRestore(); err != nil {
		return nil, err
	}
	return s, nil
}

// Serve accepts clients from all listeners, of whatever transports, and plays
// until ctx ends, Shutdown is called, or Config.Matches have been played. Players
// of all transports meet in the same rooms. It closes the listeners, and returns
// when every match has returned and nothing of the server runs any more: nil after a
// shutdown or the last match, the error of a match if Matches is set, or the error of
// a listener. It may be called once.
func (s *Server) Serve(ctx context.Context, listeners ...core.Listener) error {
	if len(listeners) == 0 {
		return errors.New("parley: server: nothing to serve: no listener")
	}
	s.mu.Lock()
	if s.serving {
		s.mu.Unlock()
		return errors.New("parley: server: Serve may be called once")
	}
	s.serving = true
	ctx, s.cancel = context.WithCancel(ctx)
	s.ctx = ctx
	if s.stopping {
		s.cancel()
	}
	s.mu.Unlock()
	defer close(s.done)

	var accepting sync.WaitGroup
	for _, ln := range listeners {
		accepting.Go(func() { s.accept(ctx, ln) })
	}
	s.keepRoom(ctx)

	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	for _, ln := range listeners {
		if err := ln.Close(); err != nil {
			s.cfg.Logger.Warn("closing a listener", "addr", ln.Addr(), "err", err)
		}
	}
	accepting.Wait()
	s.work.Wait()
	return s.firstErr
}

// Shutdown stops accepting, ends every room's Ticks and waits until Serve has
// returned, or ctx ends. Players are told, and get what was sent to them before.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	serving := s.serving
	if s.cancel != nil {
		s.cancel()
	}
	s.mu.Unlock()
	if !serving {
		return nil
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("parley: server: a match has not returned yet: %w", ctx.Err())
	}
}

// accept takes connections from one listener.
func (s *Server) accept(ctx context.Context, ln core.Listener) {
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.fail(fmt.Errorf("parley: server: accept on %v: %w", ln.Addr(), err))
			}
			return
		}
		s.work.Go(func() { s.handshake(ctx, conn, ln) })
	}
}

// fail ends the server with an error.
func (s *Server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.firstErr == nil {
		s.firstErr = err
	}
	s.cfg.Logger.Error("the server stops", "err", err)
	s.cancel()
}

// findRoom returns a room that was not tried yet, opens one if it may, or returns
// nil and what to wait for.
func (s *Server) findRoom(name string, tried map[*Room]bool) (*Room, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, nil, &lobby.RefusedError{Code: core.CodeShutdown, Reason: "the server is shutting down"}
	}
	for _, r := range s.rooms {
		if !tried[r] && (name == "" || name == r.name) {
			return r, nil, nil
		}
	}
	if name != "" {
		for _, r := range s.rooms {
			if r.name == name {
				return nil, s.changed, nil
			}
		}
	}
	if len(s.rooms) > 0 && len(s.rooms) < s.cfg.Rooms && s.mayOpen() {
		for i := s.played + len(s.rooms) + 1; name == ""; i++ {
			fresh := fmt.Sprintf("room %d", i)
			if !slices.ContainsFunc(s.rooms, func(r *Room) bool { return r.name == fresh }) {
				name = fresh
			}
		}
		return s.open(name, nil), nil, nil
	}
	if name != "" && len(s.rooms) > 0 {
		return nil, nil, &lobby.RefusedError{Code: core.CodeFull, Reason: fmt.Sprintf("there is no room %q, and no place for another", name)}
	}
	return nil, s.changed, nil
}

// mayOpen reports whether another match may begin.
func (s *Server) mayOpen() bool {
	return !s.stopping && (s.cfg.Matches == 0 || s.played+len(s.rooms) < s.cfg.Matches)
}

// mainRoom is the name of the room that is always open.
const mainRoom = "main"

// keepRoom keeps a room open, which runs also without players, until the last
// match was played.
func (s *Server) keepRoom(ctx context.Context) {
	s.mu.Lock()
	for _, saved := range s.cfg.Restore {
		s.open(saved.Room, saved)
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		if len(s.rooms) == 0 {
			if s.mayOpen() {
				s.open(mainRoom, nil)
			} else {
				s.cancel()
			}
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// shortMatch is how long a match takes at least before the next one opens in its
// place: one that fails at once must not spin.
const shortMatch = time.Second

// open opens a room, for a saved match if that is not nil; s.mu is held.
func (s *Server) open(name string, saved *Saved) *Room {
	ctx := s.ctx
	r := newRoom(ctx, s, name, saved)
	s.rooms = append(s.rooms, r)
	s.announce()
	s.work.Go(func() {
		began := time.Now()
		err := r.run()
		if d := shortMatch - time.Since(began); d > 0 && s.cfg.Matches == 0 {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rooms = slices.DeleteFunc(s.rooms, func(o *Room) bool { return o == r })
		s.played++
		if err != nil && s.cfg.Matches > 0 && s.firstErr == nil && !(ctx.Err() != nil && endsWithServer(err)) {
			s.firstErr = fmt.Errorf("parley: match in room %q: %w", name, err)
		}
		s.announce()
	})
	return r
}

// nextStart returns the time, and never the same twice, so that no two matches are of
// one name.
func (s *Server) nextStart() time.Time {
	for {
		last := s.started.Load()
		now := max(time.Now().UnixNano(), last+1)
		if s.started.CompareAndSwap(last, now) {
			return time.Unix(0, now)
		}
	}
}

// announce wakes whoever waits for a room to open or close; s.mu is held.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}
