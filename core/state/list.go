package state

// list keeps objects in the order in which they came. What leaves is replaced by
// nil, and squeezed out when nobody iterates, so that a loop over the list may
// spawn and despawn.
type list struct {
	kind int // which of its objects' places is the one in this list
	objs []*Object
	gone int // nil places
}

// The kinds of lists that an object stands in.
const (
	inAll = iota
	inClass
	inOwner
	listKinds
)

func (l *list) add(o *Object) {
	o.places[l.kind] = len(l.objs)
	l.objs = append(l.objs, o)
}

// walk yields the objects of class O in l that are there now and still when their
// turn comes. l may be nil.
func walk[O Entity](w *World, l *list, yield func(O) bool) {
	if l == nil {
		return
	}
	w.iterating++
	defer func() { w.iterating-- }()
	// By index: a spawn may move the places to another array.
	for i, n := 0, len(l.objs); i < n; i++ {
		if o := l.objs[i]; o != nil {
			if obj, ok := o.self.(O); ok && !yield(obj) {
				return
			}
		}
	}
}

func (w *World) takeFrom(l *list, o *Object) {
	l.objs[o.places[l.kind]] = nil
	l.gone++
	if w.iterating > 0 || l.gone <= len(l.objs)/2 {
		return
	}
	n := 0
	for _, o := range l.objs {
		if o != nil {
			o.places[l.kind] = n
			l.objs[n] = o
			n++
		}
	}
	clear(l.objs[n:])
	l.objs, l.gone = l.objs[:n], 0
}

// add makes o findable.
func (w *World) add(o *Object) {
	w.byID[o.id] = o
	w.all.add(o)
	w.byClass[o.class.number].add(o)
	w.addOwned(o)
}

// remove ends o's life here. The hooks are the caller's to run.
func (w *World) remove(o *Object) {
	o.alive = false
	delete(w.byID, o.id)
	w.takeFrom(&w.all, o)
	w.takeFrom(&w.byClass[o.class.number], o)
	w.takeOwned(o)
	w.drop(o)
}

func (w *World) addOwned(o *Object) {
	l := w.byOwner[o.owner]
	if l == nil {
		l = &list{kind: inOwner}
		w.byOwner[o.owner] = l
	}
	l.add(o)
}

func (w *World) takeOwned(o *Object) {
	l := w.byOwner[o.owner]
	w.takeFrom(l, o)
	if l.gone == len(l.objs) && o.owner != Server { // players come and go
		delete(w.byOwner, o.owner)
	}
}

func (w *World) setOwner(o *Object, p PlayerID) {
	w.takeOwned(o)
	o.owner = p
	o.lastInput = 0 // another client counts anew
	if o.pos != nil {
		o.pos.pending, o.pos.asked, o.pos.askedAt = false, false, 0
	}
	w.addOwned(o)
}

// drop forgets o's position. A hook may call it while objects move, so the place
// only goes at the next tick.
func (w *World) drop(o *Object) {
	if o.pos != nil && w.authority {
		w.positions[o.pos.index] = nil
		w.holes++
	}
}

// A firing runs hooks that wait until all of a packet is in place.
type firing interface{ fire() }

type spawned struct{ o *Object }

func (s spawned) fire() {
	for _, fn := range s.o.world.onSpawn {
		if !s.o.alive { // an earlier hook despawned it
			return
		}
		fn(s.o.self)
	}
}

type despawned struct{ o *Object }

func (d despawned) fire() {
	for _, fn := range d.o.world.onDespawn {
		fn(d.o.self)
	}
}
