package state

import "reflect"

// Ref refers to an object by its id: a value that may stand in a Var, in a field
// that travels at spawn, in arguments of calls and in events.
//
// The object may not be here yet, or not any more, when a reference to it is
// read; Get says so.
type Ref[O Entity] struct {
	ID ObjectID // 0 refers to nothing
}

// RefTo returns a reference to obj, which must have been spawned; one to nothing
// otherwise.
func RefTo[O Entity](obj O) Ref[O] {
	if o := baseOf(obj); o != nil {
		return Ref[O]{o.id}
	}
	return Ref[O]{}
}

// Get returns the object in w that r refers to, and false when there is none of
// this class in w.
func (r Ref[O]) Get(w *World) (O, bool) { return Get[O](w, r.ID) }

func (r *Ref[O]) refID() *ObjectID { return &r.ID }
func (r Ref[O]) isRef()            {}

// baseOf returns the Object inside obj, nil for a nil pointer.
func baseOf(obj Entity) *Object {
	if obj == nil {
		return nil
	}
	if v := reflect.ValueOf(obj); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	return obj.base()
}

type refColumn interface{ refID() *ObjectID }

var refType = reflect.TypeFor[interface{ isRef() }]()

// isRef reports whether t is a Ref, and not a struct that embeds one among others.
func isRef(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.Implements(refType) && t.NumField() == 1 && t.Field(0).Type == reflect.TypeFor[ObjectID]()
}
