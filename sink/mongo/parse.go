package mongo

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

// value is one that was read: its kind, and the bytes behind its name.
type value struct {
	kind byte
	data []byte
}

func malformed(format string, args ...any) error {
	return core.Errorf(core.ErrMalformed, format, args...)
}

// members calls f for each element of a document or array. What it hands out is part
// of doc.
func members(doc []byte, f func(name []byte, v value) error) error {
	if len(doc) < 5 || uint64(binary.LittleEndian.Uint32(doc)) != uint64(len(doc)) || doc[len(doc)-1] != 0 {
		return malformed("a document has another length than it says")
	}
	for rest := doc[4 : len(doc)-1]; len(rest) > 0; {
		kind := rest[0]
		n := bytes.IndexByte(rest[1:], 0)
		if n < 0 {
			return malformed("the name of a field does not end")
		}
		name := rest[1 : 1+n]
		rest = rest[n+2:]
		size, ok := sizeOf(kind, rest)
		if !ok || size > uint64(len(rest)) {
			return malformed("field %.100q: it is cut off, or of the kind %#x, which nobody writes here", name, kind)
		}
		if err := f(name, value{kind, rest[:size]}); err != nil {
			return err
		}
		rest = rest[size:]
	}
	return nil
}

// sizeOf returns how long the value is at the beginning of b.
func sizeOf(kind byte, b []byte) (size uint64, ok bool) {
	switch kind {
	case kindNull:
		return 0, true
	case kindBool:
		return 1, true
	case kindInt:
		return 4, true
	case kindDouble, kindDate, kindLong, 0x11: // 0x11 is a timestamp
		return 8, true
	case 0x07: // an ObjectId, such as somebody may have added by hand
		return 12, true
	case 0x13: // a decimal
		return 16, true
	}
	if len(b) < 4 {
		return 0, false
	}
	size = uint64(binary.LittleEndian.Uint32(b))
	switch kind {
	case kindText:
		return size + 4, size > 0
	case kindDoc, kindArray:
		return size, size >= 5
	case kindBinary:
		return size + 5, true
	}
	return 0, false
}

func (v value) bits() uint64 { return binary.LittleEndian.Uint64(v.data) }

// long reads a whole number. Tools such as Compass may have made an int of a long.
func (v value) long() (int64, bool) {
	switch v.kind {
	case kindLong:
		return int64(v.bits()), true
	case kindInt:
		return int64(int32(binary.LittleEndian.Uint32(v.data))), true
	}
	return 0, false
}

// number reads what appendNumber writes.
func (v value) number() (uint64, error) {
	if n, ok := v.long(); ok && n >= 0 {
		return uint64(n), nil
	}
	if v.kind == kindText {
		if s, err := v.text(); err == nil && len(s) == 20 {
			if n, err := strconv.ParseUint(s, 10, 64); err == nil && n > math.MaxInt64 {
				return n, nil
			}
		}
	}
	return 0, malformed("want a number from 0 to 2^64-1")
}

// uint32 reads a number of 32 bits.
func (v value) uint32() (uint32, error) {
	n, ok := v.long()
	if !ok || n < 0 || n > math.MaxUint32 {
		return 0, malformed("want a number from 0 to 2^32-1")
	}
	return uint32(n), nil
}

func (v value) bool() (bool, error) {
	if v.kind != kindBool || v.data[0] > 1 {
		return false, malformed("want true or false")
	}
	return v.data[0] == 1, nil
}

// text reads what appendText writes.
func (v value) text() (string, error) {
	switch v.kind {
	case kindText:
		if s := v.data[4 : len(v.data)-1]; v.data[len(v.data)-1] == 0 && utf8.Valid(s) {
			return string(s), nil
		}
	case kindDoc:
		x, err := v.any(0)
		if s, ok := x.(string); ok && err == nil {
			return s, nil
		}
	}
	return "", malformed("want a text")
}

// time reads a date, and what it lacks.
func (v value) time(ns int32) (time.Time, error) {
	if v.kind != kindDate || ns < 0 || ns >= 1e6 {
		return time.Time{}, malformed("want a date")
	}
	return time.UnixMilli(int64(v.bits())).Add(time.Duration(ns)).UTC(), nil
}

// any reads a value of a field. It shares no memory with what was read.
func (v value) any(depth int) (any, error) {
	if depth > maxDepth+1 { // that of a value, and a tag
		return nil, malformed("lists and maps nest deeper than %d levels", maxDepth)
	}
	switch v.kind {
	case kindNull:
		return nil, nil
	case kindBool:
		return v.bool()
	case kindLong:
		return int64(v.bits()), nil
	case kindInt:
		n := int32(binary.LittleEndian.Uint32(v.data))
		if n < 0 {
			return int64(n), nil // not written here, and what else can it mean
		}
		return uint64(n), nil
	case kindDouble:
		return math.Float64frombits(v.bits()), nil
	case kindText:
		return v.text()
	case kindBinary:
		return append([]byte{}, v.data[5:]...), nil
	case kindDate:
		return v.time(0)
	case kindArray:
		list := []any{}
		return list, members(v.data, func(_ []byte, x value) error {
			y, err := x.any(depth + 1)
			list = append(list, y)
			return err
		})
	case kindDoc:
		return v.document(depth)
	}
	return nil, malformed("a value of the kind %#x was not written here", v.kind)
}

// document reads a map, or what has a tag.
func (v value) document(depth int) (any, error) {
	m := map[string]any{}
	var tagged any
	var tag string
	err := members(v.data, func(name []byte, x value) (err error) {
		switch s := string(name); {
		case len(m) == 0 && tag == "" && (s == tagUint || s == tagText || s == tagTime):
			tag = s
			tagged, err = x.tagged(s)
			return err
		case tag == tagTime && s == tagNano:
			ns, ok := x.long()
			if tag = ""; !ok || ns <= 0 || ns >= 1e6 {
				return malformed("want the nanoseconds of a time")
			}
			tagged = tagged.(time.Time).Add(time.Duration(ns))
			return nil
		case tagged != nil:
			return malformed("there is more than its value in a document with %.20s", s)
		default:
			key, ok := unescape(s)
			if _, twice := m[key]; !ok || twice {
				return malformed("a map has the key %.100q, or has it twice", s)
			}
			m[key], err = x.any(depth + 1)
			return err
		}
	})
	if tagged != nil {
		return tagged, err
	}
	return m, err
}

// tagged reads a value that has a tag.
func (v value) tagged(tag string) (any, error) {
	switch tag {
	case tagUint:
		return v.number()
	case tagText:
		if v.kind != kindBinary {
			return nil, malformed("want the bytes of a text")
		}
		return string(v.data[5:]), nil
	}
	return v.time(0)
}

// names remembers names, so that ten thousand objects of a class share those of their
// fields.
type names map[string]string

// maxNames bounds what is remembered.
const maxNames = 4096

func (n names) field(b []byte) (string, error) {
	if s, ok := n[string(b)]; ok {
		return s, nil
	}
	s, ok := unescape(string(b))
	if !ok {
		return "", malformed("no field has the name %.100q", b)
	}
	if len(n) < maxNames {
		n[string(b)] = s
	}
	return s, nil
}

// text reads a text that comes again and again.
func (n names) text(v value) (string, error) {
	key := append([]byte{0}, v.data...) // stays apart from names of fields
	if s, ok := n[string(key)]; ok && v.kind == kindText {
		return s, nil
	}
	s, err := v.text()
	if err == nil && v.kind == kindText && len(n) < maxNames {
		n[string(key)] = s
	}
	return s, err
}

// object reads what appendObject writes.
func (n names) object(v value) (o core.ObjectState, err error) {
	if v.kind != kindDoc {
		return o, malformed("an object is no document")
	}
	count := 0
	err = members(v.data, func(name []byte, v value) (err error) {
		count++
		switch string(name) {
		case "id":
			o.ID, err = v.number()
		case "class":
			o.Class, err = n.text(v)
		case "owner":
			o.Owner, err = v.uint32()
		case "alive":
			o.Alive, err = v.bool()
		case "fields":
			if v.kind != kindDoc {
				return malformed("the fields of an object are no document")
			}
			return members(v.data, func(name []byte, v value) error {
				s, err := n.field(name)
				if err != nil {
					return err
				}
				x, err := v.any(0)
				o.Fields = append(o.Fields, core.Field{Name: s, Value: x})
				return err
			})
		default:
			count--
		}
		return err
	})
	if err == nil && count != 5 {
		err = malformed("an object has not id, class, owner, alive and fields once each")
	}
	return o, err
}
