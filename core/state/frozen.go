package state

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/parley-net/parley/core"
)

// Frozen is a copy of a World's objects at one tick, which any goroutine may read
// while the world goes on. Its zero value is empty and ready for World.Freeze.
type Frozen struct {
	tick  uint64
	last  ObjectID
	codec core.Codec
	parts []frozenPart
	vals  []int64  // the columns of all rows
	once  [][]byte // what travels once, by row
	blobs [][]byte // the values that are no numbers, those of a row one behind the other
}

// frozenPart is a chunk in a Frozen.
type frozenPart struct {
	class *class
	rows  int
}

// Freeze copies the world's objects into f, in place of what f held. It costs a copy
// of their numbers; other values are shared, since they are not changed but
// replaced, and all that takes longer is left to f.Objects. No two Frozen are of one
// tick: where nothing moved in between, the next tick begins. On a client it panics
// with an *AuthorityError.
func (w *World) Freeze(f *Frozen) {
	if !w.authority {
		panic(&AuthorityError{Op: "Freeze", Object: "the world"})
	}
	if w.tick <= w.frozen {
		w.tick = w.frozen + 1
	}
	w.frozen = w.tick
	f.Reset()
	f.tick, f.last, f.codec = w.tick, w.next, w.codec
	for _, k := range w.chunks {
		if k.live > 0 {
			f.add(k)
		}
	}
}

func (f *Frozen) add(k *chunk) {
	at, n, pos := len(f.vals), k.class.stride(), k.class.posCol
	f.parts = append(f.parts, frozenPart{k.class, len(k.rows)})
	f.vals = append(f.vals, k.cur...)
	for i := range k.rows {
		r := &k.rows[i]
		f.once = append(f.once, r.once)
		if k.class.blobs > 0 {
			f.blobs = append(f.blobs, r.blobs...)
			r.lent = math.MaxUint64
		}
		if p := r.pos; p != nil { // as it is, and not in steps
			cols := f.vals[at+i*n+pos:]
			cols[3] = int64(math.Float64bits(p.vel.Y))
			cols[2] = int64(math.Float64bits(p.vel.X))
			cols[1] = int64(math.Float64bits(p.at.Y))
			cols[0] = int64(math.Float64bits(p.at.X))
		}
	}
}

// Reset empties f, so that it keeps no value alive, and leaves its memory for the
// next Freeze.
func (f *Frozen) Reset() {
	clear(f.parts)
	clear(f.once)
	clear(f.blobs)
	f.parts, f.vals, f.once, f.blobs = f.parts[:0], f.vals[:0], f.once[:0], f.blobs[:0]
}

// Tick returns the tick at which the world was frozen.
func (f *Frozen) Tick() uint64 { return f.tick }

// LastID returns the highest id that the world had given by then.
func (f *Frozen) LastID() ObjectID { return f.last }

// frozenRow says where the values of an object stand in a Frozen.
type frozenRow struct {
	id                ObjectID
	class             *class
	vals, once, blobs int
}

// Objects returns the objects in ascending order of ID, as core.Snapshot wants
// them. They may be ranged over until f is used for another Freeze, also several
// times at once.
//
// A number, a text or a time is a field of its kind, a Ref the id of its object, a
// struct a map of its exported fields, a slice a list; a Position2D is a map of x, y,
// vx and vy, and of what its Position2DConfig says beside that. A value that would
// not come back from these as it was is a map of one entry, the codec's name, with
// the codec's bytes.
func (f *Frozen) Objects() iter.Seq[core.ObjectState] {
	var rows []frozenRow
	next := frozenRow{}
	for _, p := range f.parts {
		next.class = p.class
		for range p.rows {
			next.id = ObjectID(f.vals[next.vals+colID])
			if next.id != 0 {
				rows = append(rows, next)
			}
			next.vals += p.class.stride()
			next.once++
			next.blobs += p.class.blobs
		}
	}
	slices.SortFunc(rows, func(a, b frozenRow) int { return cmp.Compare(a.id, b.id) })
	return func(yield func(core.ObjectState) bool) {
		thaws := make(map[*class]*thaw)
		for _, r := range rows {
			t := thaws[r.class]
			if t == nil {
				t = newThaw(r.class, f.codec)
				thaws[r.class] = t
			}
			vals := f.vals[r.vals : r.vals+r.class.stride()]
			if !yield(t.object(vals, f.once[r.once], f.blobs[r.blobs:r.blobs+r.class.blobs])) {
				return
			}
		}
	}
}
