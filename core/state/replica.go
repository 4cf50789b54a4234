package state

import (
	"fmt"
	"reflect"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// Replica keeps a World equal to a server's from the packets of its Viewer.
// Package client runs one.
type Replica struct {
	w       *World
	chunks  map[int]*rchunk
	values  map[largeKey]value
	held    int // bytes in values
	in      []block
	free    [][]int64
	rides   [rememberedRounds]rides
	dead    [recentlyDead]ObjectID // ring of objects that went away
	deadEnd int
}

type largeKey struct {
	id   ObjectID
	slot int
}

// value is a large value that came before the packet that names its version.
type value struct {
	version uint64
	bytes   []byte
	at      uint64 // tick of its arrival
}

const (
	recentlyDead = 1024
	maxHeld      = 16 << 20 // bytes of large values that wait for their packets
)

// rchunk is a chunk as a replica has it.
type rchunk struct {
	class   *class
	states  []version // what may be a baseline yet, oldest first
	applied uint32
	vals    []int64 // as applied
	rows    []rrow
}

// rrow is a row as applied. Its object is nil while a value that it must spawn
// with is still on its way.
type rrow struct {
	obj  *Object
	have []int64  // by slot: the version that was applied, or waits in wait
	wait [][]byte // by slot: values of an object that is not complete yet
}

// NewReplica returns an empty replica for player me of a server's world.
func NewReplica(s *Schema, c core.Codec, me PlayerID) (*Replica, error) {
	w, err := newWorld(s, c)
	if err != nil {
		return nil, err
	}
	w.me = me
	return &Replica{w: w, chunks: make(map[int]*rchunk), values: make(map[largeKey]value)}, nil
}

// World returns the replica's world.
func (r *Replica) World() *World { return r.w }

// IsGone reports whether an object was here and went away a while ago, as far as
// the replica remembers.
func (r *Replica) IsGone(id ObjectID) bool {
	for _, d := range r.dead {
		if d == id && id != 0 {
			return true
		}
	}
	return false
}

// Apply takes the blocks of one packet of a server's tick, whole or not at all: on
// an error, an ErrMalformed or one about a baseline that is not here, nothing
// changed and the packet must not be acknowledged. Hooks run when all of the packet
// is in place.
func (r *Replica) Apply(tick uint64, blocks []byte) error {
	rd := wire.NewReader(blocks)
	r.in = r.in[:0]
	for rd.Len() > 0 {
		r.readBlock(&rd, uint32(tick))
	}
	if err := rd.End(); err != nil {
		for i := range r.in {
			r.free = append(r.free, r.in[i].vals)
		}
		return err
	}
	for i := range r.in {
		r.commit(&r.in[i])
	}
	if tick > r.w.tick {
		r.w.tick = tick
	}
	r.runHooks()
	return nil
}

func (r *Replica) readBlock(rd *wire.Reader, tick uint32) {
	if len(r.in) == cap(r.in) {
		r.in = append(r.in, block{})[:len(r.in)]
	}
	b := &r.in[:len(r.in)+1][len(r.in)]
	*b = block{blobs: b.blobs[:0]}
	b.chunk = int(rd.Uint(maxChunks))
	age := uint32(rd.Uint(uint64(tick)))
	b.at = tick - age
	diff := uint32(rd.Uint(uint64(b.at)))
	k := r.chunks[b.chunk]
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
			rd.Fail("a baseline that is not here")
			return
		}
	}
	b.vals = append(r.buffer(), base...)
	r.in = r.in[:len(r.in)+1]
	b.readRows(rd)
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
	k := r.chunks[b.chunk]
	if k == nil {
		k = &rchunk{class: b.class}
		r.chunks[b.chunk] = k
	}
	if b.at > k.applied {
		r.apply(k, b)
		k.applied = b.at
	}
	if k.state(b.at) != nil {
		r.free = append(r.free, b.vals)
		return
	}
	// A server's baselines only move forward, so older ones may go.
	drop := 0
	for drop < len(k.states) && (k.states[drop].at < b.base || len(k.states)-drop >= maxHistory) {
		r.free = append(r.free, k.states[drop].vals)
		drop++
	}
	k.states = append(k.states[:0], k.states[drop:]...)
	k.states = append(k.states, version{at: b.at, vals: b.vals})
	for i := len(k.states) - 1; i > 0 && k.states[i].at < k.states[i-1].at; i-- {
		k.states[i], k.states[i-1] = k.states[i-1], k.states[i]
	}
}

// apply makes the objects equal to a block.
func (r *Replica) apply(k *rchunk, b *block) {
	n := k.class.stride()
	for len(k.vals) < len(b.vals) {
		k.vals = append(k.vals, 0)
	}
	for len(k.rows) < len(b.vals)/n {
		k.rows = append(k.rows, rrow{have: make([]int64, 1+k.class.blobs), wait: make([][]byte, 1+k.class.blobs)})
	}
	blobs := b.blobs
	for i := range k.rows {
		first := blobs
		for len(blobs) > 0 && blobs[0].row == i {
			blobs = blobs[1:]
		}
		if (i+1)*n > len(b.vals) {
			break
		}
		old, now := k.vals[i*n:(i+1)*n], b.vals[i*n:(i+1)*n]
		if !equal(old, now) {
			r.applyRow(k, &k.rows[i], old, now, first[:len(first)-len(blobs)])
		}
	}
}

