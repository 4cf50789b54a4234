package state

import (
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
	"github.com/parley-net/parley/core/internal/wire"
)

// Restore fills an empty world with the objects of a snapshot, those of
// Frozen.Objects, under the ids that they had: owners, variables, positions and what
// travels once are back, and objects that are not alive are left out. Unexported
// fields, hooks, and what `parley:"-"` keeps at home are as in a new object. tick and
// last are those of the Frozen. No hook runs.
//
// A class or a field that the schema does not have, one that the snapshot does not
// have, and a value of another type are errors that name it and wrap
// core.ErrMalformed; the world must not be used then.
func (w *World) Restore(tick uint64, last ObjectID, objects iter.Seq[core.ObjectState]) error {
	switch {
	case !w.authority:
		return &AuthorityError{Op: "Restore", Object: "the world"}
	case w.next > 0:
		return fmt.Errorf("parley: restore: the world is not empty")
	case tick > math.MaxUint32:
		return core.Errorf(core.ErrMalformed, "parley: restore: the tick %d is out of range", tick)
	}
	for x := range objects {
		if !x.Alive {
			continue
		}
		if err := w.restore(&x, last); err != nil {
			return fmt.Errorf("parley: restore: %s %d: %w", x.Class, x.ID, err)
		}
	}
	w.tick, w.frozen, w.next = tick, tick, last
	return nil
}

func (w *World) restore(x *core.ObjectState, last ObjectID) error {
	c := w.schema.byName[x.Class]
	switch {
	case c == nil:
		return core.Errorf(core.ErrMalformed, "the schema has no class %s", x.Class)
	case x.ID == 0 || x.ID > uint64(last):
		return core.Errorf(core.ErrMalformed, "the ids in the snapshot go from 1 to %d", last)
	case w.byID[ObjectID(x.ID)] != nil:
		return core.Errorf(core.ErrMalformed, "the snapshot has two objects of this id")
	}
	p := reflect.New(c.typ)
	if err := c.restore(w.codec, p.Elem(), x.Fields); err != nil {
		return err
	}
	return w.enter(p.Interface().(Entity), c, ObjectID(x.ID), PlayerID(x.Owner))
}

// restore sets the fields of the object v.
func (c *class) restore(codec core.Codec, v reflect.Value, fields []core.Field) error {
	seen := make([]bool, len(c.members))
	for _, f := range fields {
		i := slices.IndexFunc(c.members, func(m member) bool { return m.name == f.Name })
		if i < 0 {
			return core.Errorf(core.ErrMalformed, "the class has no field %s any more", f.Name)
		}
		if seen[i] {
			return core.Errorf(core.ErrMalformed, "field %s is there twice", f.Name)
		}
		seen[i] = true
		var err error
		if m := &c.members[i]; m.plain {
			err = plain.Unread(codec, v.FieldByIndex(c.plain[m.number].index), f.Value)
		} else {
			err = v.FieldByIndex(c.fields[m.number].index).Addr().Interface().(field).restore(codec, f.Value)
		}
		if err != nil {
			return core.Errorf(core.ErrMalformed, "field %s: %w", f.Name, err)
		}
	}
	if i := slices.Index(seen, false); i >= 0 {
		return core.Errorf(core.ErrMalformed, "the snapshot has no field %s", c.members[i].name)
	}
	return nil
}

func (p *Position2D) thaw(_ core.Codec, _ *fieldDef, cols []int64, config []byte) any {
	float := func(i int) float64 { return math.Float64frombits(uint64(cols[i])) }
	m := map[string]any{"x": float(0), "y": float(1), "vx": float(2), "vy": float(3)}
	var q Position2D
	r := wire.NewReader(config)
	q.readConfig(&r)
	for name, part := range q.cfg.parts() {
		if x := reflect.ValueOf(part).Elem(); !x.IsZero() {
			m[name] = x.Interface()
		}
	}
	return m
}

// parts returns what a snapshot shows of a configuration, where it is not zero.
func (c *Position2DConfig) parts() map[string]any {
	return map[string]any{
		"width": &c.Size.X, "height": &c.Size.Y,
		"minX": &c.Bounds.Min.X, "minY": &c.Bounds.Min.Y, "maxX": &c.Bounds.Max.X, "maxY": &c.Bounds.Max.Y,
		"maxSpeed": &c.MaxSpeed, "solid": &c.Solid, "serverControlled": &c.ServerControlled,
	}
}

func (p *Position2D) restore(codec core.Codec, x any) error {
	m, ok := x.(map[string]any)
	if !ok {
		return core.Errorf(core.ErrMalformed, "want a map of x, y, vx and vy, found %T", x)
	}
	parts := p.cfg.parts()
	for name, part := range map[string]*float64{"x": &p.at.X, "y": &p.at.Y, "vx": &p.vel.X, "vy": &p.vel.Y} {
		if _, ok := m[name]; !ok {
			return core.Errorf(core.ErrMalformed, "%s is missing", name)
		}
		parts[name] = part
	}
	for name, v := range m {
		part := parts[name]
		if part == nil {
			return core.Errorf(core.ErrMalformed, "a position has no %s", name)
		}
		if err := plain.Unread(codec, reflect.ValueOf(part).Elem(), v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
