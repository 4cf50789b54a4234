package state

import "bytes"

// A chunk is a group of objects of one class whose values always fit one packet
// together: the unit of acknowledgement and of baselines. An object stays in its
// row of its chunk for life. Where interest management comes, a class's chunks
// divide by cell; today there is one cell.
type chunk struct {
	index  int // among the world's chunks: its name on the wire
	class  *class
	cur    []int64 // the values now, row by row: id, owner, columns of the fields
	rows   []row
	weight int // bytes that the rows take at most
	dirty  bool

	history []version // ring of frozen values
	newest  int
	memo    []encoded // encodings of the newest version, by baseline
	memoAt  uint32    // the tick of the capture that memo belongs to
}

type row struct {
	obj    *Object
	weight int
	once   []byte   // what travels once
	blobs  [][]byte // the values that are no numbers
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
	weight := rowWeight(c, n)
	for i := s.open; i < len(s.chunks); i++ {
		k := s.chunks[i]
		if k.weight+weight > chunkBytes {
			continue
		}
		for r := range k.rows {
			if k.rows[r].obj == nil {
				return k, r
			}
		}
		if len(k.rows) < maxChunkRows {
			k.grow()
			return k, len(k.rows) - 1
		}
	}
	for s.open < len(s.chunks) && s.chunks[s.open].weight+c.maxRow > chunkBytes {
		s.open++
	}
	k := &chunk{index: len(w.chunks), class: c}
	w.chunks = append(w.chunks, k)
	s.chunks = append(s.chunks, k)
	k.grow()
	return k, 0
}

func rowWeight(c *class, once int) int {
	if once > inlineSpawn {
		once = 0
	}
	return c.maxRow + 2 + once
}

func (k *chunk) grow() {
	k.rows = append(k.rows, row{blobs: make([][]byte, k.class.blobs)})
	k.cur = append(k.cur, make([]int64, k.class.stride())...)
}

// occupy fills o's row.
func (k *chunk) occupy(o *Object, once []byte) error {
	r := &k.rows[o.row]
	r.obj, r.once, r.weight = o, once, rowWeight(k.class, len(once))
	k.weight += r.weight
	clear(r.blobs)
	vals := k.vals(o.row)
	clear(vals)
	vals[colID], vals[colOwner] = int64(o.id), int64(o.owner)
	k.dirty = true
	if len(once) > inlineSpawn {
		o.world.setLarge(largeValue{id: o.id, slot: 0, version: 1, bytes: once})
	}
	for _, f := range o.fields {
		if err := f.write(vals); err != nil {
			return err
		}
	}
	return nil
}

// free empties a row.
func (k *chunk) free(r int) {
	o := k.rows[r].obj
	o.world.dropLarge(o.id)
	k.weight -= k.rows[r].weight
	k.rows[r] = row{blobs: k.rows[r].blobs}
	clear(k.rows[r].blobs)
	clear(k.vals(r))
	k.dirty = true
	o.world.stores[k.class.number].reopen(k)
}

// reopen makes place look at k again.
func (s *store) reopen(k *chunk) {
	for i := range min(s.open, len(s.chunks)) {
		if s.chunks[i] == k {
			s.open = i
			return
		}
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
	row.blobs[def.blob] = append(row.blobs[def.blob][:0], b...)
	if len(b) > k.class.inlineMax {
		row.obj.world.setLarge(largeValue{id: row.obj.id, slot: def.blob + 1, version: uint64(*col), bytes: bytes.Clone(b)})
	} else {
		row.obj.world.dropLargeSlot(row.obj.id, def.blob+1)
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

// largeValue is a value too long for a packet: it travels Reliable, and takes
// effect at a client when its version is the one that the packet named.
type largeValue struct {
	id      ObjectID
	slot    int // 0: what travels once; 1+n: blob n
	version uint64
	bytes   []byte
	rev     uint64
}

func (w *World) setLarge(v largeValue) {
	w.dropLargeSlot(v.id, v.slot)
	w.largeRev++
	v.rev = w.largeRev
	w.large = append(w.large, v)
}

func (w *World) dropLarge(id ObjectID) {
	for i := len(w.large) - 1; i >= 0; i-- {
		if w.large[i].id == id {
			w.large = append(w.large[:i], w.large[i+1:]...)
		}
	}
}

func (w *World) dropLargeSlot(id ObjectID, slot int) {
	for i := range w.large {
		if w.large[i].id == id && w.large[i].slot == slot {
			w.large = append(w.large[:i], w.large[i+1:]...)
			return
		}
	}
}
