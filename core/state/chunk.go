package state

import (
	"bytes"
	"slices"
)

// A chunk is a group of objects of one class whose values always fit one packet
// together: the unit of acknowledgement and of baselines. An object stays in its
// row of its chunk for life. Where interest management comes, a class's chunks
// divide by cell; today there is one cell.
type chunk struct {
	index  int // among the world's chunks: its name on the wire
	class  *class
	cur    []int64 // the values now, row by row: id, owner, columns of the fields
	rows   []row
	live   int // rows with an object
	weight int // bytes that the rows take at most, whatever the baseline
	dirty  bool

	history []version // ring of frozen values
	newest  int
	memo    []encoded // encodings of the newest version, by baseline
	memoAt  uint32    // the tick of the capture that memo belongs to
}

type row struct {
	obj    *Object
	pos    *Position2D // the object's; may be nil
	weight int
	once   []byte   // what travels once
	blobs  [][]byte // the values that are no numbers
	lent   uint64   // bit n: a Frozen has the bytes of blob n, which must not change any more
}

// version is a chunk's values as they were frozen at a tick. A chunk that does not
// change keeps its version.
type version struct {
	at   uint32 // tick
	vals []int64
}

// store is where objects of one class are placed.
type store struct {
	chunks []*chunk
	open   int // chunks before it are full
}

// place finds a row for an object whose spawn-time fields take n bytes.
func (s *store) place(w *World, c *class, n int) (*chunk, int) {
	weight := c.rowWeight(n)
	for i := s.open; i < len(s.chunks); i++ {
		k := s.chunks[i]
		if !k.fits(weight) {
			continue
		}
		if k.live < len(k.rows) {
			for r := range k.rows {
				if k.rows[r].obj == nil {
					return k, r
				}
			}
		}
		k.grow()
		return k, len(k.rows) - 1
	}
	for s.open < len(s.chunks) && !s.chunks[s.open].fits(c.maxRow) {
		s.open++
	}
	k := &chunk{index: len(w.chunks), class: c}
	w.chunks = append(w.chunks, k)
	s.chunks = append(s.chunks, k)
	k.grow()
	return k, 0
}

// rowWeight returns how many bytes a row takes at most whose object's spawn-time
// fields take n.
func (c *class) rowWeight(n int) int {
	if n > inlineSpawn {
		n = 0 // it travels Reliable
	}
	return c.maxRow + n
}

// emptyWeight is what a row takes whose object went away.
func (c *class) emptyWeight() int { return c.maskLen() + 1 }

// fits reports whether k has room for one more row, or an empty one, of a weight.
func (k *chunk) fits(weight int) bool {
	if k.live < len(k.rows) {
		weight -= k.class.emptyWeight()
	}
	return k.weight+weight <= chunkBytes
}

func (k *chunk) grow() {
	empty := row{weight: k.class.emptyWeight(), blobs: make([][]byte, k.class.blobs)}
	k.weight += empty.weight
	k.rows = append(k.rows, empty)
	k.cur = append(k.cur, make([]int64, k.class.stride())...)
}

// occupy fills o's row. On an error the row is occupied all the same.
func (k *chunk) occupy(o *Object, once []byte) error {
	r := &k.rows[o.row]
	k.weight += k.class.rowWeight(len(once)) - r.weight
	r.obj, r.pos, r.once, r.weight = o, o.pos, once, k.class.rowWeight(len(once))
	k.live++
	vals := k.vals(o.row)
	vals[colID], vals[colOwner] = int64(o.id), int64(o.owner)
	k.dirty = true
	if len(once) > inlineSpawn {
		o.world.large.set(valueKey{o.id, 0}, 1, once)
	}
	for _, f := range o.fields {
		if err := f.write(vals); err != nil {
			return err
		}
	}
	return nil
}

// free empties a row.
func (k *chunk) free(n int) {
	r := &k.rows[n]
	w := r.obj.world
	for slot := range 1 + k.class.blobs {
		w.large.drop(valueKey{r.obj.id, slot})
	}
	empty := k.class.emptyWeight()
	k.weight += empty - r.weight
	k.live--
	clear(r.blobs)
	r.obj, r.pos, r.once, r.weight = nil, nil, nil, empty
	clear(k.vals(n))
	k.dirty = true
	w.stores[k.class.number].reopen(k)
}

// reopen makes place look at k again.
func (s *store) reopen(k *chunk) {
	if i, _ := slices.BinarySearchFunc(s.chunks[:s.open], k, func(a, b *chunk) int { return a.index - b.index }); i < s.open {
		s.open = i
	}
}

func (k *chunk) vals(r int) []int64 {
	n := k.class.stride()
	return k.cur[r*n : (r+1)*n]
}

// put sets a column and reports whether that changed it.
func (k *chunk) put(r, col int, v int64) bool {
	p := &k.cur[r*k.class.stride()+col]
	if *p == v {
		return false
	}
	*p = v
	k.dirty = true
	return true
}

// putBlob sets a blob and raises its version, the column's value, unless it is
// equal.
func (k *chunk) putBlob(r int, def *fieldDef, b []byte) bool {
	row := &k.rows[r]
	col := &k.cur[r*k.class.stride()+def.col]
	if *col > 0 && bytes.Equal(row.blobs[def.blob], b) {
		return false
	}
	*col++
	k.dirty = true
	if bit := uint64(1) << def.blob; row.lent&bit != 0 {
		row.lent &^= bit
		row.blobs[def.blob] = nil
	}
	row.blobs[def.blob] = append(row.blobs[def.blob][:0], b...)
	key := valueKey{row.obj.id, def.blob + 1}
	if len(b) > k.class.inlineMax {
		row.obj.world.large.set(key, *col, b)
	} else {
		row.obj.world.large.drop(key)
	}
	return true
}

// freeze makes a version of what the chunk holds now, if that differs from the
// newest one.
func (k *chunk) freeze(at uint32, keep int) {
	if !k.dirty {
		return
	}
	k.dirty = false
	if len(k.history) > 0 && slices.Equal(k.history[k.newest].vals, k.cur) {
		return // changed, and changed back
	}
	if len(k.history) < keep {
		k.history = append(k.history, version{})
		k.newest = len(k.history) - 1
	} else {
		k.newest = (k.newest + 1) % len(k.history)
	}
	v := &k.history[k.newest]
	v.at = at
	v.vals = append(v.vals[:0], k.cur...)
}

// oldest returns the tick of the oldest version that is kept.
func (k *chunk) oldest() uint32 {
	if len(k.history) == 0 {
		return 0
	}
	return k.history[(k.newest+1)%len(k.history)].at
}

// version returns the values frozen at a tick, nil if they are forgotten.
func (k *chunk) version(at uint32) []int64 {
	for i := range k.history {
		j := k.newest - i
		if j < 0 {
			j += len(k.history)
		}
		switch v := &k.history[j]; {
		case v.at == at:
			return v.vals
		case v.at < at:
			return nil
		}
	}
	return nil
}

// at returns the tick of the newest version, 0 if there is none.
func (k *chunk) at() uint32 {
	if len(k.history) == 0 {
		return 0
	}
	return k.history[k.newest].at
}
