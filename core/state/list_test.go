package state

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func ids[O Entity](it func(func(O) bool)) (ids []ObjectID) {
	for x := range it {
		ids = append(ids, x.base().id)
	}
	return ids
}

func TestIterateWhileChanging(t *testing.T) {
	w := newTestWorld(t)
	for range 6 {
		Spawn(w, &bare{})
	}
	var seen []ObjectID
	for x := range All[*bare](w) {
		seen = append(seen, x.ID())
		for range 20 { // the list's array moves
			Spawn(w, &bare{})
		}
		switch x.ID() {
		case 1: // itself and one ahead
			x.Despawn()
			w.byID[4].Despawn()
		case 3: // one behind, and one ahead to another list
			w.byID[2].Despawn()
			w.byID[6].SetOwner(9)
		}
		for range w.Objects() { // nested
			break
		}
	}
	if want := []ObjectID{1, 2, 3, 5, 6}; !slices.Equal(seen, want) {
		t.Errorf("iterated over %v, want %v", seen, want)
	}
	checkIndex(t, w)

	seen = nil
	for e := range w.OwnedBy(9) {
		seen = append(seen, e.base().id)
		e.base().SetOwner(Server) // the list empties, and is dropped
		SpawnFor(w, 9, &bare{})
	}
	if want := []ObjectID{6}; !slices.Equal(seen, want) {
		t.Errorf("iterated over %v of player 9, want %v", seen, want)
	}
	checkIndex(t, w)
	if w.iterating != 0 {
		t.Errorf("%d iterations run on", w.iterating)
	}
}

func TestIterateAfterPanic(t *testing.T) {
	w := newTestWorld(t)
	Spawn(w, &bare{})
	panics(func() {
		for range w.Objects() {
			panic("in the body")
		}
	})
	if w.iterating != 0 {
		t.Error("a panic in a loop's body keeps the list from being squeezed")
	}
}

func TestLookUps(t *testing.T) {
	w := newTestWorld(t)
	later := w.OwnedBy(7) // taken before there are any
	a := SpawnFor(w, 7, &bare{})
	b := SpawnFor(w, 7, &tiny{})
	c := Spawn(w, &tiny{})
	if got := ids(later); !slices.Equal(got, []ObjectID{1, 2}) {
		t.Errorf("objects of player 7: %v", got)
	}
	if got := ids(All[*tiny](w)); !slices.Equal(got, []ObjectID{2, 3}) {
		t.Errorf("tinies: %v", got)
	}
	if got := ids(Owned[*tiny](w, 7)); !slices.Equal(got, []ObjectID{2}) {
		t.Errorf("tinies of player 7: %v", got)
	}
	if got := ids(All[interface {
		Entity
		lit() bool
	}](w)); !slices.Equal(got, []ObjectID{2, 3}) {
		t.Errorf("objects that can be lit: %v", got)
	}
	if got := ids(All[Entity](w)); len(got) != 3 {
		t.Errorf("all objects: %v", got)
	}
	if got := ids(All[*crate](w)); got != nil {
		t.Errorf("of a class that is not in the schema: %v", got)
	}
	if x, ok := Get[*tiny](w, b.ID()); !ok || x != b {
		t.Errorf("Get: %v, %v", x, ok)
	}
	if x, ok := Get[*bare](w, b.ID()); ok || x != nil {
		t.Errorf("Get of another class: %v, %v", x, ok)
	}
	if x, ok := Get[Entity](w, a.ID()); !ok || x != Entity(a) {
		t.Errorf("Get of any class: %v, %v", x, ok)
	}
	if x, ok := Get[*tiny](w, 99); ok || x != nil || w.Object(99) != nil {
		t.Errorf("Get of nothing: %v, %v", x, ok)
	}
	if w.Object(c.ID()) != Entity(c) || w.Len() != 3 {
		t.Error("Object or Len is wrong")
	}
}

func (x *tiny) lit() bool { return x.On.Get() }

// Look-ups against a map, while objects come, go and change hands.
func TestListsMatchModel(t *testing.T) {
	forSeeds(t, 5, func(t *testing.T, r *rand.Rand) {
		w := newTestWorld(t)
		model := make(map[ObjectID]PlayerID)
		for range 2000 {
			o := anyObject(w, r)
			switch n := r.IntN(10); {
			case o == nil || n < 4:
				p := PlayerID(r.IntN(5))
				model[SpawnFor(w, p, &bare{}).ID()] = p
			case n < 8:
				o.Despawn()
				delete(model, o.id)
			default:
				p := PlayerID(r.IntN(5))
				o.SetOwner(p)
				model[o.id] = p
			}
		}
		checkIndex(t, w)
		if len(model) != w.Len() {
			t.Fatalf("%d objects, want %d", w.Len(), len(model))
		}
		for id, p := range model {
			if o := w.byID[id]; o == nil || o.owner != p {
				t.Fatalf("object %d: %v", id, o)
			}
		}
	})
}
