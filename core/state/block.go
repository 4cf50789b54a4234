package state

import "github.com/parley-net/parley/core/internal/wire"

// block is a decoded block. Its byte slices alias the packet.
type block struct {
	chunk    int
	at, base uint32
	class    *class
	vals     []int64
	blobs    []inBlob // in the order of rows
}

// inBlob is a value that rode along in a block.
type inBlob struct {
	row, slot int // slot as in valueKey
	bytes     []byte
}

// readRows reads the rows of a block into b.vals, which holds the baseline's.
func (b *block) readRows(r *wire.Reader) {
	n := b.class.stride()
	rows := int(r.Uint(uint64(b.class.maxRows)))
	if rows == 0 || rows*n < len(b.vals) {
		r.Fail("a chunk of a wrong number of rows")
		return
	}
	if more := rows*n - len(b.vals); more > 0 {
		b.vals = append(b.vals, make([]int64, more)...)
	}
	bitmap := r.Bytes(uint64(rows+7) / 8)
	for i := 0; i < rows && r.Err() == nil; i++ {
		if bitmap[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		vals := b.vals[i*n : (i+1)*n]
		if vals[colID] == 0 {
			b.readNew(r, i, vals)
			continue
		}
		mask := r.Bytes(uint64(b.class.maskLen()))
		replaced := true
		for _, m := range mask {
			replaced = replaced && m == 0
		}
		if replaced {
			clear(vals)
			b.readNew(r, i, vals)
			continue
		}
		for at, m := range mask { // each of up to eight columns
			for j := colOwner + 8*at; m != 0 && j < n; j, m = j+1, m>>1 {
				if m&1 == 0 {
					continue
				}
				vals[j] += r.Varint()
				if b.class.blobs > 0 {
					b.readBlobOf(r, i, j)
				}
			}
		}
	}
}

func (b *block) readNew(r *wire.Reader, row int, vals []int64) {
	vals[colID] = int64(r.Uint(1<<32 - 1))
	if vals[colID] == 0 {
		return
	}
	vals[colOwner] = int64(r.Uint(1<<32 - 1))
	for j := colFields; j < len(vals); j++ {
		vals[j] = r.Varint()
		b.readBlobOf(r, row, j)
	}
	b.readInline(r, row, 0)
}

func (b *block) readBlobOf(r *wire.Reader, row, col int) {
	if col < colFields {
		return
	}
	if n := b.class.at[col-colFields].blob; n >= 0 {
		b.readInline(r, row, n+1)
	}
}

func (b *block) readInline(r *wire.Reader, row, slot int) {
	if n := r.Uvarint(); n > 0 {
		b.blobs = append(b.blobs, inBlob{row: row, slot: slot, bytes: r.Bytes(n - 1)})
	}
}
