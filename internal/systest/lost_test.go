package systest

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// Short times for tests that wait for them in real time too.
const (
	silence = 800 * time.Millisecond
	grace   = 600 * time.Millisecond
)

func shortTimes(c *server.Config) { c.Timeout, c.Grace = silence, grace }

func impatient(c *client.Config) { c.Timeout = silence }

// A player falls silent: the others see LostConnection after Timeout, its hero
// stands still, and after Grace both are gone.
func TestLost(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t, shortTimes)
		var hooks []string
		g.do(func(r *server.Room) {
			r.OnLost(func(p *server.Player) {
				hooks = append(hooks, "lost")
				if p.Status() != lobby.LostConnection {
					t.Errorf("in the lost hook: %v", p.Status())
				}
				panic("a hook that panics harms nobody")
			})
			r.OnLeave(func(p *server.Player) { hooks = append(hooks, "left") })
		})
		ann, bob := g.join("ann"), g.join("bob", impatient)
		g.until("ann sees bob", func() bool { return bob.heroAt(ann) != nil && bob.hero() != nil })
		bob.hero().Pos.SetVelocity(10, 0)
		g.until("ann sees bob walk", func() bool { return bob.heroAt(ann).Pos.Velocity().X == 10 })
		h := bob.heroAt(ann)

		began := time.Now()
		bob.line.cut()
		g.until("ann sees that bob is lost", func() bool { return ann.Lobby().Status(bob.ID()) == lobby.LostConnection })
		lostAfter := time.Since(began)
		if lostAfter < silence-150*time.Millisecond || lostAfter > silence+700*time.Millisecond {
			t.Errorf("bob was lost after %v, want %v", lostAfter, silence)
		}
		g.until("his hero stands", func() bool { return h.Pos.Velocity() == state.Vec2{} })
		at := h.Pos.At()
		g.until("bob is gone", func() bool { return ann.Lobby().Status(bob.ID()) == lobby.Disconnected && ann.Lobby().Len() == 1 })
		if d := time.Since(began) - lostAfter; d < grace-150*time.Millisecond || d > grace+700*time.Millisecond {
			t.Errorf("bob was gone %v after he was lost, want %v", d, grace)
		}
		g.until("and his hero", func() bool { return !h.IsAlive() })
		if h.Pos.At() != at {
			t.Errorf("the hero of a lost player moved from %v to %v", at, h.Pos.At())
		}
		g.do(func(r *server.Room) {
			if !slices.Equal(hooks, []string{"lost", "left"}) || r.Stats().Panics != 1 {
				t.Errorf("hooks %q, panics %d", hooks, r.Stats().Panics)
			}
		})
		g.ends(bob, core.CodeTimeout)
	})
}

// A short darkness is nobody's loss: all that was said in it arrives, in order.
func TestDarkness(t *testing.T) {
	for _, r := range rows {
		if !r.bubble { // sockets that were cut do not heal
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			on(t, r, func(t *testing.T, a *arena) {
				g := a.play(t)
				ann := g.join("ann")
				g.until("ann is there", func() bool { return ann.hero() != nil })
				ann.line.cut()
				for i := range 20 {
					g.do(func(r *server.Room) {
						h := heroOf(r.World(), ann.ID())
						h.Score.Set(i)
						_ = Tell.CallAll(h, Note{N: i, Text: "dark"})
					})
					g.pass(250 * time.Millisecond)
				}
				if ann.over != nil || len(ann.heard) != 0 {
					t.Fatalf("in the dark: %v, heard %q", ann.over, ann.heard)
				}
				ann.line.heal()
				g.until("it is light again", func() bool { return len(ann.heard) == 20 && ann.hero().Score.Get() == 19 })
				if ann.heard[0] != "tell 0 dark on ann" || ann.heard[19] != "tell 19 dark on ann" {
					t.Errorf("heard %q", ann.heard)
				}
			})
		})
	}
}

// A client is killed and comes back as a new player, who sees everything.
func TestRestart(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t, shortTimes)
		ann, bob := g.join("ann"), g.join("bob")
		g.until("ann sees bob", func() bool { return bob.heroAt(ann) != nil })
		g.do(func(r *server.Room) { heroOf(r.World(), ann.ID()).Score.Set(5) })
		bob.still = true
		bob.line.kill()
		again := g.join("bob")
		if again.ID() == bob.ID() {
			t.Error("the new player has the old one's number")
		}
		g.until("the new bob sees everything", func() bool {
			return again.hero() != nil && ann.heroAt(again) != nil && ann.heroAt(again).Score.Get() == 5
		})
		g.until("the old bob goes", func() bool {
			return ann.Lobby().Len() == 2 && bob.heroAt(ann) == nil && bob.heroAt(again) == nil
		})
		if again.Lobby().Status(again.ID()) != lobby.OK || again.over != nil || again.hero() == nil {
			t.Errorf("the new bob went with the old one: %v", again.over)
		}
	})
}

// The server is gone without a word: the client ends in time, by itself.
func TestServerGone(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t, shortTimes)
		ann := g.join("ann", impatient)
		g.until("ann is there", func() bool { return ann.hero() != nil })
		began := time.Now()
		ann.line.cut()
		if e := g.ends(ann, core.CodeTimeout); e.Remote {
			t.Errorf("the silent server is said to have ended it: %v", e)
		}
		if d := time.Since(began); d < silence-100*time.Millisecond || d > silence+500*time.Millisecond {
			t.Errorf("it took %v, want %v", d, silence)
		}
		if ann.Client.Update() == nil || ann.Client.Err() == nil {
			t.Error("the session goes on")
		}
	})
}

// Hooks that panic harm nobody, whoever runs them.
func TestHooksPanic(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann := g.join("ann")
		g.do(func(r *server.Room) {
			r.OnJoin(func(p *server.Player) { panic("join") })
			r.OnLeave(func(p *server.Player) { panic("leave") })
			r.World().OnDespawn(func(state.Entity) { panic("despawn") })
		})
		bob := g.join("bob")
		g.until("bob is in", func() bool { return bob.hero() != nil && bob.heroAt(ann) != nil })
		if err := bob.Close(); err != nil {
			t.Error(err)
		}
		g.until("bob is gone", func() bool { return ann.Lobby().Len() == 1 && ann.World().Len() == 1 })
		if n := ask(g, func(r *server.Room) uint64 { return r.Stats().Panics }); n != 4 {
			t.Errorf("%d panics are counted, want 4", n) // join twice, leave, despawn
		}
	})
}
