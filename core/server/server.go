package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
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
	cancel   context.CancelFunc
	done     chan struct{} // closed when Serve returns
	changed  chan struct{} // closed and replaced when a room opens or closes

	work       sync.WaitGroup
	handshakes chan struct{}
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
	return &Server{
		cfg:        cfg,
		done:       make(chan struct{}),
		changed:    make(chan struct{}),
		handshakes: make(chan struct{}, maxHandshakes),
	}, nil
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
		select {
		case s.handshakes <- struct{}{}:
			s.work.Go(func() { s.handshake(ctx, conn, ln) })
		default:
			s.cfg.Logger.Warn("too many strangers at the door", "addr", conn.RemoteAddr())
			drop(conn, core.CodeFull, "the server is busy")
		}
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

// handshake hears a stranger's hello and finds it a room; then it reads what the
// player sends.
func (s *Server) handshake(ctx context.Context, conn core.Conn, ln core.Listener) {
	n := newSession(s, conn, ln)
	hello, err := n.hear(ctx)
	if err == nil {
		err = s.seat(ctx, n, hello)
	}
	<-s.handshakes
	if err != nil {
		var refused *lobby.RefusedError
		if errors.As(err, &refused) {
			s.cfg.Logger.Info("refused", "addr", conn.RemoteAddr(), "code", refused.Code, "reason", refused.Reason)
			n.refuse(refused, s.cfg.Schema)
			return
		}
		s.cfg.Logger.Debug("handshake failed", "addr", conn.RemoteAddr(), "err", err)
		drop(conn, core.CodeProtocol, "no proper hello")
		return
	}
	n.read()
}

// hear waits for the first message and checks it.
func (n *session) hear(ctx context.Context) (wire.Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	msg, err := n.conn.Recv(ctx)
	if err != nil {
		return wire.Hello{}, err
	}
	r := wire.NewReader(msg)
	if wire.Kind(r.Byte()) != wire.KindHello {
		r.Fail("the first message is no hello")
	}
	n.frames.ReadHeader(&r)
	hello := wire.ReadHello(&r)
	hello.Info = append([]byte(nil), hello.Info...)
	cfg := &n.srv.cfg
	switch {
	case r.Err() != nil:
		return hello, r.Err()
	case hello.Version != wire.Version:
		return hello, &lobby.RefusedError{Code: core.CodeIncompatible, Reason: fmt.Sprintf(
			"the server speaks version %d of parley's protocol, the client version %d", wire.Version, hello.Version)}
	case hello.Codec != cfg.Codec.Name():
		return hello, &lobby.RefusedError{Code: core.CodeIncompatible, Reason: fmt.Sprintf(
			"the server's codec is %q, the client's %q", cfg.Codec.Name(), hello.Codec)}
	case hello.Schema != cfg.Schema.Hash():
		return hello, &lobby.RefusedError{Code: core.CodeIncompatible, Reason: "server and client were built from different versions of the game"}
	}
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		floor := core.MinUnreliableSize
		if d == core.Reliable {
			floor = core.MinReliableSize
		}
		if size := n.conn.MaxSize(d); size < floor {
			return hello, &lobby.RefusedError{Code: core.CodeIncompatible, Reason: fmt.Sprintf(
				"the transport takes %s messages of %d bytes only; parley needs %d", d, size, floor)}
		}
	}
	return hello, nil
}

// seat finds a room that takes the player: the one asked for, or any, or a new one.
func (s *Server) seat(ctx context.Context, n *session, hello wire.Hello) error {
	wait := time.NewTimer(handshakeTimeout)
	defer wait.Stop()
	tried := make(map[*Room]bool)
	var refusal error
	for {
		room, changed, err := s.findRoom(ctx, hello.Room, tried)
		if err != nil {
			return err
		}
		if room == nil && refusal != nil {
			return refusal
		}
		if room == nil { // none is open yet
			select {
			case <-changed:
				continue
			case <-wait.C:
				return &lobby.RefusedError{Code: core.CodeShutdown, Reason: "the server has no open room"}
			case <-ctx.Done():
				return &lobby.RefusedError{Code: core.CodeShutdown, Reason: "the server is shutting down"}
			}
		}
		tried[room] = true
		answer := make(chan error, 1)
		room.in.push(item{n: n, join: &join{info: hello.Info, answer: answer}})
		select {
		case err = <-answer:
		case <-room.closed:
			select {
			case err = <-answer: // it answered before it closed
			default:
				continue
			}
		case <-wait.C:
			n.abandoned.Store(true)
			return &lobby.RefusedError{Code: core.CodeTimeout, Reason: "the room does not answer"}
		}
		if err == nil {
			return nil
		}
		refusal = err
	}
}

// findRoom returns a room that was not tried yet, opens one if it may, or returns
// nil and what to wait for.
func (s *Server) findRoom(ctx context.Context, name string, tried map[*Room]bool) (*Room, <-chan struct{}, error) {
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
		if name == "" {
			name = fmt.Sprintf("room %d", s.played+len(s.rooms)+1)
		}
		return s.open(ctx, name), nil, nil
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
	for {
		s.mu.Lock()
		if len(s.rooms) == 0 {
			if s.mayOpen() {
				s.open(ctx, mainRoom)
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

// open opens a room; s.mu is held.
func (s *Server) open(ctx context.Context, name string) *Room {
	r := newRoom(ctx, s, name)
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
		if err != nil && s.cfg.Matches > 0 && s.firstErr == nil && !(s.stopping && errors.Is(err, core.ErrClosed)) {
			s.firstErr = fmt.Errorf("parley: match in room %q: %w", name, err)
		}
		s.announce()
	})
	return r
}

// announce wakes whoever waits for a room to open or close; s.mu is held.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// drop ends a connection at once, if the adapter can.
func drop(conn core.Conn, code core.Code, reason string) {
	if d, ok := core.As[core.Dropper](conn); ok {
		d.Drop(code, reason)
	}
	_ = conn.Close(code, reason)
}
