package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/core/internal/wire"
)

// wide is as wide as a class may be.
type wide struct {
	Object
	Pos                            Position2D
	A0, A1, A2, A3, A4, A5, A6, A7 Var[int64]
	B0, B1, B2, B3, B4, B5, B6, B7 Var[uint64]
	C0, C1, C2, C3, C4, C5, C6, C7 Var[float64]
	D0, D1, D2, D3, D4, D5, D6, D7 Var[float64]
	E0, E1, E2, E3, E4, E5, E6, E7 Var[int]
	F0, F1, F2, F3, F4, F5, F6, F7 Var[uint]
	G0, G1, G2, G3, G4             Var[int64]
	Q0, Q1, Q2, Q3, Q4             Var[float32] `parley:"quantum=0.001"`
	H0, H1                         Var[int32]
	Text                           string
}

// mixed has a column of each size, and blobs between them.
type mixed struct {
	Object
	Text   string
	Bool   Var[bool]
	Blob0  Var[string]
	I8     Var[int8]
	U8     Var[uint8]
	I16    Var[int16]
	U16    Var[uint16]
	Blob1  Var[[]byte]
	I32    Var[int32]
	U32    Var[uint32]
	F32    Var[float32]
	Ref    Var[Ref[*mixed]]
	Quant  Var[float32] `parley:"quantum=1e-9"`
	I64    Var[int64]
	U64    Var[uint64]
	F64    Var[float64]
	Blob2  Var[string]
	Pos    Position2D
	Blob3  Var[[]byte]
	Quant2 Var[float64] `parley:"quantum=1e9"`
}

var weightSchema = NewSchema(Class[wide](), Class[mixed](), Class[tiny](), Class[bare](), Class[fat]())

// extreme sets every variable to one end of its range, or something between.
func extreme(o *Object, r *rand.Rand) {
	high := r.IntN(2) == 0
	i := map[bool]int64{false: math.MinInt64, true: math.MaxInt64}[high]
	f := map[bool]float64{false: math.Inf(-1), true: math.Inf(1)}[high]
	if r.IntN(8) == 0 {
		i, f = int64(r.Uint64()), math.Float64frombits(r.Uint64())
	}
	text := strings.Repeat("x", r.IntN(2*inlineBlob))
	all := r.IntN(2) == 0
	for _, x := range o.fields {
		if !all && r.IntN(8) == 0 {
			continue
		}
		switch v := x.(type) {
		case *Var[bool]:
			v.Set(high)
		case *Var[int8]:
			v.Set(map[bool]int8{false: math.MinInt8, true: math.MaxInt8}[high])
		case *Var[uint8]:
			v.Set(uint8(i >> 63))
		case *Var[int16]:
			v.Set(map[bool]int16{false: math.MinInt16, true: math.MaxInt16}[high])
		case *Var[uint16]:
			v.Set(uint16(i >> 63))
		case *Var[int32]:
			v.Set(map[bool]int32{false: math.MinInt32, true: math.MaxInt32}[high])
		case *Var[uint32]:
			v.Set(uint32(i >> 63))
		case *Var[int64]:
			v.Set(i)
		case *Var[uint64]:
			v.Set(uint64(i))
		case *Var[int]:
			v.Set(int(i))
		case *Var[uint]:
			v.Set(uint(i))
		case *Var[float64]:
			v.Set(f)
		case *Var[float32]:
			v.Set(float32(f))
		case *Var[Ref[*mixed]]:
			v.Set(Ref[*mixed]{ObjectID(i >> 63)})
		case *Var[string]:
			v.Set(text)
		case *Var[[]byte]:
			v.Set([]byte(text))
		case *Position2D:
			v.Place(f, -f)
			v.SetVelocity(-f, f)
		}
	}
	if r.IntN(4) == 0 {
		o.SetOwner(PlayerID(i >> 63))
	}
}

