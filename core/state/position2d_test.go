package state

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core/internal/wire"
)

// still is a config of a rectangle at a place.
func still(x, y, w, h float64) Position2DConfig {
	return Position2DConfig{At: Vec2{x, y}, Size: Vec2{w, h}, Solid: true}
}

func spawnAt(w *World, cfg Position2DConfig) *mover {
	return Spawn(w, &mover{Pos: NewPosition2D(cfg)})
}

func near(a, b Vec2) bool { return math.Abs(a.X-b.X) < 2*touch && math.Abs(a.Y-b.Y) < 2*touch }

func TestPositionMoves(t *testing.T) {
	w := newTestWorld(t)
	m := spawnAt(w, Position2DConfig{At: Vec2{1, 2}})
	m.Pos.SetVelocity(10, -4)
	w.Advance(time.Second / 2)
	if got := m.Pos.At(); got != (Vec2{6, 0}) || m.Pos.X() != 6 || m.Pos.Y() != 0 {
		t.Errorf("at %v", got)
	}
	m.Pos.Place(100, 100)
	if m.Pos.At() != (Vec2{100, 100}) || m.Pos.Velocity() != (Vec2{10, -4}) {
		t.Errorf("placed at %v with %v", m.Pos.At(), m.Pos.Velocity())
	}
	m.Pos.Place(math.NaN(), math.Inf(1))
	m.Pos.SetVelocity(math.Inf(-1), math.NaN())
	if m.Pos.At() != (Vec2{0, MaxCoordinate}) || m.Pos.Velocity() != (Vec2{-MaxCoordinate, 0}) {
		t.Errorf("NaN and infinity: %v %v", m.Pos.At(), m.Pos.Velocity())
	}
	for range 3 {
		w.Advance(time.Hour)
	}
	if m.Pos.At() != (Vec2{-MaxCoordinate, MaxCoordinate}) {
		t.Errorf("ran to %v", m.Pos.At())
	}
	m.Despawn()
	m.Pos.SetVelocity(1, 1)
	m.Pos.Place(5, 5)
	w.Advance(time.Second)
	if m.Pos.At() != (Vec2{5, 5}) {
		t.Error("what is despawned moves")
	}
}

func TestPositionBounds(t *testing.T) {
	w := newTestWorld(t)
	cfg := Position2DConfig{At: Vec2{5, 5}, Size: Vec2{2, 1}, Bounds: Rect{Vec2{0, 0}, Vec2{10, 10}}}
	m := spawnAt(w, cfg)
	m.Pos.SetVelocity(100, -100)
	w.Advance(time.Second)
	if m.Pos.At() != (Vec2{8, 0}) {
		t.Errorf("stopped at %v, want the edge", m.Pos.At())
	}
	m.Pos.SetVelocity(-3, 0) // along the edge
	w.Advance(time.Second)
	if m.Pos.At() != (Vec2{5, 0}) {
		t.Errorf("at %v", m.Pos.At())
	}
	m.Pos.Place(-5, 20) // outside: may come in, and not go further out
	m.Pos.SetVelocity(-1, 1)
	w.Advance(time.Second)
	if m.Pos.At() != (Vec2{-5, 20}) {
		t.Errorf("at %v", m.Pos.At())
	}
	m.Pos.SetVelocity(1, -100)
	w.Advance(time.Second)
	if m.Pos.At() != (Vec2{-4, 0}) {
		t.Errorf("at %v", m.Pos.At())
	}
	if m.Pos.Bounds() != cfg.Bounds || m.Pos.Size() != cfg.Size || m.Pos.MaxSpeed() != 0 {
		t.Error("the config reads differently")
	}
	half := spawnAt(w, Position2DConfig{Bounds: Rect{Vec2{0, math.Inf(-1)}, Vec2{math.Inf(1), 0}}})
	half.Pos.SetVelocity(-7, -7)
	w.Advance(time.Second)
	if half.Pos.At() != (Vec2{0, -7}) {
		t.Errorf("in a quarter of the plane at %v", half.Pos.At())
	}
}

