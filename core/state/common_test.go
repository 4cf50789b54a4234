package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/codec"
)

type (
	kind  uint8
	ratio float32
	label string
	stats struct {
		Level int
		Tags  []string
		Odds  map[string]float64
	}
)

// thing has variables of many kinds.
type thing struct {
	Object
	Name   string
	Parts  []string
	Home   string `parley:"-"`
	hidden int

	Int    Var[int]
	Int8   Var[int8]
	Uint16 Var[uint16]
	Kind   Var[kind]
	Bool   Var[bool]
	Float  Var[float64]
	Small  Var[float32]
	Ratio  Var[ratio]
	Fine   Var[float64] `parley:"quantum=0.01"`
	Coarse Var[ratio]   `parley:"quantum=2.5"`
	Uint   Var[uint64]
	Friend Var[Ref[*thing]]
	Label  Var[label]
	Stats  Var[stats]
	List   Var[[]int32]
	Map    Var[map[string]int]
}

// mover moves.
type mover struct {
	Object
	Note string
	Pos  Position2D
	HP   Var[int32]
}

// bare has nothing.
type bare struct{ Object }

// fat has values that no packet holds.
type fat struct {
	Object
	Big  []byte
	Data Var[[]byte]
	More Var[string]
}

// tiny has one small number, and so the most rows in a chunk.
type tiny struct {
	Object
	Title string
	On    Var[bool]
}

var testSchema = NewSchema(Class[thing](), Class[mover](), Class[bare](), Class[fat](), Class[tiny]())

