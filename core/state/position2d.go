package state

import (
	"fmt"
	"math"

	"github.com/parley-net/parley/core/internal/wire"
)

// Vec2 is a point, a size or a velocity in the plane.
type Vec2 struct{ X, Y float64 }

// Rect is an area from its corner with the smallest coordinates to the one with
// the largest. The zero Rect is no area.
type Rect struct{ Min, Max Vec2 }

const (
	// PositionQuantum is the step in units of positions and velocities on a client:
	// they travel rounded to it.
	PositionQuantum = 1.0 / 1024
	// MaxCoordinate bounds coordinates and velocities, in units (per second): they
	// are cut to ±MaxCoordinate.
	MaxCoordinate = 1 << 20
)

// Position2DConfig says where an object starts and how it may move.
type Position2DConfig struct {
	At Vec2 // where its corner with the smallest coordinates starts, in units
	// Size is the object's rectangle, from its position. Zero is a point.
	Size Vec2
	// Bounds is the area that the rectangle stays in: movement ends at its edge,
	// and one that starts outside may only come in. Zero means no bounds.
	Bounds Rect
	// MaxSpeed is the highest speed that the owner may ask for, in units per
	// second. What asks for more is refused and counted. Zero means no limit.
	MaxSpeed float64
	// Solid objects do not move into each other: movement ends at contact, and
	// those that overlap already may part. Zero means that others pass.
	Solid bool
	// ServerControlled objects move by the server's word only. Zero means that the
	// owner sets the velocity.
	ServerControlled bool
}

// Position2D is a place in the plane that moves by a velocity (thesis §5.2.5):
// the owner's velocity goes in, the server moves the object at each tick within
// bounds and up to what stands in the way, the position comes out everywhere.
// Distances are in units, which are whatever the game says; velocities in units
// per second; y grows in whatever direction the game draws it.
type Position2D struct {
	cfg      Position2DConfig
	at, vel  Vec2
	o        *Object
	def      *fieldDef
	index    int // among the world's positions
	hits     []func(Entity)
	request  Vec2 // on a client: the velocity last asked for
	asked    bool
	askedAt  uint32 // on a client: the round of the request, 0 when the server has it
	listed   bool   // on a client: stands in the world's asks
	received Vec2   // on the server: what the next tick applies
	pending  bool
}

// NewPosition2D returns a position for an object to be spawned.
func NewPosition2D(cfg Position2DConfig) Position2D {
	return Position2D{cfg: cfg, at: cfg.At}
}

// X returns the smaller x coordinate of the object's rectangle, in units.
func (p *Position2D) X() float64 { return p.at.X }

// Y returns the smaller y coordinate of the object's rectangle, in units.
func (p *Position2D) Y() float64 { return p.at.Y }

// At returns the position in units.
func (p *Position2D) At() Vec2 { return p.at }

// String returns the position, such as "(1.5, 20)".
func (p Position2D) String() string { return fmt.Sprintf("(%g, %g)", p.at.X, p.at.Y) }

// Size returns the object's rectangle's size in units.
func (p *Position2D) Size() Vec2 { return p.cfg.Size }

// Bounds returns the area that the object stays in; zero means none.
func (p *Position2D) Bounds() Rect { return p.cfg.Bounds }

// MaxSpeed returns the owner's highest speed in units per second; 0 means no limit.
func (p *Position2D) MaxSpeed() float64 { return p.cfg.MaxSpeed }

// Velocity returns the velocity in units per second: on the server and on other
// players' clients the one that the server moves the object with, on the owner's
// client the one asked for last.
func (p *Position2D) Velocity() Vec2 {
	if p.asked {
		return p.request
	}
	return p.vel
}

