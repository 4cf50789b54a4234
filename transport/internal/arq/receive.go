package arq

import (
	"time"

	"github.com/parley-net/parley/core"
)

// Receive takes the payload of a packet from the peer, which the layer below has
// found to be authentic and new. The payload is the caller's again when it returns.
// An error wraps core.ErrMalformed: the peer has broken the protocol, nothing that
// it sends counts any more, and Receive returns the same error for ever.
func (s *Session) Receive(now time.Time, pn uint64, payload []byte) error {
	if s.err != nil {
		return s.err
	}
	t := s.clock(now)
	s.keep(t)
	var ack ackFrame
	asks, err := s.check(pn, payload, &ack)
	kept := false
	if err == nil {
		if ack.n > 0 {
			s.acknowledged(t, &ack)
		}
		kept, err = s.accept(t, payload)
	}
	if err != nil {
		s.err = err
		return err
	}
	if kept && len(payload) > 0 {
		s.acks.received(t, pn, asks)
	}
	return nil
}

// check finds out whether the peer may send such a payload, so that of one that it
// may not send nothing counts. It returns what the payload asks for.
func (s *Session) check(pn uint64, payload []byte, ack *ackFrame) (asks int, err error) {
	if pn > maxVarint {
		return 0, core.Errorf(core.ErrMalformed, "arq: the peer sent a packet with the number %d, which no ACK frame can hold", pn)
	}
	var f frame
	for rest := payload; len(rest) > 0; {
		if rest[0] == frameAck && ack.n > 0 {
			return 0, core.Errorf(core.ErrMalformed, "arq: the peer sent two ACK frames in a packet")
		}
		if rest, err = f.next(rest, ack); err != nil {
			return 0, err
		}
		switch f.kind {
		case framePing:
			asks = asksNow
		case frameAck:
			if err := s.possible(ack); err != nil {
				return 0, err
			}
		case frameData:
			if end := f.off + uint64(len(f.data)); end > s.in.limit() {
				return 0, core.Errorf(core.ErrMalformed, "arq: the peer sent byte %d of its stream, and may send those below %d", end-1, s.in.limit())
			}
			asks = max(asks, asksSoon)
		case frameDatagram:
			asks = max(asks, asksSometime)
		}
	}
	return asks, nil
}

// possible finds out whether the peer can have received what it acknowledges.
func (s *Session) possible(ack *ackFrame) error {
	if ack.largest >= s.flight.next {
		return core.Errorf(core.ErrMalformed, "arq: the peer acknowledges packet %d, which was not sent", ack.largest)
	}
	for _, r := range ack.ranges[:ack.n] {
		if s.flight.gaps.meets(r.from, r.to) {
			return core.Errorf(core.ErrMalformed, "arq: the peer acknowledges packets %d to %d, of which one was never sent", r.from, r.to-1)
		}
	}
	return nil
}

// accept takes the messages in a payload. It reports whether all of them were kept.
func (s *Session) accept(now instant, payload []byte) (kept bool, err error) {
	kept = true
	var ack ackFrame // was dealt with
	var f frame
	for rest := payload; len(rest) > 0; {
		if rest, err = f.next(rest, &ack); err != nil {
			return false, err
		}
		switch f.kind {
		case frameData:
			ok, err := s.in.put(f.off, f.data)
			if err != nil {
				return false, err
			}
			kept = kept && ok
		case frameDatagram:
			s.taken.push(f.data, now)
		}
	}
	return kept, nil
}

// acknowledged takes what the peer says about our packets.
func (s *Session) acknowledged(now instant, ack *ackFrame) {
	f := &s.flight
	if i := f.find(ack.latest, 0); i < f.ring.n && ack.delay <= maxReported {
		if p := f.ring.at(i); p.pn == ack.latest && p.at >= s.pathAt {
			s.rtt.sample(now, now-p.at-ack.delay)
		}
	}
	inFlight, heard := f.bytes, false
	for r, i := ack.n-1, f.done; r >= 0; r-- {
		for i = f.find(ack.ranges[r].from, i); i < f.ring.n; i++ {
			p := f.ring.at(i)
			if p.pn >= ack.ranges[r].to {
				break
			}
			if p.state != arrived {
				heard = true
				s.arrived(now, p, inFlight)
			}
		}
		if m := &s.mtu; m.flying && ack.ranges[r].from <= m.pn && m.pn < ack.ranges[r].to {
			m.passed(now)
		}
	}
	if heard {
		s.backoff, s.probes = 0, 0
	}
	if ack.limit > s.out.limit {
		s.out.limit, s.asked = ack.limit, 0
	}
	f.top = max(f.top, ack.largest+1)
	s.detect(now)
	f.forget(now - 2*s.rtt.timeout(datagramAckDelay, 0))
	if f.count == 0 {
		s.blockedAt = now
	}
}

// arrived says that the peer has p, for the first time.
func (s *Session) arrived(now instant, p *sent, inFlight int) {
	if p.state == lost {
		s.late++
		s.cc.late(p.pn)
		s.flight.late(now, p, &s.rtt)
	} else {
		s.cc.acked(p.at, int(p.size), inFlight, s.rtt.smoothed)
	}
	s.flight.settle(p, arrived)
	s.mtu.arrived(int(p.size))
	if p.knows > 0 {
		s.acks.forget(p.knows - 1)
	}
	for i := 0; i < maxParts && p.n[i] > 0; i++ {
		if s.out.ack(p.off[i], p.off[i]+uint64(p.n[i])) {
			s.moved = now
		}
	}
}
