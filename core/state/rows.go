package state

import (
	"bytes"
	"reflect"
	"slices"
)

// rrow is a row as a replica applied it. Its object is nil while a value that it
// must spawn with is still on its way.
type rrow struct {
	obj    *Object
	faulty bool   // the object cannot be made
	slots  []slot // 0: what travels once; 1+n: blob n
}

// slot is a value that is no number.
type slot struct {
	version int64 // the one that was applied, or waits; 0: none yet
	size    int
	wait    []byte // of an object that is not complete yet; aliases the packet until wait is kept
}

// apply makes the objects of a chunk equal to a block.
func (r *Replica) apply(k *rchunk, b *block) {
	n := k.class.stride()
	blobs := b.blobs
	for i := range len(b.vals) / n {
		first := blobs
		for len(blobs) > 0 && blobs[0].row == i {
			blobs = blobs[1:]
		}
		old, now := k.vals[i*n:(i+1)*n], b.vals[i*n:(i+1)*n]
		if !slices.Equal(old, now) {
			r.applyRow(k, i, old, now, first[:len(first)-len(blobs)])
		}
	}
}

func (r *Replica) applyRow(k *rchunk, i int, old, now []int64, blobs []inBlob) {
	row := &k.rows[i]
	if old[colID] != now[colID] {
		if old[colID] != 0 {
			r.despawn(k, row, ObjectID(old[colID]))
			clear(old)
		}
		if _, taken := r.where[ObjectID(now[colID])]; !taken && now[colID] != 0 {
			r.where[ObjectID(now[colID])] = place{k, i}
		}
	}
	if now[colID] == 0 {
		return
	}
	for _, in := range blobs {
		r.offer(k, row, in.slot, k.class.version(now, in.slot), in.bytes)
	}
	if len(r.values) > 0 {
		r.offerHeld(k, row, now)
	}
	if o := row.obj; o != nil {
		o.recv(old, now)
	} else {
		r.trySpawn(k, i, now)
		for _, in := range blobs {
			row.keep(in.slot)
		}
	}
	copy(old, now)
}

// version returns the version of a slot that a row names.
func (c *class) version(vals []int64, slot int) int64 {
	if slot == 0 {
		return 1 // what travels once has one version
	}
	return vals[c.blobCols[slot-1]]
}

// offer gives an object, or one that is not complete yet, a value that is no
// number, if it is newer than the one that it has.
func (r *Replica) offer(k *rchunk, row *rrow, n int, version int64, b []byte) {
	s := &row.slots[n]
	if version <= s.version {
		return
	}
	s.version = version
	r.size += len(b) - s.size
	s.size = len(b)
	switch {
	case row.obj == nil:
		s.wait = b
	case n > 0:
		r.decode(row.obj, n-1, b)
	}
}

// keep copies a value that waits longer than its packet lives.
func (row *rrow) keep(n int) { row.slots[n].wait = bytes.Clone(row.slots[n].wait) }

// decode sets blob n of an object. The old value stays if it fails.
func (r *Replica) decode(o *Object, n int, b []byte) {
	f := o.class.at[o.class.blobCols[n]-colFields].field
	if err := o.fields[f].recvBlob(b); err != nil {
		r.failed(err)
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
func (r *Replica) trySpawn(k *rchunk, i int, now []int64) {
	row := &k.rows[i]
	id := ObjectID(now[colID])
	if row.faulty || r.where[id] != (place{k, i}) {
		return // a hostile server: an object is in one place
	}
	for n := range row.slots {
		if row.slots[n].version == 0 {
			return
		}
	}
	v := reflect.New(k.class.typ)
	if err := k.class.readSpawn(r.w.codec, row.slots[0].wait, v.Elem()); err != nil {
		r.failed(err)
		row.faulty = true
		return
	}
	o := r.w.attach(v.Interface().(Entity), k.class, id, PlayerID(now[colOwner]))
	for i, f := range k.class.at {
		o.fields[f.field].recv(f.sub, now[colFields+i])
	}
	for n := range k.class.blobs {
		r.decode(o, n, row.slots[n+1].wait)
	}
	for n := range row.slots {
		row.slots[n].wait = nil
	}
	row.obj = o
	r.w.add(o)
	r.w.await(spawned{o})
}

func (r *Replica) despawn(k *rchunk, row *rrow, id ObjectID) {
	for n := range row.slots {
		if len(r.values) > 0 {
			r.forget(valueKey{id, n})
		}
		r.size -= row.slots[n].size
	}
	clear(row.slots)
	row.faulty = false
	if p := r.where[id]; p.k == k && &k.rows[p.row] == row {
		delete(r.where, id)
	}
	if o := row.obj; o != nil {
		row.obj = nil
		r.w.remove(o)
		r.w.await(despawned{o})
	}
	r.gone[id%rememberedGone] = id
}
