package codec

import "encoding/binary"

// scan walks over the first object of b without reading what it says, and
// returns how many bytes it has and of how many objects it is made. It proves
// what generated code believes: that each object announced is there, that
// nothing is nested too deep, counted from depth, and that each byte which starts
// an object may start one. It allocates nothing unless it fails.
func scan(b []byte, depth int) (size, objects int, f *fault) {
	rest, objects, f := scanList(b, 1, depth)
	return len(b) - len(rest), objects, f
}

func scanList(b []byte, n, depth int) (rest []byte, objects int, f *fault) {
	objects = n
	for ; n > 0; n-- {
		if len(b) == 0 {
			return b, 0, malformed("the bytes end where an object should start")
		}
		h := heads[b[0]]
		size, children := int(h.size), int(h.children)
		if h.width > 0 {
			size, children = long(h, b)
		}
		if size <= 0 || size > len(b) {
			return b, 0, malformed("want an object, found %s", found(b))
		}
		b = b[size:]
		if children < 0 {
			continue
		}
		if children > len(b) {
			return b, 0, malformed("%d objects are announced, and %d bytes follow", children, len(b))
		}
		if depth == maxDepth {
			return b, 0, tooDeep()
		}
		inner := 0
		if b, inner, f = scanList(b, children, depth+1); f != nil {
			return b, 0, f
		}
		objects += inner
	}
	return b, objects, nil
}

// long reads the length behind the first byte. A length that b cannot have comes
// back as a size of 0.
func long(h head, b []byte) (size, children int) {
	if len(b) < 1+int(h.width) {
		return 0, -1
	}
	var n uint32
	switch h.width {
	case 1:
		n = uint32(b[1])
	case 2:
		n = uint32(binary.BigEndian.Uint16(b[1:]))
	default:
		n = binary.BigEndian.Uint32(b[1:])
	}
	if uint64(n) > uint64(len(b)) {
		return 0, -1
	}
	if h.children < 0 {
		return int(h.size) + int(n), -1
	}
	return int(h.size), int(h.children) * int(n)
}

// whole tells whether the object at the front of b, no container, ends within b.
// msgp's readers of bin, str and ext must not see one that does not: where an int
// has 32 bits, they panic.
func whole(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	h := heads[b[0]]
	size := int(h.size)
	if h.width > 0 {
		size, _ = long(h, b)
	}
	return 0 < size && size <= len(b)
}

// head describes the objects that start with one byte: the bytes that they have
// at least, the width of the length behind the first byte, and how many objects
// lie inside; -1 if none can, and with a length, how many for each of its units.
type head struct{ size, width, children int8 }

var heads = func() (heads [256]head) {
	for i := range heads {
		switch {
		case i < 0x80 || i >= 0xe0: // small integers
			heads[i] = head{1, 0, -1}
		case i < 0x90: // small maps
			heads[i] = head{1, 0, int8(i & 0x0f * 2)}
		case i < 0xa0: // small arrays
			heads[i] = head{1, 0, int8(i & 0x0f)}
		case i < 0xc0: // small strings
			heads[i] = head{int8(1 + i&0x1f), 0, -1}
		default:
			heads[i] = longHeads[i-0xc0]
		}
	}
	return heads
}()

var longHeads = [32]head{
	{1, 0, -1}, {0, 0, -1}, {1, 0, -1}, {1, 0, -1}, // nil, never used, false, true
	{2, 1, -1}, {3, 2, -1}, {5, 4, -1}, // bin
	{3, 1, -1}, {4, 2, -1}, {6, 4, -1}, // ext
	{5, 0, -1}, {9, 0, -1}, // float
	{2, 0, -1}, {3, 0, -1}, {5, 0, -1}, {9, 0, -1}, // uint
	{2, 0, -1}, {3, 0, -1}, {5, 0, -1}, {9, 0, -1}, // int
	{3, 0, -1}, {4, 0, -1}, {6, 0, -1}, {10, 0, -1}, {18, 0, -1}, // fixext
	{2, 1, -1}, {3, 2, -1}, {5, 4, -1}, // str
	{3, 2, 1}, {5, 4, 1}, // array
	{3, 2, 2}, {5, 4, 2}, // map
}
