package arq

import (
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
	cfg   Config
	start time.Time
}

// New returns a Session whose connection begins now.
func New(cfg Config, now time.Time) *Session {
	return &Session{cfg: cfg, start: now}
}

// Send queues a copy of a message, which leaves with the next packets. It returns
// what core.Conn.Send must return for a message that is too large, or for which
// there is no room.
func (s *Session) Send(now time.Time, d core.Delivery, msg []byte) error { return nil }

// Next writes the payload of the next packet into buf and returns its length, or 0
// if no packet is to leave now. buf has room for MaxDatagram bytes. pn is the number
// that the packet gets if there is one: larger than any before it, below 2^62. Numbers
// may be left out, and the peer that acknowledges one of those breaks the protocol.
//
// The owner calls Next after Send, Receive and Recv, and when Deadline has come,
// until it returns 0. A payload that it has written counts as sent, whatever becomes of it.
func (s *Session) Next(now time.Time, pn uint64, buf []byte) int { return 0 }

// Deadline returns when Next is to be called next, if nothing else happens before:
// in the past, if packets can leave now; the zero time, if never.
func (s *Session) Deadline() time.Time { return time.Time{} }

// Receive takes the payload of a packet from the peer, which the layer below has
// found to be authentic and new. The payload is the caller's again when it returns.
// An error wraps core.ErrMalformed: the peer has broken the protocol, nothing that
// it sends counts any more, and Receive returns the same error for ever.
func (s *Session) Receive(now time.Time, pn uint64, payload []byte) error { return nil }

// Recv returns the next whole message of either delivery, and false if there is
// none yet. The message is in dst's array if that is large enough, and in a new one
// otherwise; what dst held is overwritten.
func (s *Session) Recv(dst []byte) (msg []byte, ok bool) { return nil, false }

// MaxSize returns the largest message in bytes that Send takes now.
func (s *Session) MaxSize(d core.Delivery) int { return 0 }

// Unacked returns how many bytes of Reliable messages the peer has not
// acknowledged, whether they have left or not. At 0 it has them all.
func (s *Session) Unacked() int { return 0 }

// StalledSince returns since when the peer has acknowledged nothing Reliable though
// something waits for it, and the zero time if nothing waits.
func (s *Session) StalledSince() time.Time { return time.Time{} }

// Stats returns what the Session has counted.
func (s *Session) Stats() core.Stats { return core.Stats{} }

// PathChanged says that packets take another path from now on: what was learned about
// the old one, its round trip, its capacity and its largest datagram, is forgotten.
func (s *Session) PathChanged(now time.Time) {}

// TooBig says that the system refused to send a payload of n bytes because of its
// size. Nothing as large is sent again before the path is explored anew.
func (s *Session) TooBig(now time.Time, n int) {}
