// Package wire reads and writes the bytes of parley's session protocol: the
// primitive values here, the frames in frame.go.
//
//	Reliable    kind │ seq │ ack │ body      one frame a message
//	Unreliable  kind │ body
//
// Integers are LEB128 varints as in encoding/binary, signed ones zigzagged first.
// Everything that is read here may come from a stranger: a Reader never panics,
// never allocates by a declared length, and remembers its first error.
package wire

import (
	"encoding/binary"
	"math"

	"github.com/parley-net/parley/core"
)

// Reader takes values from the front of a message. After its first error every
// further value is zero, so that a parser checks Err once, at its end.
type Reader struct {
	b   []byte
	err error
}

// NewReader returns a Reader of b, which it does not copy.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Err returns the first error, an ErrMalformed, or nil.
func (r *Reader) Err() error { return r.err }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.b) }

// Fail records an error, if it is the first.
func (r *Reader) Fail(what string) {
	if r.err == nil {
		r.err = core.Errorf(core.ErrMalformed, "parley: malformed message: %s", what)
	}
	r.b = nil
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.b) == 0 {
		r.Fail("it ends too early")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// Uvarint takes an unsigned integer.
func (r *Reader) Uvarint() uint64 {
	if len(r.b) > 1 { // most values are small
		lo, hi := uint64(r.b[0]), uint64(r.b[1])
		if lo < 0x80 {
			r.b = r.b[1:]
			return lo
		}
		if hi < 0x80 {
			r.b = r.b[2:]
			return lo&0x7f | hi<<7
		}
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Fail("a number is cut or too long")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Uint takes an unsigned integer of at most max.
func (r *Reader) Uint(max uint64) uint64 {
	v := r.Uvarint()
	if v > max {
		r.Fail("a number is out of range")
		return 0
	}
	return v
}

// Varint takes a signed integer.
func (r *Reader) Varint() int64 {
	u := r.Uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// Bytes takes n bytes, which alias the message.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.Fail("it ends too early")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// Blob takes a length and so many bytes, which alias the message.
func (r *Reader) Blob() []byte { return r.Bytes(r.Uvarint()) }

// String takes a length and a string of at most max bytes.
func (r *Reader) String(max int) string {
	n := r.Uint(uint64(max))
	return string(r.Bytes(n))
}

// Rest takes all that is left; it aliases the message.
func (r *Reader) Rest() []byte {
	b := r.b
	r.b = nil
	return b
}

// End fails unless the whole message was read, and returns the first error.
func (r *Reader) End() error {
	if len(r.b) > 0 {
		r.Fail("bytes are left over")
	}
	return r.err
}

// AppendUvarint appends an unsigned integer.
func AppendUvarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// AppendVarint appends a signed integer.
func AppendVarint(b []byte, v int64) []byte {
	return AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

// AppendBlob appends a length and the bytes.
func AppendBlob(b, blob []byte) []byte {
	return append(AppendUvarint(b, uint64(len(blob))), blob...)
}

// AppendString appends a length and the string's bytes.
func AppendString(b []byte, s string) []byte {
	return append(AppendUvarint(b, uint64(len(s))), s...)
}

// Floats take 5 bytes where a float32 holds them exactly, else 9.
const (
	float32Mark = 4
	float64Mark = 8
)

// AppendFloat appends a float.
func AppendFloat(b []byte, f float64) []byte {
	if s := float32(f); float64(s) == f {
		return binary.LittleEndian.AppendUint32(append(b, float32Mark), math.Float32bits(s))
	}
	return binary.LittleEndian.AppendUint64(append(b, float64Mark), math.Float64bits(f))
}

// Float takes a float.
func (r *Reader) Float() float64 {
	switch r.Byte() {
	case float32Mark:
		if b := r.Bytes(4); b != nil {
			return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case float64Mark:
		if b := r.Bytes(8); b != nil {
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	default:
		r.Fail("a float of unknown size")
	}
	return 0
}
