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
	shape    *shape
	unit     int64 // the most memory that generated code takes for one object
	borrowed bool  // it may keep slices of what it decodes
	raw      bool  // it may write bytes that came from elsewhere
}

// generated appends v by its own method.
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
	if len(out) <= start {
		return unsupported("its MarshalMsg method wrote nothing: let it append one object")
	}
	e.b = out
	if e.inAny {
		return e.plain(out[start:], depth)
	}
	return e.check(p.gen, out[start:], depth)
}

// check sees that a peer will take what a method made.
func (e *encoder) check(g *generated, made []byte, depth int) *fault {
	if most := g.bound(len(made), len(made)); depth == 0 && !g.raw && most <= budget(len(made)) {
		e.cost += most
		return nil
	}
	size, objects, f := scan(made, depth)
	if f != nil {
		return unsupported("its MarshalMsg method wrote what no peer takes: %s", f.text)
	}
	if size != len(made) {
		return unsupported("its MarshalMsg method wrote more than one object")
	}
	e.cost += g.cost(made, objects)
	return nil
}

// plain sees that a peer can make plain values, as an any holds, of what a method
// made.
func (e *encoder) plain(made []byte, depth int) *fault {
	d := decoder{b: made, left: budget(len(made))}
	if _, f := d.any(depth); f != nil {
		return unsupported("an any cannot carry what its MarshalMsg method wrote: %s", f.text)
	}
	if len(d.b) != 0 {
		return unsupported("its MarshalMsg method wrote more than one object")
	}
	e.cost += budget(len(made)) - d.left
	return nil
}

// generated fills v by its own method, after a look at all that it will read.
func (d *decoder) generated(p *plan, v reflect.Value, depth int) *fault {
	size, objects, f := scan(d.b, depth)
	if f != nil {
		return f
	}
	src := d.b[:size:size]
	if f := d.pay(p.gen.cost(src, objects)); f != nil {
		return f
	}
	d.b = d.b[size:]
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
	return nil
}

// unmarshal calls a foreign method. It may have been written for peers that can
// be trusted, so a panic of it means bad bytes.
func unmarshal(u msgp.Unmarshaler, src []byte) (rest []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return u.UnmarshalMsg(src)
}

// bound is the most memory that generated code takes for so many bytes and
// objects, whatever they are.
func (g *generated) bound(size, objects int) int64 {
	most := 2*int64(size) + int64(objects)*g.unit
	if g.borrowed {
		most += allocCost(size)
	}
	return most
}

// cost bounds the memory that generated code takes for b, which scan has seen:
// by the number of objects if that is good enough, else by a look at each.
func (g *generated) cost(b []byte, objects int) int64 {
	if most := g.bound(len(b), objects); most <= costFactor*int64(len(b)) {
		return most
	}
	_, exact := g.shape.cost(b, g.unit)
	return g.bound(len(b), 0) + exact
}