func (r *Replica) applyRow(k *rchunk, row *rrow, old, now []int64, blobs []inBlob) {
	if old[colID] != 0 && old[colID] != now[colID] {
		r.despawn(row, ObjectID(old[colID]))
		clear(old)
	}
	if now[colID] == 0 {
		return
	}
	id := ObjectID(now[colID])
	for _, in := range blobs {
		r.offer(k, row, now, in.slot, k.class.version(now, in.slot), in.bytes)
	}
	for slot := range row.have { // values that came before
		if v, ok := r.values[largeKey{id, slot}]; ok && int64(v.version) <= k.class.version(now, slot) {
			r.forget(largeKey{id, slot})
			r.offer(k, row, now, slot, int64(v.version), v.bytes)
		}
	}
	if o := row.obj; o != nil {
		o.recv(old, now)
	} else {
		r.trySpawn(k, row, now)
	}
	copy(old, now)
}

// version returns the version of a slot that a row names.
func (c *class) version(vals []int64, slot int) int64 {
	if slot == 0 {
		return 1 // what travels once has one version
	}
	for i, f := range c.at {
		if f.blob == slot-1 {
			return vals[colFields+i]
		}
	}
	return 0
}

// offer gives an object, or one that is not complete yet, a value that is no
// number, if it is newer than the one that it has.
func (r *Replica) offer(k *rchunk, row *rrow, now []int64, slot int, version int64, b []byte) {
	if version <= row.have[slot] {
		return
	}
	row.have[slot] = version
	if row.obj == nil {
		row.wait[slot] = append([]byte(nil), b...)
		return
	}
	for i, f := range k.class.at {
		if slot > 0 && f.blob == slot-1 {
			// A value that does not decode is the server's fault; the old one stays.
			_ = row.obj.fields[k.class.at[i].field].recvBlob(b)
		}
	}
}

// recv gives the object the columns that changed.
func (o *Object) recv(old, now []int64) {
	if old[colOwner] != now[colOwner] {
		if len(o.onOwner) > 0 {
			o.oldOwner = o.owner
			o.world.await(o)
		}
		o.world.setOwner(o, PlayerID(now[colOwner]))
	}
	for i := colFields; i < len(now); i++ {
		if now[i] != old[i] {
			f := o.class.at[i-colFields]
			o.fields[f.field].recv(f.sub, now[i])
		}
	}
}

// trySpawn makes the object of a row once all that it spawns with is here.
func (r *Replica) trySpawn(k *rchunk, row *rrow, now []int64) {
	for _, have := range row.have {
		if have == 0 {
			return
		}
	}
	v := reflect.New(k.class.typ)
	if err := k.class.readSpawn(r.w.codec, row.wait[0], v.Elem()); err != nil {
		return // the server's fault; the object stays away
	}
	o := r.w.attach(v.Interface().(Entity), k.class, ObjectID(now[colID]), PlayerID(now[colOwner]))
	for i := range k.class.at {
		f := k.class.at[i]
		o.fields[f.field].recv(f.sub, now[colFields+i])
		if f.blob >= 0 {
			_ = o.fields[f.field].recvBlob(row.wait[f.blob+1])
		}
	}
	clear(row.wait)
	row.obj = o
	r.w.add(o)
	r.w.await(spawned{o})
}

func (r *Replica) despawn(row *rrow, id ObjectID) {
	for slot := range row.have {
		r.forget(largeKey{id, slot})
	}
	clear(row.have)
	clear(row.wait)
	if o := row.obj; o != nil {
		row.obj = nil
		r.w.remove(o)
		r.w.await(despawned{o})
	}
	r.dead[r.deadEnd] = id
	r.deadEnd = (r.deadEnd + 1) % recentlyDead
}

func (r *Replica) forget(key largeKey) {
	if v, ok := r.values[key]; ok {
		r.held -= len(v.bytes)
		delete(r.values, key)
	}
}

// ApplyValue takes a message of Viewer.AppendValues. A value that its packet has
// named already takes effect at once, another one with the packet.
func (r *Replica) ApplyValue(msg []byte) error {
	rd := wire.NewReader(msg)
	id := ObjectID(rd.Uint(1<<32 - 1))
	slot := int(rd.Uint(1 << 16))
	version := rd.Uvarint()
	b := rd.Rest()
	if err := rd.End(); err != nil {
		return err
	}
	if r.IsGone(id) {
		return nil
	}
	for _, k := range r.chunks {
		n := k.class.stride()
		for i := range k.rows {
			now := k.vals[i*n : (i+1)*n]
			if ObjectID(now[colID]) != id {
				continue
			}
			row := &k.rows[i]
			if slot >= len(row.have) {
				return core.Errorf(core.ErrMalformed, "parley: malformed message: value %d of an object that has %d", slot, len(row.have))
			}
			if int64(version) > k.class.version(now, slot) {
				break
			}
			r.offer(k, row, now, slot, int64(version), b)
			if row.obj == nil {
				r.trySpawn(k, row, now)
			}
			r.runHooks()
			return nil
		}
	}
	return r.hold(largeKey{id, slot}, version, b)
}

// hold keeps a value until its packet comes.
func (r *Replica) hold(key largeKey, version uint64, b []byte) error {
	r.forget(key)
	if r.held+len(b) > maxHeld {
		for k, v := range r.values { // what waits longest belongs to objects that never come
			if v.at+60*60 < r.w.tick {
				r.forget(k)
			}
		}
		if r.held+len(b) > maxHeld {
			return fmt.Errorf("parley: %d bytes of values wait for objects that do not come: %w", r.held, core.ErrBackpressure)
		}
	}
	r.held += len(b)
	r.values[key] = value{version: version, bytes: append([]byte(nil), b...), at: r.w.tick}
	return nil
}

// runHooks runs the hooks of what arrived. They may despawn nothing here, but may
// add hooks.
func (r *Replica) runHooks() {
	for i := 0; i < len(r.w.waiting); i++ {
		r.w.waiting[i].fire()
	}
	clear(r.w.waiting)
	r.w.waiting = r.w.waiting[:0]
}