func TestPositionConfigRefused(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		cfg  Position2DConfig
		want string
	}{
		{Position2DConfig{Size: Vec2{-1, 1}}, "size"},
		{Position2DConfig{Size: Vec2{1, nan}}, "size"},
		{Position2DConfig{Size: Vec2{math.Inf(1), 1}}, "size"},
		{Position2DConfig{MaxSpeed: -1}, "highest speed"},
		{Position2DConfig{MaxSpeed: nan}, "highest speed"},
		{Position2DConfig{Bounds: Rect{Vec2{0, 0}, Vec2{-1, 5}}}, "bounds"},
		{Position2DConfig{Bounds: Rect{Vec2{0, nan}, Vec2{1, 5}}}, "bounds"},
		{Position2DConfig{Size: Vec2{3, 3}, Bounds: Rect{Vec2{0, 0}, Vec2{2, 5}}}, "bounds"},
	} {
		w := newTestWorld(t)
		err, _ := panics(func() { spawnAt(w, c.cfg) }).(error)
		if err == nil || !strings.Contains(err.Error(), "mover.Pos") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: panic %v, want %q", c.cfg, err, c.want)
		}
	}
}

func TestPositionConfigTravels(t *testing.T) {
	for _, cfg := range []Position2DConfig{
		{}, {Size: Vec2{1, 2}}, {Bounds: Rect{Vec2{-1, -1}, Vec2{1.1, math.Inf(1)}}}, {MaxSpeed: 1e300},
		{Solid: true}, {ServerControlled: true}, {Size: Vec2{1, 0.1}, MaxSpeed: 3, Solid: true},
	} {
		p, q := NewPosition2D(cfg), Position2D{}
		r := wire.NewReader(p.appendConfig(nil))
		q.readConfig(&r)
		if err := r.End(); err != nil || q.cfg != cfg {
			t.Errorf("%+v arrives as %+v, %v", cfg, q.cfg, err)
		}
	}
}

func TestCollision(t *testing.T) {
	w := newTestWorld(t)
	wall := spawnAt(w, still(10, -50, 1, 100))
	m := spawnAt(w, still(0, 0, 2, 2))
	pass := spawnAt(w, Position2DConfig{Size: Vec2{2, 2}})
	var hits []string
	m.Pos.OnCollision(func(with Entity) { hits = append(hits, fmt.Sprint(w.Tick(), with)) })
	wall.Pos.OnCollision(func(Entity) { t.Error("a wall at rest was stopped") })
	m.Pos.SetVelocity(1e5, 3) // would be far behind the wall
	pass.Pos.SetVelocity(1e5, 3)
	w.Advance(time.Second)
	if got := m.Pos.At(); !near(got, Vec2{8, 3}) {
		t.Errorf("stopped at %v, want at the wall, having slid along it", got)
	}
	if pass.Pos.X() != 1e5 {
		t.Error("what is not solid was stopped")
	}
	w.Advance(time.Second) // pushes on
	m.Pos.SetVelocity(-1, 0)
	w.Advance(time.Second)
	if got := m.Pos.At(); !near(got, Vec2{7, 6}) {
		t.Errorf("stuck at %v", got)
	}
	if want := []string{"1 " + wall.String(), "2 " + wall.String()}; !slices.Equal(hits, want) {
		t.Errorf("hits %q, want %q", hits, want)
	}
	if m.Pos.Overlaps(&wall.Pos) {
		t.Error("overlaps the wall")
	}
	m.Pos.Place(9.5, 0)
	if !m.Pos.Overlaps(&wall.Pos) || !wall.Pos.Overlaps(&m.Pos) {
		t.Error("does not overlap what it was placed on")
	}
	m.Pos.SetVelocity(5, 0) // those that overlap may part
	w.Advance(time.Second)
	if !near(m.Pos.At(), Vec2{14.5, 0}) {
		t.Errorf("at %v", m.Pos.At())
	}
}

