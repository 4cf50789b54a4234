package codec

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// mapHeader reads how many entries follow, and that they can.
func (d *decoder) mapHeader(t reflect.Type) (int, *fault) {
	count, rest, err := msgp.ReadMapHeaderBytes(d.b)
	if err != nil {
		return 0, wrong(t.String()+" as a map", d.b)
	}
	if int64(count) > int64(len(rest)/2) {
		return 0, malformed("%d entries are announced, and %d bytes follow", count, len(rest))
	}
	d.b = rest
	return int(count), nil
}

func (d *decoder) table(p *plan, v reflect.Value, depth int) *fault {
	if d.null() {
		return nil
	}
	if depth > maxDepth {
		return tooDeep()
	}
	n, f := d.mapHeader(p.typ)
	if f != nil {
		return f
	}
	if p.anyMap {
		m, f := d.mapStringAny(n, depth)
		v.Set(reflect.ValueOf(m))
		return f
	}
	cost := mapCost(p.key.size, p.elem.size, n)
	if n > 0 {
		cost += allocCost(p.key.size) + allocCost(p.elem.size)
	}
	if f := d.pay(cost); f != nil {
		return f
	}
	m := reflect.MakeMapWithSize(p.typ, n)
	v.Set(m)
	if n == 0 {
		return nil
	}
	key, elem := reflect.New(p.key.typ).Elem(), reflect.New(p.elem.typ).Elem()
	for i := range n {
		key.SetZero()
		if f := d.value(p.key, key, depth); f != nil {
			return f.in("[key " + strconv.Itoa(i) + "]")
		}
		elem.SetZero()
		if f := d.value(p.elem, elem, depth); f != nil {
			return f.in("[" + keyText(key) + "]")
		}
		m.SetMapIndex(key, elem)
		if m.Len() == i {
			return malformed("the key comes twice").in("[" + keyText(key) + "]")
		}
	}
	return nil
}

// keyText names the entry of a map in an error.
func keyText(key reflect.Value) string {
	if key.Kind() == reflect.String {
		return quote(key.String())
	}
	return fmt.Sprint(key)
}

var textPlan = planOf(reflect.TypeFor[string]())

// any reads a value whose type the bytes decide.
func (d *decoder) any(depth int) (any, *fault) {
	if !whole(d.b) {
		return nil, wrong("a value", d.b)
	}
	cost := int64(boxWord)
	switch msgp.NextType(d.b) {
	case msgp.NilType, msgp.BoolType:
		cost = 0
	case msgp.StrType:
		cost = boxString
	case msgp.BinType:
		cost = boxSlice
	case msgp.TimeType, msgp.ExtensionType: // msgp calls a time at the very end an extension
		cost = boxTime
	case msgp.ArrayType:
		return d.listAny(depth + 1)
	case msgp.MapType:
		return d.mapAny(depth + 1)
	}
	if f := d.pay(cost); f != nil {
		return nil, f
	}
	return d.anyScalar()
}

func (d *decoder) anyScalar() (x any, f *fault) {
	var rest []byte
	var err error
	switch msgp.NextType(d.b) {
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(d.b)
	case msgp.BoolType:
		x, rest, err = msgp.ReadBoolBytes(d.b)
	case msgp.IntType:
		x, rest, err = msgp.ReadInt64Bytes(d.b)
	case msgp.UintType:
		var u uint64
		if u, rest, err = msgp.ReadUint64Bytes(d.b); int64(u) >= 0 {
			x = int64(u)
		} else {
			x = u
		}
	case msgp.Float32Type:
		x, rest, err = msgp.ReadFloat32Bytes(d.b)
	case msgp.Float64Type:
		x, rest, err = msgp.ReadFloat64Bytes(d.b)
	case msgp.StrType:
		return d.text(textPlan)
	case msgp.BinType:
		var b []byte
		if b, rest, err = msgp.ReadBytesZC(d.b); err == nil {
			if f := d.pay(allocCost(len(b))); f != nil {
				return nil, f
			}
			x = append([]byte{}, b...)
		}
	case msgp.TimeType, msgp.ExtensionType:
		return d.time()
	default:
		return nil, wrong("a value", d.b)
	}
	if err != nil {
		return nil, wrong("a value", d.b)
	}
	d.b = rest
	return x, nil
}

