package codec

import "encoding/binary"

// scan walks over the first object of b without reading what it says, and
// returns how many bytes it has and of how many objects it is made. It proves
// what generated code believes: that each object announced is there, that
// nothing is nested too deep, counted from depth, and that each byte which starts
// an object may start one. It allocates nothing unless it fails.
func scan(b []byte, depth int) (size, objects int, f *fault) {
	var left [maxDepth + 1]int // objects still to come, by level
	left[0] = 1
	level, at := 0, 0
	for {
		for left[level] == 0 {
			if level == 0 {
				return at, objects, nil
			}
			level--
		}
		left[level]--
		objects++
		if at >= len(b) {
			return 0, 0, malformed("the bytes end where an object should start")
		}
		length, children := extent(b[at:])
		if length <= 0 || length > len(b)-at {
			return 0, 0, malformed("want an object, found %s", found(b[at:]))
		}
		at += length
		if children < 0 {
			continue
		}
		if children > len(b)-at {
			return 0, 0, malformed("%d objects are announced, and %d bytes follow", children, len(b)-at)
		}
		if level++; depth+level > maxDepth {
			return 0, 0, tooDeep()
		}
		left[level] = children
	}
}

// extent returns how long the head and text of the object at the front of b are,
// or 0 if that cannot be said, and how many objects a container holds, or -1 for
// one that is no container. Lengths may go beyond b.
func extent(b []byte) (length, children int) {
	lead := b[0]
	switch {
	case lead < 0x80 || lead >= 0xe0: // small integers
		return 1, -1
	case lead < 0x90: // small maps
		return 1, 2 * int(lead&0x0f)
	case lead < 0xa0: // small arrays
		return 1, int(lead & 0x0f)
	case lead < 0xc0: // small strings
		return 1 + int(lead&0x1f), -1
	}
	l := layouts[lead-0xc0]
	if len(b) < 1+int(l.width) {
		return 0, -1
	}
	var n int
	switch l.width {
	case 1:
		n = int(b[1])
	case 2:
		n = int(binary.BigEndian.Uint16(b[1:]))
	case 4:
		n64 := uint64(binary.BigEndian.Uint32(b[1:]))
		if n64 > 1<<31-256 { // more than an int of 32 bits holds, and than any message has
			return 0, -1
		}
		n = int(n64)
	}
	if l.each > 0 {
		return int(l.fixed), n * int(l.each)
	}
	return int(l.fixed) + n, -1
}

// layout describes the objects that start with one byte: their fixed bytes, the
// width of the length after the first, and for containers the objects per count.
type layout struct{ fixed, width, each uint8 }

var layouts = [32]layout{
	0x00: {1, 0, 0},  // nil
	0x01: {0, 0, 0},  // never used
	0x02: {1, 0, 0},  // false
	0x03: {1, 0, 0},  // true
	0x04: {2, 1, 0},  // bin 8
	0x05: {3, 2, 0},  // bin 16
	0x06: {5, 4, 0},  // bin 32
	0x07: {3, 1, 0},  // ext 8
	0x08: {4, 2, 0},  // ext 16
	0x09: {6, 4, 0},  // ext 32
	0x0a: {5, 0, 0},  // float 32
	0x0b: {9, 0, 0},  // float 64
	0x0c: {2, 0, 0},  // uint 8
	0x0d: {3, 0, 0},  // uint 16
	0x0e: {5, 0, 0},  // uint 32
	0x0f: {9, 0, 0},  // uint 64
	0x10: {2, 0, 0},  // int 8
	0x11: {3, 0, 0},  // int 16
	0x12: {5, 0, 0},  // int 32
	0x13: {9, 0, 0},  // int 64
	0x14: {3, 0, 0},  // fixext 1
	0x15: {4, 0, 0},  // fixext 2
	0x16: {6, 0, 0},  // fixext 4
	0x17: {10, 0, 0}, // fixext 8
	0x18: {18, 0, 0}, // fixext 16
	0x19: {2, 1, 0},  // str 8
	0x1a: {3, 2, 0},  // str 16
	0x1b: {5, 4, 0},  // str 32
	0x1c: {3, 2, 1},  // array 16
	0x1d: {5, 4, 1},  // array 32
	0x1e: {3, 2, 2},  // map 16
	0x1f: {5, 4, 2},  // map 32
}
