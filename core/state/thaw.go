package state

import (
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
)

// member is a field of a class as a snapshot shows it, one that synchronizes or one
// that travels once.
type member struct {
	name   string
	plain  bool
	number int // among the class's fields, or its plain ones
}

// listMembers puts the fields that snapshots show in the order of their declaration.
// Two of one name, which embedded structs may have, are told apart by the name of the
// struct.
func (c *class) listMembers() {
	index := func(m member) []int {
		if m.plain {
			return c.plain[m.number].index
		}
		return c.fields[m.number].index
	}
	named := make(map[string]int)
	for i, f := range c.fields {
		c.members = append(c.members, member{name: f.short(), number: i})
		named[f.short()]++
		if f.typ == positionType {
			c.posCol = f.col
		}
	}
	for i, f := range c.plain {
		c.members = append(c.members, member{name: f.short(), plain: true, number: i})
		named[f.short()]++
	}
	for i := range c.members {
		if m := &c.members[i]; named[m.name] > 1 {
			path := index(*m)
			for n := len(path) - 1; n > 0; n-- {
				m.name = c.typ.FieldByIndex(path[:n]).Name + "." + m.name
			}
		}
	}
	slices.SortFunc(c.members, func(a, b member) int { return slices.Compare(index(a), index(b)) })
}

// short returns the field's name without the class's.
func (f *fieldDef) short() string { _, name, _ := strings.Cut(f.name, "."); return name }

// thaw makes field values of the frozen rows of a class. It is for one goroutine.
type thaw struct {
	class  *class
	codec  core.Codec
	plain  []reflect.Value // pointers to what travels once
	fields []field
	values []any // of the plain members
	out    []core.Field
}

func newThaw(c *class, codec core.Codec) *thaw {
	t := &thaw{class: c, codec: codec, values: make([]any, len(c.plain)), out: make([]core.Field, len(c.members))}
	for i := range c.plain {
		t.plain = append(t.plain, reflect.New(c.plain[i].typ))
	}
	for i := range c.fields {
		t.fields = append(t.fields, reflect.New(c.fields[i].typ).Interface().(field))
	}
	return t
}

// object returns the object of a frozen row. What it returns holds until the next
// call.
func (t *thaw) object(vals []int64, once []byte, blobs [][]byte) core.ObjectState {
	c := t.class
	for i, p := range t.plain {
		t.values[i], once = plain.Read(t.codec, p, once)
	}
	for i, m := range c.members {
		t.out[i].Name = m.name
		if m.plain {
			t.out[i].Value = t.values[m.number]
			continue
		}
		def := &c.fields[m.number]
		blob := once // of the position: its configuration
		if def.blob >= 0 {
			blob = blobs[def.blob]
		}
		t.out[i].Value = t.fields[m.number].thaw(t.codec, def, vals[def.col:], blob)
	}
	return core.ObjectState{ID: uint64(vals[colID]), Class: c.name, Owner: uint32(vals[colOwner]), Alive: true, Fields: t.out}
}

func (v *Var[T]) thaw(codec core.Codec, def *fieldDef, cols []int64, blob []byte) any {
	switch {
	case def.blob >= 0:
		x, _ := plain.Read(codec, reflect.ValueOf(&v.val), blob)
		return x
	case def.quantum > 0:
		fromFloat(&v.val, float64(cols[0])*def.quantum)
	default:
		fromColumn(&v.val, cols[0])
	}
	if ref, ok := any(&v.val).(refColumn); ok {
		return int64(*ref.refID())
	}
	x, _ := plain.Of(reflect.ValueOf(&v.val)) // a number
	return x
}

func (v *Var[T]) restore(codec core.Codec, x any) error {
	ref, ok := any(&v.val).(refColumn)
	if !ok {
		return plain.Unread(codec, reflect.ValueOf(&v.val).Elem(), x)
	}
	id, ok := x.(int64)
	if !ok || id < 0 || id > math.MaxUint32 {
		return core.Errorf(core.ErrMalformed, "want the id of an object, found %T %v", x, x)
	}
	*ref.refID() = ObjectID(id)
	return nil
}
