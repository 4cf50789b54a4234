package arq

import "time"

// When an acknowledgement is due.
const (
	dataAckDelay     = 10 * time.Millisecond // after DATA
	dataAckEvery     = 2                     // packets of it
	datagramAckDelay = 100 * time.Millisecond
	datagramAckEvery = 16
)

// What a packet asks for: the highest of its frames counts.
const (
	asksNothing  = iota // ACK, PADDING
	asksSometime        // DATAGRAM
	asksSoon            // DATA
	asksNow             // PING
)

// acks knows what has come from the peer, and when to tell it.
type acks struct {
	seen     spans // packet numbers; what is older than the newest maxRanges runs is forgotten
	latest   uint64
	latestAt instant
	due      instant // never: nothing to tell
	data     int     // packets of DATA since the last ACK
	datagram int     // and of DATAGRAM only
	told     uint64  // the limit in the last ACK
}

// received takes the number of a packet that was understood and kept.
func (a *acks) received(now instant, pn uint64, asks int) {
	n := len(a.seen)
	gap := n > 0 && pn > a.seen[n-1].to
	overtaken := n > 0 && pn < a.seen[n-1].to
	if !a.seen.add(pn, pn+1, maxRanges) {
		if pn < a.seen[0].from {
			return // too old to be told: the peer takes it for lost
		}
		a.seen.cut(a.seen[0].to)
		a.seen.add(pn, pn+1, maxRanges)
	}
	switch asks {
	case asksNothing:
		return
	case asksSometime:
		a.datagram++
		wait := datagramAckDelay
		if gap {
			wait = dataAckDelay // what is missing may have been DATA
		}
		if a.datagram >= datagramAckEvery {
			wait = 0
		}
		a.due = min(a.due, now+wait)
	case asksSoon:
		a.data++
		wait := dataAckDelay
		if a.data >= dataAckEvery || gap || overtaken {
			wait = 0
		}
		a.due = min(a.due, now+wait)
	case asksNow:
		a.due = now
	}
	a.latest, a.latestAt = pn, now
}

// sent says that a packet with an ACK frame leaves.
func (a *acks) sent(limit uint64) {
	a.due, a.data, a.datagram, a.told = never, 0, 0, limit
}

// forget says that the peer knows of all packets up to pn. The highest run stays, as an
// ACK frame has at least one.
func (a *acks) forget(pn uint64) {
	if n := len(a.seen); n > 0 {
		a.seen.cut(min(pn+1, a.seen[n-1].to-1))
	}
}
