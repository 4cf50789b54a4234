package state

import (
	"math"
	"slices"
)

// move applies the velocities that clients asked for and moves everything by
// sec seconds, in the order in which the objects appeared.
func (w *World) move(sec float64) {
	if w.holes > 0 {
		w.positions = slices.DeleteFunc(w.positions, func(p *Position2D) bool { return p == nil })
		w.holes = 0
	}
	solid := false
	for _, p := range w.positions {
		if p.pending {
			p.vel, p.pending = p.received, false
			p.store()
		}
		solid = solid || p.cfg.Solid
	}
	if solid {
		w.grid.fill(w.positions, sec)
	}
	for i, n := 0, len(w.positions); i < n; i++ {
		if p := w.positions[i]; p != nil && p.vel != (Vec2{}) {
			w.step(int32(i), p, sec)
		}
	}
}

// step moves one position: along x, then along y, each up to the first edge in
// its way, so that objects slide along walls and never tunnel through them.
func (w *World) step(i int32, p *Position2D, sec float64) {
	dx, dy := p.vel.X*sec, p.vel.Y*sec
	if b := p.cfg.Bounds; b != (Rect{}) {
		dx = within(p.at.X, dx, b.Min.X, b.Max.X-p.cfg.Size.X)
		dy = within(p.at.Y, dy, b.Min.Y, b.Max.Y-p.cfg.Size.Y)
	}
	var hitX, hitY *Position2D
	if p.cfg.Solid {
		near := w.grid.near(i, p, dx, dy)
		dx, hitX = sweep(p, near, dx, true)
		p.at.X = clampCoordinate(p.at.X + dx)
		dy, hitY = sweep(p, near, dy, false)
		p.at.Y = clampCoordinate(p.at.Y + dy)
	} else {
		p.at = Vec2{clampCoordinate(p.at.X + dx), clampCoordinate(p.at.Y + dy)}
	}
	p.store()
	p.hit(hitX)
	if hitY != hitX {
		p.hit(hitY)
	}
}

func (p *Position2D) hit(q *Position2D) {
	if q == nil {
		return
	}
	for _, fn := range p.hits {
		fn(q.o.self)
	}
}

// within shortens a move that would leave [lo, hi]. What is outside already may
// come back, and go no further out.
func within(at, d, lo, hi float64) float64 {
	switch {
	case d > 0:
		return min(d, max(0, hi-at))
	case d < 0:
		return max(d, min(0, lo-at))
	}
	return d
}

// touch is how far rectangles that touch may overlap, in units: rounding must not
// let one slip into the other.
const touch = 1e-6

// sweep shortens a move along one axis to the first solid rectangle in its way,
// and returns that one. Rectangles that overlap already do not stop each other.
func sweep(p *Position2D, near []*Position2D, d float64, alongX bool) (float64, *Position2D) {
	if d == 0 {
		return 0, nil
	}
	at, size, cross, width := p.at.X, p.cfg.Size.X, p.at.Y, p.cfg.Size.Y
	if !alongX {
		at, size, cross, width = cross, width, at, size
	}
	var hit *Position2D
	for _, q := range near {
		qat, qsize, qcross, qwidth := q.at.X, q.cfg.Size.X, q.at.Y, q.cfg.Size.Y
		if !alongX {
			qat, qsize, qcross, qwidth = qcross, qwidth, qat, qsize
		}
		if cross+touch >= qcross+qwidth || qcross+touch >= cross+width {
			continue // passes beside it
		}
		if d > 0 {
			if gap := qat - (at + size); gap >= -touch && gap < d {
				d, hit = max(0, gap), q
			}
		} else if gap := qat + qsize - at; gap <= touch && gap > d {
			d, hit = min(0, gap), q
		}
	}
	return d, hit
}

