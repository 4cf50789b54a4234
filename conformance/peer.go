package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// A peer is a Conn on which a goroutine keeps calling Recv, as the contract asks of
// whoever holds one.
type peer struct {
	core.Conn
	e    *env
	more chan struct{} // holds a token when something was added
	done chan struct{} // closed when Recv has returned an error
	mu   sync.Mutex
	msgs [][]byte
	err  error
}

// read starts to receive.
func (r *room) read(c core.Conn) *peer {
	p := &peer{Conn: c, e: r.e, more: make(chan struct{}, 1), done: make(chan struct{})}
	r.mu.Lock()
	r.peers = append(r.peers, p)
	r.mu.Unlock()
	go func() {
		defer close(p.done)
		for {
			var msg []byte
			err := guard(func() (err error) {
				msg, err = c.Recv(context.Background())
				return err
			})
			p.mu.Lock()
			if err == nil {
				p.msgs = append(p.msgs, bytes.Clone(msg))
			}
			p.err = err
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return p
}

// next returns the next message, or the error that Recv returned behind the last.
func (p *peer) next() ([]byte, error) { return p.nextWithin(0) }

// nextWithin is next with extra beyond what is soon.
func (p *peer) nextWithin(extra time.Duration) ([]byte, error) {
	for timeout := time.After(p.e.wait + extra); ; {
		if msg, err, ok := p.take(); ok {
			return msg, err
		}
		select {
		case <-p.more:
		case <-p.done:
		case <-timeout:
			return nil, fmt.Errorf("nothing arrived within %v", p.e.wait+extra)
		}
	}
}

// take is next without waiting.
func (p *peer) take() (msg []byte, err error, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.msgs) > 0:
		msg, p.msgs = p.msgs[0], p.msgs[1:]
		return msg, nil, true
	case p.err != nil:
		return nil, p.err, true
	}
	return nil, nil, false
}

// ended waits until Recv has said that the connection is over, for extra beyond what is
// soon, and returns how. It throws away what arrived before.
func (p *peer) ended(extra time.Duration) (*core.CloseError, error) {
	select {
	case <-p.done:
	case <-time.After(p.e.wait + extra):
		return nil, fmt.Errorf("Recv has not ended within %v", p.e.wait+extra)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return closeError("Recv", p.err)
}

// closeError returns the *core.CloseError that err must be.
func closeError(what string, err error) (*core.CloseError, error) {
	var c *core.CloseError
	switch {
	case err == nil:
		return nil, fmt.Errorf("%s returned no error, want a *core.CloseError", what)
	case !errors.As(err, &c):
		return nil, fmt.Errorf("%s returned %q, want a *core.CloseError", what, err)
	case !errors.Is(err, core.ErrClosed):
		return nil, fmt.Errorf("%s returned %q, which is no core.ErrClosed", what, err)
	}
	return c, nil
}

// sameEnd reports how two CloseErrors differ.
func sameEnd(a, b *core.CloseError) error {
	if a.Code != b.Code || a.Reason != b.Reason || a.Remote != b.Remote {
		return fmt.Errorf("the error was %+v and became %+v", *a, *b)
	}
	return nil
}

// recv calls Recv directly, for at most what is soon.
func (e *env) recv(c core.Conn) ([]byte, error) {
	ctx, cancel := context.WithTimeout(e, e.wait)
	defer cancel()
	msg, err := within(e, "Recv", func() ([]byte, error) { return c.Recv(ctx) })
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, fmt.Errorf("nothing arrived within %v", e.wait)
	}
	return msg, err
}

// within runs f, which must return soon, or shortly after the context that it is given
// has ended.
func within[T any](e *env, what string, f func() (T, error)) (T, error) {
	return withinExtra(e, 0, what, f)
}

func withinExtra[T any](e *env, extra time.Duration, what string, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		var got result
		err := guard(func() (err error) {
			got.v, err = f()
			return err
		})
		got.err = err
		done <- got
	}()
	limit := e.wait + e.wait/2 + extra
	select {
	case got := <-done:
		return got.v, got.err
	case <-time.After(limit):
		var none T
		return none, fmt.Errorf("%s %w %v", what, errHangs, limit)
	}
}

var errHangs = errors.New("has not returned within")

// guard turns a panic of the adapter into an error.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return f()
}

// A group is goroutines of one check.
type group struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	err error
}

func (g *group) do(f func() error) {
	g.wg.Go(func() {
		if err := guard(f); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.err == nil {
				g.err = err
			}
		}
	})
}

// wait returns the first error. The goroutines must end soon.
func (g *group) wait(e *env, what string) error {
	_, err := within(e, what, func() (struct{}, error) {
		g.wg.Wait()
		return struct{}{}, nil
	})
	if first := g.first(); first != nil {
		return first
	}
	return err
}

// first returns the first error so far.
func (g *group) first() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}
