package arq

import "time"

// An instant is a time since the Session began.
type instant = time.Duration

const never instant = 1<<63 - 1

const (
	defaultRTT = 333 * time.Millisecond // before anything is known: RFC 9002 §6.2.2
	// granularity is what the timers of the owner are good for.
	granularity = time.Millisecond
	// minTimeout keeps a scheduler that is late from looking like a loss.
	minTimeout = 30 * time.Millisecond
	// maxTimeout bounds the backoff, unless the round trip alone is longer, so that
	// a connection goes on soon after a black-out.
	maxTimeout = time.Second
	// maxSample bounds a measured round trip.
	maxSample = 10 * time.Second
	// leastLife is how long the shortest round trip is believed to be the path's, at
	// least, and half of how long at most.
	leastLife = 10 * time.Second
	// slack is by how much round trips may be longer than the shortest one, besides a
	// quarter of it, before that is a queue.
	slack = 10 * time.Millisecond
	// maxReported is up to which delay a peer's report is good for a measurement:
	// twice what the protocol lets it wait.
	maxReported = 2 * datagramAckDelay
)

// An rtt estimates the round trip as RFC 6298 and RFC 9002 §5 do.
type rtt struct {
	smoothed, deviation, latest time.Duration
	samples                     int     // since the connection, or its path, began
	at                          instant // of the last one

	least [2]time.Duration // the shortest since then, and in leastLife before
	since instant
}

func newRTT(initial time.Duration) rtt {
	return rtt{smoothed: initial, deviation: initial / 2, latest: initial, least: [2]time.Duration{maxSample, maxSample}}
}

// restart keeps the estimate until the new path has been measured.
func (r *rtt) restart() { r.samples = 0 }

// sample takes a round trip, less what the peer says that it waited before it
// answered. A peer that lies about it slows down itself only, or is sent again
// what it has.
func (r *rtt) sample(now instant, took time.Duration) {
	took = min(max(took, 0), maxSample)
	r.latest = took
	if r.samples == 0 {
		r.least, r.since = [2]time.Duration{maxSample, maxSample}, now
	} else if now-r.since >= leastLife {
		r.least, r.since = [2]time.Duration{maxSample, r.least[0]}, now
	}
	r.least[0] = min(r.least[0], took)
	r.samples++
	if r.samples == 1 {
		r.smoothed, r.deviation, r.at = took, took/2, now
		return
	}
	// The first samples are averaged. Later each counts for a sixteenth, or less where
	// there are more than eight in a round trip: the estimate must not follow the
	// jitter (RFC 7323, appendix G). The deviation follows four times as fast, so
	// that the timeout notices a change at once.
	weight := 1.0 / 16
	if passed := now - r.at; passed < r.smoothed/8 {
		weight = float64(passed) / float64(2*r.smoothed)
	}
	weight = max(weight, 1/float64(r.samples))
	off := took - r.smoothed
	r.deviation += time.Duration(min(4*weight, 1.0/4) * float64(max(off, -off)-r.deviation))
	r.smoothed += time.Duration(weight * float64(off))
	r.at = now
}

// queueing reports whether packets wait somewhere on the path: its round trip is
// longer than it was.
func (r *rtt) queueing() bool {
	least := min(r.least[0], r.least[1])
	return r.smoothed > least+least/4+slack
}

// timeout returns how long to wait for an answer from a peer that takes up to delay
// to give it, after so many timeouts in a row.
func (r *rtt) timeout(delay time.Duration, backoff int) time.Duration {
	t := max(minTimeout, r.smoothed+max(4*r.deviation, granularity)+delay)
	return max(t, min(t<<min(backoff, 8), maxTimeout))
}
