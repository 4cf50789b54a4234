// Package arq carries Reliable and Unreliable messages over numbered packets that
// may be lost: acknowledgement, resending, congestion control, and the search for
// the largest packet that a path takes.
//
//	   Send                                        Recv
//	    │                                            ▲
//	┌───▼──────── Session ─────────┐   ┌──────── Session ────────────┐
//	│ frames, what is in flight    │   │ acknowledgements, order     │
//	└───┬──────────────────────────┘   └──────────────▲──────────────┘
//	   Next ──▶ sealed packets, numbered ──▶ Receive ─┘   and the same back
//
// A Session does no I/O, starts no goroutine and has no clock: it is a state machine
// that its owner, who holds a lock, feeds with packets and with the time. The layer
// below has authenticated every packet that Receive gets, and drops those that it has
// seen before. It sees to keepalives, silence, addresses and the end of a connection.
// The owner's part is a loop that is run after every call, and when Deadline has come:
//
//	for n := s.Next(now, pn, buf); n > 0; n = s.Next(now, pn, buf) {
//		// seal buf[:n] as packet pn, send it, and choose a larger pn
//	}
//	// set a timer for s.Deadline()
//
// # Wire format
//
// A payload is a run of frames that fill it exactly; an empty payload is none and says
// nothing. A frame is a type, which is one byte, and its fields. Numbers are written as
// in RFC 9000 §16: the two top bits of the first byte say that there are 1, 2, 4 or 8
// bytes, big-endian, in which the other 6, 14, 30 or 62 bits are the number. A reader
// takes longer forms than needed.
//
//	0  PADDING   nothing
//	1  PING      nothing; asks for an ACK at once
//	2  ACK       largest, behind, delay, limit, more, length, then more times: gap, length
//	3  DATA      offset, size, and size bytes, at least one
//	4  DATAGRAM  size, and size bytes: one Unreliable message, which may be empty
//
// Any other type, a frame that is cut off, a DATA frame of no bytes or one that reaches
// beyond 2^62-1, and a second ACK frame in a payload break the protocol.
//
// Packet numbers are those of the layer below, apart in each direction. They grow, are
// below 2^62, and may be left out.
//
// ACK. largest is the highest packet number received. The packet that came last among
// those with PING, DATA or DATAGRAM has the number largest - behind, and came delay
// microseconds ago; the round trip is measured with it. limit is the end of what the sender
// of the ACK takes of the peer's stream: it never sends a lower one, and a receiver
// ignores one that packets out of order made lower. The ranges follow, highest first, at
// most 32 (more is at most 31): the first ends with largest and begins length below it;
// each of the others ends gap + 2 below the beginning of the one before, and begins
// length below its own end. A range holds packets with and without frames that ask for an
// acknowledgement, but none that the layer below keeps to itself: to acknowledge a
// number that was not used for a payload breaks the protocol, which finds out a peer that
// acknowledges what has not come.
//
// DATA. The Reliable messages of one direction are one stream: for each, its length as a
// number of at most 4 bytes, up to 262,144, and its bytes. DATA frames carry any part of
// it, whatever the borders of messages, and parts may come again in other packets and with
// other borders. A sender starts with a limit of 393,216. To send a byte at or beyond the
// limit, or the length of a message that is too long, breaks the protocol.
//
// # Acknowledging
//
// A packet counts as received, and appears in ACK frames, when all of it was kept. A
// receiver that has no room for a part of the stream that is out of order does not
// acknowledge its packet. An ACK frame rides in every packet that leaves while something is to
// be acknowledged, unless that would leave an Unreliable message behind, and leaves alone
//
//   - at once: after PING; after the second packet with DATA; after a packet with DATA
//     behind a gap or before one that came already; after the sixteenth packet with DATAGRAM;
//     when the reader has taken 98,304 bytes more of the stream than the peer was told;
//   - within 10 ms: after a packet with DATA, or one with DATAGRAM behind a gap;
//   - within 100 ms: after a packet with DATAGRAM.
//
// Packets with ACK and PADDING alone are not acknowledged, but appear in later ACK frames. What
// the peer has acknowledged the acknowledgement of is left out of later ones.
//
// # Resending
//
// No packet is sent twice. A packet is taken for lost when a later one was acknowledged,
// and that was the third behind it or later, or 9/8 of a round trip have passed since it
// left (RFC 9002 §6.1). Its parts of the stream go into new packets, merged where they
// adjoin; its Unreliable messages do not. When a packet comes after it was taken for
// lost, only time counts, up to two round trips, until sixteen round trips bring no such
// packet (compare RFC 8985 §7). When nothing is heard for the timeout of RFC 6298 plus what the
// peer may wait, at least 30 ms, two probes leave whatever the window says: the oldest
// part of the stream on its way or, if there is none, what waits, and a PING. The timeout doubles
// up to a second. A sender whose limit is reached sends PING in the same way, so that a lost
// ACK with a higher limit does not stop it for ever.
//
// # Congestion
//
// The bytes on their way, datagrams counted whole, are bounded by a window as in NewReno
// (RFC 9002 §7): 12,000 at first, doubled in a round trip without loss, times 0.7 at
// most once a round trip with loss, then growing by a datagram in a round trip. Loss
// counts where the round trip is longer than the shortest of late by a quarter and
// 10 ms, as packets queue somewhere. Elsewhere it is taken for the radio's, and counts
// only where it is more than one packet in ten. A reduction for a packet that was only
// late is taken back. The window is never below 4 datagrams, nor below 64 KiB a second: a
// game goes on at 25 % loss. A link that carries less than that is overrun by Reliable
// messages without end, and spends some of its capacity on sending again.
//
// Packets are paced at 1.25 times the window in a round trip, in bursts of 12,000
// bytes, or of two milliseconds where that is more.
//
// # Size of packets
//
// Datagrams have at most 1,200 bytes, which every path must carry, until a probe of 1,452,
// 1,444, 1,372 or 1,232 was acknowledged: PING and PADDING, tried three times each from
// the largest down, and again after ten minutes. A lost probe is no sign of congestion. If three
// times in a row, each later than the last was noticed, packets of more than 1,200
// bytes are lost and none arrives, the size is 1,200 again.
//
// # Bounds
//
// A new Session takes about 1 KiB. Under the worst that a peer can do within the protocol, and with
// full queues, it holds less than 1.7 MiB:
//
//	Reliable, to send or not acknowledged       1 MiB     then core.ErrBackpressure
//	Reliable, not taken by Recv                 384 KiB   the limit above; 256 parts out of order
//	Unreliable, to send                         64 KiB    64 messages, each 50 ms; the oldest go
//	Unreliable, not taken by Recv               64 KiB    64 messages; the oldest go
//	packets on their way                        128 KiB   2,048 packets
//
// What a load has taken is given back ten to twenty seconds after it is over. In a steady state
// nothing is allocated.
package arq
