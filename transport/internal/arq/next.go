package arq

import (
	"time"

	"github.com/parley-net/parley/core"
)

// trimEvery is after what time without need memory is given back.
const trimEvery = 10 * time.Second

// collapseAfter is after how many timeouts in a row the path counts as changed for
// the worse (RFC 9002 §7.6).
const collapseAfter = 3

// probes is how many packets leave at a timeout whatever the window says.
const probes = 2

// due returns when next has something to do.
func (s *Session) due() instant {
	due := min(s.acks.due, s.timer(), s.trimAt)
	if s.probes > 0 {
		return s.now
	}
	if s.wants() && s.open() {
		due = min(due, s.cc.ready(s.rtt.smoothed))
	}
	return due
}

// wants reports whether there are messages, or parts of them, to send.
func (s *Session) wants() bool { return s.out.ready() || s.fresh.queue.n > 0 }

// open reports whether the window has room.
func (s *Session) open() bool {
	return s.flight.bytes < s.cc.allowed(s.rtt.smoothed) && !s.flight.full()
}

// timer returns when silence means something.
func (s *Session) timer() instant {
	switch f := &s.flight; {
	case f.lossAt != never:
		return f.lossAt
	case s.probes > 0:
		return never // they come first
	case f.soon > 0:
		return f.sentSoon + s.rtt.timeout(dataAckDelay, s.backoff)
	case f.count > 0:
		return f.sentAny + s.rtt.timeout(datagramAckDelay, s.backoff)
	case s.out.blocked():
		return s.blockedAt + s.rtt.timeout(dataAckDelay, s.asked)
	}
	return never
}

// tick does what time has brought.
func (s *Session) tick(now instant) {
	for s.fresh.queue.n > 0 && now-s.fresh.front().at > maxMessageAge {
		s.fresh.drop()
		s.stats.Dropped++
	}
	if now >= s.trimAt {
		s.trim(now)
	}
	s.mtu.check(now, s.probeTimeout())
	for now >= s.timer() {
		if s.flight.lossAt != never {
			s.detect(now)
		} else {
			s.alarm(now)
		}
	}
}

// alarm says that nothing was heard for long.
func (s *Session) alarm(now instant) {
	s.probes = probes
	if s.flight.count == 0 { // the peer's limit may have been raised, and the news lost
		s.probes = 1
		s.asked++
		s.blockedAt = now
		return
	}
	if s.backoff++; s.backoff == collapseAfter {
		s.cc.collapse()
	}
}

// next is Next.
func (s *Session) next(now instant, pn uint64, buf []byte) int {
	if s.due() > now {
		return 0
	}
	s.tick(now)
	mustAck := s.acks.due <= now
	mayAsk := s.probes > 0 || s.wants() && s.open() && s.cc.ready(s.rtt.smoothed) <= now
	if !mustAck && !mayAsk {
		return 0
	}
	if size := s.mtu.probe(now); mayAsk && size > 0 && s.probes == 0 && s.rtt.samples > 0 && s.payload(size) <= len(buf) {
		return s.widen(now, pn, buf[:s.payload(size)])
	}
	size := s.mtu.size
	if s.probes > 0 {
		s.repeat()
		size = BaseDatagram // larger ones may be what the silence is about
	}
	p := sent{pn: pn, at: now}
	b := buf[:0:min(len(buf), s.payload(size))]
	var asks int
	if mayAsk {
		b, asks = s.fill(b, mustAck, &p)
	} else {
		b = s.appendAck(b, &p)
	}
	if len(b) == 0 {
		return 0
	}
	s.flight.number(pn)
	if p.knows > 0 {
		s.acks.sent(s.in.limit())
	}
	if asks > asksNothing {
		p.size, p.soon = uint16(len(b)+s.overhead), asks > asksSometime
		s.launch(p)
		s.cc.spend(now, int(p.size), s.rtt.smoothed)
		s.probes = max(s.probes-1, 0)
	}
	return len(b)
}

// widen makes all of b the probe of a larger datagram.
func (s *Session) widen(now instant, pn uint64, b []byte) int {
	s.flight.number(pn)
	s.mtu.sent(now, pn)
	s.cc.spend(now, len(b)+s.overhead, s.rtt.smoothed)
	appendPing(b[:0])
	clear(b[1:])
	return len(b)
}

// fill appends frames to b, as far as its capacity goes, and notes in p what must be
// known of them later. It returns also what they ask the peer for.
func (s *Session) fill(b []byte, mustAck bool, p *sent) ([]byte, int) {
	asks := asksNothing
	s.turn = !s.turn // neither delivery starves the other
	streamFirst := s.out.ready() && (s.turn || s.fresh.queue.n == 0)
	if s.acks.due != never {
		with := s.appendAck(b, p)
		if mustAck || streamFirst || s.fits(with) {
			b = with
		} else {
			p.knows = 0 // it would cost the message its place, and can wait
		}
	}
	if s.probes > 0 {
		b, asks = appendPing(b), asksNow
	}
	if !streamFirst {
		b = s.appendDatagrams(b, &asks)
	}
	b = s.appendData(b, p, &asks)
	if streamFirst {
		b = s.appendDatagrams(b, &asks)
	}
	if asks == asksSometime && s.flight.bytes > s.cc.allowed(s.rtt.smoothed)/2 && len(b) < cap(b) {
		b, asks = appendPing(b), asksNow // the window would be full before the answer comes
	}
	return b, asks
}

func (s *Session) appendAck(b []byte, p *sent) []byte {
	n := len(b)
	if b = appendAck(b, cap(b)-n, s.acks.seen, s.acks.latest, p.at-s.acks.latestAt, s.in.limit()); len(b) > n {
		p.knows = s.acks.seen[len(s.acks.seen)-1].to
	}
	return b
}

// fits reports whether the oldest Unreliable message, if there is one, fits behind b.
func (s *Session) fits(b []byte) bool {
	if s.fresh.queue.n == 0 {
		return true
	}
	n := s.fresh.front().size
	return len(b)+datagramHeader(n)+n <= cap(b)
}

func (s *Session) appendDatagrams(b []byte, asks *int) []byte {
	for s.fresh.queue.n > 0 {
		n := s.fresh.front().size
		if n > s.MaxSize(core.Unreliable) { // the path has become narrower
			s.fresh.drop()
			s.stats.Dropped++
			continue
		}
		if !s.fits(b) {
			break
		}
		b = s.fresh.pop(appendDatagramHeader(b, n))
		s.stats.MessagesSent++
		s.stats.BytesSent += uint64(n)
		*asks = max(*asks, asksSometime)
	}
	return b
}

func (s *Session) appendData(b []byte, p *sent, asks *int) []byte {
	for i := range maxParts {
		off, n := s.out.take(cap(b) - len(b))
		if n == 0 {
			break
		}
		b = appendDataHeader(b, off, n)
		b = grow(b, n)
		s.out.buf.read(b[len(b)-n:], off)
		p.off[i], p.n[i] = off, uint16(n)
		*asks = max(*asks, asksSoon)
	}
	return b
}
