package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// A room is what most checks begin with: a Transport under test and a Listener. It
// closes in the end what came about in it.
type room struct {
	e *env
	h Transport
	t core.Transport
	l core.Listener
	p *netsim.Proxy // through which the room's dialers come; nil if they come straight

	mu    sync.Mutex
	conns []core.Conn
	peers []*peer
}

// open makes a fresh Transport and listens.
func (h Transport) open(e *env) (*room, error) { return h.openOn(e, h.New(e.tb)) }

func (h Transport) openOn(e *env, t core.Transport) (*room, error) {
	r := &room{e: e, h: h, t: t}
	l, err := within(e, "Listen", func() (core.Listener, error) { return t.Listen(e, h.Addr) })
	if err != nil {
		return nil, fmt.Errorf("Listen at %q: %w", h.Addr, err)
	}
	if l == nil {
		return nil, errors.New("Listen returned neither a Listener nor an error")
	}
	r.l = l
	return r, nil
}

// close ends all that is left, and does not insist: what Close owes is the business
// of the laws about it.
func (r *room) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.mu.Lock()
		conns, peers := r.conns, r.peers
		r.mu.Unlock()
		var g sync.WaitGroup
		for _, c := range conns {
			g.Go(func() { guard(func() error { return c.Close(core.CodeNormal, "") }) })
		}
		g.Go(func() { guard(r.l.Close) })
		g.Wait()
		for _, p := range peers {
			<-p.done
		}
	}()
	select {
	case <-done:
	case <-time.After(min(r.e.wait, 2*core.DefaultLinger)):
	}
	if r.p != nil {
		r.p.Close()
	}
}

// keep has a Conn closed in the end.
func (r *room) keep(c core.Conn) core.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
	return c
}

// address is what reaches a Listener: with its pin, if it shows a key.
func address(l core.Listener) string { return pinned(l.Addr().String(), l) }

func pinned(addr string, l core.Listener) string {
	if p, ok := core.As[core.Pinner](l); ok {
		addr += "#" + p.Pin()
	}
	return addr
}

// dial connects to the room's Listener.
func (r *room) dial(ctx context.Context) (core.Conn, error) { return r.dialTo(ctx, r.address(r.l)) }

// address is what the room's dialers dial.
func (r *room) address(l core.Listener) string {
	if r.p != nil {
		return pinned(r.p.Addr().String(), l)
	}
	return address(l)
}

func (r *room) dialTo(ctx context.Context, addr string) (core.Conn, error) {
	c, err := within(r.e, "Dial", func() (core.Conn, error) { return r.t.Dial(ctx, addr) })
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return nil, errors.New("Dial returned neither a Conn nor an error")
	}
	return r.keep(c), nil
}

// accept takes the next connection.
func (r *room) accept() (core.Conn, error) { return r.acceptFrom(r.l) }

func (r *room) acceptFrom(l core.Listener) (core.Conn, error) {
	ctx, cancel := context.WithTimeout(r.e, r.e.wait)
	defer cancel()
	c, err := l.Accept(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("Accept: %w", err)
	case c == nil:
		return nil, errors.New("Accept returned neither a Conn nor an error")
	}
	return r.keep(c), nil
}

// pair makes a connection and returns its two ends, on which nobody calls Recv yet.
func (r *room) pair() (dialed, accepted core.Conn, err error) { return r.pairOn(r.l) }

func (r *room) pairOn(l core.Listener) (dialed, accepted core.Conn, err error) {
	ctx, cancel := context.WithTimeout(r.e, r.e.wait)
	defer cancel()
	type result struct {
		c   core.Conn
		err error
	}
	other := make(chan result, 1)
	go func() {
		var got result
		got.err = guard(func() (err error) {
			got.c, err = r.acceptFrom(l)
			return err
		})
		other <- got
	}()
	if dialed, err = r.dialTo(ctx, r.address(l)); err != nil {
		return nil, nil, fmt.Errorf("Dial: %w", err)
	}
	got, err := within(r.e, "Accept", func() (result, error) { return <-other, nil })
	if err == nil {
		err = got.err
	}
	return dialed, got.c, err
}

// link makes a connection and calls Recv on both of its ends.
func (r *room) link() (dialed, accepted *peer, err error) {
	d, a, err := r.pair()
	if err != nil {
		return nil, nil, err
	}
	return r.read(d), r.read(a), nil
}

// bothWays opens a room with one connection and runs f from either end to the other.
func (h Transport) bothWays(e *env, f func(from, to *peer) error) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	dialed, accepted, err := r.link()
	if err != nil {
		return err
	}
	if err := f(dialed, accepted); err != nil {
		return fmt.Errorf("from dialer to listener: %w", err)
	}
	if err := f(accepted, dialed); err != nil {
		return fmt.Errorf("from listener to dialer: %w", err)
	}
	return nil
}

// eachEnd runs f on a fresh connection twice: with the dialer's end first and then with
// the other end first.
func (h Transport) eachEnd(e *env, f func(r *room, one, other core.Conn) error) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	for _, dialer := range []bool{true, false} {
		d, a, err := r.pair()
		if err != nil {
			return err
		}
		who := "the dialer"
		if !dialer {
			d, a, who = a, d, "the listener's side"
		}
		if err := f(r, d, a); err != nil {
			return fmt.Errorf("%s first: %w", who, err)
		}
	}
	return nil
}