// A chunk's block fits MinPacket whatever the baseline, at any values, and its
// weight says so beforehand.
func TestBlockFitsPacket(t *testing.T) {
	if err := weightSchema.Err(); err != nil {
		t.Fatal(err)
	}
	forSeeds(t, 3, func(t *testing.T, r *rand.Rand) {
		w := mustWorld(t, weightSchema)
		w.next = math.MaxUint32 - 1e6 // ids are long
		s := NewSender(w, 10)
		spawn := func() *Object {
			text := strings.Repeat("n", []int{0, 1, 100 + r.IntN(150), inlineSpawn - 3, inlineSpawn - 2, inlineSpawn, 2 * inlineSpawn}[r.IntN(7)])
			owner := PlayerID(math.MaxUint32)
			switch r.IntN(5) {
			case 0:
				return SpawnFor(w, owner, &wide{Text: text}).base()
			case 1:
				return SpawnFor(w, owner, &mixed{Text: text}).base()
			case 2:
				return SpawnFor(w, owner, &fat{Big: []byte(text)}).base()
			case 3:
				return SpawnFor(w, owner, &bare{}).base()
			}
			return SpawnFor(w, owner, &tiny{Title: text}).base()
		}
		longest := 0
		for range 80 {
			switch r.IntN(3) {
			case 0: // come
				for range r.IntN(60) {
					extreme(spawn(), r)
				}
			case 1: // go
				for e := range w.Objects() {
					if r.IntN(3) > 0 {
						e.base().Despawn()
					}
				}
			}
			for e := range w.Objects() {
				if r.IntN(4) > 0 {
					extreme(e.base(), r)
				}
			}
			w.Advance(0)
			s.Capture()
			for _, k := range w.chunks {
				checkWeight(t, k)
				header := k.appendBlock(nil, math.MaxUint32, k.at(), k.history[k.newest].vals)
				for _, v := range append([]version{{}}, k.history...) {
					b := k.appendBlock(nil, math.MaxUint32, v.at, v.vals)
					if longest = max(longest, len(b)); len(b) > MinPacket || len(b) > len(header)+10+k.weight {
						t.Fatalf("a block of %d bytes for chunk %d of %s, whose weight is %d", len(b), k.index, k.class.name, k.weight)
					}
				}
			}
		}
		if longest < chunkBytes*3/4 {
			t.Errorf("the longest block has %d bytes: this test presses nothing", longest)
		}
	})
}

func checkWeight(t *testing.T, k *chunk) {
	t.Helper()
	weight, live := 0, 0
	for i := range k.rows {
		weight += k.rows[i].weight
		if k.rows[i].obj != nil {
			live++
			if o := k.rows[i].obj; o.chunk != k || o.row != i || !o.alive {
				t.Fatalf("%s is not in its row", o)
			}
		}
	}
	if weight != k.weight || live != k.live || weight > chunkBytes || len(k.rows) > k.class.maxRows {
		t.Fatalf("chunk %d of %s counts %d bytes and %d objects; it has %d and %d in %d rows",
			k.index, k.class.name, k.weight, k.live, weight, live, len(k.rows))
	}
}

// Each kind of column takes what the class reckons with, at the ends of its range.
func TestColumnSizes(t *testing.T) {
	type cBool struct {
		Object
		V Var[bool]
	}
	type cInt8 struct {
		Object
		V Var[int8]
	}
	type cUint16 struct {
		Object
		V Var[uint16]
	}
	type cInt32 struct {
		Object
		V Var[int32]
	}
	type cFloat32 struct {
		Object
		V Var[float32]
	}
	type cInt64 struct {
		Object
		V Var[int64]
	}
	type cRef struct {
		Object
		V Var[Ref[*cInt64]]
	}
	type cSteps struct {
		Object
		V Var[float32] `parley:"quantum=0.5"`
	}
	w := mustWorld(t, NewSchema(Class[cBool](), Class[cInt8](), Class[cUint16](), Class[cInt32](), Class[cFloat32](), Class[cInt64](), Class[cRef](), Class[cSteps]()))
	a, b, c, d := Spawn(w, &cBool{}), Spawn(w, &cInt8{}), Spawn(w, &cUint16{}), Spawn(w, &cInt32{})
	e, f, g, h := Spawn(w, &cFloat32{}), Spawn(w, &cInt64{}), Spawn(w, &cRef{}), Spawn(w, &cSteps{})
	value := func(o *Object) int64 { return o.chunk.vals(o.row)[colFields] }
	for _, x := range []struct {
		o      *Object
		lo, hi func()
	}{
		{a.base(), func() { a.V.Set(false) }, func() { a.V.Set(true) }},
		{b.base(), func() { b.V.Set(math.MinInt8) }, func() { b.V.Set(math.MaxInt8) }},
		{c.base(), func() { c.V.Set(0) }, func() { c.V.Set(math.MaxUint16) }},
		{d.base(), func() { d.V.Set(math.MinInt32) }, func() { d.V.Set(math.MaxInt32) }},
		{e.base(), func() { e.V.Set(0) }, func() { e.V.Set(math.Float32frombits(math.MaxUint32)) }},
		{f.base(), func() { f.V.Set(0) }, func() { f.V.Set(math.MinInt64) }},
		{g.base(), func() { g.V.Set(Ref[*cInt64]{}) }, func() { g.V.Set(Ref[*cInt64]{math.MaxUint32}) }},
		{h.base(), func() { h.V.Set(-math.MaxFloat32) }, func() { h.V.Set(math.MaxFloat32) }},
	} {
		x.lo()
		lo := value(x.o)
		x.hi()
		n := max(len(wire.AppendVarint(nil, value(x.o)-lo)), len(wire.AppendVarint(nil, lo-value(x.o))))
		if got, want := x.o.class.maxRow, x.o.class.maskLen()+12+n; got != want {
			t.Errorf("%s: a row of at most %d bytes; a difference can make it %d", x.o.class.name, got, want)
		}
	}
}

