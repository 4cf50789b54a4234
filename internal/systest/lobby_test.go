package systest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// card returns what a player says about itself as another one sees it.
func card(at *player, id state.PlayerID) (c Card) {
	if q, ok := at.Lobby().Player(id); ok {
		_ = at.InfoOf(q, &c)
	}
	return c
}

func TestLobby(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.game(t)
		g.play(func(c *server.Config) {
			c.Seats = 5
			c.Match = func(r *server.Room) error {
				if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
					return err
				}
				return g.match(r)
			}
		})
		ann, bob := g.join("ann"), g.join("bob")
		var phases []bool
		ann.OnPhase(func(started bool) { phases = append(phases, started) })
		for _, p := range g.players {
			g.until(p.name+" sees both", func() bool {
				return p.Lobby().Len() == 2 && card(p, ann.ID()).Name == "ann" && card(p, bob.ID()).Name == "bob"
			})
		}
		if n := ann.Lobby().Seats(); n != 5 {
			t.Errorf("ann sees %d seats, want 5", n)
		}
		if err := ann.SetReady(true); err != nil {
			t.Fatal(err)
		}
		g.until("bob sees ann ready", func() bool { q, _ := bob.Lobby().Player(ann.ID()); return q.Ready })
		if err := bob.SetInfo(Card{"bob", "never say never"}); err != nil {
			t.Fatal(err)
		}
		g.until("ann sees bob's motto", func() bool { return card(ann, bob.ID()).Motto == "never say never" })
		_ = ann.SetReady(false)
		g.until("bob sees that ann is not", func() bool { q, _ := bob.Lobby().Player(ann.ID()); return !q.Ready })
		_ = bob.SetReady(true)
		g.until("ann sees bob ready", func() bool { q, _ := ann.Lobby().Player(bob.ID()); return q.Ready })
		g.pass(300 * time.Millisecond)
		if ann.Started() || ann.World().Len() != 0 {
			t.Error("it has begun although ann is not ready")
		}
		_ = ann.SetReady(true)
		for _, p := range g.players {
			g.until(p.name+" sees the match begin", func() bool { return p.Started() && p.World().Len() == 2 })
		}
		if !slices.Equal(phases, []bool{true}) {
			t.Errorf("the phase hook ran for %v", phases)
		}
		late := g.join("late")
		if !late.Started() {
			t.Error("the late one does not know that the match has begun")
		}
		g.until("the late one sees everyone", func() bool {
			return late.Lobby().Len() == 3 && card(late, bob.ID()).Motto != "" && late.World().Len() == 3
		})
	})
}

// A rematch: the room returns to the lobby and Ticks are ranged over again.
func TestRematch(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.game(t)
		g.play(func(c *server.Config) {
			c.Matches = 1
			c.RefuseLate = true
			c.Match = func(r *server.Room) error {
				for round := range 2 {
					if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
						return err
					}
					ball := newCrate(fmt.Sprint("ball ", round))
					state.Spawn(r.World(), ball)
					ticks := 0
					for dt := range r.Ticks() {
						if dt != time.Second/60 {
							t.Errorf("dt is %v", dt)
						}
						if ticks++; ticks == 20 {
							ball.Count.Set(20)
							break // what was changed before is sent
						}
					}
					if round == 0 {
						r.Lobby().Reopen()
						g.work(r)
						ball.Despawn()
					}
				}
				return r.Emit("chat", "that was all")
			}
		})
		ann, bob := g.join("ann"), g.join("bob")
		var phases []bool
		ann.OnPhase(func(started bool) { phases = append(phases, started) })
		for round := range 2 {
			for _, p := range []*player{ann, bob} {
				if err := p.SetReady(true); err != nil {
					t.Fatal(err)
				}
			}
			if round == 0 {
				g.until("the room is in the lobby again", func() bool { return slices.Equal(phases, []bool{true, false}) })
				g.until("nobody is ready any more", func() bool { q, _ := bob.Lobby().Player(ann.ID()); return !q.Ready })
				late := g.join("late") // the lobby is open again, and the world as it is now
				_ = late.SetReady(true)
			}
		}
		for _, p := range g.players {
			g.ends(p, core.CodeNormal)
			c := only[*Crate](p.World())
			if c == nil || c.Kind != "ball 1" || c.Count.Get() != 20 || !p.heardOf("chat that was all") {
				t.Errorf("%s saw %v with %v at the end, and heard %q", p.name, c, c.Count.Get(), p.heard)
			}
		}
		if err := g.serves(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if !slices.Equal(phases, []bool{true, false, true}) {
			t.Errorf("phases %v", phases)
		}
	})
}

