package arq

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

// Sizes of datagrams, in bytes of UDP payload.
const (
	BaseDatagram = 1200 // what every path must carry
	MaxDatagram  = 1452 // the largest that is tried: Ethernet's 1500 less the headers of IPv6 and UDP
)

// Config says what a Session runs on. The zero value works.
type Config struct {
	// Overhead is how many bytes of a datagram the layer below needs for itself,
	// so that a packet's payload has BaseDatagram-Overhead bytes or, on a wider
	// path, more. Both ends must agree on it only in that each has room for the
	// other's payloads. 0 means 29.
	Overhead int
	// InitialRTT is the round trip that the handshake took, which stands until
	// packets have been acknowledged. 0 means 333 ms.
	InitialRTT time.Duration
	// Probe lets the Session try datagrams of more than BaseDatagram bytes; it is
	// for sockets that never fragment. false means that it never does.
	Probe bool
}

// A Session is one end of a connection. It is not safe for concurrent use. Its
// times are those of the calls: now is read from a monotonic clock, and a call with
// an earlier now than the last counts as made at the last.
type Session struct {
	start    time.Time
	now      instant
	overhead int
	err      error // how the peer broke the protocol

	pool  pool
	in    inbox    // Reliable, from the peer
	taken messages // Unreliable, from the peer
	out   outbox   // Reliable, to the peer
	fresh messages // Unreliable, to the peer
	turn  bool     // which delivery comes first in the next packet
	other bool     // and which in the next Recv

	acks   acks
	flight flight
	rtt    rtt
	cc     congestion
	mtu    mtu

	probes    int     // packets to send whatever the window says
	backoff   int     // timeouts in a row
	asked     int     // times in a row that the peer was asked for its limit
	blockedAt instant // when it was asked, or might have told
	moved     instant // when the peer acknowledged something Reliable, or the first was queued
	pathAt    instant // since when packets take this path
	trimAt    instant

	stats core.Stats
	lost  uint64 // packets that were taken for lost
	late  uint64 // of those, the ones that came
}

// New returns a Session whose connection begins now.
func New(cfg Config, now time.Time) *Session {
	if cfg.Overhead == 0 {
		cfg.Overhead = defaultOverhead
	}
	if cfg.Overhead < 0 || cfg.Overhead > maxOverhead {
		panic(fmt.Sprintf("arq: Config.Overhead is %d, and must be from 0 to %d", cfg.Overhead, maxOverhead))
	}
	if cfg.InitialRTT <= 0 {
		cfg.InitialRTT = defaultRTT
	}
	s := &Session{
		start:    now,
		overhead: cfg.Overhead,
		acks:     acks{due: never},
		flight:   newFlight(),
		rtt:      newRTT(min(cfg.InitialRTT, maxSample)),
		cc:       newCongestion(),
		mtu:      newMTU(cfg.Probe),
		trimAt:   never,
	}
	s.out.limit = window
	for _, b := range []*buffer{&s.in.buf, &s.taken.buf, &s.out.buf, &s.fresh.buf} {
		b.pool = &s.pool
	}
	return s
}

const (
	defaultOverhead = 29
	maxOverhead     = BaseDatagram - core.MinUnreliableSize - 3 // the frame's header takes 3
)

// clock returns now as an instant.
func (s *Session) clock(now time.Time) instant {
	s.now = max(s.now, now.Sub(s.start))
	return s.now
}

// payload returns what a datagram of that size has room for.
func (s *Session) payload(datagram int) int { return datagram - s.overhead }

// Send queues a copy of a message, which leaves with the next packets. Its errors are
// those that core.Conn.Send asks for: a *core.TooLargeError, or core.ErrBackpressure.
func (s *Session) Send(now time.Time, d core.Delivery, msg []byte) error {
	if d > core.Reliable {
		return core.Errorf(core.ErrUnsupported, "arq: send with %s: use core.Reliable or core.Unreliable", d)
	}
	if most := s.MaxSize(d); len(msg) > most {
		return &core.TooLargeError{Size: len(msg), Max: most, Delivery: d}
	}
	t := s.clock(now)
	s.keep(t)
	if d == core.Unreliable {
		s.stats.Dropped += uint64(s.fresh.push(msg, t))
		return nil
	}
	idle := s.out.waiting() == 0
	if !s.out.push(msg) {
		return core.ErrBackpressure
	}
	if idle {
		s.moved = t
	}
	s.stats.MessagesSent++
	s.stats.BytesSent += uint64(len(msg))
	return nil
}

