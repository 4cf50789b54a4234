package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var streamLaws = []law[Transport]{
	{"Stream/Crawl",
		"Where bytes come one at a time, connections are made and messages arrive whole.",
		streamCrawl},
	{"Stream/Far",
		"Where bytes take a tenth of Timeout each way, connections are made, messages arrive, and nothing ends.",
		streamFar},
	{"Stream/Stall",
		"A stall much shorter than Timeout ends no connection, and costs no Reliable message.",
		streamStall},
	{"Stream/Broken",
		"A connection that breaks amid a message returns what arrived whole, in order, and then a *core.CloseError that is not core.CodeNormal, on either side.",
		streamBroken},
	{"Stream/HalfClosed",
		"A stream that ends in one direction without a goodbye ends the connection on both sides, and not with core.CodeNormal.",
		streamHalfClosed},
	{"Stream/BrokenDial",
		"A Dial that breaks after any number of bytes, in either direction, returns in time: an error, or a Conn that ends; and no Accept fails.",
		streamBrokenDial},
	{"Stream/Listener",
		"Whatever breaks, the Listener and the other connections live on.",
		streamListener},
}

// through opens a room to whose Listener dialers come through a Proxy.
func (h Transport) through(e *env) (*room, error) {
	r, err := h.open(e)
	if err != nil {
		return nil, err
	}
	addr := r.l.Addr()
	if strings.TrimRight(addr.Network(), "46") != "tcp" {
		r.close()
		return nil, skip("it needs a Listener at a TCP address, and this one is at %q %s", addr.Network(), addr)
	}
	if r.p, err = netsim.NewProxy(addr.String()); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// linkThrough is through with a connection.
func (h Transport) linkThrough(e *env) (r *room, dialed, accepted *peer, err error) {
	if r, err = h.through(e); err != nil {
		return nil, nil, nil, err
	}
	if dialed, accepted, err = r.link(); err != nil {
		r.close()
	}
	return r, dialed, accepted, err
}

// both carries messages both ways at once.
func (e *env) both(a, b *peer, first, last, size int) error {
	var g group
	g.do(func() error { return e.carry(a, b, first, last, size) })
	g.do(func() error { return e.carry(b, a, first, last, size) })
	_, err := withinExtra(e, e.wait, "a stream of messages both ways", func() (struct{}, error) {
		g.wg.Wait()
		return struct{}{}, g.first()
	})
	return err
}

func streamCrawl(e *env, h Transport) error {
	r, err := h.through(e)
	if err != nil {
		return err
	}
	defer r.close()
	r.p.SetStream(netsim.BothWays, netsim.Stream{Chunk: 1, Pause: 20 * time.Microsecond})
	d, a, err := r.link()
	if err != nil {
		return err
	}
	return e.both(d, a, 0, 5, 100)
}

func streamFar(e *env, h Transport) error {
	r, err := h.through(e)
	if err != nil {
		return err
	}
	defer r.close()
	r.p.SetStream(netsim.BothWays, netsim.Stream{Delay: min(h.Timeout/10, 250*time.Millisecond)})
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if err := e.both(d, a, 0, 20, 20000); err != nil {
		return err
	}
	var g group
	g.do(func() error { d.Close(core.CodeKicked, "from afar"); return nil })
	end, err := a.ended(0)
	if err != nil {
		return err
	}
	if end.Code != core.CodeKicked || end.Reason != "from afar" || !end.Remote {
		return fmt.Errorf("Close(%v) arrived as %+v", core.CodeKicked, *end)
	}
	return g.wait(e, "Close")
}

func streamStall(e *env, h Transport) error {
	r, d, a, err := h.linkThrough(e)
	if err != nil {
		return err
	}
	defer r.close()
	r.p.Stall(netsim.BothWays)
	time.AfterFunc(min(h.Timeout/4, time.Second), func() { r.p.Resume(netsim.BothWays) })
	return e.both(d, a, 0, 20, 2000)
}

func streamBrokenDial(e *env, h Transport) error {
	r, err := h.through(e)
	if err != nil {
		return err
	}
	defer r.close()
	ctx, stop := context.WithCancel(e)
	var accepting group
	accepting.do(func() error {
		for {
			c, err := r.l.Accept(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("Accept, while dials break: %w", err)
			}
			r.read(r.keep(c))
		}
	})
	try := func(what string) error {
		ctx, cancel := context.WithTimeout(e, e.wait)
		defer cancel()
		c, err := r.dial(ctx)
		switch {
		case errors.Is(err, errHangs):
			return fmt.Errorf("%s: %w", what, err)
		case err != nil:
			return nil
		}
		p := r.read(c)
		c.Send(core.Reliable, message(0, 50000)) // if not yet, it breaks now
		return p.broken("a Conn that was dialled, "+what, h.Timeout)
	}
	r.p.Refuse(true)
	err = try("where those who connect are reset")
	r.p.Refuse(false)
	for _, after := range []int{1, 10, 200, 1000, 5000} {
		for _, way := range []netsim.Way{netsim.Up, netsim.Down} {
			if err != nil {
				break
			}
			r.p.SetStream(netsim.BothWays, netsim.Stream{})
			r.p.SetStream(way, netsim.Stream{ResetAfter: after})
			if way == netsim.Down { // some listeners say nothing before they are asked
				r.p.SetStream(netsim.Up, netsim.Stream{ResetAfter: 4 * after})
			}
			err = try(fmt.Sprintf("where connections break after %d bytes", after))
		}
	}
	stop()
	return errors.Join(err, accepting.wait(e, "Accept whose context has ended"))
}
