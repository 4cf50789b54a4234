package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
)

// handshake hears a stranger's hello and finds it a room; then it reads what the
// player sends.
func (s *Server) handshake(ctx context.Context, conn core.Conn, ln core.Listener) {
	n := newSession(s, conn, ln)
	if s.greet(ctx, n) {
		n.read()
	}
}

// greet reports whether a stranger got a seat.
func (s *Server) greet(ctx context.Context, n *session) bool {
	ctx, leave := s.strangers.enter(ctx, n.conn)
	defer leave()
	hello, err := n.hear(ctx)
	if err == nil {
		err = s.seat(ctx, n, hello)
	}
	if err == nil {
		return true
	}
	if ctx.Err() != nil {
		err = &lobby.RefusedError{Code: core.CodeShutdown, Reason: "the server is shutting down"}
		if context.Cause(ctx) == errCrowded {
			err = errCrowded
		}
	}
	var refused *lobby.RefusedError
	if errors.As(err, &refused) {
		s.cfg.Logger.Info("refused", "addr", n.conn.RemoteAddr(), "code", refused.Code, "reason", refused.Reason)
		n.refuse(refused, s.cfg.Schema)
		return false
	}
	s.cfg.Logger.Debug("handshake failed", "addr", n.conn.RemoteAddr(), "err", err)
	drop(n.conn, core.CodeProtocol, "no proper hello")
	return false
}

// strangers are the connections that have no seat yet. Their number is bounded: one
// more ends the oldest, so that those who only stand there keep nobody out.
type strangers struct {
	mu           sync.Mutex
	waiting      map[uint64]func() // ends a stranger
	oldest, next uint64
}

// errCrowded is why a stranger had to go.
var errCrowded error = &lobby.RefusedError{Code: core.CodeFull, Reason: "too many strangers are at the server's door"}

// enter adds a stranger. The context ends when it has to go; leave takes it out.
func (s *strangers) enter(ctx context.Context, conn core.Conn) (_ context.Context, leave func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		s.waiting = make(map[uint64]func())
	}
	for ; len(s.waiting) >= maxStrangers; s.oldest++ {
		if end, ok := s.waiting[s.oldest]; ok {
			delete(s.waiting, s.oldest)
			end()
		}
	}
	number := s.next
	s.next++
	s.waiting[number] = func() {
		cancel(errCrowded)
		if d, ok := core.As[core.Dropper](conn); ok {
			d.Drop(core.CodeFull, "too many strangers")
		}
	}
	return ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting, number)
		cancel(nil)
	}
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
		room, changed, err := s.findRoom(hello.Room, tried)
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
				return ctx.Err()
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
			if n.claim.CompareAndSwap(0, abandoned) {
				return &lobby.RefusedError{Code: core.CodeTimeout, Reason: "the room does not answer"}
			}
			err = <-answer
		case <-ctx.Done():
			if n.claim.CompareAndSwap(0, abandoned) {
				return ctx.Err()
			}
			err = <-answer
		}
		switch {
		case err == nil:
			return nil
		case err != errOver:
			refusal = err
		}
	}
}

// drop ends a connection at once, if the adapter can.
func drop(conn core.Conn, code core.Code, reason string) {
	if d, ok := core.As[core.Dropper](conn); ok {
		d.Drop(code, reason)
	}
	_ = conn.Close(code, reason)
}
