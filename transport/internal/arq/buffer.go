package arq

import "slices"

// Bytes are held in chunks, so that what is held follows what is needed, up and
// down, without copying.
const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

type chunk [chunkSize]byte

// A pool keeps the chunks of a Session that are not in use.
type pool struct {
	free []*chunk
	low  int // the fewest that were free since the last trim
}

func (p *pool) get() *chunk {
	n := len(p.free)
	if n == 0 {
		return new(chunk)
	}
	c := p.free[n-1]
	p.free[n-1] = nil
	p.free = p.free[:n-1]
	p.low = min(p.low, n-1)
	return c
}

func (p *pool) put(c *chunk) { p.free = append(p.free, c) }

// trim lets go of the chunks that nobody has asked for since the last trim.
func (p *pool) trim() {
	p.free = slices.Delete(p.free, 0, p.low) // clears behind the end
	if p.low = len(p.free); p.low == 0 {
		p.free = nil
	}
}

// A buffer holds bytes of a stream under their offsets: those from base on, as far as
// they were written.
type buffer struct {
	pool  *pool
	base  uint64   // everything below is gone
	top   uint64   // nothing at or above was written
	table []*chunk // of offset o: table[o>>chunkBits & (len-1)]; the length is a power of two, or 0
}

func (b *buffer) slot(off uint64) **chunk {
	return &b.table[off>>chunkBits&uint64(len(b.table)-1)]
}

// write puts p, which is not empty, at off, which is not below base.
func (b *buffer) write(off uint64, p []byte) {
	end := off + uint64(len(p))
	if need := (end-1)>>chunkBits - b.base>>chunkBits + 1; need > uint64(len(b.table)) {
		b.grow(need)
	}
	b.top = max(b.top, end)
	for len(p) > 0 {
		slot := b.slot(off)
		if *slot == nil {
			*slot = b.pool.get()
		}
		n := copy((*slot)[off&(chunkSize-1):], p)
		p, off = p[n:], off+uint64(n)
	}
}

// read fills p with what was written at off.
func (b *buffer) read(p []byte, off uint64) {
	for len(p) > 0 {
		n := copy(p, (*b.slot(off))[off&(chunkSize-1):])
		p, off = p[n:], off+uint64(n)
	}
}

// release gives up everything below off.
func (b *buffer) release(off uint64) {
	last := off >> chunkBits // the chunk of off stays, unless there is nothing in it
	if off >= b.top {
		last = (b.top + chunkSize - 1) >> chunkBits
	}
	for c := b.base >> chunkBits; c < last && len(b.table) > 0; c++ {
		if slot := b.slot(c << chunkBits); *slot != nil {
			b.pool.put(*slot)
			*slot = nil
		}
	}
	b.base, b.top = off, max(b.top, off)
}

// grow makes room in the table for so many chunks.
func (b *buffer) grow(need uint64) {
	size := max(1, len(b.table))
	for uint64(size) < need {
		size *= 2
	}
	table := make([]*chunk, size)
	first := b.base >> chunkBits
	for c := first; c < first+uint64(len(b.table)); c++ {
		table[c&uint64(size-1)] = *b.slot(c << chunkBits)
	}
	b.table = table
}

func (b *buffer) empty() bool { return b.base == b.top }

func (b *buffer) trim() {
	if b.empty() {
		b.table = nil
	}
}
