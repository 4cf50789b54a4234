package conformance

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var outageLaws = []law[Transport]{
	{"Network/Blackout",
		"A blackout much shorter than Timeout ends no connection, and costs no Reliable message.",
		networkBlackout},
	{"Network/LongBlackout",
		"A blackout longer than Timeout ends both sides with core.ErrTimeout, in time and for good; afterwards there are new connections.",
		networkLongBlackout},
	{"Network/OneWay",
		"When nothing passes in one direction any more, both sides end: one within Timeout, the other within Timeout of that.",
		networkOneWay},
	{"Network/Idle",
		"A connection on which nothing is said for an hour is as it was.",
		networkIdle},
	{"Network/Counters",
		"The 70,000th message of a connection is treated as the first: no number that is counted up ends in 16 bits.",
		networkCounters},
	{"Network/Restart",
		"A server that restarts at its address, and a dialer that restarts at its port, get new connections at once, and the old ones end.",
		networkRestart},
}

func networkBlackout(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	n.Blackout(min(h.Timeout/4, time.Second))
	return e.both(d, a, 0, 20, 200)
}

// timedOut waits for the end that must come within limit, and judges when it came.
func (p *peer) timedOut(who string, start time.Time, limit time.Duration) (*core.CloseError, error) {
	end, err := p.ended(limit)
	took := time.Since(start)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", who, err)
	case end.Code == core.CodeNormal:
		return nil, fmt.Errorf("%s ended with %q, although nobody said goodbye", who, end)
	case took > limit+p.e.slack():
		return nil, fmt.Errorf("%s ended after %v, want %v at most", who, took, limit)
	}
	return end, nil
}

// lately is what an adapter may add to Timeout, which it need not watch all the time.
func lately(timeout time.Duration) time.Duration { return timeout + timeout/4 }

func networkLongBlackout(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if err := e.both(d, a, 0, 3, 100); err != nil {
		return err
	}
	start, long := time.Now(), lately(h.Timeout)+h.Timeout/4
	n.Blackout(long)
	for _, p := range []*peer{d, a} {
		p.Send(core.Reliable, message(3, 100)) // which never arrives
	}
	for _, p := range []*peer{d, a} {
		end, err := p.timedOut("a side whose peer was in the dark", start, lately(h.Timeout))
		if err != nil {
			return err
		}
		if !errors.Is(end, core.ErrTimeout) {
			return fmt.Errorf("a side whose peer was in the dark ended with %q, which is no core.ErrTimeout", end)
		}
	}
	time.Sleep(time.Until(start.Add(long)) + 50*time.Millisecond)
	for _, p := range []*peer{d, a} {
		if _, err := closeError("Send after a blackout that ended the connection", p.Send(core.Reliable, nil)); err != nil {
			return err
		}
	}
	nd, na, err := r.link()
	if err != nil {
		return fmt.Errorf("after a blackout: %w", err)
	}
	return r.unmoved(nd, na, 0)
}

func networkOneWay(e *env, h Transport) error {
	var g group
	for _, up := range []bool{true, false} {
		g.do(func() error {
			r, n, err := h.on(e)
			if err != nil {
				return err
			}
			defer n.Close()
			defer r.close()
			d, a, err := r.link()
			if err != nil {
				return err
			}
			if err := e.both(d, a, 0, 3, 100); err != nil {
				return err
			}
			way := n.Route(netsim.Any, netsim.AddrOf(r.l.Addr()))
			deaf := a
			if !up {
				way, deaf = way.Back(), d
			}
			way.Cut()
			start := time.Now()
			var ends group
			for _, p := range []*peer{d, a} {
				ends.do(func() error {
					limit, who := 2*lately(h.Timeout), "the side that still hears"
					if p == deaf {
						limit, who = lately(h.Timeout), "the side that hears nothing"
					}
					end, err := p.timedOut(who, start, limit)
					if err == nil {
						p.Close(end.Code, "") // as whoever holds it would
					}
					return err
				})
			}
			_, err = withinExtra(e, 3*lately(h.Timeout), "Recv", func() (struct{}, error) {
				ends.wg.Wait()
				return struct{}{}, ends.first()
			})
			return err
		})
	}
	g.wg.Wait()
	return g.first()
}

func networkIdle(e *env, h Transport) error {
	if !e.virtual {
		return skip("it needs Transport.NewOn and Transport.Virtual, as an hour is long")
	}
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	start := time.Now()
	select {
	case <-d.done:
	case <-a.done:
	case <-time.After(time.Hour):
	}
	if err := e.both(d, a, 0, 20, 1000); err != nil {
		return fmt.Errorf("after %v in which nothing was said: %w", time.Since(start), err)
	}
	return nil
}

