package state

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/parley-net/parley/core/internal/shape"
)

// Var is a synchronized variable of an object: set on the server, read everywhere
// (thesis §5.2.4). Its zero value holds T's zero value.
//
// Numbers, bools and references travel as differences. Other values, such as
// strings, structs, slices and maps, travel whole when they change; what such a Var
// holds is fixed at Set, and a slice or map that is changed in place afterwards is
// not seen. A client gets the newest value, not each one in between.
type Var[T any] struct {
	val   T
	o     *Object
	def   *fieldDef
	self  *Var[T] // where it was bound, so that a copy is told apart
	hooks []func(old, new T)
	old   T // on a client, while hooks wait
	fresh bool
}

// NewVar returns a Var that holds x, for an object to be spawned.
func NewVar[T any](x T) Var[T] { return Var[T]{val: x} }

// Get returns the value. What it points into, a slice or a map, is not to be changed:
// change a clone, and Set that.
func (v *Var[T]) Get() T { return v.val }

// String formats the value as fmt.Sprint does.
func (v Var[T]) String() string { return fmt.Sprint(v.val) }

// OnChange adds a hook that runs with the old and the new value when they differ:
// on the server inside Set, on a client when a value arrived and all of its packet
// is in place. It does not run for the values that an object spawns with.
func (v *Var[T]) OnChange(fn func(old, new T)) { v.hooks = append(v.hooks, fn) }

// Set changes the value, here and then on every client, and runs the hooks if it
// differs. On a client it panics with an *AuthorityError, and with a *ValueError
// for a value that the codec refuses or that is longer than MaxValue, and on a copy
// of an object's Var; the old value then stays. On an object that is not in a world it only changes the value here.
func (v *Var[T]) Set(x T) {
	if v.o == nil {
		v.val = x
		return
	}
	if !v.o.world.authority {
		v.o.mustServe("Var.Set of " + v.def.name)
	}
	if v.self != v {
		panic(&ValueError{Field: v.def.name, Err: errCopy})
	}
	old := v.val
	v.val = x
	if !v.o.alive {
		return
	}
	changed, err := v.store()
	if err != nil {
		v.val = old
		panic(&ValueError{Field: v.def.name, Err: err})
	}
	if !changed {
		return
	}
	now := v.val // a hook may set anew
	for _, fn := range v.hooks {
		fn(old, now)
	}
}

// store puts the value where replication finds it and reports whether it is new.
func (v *Var[T]) store() (changed bool, err error) {
	if v.def.blob >= 0 {
		b, err := v.o.world.encode(&v.val)
		if err != nil {
			return false, err
		}
		return v.o.chunk.putBlob(v.o.row, v.def, b), nil
	}
	c := int64(0)
	if q := v.def.quantum; q > 0 {
		c = steps(toFloat(&v.val), q)
		fromFloat(&v.val, float64(c)*q)
	} else {
		c = toColumn(&v.val)
	}
	return v.o.chunk.put(v.o.row, v.def.col, c), nil
}

func (v *Var[T]) shape() fieldShape {
	t := reflect.TypeFor[T]()
	s := fieldShape{desc: "Var of " + shape.Of(t), elem: t}
	if n := columnSize(t); n > 0 {
		s.sizes = []int{n}
		s.float = t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64
	}
	return s
}

func (v *Var[T]) bind(o *Object, def *fieldDef) { v.o, v.def, v.self = o, def, v }

var errCopy = errors.New("this is a copy of the variable; set the one in the object")

func (v *Var[T]) write([]int64) error {
	_, err := v.store()
	if err != nil {
		return &ValueError{Field: v.def.name, Err: err}
	}
	return nil
}

func (v *Var[T]) recv(_ int, c int64) {
	if v.def.blob < 0 {
		v.keepOld()
		if q := v.def.quantum; q > 0 {
			fromFloat(&v.val, float64(c)*q)
		} else {
			fromColumn(&v.val, c)
		}
	}
}

func (v *Var[T]) recvBlob(b []byte) error {
	var x T
	if err := v.o.world.decode(b, &x); err != nil {
		return &ValueError{Field: v.def.name, Err: err}
	}
	v.keepOld()
	v.val = x
	return nil
}

// keepOld remembers the value that the hooks will be shown as the old one.
func (v *Var[T]) keepOld() {
	if len(v.hooks) > 0 && !v.fresh {
		v.fresh = true
		v.old = v.val
		v.o.world.await(v)
	}
}

func (v *Var[T]) fire() {
	old, now := v.old, v.val
	var none T
	v.old, v.fresh = none, false
	if v.def.blob >= 0 && reflect.DeepEqual(old, now) {
		return // changed, and changed back
	}
	for _, fn := range v.hooks {
		fn(old, now)
	}
}