// Next writes the payload of the next packet into buf and returns its length, or 0
// if no packet is to leave now. buf has room for MaxDatagram bytes. pn is the number
// that the packet gets if there is one: larger than any before it, below 2^62. Numbers
// may be left out, and a peer that acknowledges one of those breaks the protocol.
//
// The owner calls Next after Send, Receive and Recv, and when Deadline has come,
// until it returns 0. A payload that it has written counts as sent, whatever becomes of it.
func (s *Session) Next(now time.Time, pn uint64, buf []byte) int {
	if pn < s.flight.next || pn > maxVarint {
		panic("arq: packet numbers must grow, and stay below 2^62")
	}
	return s.next(s.clock(now), pn, buf)
}

// Deadline returns when Next is to be called next, if nothing else happens before:
// in the past, if packets can leave now; the zero time, if never.
func (s *Session) Deadline() time.Time {
	due := s.due()
	if due == never {
		return time.Time{}
	}
	return s.start.Add(due)
}

// Recv returns the next whole message of either delivery, and false if there is
// none yet. The message is in dst's array if that is large enough, and in a new one
// otherwise; what dst held is overwritten.
func (s *Session) Recv(dst []byte) (msg []byte, ok bool) {
	reliable, unreliable := s.in.ready > 0, s.taken.queue.n > 0
	switch {
	case !s.Readable():
		return nil, false
	case reliable && (s.other || !unreliable):
		s.other = false
		msg = s.in.pop(dst[:0])
		if s.in.limit()-s.acks.told >= updateAfter {
			s.acks.due = 0
		}
	default:
		s.other = true
		msg = s.taken.pop(dst[:0])
	}
	s.stats.MessagesRecv++
	s.stats.BytesRecv += uint64(len(msg))
	return msg, true
}

// Readable reports whether Recv has a message.
func (s *Session) Readable() bool { return s.in.ready > 0 || s.taken.queue.n > 0 }

// MaxSize returns the largest message in bytes that Send takes now.
func (s *Session) MaxSize(d core.Delivery) int {
	if d == core.Unreliable {
		n := s.payload(s.mtu.size)
		return n - datagramHeader(n)
	}
	return core.MinReliableSize
}

// Unacked returns how many bytes of Reliable messages the peer has not
// acknowledged, whether they have left or not. At 0 it has them all.
func (s *Session) Unacked() int { return s.out.waiting() }

// StalledSince returns since when the peer has acknowledged nothing Reliable though
// something waits for it, and the zero time if nothing waits.
func (s *Session) StalledSince() time.Time {
	if s.out.waiting() == 0 {
		return time.Time{}
	}
	return s.start.Add(s.moved)
}

// Stats returns what the Session has counted.
func (s *Session) Stats() core.Stats {
	st := s.stats
	st.Queued = int(s.out.end-s.out.next) + s.fresh.bytes
	if s.rtt.samples > 0 {
		st.RTT = s.rtt.smoothed
	}
	return st
}

// PathChanged says that packets take another path from now on: what was learned about
// the old one, its round trip, its capacity and its largest datagram, is forgotten.
func (s *Session) PathChanged(now time.Time) {
	s.pathAt = s.clock(now)
	s.backoff = 0
	s.rtt.restart()
	s.cc.restart(s.pathAt)
	s.mtu = newMTU(s.mtu.on)
}

// TooBig says that the system refused to send a payload of n bytes because of its
// size. Nothing as large is sent again before the path is explored anew.
func (s *Session) TooBig(now time.Time, n int) { s.mtu.tooBig(s.clock(now), n+s.overhead) }

// keep says that memory is being taken, which is to be given back some day.
func (s *Session) keep(now instant) {
	if s.trimAt == never {
		s.trimAt = now + trimEvery
	}
}

// trim gives back memory that was not needed since the last trim.
func (s *Session) trim(now instant) {
	s.pool.trim()
	s.flight.forget(now - 2*s.rtt.timeout(datagramAckDelay, 0))
	s.flight.trim()
	s.in.trim()
	s.out.trim()
	s.taken.trim()
	s.fresh.trim()
	s.trimAt = now + trimEvery
	idle := s.in.buf.empty() && s.out.buf.empty() && s.taken.buf.empty() && s.fresh.buf.empty()
	if idle && s.pool.free == nil && s.flight.ring.n == 0 {
		s.trimAt = never
	}
}