// SetVelocity sets the velocity, in units per second. On the server it holds at
// once. On the owner's client it asks the server: the request rides in every
// packet until it arrived, and holds at the server's next tick; a speed above
// MaxSpeed is shortened to it first. On a client that does not own the object, or
// if it is ServerControlled, it panics with an *AuthorityError. A NaN counts as 0.
func (p *Position2D) SetVelocity(x, y float64) {
	v := Vec2{clampCoordinate(x), clampCoordinate(y)}
	switch {
	case p.o == nil || p.o.world.authority:
		p.vel, p.pending = v, false
		p.store()
	case p.cfg.ServerControlled || p.o.owner != p.o.world.me:
		panic(&AuthorityError{Op: "Position2D.SetVelocity", Object: p.o.String()})
	default:
		if speed := math.Hypot(v.X, v.Y); p.cfg.MaxSpeed > 0 && speed > p.cfg.MaxSpeed {
			f := p.cfg.MaxSpeed / speed * (1 - 1e-9)
			v = Vec2{v.X * f, v.Y * f}
		}
		v = Vec2{truncate(v.X), truncate(v.Y)}
		if v == p.Velocity() || !p.o.alive {
			return
		}
		p.request, p.asked = v, true
		p.o.world.ask(p)
	}
}

// Place moves the object at once, through anything and out of its bounds, and
// keeps its velocity. A NaN counts as 0. On a client it panics with an
// *AuthorityError.
func (p *Position2D) Place(x, y float64) {
	if p.o != nil {
		p.o.mustServe("Position2D.Place")
	}
	p.at = Vec2{clampCoordinate(x), clampCoordinate(y)}
	p.store()
}

// OnCollision adds a hook that runs on the server at each tick at which the
// object was stopped by another solid one, when everything has moved. It does not
// run if an earlier hook of the tick despawned one of the two.
func (p *Position2D) OnCollision(fn func(with Entity)) { p.hits = append(p.hits, fn) }

// Overlaps reports whether the two objects' rectangles have area in common.
func (p *Position2D) Overlaps(q *Position2D) bool {
	return p.at.X < q.at.X+q.cfg.Size.X && q.at.X < p.at.X+p.cfg.Size.X &&
		p.at.Y < q.at.Y+q.cfg.Size.Y && q.at.Y < p.at.Y+p.cfg.Size.Y
}

// receive notes a velocity that the owner's client asks for. It reports false,
// and changes nothing, for one that the owner may not ask for.
func (p *Position2D) receive(x, y int64) bool {
	v := Vec2{float64(x) * PositionQuantum, float64(y) * PositionQuantum}
	if p.cfg.ServerControlled || math.Abs(v.X) > MaxCoordinate || math.Abs(v.Y) > MaxCoordinate ||
		p.cfg.MaxSpeed > 0 && math.Hypot(v.X, v.Y) > p.cfg.MaxSpeed {
		return false
	}
	p.received, p.pending = v, true
	return true
}

// store puts place and velocity where replication finds them.
func (p *Position2D) store() {
	if p.o == nil || !p.o.alive {
		return
	}
	p.storeAt()
	p.o.chunk.put(p.o.row, p.def.col+2, quantize(p.vel.X))
	p.o.chunk.put(p.o.row, p.def.col+3, quantize(p.vel.Y))
}

func (p *Position2D) storeAt() {
	p.o.chunk.put(p.o.row, p.def.col, quantize(p.at.X))
	p.o.chunk.put(p.o.row, p.def.col+1, quantize(p.at.Y))
}

func (p *Position2D) shape() fieldShape {
	return fieldShape{desc: "Position2D", sizes: []int{5, 5, 5, 5}}
}

func (p *Position2D) bind(o *Object, def *fieldDef) {
	p.o, p.def = o, def
	if o == nil {
		return
	}
	o.pos = p
	if o.world.authority {
		p.at = Vec2{clampCoordinate(p.at.X), clampCoordinate(p.at.Y)}
		p.vel = Vec2{clampCoordinate(p.vel.X), clampCoordinate(p.vel.Y)}
		p.index = len(o.world.positions)
		o.world.positions = append(o.world.positions, p)
	}
}

