package systest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

func TestVar(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann, bob := g.join("ann"), g.join("bob")
		g.until("bob sees ann", func() bool { return ann.heroAt(bob) != nil })
		h := ann.heroAt(bob)
		var scores []string
		h.Score.OnChange(func(old, now int) { scores = append(scores, fmt.Sprint(old, now)) })
		g.do(func(r *server.Room) {
			h := heroOf(r.World(), ann.ID())
			h.Score.Set(1)
			h.Score.Set(-77)
			h.Luck.Set(0.123456)
			h.Bag.Set("a rope and " + strings.Repeat("x", 20))
			h.Load.Set(state.RefTo(state.Spawn(r.World(), newCrate("load"))))
		})
		g.until("bob sees the new values", func() bool {
			c, ok := h.Load.Get().Get(bob.World())
			return h.Score.Get() == -77 && h.Luck.Get() == 0.12 && strings.HasPrefix(h.Bag.Get(), "a rope") && ok && c.Kind == "load"
		})
		if !slices.Equal(scores, []string{"100 -77"}) {
			t.Errorf("the hook ran for %q, want once, from what was to what came", scores)
		}
	})
}

// What a client says reaches the truth, and what the server makes of it comes back
// to everyone.
func TestVarBothWays(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		g.do(func(r *server.Room) {
			Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) { h.Score.Set(n.N); h.Bag.Set(n.Text) })
		})
		ann, bob := g.join("ann"), g.join("bob")
		g.until("all is there", func() bool { return ann.hero() != nil && ann.heroAt(bob) != nil })
		for i := range 10 {
			if err := Poke.Call(ann.hero(), Note{N: i, Text: fmt.Sprint("bag ", i)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range g.players {
			g.until(p.name+" sees the last values", func() bool {
				h := ann.heroAt(p)
				return h.Score.Get() == 9 && h.Bag.Get() == "bag 9"
			})
		}
		func() {
			defer func() {
				if _, ok := recover().(*state.AuthorityError); !ok {
					t.Error("Set on a client does not panic with an AuthorityError")
				}
			}()
			ann.hero().Score.Set(3)
		}()
	})
}

// The owner's velocity goes in, positions come out everywhere.
func TestPosition(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann, bob := g.join("ann"), g.join("bob")
		g.until("all is there", func() bool { return ann.hero() != nil && ann.heroAt(bob) != nil })
		ann.hero().Pos.SetVelocity(12, -16)
		for _, p := range g.players {
			g.until(p.name+" sees ann move", func() bool {
				at := ann.heroAt(p).Pos.At()
				return at.X > 51 && at.Y < 49
			})
		}
		if v := ann.heroAt(bob).Pos.Velocity(); v != (state.Vec2{X: 12, Y: -16}) {
			t.Errorf("bob sees the velocity %v", v)
		}
		ann.hero().Pos.SetVelocity(300, 400) // cut to the highest speed
		g.untilRoom("ann runs as fast as she may", func(r *server.Room) bool {
			v := heroOf(r.World(), ann.ID()).Pos.Velocity()
			return v.X > 11.9 && v.X <= 12 && v.Y > 15.9 && v.Y <= 16
		})
		ann.hero().Pos.SetVelocity(0, 0)
		g.untilRoom("ann stands", func(r *server.Room) bool {
			return heroOf(r.World(), ann.ID()).Pos.Velocity() == state.Vec2{}
		})
		at := ask(g, func(r *server.Room) state.Vec2 { return heroOf(r.World(), ann.ID()).Pos.At() })
		for _, p := range g.players {
			g.until(p.name+" sees where ann stands", func() bool {
				h := ann.heroAt(p).Pos.At()
				return abs(h.X-at.X) <= state.PositionQuantum && abs(h.Y-at.Y) <= state.PositionQuantum
			})
		}
		if n := ask(g, func(r *server.Room) uint64 { return r.Stats().Refused }); n != 0 {
			t.Errorf("%d movements of an honest client were refused", n)
		}
	})
}

// What the server moves, everyone sees, and no client may steer.
func TestServerMoves(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann := g.join("ann")
		g.do(func(r *server.Room) {
			c := state.SpawnFor(r.World(), ann.ID(), newCrate("cart"))
			c.Pos.SetVelocity(10, 0)
		})
		g.until("ann sees the cart roll", func() bool { c := only[*Crate](ann.World()); return c != nil && c.Pos.X() > 1 })
		func() {
			defer func() {
				if _, ok := recover().(*state.AuthorityError); !ok {
					t.Error("SetVelocity of what the server controls does not panic with an AuthorityError")
				}
			}()
			only[*Crate](ann.World()).Pos.SetVelocity(1, 1)
		}()
		g.do(func(r *server.Room) {
			only[*Crate](r.World()).Pos.SetVelocity(0, 0)
			only[*Crate](r.World()).Pos.Place(-3, 4)
		})
		g.until("ann sees it jump", func() bool { return only[*Crate](ann.World()).Pos.At() == state.Vec2{X: -3, Y: 4} })
	})
}

// Values too long for a packet arrive, at spawn and later, also for who joins late.
func TestLargeValues(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann := g.join("ann")
		story, bag := strings.Repeat("once upon a time ", 6<<10), strings.Repeat("gold ", 20<<10)
		g.do(func(r *server.Room) {
			h := newHero("bard")
			h.Story = story
			state.Spawn(r.World(), h)
			heroOf(r.World(), ann.ID()).Bag.Set(bag)
		})
		complete := func(p *player) bool {
			for h := range state.All[*Hero](p.World()) {
				if h.Name == "bard" && h.Story == story && ann.heroAt(p) != nil && ann.heroAt(p).Bag.Get() == bag {
					return true
				}
			}
			return false
		}
		g.until("ann has them", func() bool { return complete(ann) })
		late := g.join("late")
		g.until("the late one has them", func() bool { return complete(late) })
		g.do(func(r *server.Room) { heroOf(r.World(), ann.ID()).Bag.Set(bag + "!") })
		bag += "!"
		for _, p := range g.players {
			g.until(p.name+" has the new one", func() bool { return complete(p) })
		}
		g.do(func(r *server.Room) { heroOf(r.World(), ann.ID()).Bag.Set("") })
		g.until("it is empty", func() bool { return ann.heroAt(late).Bag.Get() == "" })
	})
}

func abs(x float64) float64 { return max(x, -x) }
