package state

import (
	"math"
	"slices"
)

// grid finds the solid objects near a move without comparing each with each: a
// hash grid over the areas that they can reach in this tick.
type grid struct {
	cell  float64
	heads []int32       // by hash of a cell: the first entry, -1 for none
	next  []int32       // by entry: the next one of the same hash
	who   []*Position2D // by entry
	big   []*Position2D // reach over too many cells: near everything
	all   []*Position2D // the solid ones
	seen  []uint32      // by position: the last query that found it
	query uint32
	found []*Position2D
}

const (
	maxCells = 64         // cells that one object may be entered in
	minCell  = 1.0 / 1024 // units; keeps cell numbers far within an int32
)

// fill enters the solid ones among ps, which all have the index of their place.
func (g *grid) fill(ps []*Position2D, sec float64) {
	g.all, g.big, g.who, g.next = g.all[:0], g.big[:0], g.who[:0], g.next[:0]
	// Cells twice the usual reach in width. The mean of the sizes' exponents tells
	// what is usual, however large a few walls are.
	exps := 0
	for _, p := range ps {
		if p.cfg.Solid {
			lo, hi := reach(p, p.vel.X*sec, p.vel.Y*sec)
			_, e := math.Frexp(max(hi.X-lo.X, hi.Y-lo.Y, minCell))
			exps += e
			g.all = append(g.all, p)
		}
	}
	g.cell = max(math.Ldexp(1, exps/max(len(g.all), 1)+1), minCell)
	size := 16
	for size < 4*len(g.all) {
		size *= 2
	}
	g.heads = slices.Grow(g.heads[:0], size)[:size]
	for i := range g.heads {
		g.heads[i] = -1
	}
	g.seen = slices.Grow(g.seen[:0], len(ps))[:len(ps)]
	clear(g.seen)
	g.query = 0
	for _, p := range g.all {
		x0, y0, x1, y1, ok := g.cells(reach(p, p.vel.X*sec, p.vel.Y*sec))
		if !ok {
			g.big = append(g.big, p)
			continue
		}
		for x := x0; x <= x1; x++ {
			for y := y0; y <= y1; y++ {
				h := g.hash(x, y)
				g.next = append(g.next, g.heads[h])
				g.heads[h] = int32(len(g.who))
				g.who = append(g.who, p)
			}
		}
	}
}

// near returns the solid positions that p may meet when it moves by (dx, dy). The
// slice holds until the next call.
func (g *grid) near(p *Position2D, dx, dy float64) []*Position2D {
	g.found = g.found[:0]
	g.query++
	g.seen[p.index] = g.query
	x0, y0, x1, y1, ok := g.cells(reach(p, dx, dy))
	if !ok {
		for _, q := range g.all {
			g.take(q)
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
	for _, q := range g.big {
		g.take(q)
	}
	return g.found
}

func (g *grid) take(q *Position2D) {
	if g.seen[q.index] != g.query {
		g.seen[q.index] = g.query
		g.found = append(g.found, q)
	}
}

// reach returns the corners of what a move covers, and what touches that.
func reach(p *Position2D, dx, dy float64) (lo, hi Vec2) {
	to := Vec2{clampCoordinate(p.at.X + dx), clampCoordinate(p.at.Y + dy)}
	lo = Vec2{min(p.at.X, to.X) - 2*touch, min(p.at.Y, to.Y) - 2*touch}
	hi = Vec2{max(p.at.X, to.X) + p.cfg.Size.X + 2*touch, max(p.at.Y, to.Y) + p.cfg.Size.Y + 2*touch}
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
