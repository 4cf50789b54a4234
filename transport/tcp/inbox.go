package tcp

import (
	"fmt"
	"io"
)

// A deframer finds frames in a stream. Its memory grows with the bytes that came, and
// not with a length that was announced.
type deframer struct {
	buf  []byte
	n    int // bytes in buf, which begins with a frame
	size int // of the next buffer
}

func newDeframer() *deframer { return &deframer{buf: make([]byte, smallBlock), size: smallBlock} }

// read reads once from r and says what is there now. It may find frames and return
// an error as well.
func (d *deframer) read(r io.Reader) (scanned, error) {
	if d.n == len(d.buf) { // by one frame, or its beginning
		bigger := make([]byte, max(min(2*d.n, frameSize(d.buf)), smallBlock))
		copy(bigger, d.buf)
		d.buf = bigger
	}
	n, err := r.Read(d.buf[d.n:])
	d.n += n
	if d.n == len(d.buf) {
		d.size = min(2*d.size, largeBlock)
	}
	return scan(d.buf[:d.n]), err
}

// skip forgets what stands before end.
func (d *deframer) skip(end int) { d.n = copy(d.buf, d.buf[end:d.n]) }

// A block is memory with checked frames in it, on its way from the reader to Recv.
type block struct {
	buf      []byte
	off, end int // the frames that Recv has not taken yet
}

// next takes the next message out of the block.
func (b *block) next() (msg []byte, ok bool) {
	for b.off < b.end {
		kind, size, err := header(b.buf[b.off:b.end])
		if err != nil {
			panic(fmt.Sprintf("tcp: a block holds an unchecked frame: %v", err))
		}
		from := b.off + headerSize
		b.off = from + size
		if kind == kindMessage {
			return b.buf[from:b.off:b.off], true
		}
	}
	return nil, false
}

// An inbox holds blocks of whole messages that the reader has read and Recv has not
// taken. When it is full the reader stops reading, and the peer notices in the end.
// The conn's mutex guards it.
type inbox struct {
	blocks [inboxBlocks]block
	n      int
	bytes  int
	free   [freeBlocks][]byte // memory that is used again
	frees  int
}

// full reports whether the reader must wait.
func (in *inbox) full() bool { return in.n == len(in.blocks) || in.bytes >= inboxSize }

// add takes the frames before end out of d. The inbox is not full.
func (in *inbox) add(d *deframer, end int) {
	in.bytes += end
	if in.n > 0 {
		// While Recv does not keep up, small blocks grow instead of becoming many.
		if last := &in.blocks[in.n-1]; len(last.buf)-last.end >= end {
			last.end += copy(last.buf[last.end:], d.buf[:end])
			d.skip(end)
			return
		}
	}
	in.blocks[in.n] = block{buf: d.buf, end: end}
	in.n++
	rest := d.buf[end:d.n]
	d.buf = in.spare(max(d.size, len(rest)+1))
	d.n = copy(d.buf, rest)
}

// next puts the oldest block into cur and takes back cur's memory.
func (in *inbox) next(cur *block) bool {
	if in.n == 0 {
		return false
	}
	if b := cur.buf; len(b) > 0 && len(b) <= keptBlock && in.frees < len(in.free) {
		in.free[in.frees] = b
		in.frees++
	}
	*cur = in.blocks[0]
	in.bytes -= cur.end
	in.n--
	copy(in.blocks[:], in.blocks[1:])
	in.blocks[in.n] = block{}
	return true
}

// spare returns memory of at least size bytes.
func (in *inbox) spare(size int) []byte {
	for in.frees > 0 {
		in.frees--
		buf := in.free[in.frees]
		in.free[in.frees] = nil
		if len(buf) >= size {
			return buf
		}
	}
	return make([]byte, size)
}