func (d *decoder) listAny(depth int) (any, *fault) {
	if depth > maxDepth {
		return nil, tooDeep()
	}
	count, rest, err := msgp.ReadArrayHeaderBytes(d.b)
	if err != nil {
		return nil, wrong("an array", d.b)
	}
	if int64(count) > int64(len(rest)) {
		return nil, malformed("%d elements are announced, and %d bytes follow", count, len(rest))
	}
	if f := d.pay(boxSlice + listCost(int(count), anySize)); f != nil {
		return nil, f
	}
	d.b = rest
	list := make([]any, count)
	for i := range list {
		x, f := d.any(depth)
		if f != nil {
			return nil, f.at(i)
		}
		list[i] = x
	}
	return list, nil
}

// mapAny reads a map[string]any or, when the first key is an integer, a
// map[int64]any; one with a key beyond int64 is a map[uint64]any.
func (d *decoder) mapAny(depth int) (any, *fault) {
	if depth > maxDepth {
		return nil, tooDeep()
	}
	n, f := d.mapHeader(mapAnyType)
	if f != nil {
		return nil, f
	}
	if n > 0 {
		switch msgp.NextType(d.b) {
		case msgp.IntType, msgp.UintType:
			return d.mapIntAny(n, depth)
		}
	}
	return d.mapStringAny(n, depth)
}

func (d *decoder) mapStringAny(n, depth int) (map[string]any, *fault) {
	if f := d.pay(mapCost(stringSize, anySize, n)); f != nil {
		return nil, f
	}
	m := make(map[string]any, n)
	for i := range n {
		key, f := d.text(textPlan)
		if f != nil {
			return nil, f.in("[key " + strconv.Itoa(i) + "]")
		}
		x, f := d.any(depth)
		if f != nil {
			return nil, f.key(key)
		}
		if m[key] = x; len(m) == i {
			return nil, malformed("the key comes twice").key(key)
		}
	}
	return m, nil
}

func (d *decoder) mapIntAny(n, depth int) (any, *fault) {
	if f := d.pay(mapCost(8, anySize, n)); f != nil {
		return nil, f
	}
	m := make(map[int64]any, n)
	for i := range n {
		key, rest, err := msgp.ReadInt64Bytes(d.b)
		if err != nil {
			return d.mapUintAny(m, n, depth)
		}
		d.b = rest
		x, f := d.any(depth)
		if f != nil {
			return nil, f.at(int(key))
		}
		if m[key] = x; len(m) == i {
			return nil, malformed("the key comes twice").at(int(key))
		}
	}
	return m, nil
}

// mapUintAny goes on where mapIntAny met a key that is no int64.
func (d *decoder) mapUintAny(old map[int64]any, n, depth int) (any, *fault) {
	if f := d.pay(mapCost(8, anySize, n)); f != nil {
		return nil, f
	}
	m := make(map[uint64]any, n)
	for key, x := range old {
		if key < 0 {
			return nil, malformed("its keys are not all strings, all int64 or all uint64")
		}
		m[uint64(key)] = x
	}
	for i := len(m); i < n; i++ {
		key, rest, err := msgp.ReadUint64Bytes(d.b)
		if err != nil {
			return nil, wrong("an integer as key", d.b).in("[key " + strconv.Itoa(i) + "]")
		}
		d.b = rest
		x, f := d.any(depth)
		if f != nil {
			return nil, f.in("[" + strconv.FormatUint(key, 10) + "]")
		}
		if m[key] = x; len(m) == i {
			return nil, malformed("the key comes twice").in("[" + strconv.FormatUint(key, 10) + "]")
		}
	}
	return m, nil
}
