package core

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Delivery is the least that a sender asks of a message. An adapter gives what
// is asked or stronger: a TCP adapter may serve Unreliable reliably, as long as
// it does not let old messages pile up.
type Delivery uint8

const (
	// Unreliable messages may be lost or reordered. They must never be
	// duplicated, truncated, altered, merged or split.
	Unreliable Delivery = iota
	// Reliable messages arrive once each, whole, in the order of Send, or the
	// connection ends.
	Reliable
)

// String returns "unreliable" or "reliable".
func (d Delivery) String() string {
	switch d {
	case Unreliable:
		return "unreliable"
	case Reliable:
		return "reliable"
	}
	return fmt.Sprintf("delivery %d", uint8(d))
}

// Floors of Conn.MaxSize, in bytes, that every adapter must reach for as long as
// a connection lives, or declare that it does not. The engine sizes its packets by
// them and refuses, in words, an adapter whose MaxSize is below.
const (
	MinUnreliableSize = 1100
	MinReliableSize   = 256 << 10
)

// DefaultLinger is how long Close waits for Reliable messages to leave when an
// adapter's Config does not say otherwise.
const DefaultLinger = time.Second

// Transport makes connections. It is safe for concurrent use, and one value
// serves any number of Listen and Dial calls.
type Transport interface {
	// Listen starts to accept connections at addr. What addr means is the
	// adapter's business; for network adapters it is "host:port", where port 0
	// chooses a free one. ctx governs the set-up only: cancelling it later must
	// not touch the Listener.
	Listen(ctx context.Context, addr string) (Listener, error)

	// Dial connects to a Listener. It must return either a Conn on which Send
	// works at once, or an error, and it must return within ctx: there is no
	// limbo. ctx governs the set-up only. The error must satisfy
	// errors.Is(err, ErrRefused) where the adapter knows that nobody listens or
	// that it was turned away, errors.Is(err, ErrTimeout) where nobody answered in
	// time, and must wrap ctx.Err() when ctx ended. A Dial that fails must leave
	// no goroutine, socket or half-open peer behind.
	Dial(ctx context.Context, addr string) (Conn, error)
}

// Listener accepts connections. It is safe for concurrent use.
type Listener interface {
	// Accept returns the next connection. It must return ctx.Err() (wrapped or
	// not) when ctx ends, and an error that satisfies errors.Is(err, ErrClosed)
	// once the Listener is closed, for ever. No other error may come from what a
	// stranger sends.
	Accept(ctx context.Context) (Conn, error)

	// Addr returns the address that Dial reaches this Listener with, with the
	// real port. It must answer also after Close.
	Addr() net.Addr

	// Close stops accepting and unblocks every Accept. It must spare the Conns
	// that Accept has returned (a shared socket goes with the last of them) and
	// close those that wait to be accepted. It is idempotent.
	Close() error
}

// Conn carries whole messages between two peers. Send, MaxSize, Close,
// RemoteAddr and Stats are safe for concurrent use; Recv is for one goroutine at
// a time. Whoever holds a Conn must keep calling Recv, as an adapter may learn of
// the peer's silence only there, and must call Close in the end.
type Conn interface {
	// Send queues one message. It must not block on the network, and msg must be
	// the caller's again when it returns: an adapter copies what it keeps. An
	// empty message is a message.
	//
	// A message longer than MaxSize(d) must be refused whole with a
	// *TooLargeError. When the queue towards the peer is full, a Reliable message
	// must be refused with ErrBackpressure, and nothing of it may arrive; an
	// Unreliable one is dropped, the oldest queued first, without an error. Once
	// the Conn has ended, Send must return its *CloseError.
	Send(d Delivery, msg []byte) error

	// Recv returns the next whole message, of either delivery. The bytes are
	// the caller's to read and to change until the next Recv; whoever needs them
	// longer copies them. When ctx ends first, Recv must return ctx.Err()
	// (wrapped or not), lose nothing, and be callable again.
	//
	// Once the connection has ended, Recv must first return what arrived whole,
	// then the same *CloseError for ever, whatever ctx says. A peer that falls
	// silent must end the connection with ErrTimeout if the adapter can notice it
	// (the engine also notices by itself, see package server).
	Recv(ctx context.Context) ([]byte, error)

	// MaxSize returns the largest message in bytes that Send takes now. It must
	// answer at all times, also after Close, and never be below the floor of d.
	// It may change during a connection's life as the path's MTU becomes known.
	MaxSize(d Delivery) int

	// Close ends the connection and tells the peer code and reason, which its
	// Recv must return as a *CloseError with Remote set (reasons are cut to
	// MaxReason bytes). Reliable messages that were sent before must still arrive
	// if the peer takes them in time: Close waits for them for the linger of the
	// adapter's Config and no longer. It must unblock Recv. It is idempotent; the
	// first code and reason count, and later calls return nil.
	Close(code Code, reason string) error

	// RemoteAddr returns the peer's address, for logs and for limits. It may
	// change during a connection's life.
	RemoteAddr() net.Addr

	// Stats returns counters of this connection. They never decrease.
	Stats() Stats
}

// MaxReason is the length in bytes to which the reason of a Close is cut, at a
// boundary of UTF-8.
const MaxReason = 512

// Stats counts what a Conn moved. Counters are totals since the connection began;
// what an adapter cannot know stays zero.
type Stats struct {
	MessagesSent, MessagesRecv uint64        // whole messages, both deliveries
	BytesSent, BytesRecv       uint64        // payload bytes of those messages
	Dropped                    uint64        // Unreliable messages that this side gave up before sending
	Queued                     int           // bytes accepted by Send that have not left yet; a gauge
	RTT                        time.Duration // smoothed round trip; 0 where the adapter does not measure it
}

// Flusher is an optional ability of a Listener or a Conn: what Send queued
// leaves no later than Flush. The server calls it at the end of each tick.
type Flusher interface{ Flush() error }

// Dropper is an optional ability of a Conn: Drop ends it at once, without
// linger, and may tell the peer nothing. The engine drops peers that misbehave.
type Dropper interface {
	Drop(code Code, reason string)
}

// Identifier is an optional ability of a Conn: PeerIdentity returns the identity
// that the peer has proven to the adapter (a server's pin, a token's user), or "".
type Identifier interface{ PeerIdentity() string }

// Pinner is an optional ability of a Listener: Pin returns the pin of the key it
// shows, which a player appends to the address as "host:port#pin".
type Pinner interface{ Pin() string }
