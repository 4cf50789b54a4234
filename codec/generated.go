package codec

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/tinylib/msgp/msgp"
)

// generated is what there is to know about a type that brings its own methods,
// as the msgp tool writes them.
type generated struct {
	byValue  bool // MarshalMsg takes a value
	unit     int  // the most memory that generated code takes for one object
	borrowed bool // it may keep slices of what it decodes
}

var (
	marshalerType   = reflect.TypeFor[msgp.Marshaler]()
	unmarshalerType = reflect.TypeFor[msgp.Unmarshaler]()
)

// generatedFor returns nil for a type without both methods.
func generatedFor(t reflect.Type) (*generated, *fault) {
	if k := t.Kind(); k == reflect.Interface || k == reflect.Pointer {
		return nil, nil
	}
	ptr := reflect.PointerTo(t)
	if !ptr.Implements(marshalerType) || !ptr.Implements(unmarshalerType) {
		return nil, nil
	}
	g := &generated{byValue: t.Implements(marshalerType)}
	s := survey{gen: g}
	if f := s.visit(t); f != nil {
		return nil, f
	}
	return g, nil
}

// generated appends v by its own method, and checks that one sound object came.
func (e *encoder) generated(p *plan, v reflect.Value, depth int) *fault {
	var m msgp.Marshaler
	switch {
	case v.CanAddr():
		m = v.Addr().Interface().(msgp.Marshaler)
	case p.gen.byValue:
		m = v.Interface().(msgp.Marshaler)
	default:
		c := reflect.New(p.typ)
		c.Elem().Set(v)
		m = c.Interface().(msgp.Marshaler)
	}
	start := len(e.b)
	out, err := m.MarshalMsg(e.b)
	if err != nil {
		f := unsupported("its MarshalMsg method failed")
		f.err = err
		return f
	}
	if len(out) < start {
		return unsupported("its MarshalMsg method took bytes away: let it append")
	}
	e.b = out
	made := out[start:]
	if e.inAny {
		// A peer makes plain values of it: see that it can, and at what cost.
		d := decoder{b: made, left: budget(len(made))}
		before := d.left
		if _, f := d.any(depth); f != nil {
			return unsupported("an any cannot hold it: %s", f.text)
		}
		e.cost += before - d.left
		made = d.b
		if len(made) != 0 {
			return unsupported("its MarshalMsg method wrote more than one object")
		}
		return nil
	}
	size, objects, f := scan(made, depth)
	if f != nil {
		return unsupported("its MarshalMsg method wrote bytes that no peer takes: %s", f.text)
	}
	if size != len(made) {
		return unsupported("its MarshalMsg method wrote more than one object")
	}
	e.cost += p.gen.cost(size, objects)
	return nil
}

// generated fills v by its own method, after a look at all that it will read.
func (d *decoder) generated(p *plan, v reflect.Value, depth int) *fault {
	size, objects, f := scan(d.b, depth)
	if f != nil {
		return f
	}
	if f := d.pay(p.gen.cost(size, objects)); f != nil {
		return f
	}
	src := d.b[:size:size]
	if p.gen.borrowed {
		src = bytes.Clone(src)
	}
	rest, err := unmarshal(v.Addr().Interface().(msgp.Unmarshaler), src)
	if err != nil {
		f := malformed("its UnmarshalMsg method failed")
		f.err = err
		return f
	}
	if len(rest) != 0 {
		return malformed("its UnmarshalMsg method left %d of %d bytes", len(rest), size)
	}
	d.b = d.b[size:]
	return nil
}

// cost bounds the memory that decoding takes.
func (g *generated) cost(size, objects int) int {
	cost := 2*size + objects*g.unit
	if g.borrowed {
		cost += allocCost(size)
	}
	return cost
}

// unmarshal calls a foreign method. It was made for peers that are trusted, so a
// panic of it is theirs.
func unmarshal(u msgp.Unmarshaler, src []byte) (rest []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return u.UnmarshalMsg(src)
}
