package state

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
)

type inner struct{ N int }

type body2D struct{ Position2D }

type mixin struct {
	Shield Var[int]
	Crest  string
}

type hiddenMixin struct {
	Armour Var[int]
	Colour string
	own    int
}

type withObject struct {
	Object
	Hits Var[int]
}

type selfish struct {
	Next *selfish
	N    int
}

// knight has everything that is right.
type knight struct {
	Object
	mixin2
	hiddenMixin
	Stamp    inner
	When     time.Time
	Tree     selfish
	Any      any
	Gold     Var[int32] `parley:"-"`
	target   *knight
	game     *World
	Pos      Position2D
	Strength Var[float64] `parley:"quantum=1e-2"`
	Rank     Var[kind]
	Lord     Var[Ref[*knight]]
	Bag      Var[map[string]inner]
	Squires  []Ref[*knight]
}

type mixin2 = mixin

func TestClassDescribes(t *testing.T) {
	info := Class[knight]().Describe()
	want := []string{
		"knight.Shield: Var of int",
		"knight.Crest: string at spawn",
		"knight.Armour: Var of int",
		"knight.Colour: string at spawn",
		"knight.Stamp: {N int} at spawn",
		"knight.When: time.Time at spawn",
		"knight.Tree: {Next *selfish, N int} at spawn",
		"knight.Any: any at spawn",
		"knight.Pos: Position2D",
		"knight.Strength: Var of float64 in steps of 0.01",
		"knight.Rank: Var of uint8",
		"knight.Lord: Var of {ID uint32}",
		"knight.Bag: Var of map[string]{N int}",
		"knight.Squires: []{ID uint32} at spawn",
	}
	if info.Err != nil || info.Kind != "class" || info.Name != "knight" || !slices.Equal(info.Lines, want) {
		t.Errorf("described as %s %s, %v:\n%s", info.Kind, info.Name, info.Err, strings.Join(info.Lines, "\n"))
	}
}

type (
	row0 struct{ A, B, C, D, E, F, G, H Var[int64] }
	row1 row0
	row2 row0
	row3 row0
	row4 row0
	row5 row0
	row6 row0
	row7 row0
	row8 row0
)

