package state

import (
	"iter"
	"slices"
)

// list keeps objects in the order in which they came. What leaves is replaced by
// nil, and squeezed out when nobody iterates, so that a loop over the list may
// spawn and despawn.
type list struct {
	objs []*Object
	gone int
}

func (w *World) each(l *list) iter.Seq[Entity] {
	return func(yield func(Entity) bool) {
		w.iterating++
		defer func() { w.iterating-- }()
		for _, o := range l.objs {
			if o != nil && !yield(o.self) {
				return
			}
		}
	}
}

func (l *list) add(o *Object) { l.objs = append(l.objs, o) }

func (w *World) takeFrom(l *list, o *Object) {
	i := slices.Index(l.objs, o)
	if i < 0 {
		return
	}
	l.objs[i] = nil
	l.gone++
	if w.iterating == 0 && l.gone > len(l.objs)/2 {
		l.objs = slices.DeleteFunc(l.objs, func(o *Object) bool { return o == nil })
		l.gone = 0
	}
}

// add makes o findable.
func (w *World) add(o *Object) {
	w.byID[o.id] = o
	w.all.add(o)
	w.byClass[o.class.number].add(o)
	w.ownerList(o.owner).add(o)
}

func (w *World) ownerList(p PlayerID) *list {
	l := w.byOwner[p]
	if l == nil {
		l = new(list)
		w.byOwner[p] = l
	}
	return l
}

// remove ends o's life here. The hooks are the caller's to run.
func (w *World) remove(o *Object) {
	o.alive = false
	delete(w.byID, o.id)
	w.takeFrom(&w.all, o)
	w.takeFrom(&w.byClass[o.class.number], o)
	w.takeFrom(w.ownerList(o.owner), o)
	w.drop(o)
}

// A firing runs hooks that wait until all of a packet is in place.
type firing interface{ fire() }

type spawned struct{ o *Object }

func (s spawned) fire() {
	for _, fn := range s.o.world.onSpawn {
		fn(s.o.self)
	}
}

type despawned struct{ o *Object }

func (d despawned) fire() {
	for _, fn := range d.o.world.onDespawn {
		fn(d.o.self)
	}
}

// drop forgets o's positions. A hook may call it while objects move, so they
// only go at the next tick.
func (w *World) drop(o *Object) {
	for i, p := range w.positions {
		if p != nil && p.o == o {
			w.positions[i] = nil
			w.holes++
		}
	}
}

func (w *World) setOwner(o *Object, p PlayerID) {
	w.takeFrom(w.ownerList(o.owner), o)
	o.owner = p
	o.lastInput = 0 // another client counts anew
	if o.pos != nil {
		o.pos.pending, o.pos.asked, o.pos.askedAt = false, false, 0
	}
	w.ownerList(p).add(o)
}
