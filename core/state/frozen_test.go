package state

import (
	"encoding/binary"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
)

// freeze returns w frozen, and its objects for keeps.
func freeze(w *World) (*Frozen, []core.ObjectState) {
	f := new(Frozen)
	w.Freeze(f)
	return f, kept(f.Objects())
}

func kept(objects iter.Seq[core.ObjectState]) (all []core.ObjectState) {
	for x := range objects {
		x.Fields = slices.Clone(x.Fields)
		for i := range x.Fields {
			x.Fields[i].Value = plain.Clone(x.Fields[i].Value)
		}
		all = append(all, x)
	}
	return all
}

// same reports whether two snapshots are equal, NaN being equal to NaN.
func same(a, b []core.ObjectState) bool {
	return slices.EqualFunc(a, b, func(x, y core.ObjectState) bool {
		fields := slices.EqualFunc(x.Fields, y.Fields, func(f, g core.Field) bool {
			v, _ := f.Value.(float64)
			w, _ := g.Value.(float64)
			return f.Name == g.Name && (v != v && w != w || reflect.DeepEqual(f.Value, g.Value))
		})
		x.Fields, y.Fields = nil, nil
		return fields && reflect.DeepEqual(x, y)
	})
}

// TestRestore holds that any world comes back from its snapshot as it was, goes on,
// and reaches a client that joins then.
func TestRestore(t *testing.T) {
	forSeeds(t, 20, func(t *testing.T, r *rand.Rand) {
		w := newTestWorld(t)
		for range 50 + r.IntN(400) {
			mutate(w, r, 60)
			if r.IntN(10) == 0 {
				w.Advance(time.Second / 60)
			}
		}
		f, objects := freeze(w)
		if len(objects) != w.Len() || !slices.IsSortedFunc(objects, func(a, b core.ObjectState) int { return int(a.ID) - int(b.ID) }) {
			t.Fatalf("%d of %d objects in the snapshot, or in another order than that of their ids", len(objects), w.Len())
		}
		back := newTestWorld(t)
		if err := back.Restore(f.Tick(), f.LastID(), slices.Values(objects)); err != nil {
			t.Fatal(err)
		}
		checkIndex(t, back)
		if diff := difference(dump(w), dump(back)); diff != "" {
			t.Fatal(diff)
		}
		for e := range w.Objects() {
			if p := e.base().pos; p != nil {
				if q := back.byID[e.ID()].pos; p.at != q.at || p.vel != q.vel {
					t.Fatalf("%s was at %v moving %v, and is at %v moving %v", e.base(), p.at, p.vel, q.at, q.vel)
				}
			}
		}
		f2, again := freeze(back)
		if !same(again, objects) {
			t.Fatal("a snapshot of the world that came back is another one")
		}
		if f2.Tick() != f.Tick()+1 || f2.LastID() != f.LastID() {
			t.Errorf("the second snapshot is of tick %d, up to id %d; the first of %d, %d", f2.Tick(), f2.LastID(), f.Tick(), f.LastID())
		}
		if id := Spawn(back, &bare{}).ID(); id != w.next+1 {
			t.Errorf("the next id is %d, want %d", id, w.next+1)
		}
		s := NewSender(back, 30)
		l := newLink(t, s, 1, r, 0.1)
		for range 100 {
			mutate(back, r, 60)
			back.Advance(time.Second / 60)
			s.Capture()
			l.update()
		}
		for range 500 {
			s.Capture()
			l.update()
		}
		if diff := difference(dump(back), dump(l.rep.World())); diff != "" {
			t.Fatalf("the client has another world: %s", diff)
		}
	})
}

// secret has no exported field, and says itself how it travels.
type secret struct{ n uint32 }

func (s *secret) MarshalMsg(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(append(b, 0xce), s.n), nil
}

func (s *secret) UnmarshalMsg(b []byte) ([]byte, error) {
	s.n = binary.BigEndian.Uint32(b[1:])
	return b[5:], nil
}

func (s *secret) Msgsize() int { return 5 }

