package codec

import (
	"reflect"

	"github.com/tinylib/msgp/msgp"

	"github.com/parley-net/parley/core"
)

// Msgp is the default codec: MessagePack, with structs as tuples. The zero value
// is ready to use, holds nothing and is safe for concurrent use. The package
// comment says what it carries and in which form.
type Msgp struct{}

var _ core.Codec = Msgp{}

// Name returns "msgp/1".
func (Msgp) Name() string { return "msgp/1" }

// Append appends the encoding of v to dst. A pointer is written as what it points
// to, a nil one as nil. On an error, which wraps core.ErrUnsupported, dst comes
// back with the length and content that it had.
func (Msgp) Append(dst []byte, v any) ([]byte, error) {
	if v == nil {
		return msgp.AppendNil(dst), nil
	}
	p := planOf(reflect.TypeOf(v))
	if p.err != nil {
		return dst, p.err
	}
	rv := reflect.ValueOf(v)
	if p.op == opPointer {
		if rv.IsNil() {
			return msgp.AppendNil(dst), nil
		}
		rv, p = rv.Elem(), p.elem
	}
	e := encoder{b: dst}
	f := e.value(p, rv, 0)
	if size := len(e.b) - len(dst); f == nil && e.cost > budget(size) {
		f = unsupported("a peer would take %d bytes of memory for its %d bytes, and allows %d: "+
			"send fewer small maps and empty elements at once", e.cost, size, budget(size))
	}
	if f != nil {
		return dst, f.error(p.typ)
	}
	return e.b, nil
}

// Decode reads one value from the front of src into v, a non-nil pointer, and
// returns the bytes behind it. It sets what v points to to zero first, fields
// that do not travel included, so nothing old shows through and no memory of an
// old value is written to. After an error, which wraps core.ErrMalformed, what v
// points to is zero and rest is src. Only a v that is no pointer, is nil, or
// points to a type without support gives core.ErrUnsupported instead.
func (Msgp) Decode(src []byte, v any) (rest []byte, err error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return src, core.Errorf(core.ErrUnsupported, "codec: Decode needs a pointer that is not nil, got %T: pass &value", v)
	}
	p := planOf(rv.Type())
	if p.err != nil {
		return src, p.err
	}
	p, rv = p.elem, rv.Elem()
	rv.SetZero()
	d := decoder{b: src, left: budget(len(src))}
	if f := d.value(p, rv, 0); f != nil {
		rv.SetZero()
		return src, f.error(p.typ)
	}
	return d.b, nil
}

// Supports reports whether values of type t can travel: nil, or an error that
// wraps core.ErrUnsupported, names the field at fault and says what to do. Call
// it where a program registers its types, so that mistakes show at the start. An
// `any` in t is taken as it is; what it holds is checked when it is sent.
func (Msgp) Supports(t reflect.Type) error {
	if t == nil {
		return core.Errorf(core.ErrUnsupported, "codec: no type: pass reflect.TypeFor of the type that travels")
	}
	return planOf(t).err
}
