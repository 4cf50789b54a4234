package systest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

func TestCallServer(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		var got []string
		g.do(func(r *server.Room) {
			Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) {
				got = append(got, fmt.Sprintf("%s by %v: %d %s", h.Name, from.Player, n.N, n.Text))
				if from.Tick == 0 {
					t.Error("the caller has no tick")
				}
			})
			Touch.Handle(r, func(c *Crate, from rpc.Caller, n int) {
				c.Count.Set(n)
				got = append(got, fmt.Sprintf("%s by %v: %d", c.Kind, from.Player, n))
			})
			state.Spawn(r.World(), newCrate("box"))
		})
		ann, bob := g.join("ann"), g.join("bob")
		g.until("all is there", func() bool { return ann.World().Len() == 3 && bob.World().Len() == 3 })
		if err := Poke.Call(ann.hero(), Note{7, "hi"}); err != nil {
			t.Fatal(err)
		}
		g.untilRoom("the call comes", func(*server.Room) bool { return slices.Contains(got, "ann by player 1: 7 hi") })
		if err := Touch.Call(only[*Crate](bob.World()), 5); err != nil {
			t.Fatal(err)
		}
		g.untilRoom("anyone's call comes", func(*server.Room) bool { return slices.Contains(got, "box by player 2: 5") })
		g.until("its effect comes", func() bool { return only[*Crate](ann.World()).Count.Get() == 5 })
		if err := Poke.Call(bob.heroAt(ann), Note{}); !errors.Is(err, rpc.ErrNotOwner) {
			t.Errorf("a call on another's hero: %v, want ErrNotOwner", err)
		}
		if err := Poke.Call(ann.hero(), Note{Text: strings.Repeat("x", rpc.MaxArgs)}); !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("a call with too much: %v, want ErrTooLarge", err)
		}
		var wrong *state.AuthorityError
		if err := Tell.CallAll(ann.hero(), Note{}); !errors.As(err, &wrong) {
			t.Errorf("a client makes the server's call: %v, want an AuthorityError", err)
		}
		g.do(func(r *server.Room) {
			if err := Poke.Call(heroOf(r.World(), ann.ID()), Note{8, "self"}); err != nil {
				t.Error(err)
			}
			if !slices.Contains(got, "ann by server: 8 self") {
				t.Errorf("the server's own call did not run at once: %q", got)
			}
		})
	})
}

func TestCallClients(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann, bob, cid := g.join("ann"), g.join("bob"), g.join("cid")
		g.until("all is there", func() bool { return ann.World().Len() == 3 && bob.World().Len() == 3 && cid.World().Len() == 3 })
		g.do(func(r *server.Room) {
			h := heroOf(r.World(), bob.ID())
			for _, err := range []error{
				Tell.CallOwner(h, Note{1, "owner"}),
				Tell.CallAll(h, Note{2, "all"}),
				Tell.CallTo(h, Note{3, "list"}, ann.ID(), cid.ID(), 99),
			} {
				if err != nil {
					t.Error(err)
				}
			}
			c := state.Spawn(r.World(), newCrate("none's"))
			if err := Mark.CallAll(c, 4); err != nil {
				t.Error(err)
			}
		})
		want := map[*player][]string{
			ann: {"tell 2 all on bob", "tell 3 list on bob", "mark 4 on none's"},
			bob: {"tell 1 owner on bob", "tell 2 all on bob", "mark 4 on none's"},
			cid: {"tell 2 all on bob", "tell 3 list on bob", "mark 4 on none's"},
		}
		for p, lines := range want {
			g.until(p.name+" hears all", func() bool { return len(p.heard) >= len(lines) })
		}
		g.pass(20 * time.Millisecond)
		for p, lines := range want {
			if !slices.Equal(p.heard, lines) {
				t.Errorf("%s heard %q, want %q", p.name, p.heard, lines)
			}
		}
	})
}

