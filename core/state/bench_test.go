package state

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
)

// benchTick is exact in binary, so that a body that goes to and fro comes back to
// where it was.
const benchTick = time.Second / 32

// period is how many ticks it takes to come back.
const period = 16

type body struct {
	Object
	Pos Position2D
}

var benchSchema = NewSchema(Class[body]())

// benchWorld is a world of n bodies that never rest.
func benchWorld(tb testing.TB, n int) (*World, func()) {
	w, err := NewWorld(benchSchema, noCodec{})
	if err != nil {
		tb.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	bodies := make([]*body, n)
	vel := make([]Vec2, n)
	for i := range bodies {
		bodies[i] = Spawn(w, &body{Pos: NewPosition2D(Position2DConfig{At: Vec2{float64(rnd.IntN(1000)), float64(rnd.IntN(1000))}})})
		vel[i] = Vec2{float64(rnd.IntN(200) - 100), float64(rnd.IntN(200) - 100)}
	}
	tick := 0
	return w, func() {
		if tick%(period/2) == 0 {
			for i, b := range bodies {
				v := vel[i]
				if tick%period != 0 {
					v = Vec2{-v.X, -v.Y}
				}
				b.Pos.SetVelocity(v.X, v.Y)
			}
		}
		tick++
		w.Advance(benchTick)
	}
}

// noCodec is for worlds of numbers.
type noCodec struct{}

func (noCodec) Name() string                           { return "none" }
func (noCodec) Append(b []byte, _ any) ([]byte, error) { return b, nil }
func (noCodec) Decode(b []byte, _ any) ([]byte, error) { return b, nil }

// update sends all that a viewer needs, in packets, and has it acknowledged.
func benchUpdate(v *Viewer, seq *uint64, buf []byte, packet func([]byte)) (bytes int) {
	v.Begin(1 << 20)
	for {
		*seq++
		b := v.AppendPacket(buf[:0], 1200, *seq)
		if len(b) == 0 {
			return bytes
		}
		bytes += len(b)
		if packet != nil {
			packet(b)
		}
		v.Ack(*seq)
	}
}

// BenchmarkTick is a server's update: all objects move, and each viewer is sent
// what it needs.
func BenchmarkTick(b *testing.B) {
	for _, n := range []int{128, 1000} {
		b.Run(fmt.Sprintf("viewers=%d/objects=%d", n, n), func(b *testing.B) {
			w, step := benchWorld(b, n)
			s := NewSender(w, 32)
			viewers := make([]*Viewer, n)
			for i := range viewers {
				viewers[i] = s.NewViewer()
			}
			seqs := make([]uint64, n)
			buf := make([]byte, 0, 1500)
			sent := 0
			update := func() {
				step()
				s.Capture()
				for i, v := range viewers {
					sent += benchUpdate(v, &seqs[i], buf, nil)
				}
			}
			for range 700 { // until every ring is full
				update()
			}
			sent = 0
			b.ReportAllocs()
			for b.Loop() {
				update()
			}
			b.ReportMetric(float64(sent)/float64(b.N)/float64(n), "B/client")
		})
	}
}

// BenchmarkEncode is the encoding of one baseline's differences, which viewers
// share.
func BenchmarkEncode(b *testing.B) {
	const n = 1000
	w, step := benchWorld(b, n)
	s := NewSender(w, 32)
	step()
	s.Capture()
	base := s.at
	step()
	step()
	s.Capture()
	b.ReportAllocs()
	for b.Loop() {
		s.arena = s.arena[:0]
		for _, k := range w.chunks {
			k.memo = k.memo[:0]
			s.block(k, base)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entity")
}

// BenchmarkCapture is the freezing of a world in which everything changed.
func BenchmarkCapture(b *testing.B) {
	const n = 1000
	w, step := benchWorld(b, n)
	s := NewSender(w, 32)
	for range 100 {
		step()
		s.Capture()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
		s.Capture()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entity")
}

// BenchmarkApply is a client's part of an update in which everything moved.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{128, 1000} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			w, step := benchWorld(b, n)
			s := NewSender(w, 32)
			v := s.NewViewer()
			r, err := NewReplica(benchSchema, noCodec{}, 1)
			if err != nil {
				b.Fatal(err)
			}
			var seq uint64
			buf := make([]byte, 0, 1500)
			apply := func(p []byte) {
				if err := r.Apply(s.w.tick, p); err != nil {
					b.Fatal(err)
				}
			}
			for range 4 * period {
				step()
				s.Capture()
				benchUpdate(v, &seq, buf, apply)
			}
			var packets [period][][]byte // what repeats itself
			for i := range packets {
				step()
				s.Capture()
				benchUpdate(v, &seq, buf, func(p []byte) {
					apply(p)
					packets[i] = append(packets[i], append([]byte(nil), p...))
				})
			}
			tick := w.tick
			i := 0
			bytes := 0
			b.ReportAllocs()
			for b.Loop() {
				tick++
				for _, p := range packets[i%period] {
					bytes += len(p)
					if err := r.Apply(tick, p); err != nil {
						b.Fatal(err)
					}
				}
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entity")
			b.ReportMetric(float64(bytes)/float64(b.N), "B/update")
		})
	}
}

// crate is solid.
type crate struct {
	Object
	Pos Position2D
}

var crateSchema = NewSchema(Class[crate]())

func crateWorld(tb testing.TB, n int) *World {
	w, err := NewWorld(crateSchema, noCodec{})
	if err != nil {
		tb.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range n {
		c := Spawn(w, &crate{Pos: NewPosition2D(Position2DConfig{
			At: Vec2{rnd.Float64() * 1000, rnd.Float64() * 1000}, Size: Vec2{10, 10}, Solid: true,
			Bounds: Rect{Vec2{0, 0}, Vec2{1010, 1010}}})})
		c.Pos.SetVelocity(rnd.Float64()*200-100, rnd.Float64()*200-100)
	}
	return w
}

// BenchmarkAdvance is the movement of 1,000 solid objects with the grid, and by
// comparing each with each.
func BenchmarkAdvance(b *testing.B) {
	const n = 1000
	var grid, brute float64
	turn := func(w *World, i int) {
		if i%20 == 0 {
			for c := range All[*crate](w) {
				v := c.Pos.Velocity()
				c.Pos.SetVelocity(-v.X, -v.Y)
			}
		}
	}
	b.Run("grid", func(b *testing.B) {
		w, i := crateWorld(b, n), 0
		b.ReportAllocs()
		for b.Loop() {
			turn(w, i)
			w.Advance(benchTick)
			i++
		}
		grid = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	})
	b.Run("brute", func(b *testing.B) {
		w, i := crateWorld(b, n), 0
		for b.Loop() {
			turn(w, i)
			w.tick++
			bruteMove(w, benchTick.Seconds())
			i++
		}
		brute = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
		if grid > 0 {
			b.ReportMetric(brute/grid, "times-grid")
		}
	})
}

// bruteMove is World.move without the grid: each is compared with each.
func bruteMove(w *World, sec float64) {
	w.squeeze()
	var solid []*Position2D
	for _, p := range w.positions {
		if p.pending {
			p.vel, p.pending = p.received, false
			p.store()
		}
		if p.cfg.Solid {
			solid = append(solid, p)
		}
	}
	var near []*Position2D
	for _, p := range w.positions {
		if p.vel == (Vec2{}) {
			continue
		}
		if !p.cfg.Solid {
			w.step(p, sec)
			continue
		}
		near = near[:0]
		for _, q := range solid {
			if q != p {
				near = append(near, q)
			}
		}
		w.stepAmong(p, near, sec)
	}
	w.fireContacts()
	w.forgetContacts()
}

func BenchmarkVarSet(b *testing.B) {
	w := newTestWorld(b)
	x := Spawn(w, &thing{})
	i := 0
	b.Run("int", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i++
			x.Int.Set(i)
		}
	})
	b.Run("quantum", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i++
			x.Coarse.Set(ratio(i))
		}
	})
	b.Run("named", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i++
			x.Kind.Set(kind(i))
		}
	})
	b.Run("string", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i++
			x.Label.Set([2]label{"one", "two"}[i%2])
		}
	})
}

