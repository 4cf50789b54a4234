package systest

import (
	"testing"
	"time"

	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

func spawnHero(r *server.Room, p state.PlayerID, name string) *Hero {
	return state.SpawnFor(r.World(), p, newHero(name))
}

func TestSpawn(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann, bob := g.join("ann"), g.join("bob")
		var seen []string
		state.OnSpawn(bob.World(), func(c *Crate) { seen = append(seen, c.Kind) })
		g.do(func(r *server.Room) {
			c := newCrate("gold")
			c.Count.Set(7)
			state.Spawn(r.World(), c)
		})
		for _, p := range g.players {
			g.until(p.name+" sees two heroes and the crate", func() bool { return p.World().Len() == 3 })
			c := only[*Crate](p.World())
			if c.Kind != "gold" || c.Count.Get() != 7 || c.Owner() != state.Server || c.IsMine() || !c.IsAlive() {
				t.Errorf("%s sees crate %q of %v with %d", p.name, c.Kind, c.Owner(), c.Count.Get())
			}
		}
		if h := ann.hero(); h.Name != "ann" || !h.IsMine() || h.Score.Get() != 100 || h.Pos.MaxSpeed() != 20 {
			t.Errorf("ann's hero is %+v", h)
		}
		if h := ann.heroAt(bob); h.Name != "ann" || h.IsMine() {
			t.Errorf("bob sees ann's hero as %+v", h)
		}
		if len(seen) != 1 || seen[0] != "gold" {
			t.Errorf("bob's spawn hook ran for %q", seen)
		}
	})
}

func TestDespawn(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann, bob := g.join("ann"), g.join("bob")
		g.do(func(r *server.Room) {
			for range 5 {
				state.Spawn(r.World(), newCrate("tin"))
			}
		})
		g.until("ann sees all crates", func() bool { return count[*Crate](ann.World()) == 5 })
		gone := 0
		state.OnDespawn(ann.World(), func(c *Crate) {
			if gone++; c.IsAlive() || c.Kind != "tin" {
				t.Errorf("the despawn hook gets %v, alive %v", c, c.IsAlive())
			}
		})
		g.do(func(r *server.Room) {
			n := 0
			for c := range state.All[*Crate](r.World()) {
				if n++; n <= 3 {
					c.Despawn()
				}
			}
		})
		for _, p := range []*player{ann, bob} {
			g.until(p.name+" sees two crates", func() bool { return count[*Crate](p.World()) == 2 })
		}
		if gone != 3 {
			t.Errorf("the despawn hook ran %d times, want 3", gone)
		}
		g.do(func(r *server.Room) { // a place that became free is taken again
			state.Spawn(r.World(), newCrate("iron"))
		})
		g.until("bob sees the new crate", func() bool {
			n := 0
			for c := range state.All[*Crate](bob.World()) {
				if c.Kind == "iron" {
					n++
				}
			}
			return n == 1 && count[*Crate](bob.World()) == 3
		})
	})
}

func TestLateJoin(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann := g.join("ann")
		g.do(func(r *server.Room) {
			for i := range 50 {
				c := newCrate("old")
				c.Count.Set(i)
				state.Spawn(r.World(), c)
			}
		})
		g.until("ann sees all", func() bool { return count[*Crate](ann.World()) == 50 })
		g.do(func(r *server.Room) {
			for c := range state.All[*Crate](r.World()) {
				if c.Count.Get()%2 == 1 {
					c.Despawn()
				} else {
					c.Count.Set(1000 + c.Count.Get())
				}
			}
			h := heroOf(r.World(), ann.ID())
			h.Pos.Place(5, 6)
			h.Bag.Set("rope")
		})
		late := g.join("late")
		var hooks int
		late.World().OnSpawn(func(state.Entity) { hooks++ })
		g.until("the late one sees the world as it is", func() bool { return late.World().Len() == 27 })
		for c := range state.All[*Crate](late.World()) {
			if n := c.Count.Get(); n < 1000 || n%2 == 1 {
				t.Errorf("a crate with count %d", n)
			}
		}
		h := ann.heroAt(late)
		if h.Name != "ann" || h.Bag.Get() != "rope" || h.Pos.At() != (state.Vec2{X: 5, Y: 6}) {
			t.Errorf("ann's hero is %q with %q at %v", h.Name, h.Bag.Get(), h.Pos.At())
		}
		if hooks != 27 {
			t.Errorf("%d spawn hooks ran, want 27", hooks)
		}
	})
}

func TestOwnerTransfer(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann, bob := g.join("ann"), g.join("bob")
		g.until("both see both", func() bool { return ann.World().Len() == 2 && bob.World().Len() == 2 })
		h := ann.hero()
		var changes [][2]state.PlayerID
		ann.heroAt(bob).OnOwner(func(from, to state.PlayerID) { changes = append(changes, [2]state.PlayerID{from, to}) })
		h.Pos.SetVelocity(3, 0)
		g.untilRoom("ann's hero walks", func(r *server.Room) bool { return heroOf(r.World(), ann.ID()).Pos.X() > 50 })
		g.do(func(r *server.Room) { heroOf(r.World(), ann.ID()).SetOwner(bob.ID()) })
		g.until("ann has lost it", func() bool { return !h.IsMine() && ann.hero() == nil })
		g.until("bob has two", func() bool {
			n := 0
			for range state.Owned[*Hero](bob.World(), bob.ID()) {
				n++
			}
			return n == 2
		})
		if len(changes) != 1 || changes[0] != [2]state.PlayerID{ann.ID(), bob.ID()} {
			t.Errorf("bob's owner hook ran for %v", changes)
		}
		if err := Poke.Call(h, Note{}); err == nil {
			t.Error("ann may still call on what is not hers any more")
		}
		mine, ok := state.Get[*Hero](bob.World(), h.ID())
		if !ok || !mine.IsMine() {
			t.Fatalf("bob has no %v", h)
		}
		mine.Pos.SetVelocity(0, -4)
		g.untilRoom("bob steers it", func(r *server.Room) bool {
			o, _ := state.Get[*Hero](r.World(), h.ID())
			return o.Pos.Velocity() == state.Vec2{Y: -4}
		})
		if err := Poke.Call(mine, Note{N: 1}); err != nil {
			t.Errorf("bob calls on his new hero: %v", err)
		}
		g.pass(50 * time.Millisecond)
	})
}