type (
	lower struct{ Level, Home Var[int] }
	upper struct{ Home Var[int] }
	zoo   struct {
		Object
		Ref    Var[Ref[*zoo]]
		Steps  Var[float32] `parley:"quantum=0.1"`
		Wait   Var[time.Duration]
		When   Var[time.Time]
		Name   Var[string]
		Raw    Var[[]byte]
		Gear   Var[map[string][]int]
		Ptr    Var[*string]
		Any    Var[any]
		Secret Var[secret]
		Codecs Var[map[string][]byte]
		lower
		upper
		First  Ref[*zoo]
		Once   []string
		Notes  any
		Pos    Position2D
		Hidden string `parley:"-"`
	}
)

var zooSchema = NewSchema(Class[zoo]())

// fieldsOf makes fields of names and values.
func fieldsOf(all ...any) (fields []core.Field) {
	for i := 0; i < len(all); i += 2 {
		fields = append(fields, core.Field{Name: all[i].(string), Value: all[i+1]})
	}
	return fields
}

// TestFields holds how values read in a snapshot.
func TestFields(t *testing.T) {
	w := mustWorld(t, zooSchema)
	name := "Ann"
	noon := time.Date(2024, 2, 29, 12, 0, 0, 5, time.FixedZone("far", 3600))
	z := &zoo{
		Ref: NewVar(Ref[*zoo]{7}), Steps: NewVar[float32](0.34), Wait: NewVar(time.Second), When: NewVar(noon), Name: NewVar("bad \xff"), Raw: NewVar([]byte{1}),
		Gear: NewVar(map[string][]int{"a": {1, -2}}), Ptr: NewVar(&name), Any: NewVar[any](float32(0.5)), Secret: NewVar(secret{5}),
		Codecs: NewVar(map[string][]byte{"msgp/1": {0x80}}), First: Ref[*zoo]{9}, Once: []string{"x", ""}, Notes: []any{nil, int8(1)},
		Pos: NewPosition2D(Position2DConfig{At: Vec2{1.0001, -2}, Size: Vec2{1, 2}, Bounds: Rect{Vec2{-5, -6}, Vec2{7, 8}}, MaxSpeed: 9, Solid: true}), Hidden: "here",
	}
	z.Level.val, z.lower.Home.val, z.upper.Home.val = 1, 2, 3
	z.Pos.SetVelocity(0.25, 0)
	SpawnFor(w, 4, z)
	f, objects := freeze(w)
	want := core.ObjectState{ID: 1, Class: "zoo", Owner: 4, Alive: true, Fields: fieldsOf(
		"Ref", int64(7), "Steps", float64(float32(0.3)), "Wait", int64(1e9), "When", noon.UTC(), "Name", []byte("bad \xff"), "Raw", []byte{1},
		"Gear", map[string]any{"a": []any{int64(1), int64(-2)}}, "Ptr", "Ann",
		"Any", map[string]any{"msgp/1": []byte{0xca, 0x3f, 0, 0, 0}}, "Secret", map[string]any{"msgp/1": []byte{0xce, 0, 0, 0, 5}},
		"Codecs", map[string]any{"msgp/1": []byte("\x81\xa6msgp/1\xc4\x01\x80")},
		"Level", int64(1), "lower.Home", int64(2), "upper.Home", int64(3),
		"First", map[string]any{"ID": uint64(9)}, "Once", []any{"x", ""}, "Notes", []any{nil, int64(1)},
		"Pos", map[string]any{"x": 1.0001, "y": -2.0, "vx": 0.25, "vy": 0.0, "width": 1.0, "height": 2.0,
			"minX": -5.0, "minY": -6.0, "maxX": 7.0, "maxY": 8.0, "maxSpeed": 9.0, "solid": true},
	)}
	if len(objects) != 1 || !reflect.DeepEqual(objects[0], want) {
		t.Fatalf("the snapshot reads\n%+v, want\n%+v", objects, want)
	}
	back := mustWorld(t, zooSchema)
	if err := back.Restore(f.Tick(), f.LastID(), slices.Values(objects)); err != nil {
		t.Fatal(err)
	}
	got, _ := Get[*zoo](back, 1)
	if got.Secret.Get() != z.Secret.Get() || got.Any.Get() != any(float32(0.5)) || *got.Ptr.Get() != "Ann" || got.Name.Get() != "bad \xff" ||
		got.Steps.Get() != z.Steps.Get() || got.Hidden != "" || got.upper.Home.Get() != 3 || got.Pos.MaxSpeed() != 9 || !got.When.Get().Equal(noon) {
		t.Errorf("it came back as %+v", got)
	}
	if _, again := freeze(back); !reflect.DeepEqual(again, objects) {
		t.Errorf("and reads %+v", again)
	}
}

