package mongo

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

// The kinds of BSON values that this package writes (bsonspec.org, version 1.1).
const (
	kindDouble = 0x01
	kindText   = 0x02
	kindDoc    = 0x03
	kindArray  = 0x04
	kindBinary = 0x05
	kindBool   = 0x08
	kindDate   = 0x09
	kindNull   = 0x0a
	kindInt    = 0x10
	kindLong   = 0x12
)

// The names of what BSON cannot hold: a document with one of them first. No escaped name
// looks like these.
const (
	tagUint = "%uint" // a long, or a text of digits beyond its range
	tagText = "%text" // binary: the bytes of a text that is not UTF-8
	tagTime = "%time" // a date, to the millisecond below,
	tagNano = "%ns"   // and the nanoseconds beyond that
)

// maxDepth is how deep lists and maps nest. MongoDB takes 100 levels of a document.
const maxDepth = 64

// element begins an element of a document, with its kind and its name.
func element(dst []byte, kind byte, name string) []byte {
	return append(append(append(dst, kind), name...), 0)
}

// item begins an element of an array.
func item(dst []byte, i int) []byte {
	return append(strconv.AppendInt(append(dst, kindNull), int64(i), 10), 0)
}

// begin begins a document or array, which end ends.
func begin(dst []byte) (out []byte, at int) { return append(dst, 0, 0, 0, 0), len(dst) }

func end(dst []byte, at int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at)) // of what is too long, nothing is sent
	return dst
}

func appendLong(dst []byte, name string, n int64) []byte {
	return binary.LittleEndian.AppendUint64(element(dst, kindLong, name), uint64(n))
}

// appendNumber appends a number of a record: a long, or 20 digits beyond its range.
func appendNumber(dst []byte, name string, n uint64) []byte {
	if n > math.MaxInt64 {
		return appendString(dst, name, string(appendDigits(nil, n)))
	}
	return appendLong(dst, name, int64(n))
}

func appendString(dst []byte, name, s string) []byte {
	return stringPayload(element(dst, kindText, name), s)
}

func stringPayload(dst []byte, s string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)+1))
	return append(append(dst, s...), 0)
}

func binaryPayload[T string | []byte](dst []byte, b T) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	return append(append(dst, 0), b...)
}

// appendText appends a text that may not be UTF-8.
func appendText(dst []byte, name, s string) []byte {
	at := len(dst)
	return textPayload(element(dst, kindText, name), at, s)
}

// textPayload appends a text to an element that begins at at.
func textPayload(dst []byte, at int, s string) []byte {
	if utf8.ValidString(s) {
		dst[at] = kindText
		return stringPayload(dst, s)
	}
	dst[at] = kindDoc
	dst, from := begin(dst)
	return end(binaryPayload(element(dst, kindBinary, tagText), s), from)
}

// date returns a time as BSON has it, and the nanoseconds that it has not.
func date(t time.Time) (ms int64, ns int32, err error) {
	if s := t.Unix(); s > math.MaxInt64/1000-1 || s < math.MinInt64/1000+1 {
		return 0, 0, core.Errorf(core.ErrUnsupported, "the time is %d seconds away from 1970, which is more than a date can hold", s)
	}
	return t.UnixMilli(), int32(t.Nanosecond() % 1e6), nil
}

func appendDate(dst []byte, name string, ms int64) []byte {
	return binary.LittleEndian.AppendUint64(element(dst, kindDate, name), uint64(ms))
}

func appendInt(dst []byte, name string, n int32) []byte {
	return binary.LittleEndian.AppendUint32(element(dst, kindInt, name), uint32(n))
}

// appendTime appends the time of a record: a date, and behind it what the date lacks.
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	ms, ns, err := date(t)
	if err != nil {
		return dst, err
	}
	if dst = appendDate(dst, "time", ms); ns != 0 {
		dst = appendInt(dst, "ns", ns)
	}
	return dst, nil
}

