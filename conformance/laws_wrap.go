package conformance

import (
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var wrapLaws = []law[Transport]{
	{"Wrap/Abilities",
		"The optional abilities of a Conn and a Listener are found through wrappers, and work.",
		wrapAbilities},
	{"Wrap/Drop",
		"A Drop that core.As finds, also through Unwrap, ends this Conn.",
		wrapDrop},
	{"Wrap/Netsim",
		"Behind a simulated bad link the connection keeps order, code and reason.",
		wrapNetsim},
}

// Wrappers that add nothing.
type (
	wrappedConn     struct{ core.Conn }
	wrappedListener struct{ core.Listener }
)

func (w wrappedConn) Unwrap() core.Conn         { return w.Conn }
func (w wrappedListener) Unwrap() core.Listener { return w.Listener }

func wrapAbilities(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		from, to := r.read(one), r.read(other)
		wrapped := wrappedConn{wrappedConn{one}}
		if f, ok := core.As[core.Flusher](wrapped); ok {
			if err := e.post(from, core.Reliable, message(0, 100)); err != nil {
				return err
			}
			if err := f.Flush(); err != nil {
				return fmt.Errorf("Flush of a Conn: %w", err)
			}
			if err := to.expect(0); err != nil {
				return fmt.Errorf("after Flush: %w", err)
			}
		}
		if f, ok := core.As[core.Flusher](wrappedListener{r.l}); ok {
			if err := f.Flush(); err != nil {
				return fmt.Errorf("Flush of a Listener: %w", err)
			}
		}
		if p, ok := core.As[core.Pinner](wrappedListener{r.l}); ok {
			if pin := p.Pin(); pin == "" || pin != p.Pin() {
				return fmt.Errorf("Pin returns %q and then %q", pin, p.Pin())
			}
		}
		if id, ok := core.As[core.Identifier](wrapped); ok {
			before := id.PeerIdentity()
			if err := e.carry(from, to, 1, 5, 100); err != nil {
				return err
			}
			if after := id.PeerIdentity(); after != before {
				return fmt.Errorf("PeerIdentity was %q and became %q", before, after)
			}
		}
		return nil
	})
}

func wrapDrop(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		drop, ok := core.As[core.Dropper](wrappedConn{one})
		if !ok {
			return skip("the Conn has no Drop")
		}
		from := r.read(one)
		to := r.read(other)
		drop.Drop(core.CodeFlood, "")
		if _, err := from.ended(0); err != nil {
			return fmt.Errorf("on the side that dropped: %w", err)
		}
		if _, err := to.ended(h.Timeout); err != nil {
			return fmt.Errorf("on the peer's side: %w", err)
		}
		if _, err := closeError("Send after Drop", one.Send(core.Reliable, []byte("late"))); err != nil {
			return err
		}
		return nil
	})
}

func wrapNetsim(e *env, h Transport) error {
	link := netsim.Link{Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1, Reorder: 0.1}
	sim := netsim.Wrap(h.New(e.tb), link, e.seed)
	sim.AtSender = true
	r, err := h.openOn(e, sim)
	if err != nil {
		return err
	}
	defer r.close()
	for range 2 {
		d, a, err := r.link()
		if err != nil {
			return err
		}
		if err := errors.Join(e.carry(d, a, 0, 200, 100), e.carry(a, d, 0, 200, 100)); err != nil {
			return err
		}
		if err := e.postAll(d, 200, 220, 1000); err != nil {
			return err
		}
		var g group
		g.do(func() error { d.Close(core.CodeKicked, "behind a bad link"); return nil })
		if err := a.expectAll(200, 220); err != nil {
			return fmt.Errorf("sent before Close: %w", err)
		}
		end, err := a.ended(0)
		if err != nil {
			return err
		}
		if end.Code != core.CodeKicked || end.Reason != "behind a bad link" || !end.Remote {
			return fmt.Errorf("Close(%v) arrived as %+v", core.CodeKicked, *end)
		}
		if err := g.wait(e, "Close"); err != nil {
			return err
		}
	}
	return nil
}