// TestRestoreErrors holds that a snapshot that does not fit is refused by name.
func TestRestoreErrors(t *testing.T) {
	w := newTestWorld(t)
	SpawnFor(w, 2, &mover{Note: "n", Pos: NewPosition2D(Position2DConfig{Size: Vec2{1, 1}})})
	_, objects := freeze(w)
	field := func(name string, v any) func(*core.ObjectState) {
		return func(x *core.ObjectState) {
			i := slices.IndexFunc(x.Fields, func(f core.Field) bool { return f.Name == name })
			x.Fields[i].Value = v
		}
	}
	at := func(more map[string]any) map[string]any {
		m := map[string]any{"x": 0.0, "y": 0.0, "vx": 0.0, "vy": 0.0}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	for _, c := range []struct {
		change func(*core.ObjectState)
		err    string
	}{
		{func(x *core.ObjectState) { x.Class = "dragon" }, "dragon 1: the schema has no class dragon"},
		{func(x *core.ObjectState) { x.ID = 0 }, "mover 0: the ids in the snapshot go from 1 to 1"},
		{func(x *core.ObjectState) { x.ID = 1 << 40 }, "mover 1099511627776: the ids in the snapshot go from 1 to 1"},
		{func(x *core.ObjectState) { x.Fields = x.Fields[1:] }, "mover 1: the snapshot has no field Note"},
		{func(x *core.ObjectState) { x.Fields[0].Name = "Nota" }, "mover 1: the class has no field Nota any more"},
		{func(x *core.ObjectState) { x.Fields = append(x.Fields, x.Fields[0]) }, "mover 1: field Note is there twice"},
		{field("Note", int64(1)), "mover 1: field Note: want string, found the int64 1"},
		{field("Note", map[string]any{"msgp/1": []byte{0xc1}}), "mover 1: field Note: "},
		{field("Note", map[string]any{"msgp/1": []byte{0xa0, 0}}), "mover 1: field Note: 1 bytes left over"},
		{field("HP", int64(1<<40)), "mover 1: field HP: want int32, found the int64 1099511627776"},
		{field("HP", "100"), "mover 1: field HP: want int32"},
		{field("Pos", "here"), "mover 1: field Pos: want a map of x, y, vx and vy, found string"},
		{field("Pos", map[string]any{"x": 0.0, "y": 0.0, "vx": 0.0}), "mover 1: field Pos: vy is missing"},
		{field("Pos", at(map[string]any{"z": 0.0})), "mover 1: field Pos: a position has no z"},
		{field("Pos", at(map[string]any{"solid": 1.0})), "mover 1: field Pos: solid: want bool"},
		{field("Pos", at(map[string]any{"width": -1.0})), "mover 1: parley: value of mover.Pos: the size is -1 by 0"},
	} {
		x := objects[0]
		x.Fields = slices.Clone(x.Fields)
		c.change(&x)
		err := newTestWorld(t).Restore(1, 1, slices.Values([]core.ObjectState{x}))
		if err == nil || !strings.HasPrefix(err.Error(), "parley: restore: "+c.err) {
			t.Errorf("the error is %v, want %q", err, c.err)
		}
	}
	for _, x := range []any{int64(-1), int64(1 << 32), uint64(1), nil} {
		if err := new(Var[Ref[*thing]]).restore(codec.Msgp{}, x); err == nil || !strings.Contains(err.Error(), "want the id of an object") {
			t.Errorf("a reference to %v was taken: %v", x, err)
		}
	}
	if err := newTestWorld(t).Restore(1, 1, slices.Values([]core.ObjectState{objects[0], objects[0]})); err == nil {
		t.Error("two objects of one id were taken")
	}
	if err := newTestWorld(t).Restore(math.MaxUint32+1, 1, slices.Values(objects)); err == nil {
		t.Error("a tick out of range was taken")
	}
	if err := w.Restore(1, 1, slices.Values(objects)); err == nil {
		t.Error("a world that is not empty was filled")
	}
	client := newTestReplica(t, 1).World()
	if err := client.Restore(1, 1, slices.Values(objects)); err == nil {
		t.Error("a client restored its world")
	}
	panicsWith[*AuthorityError](t, "Freeze on a client", func() { client.Freeze(new(Frozen)) })

	objects[0].Alive = false
	back := newTestWorld(t)
	if err := back.Restore(1, 1, slices.Values(objects)); err != nil || back.Len() != 0 {
		t.Errorf("of an object that is not alive came %d, %v", back.Len(), err)
	}
}

// TestFrozen holds that a Frozen stays as it is while the world goes on, and may be
// read by several goroutines meanwhile.
func TestFrozen(t *testing.T) {
	forSeeds(t, 4, func(t *testing.T, r *rand.Rand) {
		w := newTestWorld(t)
		for range 40 {
			spawnRandom(w, r)
		}
		f, want := freeze(w)
		var reading sync.WaitGroup
		objects := f.Objects()
		for range 3 {
			reading.Go(func() {
				for range 10 {
					if got := kept(objects); !same(got, want) {
						t.Error("the snapshot changed with the world")
						return
					}
				}
			})
		}
		for range 3000 {
			mutate(w, r, 60)
		}
		reading.Wait()
		for range objects {
			break // a reader may have enough
		}
		w.Freeze(f)
		if len(kept(f.Objects())) != w.Len() {
			t.Error("the next Freeze left something of the one before")
		}
		f.Reset()
		if len(kept(f.Objects())) != 0 {
			t.Error("something is left after Reset")
		}
	})
}

// TestFreezeTicks holds that no two snapshots are of one tick, and that freezing
// does not take a tick from the world else.
func TestFreezeTicks(t *testing.T) {
	w := newTestWorld(t)
	var got []uint64
	for i := range 6 {
		f := new(Frozen)
		w.Freeze(f)
		got = append(got, f.Tick())
		if i%2 == 1 {
			w.Advance(time.Second / 60)
		}
	}
	if want := []uint64{1, 2, 3, 4, 5, 6}; !slices.Equal(got, want) || w.Tick() != 7 {
		t.Errorf("the ticks are %v, then %d; want %v", got, w.Tick(), want)
	}
}

// unreadable is a codec that cannot read what it wrote.
type unreadable struct{ codec.Msgp }

func (unreadable) Decode(b []byte, v any) ([]byte, error) {
	return nil, core.Errorf(core.ErrMalformed, "it is faulty")
}

func TestFaultyCodec(t *testing.T) {
	w, err := NewWorld(testSchema, unreadable{})
	if err != nil {
		t.Fatal(err)
	}
	Spawn(w, &tiny{Title: "T"})
	f, objects := freeze(w)
	want := []core.Field{{Name: "Title", Value: map[string]any{"msgp/1": []byte("\xa1T")}}, {Name: "On", Value: false}}
	if !reflect.DeepEqual(objects[0].Fields, want) {
		t.Errorf("the snapshot reads %v, want %v", objects[0].Fields, want)
	}
	back, _ := NewWorld(testSchema, unreadable{})
	if err := back.Restore(f.Tick(), f.LastID(), slices.Values(objects)); err == nil || !strings.HasPrefix(err.Error(), "parley: restore: tiny 1: field Title: it is faulty") {
		t.Errorf("the error is %v", err)
	}
}

// TestFreezeAllocs holds that a Frozen is used again without new memory.
func TestFreezeAllocs(t *testing.T) {
	w := newTestWorld(t)
	r := newRand(1)
	for range 200 {
		spawnRandom(w, r)
	}
	f := new(Frozen)
	w.Freeze(f)
	if n := testing.AllocsPerRun(20, func() { w.Freeze(f) }); n > 0 {
		t.Errorf("Freeze allocates %v times", n)
	}
}