// Pushing against a wall for an hour neither sticks nor creeps in, anywhere.
func TestContactDoesNotDrift(t *testing.T) {
	for _, origin := range []Vec2{{}, {1e6, -1e6}, {-77777.7, 0.1}} {
		w := newTestWorld(t)
		wall := spawnAt(w, still(origin.X+0.3, origin.Y, 0.1, 1000))
		m := spawnAt(w, still(origin.X, origin.Y+0.7, 0.1, 0.1))
		x, y := 0.0, m.Pos.Y()
		for i := range 30 * 60 * 60 / 10 {
			m.Pos.SetVelocity(0.1+float64(i%7), 1.0/16)
			w.Advance(time.Second / 30)
			if i == 100 {
				x = m.Pos.X()
			}
		}
		if d := m.Pos.X() - x; math.Abs(d) > touch || m.Pos.X()+0.1 > wall.Pos.X()+touch {
			t.Errorf("from %v: crept by %g into the wall", origin, d)
		}
		if d := m.Pos.Y() - y; math.Abs(d-360.0/16) > 1 {
			t.Errorf("from %v: slid %v along the wall, want %v", origin, d, 360.0/16)
		}
	}
}

// Hooks run when all has moved, and may do what they like.
func TestCollisionHooksChangeTheWorld(t *testing.T) {
	w := newTestWorld(t)
	wall := spawnAt(w, still(10, 0, 1, 100))
	var ms []*mover
	hits := 0
	for i := range 5 {
		m := spawnAt(w, still(0, float64(10*i), 2, 2))
		m.Pos.SetVelocity(100, 0)
		m.Pos.OnCollision(func(with Entity) {
			hits++
			for _, m := range ms {
				if !near(Vec2{8, m.Pos.Y()}, m.Pos.At()) {
					t.Errorf("a hook finds %v half moved, at %v", m, m.Pos.At())
				}
			}
			for range 50 {
				spawnAt(w, still(500, 500, 1, 1))
			}
			with.base().Despawn()
		})
		ms = append(ms, m)
	}
	w.Advance(time.Second)
	if hits != 1 || wall.IsAlive() {
		t.Errorf("%d hooks ran about a wall that the first one removed", hits)
	}
	w.Advance(time.Second)
	for _, m := range ms {
		if m.Pos.X() != 108 {
			t.Errorf("%v at %v, want beyond the place of the wall", m, m.Pos.At())
		}
	}

	a, b := spawnAt(w, still(0, -100, 1, 1)), spawnAt(w, still(5, -100, 1, 1))
	a.Pos.SetVelocity(100, 0)
	a.Pos.OnCollision(func(with Entity) {
		if v := panics(func() { w.Advance(time.Second) }); v == nil {
			t.Error("Advance inside a hook of Advance")
		}
		b.Pos.Place(-50, -100)
		a.Despawn()
		panic("a hook fails")
	})
	if v := panics(func() { w.Advance(time.Second) }); v != "a hook fails" {
		t.Errorf("panic %v", v)
	}
	w.Advance(time.Second) // goes on
	if a.IsAlive() || b.Pos.X() != -50 {
		t.Error("what the hook did is undone")
	}
}

func TestServerControlled(t *testing.T) {
	w := newTestWorld(t)
	mine := SpawnFor(w, 1, &mover{Pos: NewPosition2D(Position2DConfig{MaxSpeed: 5})})
	his := SpawnFor(w, 2, &mover{})
	ball := SpawnFor(w, 1, &mover{Pos: NewPosition2D(Position2DConfig{ServerControlled: true})})
	r := newTestReplica(t, 1)
	r.apply1(t, w)
	get := func(m *mover) *mover { x, _ := Get[*mover](r.w, m.ID()); return x }
	panicsWith[*AuthorityError](t, "velocity of another's", func() { get(his).Pos.SetVelocity(1, 1) })
	panicsWith[*AuthorityError](t, "velocity of the server's", func() { get(ball).Pos.SetVelocity(1, 1) })
	panicsWith[*AuthorityError](t, "Place on a client", func() { get(mine).Pos.Place(1, 1) })
	p := &get(mine).Pos
	p.SetVelocity(300, 400)
	if v := p.Velocity(); math.Hypot(v.X, v.Y) > 5 || math.Hypot(v.X, v.Y) < 4.99 {
		t.Errorf("a speed above the highest is shortened to %v", v)
	}
	b, _ := r.AppendInputs(nil, 1200)
	if err := w.ApplyInputs(1, b); err != nil || w.Refused() != 0 {
		t.Errorf("a shortened speed is refused: %v, %d", err, w.Refused())
	}
	w.Advance(time.Second)
	if mine.Pos.Velocity() != p.Velocity() {
		t.Errorf("%v arrived as %v", p.Velocity(), mine.Pos.Velocity())
	}
}
