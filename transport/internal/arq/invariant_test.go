package arq

import "fmt"

// sound checks what must always hold inside a Session.
func (s *Session) sound() error {
	o, f := &s.out, &s.flight
	// Every byte that was sent has arrived, is on its way, or is to be sent again.
	var known spans
	for _, p := range o.acked {
		known.add(p.from, p.to, 1<<20)
	}
	for _, p := range o.lost {
		known.add(p.from, p.to, 1<<20)
		if p.from < o.buf.base || p.to > o.next {
			return fmt.Errorf("%v is to be sent again, of %d to %d", p, o.buf.base, o.next)
		}
	}
	bytes, count, soon := 0, 0, 0
	for i := range f.ring.n {
		p := f.ring.at(i)
		if i > 0 && p.pn <= f.ring.at(i-1).pn {
			return fmt.Errorf("packet %d is behind %d", p.pn, f.ring.at(i-1).pn)
		}
		if i < f.done && p.state != arrived {
			return fmt.Errorf("packet %d is done with, and its state is %d", p.pn, p.state)
		}
		if p.state != flying {
			continue
		}
		bytes += int(p.size)
		count++
		if p.soon {
			soon++
		}
		for k := 0; k < maxParts && p.n[k] > 0; k++ {
			known.add(p.off[k], p.off[k]+uint64(p.n[k]), 1<<20)
		}
	}
	known.cut(o.buf.base)
	if o.next > o.buf.base && (len(known) != 1 || known[0] != span{o.buf.base, o.next}) {
		return fmt.Errorf("of bytes %d to %d only %v are accounted for", o.buf.base, o.next, known)
	}
	if bytes != f.bytes || count != f.count || soon != f.soon {
		return fmt.Errorf("%d bytes in %d packets, %d of them urgent, are on their way, and it counts %d, %d, %d", bytes, count, soon, f.bytes, f.count, f.soon)
	}
	if o.waiting() > maxQueue || len(o.acked) > maxHoles || len(o.lost) > maxHoles || f.ring.n > maxFlight || len(s.in.pieces) > maxPieces {
		return fmt.Errorf("a bound is broken: queue %d, acked %d, lost %d, flight %d, pieces %d", o.waiting(), len(o.acked), len(o.lost), f.ring.n, len(s.in.pieces))
	}
	if n := s.footprint(); n > mostMemory {
		return fmt.Errorf("it holds %d bytes", n)
	}
	return nil
}
