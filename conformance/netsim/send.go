package netsim

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/parley-net/parley/core"
)

// send decides on the fate of a packet and puts it on its way.
func (n *Network) send(from, to netip.AddrPort, data []byte, t time.Duration) error {
	n.advance(t)
	if n.bound[to] == nil { // and no path either, lest strangers fill the memory
		n.stray.Sent++
		n.stray.SentBytes += uint64(len(data))
		n.tell(&n.stray, Unreachable, &datagram{data: data, from: from, to: to, sent: t}, t)
		return nil
	}
	p := n.path(from, to)
	index, drawn := p.draw()
	d := n.datagram(from, to, data)
	d.path, d.index, d.sent, d.due = p, index, t, t
	p.counters.Sent++
	p.counters.SentBytes += uint64(len(data))

	fate, err := n.judge(p, d, drawn)
	p.note(data, fate)
	if fate != Delivered {
		n.tell(&p.counters, fate, d, t)
		n.release(d)
		return err
	}
	due := d.due - p.link.jitter(drawn) // the first may have arrived by the time of the others
	n.fly(d, drawn)
	if unit(drawn, partDuplicate) < p.link.Duplicate {
		copies := 1 + int(derive(drawn, partCopies)%uint64(p.link.Copies))
		for number := 1; number <= copies; number++ {
			drawn := mix(drawn + uint64(number))
			c := n.datagram(from, to, data)
			c.path, c.index, c.copy, c.sent = p, index, number, t
			late := time.Duration(unit(drawn, partCopyDelay) * float64(p.link.CopyDelay))
			c.due = due + p.link.jitter(drawn) + late
			p.counters.Duplicated++
			n.fly(c, drawn)
		}
	}
	n.arm(t)
	return nil
}

// judge says whether d sets out, and gives it its delay.
func (n *Network) judge(p *path, d *datagram, drawn uint64) (Fate, error) {
	l, t := p.link, d.sent
	chance := l.draw(drawn, &p.bad, core.Unreliable)
	var v Verdict
	if n.filter != nil {
		v = n.filter(d.packet(n))
	}
	switch {
	case v.Drop:
		return Filtered, nil
	case len(d.data) > l.MTU && l.MTUError:
		return TooLong, syscall.EMSGSIZE
	case len(d.data) > l.MTU:
		return TooLong, nil
	case p.dark(t):
		return Dark, nil
	}
	wait, ok := p.pace.take(&l.Link, len(d.data), t, false)
	switch {
	case !ok:
		return QueueFull, nil
	case chance.lost:
		return Lost, nil
	}
	d.due = t + wait + chance.delay + max(v.Delay, 0)
	return Delivered, nil
}

// fly sends d to where it is due.
func (n *Network) fly(d *datagram, drawn uint64) {
	if l := d.path.link; unit(drawn, partCorrupt) < l.Corrupt {
		d.data = l.CorruptAs.apply(d.data, drawn)
		d.corrupted = true
		d.path.counters.Corrupted++
	}
	d.path.noteCopy(d)
	if d.due <= d.sent {
		n.arrive(d, d.sent)
		return
	}
	n.seq++
	d.seq = n.seq
	n.flying.push(d)
}

// arrive gives d to the PacketConn at its address.
func (n *Network) arrive(d *datagram, t time.Duration) {
	counters := &n.stray
	if d.path != nil {
		counters = &d.path.counters
	}
	c := n.bound[d.to]
	switch {
	case c == nil:
		n.tell(counters, Unreachable, d, t)
	case !c.fits(d):
		n.tell(counters, Overflow, d, t)
	default:
		n.tell(counters, Delivered, d, t)
		c.push(d)
		return
	}
	n.release(d)
}

// Inject lets a packet arrive at to at once that says it comes from from: an
// attacker's, or one that was recorded. No link touches it, and it leaves the fates
// of other packets as they are. An address without a port counts as one where nobody
// is. payload is the caller's again on return.
func (n *Network) Inject(from, to netip.AddrPort, payload []byte) {
	n.mu.Lock()
	defer n.unlock()
	t := now()
	n.advance(t)
	d := n.datagram(canonical(from), canonical(to), payload)
	d.sent, d.due, d.injected = t, t, true
	n.stray.Injected++
	n.arrive(d, t)
}
