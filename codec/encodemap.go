package codec

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// entry is the place of one encoded entry of a map in the encoder's bytes.
type entry struct {
	text     string // the key of a map keyed by strings
	num      uint64 // the key of one keyed by integers, in an order of unsigned numbers
	from, to int
}

// table appends a map with its entries in ascending order of keys. It encodes
// them as they come and then puts the pieces in order.
func (e *encoder) table(p *plan, v reflect.Value, depth int) *fault {
	if v.IsNil() {
		e.b = msgp.AppendNil(e.b)
		return nil
	}
	n := v.Len()
	if depth > maxDepth {
		return cyclic()
	}
	if uint64(n) > maxLen {
		return tooLong(n)
	}
	e.chargeMap(p, n)
	e.b = msgp.AppendMapHeader(e.b, uint32(n))
	if n == 0 {
		return nil
	}
	start := len(e.b)
	entries := make([]entry, 0, n)
	key, elem := reflect.New(p.key.typ).Elem(), reflect.New(p.elem.typ).Elem()
	for it := v.MapRange(); it.Next(); {
		key.SetIterKey(it)
		elem.SetIterValue(it)
		en := entry{from: len(e.b)}
		f := e.value(p.key, key, depth)
		if f == nil {
			f = e.value(p.elem, elem, depth)
		}
		en.to = len(e.b)
		switch p.key.op {
		case opString:
			en.text = key.String()
		case opInt:
			en.num = uint64(key.Int()) ^ 1<<63
		default:
			en.num = key.Uint()
		}
		if f != nil {
			return f.in("[" + keyText(key) + "]")
		}
		entries = append(entries, en)
	}
	if e.inAny && p.key.op == opUint && slices.ContainsFunc(entries, func(en entry) bool { return en.num>>63 != 0 }) {
		e.chargeMap(p, n) // the decoder starts with a map[int64]any, and then copies it
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.num != b.num {
			return cmp.Compare(a.num, b.num)
		}
		return strings.Compare(a.text, b.text)
	})
	e.scratch = append(e.scratch[:0], e.b[start:]...)
	at := start
	for _, en := range entries {
		at += copy(e.b[at:], e.scratch[en.from-start:en.to-start])
	}
	return nil
}

func (e *encoder) chargeMap(p *plan, n int) {
	if e.inAny {
		key := 8
		if p.key.op == opString {
			key = stringSize
		}
		e.cost += mapCost(key, anySize, n)
		return
	}
	e.cost += mapCost(p.key.size, p.elem.size, n)
	if n > 0 {
		e.cost += allocCost(p.key.size) + allocCost(p.elem.size)
	}
}
