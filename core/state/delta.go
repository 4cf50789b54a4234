package state

import "github.com/parley-net/parley/core/internal/wire"

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
	b = wire.AppendUvarint(b, uint64(k.index))
	b = wire.AppendUvarint(b, uint64(tick-v.at))
	if base == nil {
		b = wire.AppendUvarint(append(b, 0), uint64(c.number))
	} else {
		b = wire.AppendUvarint(b, uint64(v.at-baseAt))
	}
	b = wire.AppendUvarint(b, uint64(rows))
	bitmap := len(b)
	for range (rows + 7) / 8 {
		b = append(b, 0)
	}
	for r := range rows {
		now := v.vals[r*n : (r+1)*n]
		if (r+1)*n > len(base) { // a row that the baseline does not have yet
			if now[colID] != 0 {
				b[bitmap+r/8] |= 1 << (r % 8)
				b = k.appendNew(b, r, now)
			}
			continue
		}
		old := base[r*n : (r+1)*n]
		if equal(old, now) {
			continue
		}
		b[bitmap+r/8] |= 1 << (r % 8)
		switch {
		case old[colID] == 0:
			b = k.appendNew(b, r, now)
		case old[colID] != now[colID]:
			for range c.maskLen() {
				b = append(b, 0)
			}
			if now[colID] == 0 {
				b = append(b, 0)
			} else {
				b = k.appendNew(b, r, now)
			}
		default:
			b = k.appendChanges(b, r, old, now)
		}
	}
	return b
}

func equal(a, b []int64) bool {
	for i, x := range a {
		if b[i] != x {
			return false
		}
	}
	return true
}

func (k *chunk) appendChanges(b []byte, r int, old, now []int64) []byte {
	mask := len(b)
	for range k.class.maskLen() {
		b = append(b, 0)
	}
	for i := colOwner; i < len(now); i++ {
		if now[i] == old[i] {
			continue
		}
		bit := i - colOwner
		b[mask+bit/8] |= 1 << (bit % 8)
		b = wire.AppendVarint(b, now[i]-old[i])
		b = k.appendBlobOf(b, r, i)
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