func newTestWorld(t testing.TB) *World {
	t.Helper()
	w, err := NewWorld(testSchema, codec.Msgp{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newTestReplica(t testing.TB, me PlayerID) *Replica {
	t.Helper()
	r, err := NewReplica(testSchema, codec.Msgp{}, me)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// panics returns what fn panics with, nil for nothing.
func panics(fn func()) (v any) {
	defer func() { v = recover() }()
	fn()
	return nil
}

// panicsWith fails unless fn panics with an error of type E.
func panicsWith[E error](t *testing.T, what string, fn func()) {
	t.Helper()
	v := panics(fn)
	err, _ := v.(error)
	if _, ok := errors.AsType[E](err); !ok {
		var want E
		t.Errorf("%s: panic %v, want a %T", what, v, want)
	}
}

// fieldText is a synchronized field's value as text, as far as it travels.
func fieldText(f field) string {
	if p, ok := f.(*Position2D); ok {
		return fmt.Sprintf("at %d,%d vel %d,%d %v", quantize(p.at.X), quantize(p.at.Y), quantize(p.vel.X), quantize(p.vel.Y), p.configOnly())
	}
	if v, ok := f.(*Var[[]byte]); ok {
		return text(v.val)
	}
	return f.(fmt.Stringer).String()
}

// text is fmt.Sprint, except that it is quick about long bytes.
func text(x any) string {
	if b, ok := x.([]byte); ok {
		return fmt.Sprintf("%d bytes %08x", len(b), crc32.ChecksumIEEE(b))
	}
	return fmt.Sprint(x)
}

// configOnly is what of the configuration a client knows.
func (p *Position2D) configOnly() Position2DConfig {
	cfg := p.cfg
	cfg.At = Vec2{}
	return cfg
}

// objectText is all that replicates of an object, as text.
func objectText(o *Object) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s owner %d", o, o.owner)
	switch x := o.self.(type) {
	case *thing:
		fmt.Fprintf(&b, " %q %q", x.Name, x.Parts)
	case *mover:
		fmt.Fprintf(&b, " %q", x.Note)
	case *fat:
		b.WriteString(" " + text(x.Big))
	case *tiny:
		fmt.Fprintf(&b, " %q", x.Title)
	}
	for i, f := range o.fields {
		fmt.Fprintf(&b, " %s=%s", o.class.fields[i].name, fieldText(f))
	}
	return b.String()
}

// dump is all that replicates of a world.
func dump(w *World) map[ObjectID]string {
	m := make(map[ObjectID]string)
	for e := range w.Objects() {
		m[e.base().id] = objectText(e.base())
	}
	return m
}

// difference says where two dumps differ, "" if nowhere.
func difference(server, client map[ObjectID]string) string {
	for _, id := range slices.Sorted(maps.Keys(server)) {
		if c, ok := client[id]; !ok {
			return fmt.Sprintf("%d is missing: %.300s", id, server[id])
		} else if c != server[id] {
			a, b := server[id], c
			i := 0
			for i < len(a) && i < len(b) && a[i] == b[i] {
				i++
			}
			i = max(0, i-60)
			return fmt.Sprintf("%d differs:\n  server …%.200s\n  client …%.200s", id, a[i:], b[i:])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(client)) {
		if _, ok := server[id]; !ok {
			return fmt.Sprintf("%d is too many: %.300s", id, client[id])
		}
	}
	return ""
}

// checkIndex fails unless all of w's look-ups agree with one another.
func checkIndex(t testing.TB, w *World) {
	t.Helper()
	ids := func(it func(func(Entity) bool)) []ObjectID {
		var ids []ObjectID
		for e := range it {
			if o := e.base(); !o.IsAlive() || o.world != w || w.Object(o.id) != e {
				t.Fatalf("%s is listed, but not alive or not found", o)
			}
			ids = append(ids, e.base().id)
		}
		slices.Sort(ids)
		return ids
	}
	all := ids(w.Objects())
	if len(all) != w.Len() || len(slices.Compact(all)) != len(all) {
		t.Fatalf("%d objects listed, %d found", len(all), w.Len())
	}
	var byOwner, byClass []ObjectID
	for p, l := range w.byOwner {
		if l.gone == len(l.objs) && p != Server {
			t.Fatalf("an empty list of %s", p)
		}
		for e := range w.OwnedBy(p) {
			if e.base().owner != p {
				t.Fatalf("%s listed as one of %s", e.base(), p)
			}
			byOwner = append(byOwner, e.base().id)
		}
	}
	for i := range w.byClass {
		walk(w, &w.byClass[i], func(e Entity) bool {
			byClass = append(byClass, e.base().id)
			return true
		})
	}
	slices.Sort(byOwner)
	slices.Sort(byClass)
	if !slices.Equal(all, byOwner) || !slices.Equal(all, byClass) {
		t.Fatalf("look-ups differ:\n all %v\n by owner %v\n by class %v", all, byOwner, byClass)
	}
}

// randomBytes are of a length that meets every limit sooner or later.
func randomBytes(r *rand.Rand) []byte {
	n := []int{0, 1, 20, inlineBlob - 3, inlineBlob - 2, inlineBlob, inlineSpawn - 4, inlineSpawn, 1000, 5000, 64 << 10}[r.IntN(11)]
	if n > 20 {
		n += r.IntN(5) - 2
	}
	return bytes.Repeat([]byte{byte(r.Uint32())}, n)
}

func randomString(r *rand.Rand) string {
	return strings.Repeat(string(rune('a'+r.IntN(26))), []int{0, 1, 10, 50, 80, 300}[r.IntN(6)])
}

func randomFloat(r *rand.Rand) float64 {
	special := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}
	if r.IntN(4) == 0 {
		return special[r.IntN(len(special))]
	}
	return r.NormFloat64() * 1000
}

func randomInt(r *rand.Rand) int64 {
	return []int64{0, 1, -1, math.MaxInt64, math.MinInt64, int64(r.Uint64()), r.Int64N(100)}[r.IntN(7)]
}

// change sets one of x's variables.
func (x *thing) change(r *rand.Rand) {
	switch r.IntN(16) {
	case 0:
		x.Int.Set(int(randomInt(r)))
	case 1:
		x.Int8.Set(int8(randomInt(r)))
	case 2:
		x.Uint16.Set(uint16(randomInt(r)))
	case 3:
		x.Kind.Set(kind(randomInt(r)))
	case 4:
		x.Bool.Set(r.IntN(2) == 0)
	case 5:
		x.Float.Set(randomFloat(r))
	case 6:
		x.Small.Set(float32(randomFloat(r)))
	case 7:
		x.Ratio.Set(ratio(randomFloat(r)))
	case 8:
		x.Fine.Set(randomFloat(r))
	case 9:
		x.Coarse.Set(ratio(randomFloat(r)))
	case 10:
		x.Uint.Set(uint64(randomInt(r)))
	case 11:
		x.Friend.Set(Ref[*thing]{ObjectID(randomInt(r))})
	case 12:
		x.Label.Set(label(randomString(r)))
	case 13:
		x.Stats.Set(stats{Level: r.IntN(9), Tags: []string{randomString(r)}, Odds: map[string]float64{"a": 1, randomString(r): 2}})
	case 14:
		x.List.Set(make([]int32, r.IntN(40)))
	case 15:
		x.Map.Set(map[string]int{randomString(r): r.IntN(3), "x": r.IntN(3)})
	}
}

// spawnRandom spawns something of any class.
func spawnRandom(w *World, r *rand.Rand) {
	owner := PlayerID(r.IntN(4))
	switch r.IntN(6) {
	case 0, 1:
		x := &thing{Name: randomString(r), Parts: []string{randomString(r)}, Home: "here", hidden: 1}
		for range r.IntN(10) {
			x.change(r)
		}
		SpawnFor(w, owner, x)
	case 2, 3:
		SpawnFor(w, owner, &mover{Note: randomString(r), HP: NewVar(int32(randomInt(r))), Pos: NewPosition2D(Position2DConfig{
			At:       Vec2{randomFloat(r), randomFloat(r)},
			Size:     Vec2{float64(r.IntN(9)), 3},
			Bounds:   [2]Rect{{}, {Vec2{-500, -500}, Vec2{500, 500}}}[r.IntN(2)],
			MaxSpeed: float64(r.IntN(2) * 100),
			Solid:    r.IntN(2) == 0,
		})})
	case 4:
		SpawnFor(w, owner, &fat{Big: randomBytes(r), Data: NewVar(randomBytes(r)), More: NewVar(randomString(r))})
	case 5:
		if r.IntN(2) == 0 {
			SpawnFor(w, owner, &bare{})
		} else {
			SpawnFor(w, owner, &tiny{Title: randomString(r)})
		}
	}
}

// anyObject returns one of w's objects.
func anyObject(w *World, r *rand.Rand) *Object {
	for range 20 {
		if n := len(w.all.objs); n > 0 {
			if o := w.all.objs[r.IntN(n)]; o != nil {
				return o
			}
		}
	}
	return nil
}

// mutate does one thing to a world that a game may do.
func mutate(w *World, r *rand.Rand, most int) {
	o := anyObject(w, r)
	if o == nil || w.Len() < most && r.IntN(8) == 0 {
		spawnRandom(w, r)
		return
	}
	switch r.IntN(16) {
	case 0:
		o.Despawn()
	case 1:
		o.SetOwner(PlayerID(r.IntN(4)))
	default:
		switch x := o.self.(type) {
		case *thing:
			x.change(r)
		case *mover:
			switch r.IntN(4) {
			case 0:
				x.HP.Set(int32(randomInt(r)))
			case 1:
				x.Pos.Place(randomFloat(r), randomFloat(r))
			default:
				x.Pos.SetVelocity(randomFloat(r), randomFloat(r))
			}
		case *fat:
			if r.IntN(4) == 0 {
				x.More.Set(randomString(r))
			} else {
				x.Data.Set(randomBytes(r))
			}
		case *tiny:
			x.On.Set(!x.On.Get())
		}
	}
}

func mustWorld(t testing.TB, s *Schema) *World {
	t.Helper()
	w, err := NewWorld(s, codec.Msgp{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }
