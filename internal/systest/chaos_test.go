package systest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// match is the server's side.
func (c *chaos) match(r *server.Room) error {
	r.OnJoin(func(p *server.Player) {
		c.calls[p.ID()] = make(map[state.ObjectID][]int)
		spawnHero(r, p.ID(), p.ID().String())
	})
	rpc.On(r, "say", func(from rpc.Caller, n int) { c.said[from.Player] = append(c.said[from.Player], n) })
	Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) {
		c.poked[from.Player] = append(c.poked[from.Player], n.N)
		h.Score.Set(h.Score.Get() + 1)
	})
	for range r.Ticks() {
		for range c.rnd.IntN(5) {
			if !c.quiet {
				c.stir(r)
			}
		}
		c.work(r)
	}
	return nil
}

// stir changes something at random.
func (c *chaos) stir(r *server.Room) {
	w, rnd := r.World(), c.rnd
	var here []state.PlayerID
	for p := range r.Players() {
		here = append(here, p.ID())
	}
	anyone := func() state.PlayerID {
		if len(here) == 0 || rnd.IntN(3) == 0 {
			return state.Server
		}
		return here[rnd.IntN(len(here))]
	}
	c.number++
	switch obj := c.any(w); rnd.IntN(14) {
	case 0, 1:
		if w.Len() < 80 {
			h := newHero(fmt.Sprint("hero ", c.number))
			if rnd.IntN(6) == 0 {
				h.Story = strings.Repeat("long ", 200+rnd.IntN(2000))
			}
			state.SpawnFor(w, anyone(), h)
		}
	case 2, 3:
		if w.Len() < 80 {
			k := state.SpawnFor(w, anyone(), newCrate(fmt.Sprint("crate ", c.number)))
			if rnd.IntN(2) == 0 { // a call on a fresh object
				c.mark(r, k)
			}
		}
	case 4:
		if obj != nil && w.Len() > 20 {
			if rnd.IntN(2) == 0 {
				c.call(r, obj)
			}
			obj.Despawn()
		}
	case 5:
		if obj != nil {
			obj.SetOwner(anyone())
		}
	case 6, 7, 8:
		c.change(obj)
	case 9, 10:
		c.call(r, obj)
	case 11:
		to := here
		if rnd.IntN(2) == 0 && len(here) > 0 {
			to = here[:1+rnd.IntN(len(here))]
		}
		for _, p := range to {
			c.events[p] = append(c.events[p], c.number)
		}
		if err := r.EmitTo("n", c.number, to...); err != nil {
			c.t.Error(err)
		}
	case 12: // a burst of changes to one value
		if h, ok := obj.(*Hero); ok {
			for i := range 20 {
				h.Score.Set(i)
				h.Bag.Set(fmt.Sprint("bag ", i))
			}
		}
	case 13: // came and went within a tick
		k := state.Spawn(w, newCrate("ghost"))
		k.Despawn()
	}
}

func (c *chaos) any(w *state.World) state.Entity {
	if w.Len() == 0 {
		return nil
	}
	i := c.rnd.IntN(w.Len())
	for e := range w.Objects() {
		if i--; i < 0 {
			return e
		}
	}
	return nil
}

func (c *chaos) change(e state.Entity) {
	rnd := c.rnd
	switch o := e.(type) {
	case *Hero:
		switch rnd.IntN(6) {
		case 0:
			o.Score.Set(rnd.IntN(1<<40) - 1<<39)
		case 1:
			o.Luck.Set(rnd.NormFloat64() * 1e6)
		case 2:
			o.Bag.Set(strings.Repeat("x", rnd.IntN(200)))
		case 3:
			o.Bag.Set(strings.Repeat("sack", rnd.IntN(4000)))
		case 4:
			o.Pos.Place(rnd.Float64()*1000, rnd.Float64()*1000)
		case 5:
			if k, ok := c.any(o.World()).(*Crate); ok {
				o.Load.Set(state.RefTo(k))
			}
		}
	case *Crate:
		o.Count.Set(rnd.IntN(1000))
		o.Pos.SetVelocity(rnd.NormFloat64()*50, rnd.NormFloat64()*50)
	}
}

func (c *chaos) call(r *server.Room, e state.Entity) {
	var err error
	switch o := e.(type) {
	case *Hero:
		switch {
		case c.rnd.IntN(3) > 0:
			c.expect(r, o)
			err = Tell.CallAll(o, Note{N: c.number, Text: "random"})
		case o.Owner() != state.Server:
			if r.Player(o.Owner()) != nil {
				m := c.calls[o.Owner()]
				m[o.ID()] = append(m[o.ID()], c.number)
			}
			err = Tell.CallOwner(o, Note{N: c.number})
		}
	case *Crate:
		c.mark(r, o)
	}
	if err != nil {
		c.t.Error(err)
	}
}

func (c *chaos) mark(r *server.Room, k *Crate) {
	c.expect(r, k)
	if err := Mark.CallAll(k, c.number); err != nil {
		c.t.Error(err)
	}
}

// expect notes that everyone will hear of the call.
func (c *chaos) expect(r *server.Room, e state.Entity) {
	for p := range r.Players() {
		m := c.calls[p.ID()]
		m[e.ID()] = append(m[e.ID()], c.number)
	}
}

// hush ends all movement for good. Who is just leaving may still take something along.
func (c *chaos) hush(r *server.Room) {
	c.quiet = true
	for h := range state.All[*Hero](r.World()) {
		h.SetOwner(state.Server) // what clients still ask for is refused
		h.Pos.SetVelocity(0, 0)
	}
	for k := range state.All[*Crate](r.World()) {
		k.Pos.SetVelocity(0, 0)
	}
}

// picture returns all of a world as text, with positions as they travel.
func picture(w *state.World) string {
	var all []string
	spot := func(p *state.Position2D) string {
		return fmt.Sprint(math.Round(p.X()/state.PositionQuantum), math.Round(p.Y()/state.PositionQuantum))
	}
	for h := range state.All[*Hero](w) {
		all = append(all, fmt.Sprintf("%d %v %s %d@%d %s %v %d %.2f %d@%s %d", h.ID(), h.Owner(), h.Name, len(h.Story), strings.Count(h.Story, "long"),
			spot(&h.Pos), h.Pos.Velocity(), h.Score.Get(), h.Luck.Get(), len(h.Bag.Get()), h.Bag.Get()[:min(8, len(h.Bag.Get()))], h.Load.Get().ID))
	}
	for k := range state.All[*Crate](w) {
		all = append(all, fmt.Sprintf("%d %v %s %s %d", k.ID(), k.Owner(), k.Kind, spot(&k.Pos), k.Count.Get()))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