// Calls that may be lost: over a good line they arrive, and newer ones follow.
func TestCallUnreliable(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		var got []int
		g.do(func(r *server.Room) {
			Wave.Handle(r, func(h *Hero, from rpc.Caller, n int) {
				got = append(got, n)
				_ = Hint.CallAll(h, n)
			})
		})
		ann := g.join("ann")
		g.until("ann is there", func() bool { return ann.hero() != nil })
		n := 0
		g.until("a call there and one back arrive", func() bool {
			n++
			if err := Wave.Call(ann.hero(), n); err != nil {
				t.Fatal(err)
			}
			return len(ann.heard) > 0
		})
		g.pass(500 * time.Millisecond)
		seen := make(map[string]bool)
		for _, line := range ann.heard {
			if seen[line] {
				t.Errorf("%q came twice", line)
			}
			seen[line] = true
		}
		if err := Wave.Call(ann.hero(), n); err != nil {
			t.Error(err)
		}
	})
}

// Reliable calls on one object arrive in the order in which they were made, both
// ways.
func TestCallOrder(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		var got []int
		g.do(func(r *server.Room) {
			Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) {
				got = append(got, n.N)
				if err := Tell.CallOwner(h, n); err != nil {
					t.Error(err)
				}
			})
		})
		ann := g.join("ann")
		g.until("ann is there", func() bool { return ann.hero() != nil })
		const calls = 500
		for i := range calls {
			if err := Poke.Call(ann.hero(), Note{N: i, Text: strings.Repeat("y", i%50)}); err != nil {
				t.Fatal(err)
			}
		}
		g.until("all answers are there", func() bool { return len(ann.heard) == calls })
		for i, line := range ann.heard {
			if want := fmt.Sprintf("tell %d %s on ann", i, strings.Repeat("y", i%50)); line != want || got[i] != i {
				t.Fatalf("call %d: the server got %d, the client %q", i, got[i], line)
			}
		}
	})
}

// A call on an object that was spawned a moment ago never arrives before the object.
func TestCallFresh(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann := g.join("ann")
		g.until("ann is there", func() bool { return ann.hero() != nil })
		crates := 100
		if a.addr != "" {
			crates = 20
		}
		for i := range crates {
			g.do(func(r *server.Room) {
				c := state.Spawn(r.World(), newCrate(fmt.Sprint("c", i)))
				for n := range 3 {
					if err := Mark.CallAll(c, n); err != nil {
						t.Error(err)
					}
				}
			})
		}
		g.until("all calls are there", func() bool { return len(ann.heard) >= 3*crates })
		next := make(map[string]int)
		for _, line := range ann.heard {
			var n int
			var kind string
			if _, err := fmt.Sscanf(line, "mark %d on %s", &n, &kind); err != nil || next[kind] != n {
				t.Fatalf("%q: want number %d", line, next[kind])
			}
			next[kind]++
		}
		if s := ann.Stats(); s.Gone != 0 || len(ann.heard) != 3*crates {
			t.Errorf("%d calls heard, stats %+v", len(ann.heard), s)
		}
	})
}

// A call on an object that just went away is counted and harms nobody.
func TestCallGone(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		g.do(func(r *server.Room) {
			Touch.Handle(r, func(*Crate, rpc.Caller, int) {})
			state.Spawn(r.World(), newCrate("short"))
		})
		ann := g.join("ann")
		g.until("ann sees the crate", func() bool { return only[*Crate](ann.World()) != nil })
		c := only[*Crate](ann.World())
		g.do(func(r *server.Room) {
			c := only[*Crate](r.World())
			if err := Mark.CallAll(c, 1); err != nil {
				t.Error(err)
			}
			c.Despawn()
			if err := Mark.CallAll(c, 2); !errors.Is(err, state.ErrNotSpawned) {
				t.Errorf("a call on what is gone: %v, want ErrNotSpawned", err)
			}
		})
		if err := Touch.Call(c, 1); err != nil { // the client does not know yet
			t.Error(err)
		}
		g.untilRoom("the call is counted", func(r *server.Room) bool { return r.Stats().Gone == 1 })
		g.until("ann knows", func() bool { return !c.IsAlive() })
		if err := Touch.Call(c, 1); !errors.Is(err, state.ErrNotSpawned) {
			t.Errorf("a call on what is gone: %v, want ErrNotSpawned", err)
		}
		g.until("the server's call came or is counted", func() bool { return ann.Stats().Gone+uint64(len(ann.heard)) == 1 })
		if ann.over != nil {
			t.Error(ann.over)
		}
	})
}
