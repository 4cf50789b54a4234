package state

import (
	"fmt"
	"math"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// value is a large value that came before the packet that names its version.
type value struct {
	version int64
	bytes   []byte
	at      uint64 // tick of its arrival
}

const (
	heldOverhead = 128     // bytes that a held value takes beside its own, about
	staleHeld    = 60 * 60 // ticks after which a held value may go if there is no room
)

// ApplyValue takes a message of Viewer.AppendValues. A value that its packet has
// named already takes effect at once, another one with the packet. After an error,
// an ErrMalformed or, when too much waits for objects that do not come, an
// ErrBackpressure, the replica is not a true one any more: end the connection.
func (r *Replica) ApplyValue(msg []byte) error {
	rd := wire.NewReader(msg)
	key := valueKey{id: ObjectID(rd.Uint(math.MaxUint32)), slot: int(rd.Uint(1 << 16))}
	version := int64(rd.Uint(math.MaxInt64))
	b := rd.Rest()
	switch err := rd.End(); {
	case err != nil:
		return err
	case len(b) > MaxValue:
		return core.Errorf(core.ErrMalformed, "parley: malformed message: %w", tooLong(len(b)))
	case r.IsGone(key.id):
		return nil
	}
	p, ok := r.where[key.id]
	if !ok {
		return r.hold(key, version, b)
	}
	row, now := &p.k.rows[p.row], p.k.row(p.row)
	switch {
	case key.slot >= len(row.slots):
		return core.Errorf(core.ErrMalformed, "parley: malformed message: value %d of an object that has %d", key.slot, len(row.slots))
	case version > p.k.class.version(now, key.slot):
		return r.hold(key, version, b)
	case r.size+len(b) > r.limit:
		return core.Errorf(core.ErrMalformed, "parley: malformed message: a world too large")
	}
	r.offer(p.k, row, key.slot, version, b)
	if row.obj == nil {
		r.trySpawn(p.k, p.row, now)
		row.keep(key.slot)
	}
	r.runHooks()
	return nil
}

func (k *rchunk) row(i int) []int64 {
	n := k.class.stride()
	return k.vals[i*n : (i+1)*n]
}

// offerHeld gives a row the values that came before it named them.
func (r *Replica) offerHeld(k *rchunk, row *rrow, now []int64) {
	for n := range row.slots {
		key := valueKey{ObjectID(now[colID]), n}
		if v, ok := r.values[key]; ok && v.version <= k.class.version(now, n) {
			r.forget(key)
			r.offer(k, row, n, v.version, v.bytes)
		}
	}
}

// hold keeps a value until its packet comes.
func (r *Replica) hold(key valueKey, version int64, b []byte) error {
	r.forget(key)
	size := len(b) + heldOverhead
	if r.held+size > maxHeld {
		for k, v := range r.values { // what waits longest belongs to objects that never come
			if v.at+staleHeld < r.w.tick {
				r.forget(k)
			}
		}
		if r.held+size > maxHeld {
			return fmt.Errorf("parley: %d bytes of values wait for objects that do not come: %w", r.held, core.ErrBackpressure)
		}
	}
	r.held += size
	r.values[key] = value{version: version, bytes: append([]byte(nil), b...), at: r.w.tick}
	return nil
}

func (r *Replica) forget(key valueKey) {
	if v, ok := r.values[key]; ok {
		r.held -= len(v.bytes) + heldOverhead
		delete(r.values, key)
	}
}
