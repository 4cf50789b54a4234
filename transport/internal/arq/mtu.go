package arq

import "time"

const (
	probeTries = 3 // for each size
	// blackHole is how many times in a row, each later than the last was noticed,
	// only packets of more than BaseDatagram bytes are lost until they are given up.
	blackHole = 3
	// exploreAgain is after what time sizes that did not pass are tried again
	// (RFC 8899 §5.1.1).
	exploreAgain = 10 * time.Minute
)

// probeSizes are the datagrams that are tried, the largest first as it passes mostly:
// what Ethernet carries of UDP over IPv6, PPPoE, WireGuard, and any IPv6 link with its
// 1280 bytes, which leaves 1232.
var probeSizes = [...]int{MaxDatagram, 1444, 1372, 1232}

// An mtu finds the largest datagram that the path carries, as RFC 8899 does: by
// packets that may get lost. ICMP is not heard.
type mtu struct {
	on    bool
	size  int     // in use
	next  int     // what to try next in probeSizes; behind its end: nothing
	tries int     // that failed, of this size
	again instant // when to try what failed

	flying bool // a probe
	pn     uint64
	sentAt instant

	holes  int     // see blackHole
	holeAt instant // when the last was noticed
}

func newMTU(on bool) mtu { return mtu{on: on, size: BaseDatagram, again: never} }

// probe returns the size of the datagram to try now, or 0.
func (m *mtu) probe(now instant) int {
	if !m.on || m.flying {
		return 0
	}
	if m.next == len(probeSizes) && now >= m.again {
		m.next, m.tries, m.again = 0, 0, never
	}
	if m.next == len(probeSizes) || probeSizes[m.next] <= m.size {
		return 0
	}
	return probeSizes[m.next]
}

func (m *mtu) sent(now instant, pn uint64) { m.flying, m.pn, m.sentAt = true, pn, now }

// passed says that the probe arrived.
func (m *mtu) passed(now instant) {
	m.flying = false
	m.size = probeSizes[m.next]
	m.finish(now)
}

func (m *mtu) finish(now instant) {
	m.next, m.tries, m.again = len(probeSizes), 0, never
	if m.size < MaxDatagram {
		m.again = now + exploreAgain
	}
}

// check gives up a probe that was not answered within timeout.
func (m *mtu) check(now instant, timeout time.Duration) {
	if !m.flying || now < m.sentAt+timeout {
		return
	}
	m.flying = false
	if m.tries++; m.tries == probeTries {
		m.tooBig(now, probeSizes[m.next])
	}
}

// tooBig says that datagrams of that size do not pass.
func (m *mtu) tooBig(now instant, size int) {
	if !m.on || size <= BaseDatagram {
		return // there is nothing smaller to turn to
	}
	if m.size >= size {
		m.size, m.next = BaseDatagram, 0
	}
	for m.next < len(probeSizes) && probeSizes[m.next] >= size {
		m.next++
		m.tries, m.flying = 0, false
	}
	if m.next == len(probeSizes) || probeSizes[m.next] <= m.size {
		m.finish(now)
	}
}

// arrived says that a packet of that size did.
func (m *mtu) arrived(size int) {
	if size > BaseDatagram {
		m.holes = 0
	}
}

// lost says that a packet of that size was lost.
func (m *mtu) lost(now, sentAt instant, size int) {
	if size <= BaseDatagram || m.size == BaseDatagram || m.holes > 0 && sentAt < m.holeAt {
		return
	}
	m.holeAt = now
	if m.holes++; m.holes == blackHole {
		m.holes = 0
		m.size = BaseDatagram
		m.finish(now)
	}
}
