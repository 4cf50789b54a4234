package arq

import (
	"slices"

	"github.com/parley-net/parley/core"
)

const (
	// window is how much of a stream may be beyond what its reader has taken. It
	// holds the largest message, and enough behind it that the sender need not wait
	// for the reader.
	window = 384 << 10
	// maxPieces bounds the runs of bytes that wait for what is before them. A piece
	// that would be one more is not kept, and its packet not acknowledged.
	maxPieces = 256
	// updateAfter is how much a reader takes before it tells the sender, if no
	// acknowledgement is due anyway.
	updateAfter = window / 4
)

// An inbox puts the peer's stream together and cuts it into messages.
type inbox struct {
	buf    buffer // its base is what was taken
	have   uint64 // all below has come
	pieces spans  // beyond have
	next   uint64 // where the last message that began below have ends
	open   bool   // that message is not whole yet
	ready  int    // whole messages that were not taken
}

func (in *inbox) limit() uint64 { return min(in.buf.base+window, maxVarint) }

// put takes a piece that ends within limit. It reports whether it kept it, which it
// does if it had it before.
func (in *inbox) put(off uint64, p []byte) (kept bool, err error) {
	end := off + uint64(len(p))
	if end <= in.have {
		return true, nil
	}
	if off < in.have { // what was read of a message once must not change
		p, off = p[in.have-off:], in.have
	}
	if off > in.have {
		if !in.pieces.add(off, end, maxPieces) {
			return false, nil
		}
		in.buf.write(off, p)
		return true, nil
	}
	in.buf.write(off, p)
	in.have = end
	n := 0
	for n < len(in.pieces) && in.pieces[n].from <= in.have {
		in.have = max(in.have, in.pieces[n].to)
		n++
	}
	in.pieces = slices.Delete(in.pieces, 0, n)
	return true, in.scan()
}

// scan finds the messages that have become whole.
func (in *inbox) scan() error {
	for {
		if in.open && in.next > in.have {
			return nil
		}
		if in.open {
			in.open = false
			in.ready++
		}
		if in.next == in.have {
			return nil
		}
		n, size := in.header(in.next)
		if n > maxPrefix || size > core.MinReliableSize {
			return core.Errorf(core.ErrMalformed, "arq: the peer announced a Reliable message of more than %d bytes", core.MinReliableSize)
		}
		if in.next+uint64(n) > in.have {
			return nil
		}
		in.next += uint64(n + size)
		in.open = true
	}
}

// maxPrefix is how long the length before a message may be.
const maxPrefix = 4

// header returns how long the length of the message at off is and, if all of it has
// come, the length. At least one byte has.
func (in *inbox) header(off uint64) (n, size int) {
	var b [maxPrefix]byte
	have := b[:min(in.have-off, maxPrefix)]
	in.buf.read(have, off)
	v, _ := readVarint(have)
	return 1 << (b[0] >> 6), int(v)
}

// pop appends the next message to b and removes it. There is one.
func (in *inbox) pop(b []byte) []byte {
	n, size := in.header(in.buf.base)
	at := len(b)
	b = grow(b, size)
	in.buf.read(b[at:], in.buf.base+uint64(n))
	in.buf.release(in.buf.base + uint64(n+size))
	in.ready--
	return b
}

// grow returns b with n more bytes.
func grow(b []byte, n int) []byte { return slices.Grow(b, n)[:len(b)+n] }

func (in *inbox) trim() {
	in.buf.trim()
	if len(in.pieces) == 0 {
		in.pieces = nil
	}
}
