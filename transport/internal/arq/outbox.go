package arq

const (
	// maxQueue is how many bytes of Reliable messages, with their lengths, may wait
	// to be acknowledged.
	maxQueue = 1 << 20
	// maxHoles bounds the runs of bytes of which is known that they arrived, and
	// those that are to be sent again. Beyond it bytes are sent again without need.
	maxHoles = 512
	// minPiece is the fewest bytes of the stream that are put behind something else
	// in a packet, unless no more are waiting.
	minPiece = 64
)

// An outbox holds the stream to the peer until it is acknowledged.
type outbox struct {
	buf   buffer // its base is the end of what was acknowledged without a hole
	next  uint64 // all below was sent at least once
	end   uint64 // all below was queued
	limit uint64 // the peer takes what is below
	acked spans  // beyond the base
	lost  spans  // to be sent again
}

func (o *outbox) waiting() int { return int(o.end - o.buf.base) }

// push queues a message. It reports false if there is no room.
func (o *outbox) push(msg []byte) bool {
	var b [maxPrefix]byte
	prefix := appendVarint(b[:0], uint64(len(msg)))
	n := len(prefix) + len(msg)
	if o.waiting()+n > maxQueue || o.end > maxVarint-uint64(n) {
		return false
	}
	o.buf.write(o.end, prefix)
	if len(msg) > 0 {
		o.buf.write(o.end+uint64(len(prefix)), msg)
	}
	o.end += uint64(n)
	return true
}

// ready reports whether something may be sent, now or again.
func (o *outbox) ready() bool { return len(o.lost) > 0 || o.next < min(o.end, o.limit) }

// blocked reports whether the peer's limit alone stops the stream.
func (o *outbox) blocked() bool { return len(o.lost) == 0 && o.next < o.end && o.next >= o.limit }

// take returns what to send next, at most room bytes with the frame's header, and
// counts it as sent. n is 0 if there is nothing that fits.
func (o *outbox) take(room int) (off uint64, n int) {
	again := len(o.lost) > 0
	p := span{o.next, max(o.next, min(o.end, o.limit))}
	if again {
		p = o.lost[0]
	}
	all := int(p.to - p.from)
	n = min(all, room-dataHeader(p.from))
	if n < min(all, minPiece) {
		return 0, 0
	}
	to := p.from + uint64(n)
	if again {
		o.lost.cut(to)
	} else {
		o.next = to
	}
	return p.from, n
}

// lose says that bytes which were sent are to be sent again.
func (o *outbox) lose(from, to uint64) {
	if from = max(from, o.buf.base); from >= to {
		return
	}
	o.lost.cover(from, to, maxHoles)
	for i := o.acked.find(from); i < len(o.acked) && o.acked[i].from < to; i++ {
		o.lost.remove(o.acked[i].from, o.acked[i].to, maxHoles)
	}
}

// ack says that bytes which were sent have arrived. It reports whether the queue has
// become shorter.
func (o *outbox) ack(from, to uint64) bool {
	if from = max(from, o.buf.base); from >= to {
		return false
	}
	if from > o.buf.base {
		if o.acked.add(from, to, maxHoles) {
			o.lost.remove(from, to, maxHoles)
		} else {
			o.lost.cover(from, to, maxHoles)
		}
		return false
	}
	for _, p := range o.acked {
		if p.from > to {
			break
		}
		to = max(to, p.to)
	}
	o.acked.cut(to)
	o.lost.cut(to)
	o.buf.release(to)
	return true
}

func (o *outbox) trim() {
	o.buf.trim()
	if len(o.acked) == 0 && len(o.lost) == 0 {
		o.acked, o.lost = nil, nil
	}
}
