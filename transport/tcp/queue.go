package tcp

import (
	"math/bits"
	"slices"
)

// A queue holds frames, one behind the other, in a ring that grows as needed, and
// shrinks when that much is not needed any more. Its user bounds it.
type queue struct {
	ring   []byte // its length is a power of two, or 0
	head   int    // where the first byte is
	n      int    // bytes held
	frames int    // frames that begin in them
	peak   int    // the most bytes held since it was empty
	waste  int    // how often in a row it was emptied and had used little of a large ring
}

const (
	smallestRing = 1 << 10
	keptRing     = 64 << 10 // a ring up to this size is kept for ever
	keptTimes    = 64       // a larger one is kept for so many times of little use
)

// push appends one message as a frame.
func (q *queue) push(msg []byte) {
	if need := q.n + headerSize + len(msg); need > len(q.ring) {
		q.grow(need)
	}
	var h [headerSize]byte
	q.put(appendHeader(h[:0], kindMessage, len(msg)))
	q.put(msg)
	q.frames++
	q.peak = max(q.peak, q.n)
}

// put appends bytes for which there is room.
func (q *queue) put(p []byte) {
	at := (q.head + q.n) & (len(q.ring) - 1)
	if n := copy(q.ring[at:], p); n < len(p) {
		copy(q.ring, p[n:])
	}
	q.n += len(p)
}

func (q *queue) grow(need int) {
	bigger := make([]byte, 1<<bits.Len(uint(max(need, smallestRing)-1)))
	q.peek(bigger, q.n)
	q.ring, q.head = bigger, 0
}

// peek copies the first n bytes to dst.
func (q *queue) peek(dst []byte, n int) {
	if n == 0 {
		return
	}
	first := copy(dst[:n], q.ring[q.head:])
	copy(dst[first:n], q.ring)
}

// first returns the size of the first frame, its header included. The queue holds a
// frame, and its front is a frame's front.
func (q *queue) first() int {
	var h [headerSize]byte
	q.peek(h[:], headerSize)
	return frameSize(h[:])
}

// take moves the first n bytes to the end of dst.
func (q *queue) take(dst []byte, n int) []byte {
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	q.peek(dst[at:], n)
	q.drop(n)
	return dst
}

// drop removes the first n bytes.
func (q *queue) drop(n int) {
	q.n -= n
	if q.n > 0 {
		q.head = (q.head + n) & (len(q.ring) - 1)
		return
	}
	q.head = 0
	if q.waste++; q.peak > len(q.ring)/4 {
		q.waste = 0
	}
	q.peak = 0
	if q.waste > keptTimes {
		q.trim()
	}
}

// trim lets go of a large ring, if it is empty.
func (q *queue) trim() {
	if q.n == 0 && len(q.ring) > keptRing {
		q.ring = nil
	}
}

// cut removes everything behind the first n bytes.
func (q *queue) cut(n int) {
	q.n, q.frames = n, 0
	q.drop(0)
}