// payload appends a value to an element that begins at at, and sets its kind.
func payload(dst []byte, at int, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, core.Errorf(core.ErrUnsupported, "lists and maps nest deeper than %d levels, or hold themselves", maxDepth)
	}
	kind := byte(kindNull)
	switch v := v.(type) {
	case nil:
	case bool:
		kind = kindBool
		b := byte(0)
		if v {
			b = 1
		}
		dst = append(dst, b)
	case int64:
		kind = kindLong
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	case uint64:
		if v <= math.MaxInt32 {
			kind = kindInt
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
			break
		}
		kind = kindDoc
		var from int
		dst, from = begin(dst)
		dst = end(appendNumber(dst, tagUint, v), from)
	case float64:
		kind = kindDouble
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	case string:
		return textPayload(dst, at, v), nil
	case []byte:
		kind = kindBinary
		dst = binaryPayload(dst, v)
	case time.Time:
		ms, ns, err := date(v)
		if err != nil {
			return dst, err
		}
		if ns == 0 {
			kind = kindDate
			dst = binary.LittleEndian.AppendUint64(dst, uint64(ms))
			break
		}
		kind = kindDoc
		var from int
		dst, from = begin(dst)
		dst = end(appendInt(appendDate(dst, tagTime, ms), tagNano, ns), from)
	case []any:
		dst[at] = kindArray
		return listPayload(dst, v, depth)
	case map[string]any:
		dst[at] = kindDoc
		return mapPayload(dst, v, depth)
	default:
		return dst, core.Errorf(core.ErrUnsupported, "a %T is no field value: make it one of those that core.Field lists", v)
	}
	dst[at] = kind
	return dst, nil
}

func listPayload(dst []byte, list []any, depth int) ([]byte, error) {
	dst, from := begin(dst)
	for i, x := range list {
		at := len(dst)
		var err error
		if dst, err = payload(item(dst, i), at, x, depth+1); err != nil {
			return dst, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return end(dst, from), nil
}

// mapPayload appends a map, its keys in ascending order: equal maps give equal bytes.
func mapPayload(dst []byte, m map[string]any, depth int) ([]byte, error) {
	dst, from := begin(dst)
	keys := make([]string, 0, 16) // stays on the stack for most maps
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		at := len(dst)
		var err error
		if dst, err = payload(element(dst, kindNull, escape(k, oddField)), at, m[k], depth+1); err != nil {
			return dst, fmt.Errorf("[%q]: %w", k, err)
		}
	}
	return end(dst, from), nil
}

// appendObject appends an object to an element that begins at at.
func appendObject(dst []byte, at int, o core.ObjectState) ([]byte, error) {
	dst[at] = kindDoc
	dst, from := begin(dst)
	dst = appendNumber(dst, "id", o.ID)
	dst = appendText(dst, "class", o.Class)
	dst = appendLong(dst, "owner", int64(o.Owner))
	dst = element(dst, kindBool, "alive")
	if o.Alive {
		dst = append(dst, 1)
	} else {
		dst = append(dst, 0)
	}
	dst, fields := begin(element(dst, kindDoc, "fields"))
	for i, f := range o.Fields {
		for j := range i {
			if o.Fields[j].Name == f.Name {
				return dst, core.Errorf(core.ErrUnsupported, "object %d: two fields have the name %q", o.ID, f.Name)
			}
		}
		at := len(dst)
		var err error
		if dst, err = payload(element(dst, kindNull, escape(f.Name, oddField)), at, f.Value, 0); err != nil {
			return dst, fmt.Errorf("object %d: field %q: %w", o.ID, f.Name, err)
		}
	}
	return end(end(dst, fields), from), nil
}

// appendEvent appends the elements of an event.
func appendEvent(dst []byte, e core.Event) ([]byte, error) {
	dst = appendText(dst, "match", e.Match)
	dst = appendNumber(dst, "epoch", e.Epoch)
	dst = appendNumber(dst, "seq", e.Seq)
	dst = appendNumber(dst, "tick", e.Tick)
	dst, err := appendTime(dst, e.Time)
	if err != nil {
		return dst, err
	}
	dst = appendText(dst, "kind", e.Kind)
	dst = appendLong(dst, "player", int64(e.Player))
	if e.Data == nil {
		return dst, nil
	}
	if dst, err = mapPayload(element(dst, kindDoc, "data"), e.Data, 0); err != nil {
		return dst, fmt.Errorf("data: %w", err)
	}
	return dst, nil
}
