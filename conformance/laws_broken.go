package conformance

import (
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// broken waits for the end of a connection that broke, and judges it.
func (p *peer) broken(who string, timeout time.Duration) error {
	end, err := p.ended(timeout)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", who, err)
	case end.Code == core.CodeNormal:
		return fmt.Errorf("%s ended with %q, although nobody said goodbye", who, end)
	}
	return nil
}

func streamBroken(e *env, h Transport) error {
	for _, way := range []netsim.Way{netsim.Up, netsim.Down} {
		// Amid the first message, at about the border of two, and amid a later one.
		for i, after := range []int{1, 500, 1020, 2500} {
			err := h.onWay(e, way, func(r *room, from, to core.Conn) error {
				return breaks(r, r.read(from), r.read(to), way, after, i%2 == 1)
			})
			if err != nil {
				return fmt.Errorf("broken after %d bytes: %w", after, err)
			}
		}
		err := h.onWay(e, way, func(r *room, from, to core.Conn) error { return drains(r, from, to, way) })
		if err != nil {
			return err
		}
	}
	return nil
}

// onWay runs f on a connection through a Proxy, from the end at which a way begins.
func (h Transport) onWay(e *env, way netsim.Way, f func(r *room, from, to core.Conn) error) error {
	r, err := h.through(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.pair()
	if err != nil {
		return err
	}
	if way == netsim.Down {
		d, a = a, d
	}
	return f(r, d, a)
}

// breaks sends many messages of which a few bytes pass, until the connection is reset,
// or this way of it ends.
func breaks(r *room, from, to *peer, way netsim.Way, after int, ends bool) error {
	s := netsim.Stream{ResetAfter: after}
	if ends {
		s = netsim.Stream{EndAfter: after}
	}
	r.p.SetStream(way, s)
	const n, size = 40, 1000
	for id := range n {
		if err := from.Send(core.Reliable, message(id, size)); err != nil && !errors.Is(err, core.ErrClosed) {
			return fmt.Errorf("Send of message %d: %w", id, err)
		}
	}
	timeout := r.h.Timeout
	for want := 0; ; want++ {
		msg, err := to.nextWithin(timeout)
		if err != nil {
			if _, err := closeError("Recv", err); err != nil {
				return err
			}
			break
		}
		if id, err := number(msg); err != nil || id != want {
			return errors.Join(err, fmt.Errorf("message %d arrived, want %d", id, want))
		}
		if (want+1)*size > after {
			return fmt.Errorf("%d messages of %d bytes arrived, of which %d bytes had passed", want+1, size, after)
		}
	}
	return errors.Join(to.broken("the receiver", 0), from.broken("the sender", timeout))
}

// drains ends a connection for whose messages nobody has called Recv yet.
func drains(r *room, from, to core.Conn, way netsim.Way) error {
	const n, size = 10, 1000
	before := r.p.Passed(way)
	if err := r.e.postAll(from, 0, n, size); err != nil {
		return err
	}
	for start := time.Now(); r.p.Passed(way) < before+n*size; time.Sleep(time.Millisecond) {
		if time.Since(start) > r.e.wait {
			return fmt.Errorf("%d messages of %d bytes were sent, and within %v %d bytes passed", n, size, r.e.wait, r.p.Passed(way)-before)
		}
	}
	r.p.SetStream(way, netsim.Stream{EndAfter: 1})
	if err := from.Send(core.Reliable, message(n, size)); err != nil {
		return fmt.Errorf("Send: %w", err)
	}
	sender, receiver := r.read(from), r.read(to)
	if err := receiver.expectAll(0, n); err != nil {
		return fmt.Errorf("of %d messages that arrived whole before the connection broke: %w", n, err)
	}
	return errors.Join(receiver.broken("the receiver", r.h.Timeout), sender.broken("the sender", r.h.Timeout))
}

func streamHalfClosed(e *env, h Transport) error {
	for _, way := range []netsim.Way{netsim.Up, netsim.Down} {
		r, d, a, err := h.linkThrough(e)
		if err != nil {
			return err
		}
		err = func() error {
			if err := e.both(d, a, 0, 3, 100); err != nil {
				return err
			}
			r.p.SetStream(way, netsim.Stream{EndAfter: 1})
			if way == netsim.Up {
				d.Send(core.Reliable, message(3, 100)) // which the end interrupts
			} else {
				a.Send(core.Reliable, message(3, 100))
			}
			return errors.Join(d.broken("the dialer", h.Timeout), a.broken("the listener's side", h.Timeout))
		}()
		r.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func streamListener(e *env, h Transport) error {
	r, d, a, err := h.linkThrough(e)
	if err != nil {
		return err
	}
	defer r.close()
	straight := &room{e: e, h: h, t: r.t, l: r.l}
	defer straight.close()
	od, oa, err := straight.link()
	if err != nil {
		return err
	}
	for i, s := range []netsim.Stream{{ResetAfter: 100}, {EndAfter: 100}} {
		if i > 0 {
			if d, a, err = r.link(); err != nil {
				return fmt.Errorf("after a connection broke: %w", err)
			}
		}
		r.p.SetStream(netsim.BothWays, s)
		d.Send(core.Reliable, message(0, 1000))
		a.Send(core.Reliable, message(0, 1000))
		if err := errors.Join(d.broken("the dialer", h.Timeout), a.broken("the listener's side", h.Timeout)); err != nil {
			return err
		}
		r.p.SetStream(netsim.BothWays, netsim.Stream{})
		if err := e.both(od, oa, 10*i, 10*i+10, 100); err != nil {
			return fmt.Errorf("on a connection beside one that broke: %w", err)
		}
	}
	nd, na, err := r.link()
	if err != nil {
		return fmt.Errorf("after connections broke: %w", err)
	}
	return e.both(nd, na, 0, 3, 100)
}
