package state

// contact is a solid object that was stopped by another one.
type contact struct{ p, by *Position2D }

// move applies the velocities that clients asked for, moves everything by sec
// seconds, in the order in which the objects appeared, and then runs the hooks of
// what met. So a hook may change anything: it finds nothing half moved.
func (w *World) move(sec float64) {
	w.squeeze()
	solid := false
	for _, p := range w.positions {
		if p.pending {
			p.vel, p.pending = p.received, false
			p.store()
		}
		solid = solid || p.cfg.Solid && p.vel != Vec2{}
	}
	if solid {
		w.grid.fill(w.positions, sec)
	}
	for _, p := range w.positions {
		if p.vel != (Vec2{}) {
			w.step(p, sec)
		}
	}
	w.fireContacts()
}

func (w *World) fireContacts() {
	for _, c := range w.contacts {
		for _, fn := range c.p.hits {
			if c.p.o.alive && c.by.o.alive {
				fn(c.by.o.self)
			}
		}
	}
}

// squeeze closes the gaps that despawned objects left.
func (w *World) squeeze() {
	if w.holes == 0 {
		return
	}
	n := 0
	for _, p := range w.positions {
		if p != nil {
			p.index = n
			w.positions[n] = p
			n++
		}
	}
	clear(w.positions[n:])
	w.positions, w.holes = w.positions[:n], 0
}

func (w *World) forgetContacts() {
	clear(w.contacts)
	w.contacts = w.contacts[:0]
}

// step moves one position, within its bounds.
func (w *World) step(p *Position2D, sec float64) {
	if !p.cfg.Solid {
		dx, dy := p.inBounds(sec)
		p.at = Vec2{clampCoordinate(p.at.X + dx), clampCoordinate(p.at.Y + dy)}
		p.storeAt()
		return
	}
	w.stepAmong(p, w.grid.near(p, p.vel.X*sec, p.vel.Y*sec), sec)
}

// stepAmong moves a solid position along x, then along y, each up to the first
// edge of a solid one in its way, so that it slides along walls and never tunnels
// through them.
func (w *World) stepAmong(p *Position2D, near []*Position2D, sec float64) {
	dx, dy := p.inBounds(sec)
	dx, hitX := sweep(p, near, dx, true)
	p.at.X = clampCoordinate(p.at.X + dx)
	dy, hitY := sweep(p, near, dy, false)
	p.at.Y = clampCoordinate(p.at.Y + dy)
	p.storeAt()
	if len(p.hits) == 0 {
		return
	}
	if hitX != nil {
		w.contacts = append(w.contacts, contact{p, hitX})
	}
	if hitY != nil && hitY != hitX {
		w.contacts = append(w.contacts, contact{p, hitY})
	}
}

// inBounds returns the move of so many seconds, shortened to the bounds.
func (p *Position2D) inBounds(sec float64) (dx, dy float64) {
	dx, dy = p.vel.X*sec, p.vel.Y*sec
	if b := p.cfg.Bounds; b != (Rect{}) {
		dx = within(p.at.X, dx, b.Min.X, b.Max.X-p.cfg.Size.X)
		dy = within(p.at.Y, dy, b.Min.Y, b.Max.Y-p.cfg.Size.Y)
	}
	return dx, dy
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
// let one slip into the other. It is far above the rounding at MaxCoordinate, and
// far below what a game can see.
const touch = 1e-6

// sweep shortens a move along one axis to the first solid rectangle in its way,
// and returns that one, the eldest of several. Rectangles that overlap already do
// not stop each other.
func sweep(p *Position2D, near []*Position2D, d float64, alongX bool) (float64, *Position2D) {
	if d == 0 {
		return 0, nil
	}
	at, size, cross, width := p.at.X, p.cfg.Size.X, p.at.Y, p.cfg.Size.Y
	if !alongX {
		at, size, cross, width = cross, width, at, size
	}
	forward := d > 0
	var hit *Position2D
	for _, q := range near {
		qat, qsize, qcross, qwidth := q.at.X, q.cfg.Size.X, q.at.Y, q.cfg.Size.Y
		if !alongX {
			qat, qsize, qcross, qwidth = qcross, qwidth, qat, qsize
		}
		if cross+touch >= qcross+qwidth || qcross+touch >= cross+width {
			continue // passes beside it
		}
		var gap float64
		if forward {
			if gap = qat - (at + size); gap < -touch || gap > d {
				continue
			}
			gap = max(0, gap)
		} else {
			if gap = qat + qsize - at; gap > touch || gap < d {
				continue
			}
			gap = min(0, gap)
		}
		if gap != d || hit != nil && q.o.id < hit.o.id {
			d, hit = gap, q
		}
	}
	return d, hit
}