func TestRefused(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.game(t)
		g.play(func(c *server.Config) {
			c.Seats = 2
			c.RefuseLate = true
			c.Match = func(r *server.Room) error {
				if err := r.Lobby().Wait(lobby.AllReady(1)); err != nil {
					return err
				}
				return g.match(r)
			}
		})
		refused := func(code core.Code, change ...func(*client.Config)) string {
			t.Helper()
			_, err := g.tryJoin("stranger", change...)
			var why *lobby.RefusedError
			if !errors.As(err, &why) || why.Code != code || !errors.Is(err, core.ErrRefused) {
				t.Fatalf("got %v, want a RefusedError with code %v", err, code)
			}
			return err.Error()
		}
		ann, bob := g.join("ann"), g.join("bob")
		if text := refused(core.CodeFull); !strings.Contains(text, "2 of 2 seats") {
			t.Errorf("full: %s", text)
		}
		if err := bob.Close(); err != nil {
			t.Error(err)
		}
		g.until("bob is gone", func() bool { return ann.Lobby().Len() == 1 })
		_ = ann.SetReady(true)
		g.until("the match has begun", ann.Started)
		refused(core.CodeStarted)

		text := refused(core.CodeIncompatible, func(c *client.Config) { c.Codec = otherCodec{codec.Msgp{}} })
		if !strings.Contains(text, `"other/1"`) || !strings.Contains(text, codec.Msgp{}.Name()) {
			t.Errorf("codec: %s", text)
		}
		text = refused(core.CodeIncompatible, func(c *client.Config) { c.Schema = olderSchema })
		for _, want := range []string{"call touch", "client: on *Crate, to the server, from the owner", "Hero.Score", "only the server has it"} {
			if !strings.Contains(text, want) {
				t.Errorf("the difference does not show %q:\n%s", want, text)
			}
		}
		g.do(func(r *server.Room) { r.Lobby().Lock("closed for repairs") })
		if text := refused(core.CodeRefused); !strings.Contains(text, "closed for repairs") {
			t.Errorf("locked: %s", text)
		}
		if text := refused(core.CodeFull, func(c *client.Config) { c.Room = "no such room" }); !strings.Contains(text, "no such room") {
			t.Errorf("room: %s", text)
		}
		g.pass(10 * time.Millisecond)
		if ann.over != nil {
			t.Errorf("ann: %v", ann.over)
		}
	})
}

type otherCodec struct{ core.Codec }

func (otherCodec) Name() string { return "other/1" }

// olderSchema is that of another build of the game.
var olderSchema = func() *state.Schema {
	type Hero struct {
		state.Object
		Name  string
		Score state.Var[int32]
	}
	return state.NewSchema(state.Class[Hero](), state.Class[Crate](), rpc.ToServer[*Crate, int]("touch"))
}()

