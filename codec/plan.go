package codec

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// op says how a type travels.
type op uint8

const (
	opBool op = iota
	opInt
	opUint
	opFloat32
	opFloat64
	opString
	opBytes
	opByteArray
	opTime
	opStruct
	opSlice
	opArray
	opMap
	opPointer
	opAny
	opGenerated
)

// plan is what there is to know about a type, worked out at its first use. Plans
// refer to each other, in circles for recursive types, and never change once
// planOf has returned one.
type plan struct {
	op     op
	typ    reflect.Type
	id     uintptr // the address of typ, which it keeps alive
	size   int     // bytes of memory of one value
	err    error   // the type cannot travel; the fields below are not set
	elem   *plan   // of slices, arrays, maps and pointers
	key    *plan   // of maps
	anyMap bool    // it is map[string]any
	n      int     // length of the tuple or the array
	fields []field
	gen    *generated
}

// field is a field of a struct. An inline one is an embedded struct whose fields
// travel in its place.
type field struct {
	index  int
	name   string
	plan   *plan
	inline bool
}

var timeType = reflect.TypeFor[time.Time]()

var plans sync.Map // reflect.Type to *plan

// recent holds one plan for each slot that the address of a type selects: the
// usual few types are found without the hashing of plans.
var recent [256]atomic.Pointer[plan]

// planOf returns the plan of t, from a cache or new.
func planOf(t reflect.Type) *plan {
	id := reflect.ValueOf(t).Pointer()
	slot := &recent[id>>5%uintptr(len(recent))]
	if p := slot.Load(); p != nil && p.id == id {
		return p
	}
	p := sharedPlan(t)
	slot.Store(p)
	return p
}

func sharedPlan(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	b := builder{}
	p, f := b.plan(t)
	if f != nil {
		bad, _ := plans.LoadOrStore(t, &plan{typ: t, id: reflect.ValueOf(t).Pointer(), err: f.error(t)})
		return bad.(*plan)
	}
	for t, p := range b {
		plans.LoadOrStore(t, p)
	}
	return p
}

// builder holds the plans under construction, for types that contain themselves.
type builder map[reflect.Type]*plan

func (b builder) plan(t reflect.Type) (*plan, *fault) {
	if p, ok := b[t]; ok {
		return p, nil
	}
	p := &plan{typ: t, id: reflect.ValueOf(t).Pointer(), size: int(t.Size())}
	b[t] = p
	gen, f := generatedFor(t)
	if f != nil {
		return nil, f
	}
	if gen != nil {
		p.op, p.gen = opGenerated, gen
		return p, nil
	}
	if f := b.fill(p, t); f != nil {
		return nil, f
	}
	return p, nil
}

func (b builder) fill(p *plan, t reflect.Type) (f *fault) {
	switch t.Kind() {
	case reflect.Bool:
		p.op = opBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.op = opInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.op = opUint
	case reflect.Float32:
		p.op = opFloat32
	case reflect.Float64:
		p.op = opFloat64
	case reflect.String:
		p.op = opString
	case reflect.Slice, reflect.Array:
		return b.list(p, t)
	case reflect.Map:
		return b.table(p, t)
	case reflect.Pointer:
		return b.pointer(p, t)
	case reflect.Struct:
		if t.ConvertibleTo(timeType) {
			p.op = opTime
			return nil
		}
		return b.structure(p, t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return unsupported("%s is an interface with methods, and a peer cannot know what to make of it: use a concrete type or any", t)
		}
		p.op = opAny
	default:
		return unsupported("a %s cannot travel: tag the field `parley:\"-\"` to leave it behind, or use another type", t.Kind())
	}
	return nil
}

func (b builder) list(p *plan, t reflect.Type) (f *fault) {
	if p.elem, f = b.plan(t.Elem()); f != nil {
		return f.in("[]")
	}
	bytes := t.Elem().Kind() == reflect.Uint8 && p.elem.op == opUint
	switch {
	case t.Kind() == reflect.Slice && bytes:
		p.op = opBytes
	case t.Kind() == reflect.Slice:
		p.op = opSlice
	case bytes:
		p.op, p.n = opByteArray, t.Len()
	default:
		p.op, p.n = opArray, t.Len()
	}
	return nil
}

func (b builder) table(p *plan, t reflect.Type) (f *fault) {
	p.op, p.anyMap = opMap, t == mapAnyType
	if p.key, f = b.plan(t.Key()); f != nil {
		return f.in("[key]")
	}
	switch p.key.op {
	case opString, opInt, opUint:
	default:
		return unsupported("a map with keys of type %s cannot travel: use keys that are strings or integers, or a slice of pairs", t.Key())
	}
	if p.elem, f = b.plan(t.Elem()); f != nil {
		return f.in("[]")
	}
	return nil
}

func (b builder) pointer(p *plan, t reflect.Type) (f *fault) {
	p.op = opPointer
	hops := 0
	for e := t; e.Kind() == reflect.Pointer; e = e.Elem() {
		if hops++; hops > 8 {
			return unsupported("more than 8 pointers in a row, or a pointer type that points to itself: use a struct")
		}
	}
	p.elem, f = b.plan(t.Elem())
	return f
}
