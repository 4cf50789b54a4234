package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

var listenLaws = []law[Transport]{
	{"Listen/Addr",
		"A Listener's Addr is what Dial reaches it with, and answers the same after Close.",
		listenAddr},
	{"Listen/Several",
		"One Transport serves several Listeners, and two Transports do not disturb each other.",
		listenSeveral},
	{"Listen/CloseSparesConns",
		"Closing a Listener spares the Conns that Accept has returned.",
		listenCloseSparesConns},
	{"Listen/CloseEndsWaiting",
		"Closing a Listener closes the connections that wait to be accepted.",
		listenCloseEndsWaiting},
	{"Listen/CloseWhileDialling",
		"A Dial to a Listener that is being closed returns within its context, and its Conn ends if Accept never returned the other end.",
		listenCloseWhileDialling},
	{"Listen/CloseTwice",
		"Closing a Listener again, also from several goroutines, does no harm and returns nil.",
		listenCloseTwice},
	{"Listen/Again",
		"Once a Listener and its Conns are closed, its address can be listened on again.",
		listenAgain},
}

func listenAddr(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	a := r.l.Addr()
	if a == nil || a.Network() == "" || a.String() == "" {
		return fmt.Errorf("Addr returns %v, want an address with a network and a text", a)
	}
	if _, _, err := r.link(); err != nil {
		return fmt.Errorf("dialling Addr, %q: %w", address(r.l), err)
	}
	before := a.String()
	if _, err := within(e, "Close of the Listener", func() (struct{}, error) { return struct{}{}, r.l.Close() }); err != nil {
		return err
	}
	if a := r.l.Addr(); a == nil || a.String() != before {
		return fmt.Errorf("Addr returned %q, and %v after Close", before, a)
	}
	return nil
}

func listenSeveral(e *env, h Transport) error {
	first, err := h.open(e)
	if err != nil {
		return err
	}
	defer first.close()
	another, err := within(e, "a second Listen", func() (core.Listener, error) { return first.t.Listen(e, h.Addr) })
	if err != nil {
		if h.Addr != anyPort {
			return skip("a second Listener at %q is not possible: %v", h.Addr, err)
		}
		return fmt.Errorf("a second Listen of the same Transport: %w", err)
	}
	second := &room{e: e, h: h, t: first.t, l: another}
	defer second.close()
	third, err := h.open(e)
	if err != nil {
		return fmt.Errorf("Listen of a second Transport: %w", err)
	}
	defer third.close()
	var ends []*peer
	for i, r := range []*room{first, second, third} {
		d, a, err := r.link()
		if err != nil {
			return fmt.Errorf("to Listener %d of 3: %w", i+1, err)
		}
		ends = append(ends, d, a)
	}
	for i, p := range ends {
		if err := e.postAll(p, 10*i, 10*i+10, 100); err != nil {
			return err
		}
	}
	for i := range ends {
		if err := ends[i^1].expectAll(10*i, 10*i+10); err != nil {
			return fmt.Errorf("on one of 3 connections to 3 Listeners: %w", err)
		}
	}
	return nil
}

func listenCloseSparesConns(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if _, err := within(e, "Close of the Listener", func() (struct{}, error) { return struct{}{}, r.l.Close() }); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	if err := errors.Join(e.carry(d, a, 0, 20, 1000), e.carry(a, d, 0, 20, 1000)); err != nil {
		return fmt.Errorf("after the Listener was closed: %w", err)
	}
	d.Close(core.CodeApp, "done")
	if end, err := a.ended(0); err != nil {
		return fmt.Errorf("after the Listener was closed, and then the dialer: %w", err)
	} else if end.Code != core.CodeApp {
		return fmt.Errorf("after the Listener was closed, the dialer's Close(%v) arrived as %+v", core.CodeApp, *end)
	}
	return nil
}

func listenCloseEndsWaiting(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	var g group
	var dialed sync.WaitGroup
	ctx, cancel := context.WithTimeout(e, e.wait)
	defer cancel()
	for range 3 {
		dialed.Add(1)
		g.do(func() error {
			defer dialed.Done()
			if c, err := r.dial(ctx); err == nil {
				r.read(c)
			}
			return nil
		})
	}
	all := make(chan struct{})
	go func() { dialed.Wait(); close(all) }()
	select { // some adapters need Accept to finish a Dial
	case <-all:
	case <-time.After(100 * time.Millisecond):
	}
	if _, err := within(e, "Close of the Listener", func() (struct{}, error) { return struct{}{}, r.l.Close() }); err != nil {
		return err
	}
	if err := g.wait(e, "a Dial that was never accepted"); err != nil {
		return err
	}
	for _, p := range r.peers {
		if _, err := p.ended(h.Timeout); err != nil {
			return fmt.Errorf("the dialer's end of a connection that waited for Accept when the Listener was closed: %w", err)
		}
	}
	return nil
}

func listenCloseWhileDialling(e *env, h Transport) error {
	var rounds group
	for round := range 6 {
		rounds.do(func() error { return h.closeWhileDialling(e, time.Duration(round*round)*100*time.Microsecond) })
	}
	rounds.wg.Wait()
	return rounds.first()
}

// closeWhileDialling closes a Listener so long after some have begun to dial it.
func (h Transport) closeWhileDialling(e *env, after time.Duration) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	var g group
	for range 3 {
		g.do(func() error {
			ctx, cancel := context.WithTimeout(e, e.dialDeadline())
			defer cancel()
			c, err := r.dial(ctx)
			if err != nil {
				return failedDial(c, err)
			}
			if _, err := r.read(c).ended(h.Timeout); err != nil {
				return fmt.Errorf("the dialer's end of a connection that nobody holds: %w", err)
			}
			return nil
		})
	}
	g.do(func() error {
		for {
			switch c, err := r.l.Accept(e); {
			case err == nil:
				r.keep(c)
				g.do(func() error { c.Close(core.CodeShutdown, ""); return nil })
			case !errors.Is(err, core.ErrClosed):
				return fmt.Errorf("Accept on a Listener that is being closed returned %q, want core.ErrClosed", err)
			default:
				return nil
			}
		}
	})
	time.Sleep(after)
	g.do(r.l.Close)
	_, err = withinExtra(e, h.Timeout, "a Dial to a Listener that is closed meanwhile, or its Accept,", func() (struct{}, error) {
		g.wg.Wait()
		return struct{}{}, g.first()
	})
	return err
}

func listenCloseTwice(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	var g group
	for range 4 {
		g.do(func() error {
			for range 2 {
				if err := r.l.Close(); err != nil {
					return fmt.Errorf("Close of a Listener: %w", err)
				}
			}
			return nil
		})
	}
	return g.wait(e, "Close of a Listener from several goroutines")
}

func listenAgain(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	if _, _, err = r.link(); err != nil {
		r.close()
		return err
	}
	r.close()
	again := &room{e: e, h: h, t: r.t}
	for start := time.Now(); ; {
		again.l, err = within(e, "Listen", func() (core.Listener, error) { return r.t.Listen(e, r.l.Addr().String()) })
		if err == nil {
			break
		}
		if time.Since(start) > e.wait {
			return fmt.Errorf("Listen at the address of a closed Listener, for %v: %w", e.wait, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	defer again.close()
	d, a, err := again.link()
	if err != nil {
		return fmt.Errorf("on the second Listener at an address: %w", err)
	}
	return e.carry(d, a, 0, 3, 100)
}
