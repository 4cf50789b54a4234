package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

var spoofLaws = []law[Transport]{
	{"Network/Amplification",
		"Who has not proven an address is sent at most 15 % of the bytes that came from there, one packet for each at most, and gets no connection.",
		networkAmplification},
	{"Network/Unanswered",
		"A dialer whom no answer reaches is sent at most 15 % of what it sends, and nothing once it has given up.",
		networkUnanswered},
	{"Network/Flood",
		"Floods from many forged addresses, of garbage and of what dialers say first, disturb nobody, and leave no memory and no goroutine taken.",
		networkFlood},
}

// unproven holds that what was sent to who is allowed for a source that has proven
// nothing.
func unproven(who string, in, out netsim.Counters) error {
	switch {
	case out.Sent > in.Sent:
		return fmt.Errorf("%s sent %d packets, and was sent %d", who, in.Sent, out.Sent)
	case out.SentBytes*100 > in.SentBytes*15:
		return fmt.Errorf("%s sent %d bytes, and was sent %d, which is %.0f %%", who, in.SentBytes, out.SentBytes, 100*float64(out.SentBytes)/float64(in.SentBytes))
	}
	return nil
}

// said returns what is said to a Listener from the beginning of a Dial on.
func said(e *env, r *room, n *netsim.Network) (d, a *peer, packets []netsim.Packet, err error) {
	var rec recorder
	stop := n.Tap(rec.tap)
	defer stop()
	if d, a, err = r.link(); err != nil {
		return nil, nil, nil, err
	}
	if err := e.both(d, a, 0, 5, 100); err != nil {
		return nil, nil, nil, err
	}
	door := netsim.AddrOf(r.l.Addr())
	for _, p := range rec.all() {
		if p.To == door {
			packets = append(packets, p)
		}
	}
	if len(packets) == 0 {
		return nil, nil, nil, fmt.Errorf("no packet of a Dial went to the Listener's address %v", door)
	}
	return d, a, packets, nil
}

func networkAmplification(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, packets, err := said(e, r, n)
	if err != nil {
		return err
	}
	door := netsim.AddrOf(r.l.Addr())
	rng := rand.New(rand.NewPCG(e.seed, 4))
	strangers := make(map[netip.AddrPort]string) // and what each sent
	for i, p := range packets[:min(len(packets), 60)] {
		for _, say := range []struct {
			what string
			data []byte
		}{
			{fmt.Sprintf("packet %d of a dialer", i), p.Data},
			{fmt.Sprintf("a part of packet %d of a dialer", i), p.Data[:len(p.Data)*rng.IntN(100)/100]},
			{"zeros", make([]byte, i)},
		} {
			c, err := n.Host(fmt.Sprintf("203.0.113.%d", 1+len(strangers))).ListenPacket(e, "udp", "")
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.WriteTo(say.data, r.l.Addr()); err != nil {
				return err
			}
			strangers[netsim.AddrOf(c.LocalAddr())] = say.what
		}
	}
	if err := r.unmoved(d, a, 5); err != nil {
		return fmt.Errorf("after strangers repeated what a dialer had sent: %w", err)
	}
	time.Sleep(min(h.Timeout, 500*time.Millisecond)) // for answers that are repeated
	for stranger, what := range strangers {
		route := n.Route(stranger, door)
		if err := unproven("a stranger who repeated "+what, route.Counters(), route.Back().Counters()); err != nil {
			return err
		}
	}
	_, _, err = r.link()
	return err
}

func networkUnanswered(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	in := n.Route(netsim.Any, netsim.AddrOf(r.l.Addr()))
	in.Back().Cut()
	ctx, cancel := context.WithTimeout(e, e.dialDeadline())
	defer cancel()
	if err := failedDial(r.dial(ctx)); err != nil {
		return err
	}
	before := in.Counters()
	if before.Sent == 0 {
		return errors.New("no packet of a Dial went to the Listener's address")
	}
	time.Sleep(10 * time.Millisecond)
	answered := in.Back().Counters().Sent
	if err := unproven("a dialer whom no answer reached", before, in.Back().Counters()); err != nil {
		return err
	}
	time.Sleep(min(h.Timeout, 500*time.Millisecond))
	if more := in.Back().Counters().Sent - answered; in.Counters().Sent == before.Sent && more > 0 {
		return fmt.Errorf("a dialer whom no answer reached was sent %d packets after it had given up", more)
	}
	in.Back().Heal()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	return r.unmoved(d, a, 0)
}

func networkFlood(e *env, h Transport) error {
	// Packets, and bytes that may be left of each: the network remembers something too.
	const strangers, each = 4000, 512
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, packets, err := said(e, r, n)
	if err != nil {
		return err
	}
	door := netsim.AddrOf(r.l.Addr())
	rng := rand.New(rand.NewPCG(e.seed, 7))
	before, running := heap(), runtime.NumGoroutine()
	var g group
	done := make(chan struct{})
	g.do(func() error {
		defer close(done)
		for i := range strangers {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), uint16(1024+i))
			data := packets[0].Data
			switch i % 4 {
			case 0:
				data = make([]byte, rng.IntN(1300))
				for j := range data {
					data[j] = byte(rng.Uint32())
				}
			case 1:
				data = forge(rng, packets[rng.IntN(len(packets))].Data)
			}
			n.Inject(from, door, data)
			if i%16 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		return nil
	})
	next := 5
	for flooding := true; flooding; next += 5 {
		select {
		case <-done:
			flooding = false
		case <-time.After(time.Millisecond):
		}
		if err := e.both(d, a, next, next+5, 100); err != nil {
			return errors.Join(fmt.Errorf("on a connection, in a flood from strangers: %w", err), g.wait(e, "Inject"))
		}
	}
	if err := r.unmoved(d, a, next); err != nil {
		return fmt.Errorf("after a flood from strangers: %w", err)
	}
	if more := settle(goroutines, running+8, e.wait) - running; more > 8 {
		return fmt.Errorf("after a flood from %d strangers there are %d goroutines more", strangers, more)
	}
	var grown int
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if grown = heap() - before; grown < strangers*each {
			break
		}
		if time.Since(start) > e.wait/2+h.Timeout {
			return fmt.Errorf("a flood from %d strangers has left %d KiB of memory taken", strangers, grown>>10)
		}
	}
	if _, _, err := r.link(); err != nil {
		return fmt.Errorf("after a flood from strangers: %w", err)
	}
	return nil
}