// Rows that became free are used again before the world gets more chunks.
func TestRowsAreReused(t *testing.T) {
	for name, spawn := range map[string]func(w *World) *Object{
		"bare": func(w *World) *Object { return Spawn(w, &bare{}).base() },
		"tiny": func(w *World) *Object { return Spawn(w, &tiny{Title: "abcdef"}).base() },
		"wide": func(w *World) *Object { return Spawn(w, &wide{Text: strings.Repeat("x", 250)}).base() },
	} {
		w := mustWorld(t, weightSchema)
		var objs []*Object
		for range 500 {
			objs = append(objs, spawn(w))
		}
		n := len(w.chunks)
		for round := range 30 {
			for i := range objs {
				if (i+round)%3 == 0 {
					objs[i].Despawn()
				}
			}
			for i := range objs {
				if !objs[i].alive {
					objs[i] = spawn(w)
				}
			}
		}
		if len(w.chunks) != n {
			t.Errorf("%s: %d chunks for 500 objects, %d after objects came and went", name, n, len(w.chunks))
		}
	}
}

func TestCapture(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	x := Spawn(w, &tiny{})
	k := x.chunk
	s.Capture()
	first := k.at()
	if first == 0 || w.Tick() != uint64(first) {
		t.Fatalf("the first version is of tick %d, the world at %d", first, w.Tick())
	}
	x.On.Set(true)
	x.On.Set(false)
	s.Capture()
	if k.at() != first {
		t.Error("a chunk that changed and changed back has a new version")
	}
	x.On.Set(true)
	s.Capture()
	if k.at() <= first || w.Tick() != uint64(k.at()) {
		t.Errorf("version of tick %d at tick %d after one of %d: a tick is frozen once", k.at(), w.Tick(), first)
	}
	for i := range 100 {
		x.On.Set(i%2 == 0)
		s.Capture()
		if got := k.version(k.at()); got == nil || got[colFields] != int64((i+1)%2) {
			t.Fatalf("version %d reads %v", k.at(), got)
		}
	}
	if len(k.history) != s.keep {
		t.Errorf("%d versions kept, want %d", len(k.history), s.keep)
	}
	if k.version(first) != nil || k.oldest() <= first {
		t.Error("the first version was to be forgotten")
	}
	if at := k.oldest(); k.version(at) == nil {
		t.Errorf("the oldest version, of tick %d, is not here", at)
	}
}

// All viewers in one position share one encoding.
func TestBlocksAreShared(t *testing.T) {
	w := newTestWorld(t)
	for i := range 300 {
		Spawn(w, &tiny{Title: fmt.Sprint(i)})
	}
	s := NewSender(w, 10)
	encodings := func() (n int) {
		for _, k := range w.chunks {
			if k.memoAt == s.at {
				n += len(k.memo)
			}
		}
		return n
	}
	var viewers []*Viewer
	for range 50 {
		viewers = append(viewers, s.NewViewer())
	}
	update := func(n int, ack bool) {
		t.Helper()
		s.Capture()
		for i, v := range viewers {
			v.Begin(1 << 20)
			for seq := w.tick * 100; len(v.AppendPacket(nil, 1200, seq)) > 0; seq++ {
				if ack || i == 0 {
					v.Ack(seq)
				}
			}
		}
		if got := encodings(); got != n*len(w.chunks) {
			t.Errorf("%d encodings of %d chunks for %d viewers, want %d of each", got, len(w.chunks), len(viewers), n)
		}
	}
	change := func() {
		for x := range All[*tiny](w) {
			x.On.Set(!x.On.Get())
		}
	}
	update(1, true) // whole
	change()
	update(1, true) // from one baseline
	change()
	update(1, false) // only the first acknowledges
	change()
	update(2, true) // from two baselines
}
