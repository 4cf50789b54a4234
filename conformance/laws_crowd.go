package conformance

import (
	"context"
	"fmt"

	"github.com/parley-net/parley/core"
)

// crowd is more than a usual backlog.
const crowd = 140

func dialNobodyAccepts(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	var g group
	for range crowd {
		g.do(func() error {
			ctx, cancel := context.WithTimeout(e, e.dialDeadline())
			defer cancel()
			if c, err := r.dial(ctx); err != nil {
				return failedDial(c, err)
			} else {
				r.read(c)
			}
			return nil
		})
	}
	return g.wait(e, "Dial, while nobody accepts,")
}

func dialMany(e *env, h Transport) error {
	const clients = 48
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	var g group
	for id := range clients {
		g.do(func() error {
			c, err := r.accept()
			if err != nil {
				return err
			}
			p := r.read(c)
			msg, err := p.next()
			if err != nil {
				return fmt.Errorf("on an accepted connection: %w", err)
			}
			return e.post(c, core.Reliable, msg)
		})
		g.do(func() error {
			ctx, cancel := context.WithTimeout(e, e.wait)
			defer cancel()
			c, err := r.dial(ctx)
			if err != nil {
				return fmt.Errorf("Dial %d of %d at once: %w", id, clients, err)
			}
			p := r.read(c)
			if err := e.post(c, core.Reliable, message(id, 50)); err != nil {
				return err
			}
			if err := p.expect(id); err != nil {
				return fmt.Errorf("an echo to dialer %d: %w", id, err)
			}
			return nil
		})
	}
	return g.wait(e, "one of many dials")
}