// Each mistake in a class gives a message that names the field and what to do.
func TestClassErrors(t *testing.T) {
	type lowerVar struct {
		Object
		hp Var[int] //lint:ignore U1000 it is the mistake
	}
	type lowerDeep struct {
		Object
		inner struct{ HP [2]Var[int] } //lint:ignore U1000 it is the mistake
	}
	type deepVar struct {
		Object
		Stats struct{ HP Var[int] }
	}
	type sliceOfVars struct {
		Object
		HP []Var[int]
	}
	type pointerToVar struct {
		Object
		HP *Var[int]
	}
	type pointerToObject struct {
		Object
		Target *tiny
	}
	type sliceOfObjects struct {
		Object
		Targets []*tiny
	}
	type interfaceOfObjects struct {
		Object
		Target Entity
	}
	type objectInside struct {
		Object
		Other withObject
	}
	type namedObject struct {
		Object
		Second Object
	}
	type twoObjects struct {
		Object
		withObject
	}
	type byPointer struct {
		*Object
	}
	type twoPositions struct {
		Object
		A, B Position2D
	}
	type badTag struct {
		Object
		HP Var[int] `parley:"quantum=1"`
	}
	type zeroQuantum struct {
		Object
		HP Var[float64] `parley:"quantum=0"`
	}
	type infiniteQuantum struct {
		Object
		HP Var[float64] `parley:"quantum=Inf"`
	}
	type unknownTag struct {
		Object
		HP Var[float64] `parley:"quantums=1"`
	}
	type tagOnPlain struct {
		Object
		Name string `parley:"once"`
	}
	type varOfObject struct {
		Object
		Target Var[*tiny]
	}
	type tooWide struct {
		Object
		row0
		row1
		row2
		row3
		row4
		row5
		row6
		row7
		row8
	}
	for _, c := range []struct {
		part Part
		want []string
	}{
		{Class[lowerVar](), []string{"lowerVar.hp", "exported"}},
		{Class[lowerDeep](), []string{"lowerDeep.inner", "exported"}},
		{Class[deepVar](), []string{"deepVar.Stats", "embedded"}},
		{Class[sliceOfVars](), []string{"sliceOfVars.HP", "only as a field"}},
		{Class[pointerToVar](), []string{"pointerToVar.HP", "only as a field"}},
		{Class[pointerToObject](), []string{"pointerToObject.Target", "state.Ref"}},
		{Class[sliceOfObjects](), []string{"sliceOfObjects.Targets", "state.Ref"}},
		{Class[interfaceOfObjects](), []string{"interfaceOfObjects.Target", "state.Ref"}},
		{Class[objectInside](), []string{"objectInside.Other", "state.Ref"}},
		{Class[namedObject](), []string{"namedObject.Second", "state.Ref"}},
		{Class[twoObjects](), []string{"twoObjects", "once", "here are 2"}},
		{Class[byPointer](), []string{"byPointer", "by value", "here are 0"}},
		{Class[Object](), []string{"Object", "here are 0"}},
		{Class[twoPositions](), []string{"twoPositions", "two positions"}},
		{Class[badTag](), []string{"badTag.HP", "on a Var of a float"}},
		{Class[zeroQuantum](), []string{"zeroQuantum.HP", "above 0"}},
		{Class[infiniteQuantum](), []string{"infiniteQuantum.HP", "quantum=NUMBER"}},
		{Class[unknownTag](), []string{"unknownTag.HP", "quantum=NUMBER"}},
		{Class[tagOnPlain](), []string{"tagOnPlain.Name", "unknown tag"}},
		{Class[varOfObject](), []string{"varOfObject.Target", "state.Ref"}},
		{Class[tooWide](), []string{"tooWide", "a packet has room for", "one Var of a struct"}},
		{Class[struct{ Object }](), []string{"needs a name"}},
	} {
		err := NewSchema(c.part).Err()
		if err == nil {
			t.Errorf("%s: no error, want %q", c.part.Describe().Name, c.want)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
	}
}

// Fields of embedded structs travel, also of one that embeds a position.
func TestEmbedded(t *testing.T) {
	type rider struct {
		Object
		hiddenMixin
		Position2D
	}
	type horse struct {
		Object
		body2D
		Speed Var[int]
	}
	s := NewSchema(Class[rider](), Class[horse](), Class[knight]())
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	w := mustWorld(t, s)
	x := &rider{hiddenMixin: hiddenMixin{Colour: "red", own: 3}, Position2D: NewPosition2D(Position2DConfig{At: Vec2{1, 2}, Size: Vec2{3, 4}})}
	x.Armour.Set(5)
	Spawn(w, x)
	y := Spawn(w, &horse{body2D: body2D{NewPosition2D(Position2DConfig{At: Vec2{5, 6}, Size: Vec2{7, 8}})}, Speed: NewVar(9)})
	z := &knight{Tree: selfish{&selfish{nil, 1}, 2}, Any: "any", When: time.Unix(7, 0).UTC(), Gold: NewVar(int32(3)), game: w}
	z.target, z.Squires = z, []Ref[*knight]{{5}}
	Spawn(w, z)
	r, err := NewReplica(s, codec.Msgp{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.apply1(t, w)
	if a, _ := Get[*rider](r.w, x.ID()); a.Colour != "red" || a.Armour.Get() != 5 || a.At() != x.At() || a.Size() != (Vec2{3, 4}) || a.own != 0 {
		t.Errorf("arrived: %+v", a)
	}
	if a, _ := Get[*horse](r.w, y.ID()); a.At() != y.At() || a.Size() != (Vec2{7, 8}) || a.Speed.Get() != 9 {
		t.Errorf("arrived: %+v", a)
	}
	if a, _ := Get[*knight](r.w, z.ID()); a.Tree.Next == nil || a.Tree.Next.N != 1 || a.Any != "any" || !a.When.Equal(z.When) ||
		a.Gold.Get() != 0 || a.game != nil || a.target != nil || len(a.Squires) != 1 {
		t.Errorf("arrived: %+v", a)
	}
	z.Gold.Set(4) // a Var at home is no part of the world
}

// A struct that embeds a Ref is a value of its own, not a reference.
func TestStructWithRef(t *testing.T) {
	type order struct {
		Ref[*tiny]
		Count int
	}
	type shop struct {
		Object
		Order Var[order]
		Maybe Var[*Ref[*tiny]]
	}
	s := NewSchema(Class[shop]())
	w := mustWorld(t, s)
	x := Spawn(w, &shop{Order: NewVar(order{Ref[*tiny]{3}, 4}), Maybe: NewVar(&Ref[*tiny]{5})})
	r, err := NewReplica(s, codec.Msgp{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.apply1(t, w)
	if y, _ := Get[*shop](r.w, x.ID()); y.Order.Get() != x.Order.Get() || *y.Maybe.Get() != *x.Maybe.Get() {
		t.Errorf("%+v arrives as %+v", x.Order.Get(), y.Order.Get())
	}
}
