package codec

import (
	"reflect"

	"github.com/tinylib/msgp/msgp"
)

// shape says what generated code takes memory for, so that the cost of bytes can
// be told before it reads them. Without it, each object would have to count as
// the largest.
type shape struct {
	kind   reflect.Kind // Slice, Array, Pointer, Struct, or Invalid for what fits in place
	size   int          // memory of one value
	elem   *shape
	fields []*shape          // of structs, which travel as a tuple of these,
	public []*shape          // of the exported ones among these,
	names  map[string]*shape // or as a map with these keys
}

// cost bounds the memory for the object at the front of b, which scan has seen.
// An object that the shape does not foresee counts as if each part of it took
// unit.
func (s *shape) cost(b []byte, unit int64) (rest []byte, cost int64) {
	if msgp.IsNil(b) {
		return b[1:], 0
	}
	if s.kind == reflect.Pointer {
		rest, cost = s.elem.cost(b, unit)
		return rest, cost + allocCost(s.elem.size)
	}
	h := heads[b[0]]
	size, children := int(h.size), int(h.children)
	if h.width > 0 {
		size, children = long(h, b)
	}
	isMap := h.children == 2 && h.width > 0 || b[0]&0xf0 == 0x80
	inside := b[size:]
	switch {
	case children < 0:
		return inside, 0
	case s.kind == reflect.Slice && !isMap:
		return s.elem.costs(inside, children, unit, listCost(children, s.elem.size))
	case s.kind == reflect.Array && !isMap:
		return s.elem.costs(inside, children, unit, 0)
	case s.kind == reflect.Struct && isMap:
		for range children / 2 {
			var key []byte
			var one int64
			key, inside = keyOf(inside)
			if field := s.names[string(key)]; field != nil {
				inside, one = field.cost(inside, unit)
			} else {
				inside, one = worst(inside, unit)
			}
			cost += one
		}
		return inside, cost
	case s.kind == reflect.Struct && children == len(s.fields):
		return tuple(s.fields, inside, unit)
	case s.kind == reflect.Struct && children == len(s.public):
		return tuple(s.public, inside, unit)
	}
	return worst(b, unit)
}

// costs bounds n objects of the same shape.
func (s *shape) costs(b []byte, n int, unit, cost int64) (rest []byte, _ int64) {
	for range n {
		var one int64
		b, one = s.cost(b, unit)
		cost += one
	}
	return b, cost
}

func tuple(fields []*shape, b []byte, unit int64) (rest []byte, cost int64) {
	for _, field := range fields {
		var one int64
		b, one = field.cost(b, unit)
		cost += one
	}
	return b, cost
}

func worst(b []byte, unit int64) (rest []byte, cost int64) {
	rest, objects, _ := scanList(b, 1, 0)
	return rest, int64(objects) * unit
}

// keyOf takes a key off b; one that is no string comes back as nil.
func keyOf(b []byte) (key, rest []byte) {
	if key, rest, err := msgp.ReadMapKeyZC(b); err == nil {
		return key, rest
	}
	rest, _, _ = scanList(b, 1, 0)
	return nil, rest
}
