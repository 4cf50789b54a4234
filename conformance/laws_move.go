package conformance

import (
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

var moveLaws = []law[Transport]{
	{"Network/PortChange",
		"When the address of a dialer changes, a hundred times, the connection goes on and nothing Reliable is lost.",
		networkPortChange},
	{"Network/Hijack",
		"Who sends copies of a dialer's packets from an address of his own, ahead of the real ones, gets no more bytes than he sends, and takes nothing away.",
		networkHijack},
}

func networkPortChange(e *env, h Transport) error {
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
	door := netsim.AddrOf(r.l.Addr())
	for i := range 100 {
		to := "" // another port
		if i%10 == 5 {
			to = fmt.Sprintf("203.0.113.%d:0", i)
		}
		for _, c := range dialers(n, door) {
			if _, err := c.Rebind(to, false); err != nil {
				return err
			}
		}
		for _, ends := range [][2]*peer{{d, a}, {a, d}} {
			if err := e.carry(ends[0], ends[1], 2*i, 2*i+2, 100); err != nil {
				return fmt.Errorf("after the dialer's address has changed %d times: %w", i+1, err)
			}
		}
	}
	return nil
}

func networkHijack(e *env, h Transport) error {
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
	thief, err := n.Host("203.0.113.7").ListenPacket(e, "udp", "")
	if err != nil {
		return err
	}
	defer thief.Close()
	door, own := netsim.AddrOf(r.l.Addr()), netsim.AddrOf(thief.LocalAddr())
	seen := make(chan []byte, 1024)
	var stealing group
	stealing.do(func() error {
		for data := range seen {
			if _, err := thief.WriteTo(data, r.l.Addr()); err != nil {
				return err
			}
		}
		return nil
	})
	n.SetFilter(func(p netsim.Packet) netsim.Verdict {
		if p.To != door || p.From == own {
			return netsim.Verdict{}
		}
		select {
		case seen <- append([]byte(nil), p.Data...):
		default:
		}
		return netsim.Verdict{Delay: 3 * time.Millisecond}
	})
	var g group
	g.do(func() error { return e.carry(d, a, 0, 100, 20) })
	g.do(func() error { return e.carry(a, d, 0, 300, 1000) }) // more than is said to get it
	err = g.wait(e, "a connection while somebody sends copies of its packets")
	n.SetFilter(nil)
	close(seen)
	if err := errors.Join(err, stealing.wait(e, "WriteTo")); err != nil {
		return fmt.Errorf("while somebody sent copies of a dialer's packets: %w", err)
	}
	time.Sleep(3 * time.Millisecond)
	if err := errors.Join(e.carry(d, a, 100, 300, 20), r.unmoved(d, a, 300)); err != nil {
		return fmt.Errorf("after somebody has sent copies of a dialer's packets: %w", err)
	}
	if netsim.AddrOf(a.RemoteAddr()) == own {
		return fmt.Errorf("RemoteAddr is %v, of one who sent copies of a dialer's packets", own)
	}
	route := n.Route(own, door)
	in, out := route.Counters(), route.Back().Counters()
	if in.Sent == 0 || out.SentBytes > in.SentBytes {
		return fmt.Errorf("one who sent copies of a dialer's packets, %d bytes, was sent %d", in.SentBytes, out.SentBytes)
	}
	return nil
}