func networkCounters(e *env, h Transport) error {
	if !e.virtual {
		return skip("it needs Transport.NewOn and Transport.Virtual, as it takes long")
	}
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	const most, each = 70000, 10 // Unreliable ones, and of how many one is Reliable too
	seen, want := make(map[int]bool), 0
	check := func(msg []byte) error {
		id, err := number(msg)
		switch {
		case err != nil:
			return err
		case seen[id]:
			return fmt.Errorf("message %d arrived twice", id)
		case id < loose && id != want:
			return fmt.Errorf("Reliable message %d arrived, want %d", id, want)
		case id == want:
			want++
		}
		seen[id] = true
		return nil
	}
	for id := range most {
		if err := d.Send(core.Unreliable, message(loose+id, 20)); err != nil {
			return fmt.Errorf("Send of Unreliable message %d: %w", id, err)
		}
		if id%each == 0 {
			if err := e.post(d, core.Reliable, message(id/each, 20)); err != nil {
				return fmt.Errorf("after %d Unreliable messages: %w", id, err)
			}
		}
		if id%8 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for want < most/each {
		msg, err := a.next()
		if err == nil {
			err = check(msg)
		}
		if err != nil {
			return fmt.Errorf("after %d messages: %w", len(seen), err)
		}
	}
	if err := e.untilOne(d, a, loose+most, 20, check); err != nil {
		return fmt.Errorf("after %d messages: %w", len(seen), err)
	}
	if n := len(seen); n < most*9/10 {
		return fmt.Errorf("%d of %d messages arrived over a network that loses nothing", n, most+most/each)
	}
	return nil
}

// vanish takes a socket off the network, as when its process was killed: its address is
// free, and nothing passes from it or to it.
func vanish(n *netsim.Network, c *netsim.PacketConn) error {
	if _, err := c.Rebind("", false); err != nil {
		return err
	}
	gone := n.Route(c.Public(), netsim.Any)
	gone.Cut()
	gone.Back().Cut()
	return nil
}

// dialers returns the sockets on a network but that of the Listener.
func dialers(n *netsim.Network, door netip.AddrPort) (list []*netsim.PacketConn) {
	for _, c := range n.Conns() {
		if c.Public() != door {
			list = append(list, c)
		}
	}
	return list
}

func networkRestart(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if err := e.both(d, a, 0, 3, 100); err != nil {
		return err
	}

	door := netsim.AddrOf(r.l.Addr())
	if err := vanish(n, n.Conn(door)); err != nil {
		return err
	}
	died := time.Now()
	h.Addr = door.String()
	again, err := h.openOn(e, h.NewOn(e.tb, n))
	if err != nil {
		return fmt.Errorf("where a server was that died: %w", err)
	}
	defer again.close()
	nd, na, err := again.link()
	if err != nil {
		return fmt.Errorf("to a server that has restarted: %w", err)
	}
	if err := e.both(nd, na, 0, 3, 100); err != nil {
		return fmt.Errorf("to a server that has restarted: %w", err)
	}
	if _, err := d.timedOut("the dialer of a server that died", died, lately(h.Timeout)); err != nil {
		return err
	}
	if err := again.unmoved(nd, na, 3); err != nil {
		return fmt.Errorf("beside the dialer of a server that died: %w", err)
	}

	died = time.Now()
	var port uint16
	for _, c := range dialers(n, door) {
		if c.Public().Addr() == door.Addr() && c.LocalAddr().String() == na.RemoteAddr().String() {
			port = c.Public().Port()
			if err := vanish(n, c); err != nil {
				return err
			}
		}
	}
	if port == 0 {
		return fmt.Errorf("the dialer of a connection from %v has no socket there", na.RemoteAddr())
	}
	n.Host(door.Addr().String()).NextPort(port)
	restarted := &room{e: e, h: h, t: h.NewOn(e.tb, n), l: again.l}
	defer restarted.close()
	rd, ra, err := restarted.link()
	if err != nil {
		return fmt.Errorf("from a dialer that has restarted: %w", err)
	}
	var both sync.WaitGroup
	both.Go(func() { _, err = na.timedOut("the other end of a dialer that died", died, lately(h.Timeout)) })
	moved := restarted.unmoved(rd, ra, 0)
	both.Wait()
	return errors.Join(moved, err)
}
