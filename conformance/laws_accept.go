package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

var acceptLaws = []law[Transport]{
	{"Accept/Context",
		"Accept returns the context's error when its context ends, and can be called again.",
		acceptContext},
	{"Accept/LosesNothing",
		"An Accept whose context ends loses no connection: a later Accept returns it.",
		acceptLosesNothing},
	{"Accept/CloseUnblocks",
		"Closing a Listener ends every Accept with core.ErrClosed.",
		acceptCloseUnblocks},
	{"Accept/ClosedForEver",
		"Accept on a closed Listener returns core.ErrClosed, for ever.",
		acceptClosedForEver},
}

func acceptContext(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	cancelled, cancel := context.WithCancel(e)
	time.AfterFunc(10*time.Millisecond, cancel)
	late, cancel := context.WithTimeout(e, 10*time.Millisecond)
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late, late} {
		switch c, err := within(e, "Accept", func() (core.Conn, error) { return r.l.Accept(ctx) }); {
		case err == nil:
			return fmt.Errorf("Accept returned a Conn to %v; nobody dialled", c.RemoteAddr())
		case !errors.Is(err, ctx.Err()) || ctx.Err() == nil:
			return fmt.Errorf("Accept returned %q, want the context's %v", err, ctx.Err())
		}
	}
	_, _, err = r.link()
	return err
}

func acceptLosesNothing(e *env, h Transport) error {
	const clients = 12
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	var g group
	g.do(func() error {
		for id := range clients {
			ctx, cancel := context.WithTimeout(e, e.wait)
			c, err := r.dial(ctx)
			cancel()
			if err != nil {
				return fmt.Errorf("Dial: %w", err)
			}
			r.read(c)
			if err := e.post(c, core.Reliable, message(id, 20)); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	start := time.Now()
	for accepted := 0; accepted < clients; {
		ctx, cancel := context.WithTimeout(e, time.Millisecond)
		c, err := r.l.Accept(ctx)
		cancel()
		switch {
		case err == nil:
			r.keep(c)
			r.read(c)
			accepted++
		case !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("Accept: %w", err)
		case time.Since(start) > e.wait:
			return errors.Join(g.first(), fmt.Errorf("%d connections were dialled and %d accepted, by an Accept whose context often ended", clients, accepted))
		}
	}
	return g.wait(e, "Dial")
}

func acceptCloseUnblocks(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	var g group
	for range 3 {
		g.do(func() error {
			if _, err := r.l.Accept(e); !errors.Is(err, core.ErrClosed) {
				return fmt.Errorf("Accept returned %v when the Listener was closed, want core.ErrClosed", err)
			}
			return nil
		})
	}
	time.Sleep(20 * time.Millisecond) // so that they wait
	g.do(r.l.Close)
	return g.wait(e, "Accept, or Close of its Listener,")
}

func acceptClosedForEver(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.l.Close(); err != nil {
		return fmt.Errorf("Close of the Listener: %w", err)
	}
	for range 3 {
		if _, err := within(e, "Accept", func() (core.Conn, error) { return r.l.Accept(e) }); !errors.Is(err, core.ErrClosed) {
			return fmt.Errorf("Accept on a closed Listener returned %v, want core.ErrClosed", err)
		}
	}
	return nil
}
