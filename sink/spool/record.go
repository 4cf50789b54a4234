package spool

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/parley-net/parley/core"
)

// maxRecord is the length in bytes of the longest record, the snapshot of a match of
// several hundred thousand objects.
const maxRecord = 64 << 20

// A record is its length, four bytes, little-endian, and that many bytes:
//
//	kind, match, epoch, tick                          of both
//	seq, time, kind of the event, player, data        of an event
//	time, {id, class, owner, alive, fields} …         of a snapshot
//
// where numbers are varints and texts have their length before them.
const (
	kindEvent    byte = 1
	kindSnapshot byte = 2
)

// recordHead is the length of a record's length.
const recordHead = 4

// key tells records apart, and where they belong.
type key struct {
	kind             byte
	match            []byte // aliases the record
	epoch, tick, seq uint64 // seq is 0 for a snapshot
}

func appendKey(dst []byte, kind byte, match string, epoch, tick uint64) []byte {
	dst = appendString(append(dst, 0, 0, 0, 0, kind), match)
	return binary.AppendUvarint(binary.AppendUvarint(dst, epoch), tick)
}

// endRecord writes the length of the record that began at start.
func endRecord(dst []byte, start int) ([]byte, error) {
	n := len(dst) - start - recordHead
	if n > maxRecord {
		return dst[:start], errTooLong(n)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(n))
	return dst, nil
}

func errTooLong(n int) error {
	return core.Errorf(core.ErrTooLarge, "%d bytes or more are too large: a record takes at most %d", n, maxRecord)
}

// appendEvent appends the record of e, or nothing and an error.
func appendEvent(dst []byte, e *core.Event) ([]byte, error) {
	start := len(dst)
	dst = appendKey(dst, kindEvent, e.Match, e.Epoch, e.Tick)
	dst = appendTime(binary.AppendUvarint(dst, e.Seq), e.Time)
	dst = binary.AppendUvarint(appendString(dst, e.Kind), uint64(e.Player))
	if e.Data == nil {
		return endRecord(append(dst, tagNil), start)
	}
	dst, err := appendValue(dst, e.Data, 0)
	if err != nil {
		return dst[:start], fmt.Errorf("data: %w", err)
	}
	return endRecord(dst, start)
}

// appendSnapshot appends the record of s, or nothing and an error. It gives up when
// ctx ends.
func appendSnapshot(ctx context.Context, dst []byte, s *core.Snapshot) (_ []byte, err error) {
	start := len(dst)
	dst = appendTime(appendKey(dst, kindSnapshot, s.Match, s.Epoch, s.Tick), s.Time)
	if s.Objects == nil {
		return endRecord(dst, start)
	}
	objects := 0
	for o := range s.Objects {
		if err := ctx.Err(); err != nil {
			return dst[:start], fmt.Errorf("given up after %d objects: %w", objects, err)
		}
		if dst, err = appendObject(dst, &o); err != nil {
			return dst[:start], fmt.Errorf("object %d: %w", o.ID, err)
		}
		if n := len(dst) - start; n > maxRecord {
			return dst[:start], fmt.Errorf("%d objects: %w", objects, errTooLong(n))
		}
		objects++
	}
	return endRecord(dst, start)
}

func appendObject(dst []byte, o *core.ObjectState) (_ []byte, err error) {
	dst = binary.AppendUvarint(appendString(binary.AppendUvarint(dst, o.ID), o.Class), uint64(o.Owner))
	alive := byte(0)
	if o.Alive {
		alive = 1
	}
	dst = binary.AppendUvarint(append(dst, alive), uint64(len(o.Fields)))
	for i := range o.Fields {
		f := &o.Fields[i]
		if dst, err = appendValue(appendString(dst, f.Name), f.Value, 0); err != nil {
			return dst, fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return dst, nil
}

// appendRecord appends a record that was read.
func appendRecord(dst, record []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(record))), record...)
}

// cutRecord cuts the first record off b.
func cutRecord(b []byte) (record, rest []byte, err error) {
	if len(b) < recordHead {
		return nil, nil, errRecord
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[recordHead:]; uint64(n) > uint64(len(b)) {
		return nil, nil, errRecord
	}
	return b[:n:n], b[n:], nil
}

// key reads the key of a record and leaves d behind it.
func (d *decoder) key() (k key) {
	k.kind, k.match, k.epoch, k.tick = d.byte(), d.bytes(), d.uvarint(), d.uvarint()
	switch k.kind {
	case kindEvent:
		k.seq = d.uvarint()
	case kindSnapshot:
	default:
		d.fail()
	}
	return k
}

func parseKey(record []byte) (key, error) {
	d := decoder{b: record}
	k := d.key()
	return k, d.err()
}

// decodeEvent returns the event of a record, in memory of its own.
func decodeEvent(record []byte) (core.Event, error) {
	d := decoder{b: record}
	k := d.key()
	e := core.Event{Match: string(k.match), Epoch: k.epoch, Seq: k.seq, Tick: k.tick, Time: d.time(), Kind: string(d.bytes())}
	e.Player = d.uint32()
	data := d.value(0, true)
	e.Data, _ = data.(map[string]any)
	if k.kind != kindEvent || data != nil && e.Data == nil || len(d.b) > 0 {
		d.fail()
	}
	return e, d.err()
}

// decodeSnapshot returns the snapshot of a record. Its objects are decoded as they
// are ranged over, so the record must stay as it is meanwhile.
func decodeSnapshot(record []byte) (core.Snapshot, error) {
	d := decoder{b: record}
	k := d.key()
	s := core.Snapshot{Match: string(k.match), Epoch: k.epoch, Tick: k.tick, Time: d.time()}
	objects := d.b
	for len(d.b) > 0 {
		d.object(nil, false)
	}
	if k.kind != kindSnapshot {
		d.fail()
	}
	s.Objects = func(yield func(core.ObjectState) bool) {
		d := decoder{b: objects}
		var fields []core.Field
		for len(d.b) > 0 {
			o := d.object(fields[:0], true)
			if fields = o.Fields; !yield(o) {
				return
			}
		}
	}
	return s, d.err()
}

// object reads an object, with its fields in the memory of fields.
func (d *decoder) object(fields []core.Field, keep bool) (o core.ObjectState) {
	o.ID = d.uvarint()
	if keep {
		o.Class = d.name()
	} else {
		d.bytes()
	}
	o.Owner, o.Alive = d.uint32(), d.byte() == 1
	for range d.count(2) {
		if keep {
			fields = append(fields, core.Field{Name: d.name(), Value: d.value(0, true)})
		} else {
			d.bytes()
			d.value(0, false)
		}
	}
	o.Fields = fields
	return o
}

func (d *decoder) uint32() uint32 {
	v := d.uvarint()
	if v > 1<<32-1 {
		d.fail()
	}
	return uint32(v)
}
