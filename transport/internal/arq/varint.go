package arq

import "encoding/binary"

// Numbers travel as RFC 9000 §16 writes them: the two top bits of the first byte say
// whether the number has 1, 2, 4 or 8 bytes.

// maxVarint is the largest number that can be written, and so the largest packet
// number and the end of a stream.
const maxVarint = 1<<62 - 1

func varintLen(v uint64) int {
	switch {
	case v < 1<<6:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<30:
		return 4
	}
	return 8
}

// appendVarint appends v, which is at most maxVarint, in its shortest form.
func appendVarint(b []byte, v uint64) []byte {
	switch varintLen(v) {
	case 1:
		return append(b, byte(v))
	case 2:
		return binary.BigEndian.AppendUint16(b, uint16(v)|1<<14)
	case 4:
		return binary.BigEndian.AppendUint32(b, uint32(v)|2<<30)
	}
	return binary.BigEndian.AppendUint64(b, v|3<<62)
}

// readVarint returns the number at the front of b and how many bytes it has: 0 if b
// ends before it does. Longer forms than needed are read as well.
func readVarint(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, 0
	}
	v = uint64(b[0] & 0x3f)
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}
