package systest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
)

func TestEvents(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		var loose any
		g.do(func(r *server.Room) {
			rpc.On(r, "chat", func(from rpc.Caller, text string) {
				if err := r.Emit("chat", from.Player.String()+": "+text); err != nil {
					t.Error(err)
				}
			})
			rpc.On(r, "loose", func(_ rpc.Caller, v map[string]any) { loose = v["kind"] })
		})
		ann, bob := g.join("ann"), g.join("bob")
		for i := range 20 {
			if err := ann.Emit("chat", fmt.Sprint("hello ", i)); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range g.players {
			g.until(p.name+" hears all", func() bool { return len(p.heard) == 20 })
			for i, line := range p.heard {
				if line != fmt.Sprint("chat player 1: hello ", i) {
					t.Errorf("%s heard %q as number %d", p.name, line, i)
				}
			}
		}
		g.do(func(r *server.Room) {
			if err := r.EmitTo("chat", "only you", bob.ID(), 77); err != nil {
				t.Error(err)
			}
		})
		g.until("bob hears it", func() bool { return bob.heardOf("chat only you") })
		if err := ann.Emit("loose", map[string]any{"kind": "any"}); err != nil {
			t.Error(err)
		}
		g.untilRoom("a map arrives", func(*server.Room) bool { return loose == "any" })
		if err := ann.Emit("nobody listens", 1); err != nil {
			t.Error(err)
		}
		g.untilRoom("what nobody handles is counted", func(r *server.Room) bool { return r.Stats().Refused == 1 })
		g.do(func(r *server.Room) { _ = r.Emit("nobody listens", 1) })
		g.until("on the client too", func() bool { return ann.Stats().Unhandled == 1 })
		if ann.heardOf("chat only you") {
			t.Error("ann heard what was for bob")
		}
	})
}

// What is too long is an error where it is said, and goes nowhere.
func TestTooLong(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		long := strings.Repeat("x", rpc.MaxArgs+1)
		if _, err := g.tryJoin("ann", func(c *client.Config) { c.Info = Card{Motto: long[:5000]} }); !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("a long info: %v, want ErrTooLarge", err)
		}
		ann := g.join("ann")
		for _, err := range []error{
			ann.SetInfo(Card{Motto: long[:5000]}),
			ann.Emit("chat", long),
			ann.Emit(long[:rpc.MaxName+1], "short"),
			ask(g, func(r *server.Room) error { return r.Emit("chat", long) }),
			ask(g, func(r *server.Room) error { return r.EmitTo(long[:rpc.MaxName+1], "", ann.ID()) }),
			ask(g, func(r *server.Room) error { return Tell.CallAll(heroOf(r.World(), ann.ID()), Note{Text: long}) }),
			ask(g, func(r *server.Room) error {
				return Purr.CallAll(heroOf(r.World(), ann.ID()), long[:rpc.MaxUnreliableArgs+1])
			}),
		} {
			if !errors.Is(err, core.ErrTooLarge) {
				t.Errorf("%v, want ErrTooLarge", err)
			}
		}
		if err := ann.Emit("chat", make(chan int)); !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("an event with a channel: %v, want ErrUnsupported", err)
		}
		// The longest that goes does go, and the session is in order.
		g.do(func(r *server.Room) {
			rpc.On(r, "chat", func(from rpc.Caller, text string) { _ = r.Emit("chat", text) })
		})
		most := long[:rpc.MaxArgs-16]
		if err := ann.Emit("chat", most); err != nil {
			t.Fatal(err)
		}
		g.until("the longest event comes back", func() bool { return ann.heardOf("chat " + most) })
	})
}

// A panic of a handler is contained to its call, on both sides.
func TestHandlerPanic(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		var after int
		g.do(func(r *server.Room) {
			Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) {
				if n.N == 1 {
					panic("a poke too much")
				}
				after++
			})
			rpc.On(r, "boom", func(rpc.Caller, int) { panic("boom") })
		})
		ann := g.join("ann")
		g.until("ann is there", func() bool { return ann.hero() != nil })
		for i := range 3 {
			_ = Poke.Call(ann.hero(), Note{N: i})
		}
		_ = ann.Emit("boom", 0)
		g.untilRoom("two panics are counted", func(r *server.Room) bool { return r.Stats().Panics == 2 && after == 2 })
		rpc.On(ann, "chat", func(_ rpc.Caller, text string) { panic("the client's own") })
		g.do(func(r *server.Room) {
			_ = r.Emit("chat", "x")
			_ = Tell.CallAll(heroOf(r.World(), ann.ID()), Note{1, "on"})
		})
		g.until("the client goes on", func() bool { return ann.Stats().Panics == 1 && ann.heardOf("tell 1 on on ann") })
	})
}
