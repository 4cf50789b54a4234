package conformance

import (
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var networkLaws = []law[Transport]{
	{"Network/Dial",
		"Dial succeeds although the first packets of each direction are lost.",
		networkDial},
	{"Network/Reliable",
		"Under loss, duplication and reordering of packets Reliable messages arrive once each, whole, in the order of Send.",
		networkReliable},
	{"Network/Unreliable",
		"Under loss, duplication and reordering of packets no Unreliable message is doubled, truncated or altered.",
		networkUnreliable},
	{"Network/Corruption",
		"A packet that was altered on its way changes no message and ends no connection.",
		networkCorruption},
	{"Network/Close",
		"Under loss Close still delivers what was sent before, and code and reason.",
		networkClose},
	{"Network/MTU",
		"Where packets of more than 1,200 bytes vanish, connections are made, and messages of the floors' sizes arrive.",
		networkMTU},
}

// on opens a room on a simulated network.
func (h Transport) on(e *env) (*room, *netsim.Network, error) {
	if h.NewOn == nil {
		return nil, nil, skip("it needs Transport.NewOn")
	}
	n := netsim.NewNetwork(e.seed)
	r, err := h.openOn(e, h.NewOn(e.tb, n))
	if err != nil {
		return nil, nil, err
	}
	return r, n, nil
}

// onLink runs f from either end of a connection after the network has become bad.
func (h Transport) onLink(e *env, bad netsim.PacketLink, f func(from, to *peer) error) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	defer n.SetLink(netsim.PacketLink{})
	d, a, err := r.link()
	if err != nil {
		return err
	}
	n.SetLink(bad)
	if err := f(d, a); err != nil {
		return fmt.Errorf("from dialer to listener: %w", err)
	}
	if err := f(a, d); err != nil {
		return fmt.Errorf("from listener to dialer: %w", err)
	}
	return nil
}

// bad is a network that loses, doubles and reorders.
var bad = netsim.PacketLink{
	Link:      netsim.Link{Latency: time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.2, Reorder: 0.2, ReorderBy: 5 * time.Millisecond},
	Duplicate: 0.2, Copies: 3, CopyDelay: 20 * time.Millisecond,
}

func networkDial(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	n.SetFilter(func(p netsim.Packet) netsim.Verdict { return netsim.Verdict{Drop: p.Index < 2} })
	d, a, err := r.link()
	if err != nil {
		return fmt.Errorf("the first 2 packets of each direction are lost: %w", err)
	}
	return errors.Join(e.carry(d, a, 0, 3, 100), e.carry(a, d, 0, 3, 100))
}

func networkReliable(e *env, h Transport) error {
	return h.onLink(e, bad, func(from, to *peer) error {
		if err := e.carry(from, to, 0, 200, 100); err != nil {
			return err
		}
		return e.carry(from, to, 200, 205, 20000)
	})
}

func networkUnreliable(e *env, h Transport) error {
	return h.onLink(e, bad, func(from, to *peer) error {
		const n = 400
		for id := range n {
			if err := from.Send(core.Unreliable, message(id, 20+id)); err != nil {
				return fmt.Errorf("Send: %w", err)
			}
			if id%8 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(40 * time.Millisecond) // for the copies
		seen := make(map[int]bool)
		check := func(msg []byte) error {
			id, err := number(msg)
			switch {
			case err != nil:
				return err
			case id >= n || seen[id]:
				return fmt.Errorf("Unreliable message %d arrived twice, or was never sent", id)
			case len(msg) != 20+id:
				return fmt.Errorf("Unreliable message %d arrived with %d bytes", id, len(msg))
			}
			seen[id] = true
			return nil
		}
		if err := e.untilOne(from, to, n, 20, check); err != nil {
			return err
		}
		if len(seen) < n/3 {
			return fmt.Errorf("%d of %d Unreliable messages arrived over a link that loses a fifth of the packets", len(seen), n)
		}
		time.Sleep(30 * time.Millisecond) // for copies of untilOne's, before the other direction
		return nil
	})
}

func networkCorruption(e *env, h Transport) error {
	link := netsim.PacketLink{Link: netsim.Link{Latency: time.Millisecond}, Corrupt: 0.1}
	return h.onLink(e, link, func(from, to *peer) error {
		for id := range 200 {
			for _, d := range deliveries {
				if err := e.post(from, d, message(id+loose*int(1-d), 200)); err != nil {
					return err
				}
			}
			if id%16 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		for want := 0; want < 200; {
			msg, err := to.next()
			if err != nil {
				return fmt.Errorf("waiting for Reliable message %d: %w", want, err)
			}
			switch id, err := number(msg); {
			case err != nil:
				return err
			case id == want:
				want++
			case id < loose:
				return fmt.Errorf("Reliable message %d arrived, want %d", id, want)
			}
		}
		return nil
	})
}

func networkClose(e *env, h Transport) error {
	for _, dialer := range []bool{true, false} {
		r, n, err := h.on(e)
		if err != nil {
			return err
		}
		err = func() error {
			one, other, err := r.link()
			if err != nil {
				return err
			}
			if !dialer {
				one, other = other, one
			}
			n.SetLink(bad)
			if err := e.postAll(one, 0, 20, 500); err != nil {
				return err
			}
			var g group
			g.do(func() error { one.Close(core.CodeKicked, "through the storm"); return nil })
			if err := other.expectAll(0, 20); err != nil {
				return fmt.Errorf("sent before Close: %w", err)
			}
			end, err := other.ended(h.Timeout)
			if err != nil {
				return err
			}
			if end.Code != core.CodeKicked || end.Reason != "through the storm" || !end.Remote {
				return fmt.Errorf("Close(%v) arrived as %+v", core.CodeKicked, *end)
			}
			return g.wait(e, "Close")
		}()
		n.SetLink(netsim.PacketLink{})
		r.close()
		n.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func networkMTU(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	n.SetLink(netsim.PacketLink{MTU: 1200})
	d, a, err := r.link()
	if err != nil {
		return err
	}
	for _, ends := range [][2]*peer{{d, a}, {a, d}} {
		from, to := ends[0], ends[1]
		if err := e.carry(from, to, 0, 1, min(core.MinReliableSize, from.MaxSize(core.Reliable))); err != nil {
			return err
		}
		if err := e.untilOne(from, to, 1, min(core.MinUnreliableSize, from.MaxSize(core.Unreliable)), nil); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}
