package arq

import "time"

// What may wait of Unreliable messages, at either end. Of more, the oldest go.
const (
	maxMessages     = 64
	maxMessageBytes = 64 << 10
	maxMessageAge   = 50 * time.Millisecond // at the sender only
)

// messages is a queue of Unreliable messages.
type messages struct {
	buf   buffer
	queue ring[waiting]
	end   uint64 // where the next goes in buf
	bytes int
}

type waiting struct {
	size int
	at   instant
}

// push appends a copy of msg and reports how many made room for it.
func (m *messages) push(msg []byte, at instant) (dropped int) {
	for m.queue.n >= maxMessages || m.bytes+len(msg) > maxMessageBytes && m.queue.n > 0 {
		m.drop()
		dropped++
	}
	if len(msg) > 0 {
		m.buf.write(m.end, msg)
	}
	m.end += uint64(len(msg))
	m.bytes += len(msg)
	m.queue.push(waiting{len(msg), at})
	return dropped
}

// front returns the size of the oldest message, and since when it waits. There is one.
func (m *messages) front() waiting { return *m.queue.at(0) }

// pop appends the oldest message to b and removes it.
func (m *messages) pop(b []byte) []byte {
	n := m.front().size
	at := len(b)
	b = grow(b, n)
	m.buf.read(b[at:], m.buf.base)
	m.drop()
	return b
}

func (m *messages) drop() {
	n := m.front().size
	m.bytes -= n
	m.queue.pop()
	m.buf.release(m.buf.base + uint64(n))
}

func (m *messages) trim() {
	if m.queue.n == 0 {
		m.queue = ring[waiting]{}
		m.buf.trim()
	}
}
