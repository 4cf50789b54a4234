package arq

import "time"

// repeat arranges for the DATA of the oldest packet on its way to be sent again, though it
// does not count as lost. If that is the last probe, its DATA goes into this one too, which
// makes it likelier to arrive.
func (s *Session) repeat() {
	for i := s.flight.done; i < s.flight.ring.n; i++ {
		if p := s.flight.ring.at(i); p.state == flying && !p.moved && p.n[0] > 0 {
			s.lose(p)
			return
		}
	}
}

// launch takes a packet that leaves.
func (s *Session) launch(p sent) {
	f := &s.flight
	if f.ring.n >= maxFlight {
		if f.full() { // a probe leaves nevertheless
			s.lose(f.ring.at(0))
			f.settle(f.ring.at(0), lost)
		}
		f.pop()
	}
	f.add(p)
}

// lose arranges for the DATA of a packet to be sent again.
func (s *Session) lose(p *sent) {
	for i := 0; i < maxParts && p.n[i] > 0 && !p.moved; i++ {
		s.out.lose(p.off[i], p.off[i]+uint64(p.n[i]))
	}
	p.moved = true
}

// detect looks for packets that are lost.
func (s *Session) detect(now instant) {
	patience := s.flight.patience(now, &s.rtt)
	for i := s.flight.done; ; i++ {
		if i = s.flight.detect(now, patience, i); i < 0 {
			return
		}
		p := s.flight.ring.at(i)
		s.flight.settle(p, lost)
		s.lose(p)
		s.lost++
		s.cc.lost(now, p.pn, p.at, s.rtt.queueing())
		s.mtu.lost(now, p.at, int(p.size))
	}
}

// probeTimeout is how long to wait for the answer to a probe of a larger datagram.
func (s *Session) probeTimeout() time.Duration { return 2 * s.rtt.timeout(dataAckDelay, 0) }