func (p *Position2D) write([]int64) error {
	if err := p.cfg.check(); err != nil {
		return &ValueError{Field: p.def.name, Err: err}
	}
	p.store()
	return nil
}

// check returns what is wrong with the configuration of a spawning object. The
// comparisons are such that a NaN fails them.
func (c *Position2DConfig) check() error {
	side := func(x float64) bool { return x >= 0 && x <= MaxCoordinate }
	switch b := c.Bounds; {
	case !side(c.Size.X) || !side(c.Size.Y):
		return fmt.Errorf("the size is %v by %v units: want 0 to %d", c.Size.X, c.Size.Y, MaxCoordinate)
	case !(c.MaxSpeed >= 0):
		return fmt.Errorf("the highest speed is %v: want 0, for no limit, or more", c.MaxSpeed)
	case b == Rect{}:
		return nil
	case !(b.Max.X-b.Min.X >= c.Size.X) || !(b.Max.Y-b.Min.Y >= c.Size.Y):
		return fmt.Errorf("the bounds %v have no room for the size %v", b, c.Size)
	}
	return nil
}

func (p *Position2D) recv(col int, c int64) {
	f := float64(c) * PositionQuantum
	if col >= 2 && p.askedAt == 0 {
		p.asked = false // the server has decided since
	}
	switch col {
	case 0:
		p.at.X = f
	case 1:
		p.at.Y = f
	case 2:
		p.vel.X = f
	case 3:
		p.vel.Y = f
	}
}

func (p *Position2D) recvBlob([]byte) error { return nil }
func (p *Position2D) fire()                 {}

// What of the config travels at spawn: a byte of flags, then the parts that are
// not zero.
const (
	cfgSize = 1 << iota
	cfgBounds
	cfgSpeed
	cfgSolid
	cfgServer
)

func (p *Position2D) appendConfig(b []byte) []byte {
	var flags byte
	set := func(on bool, f byte) {
		if on {
			flags |= f
		}
	}
	set(p.cfg.Size != Vec2{}, cfgSize)
	set(p.cfg.Bounds != Rect{}, cfgBounds)
	set(p.cfg.MaxSpeed != 0, cfgSpeed)
	set(p.cfg.Solid, cfgSolid)
	set(p.cfg.ServerControlled, cfgServer)
	b = append(b, flags)
	if flags&cfgSize != 0 {
		b = wire.AppendFloat(wire.AppendFloat(b, p.cfg.Size.X), p.cfg.Size.Y)
	}
	if flags&cfgBounds != 0 {
		b = wire.AppendFloat(wire.AppendFloat(b, p.cfg.Bounds.Min.X), p.cfg.Bounds.Min.Y)
		b = wire.AppendFloat(wire.AppendFloat(b, p.cfg.Bounds.Max.X), p.cfg.Bounds.Max.Y)
	}
	if flags&cfgSpeed != 0 {
		b = wire.AppendFloat(b, p.cfg.MaxSpeed)
	}
	return b
}

func (p *Position2D) readConfig(r *wire.Reader) {
	flags := r.Byte()
	if flags&cfgSize != 0 {
		p.cfg.Size = Vec2{r.Float(), r.Float()}
	}
	if flags&cfgBounds != 0 {
		p.cfg.Bounds = Rect{Vec2{r.Float(), r.Float()}, Vec2{r.Float(), r.Float()}}
	}
	if flags&cfgSpeed != 0 {
		p.cfg.MaxSpeed = r.Float()
	}
	p.cfg.Solid = flags&cfgSolid != 0
	p.cfg.ServerControlled = flags&cfgServer != 0
}

func quantize(x float64) int64 { return int64(math.Round(x / PositionQuantum)) }

// truncate rounds towards zero, to a multiple of the quantum.
func truncate(x float64) float64 { return math.Trunc(x/PositionQuantum) * PositionQuantum }

func clampCoordinate(x float64) float64 {
	if x != x {
		return 0
	}
	return max(-MaxCoordinate, min(MaxCoordinate, x))
}
