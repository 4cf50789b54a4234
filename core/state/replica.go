package state

import (
	"math"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// Replica keeps a World equal to a server's from the packets of its Viewer.
// Package client runs one.
type Replica struct {
	w       *World
	chunks  []*rchunk // by number; nil: not heard of
	where   map[ObjectID]place
	values  map[valueKey]value
	held    int      // bytes in values
	size    int      // bytes that all else takes, about
	limit   int      // of size
	reading int      // bytes that the packet being read will add
	marks   []uint32 // by chunk: the last packet that had a block of it
	packet  uint32
	in      []block
	free    [][]int64
	rides   [rememberedRounds]rides
	gone    [rememberedGone]ObjectID // by the low bits of ids: objects that went away
	stale   bool                     // the packet being read has a baseline that is not here
	firing  bool
	faults  uint64
	fault   error
}

// place is a row that names an object.
type place struct {
	k   *rchunk
	row int
}

// Bounds of what a Replica takes from a server, whatever it says.
const (
	maxChunks      = 1 << 16
	maxReplica     = 256 << 20 // bytes of objects and baselines, about
	maxHeld        = 16 << 20  // bytes of large values that wait for their packets
	maxFree        = 1 << 10   // buffers kept for reuse
	rememberedGone = 1 << 12
)

// rchunk is a chunk as a replica has it.
type rchunk struct {
	class   *class
	states  []version // what may be a baseline yet, oldest first
	applied uint32
	vals    []int64 // as applied
	rows    []rrow
}

// NewReplica returns an empty replica for player me of a server's world.
func NewReplica(s *Schema, c core.Codec, me PlayerID) (*Replica, error) {
	w, err := newWorld(s, c)
	if err != nil {
		return nil, err
	}
	w.me = me
	return &Replica{w: w, limit: maxReplica, where: make(map[ObjectID]place), values: make(map[valueKey]value)}, nil
}

// World returns the replica's world.
func (r *Replica) World() *World { return r.w }

// IsGone reports whether an object was here and went away, as far as the replica
// remembers: the last thousands.
func (r *Replica) IsGone(id ObjectID) bool { return id != 0 && r.gone[id%rememberedGone] == id }

// Faults returns how many values arrived that did not decode, and the first error.
// Such a value is passed over; an object that cannot appear without it stays away.
// It takes a faulty or hostile server, or one whose schema is another.
func (r *Replica) Faults() (uint64, error) { return r.faults, r.fault }

func (r *Replica) failed(err error) {
	if r.faults++; r.fault == nil {
		r.fault = err
	}
}

// Apply takes the blocks of one packet of a server's tick, whole or not at all: on
// an error, an ErrStale or an ErrMalformed, nothing changed and the packet must not
// be acknowledged. Hooks run when all of the packet is in place.
func (r *Replica) Apply(tick uint64, blocks []byte) error {
	rd := wire.NewReader(blocks)
	if tick > math.MaxUint32 {
		rd.Fail("a tick out of range")
	}
	r.in = r.in[:0]
	r.reading, r.stale = 0, false
	if r.packet++; r.packet == 0 {
		clear(r.marks)
		r.packet = 1
	}
	for rd.Len() > 0 {
		r.readBlock(&rd, uint32(tick))
	}
	if err := rd.End(); err != nil {
		for i := range r.in {
			r.release(r.in[i].vals)
		}
		if r.stale {
			return ErrStale
		}
		return err
	}
	for i := range r.in {
		r.commit(&r.in[i])
	}
	r.w.tick = max(r.w.tick, tick)
	r.runHooks()
	return nil
}

func (r *Replica) readBlock(rd *wire.Reader, tick uint32) {
	if len(r.in) == cap(r.in) {
		r.in = append(r.in, block{})[:len(r.in)]
	}
	b := &r.in[:len(r.in)+1][len(r.in)]
	*b = block{blobs: b.blobs[:0]}
	b.chunk = int(rd.Uint(maxChunks - 1))
	age := uint32(rd.Uint(uint64(tick)))
	b.at = tick - age
	diff := uint32(rd.Uint(uint64(b.at)))
	if !r.mark(b.chunk) || b.at == 0 {
		rd.Fail("a chunk twice, or of no tick")
	}
	var k *rchunk
	if b.chunk < len(r.chunks) {
		k = r.chunks[b.chunk]
	}
	var base []int64
	if diff == 0 {
		n := int(rd.Uint(1 << 16))
		if n >= len(r.w.schema.classes) {
			rd.Fail("an unknown class")
			return
		}
		b.class = r.w.schema.classes[n]
		if k != nil && k.class != b.class {
			rd.Fail("a chunk of another class than before")
			return
		}
	} else {
		b.base = b.at - diff
		if k != nil {
			b.class = k.class
			base = k.state(b.base)
		}
		if base == nil {
			r.stale = rd.Err() == nil
			rd.Fail("a baseline that is not here")
			return
		}
	}
	if rd.Err() != nil {
		return
	}
	left := rd.Len()
	b.vals = append(r.buffer(), base...)
	r.in = r.in[:len(r.in)+1]
	b.readRows(rd)
	r.reading += left - rd.Len() + 8*cap(b.vals)
	if rows := len(b.vals) / b.class.stride(); k == nil || rows > len(k.rows) {
		r.reading += rows * b.class.rowSize()
	}
	if r.size+r.reading > r.limit {
		rd.Fail("a world too large")
	}
}

// mark notes that the packet being read has a block of a chunk, and reports
// whether it is the first.
func (r *Replica) mark(chunk int) bool {
	if chunk >= len(r.marks) {
		r.marks = append(r.marks, make([]uint32, chunk+1-len(r.marks))...)
	}
	first := r.marks[chunk] != r.packet
	r.marks[chunk] = r.packet
	return first
}

// buffer returns an empty slice for a state's values.
func (r *Replica) buffer() []int64 {
	if n := len(r.free); n > 0 {
		b := r.free[n-1]
		r.free = r.free[:n-1]
		return b[:0]
	}
	return nil
}

func (r *Replica) release(b []int64) {
	if len(r.free) < maxFree {
		r.free = append(r.free, b)
	}
}

func (k *rchunk) state(at uint32) []int64 {
	for i := len(k.states) - 1; i >= 0; i-- {
		if k.states[i].at == at {
			return k.states[i].vals
		}
	}
	return nil
}

// commit keeps a block as a baseline and applies it if it is the newest.
func (r *Replica) commit(b *block) {
	k := r.chunk(b)
	if b.at > k.applied {
		r.apply(k, b)
		k.applied = b.at
	}
	if k.state(b.at) != nil {
		r.release(b.vals)
		return
	}
	// A server's baselines only move forward, so older ones may go.
	drop := 0
	for drop < len(k.states) && (k.states[drop].at < b.base || len(k.states)-drop >= maxHistory) {
		r.size -= 8 * cap(k.states[drop].vals)
		r.release(k.states[drop].vals)
		drop++
	}
	k.states = append(k.states[:0], k.states[drop:]...)
	k.states = append(k.states, version{at: b.at, vals: b.vals})
	r.size += 8 * cap(b.vals)
	for i := len(k.states) - 1; i > 0 && k.states[i].at < k.states[i-1].at; i-- {
		k.states[i], k.states[i-1] = k.states[i-1], k.states[i]
	}
}

// chunk returns the chunk of a block, with room for its rows.
func (r *Replica) chunk(b *block) *rchunk {
	if n := b.chunk + 1 - len(r.chunks); n > 0 {
		r.chunks = append(r.chunks, make([]*rchunk, n)...)
	}
	k := r.chunks[b.chunk]
	if k == nil {
		k = &rchunk{class: b.class}
		r.chunks[b.chunk] = k
	}
	if more := len(b.vals) - len(k.vals); more > 0 {
		k.vals = append(k.vals, make([]int64, more)...)
		for len(k.rows) < len(b.vals)/k.class.stride() {
			k.rows = append(k.rows, rrow{slots: make([]slot, 1+k.class.blobs)})
			r.size += k.class.rowSize()
		}
	}
	return k
}

// rowSize returns how many bytes a row takes here, about.
func (c *class) rowSize() int {
	return 128 + int(c.typ.Size()) + 8*c.stride() + 64*(1+c.blobs)
}

// runHooks runs the hooks of what arrived, each once, also when one panics.
func (r *Replica) runHooks() {
	if r.firing { // inside a hook: the loop outside goes on with what is new
		return
	}
	r.firing = true
	done := 0
	defer func() {
		n := copy(r.w.waiting, r.w.waiting[done:])
		clear(r.w.waiting[n:])
		r.w.waiting = r.w.waiting[:n]
		r.firing = false
	}()
	for done < len(r.w.waiting) {
		done++
		r.w.waiting[done-1].fire()
	}
}
