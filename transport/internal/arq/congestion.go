package arq

import "time"

const (
	firstWindow = 10 * BaseDatagram // RFC 6928
	// A game goes on at 25 % loss, which is no sign that less would get through:
	// what may be in flight never falls below floorPackets, nor below what
	// carries floorRate.
	floorPackets = 4
	floorRate    = 64 << 10 // bytes a second
	floorRTT     = 2 * time.Second
	ceiling      = 4 << 20

	// Loss without a queue is taken for the radio's up to one packet in tolerated. The
	// share is that of the last shareOf packets or so, and takes enough losses to be one.
	tolerated = 10
	shareOf   = 256
	enough    = 8

	// Packets leave at paceGain times the window in a round trip, so that losses
	// and not gaps bound it. A burst of firstWindow may leave at once, and what the
	// rate gives in paceSlack, as timers are coarse.
	paceGain  = 1.25
	paceSlack = 2 * time.Millisecond
	shortest  = 10 * time.Microsecond // a round trip counts as at least that
)

// congestion bounds what is in flight as NewReno does (RFC 9002 §7), with the floor
// above, and paces it. Unlike there a loss counts only where packets queue as well, or
// where many are lost: otherwise a radio that loses one packet in twenty would hold
// a connection at the floor.
type congestion struct {
	window           int     // bytes
	threshold        int     // below it the window doubles in a round trip
	credit           int     // bytes acknowledged towards the next step above it
	reduced          instant // what was sent up to then tells nothing new
	arrivals, losses int     // of late; halved now and then
	// What to go back to, if the packet whose loss was the reason for the last
	// reduction turns out to have been late only.
	cause                uint64
	before, oldThreshold int

	tokens float64 // bytes that may leave at paced; may be negative
	paced  instant
}

func newCongestion() congestion {
	return congestion{window: firstWindow, threshold: ceiling, reduced: -1, tokens: firstWindow}
}

// restart forgets what was learned about a path.
func (c *congestion) restart(now instant) {
	c.window, c.threshold, c.credit = firstWindow, ceiling, 0
	c.reduced, c.before = now, 0
	c.arrivals, c.losses = 0, 0
}

func floor(rtt time.Duration) int {
	return max(floorPackets*BaseDatagram, int(floorRate*min(rtt, floorRTT)/time.Second))
}

// allowed returns how many bytes may be in flight.
func (c *congestion) allowed(rtt time.Duration) int { return max(c.window, floor(rtt)) }

// acked says that a packet arrived, when so many bytes were in flight. The window
// stays if it was not what held the sender back.
func (c *congestion) acked(sentAt instant, size, inFlight int, rtt time.Duration) {
	if sentAt <= c.reduced {
		return
	}
	c.arrivals++
	c.age()
	if inFlight < c.allowed(rtt)/2 {
		return
	}
	if c.window < c.threshold {
		c.window = min(c.window+size, ceiling)
		return
	}
	if c.credit += size; c.credit >= c.window {
		c.credit -= c.window
		c.window = min(c.window+BaseDatagram, ceiling)
	}
}

// age forgets half of what arrived and was lost when it is much.
func (c *congestion) age() {
	if c.arrivals+c.losses >= shareOf {
		c.arrivals, c.losses = c.arrivals/2, c.losses/2
	}
}

// lost says that a packet did not arrive, and whether packets queue. Of the packets of
// one round trip the first one counts.
func (c *congestion) lost(now instant, pn uint64, sentAt instant, queueing bool) {
	if sentAt <= c.reduced {
		return
	}
	c.losses++
	c.age()
	if !queueing && (c.losses < enough || c.losses*tolerated < c.arrivals+c.losses) {
		return
	}
	c.arrivals, c.losses = 0, 0
	c.cause, c.before, c.oldThreshold = pn, c.window, c.threshold
	c.reduced = now
	c.window = max(c.window*7/10, floorPackets*BaseDatagram)
	c.threshold, c.credit = c.window, 0
}

// late says that a packet which was taken for lost has arrived.
func (c *congestion) late(pn uint64) {
	if pn == c.cause && c.before > 0 {
		c.window, c.threshold = max(c.window, c.before), max(c.threshold, c.oldThreshold)
		c.before = 0
	}
}

// collapse says that nothing has arrived for long.
func (c *congestion) collapse() {
	c.window, c.credit, c.before = floorPackets*BaseDatagram, 0, 0
}

// rate is in bytes a nanosecond.
func (c *congestion) rate(rtt time.Duration) float64 {
	return paceGain * float64(c.allowed(rtt)) / float64(max(rtt, shortest))
}

// ready returns when the next packet may leave.
func (c *congestion) ready(rtt time.Duration) instant {
	if c.tokens > 0 {
		return c.paced
	}
	return c.paced + time.Duration((1-c.tokens)/c.rate(rtt)) + 1
}

// spend says that a packet leaves.
func (c *congestion) spend(now instant, size int, rtt time.Duration) {
	rate := c.rate(rtt)
	burst := max(firstWindow, rate*float64(paceSlack))
	c.tokens = min(c.tokens+rate*float64(now-c.paced), burst) - float64(size)
	c.paced = now
}
