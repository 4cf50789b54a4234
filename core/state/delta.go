package state

import (
	"slices"

	"github.com/parley-net/parley/core/internal/wire"
)

// A block is a chunk's newest version as the difference from a baseline:
//
//	chunk │ tick-version │ version-baseline, 0: none │ [class, if none] │ rows │ bitmap of changed rows │ rows…
//
// and a changed row, if the baseline has an object in it:
//
//	mask of changed columns, owner first │ differences…      or
//	mask 0 │ id of the object that took its place, 0: none │ [new object]
//
// and else: id │ new object. A new object is owner │ columns… │ what travels once.
// A blob follows the column of its version. Blobs and what travels once are
// length+1 │ bytes, or 0 if they travel Reliable.
//
// An entropy coder may take the place of this one (byte-wise varints) without any
// change outside of this file.

// encoded is a block in the sender's arena.
type encoded struct {
	base     uint32
	off, end int
}

// appendBlock encodes k's newest version against base (nil: nothing).
func (k *chunk) appendBlock(b []byte, tick, baseAt uint32, base []int64) []byte {
	v := &k.history[k.newest]
	c := k.class
	n := c.stride()
	rows := len(v.vals) / n
	b = slices.Grow(b, MinPacket) // a block is never longer
	b = wire.AppendUvarint(b, uint64(k.index))
	b = wire.AppendUvarint(b, uint64(tick-v.at))
	if base == nil {
		b = wire.AppendUvarint(append(b, 0), uint64(c.number))
	} else {
		b = wire.AppendUvarint(b, uint64(v.at-baseAt))
	}
	b = wire.AppendUvarint(b, uint64(rows))
	bitmap := len(b)
	b = appendZeros(b, (rows+7)/8)
	for r := range rows {
		now := v.vals[r*n : (r+1)*n]
		var old int64 // the id in the baseline, which may have fewer rows
		if r*n < len(base) {
			old = base[r*n+colID]
		}
		start := len(b)
		switch id := now[colID]; {
		case id == old:
			if id != 0 {
				b = k.appendChanges(b, r, base[r*n:(r+1)*n], now)
			}
		case old == 0:
			b = k.appendNew(b, r, now)
		default:
			b = appendZeros(b, c.maskLen())
			if id == 0 {
				b = append(b, 0)
			} else {
				b = k.appendNew(b, r, now)
			}
		}
		if len(b) > start {
			b[bitmap+r/8] |= 1 << (r % 8)
		}
	}
	return b
}

func appendZeros(b []byte, n int) []byte {
	for range n {
		b = append(b, 0)
	}
	return b
}

// appendChanges appends nothing if nothing changed. b has the capacity for a row;
// this is where an update's time goes, so it is written out.
func (k *chunk) appendChanges(b []byte, r int, old, now []int64) []byte {
	mask := len(b)
	b = b[:mask+k.class.maskLen()]
	blobs := k.class.blobs > 0
	old = old[:len(now)]
	changed := false
	m := byte(0) // of up to eight columns
	for i := colOwner; i < len(now); i++ {
		if d := now[i] - old[i]; d != 0 {
			m |= 1 << ((i - colOwner) & 7)
			switch u := uint64(d)<<1 ^ uint64(d>>63); {
			case u < 1<<7:
				b = append(b, byte(u))
			case u < 1<<14:
				b = append(b, byte(u)|0x80, byte(u>>7))
			default:
				b = wire.AppendUvarint(b, u)
			}
			if blobs {
				b = k.appendBlobOf(b, r, i)
			}
		}
		if (i-colOwner)&7 == 7 || i == len(now)-1 {
			b[mask+(i-colOwner)>>3] = m
			changed = changed || m != 0
			m = 0
		}
	}
	if !changed {
		return b[:mask]
	}
	return b
}

func (k *chunk) appendNew(b []byte, r int, now []int64) []byte {
	b = wire.AppendUvarint(b, uint64(now[colID]))
	b = wire.AppendUvarint(b, uint64(now[colOwner]))
	for i := colFields; i < len(now); i++ {
		b = wire.AppendVarint(b, now[i])
		b = k.appendBlobOf(b, r, i)
	}
	return appendInline(b, k.rows[r].once, inlineSpawn)
}

// appendBlobOf appends the blob whose version is column i, if it is one's.
func (k *chunk) appendBlobOf(b []byte, r, i int) []byte {
	if i < colFields {
		return b
	}
	if n := k.class.at[i-colFields].blob; n >= 0 {
		b = appendInline(b, k.rows[r].blobs[n], k.class.inlineMax)
	}
	return b
}

func appendInline(b, blob []byte, max int) []byte {
	if len(blob) > max {
		return append(b, 0)
	}
	return append(wire.AppendUvarint(b, uint64(len(blob))+1), blob...)
}
