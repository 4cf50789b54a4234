package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/parley-net/parley/core"
)

// maxDepth bounds lists and maps within each other, so that a list that holds
// itself is refused.
const maxDepth = 64

// A value is one of these bytes and what follows it.
const (
	tagNil    byte = iota
	tagFalse       //
	tagTrue        //
	tagInt         // zigzag varint
	tagUint        // varint
	tagFloat       // 8 bytes, little-endian
	tagString      // varint length, bytes
	tagBytes       // varint length, bytes
	tagTime        // zigzag varint of seconds since 1970, varint of nanoseconds
	tagList        // varint count, values
	tagMap         // varint count, keys as strings without their tag and values
)

// appendValue appends a value of the kinds that core.Field allows, and refuses
// others with core.ErrUnsupported.
func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, core.Errorf(core.ErrUnsupported, "lists and maps nest deeper than %d levels, or hold themselves", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, tagNil), nil
	case bool:
		if v {
			return append(dst, tagTrue), nil
		}
		return append(dst, tagFalse), nil
	case int64:
		return binary.AppendVarint(append(dst, tagInt), v), nil
	case uint64:
		return binary.AppendUvarint(append(dst, tagUint), v), nil
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, tagFloat), math.Float64bits(v)), nil
	case string:
		return appendString(append(dst, tagString), v), nil
	case []byte:
		return append(binary.AppendUvarint(append(dst, tagBytes), uint64(len(v))), v...), nil
	case time.Time:
		return appendTime(append(dst, tagTime), v), nil
	case []any:
		dst = binary.AppendUvarint(append(dst, tagList), uint64(len(v)))
		for i, x := range v {
			var err error
			if dst, err = appendValue(dst, x, depth+1); err != nil {
				return dst, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return dst, nil
	case map[string]any:
		dst = binary.AppendUvarint(append(dst, tagMap), uint64(len(v)))
		for k, x := range v {
			var err error
			if dst, err = appendValue(appendString(dst, k), x, depth+1); err != nil {
				return dst, fmt.Errorf("[%q]: %w", k, err)
			}
		}
		return dst, nil
	}
	return dst, core.Errorf(core.ErrUnsupported, "a %T is no field value: make it one of those that core.Field lists", v)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendTime(dst []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(dst, t.Unix()), uint64(t.Nanosecond()))
}

var errRecord = errors.New("the record is malformed")

// decoder reads what the functions above appended. After the first thing that is
// malformed it is bad, and reads zeros.
type decoder struct {
	b   []byte
	bad bool
	// names holds one copy of each name that comes again and again.
	names map[string]string
}

func (d *decoder) fail() {
	d.bad, d.b = true, nil
}

func (d *decoder) err() error {
	if d.bad {
		return errRecord
	}
	return nil
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

// take returns the next n bytes, or nil.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns the bytes of a string, which alias the record.
func (d *decoder) bytes() []byte { return d.take(d.uvarint()) }

// name returns a string of which there will be many.
func (d *decoder) name() string {
	b := d.bytes()
	s, ok := d.names[string(b)]
	if !ok {
		s = string(b)
		if d.names == nil {
			d.names = make(map[string]string)
		}
		d.names[s] = s
	}
	return s
}

func (d *decoder) time() time.Time {
	sec, nsec := d.varint(), d.uvarint()
	if nsec >= uint64(time.Second) {
		d.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// count reads how many elements follow, each of at least size bytes.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

// value reads a value, or walks over it and returns nil if keep is not set.
func (d *decoder) value(depth int, keep bool) any {
	if depth > maxDepth {
		d.fail()
		return nil
	}
	switch d.byte() {
	case tagNil:
		return nil
	case tagFalse:
		return false
	case tagTrue:
		return true
	case tagInt:
		return boxed(d.varint(), keep)
	case tagUint:
		return boxed(d.uvarint(), keep)
	case tagFloat:
		if b := d.take(8); b != nil {
			return boxed(math.Float64frombits(binary.LittleEndian.Uint64(b)), keep)
		}
	case tagString:
		if b := d.bytes(); keep {
			return string(b)
		}
	case tagBytes:
		if b := d.bytes(); keep {
			return append([]byte{}, b...)
		}
	case tagTime:
		return boxed(d.time(), keep)
	case tagList:
		return d.list(depth, keep)
	case tagMap:
		return d.mapping(depth, keep)
	default:
		d.fail()
	}
	return nil
}

// boxed makes an interface of v, which costs memory, only where it is kept.
func boxed[T any](v T, keep bool) any {
	if keep {
		return v
	}
	return nil
}

func (d *decoder) list(depth int, keep bool) any {
	n := d.count(1)
	var list []any
	if keep {
		list = make([]any, 0, min(n, 64)) // more only as it comes
	}
	for range n {
		if v := d.value(depth+1, keep); keep {
			list = append(list, v)
		}
	}
	return boxed(list, keep)
}

func (d *decoder) mapping(depth int, keep bool) any {
	n := d.count(2)
	var m map[string]any
	if keep {
		m = make(map[string]any, min(n, 64))
	}
	for range n {
		k := d.bytes()
		if v := d.value(depth+1, keep); keep {
			m[string(k)] = v
		}
	}
	return boxed(m, keep)
}