func BenchmarkAll(b *testing.B) {
	w, _ := benchWorld(b, 100)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for x := range All[*body](w) {
			n += int(x.id)
		}
	}
}

// fighter has what objects of a game usually have: a name, a position, numbers, and
// a variable that is none.
type fighter struct {
	Object
	Name   string
	Pos    Position2D
	Health Var[int]
	Gold   Var[int]
	Target Var[Ref[*fighter]]
	Title  Var[string]
}

// BenchmarkFreeze is what a snapshot of 10,000 objects costs: the copy, which the
// tick pays, and the values, which it does not.
func BenchmarkFreeze(b *testing.B) {
	w, err := NewWorld(NewSchema(Class[fighter]()), codec.Msgp{})
	if err != nil {
		b.Fatal(err)
	}
	rnd := newRand(1)
	fighters := make([]*fighter, 10000)
	for i := range fighters {
		fighters[i] = Spawn(w, &fighter{
			Name: fmt.Sprint("fighter ", i), Health: NewVar(100), Title: NewVar("novice"),
			Pos: NewPosition2D(Position2DConfig{At: Vec2{rnd.Float64(), rnd.Float64()}, Size: Vec2{1, 1}}),
		})
	}
	f := new(Frozen)
	w.Freeze(f) // the first one makes room
	b.Run("copy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.Freeze(f)
		}
	})
	b.Run("values", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for range f.Objects() {
			}
		}
	})
}
