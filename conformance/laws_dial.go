package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

var dialLaws = []law[Transport]{
	{"Dial/UsableAtOnce",
		"Dial returns a Conn on which Send works at once: what is sent before Accept returned the other end arrives.",
		dialUsableAtOnce},
	{"Dial/Refused",
		"A Dial to where nobody listens returns within its context an error that is core.ErrRefused or core.ErrTimeout.",
		dialRefused},
	{"Dial/Cancelled",
		"A Dial whose context has ended already returns an error that wraps the context's.",
		dialCancelled},
	{"Dial/CancelMidway",
		"A Dial whose context ends meanwhile returns soon: a Conn that works, or an error that wraps the context's.",
		dialCancelMidway},
	{"Dial/NoHalfOpen",
		"A Dial that fails leaves no half-open peer behind: if Accept returned the other end, its Recv ends.",
		dialNoHalfOpen},
	{"Dial/NobodyAccepts",
		"However many dial while nobody accepts, each Dial returns within its context, with a Conn, core.ErrRefused or core.ErrTimeout.",
		dialNobodyAccepts},
	{"Dial/Many",
		"Many may dial at once, and each of them gets a connection of its own.",
		dialMany},
	{"Dial/ContextLater",
		"The contexts of Listen, Dial and Accept govern the set-up only: what they returned lives on when they are cancelled.",
		dialContextLater},
	{"Dial/RemoteAddr",
		"RemoteAddr returns an address with a network and a text on both ends, also after Close.",
		dialRemoteAddr},
}

func dialUsableAtOnce(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	dialed := make(chan struct{})
	var g group
	g.do(func() error {
		defer close(dialed)
		ctx, cancel := context.WithTimeout(e, e.wait)
		defer cancel()
		c, err := r.dial(ctx)
		if err != nil {
			return fmt.Errorf("Dial: %w", err)
		}
		r.read(c)
		for id := range 3 {
			if err := c.Send(core.Reliable, message(id, 100)); err != nil {
				return fmt.Errorf("Send right after Dial: %w", err)
			}
		}
		return nil
	})
	select { // some adapters need Accept to finish a Dial
	case <-dialed:
	case <-time.After(50 * time.Millisecond):
	}
	c, err := r.accept()
	if err != nil {
		return errors.Join(g.wait(e, "Dial"), err)
	}
	to := r.read(c)
	if err := g.wait(e, "Dial"); err != nil {
		return err
	}
	return to.expectAll(0, 3)
}

// dialDeadline is what a Dial that cannot succeed is given.
func (e *env) dialDeadline() time.Duration { return min(e.wait/4, time.Second) }

func dialRefused(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	addr := address(r.l)
	r.close()
	ctx, cancel := context.WithTimeout(e, e.dialDeadline())
	defer cancel()
	return failedDial(r.dialTo(ctx, addr))
}

// failedDial judges a Dial that cannot have succeeded.
func failedDial(c core.Conn, err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("Dial to nobody returned a Conn to %v", c.RemoteAddr())
	case !errors.Is(err, core.ErrRefused) && !errors.Is(err, core.ErrTimeout):
		return fmt.Errorf("Dial returned %q, which is neither core.ErrRefused nor core.ErrTimeout", err)
	}
	return nil
}

func dialCancelled(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	cancelled, cancel := context.WithCancel(e)
	cancel()
	late, cancel := context.WithDeadline(e, time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		switch _, err := r.dial(ctx); {
		case err == nil:
			return fmt.Errorf("Dial with a context that is over (%v) returned a Conn", ctx.Err())
		case !errors.Is(err, ctx.Err()):
			return fmt.Errorf("Dial returned %q, which does not wrap %q", err, ctx.Err())
		}
	}
	return nil
}

// cancelDials dials n times and cancels each Dial a little later than the one before.
// Every Conn that Accept returns is read until it ends.
func cancelDials(r *room, n int, judge func(c core.Conn, err error) error) error {
	ctx, stop := context.WithCancel(r.e)
	defer stop()
	var g group
	g.do(func() error {
		for {
			c, err := r.l.Accept(ctx)
			if err != nil {
				if ctx.Err() == nil {
					return fmt.Errorf("Accept: %w", err)
				}
				return nil
			}
			r.read(c)
			r.keep(c)
		}
	})
	for i := range n {
		dialing, cancel := context.WithCancel(r.e)
		timer := time.AfterFunc(time.Duration(i)*150*time.Microsecond, cancel)
		c, err := r.dial(dialing)
		timer.Stop()
		cancel()
		if err := judge(c, err); err != nil {
			return err
		}
	}
	time.Sleep(10 * time.Millisecond) // what is half open may be accepted still
	stop()
	return g.wait(r.e, "Accept")
}

func dialCancelMidway(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	return cancelDials(r, 40, func(c core.Conn, err error) error {
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Dial returned %q, which does not wrap %q", err, context.Canceled)
		}
		if err == nil {
			return c.Close(core.CodeNormal, "")
		}
		return nil
	})
}

func dialNoHalfOpen(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	err = cancelDials(r, 40, func(c core.Conn, err error) error {
		if err == nil {
			return c.Close(core.CodeNormal, "")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range r.peers {
		if _, err := p.ended(h.Timeout); err != nil {
			return fmt.Errorf("a Conn that Accept returned for a cancelled or closed Dial: %w", err)
		}
	}
	return nil
}

func dialContextLater(e *env, h Transport) error {
	t := h.New(e.tb)
	setup, cancel := context.WithCancel(e)
	defer cancel()
	l, err := t.Listen(setup, h.Addr)
	if err != nil {
		return fmt.Errorf("Listen: %w", err)
	}
	r := &room{e: e, h: h, t: t, l: l}
	defer r.close()
	var g group
	var server core.Conn
	g.do(func() (err error) {
		server, err = l.Accept(setup)
		return err
	})
	client, err := r.dial(setup)
	if err == nil {
		err = g.wait(e, "Accept")
	}
	if err != nil {
		return err
	}
	r.keep(server)
	cancel()
	time.Sleep(20 * time.Millisecond) // for what a watcher of the context would do
	c, s := r.read(client), r.read(server)
	if err := errors.Join(e.carry(c, s, 0, 3, 100), e.carry(s, c, 0, 3, 100)); err != nil {
		return fmt.Errorf("after the contexts of Listen, Dial and Accept were cancelled: %w", err)
	}
	if _, _, err := r.link(); err != nil {
		return fmt.Errorf("after the context of Listen was cancelled: %w", err)
	}
	return nil
}

func dialRemoteAddr(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		for _, when := range []string{"", " after Close"} {
			for _, c := range []core.Conn{one, other} {
				switch a := c.RemoteAddr(); {
				case a == nil:
					return fmt.Errorf("RemoteAddr returns nil%s", when)
				case a.Network() == "" || a.String() == "":
					return fmt.Errorf("RemoteAddr returns network %q and text %q%s", a.Network(), a.String(), when)
				}
			}
			if when == "" {
				r.read(one).Close(core.CodeNormal, "")
				r.read(other).Close(core.CodeNormal, "")
			}
		}
		return nil
	})
}
