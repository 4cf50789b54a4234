package state

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// twoWorlds are alike, for moving one with the grid and one without.
func twoWorlds(t *testing.T, r *rand.Rand) (a, b *World) {
	a, b = newTestWorld(t), newTestWorld(t)
	size := []float64{0.01, 10, 1000}[r.IntN(3)]
	area := size * math.Sqrt(float64(50+r.IntN(400))) * 2
	for range 10 + r.IntN(150) {
		cfg := Position2DConfig{At: Vec2{r.Float64()*area - area/2, r.Float64() * area}, Solid: r.IntN(8) > 0}
		switch r.IntN(8) {
		case 0: // a point
		case 1: // a wall
			cfg.Size = Vec2{size, area}
		default:
			cfg.Size = Vec2{r.Float64() * size, r.Float64() * size}
		}
		if r.IntN(3) == 0 { // on a lattice: edges meet edges
			cfg.At = Vec2{math.Trunc(cfg.At.X/size) * size, math.Trunc(cfg.At.Y/size) * size}
			cfg.Size = Vec2{size, size}
		}
		if r.IntN(3) == 0 {
			cfg.Bounds = Rect{Vec2{-area, 0}, Vec2{area, area + cfg.Size.Y}}
		}
		v := Vec2{r.NormFloat64() * size * 10, r.NormFloat64() * size * 10}
		switch r.IntN(6) {
		case 0:
			v = Vec2{}
		case 1:
			v.X = 0
		case 2:
			v = Vec2{v.X * 1000, v.Y * 1000} // a bullet
		}
		for _, w := range []*World{a, b} {
			spawnAt(w, cfg).Pos.SetVelocity(v.X, v.Y)
		}
	}
	return a, b
}

// The grid finds what comparing each with each finds.
func TestGridMatchesBruteForce(t *testing.T) {
	forSeeds(t, 30, func(t *testing.T, r *rand.Rand) {
		a, b := twoWorlds(t, r)
		hits := map[*World]map[[2]ObjectID]int{a: {}, b: {}}
		for _, w := range []*World{a, b} {
			for m := range All[*mover](w) {
				m.Pos.OnCollision(func(with Entity) { hits[w][[2]ObjectID{m.ID(), with.base().ID()}]++ })
			}
		}
		for tick := range 60 {
			dt := []time.Duration{time.Second / 30, time.Second}[r.IntN(2)]
			a.Advance(dt)
			b.tick++
			bruteMove(b, dt.Seconds())
			for m := range All[*mover](a) {
				n, _ := Get[*mover](b, m.ID())
				if m.Pos.At() != n.Pos.At() {
					t.Fatalf("tick %d: %v at %v, by brute force at %v", tick, m, m.Pos.At(), n.Pos.At())
				}
				if r.IntN(20) == 0 {
					v := m.Pos.Velocity()
					m.Pos.SetVelocity(-v.Y, v.X)
					n.Pos.SetVelocity(-v.Y, v.X)
				}
				if r.IntN(500) == 0 {
					m.Despawn()
					n.Despawn()
				}
			}
		}
		if !maps.Equal(hits[a], hits[b]) {
			for pair := range hits[a] {
				if hits[a][pair] != hits[b][pair] {
					t.Fatalf("%v met %d times with the grid, %d by brute force", pair, hits[a][pair], hits[b][pair])
				}
			}
			t.Errorf("%d pairs met with the grid, %d by brute force", len(hits[a]), len(hits[b]))
		}
	})
}

