package arq

import (
	"sort"
	"time"
)

const (
	// maxFlight bounds the packets about which something is remembered. When it is
	// reached and the oldest is still on its way, nothing more is sent.
	maxFlight = 2048
	// maxSettled is how many packets are remembered of those that are not on their
	// way any more.
	maxSettled = 256
	// maxParts is how many DATA frames a packet has.
	maxParts = 3
	// maxGaps is how many runs of packet numbers that were left out are
	// remembered, so that a peer that acknowledges what it cannot have is found out.
	maxGaps = 32
	// reorderPackets is how many packets may overtake one before it counts as lost
	// (RFC 9002 §6.1.1), as long as none is known to have come late.
	reorderPackets = 3
	// maxTolerance is in eighths of a round trip: what is waited for at most, beyond
	// one round trip, for a packet that others have overtaken. One eighth is what RFC
	// 9002 §6.1.2 waits; late packets raise it (RFC 8985 §7.1 does so as well), and
	// forgiveAfter round trips without one halve it.
	maxTolerance = 8
	forgiveAfter = 16
)

// States of a packet that was sent.
const (
	flying = iota
	arrived
	lost
)

// A sent is a packet that asked for an acknowledgement.
type sent struct {
	pn    uint64
	at    instant
	knows uint64 // the packet has an ACK frame for all up to here, less one; 0: it has none
	off   [maxParts]uint64
	n     [maxParts]uint16 // 0: no more
	size  uint16           // of the datagram
	state uint8
	soon  bool // it asked for an answer soon: it has DATA or PING
	moved bool // its DATA was put into another packet already
}

// A flight remembers the packets that were sent, in the order of their numbers: those on
// their way, and for a little while those that arrived or were taken for lost, for
// the sake of acknowledgements that come late or out of order.
type flight struct {
	ring  ring[sent]
	done  int    // the first so many in the ring have arrived
	bytes int    // on their way
	count int    // packets on their way
	soon  int    // of those, the ones that asked for an answer soon
	next  uint64 // the lowest packet number that can be sent
	gaps  spans

	top      uint64  // the highest number acknowledged, and one
	lossAt   instant // when the oldest one that was overtaken counts as lost
	sentSoon instant // when the last that asked for an answer soon was sent
	sentAny  instant

	tolerance int // see maxTolerance
	lateAt    instant
	peak      int // the longest the ring was since the last trim
}

func newFlight() flight { return flight{lossAt: never, tolerance: 1} }

// number takes the number of a packet that leaves.
func (f *flight) number(pn uint64) {
	if pn > f.next && !f.gaps.add(f.next, pn, maxGaps) {
		f.gaps = f.gaps[:copy(f.gaps, f.gaps[1:])]
		f.gaps.add(f.next, pn, maxGaps)
	}
	f.next = pn + 1
}

func (f *flight) full() bool { return f.ring.n >= maxFlight && f.ring.at(0).state == flying }

// add takes a packet that leaves.
func (f *flight) add(p sent) {
	f.ring.push(p)
	f.peak = max(f.peak, f.ring.n)
	f.bytes += int(p.size)
	f.count++
	f.sentAny = p.at
	if p.soon {
		f.soon++
		f.sentSoon = p.at
	}
}

func (f *flight) pop() {
	f.ring.pop()
	f.done = max(f.done-1, 0)
}

// settle says that p is not on its way any more.
func (f *flight) settle(p *sent, state uint8) {
	if p.state == flying {
		f.bytes -= int(p.size)
		f.count--
		if p.soon {
			f.soon--
		}
	}
	p.state = state
}

// find returns the index in the ring of the first packet with at least that number,
// looking from index i on.
func (f *flight) find(pn uint64, i int) int {
	if i >= f.ring.n || f.ring.at(i).pn >= pn {
		return i
	}
	return i + sort.Search(f.ring.n-i, func(k int) bool { return f.ring.at(i+k).pn >= pn })
}

// forget drops what settled long ago.
func (f *flight) forget(before instant) {
	for f.ring.n > 0 && f.ring.at(0).state != flying && (f.ring.at(0).at < before || f.ring.n > f.count+maxSettled) {
		f.pop()
	}
	for f.done < f.ring.n && f.ring.at(f.done).state == arrived {
		f.done++
	}
}

// late says that a packet came after it was taken for lost: others are waited for
// longer from now on.
func (f *flight) late(now instant, p *sent, r *rtt) {
	round := max(r.smoothed, r.latest, granularity)
	need := int((8*(now-p.at) + round - 1) / round) // eighths of a round trip that it took
	f.tolerance = min(max(f.tolerance, need-8, 2), maxTolerance)
	f.lateAt = now
}

// patience returns how long to wait for a packet that others have overtaken.
func (f *flight) patience(now instant, r *rtt) time.Duration {
	if f.tolerance > 1 && now-f.lateAt > forgiveAfter*max(r.smoothed, granularity) {
		f.tolerance /= 2
		f.lateAt = now
	}
	return max(granularity, max(r.smoothed, r.latest)*time.Duration(8+f.tolerance)/8)
}

// detect returns the index in the ring of a packet that must be taken for lost, or
// -1 and sets lossAt.
func (f *flight) detect(now instant, patience time.Duration, from int) int {
	f.lossAt = never
	overtaken := f.find(f.top, from)
	for i := from; i < overtaken; i++ {
		p := f.ring.at(i)
		if p.state != flying {
			continue
		}
		// p itself is one of the packets up to the highest that arrived.
		if now >= p.at+patience || f.tolerance == 1 && overtaken-1-i >= reorderPackets {
			return i
		}
		f.lossAt = p.at + patience
		break
	}
	return -1
}

// trim gives back an array that was four times too long since the last trim.
func (f *flight) trim() {
	switch size := len(f.ring.array); {
	case f.ring.n == 0:
		f.ring = ring[sent]{}
		f.done = 0
	case f.peak <= size/4 && size > smallestRing:
		f.ring.resize(size / 2)
	}
	f.peak = f.ring.n
}
