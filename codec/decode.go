package codec

import (
	"reflect"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// decoder reads from the front of b and pays for memory, before it takes it, out
// of left. The values that it fills are zero.
type decoder struct {
	b    []byte
	left int64
}

func (d *decoder) pay(n int64) *fault {
	if d.left -= n; d.left < 0 {
		return malformed("it would take more memory than its bytes allow")
	}
	return nil
}

// scalar fills a value of one of the kinds of op before opString.
func (d *decoder) scalar(p *plan, v reflect.Value) *fault {
	switch p.op {
	case opBool:
		x, rest, err := msgp.ReadBoolBytes(d.b)
		if err != nil {
			return wrong(p.typ.String(), d.b)
		}
		v.SetBool(x)
		d.b = rest
	case opInt:
		x, rest, err := msgp.ReadInt64Bytes(d.b)
		if err != nil || v.OverflowInt(x) {
			return wrong(p.typ.String(), d.b)
		}
		v.SetInt(x)
		d.b = rest
	case opUint:
		x, rest, err := msgp.ReadUint64Bytes(d.b)
		if err != nil || v.OverflowUint(x) {
			return wrong(p.typ.String(), d.b)
		}
		v.SetUint(x)
		d.b = rest
	case opFloat32:
		x, rest, err := msgp.ReadFloat32Bytes(d.b)
		if err != nil {
			return wrong(p.typ.String(), d.b)
		}
		v.SetFloat(float64(x))
		d.b = rest
	case opFloat64:
		x, rest, err := msgp.ReadFloat64Bytes(d.b)
		if err != nil {
			return wrong(p.typ.String(), d.b)
		}
		v.SetFloat(x)
		d.b = rest
	}
	return nil
}

// value fills v as p says; depth counts the containers around it.
func (d *decoder) value(p *plan, v reflect.Value, depth int) *fault {
	switch p.op {
	default:
		return d.scalar(p, v)
	case opString:
		x, f := d.text(p)
		if f != nil {
			return f
		}
		v.SetString(x)
	case opTime:
		x, f := d.time()
		if f != nil {
			return f
		}
		setTime(v, x)
	case opBytes, opByteArray:
		return d.binary(p, v)
	case opStruct:
		if depth++; depth > maxDepth {
			return tooDeep()
		}
		n, rest, err := msgp.ReadArrayHeaderBytes(d.b)
		if err != nil {
			return wrong(p.typ.String()+" as an array", d.b)
		}
		if int64(n) != int64(p.n) {
			return malformed("want the %d fields of %s, found %d", p.n, p.typ, n)
		}
		d.b = rest
		return d.fields(p, v, depth)
	case opSlice, opArray:
		return d.list(p, v, depth+1)
	case opMap:
		return d.table(p, v, depth+1)
	case opPointer:
		if d.null() {
			return nil
		}
		if f := d.pay(allocCost(p.elem.size)); f != nil {
			return f
		}
		x := reflect.New(p.elem.typ)
		if f := d.value(p.elem, x.Elem(), depth); f != nil {
			return f
		}
		v.Set(x)
	case opAny:
		x, f := d.any(depth)
		if f != nil {
			return f
		}
		if x != nil {
			v.Set(reflect.ValueOf(x))
		}
	case opGenerated:
		return d.generated(p, v, depth)
	}
	return nil
}

// null takes a nil, if one is next.
func (d *decoder) null() bool {
	if !msgp.IsNil(d.b) {
		return false
	}
	d.b = d.b[1:]
	return true
}

func (d *decoder) text(p *plan) (string, *fault) {
	var x, rest []byte
	err := msgp.ErrShortBytes
	if whole(d.b) {
		x, rest, err = msgp.ReadStringZC(d.b)
	}
	if err != nil {
		return "", wrong(p.typ.String(), d.b)
	}
	if f := d.pay(allocCost(len(x))); f != nil {
		return "", f
	}
	d.b = rest
	return string(x), nil
}

func (d *decoder) binary(p *plan, v reflect.Value) *fault {
	if p.op == opBytes && d.null() {
		return nil
	}
	var x, rest []byte
	err := msgp.ErrShortBytes
	if whole(d.b) {
		x, rest, err = msgp.ReadBytesZC(d.b)
	}
	switch {
	case err != nil:
		return wrong(p.typ.String()+" as bin", d.b)
	case p.op == opBytes:
		if f := d.pay(allocCost(len(x))); f != nil {
			return f
		}
		own := make([]byte, len(x))
		copy(own, x)
		v.SetBytes(own)
	case len(x) != p.n:
		return malformed("want the %d bytes of %s, found %d", p.n, p.typ, len(x))
	default:
		copy(v.Bytes(), x)
	}
	d.b = rest
	return nil
}

func (d *decoder) time() (time.Time, *fault) {
	if !whole(d.b) {
		return time.Time{}, wrong("a time", d.b)
	}
	x, rest, err := msgp.ReadTimeUTCBytes(d.b)
	if err != nil {
		return x, wrong("a time", d.b)
	}
	d.b = rest
	return x, nil
}

func setTime(v reflect.Value, t time.Time) {
	if v.Type() == timeType {
		*v.Addr().Interface().(*time.Time) = t
		return
	}
	v.Set(reflect.ValueOf(t).Convert(v.Type()))
}

func (d *decoder) fields(p *plan, v reflect.Value, depth int) *fault {
	for i := range p.fields {
		field := &p.fields[i]
		fv := v.Field(field.index)
		var f *fault
		switch {
		case field.plan.op < opString:
			f = d.scalar(field.plan, fv)
		case field.inline:
			f = d.fields(field.plan, fv, depth)
		default:
			f = d.value(field.plan, fv, depth)
		}
		if f != nil {
			return f.in("." + field.name)
		}
	}
	return nil
}

func (d *decoder) list(p *plan, v reflect.Value, depth int) *fault {
	if p.op == opSlice && d.null() {
		return nil
	}
	if depth > maxDepth {
		return tooDeep()
	}
	count, rest, err := msgp.ReadArrayHeaderBytes(d.b)
	if err != nil {
		return wrong(p.typ.String()+" as an array", d.b)
	}
	n := int(count)
	switch {
	case n > len(rest) || n < 0:
		return malformed("%d elements are announced, and %d bytes follow", count, len(rest))
	case p.op == opArray && n != p.n:
		return malformed("want the %d elements of %s, found %d", p.n, p.typ, n)
	case p.op == opSlice:
		if f := d.pay(listCost(n, p.elem.size)); f != nil {
			return f
		}
		v.Set(reflect.MakeSlice(p.typ, n, n))
	}
	d.b = rest
	for i := range n {
		if f := d.value(p.elem, v.Index(i), depth); f != nil {
			return f.at(i)
		}
	}
	return nil
}
