package netsim

import "time"

// Instants are durations since epoch: cheap to keep and to compare, and never
// zero, so that zero can mean none. It lies a century back because the clock of a
// synctest bubble begins in the year 2000.
var epoch = time.Now().Add(-century)

const century = 100 * 365 * 24 * time.Hour

func now() time.Duration { return time.Since(epoch) }

// An outage says when nothing passes. Times are compared with the time of a send,
// and no timer switches a link on or off, so that a message sent at the very
// instant when a blackout ends has the same fate in every run.
type outage struct {
	cut   bool
	until time.Duration // dark before, and when the last outage ended
}

func (o *outage) dark(now time.Duration) bool { return o.cut || now < o.until }

func (o *outage) blackout(now, d time.Duration) { o.until = max(o.until, now+min(d, century)) }

func (o *outage) heal(now time.Duration) {
	if o.dark(now) {
		*o = outage{until: now}
	}
}