// Solid things that do not overlap never come to, whatever their speed, and stay
// in their bounds.
func TestNothingTunnels(t *testing.T) {
	forSeeds(t, 5, func(t *testing.T, r *rand.Rand) {
		w := newTestWorld(t)
		const side = 100.0
		bounds := Rect{Vec2{0, 0}, Vec2{side, side}}
		var ms []*mover
		for range 120 {
			cfg := Position2DConfig{At: Vec2{r.Float64() * 94.9, r.Float64() * 94.9}, Size: Vec2{0.1 + r.Float64()*5, 0.1 + r.Float64()*5},
				Solid: true, Bounds: bounds, MaxSpeed: 0}
			m := &mover{Pos: NewPosition2D(cfg)}
			free := true
			for _, o := range ms {
				free = free && !o.Pos.Overlaps(&m.Pos)
			}
			if free {
				ms = append(ms, Spawn(w, m))
			}
		}
		if len(ms) < 30 {
			t.Fatal("no room")
		}
		for tick := range 200 {
			for _, m := range ms {
				if r.IntN(10) == 0 {
					speed := []float64{0.001, 1, 30, 1e5}[r.IntN(4)]
					m.Pos.SetVelocity(r.NormFloat64()*speed, r.NormFloat64()*speed)
				}
			}
			before := make([]Vec2, len(ms))
			for i, m := range ms {
				before[i] = m.Pos.At()
			}
			w.Advance(time.Second / 30)
			for i, m := range ms {
				if at := m.Pos.At(); at.X < 0 || at.Y < 0 || at.X+m.Pos.cfg.Size.X > side+touch || at.Y+m.Pos.cfg.Size.Y > side+touch {
					t.Fatalf("tick %d: %v at %v is out of bounds", tick, m, at)
				}
				for _, o := range ms[:i] {
					if depth(&m.Pos, &o.Pos) > 2*touch {
						t.Fatalf("tick %d: %v and %v overlap by %g", tick, m, o, depth(&m.Pos, &o.Pos))
					}
				}
			}
		}
	})
}

// What was stopped by a wall of tiles slides along it, past their seams, on each of
// its sides, however the numbers round.
func TestNothingSticks(t *testing.T) {
	r := newRand(3)
	for range 2000 {
		w := newTestWorld(t)
		scale := []float64{0.01, 1, 1e5}[r.IntN(3)]
		at := Vec2{r.NormFloat64() * scale, r.NormFloat64() * scale}
		side := r.Float64() + 0.1
		into := [4]Vec2{{1, 0}, {-1, 0}, {0, 1}, {0, -1}}[r.IntN(4)]
		along := Vec2{math.Abs(into.Y), math.Abs(into.X)}
		for i := range 4 {
			n := float64(i) * side
			spawnAt(w, still(at.X+n*along.X, at.Y+n*along.Y, side, side))
		}
		m := spawnAt(w, still(at.X+side/4-5*into.X, at.Y+side/4-5*into.Y, side/3, side/3))
		speed := 20 + 100*r.Float64()
		m.Pos.SetVelocity(speed*into.X, speed*into.Y)
		w.Advance(time.Second)
		before := m.Pos.At()
		m.Pos.SetVelocity(into.X+side*along.X, into.Y+side*along.Y)
		w.Advance(time.Second)
		w.Advance(time.Second)
		if d := math.Abs(m.Pos.X()-before.X) + math.Abs(m.Pos.Y()-before.Y); math.Abs(d-2*side) > 2*touch {
			t.Fatalf("along a wall of tiles of %v at %v from %v: moved by %v to %v", side, at, into, d, m.Pos.At())
		}
	}
}

// depth is how far two rectangles overlap, negative if not at all.
func depth(p, q *Position2D) float64 {
	x := min(p.at.X+p.cfg.Size.X, q.at.X+q.cfg.Size.X) - max(p.at.X, q.at.X)
	y := min(p.at.Y+p.cfg.Size.Y, q.at.Y+q.cfg.Size.Y) - max(p.at.Y, q.at.Y)
	return min(x, y)
}

// Among solid things, one wall as long as the world does not slow the grid down.
func TestGridCellIsOfUsualSize(t *testing.T) {
	w := newTestWorld(t)
	spawnAt(w, still(-MaxCoordinate, 0, MaxCoordinate, 1))
	for i := range 100 {
		spawnAt(w, still(float64(i)*3, 10, 2, 2)).Pos.SetVelocity(1, 0)
	}
	w.Advance(time.Second / 30)
	if w.grid.cell > 16 {
		t.Errorf("cells of %v units for things of 2", w.grid.cell)
	}
	most := 0
	for _, p := range w.positions[1:] {
		most = max(most, len(w.grid.near(p, 1, 0)))
	}
	if most > 20 {
		t.Errorf("%d things near one that has 2 neighbours", most)
	}
}

func TestAdvanceAllocatesNothing(t *testing.T) {
	w := crateWorld(t, 200)
	for range 20 {
		w.Advance(benchTick)
	}
	if n := testing.AllocsPerRun(50, func() { w.Advance(benchTick) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
