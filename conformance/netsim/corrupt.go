package netsim

import "math/bits"

// A Corruption is a set of ways to alter a packet. Whichever it is, the packet
// differs from what was sent.
type Corruption uint8

// The ways to alter a packet. On an empty one all are ExtendTail, and where a way
// would change nothing it is FlipBit.
const (
	FlipBit    Corruption = 1 << iota // one bit
	ChangeByte                        // one byte, to any other value
	ZeroTail                          // the end, from anywhere on, becomes zeros
	CutTail                           // the end is missing: 0 to all but one byte remain
	ExtendTail                        // 1 to 16 more bytes

	AnyCorruption = FlipBit | ChangeByte | ZeroTail | CutTail | ExtendTail
)

// extension is how many bytes ExtendTail adds at most.
const extension = 16

// apply alters data by the number drawn for it and returns the result, which may
// share its memory.
func (c Corruption) apply(data []byte, drawn uint64) []byte {
	way := c.pick(derive(drawn, partCorruptAs))
	if len(data) == 0 {
		way = ExtendTail
	}
	by := derive(drawn, partCorruptBy)
	at := 0
	if len(data) > 0 {
		at = int(derive(drawn, partCorruptAt) % uint64(len(data)))
	}
	switch way {
	case ChangeByte:
		data[at] += byte(1 + by%255)
	case ZeroTail:
		changed := false
		for i := at; i < len(data); i++ {
			changed = changed || data[i] != 0
			data[i] = 0
		}
		if !changed {
			data[at] ^= 1 << (by % 8)
		}
	case CutTail:
		data = data[:at]
	case ExtendTail:
		for range 1 + by%extension {
			by = mix(by + golden)
			data = append(data, byte(by))
		}
	default:
		data[at] ^= 1 << (by % 8)
	}
	return data
}

// pick chooses one of the ways in c.
func (c Corruption) pick(drawn uint64) Corruption {
	n := drawn % uint64(bits.OnesCount8(uint8(c)))
	for ; n > 0; n-- {
		c &= c - 1
	}
	return c & -c
}