func TestKick(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		ann, bob, cid := g.join("ann"), g.join("bob"), g.join("cid")
		g.until("all is there", func() bool { return ann.World().Len() == 3 && bob.World().Len() == 3 && cid.World().Len() == 3 })
		var left []state.PlayerID
		g.do(func(r *server.Room) {
			r.OnLeave(func(p *server.Player) {
				left = append(left, p.ID())
				if p.Status() != lobby.Disconnected || heroOf(r.World(), p.ID()) == nil {
					t.Errorf("in the leave hook: %v, hero %v", p.Status(), heroOf(r.World(), p.ID()))
				}
			})
			Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) { r.Player(from.Player).Kick(n.Text) })
			for p := range r.Players() { // players leave while the loop goes on
				if p.ID() == ann.ID() {
					r.Player(bob.ID()).Kick("a bad hand")
					r.Player(ann.ID()).Kick("a worse one")
				}
				if p.ID() == bob.ID() {
					t.Error("the loop yields who has left meanwhile")
				}
			}
			if r.Player(ann.ID()) != nil || r.World().Len() != 1 {
				t.Error("ann is still here")
			}
		})
		for p, why := range map[*player]string{bob: "a bad hand", ann: "a worse one"} {
			if e := g.ends(p, core.CodeKicked); !e.Remote || e.Reason != why {
				t.Errorf("%s's session ended with %v", p.name, e)
			}
		}
		g.until("cid is alone", func() bool { return cid.Lobby().Len() == 1 && cid.World().Len() == 1 })
		if err := Poke.Call(cid.hero(), Note{Text: "inside a handler"}); err != nil {
			t.Fatal(err)
		}
		_ = Poke.Call(cid.hero(), Note{Text: "again"}) // comes from who is gone
		if e := g.ends(cid, core.CodeKicked); e.Reason != "inside a handler" {
			t.Errorf("cid's session ended with %v", e)
		}
		g.do(func(r *server.Room) {
			if !slices.Equal(left, []state.PlayerID{bob.ID(), ann.ID(), cid.ID()}) || r.Lobby().Len() != 0 || r.World().Len() != 0 {
				t.Errorf("left: %v; %d players, %d objects", left, r.Lobby().Len(), r.World().Len())
			}
		})
	})
}

// Who leaves on purpose is gone at once, and what was said before arrives.
func TestLeave(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t)
		var said []string
		var lost, left int
		g.do(func(r *server.Room) {
			rpc.On(r, "chat", func(_ rpc.Caller, text string) { said = append(said, text) })
			r.OnLost(func(*server.Player) { lost++ })
			r.OnLeave(func(*server.Player) { left++ })
		})
		ann, bob := g.join("ann"), g.join("bob")
		g.until("ann sees bob", func() bool { return ann.World().Len() == 2 })
		for i := range 50 {
			if err := bob.Emit("chat", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := bob.Close(); err != nil {
			t.Error(err)
		}
		if err := bob.Emit("chat", "beyond"); !errors.Is(err, core.ErrClosed) {
			t.Errorf("Emit after Close: %v, want ErrClosed", err)
		}
		if err := bob.Update(); !errors.Is(err, core.ErrClosed) || !errors.Is(bob.Err(), core.ErrClosed) {
			t.Errorf("Update after Close: %v, want ErrClosed", err)
		}
		for range bob.Frames(60) {
			t.Fatal("Frames go on after Close")
		}
		g.until("ann sees bob gone", func() bool { return ann.Lobby().Len() == 1 && ann.World().Len() == 1 })
		g.do(func(r *server.Room) {
			if len(said) != 50 || said[49] != "49" || lost != 0 || left != 1 {
				t.Errorf("said %d things, lost hooks %d, leave hooks %d", len(said), lost, left)
			}
		})
	})
}

// TestOnPlayer holds that a client's hook hears of who comes, changes and goes.
func TestOnPlayer(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.game(t)
		g.play(func(*server.Config) {})
		ann := g.join("ann")
		heard := make(map[string]bool)
		ann.OnPlayer(func(p lobby.Player) { heard[fmt.Sprint(p.ID, " ", p.Status, " ", p.Ready)] = true })
		bob := g.join("bob")
		id := bob.ID()
		g.until("ann hears that bob came", func() bool { return heard[fmt.Sprint(id, " ", lobby.OK, " ", false)] })
		if err := bob.SetReady(true); err != nil {
			t.Fatal(err)
		}
		g.until("ann hears that bob is ready", func() bool { return heard[fmt.Sprint(id, " ", lobby.OK, " ", true)] })
		if err := bob.Close(); err != nil {
			t.Error(err)
		}
		g.until("ann hears that bob went", func() bool { return heard[fmt.Sprint(id, " ", lobby.Disconnected, " ", false)] })
	})
}
