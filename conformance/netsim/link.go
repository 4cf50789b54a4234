package netsim

import "time"

// A Link says how one direction of a connection treats messages, or packets in a
// Network. The zero Link is perfect. Values out of range count as the nearest value
// in it. Write literals with field names: fields may be added. LAN, WiFi, LTE,
// Satellite and Awful are ready-made ones.
//
// Pick the fields by what a test is after. Latency alone keeps the order and makes
// runs easy to read: for code that must work at a distance. Jitter adds what
// Wi-Fi and mobile networks do and, where it exceeds the time between two sends,
// reorders Unreliable messages. Loss is independent from message to message: 0.01
// is a fair line, 0.05 a bad one, 0.25 a stress test. Burst loses several in a row,
// as radio does: for code that repeats what it sent in the next message. Reorder
// is for code that must cope with old messages after new ones on a line that is good
// otherwise. Rate is for code that must not send more than the line carries. A line
// that fails for a time is not a Link but a Blackout.
type Link struct {
	// Latency is the least time a message takes, one way. 0 means none.
	Latency time.Duration
	// Jitter is added to Latency: a time for each message, uniform from 0 up to
	// Jitter. 0 means none.
	Jitter time.Duration
	// Loss is the share, 0 to 1, of Unreliable messages that are lost, each by
	// itself. 0 means none.
	Loss float64
	// Burst is loss that comes in bursts. The zero Burst means none.
	Burst Burst
	// Reorder is the share, 0 to 1, of Unreliable messages that are held back by
	// ReorderBy on top of their delay, so that later ones overtake them. 0 means
	// none.
	Reorder float64
	// ReorderBy is how long those are held back. 0 means DefaultReorderBy.
	ReorderBy time.Duration
	// Rate is how many bytes a second pass, payload only. Each message waits for
	// those before it and then takes len/Rate, before its Latency begins. 0 means
	// that there is no limit.
	Rate int
	// Queue is how long an Unreliable message may wait for those before it: one
	// that would wait longer is lost. Reliable ones always wait. 0 means
	// DefaultQueue.
	Queue time.Duration
}

// What the zero fields of a Link mean.
const (
	// DefaultReorderBy is longer than the time between two updates of a game that
	// sends 60 a second.
	DefaultReorderBy = 25 * time.Millisecond
	// DefaultQueue is what a router at home should have and mostly has not.
	DefaultQueue = 100 * time.Millisecond
)

// clean returns l with all values in range.
func (l Link) clean() Link {
	l.Latency = max(l.Latency, 0)
	l.Jitter = max(l.Jitter, 0)
	l.Rate = max(l.Rate, 0)
	if l.ReorderBy <= 0 {
		l.ReorderBy = DefaultReorderBy
	}
	if l.Queue <= 0 {
		l.Queue = DefaultQueue
	}
	if l.Burst.Loss == 0 {
		l.Burst.Loss = 1
	}
	return l // shares need no care: they are only compared with numbers in [0, 1)
}

// A pace is what Link.Rate needs to know: when all that was sent before is through.
type pace struct{ free time.Duration }

// take puts n bytes that set out at t in the queue and returns how long they take
// to get through, or false if the queue is too long for them and they must not wait.
func (p *pace) take(l *Link, n int, t time.Duration, must bool) (time.Duration, bool) {
	if l.Rate == 0 {
		return 0, true
	}
	begin := max(p.free, t)
	if begin-t > l.Queue && !must {
		return 0, false
	}
	p.free = begin + time.Duration(int64(n)*int64(time.Second)/int64(l.Rate))
	return p.free - t, true
}