// grid finds the solid objects near a move without comparing each with each: a
// hash grid over the areas that they can reach in this tick.
type grid struct {
	cell  float64
	heads []int32 // by hash of a cell: the first entry, -1 for none
	next  []int32 // by entry: the next one of the same hash
	who   []int32 // by entry: the position's number
	big   []int32 // reach over too many cells: near everything
	all   []*Position2D
	seen  []uint32 // by position: the last query that found it
	query uint32
	found []*Position2D
}

const maxCells = 64 // cells that one object may be entered in

// fill enters the solid ones among ps.
func (g *grid) fill(ps []*Position2D, sec float64) {
	g.all = ps
	var sum float64
	var n int
	for _, p := range ps {
		if p.cfg.Solid {
			a, b := reach(p, p.vel.X*sec, p.vel.Y*sec)
			sum += max(b.X-a.X, b.Y-a.Y)
			n++
		}
	}
	g.cell = max(2*sum/float64(max(n, 1)), 1e-3)
	size := 16
	for size < 4*n {
		size *= 2
	}
	g.heads = slices.Grow(g.heads[:0], size)[:size]
	for i := range g.heads {
		g.heads[i] = -1
	}
	g.next, g.who, g.big = g.next[:0], g.who[:0], g.big[:0]
	g.seen = slices.Grow(g.seen[:0], len(ps))[:len(ps)]
	clear(g.seen)
	g.query = 0
	for i, p := range ps {
		if !p.cfg.Solid {
			continue
		}
		x0, y0, x1, y1, ok := g.cells(reach(p, p.vel.X*sec, p.vel.Y*sec))
		if !ok {
			g.big = append(g.big, int32(i))
			continue
		}
		for x := x0; x <= x1; x++ {
			for y := y0; y <= y1; y++ {
				h := g.hash(x, y)
				g.next = append(g.next, g.heads[h])
				g.who = append(g.who, int32(i))
				g.heads[h] = int32(len(g.who) - 1)
			}
		}
	}
}

// near returns the solid positions that p, number i, may meet when it moves by
// (dx, dy). The slice holds until the next call.
func (g *grid) near(i int32, p *Position2D, dx, dy float64) []*Position2D {
	g.found = g.found[:0]
	g.query++
	g.seen[i] = g.query
	x0, y0, x1, y1, ok := g.cells(reach(p, dx, dy))
	if !ok {
		for j, q := range g.all {
			if q != nil && q.cfg.Solid && int32(j) != i {
				g.found = append(g.found, q)
			}
		}
		return g.found
	}
	for x := x0; x <= x1; x++ {
		for y := y0; y <= y1; y++ {
			for e := g.heads[g.hash(x, y)]; e >= 0; e = g.next[e] {
				g.take(g.who[e])
			}
		}
	}
	for _, j := range g.big {
		g.take(j)
	}
	return g.found
}

func (g *grid) take(j int32) {
	if g.seen[j] == g.query || g.all[j] == nil {
		return
	}
	g.seen[j] = g.query
	g.found = append(g.found, g.all[j])
}

// reach returns the corners of what a move covers.
func reach(p *Position2D, dx, dy float64) (lo, hi Vec2) {
	lo = Vec2{p.at.X + min(dx, 0), p.at.Y + min(dy, 0)}
	hi = Vec2{p.at.X + p.cfg.Size.X + max(dx, 0), p.at.Y + p.cfg.Size.Y + max(dy, 0)}
	return lo, hi
}

func (g *grid) cells(lo, hi Vec2) (x0, y0, x1, y1 int32, ok bool) {
	x0, y0 = int32(math.Floor(lo.X/g.cell)), int32(math.Floor(lo.Y/g.cell))
	x1, y1 = int32(math.Floor(hi.X/g.cell)), int32(math.Floor(hi.Y/g.cell))
	return x0, y0, x1, y1, (int64(x1)-int64(x0)+1)*(int64(y1)-int64(y0)+1) <= maxCells
}

func (g *grid) hash(x, y int32) int {
	return int((uint32(x)*73856093 ^ uint32(y)*19349663) & uint32(len(g.heads)-1))
}
