package systest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// Players of several transports meet in one room.
func TestTransportsTogether(t *testing.T) {
	t.Parallel()
	noLeak(t)
	onTCP, onMem := openTCP(), openMem(badLink)
	g := onTCP.game(t)
	srv, err := server.New(server.Config{Schema: schema, Codec: codec.Msgp{}, Match: g.match, Logger: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	var listeners []core.Listener
	for _, a := range []*arena{onTCP, onMem} {
		ln, err := a.server.Listen(t.Context(), a.addr)
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, ln)
	}
	g.start(srv, listeners...)
	g.do(func(r *server.Room) {
		rpc.On(r, "chat", func(from rpc.Caller, text string) { _ = r.Emit("chat", text) })
	})
	ann := g.join("ann")
	g.arena, g.addr = onMem, listeners[1].Addr().String()
	bob := g.join("bob")
	for _, p := range g.players {
		g.until(p.name+" sees both", func() bool { return p.World().Len() == 2 && p.Lobby().Len() == 2 })
		if err := p.Emit("chat", "hello from "+p.name); err != nil {
			t.Error(err)
		}
	}
	for _, p := range g.players {
		g.until(p.name+" hears both", func() bool {
			return p.heardOf("chat hello from ann") && p.heardOf("chat hello from bob")
		})
	}
	ann.hero().Pos.SetVelocity(5, 0)
	g.until("bob sees ann walk", func() bool { return ann.heroAt(bob).Pos.X() > 50.1 })
}

// Rooms run side by side and share nothing.
func TestRooms(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t, func(c *server.Config) {
			c.Rooms, c.Seats = 3, 2
			c.Match = func(r *server.Room) error {
				var g game
				g.heroes(r)
				rpc.On(r, "chat", func(_ rpc.Caller, text string) { _ = r.Emit("chat", r.Name()+": "+text) })
				for range r.Ticks() {
				}
				return nil
			}
		})
		in := func(room string) func(*client.Config) { return func(c *client.Config) { c.Room = room } }
		ann, bob := g.join("ann"), g.join("bob", in("main"))
		cid, dan := g.join("cid", in("attic")), g.join("dan") // finds the seat beside cid
		eve := g.join("eve")                                  // all are full: a third opens
		for p, room := range map[*player]string{ann: "main", bob: "main", cid: "attic", dan: "attic"} {
			if p.Room() != room {
				t.Errorf("%s is in %q, want %q", p.name, p.Room(), room)
			}
		}
		if eve.Room() == "main" || eve.Room() == "attic" {
			t.Errorf("eve is in %q", eve.Room())
		}
		var why *lobby.RefusedError
		if _, err := g.tryJoin("fay", in("cellar")); !errors.As(err, &why) || why.Code != core.CodeFull {
			t.Errorf("a fourth room: %v", err)
		}
		if _, err := g.tryJoin("fay", in("attic")); !errors.As(err, &why) || why.Code != core.CodeFull {
			t.Errorf("a third one in the attic: %v", err)
		}
		for _, p := range g.players {
			if err := p.Emit("chat", p.name); err != nil {
				t.Error(err)
			}
		}
		for _, p := range g.players {
			seats := 2
			if p == eve {
				seats = 1
			}
			g.until(p.name+" sees its room", func() bool { return p.World().Len() == seats && len(p.heard) == seats })
			for _, line := range p.heard {
				if !strings.HasPrefix(line, "chat "+p.Room()+": ") {
					t.Errorf("%s in %s heard %q", p.name, p.Room(), line)
				}
			}
		}
	})
}

// Serve plays so many matches; who comes between two of them gets into the next.
func TestMatches(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		played := 0
		g := a.play(t, func(c *server.Config) {
			c.Matches = 3
			c.Match = func(r *server.Room) error {
				if err := r.Lobby().Wait(lobby.AtLeast(1)); err != nil {
					return err
				}
				played++
				state.Spawn(r.World(), newCrate(fmt.Sprint("match ", played)))
				n := 0
				for range r.Ticks() {
					if n++; n == 5 {
						break
					}
				}
				return nil
			}
		})
		for i := range 3 {
			p := g.join("ann")
			if e := g.ends(p, core.CodeNormal); !e.Remote || !strings.Contains(e.Reason, "match is over") {
				t.Errorf("match %d ended with %v", i, e)
			}
			if c := only[*Crate](p.World()); c == nil || c.Kind != fmt.Sprint("match ", i+1) {
				t.Errorf("match %d showed %v", i, c)
			}
		}
		if err := g.serves(); err != nil || played != 3 {
			t.Errorf("Serve: %v after %d matches", err, played)
		}
		// Over datagrams nobody says that nobody is there.
		if _, err := g.tryJoin("late"); !errors.Is(err, core.ErrRefused) && !errors.Is(err, core.ErrTimeout) {
			t.Errorf("Dial after Serve has returned: %v, want ErrRefused or ErrTimeout", err)
		}
	})
}

// A match that fails or panics ends with CodeInternal, and Serve says so; without
// Matches the next one opens.
func TestMatchFails(t *testing.T) {
	boom := errors.New("the dice are loaded")
	for _, panics := range []bool{false, true} {
		match := func(r *server.Room) error {
			if err := r.Lobby().Wait(lobby.AtLeast(1)); err != nil {
				return err
			}
			for range r.Ticks() {
				if panics {
					panic(boom)
				}
				return boom
			}
			return nil
		}
		t.Run(map[bool]string{false: "error", true: "panic"}[panics], func(t *testing.T) {
			matrix(t, func(t *testing.T, a *arena) {
				g := a.play(t, func(c *server.Config) { c.Matches, c.Match = 1, match })
				if e := g.ends(g.join("ann"), core.CodeInternal); strings.Contains(e.Reason, "dice") {
					t.Errorf("players are told what went wrong inside: %v", e)
				}
				err := g.serves()
				if err == nil || !strings.Contains(err.Error(), boom.Error()) || !panics && !errors.Is(err, boom) {
					t.Errorf("Serve: %v", err)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				g := rows[1].open().play(t, func(c *server.Config) { c.Match = match })
				for range 3 {
					g.ends(g.join("ann"), core.CodeInternal)
				}
			})
		})
	}
}

// Shutdown tells everyone, in the lobby and in a match, and what was said before
// arrives.
func TestShutdown(t *testing.T) {
	for _, where := range []string{"match", "lobby"} {
		t.Run(where, func(t *testing.T) {
			matrix(t, func(t *testing.T, a *arena) {
				g := a.game(t)
				g.play(func(c *server.Config) {
					c.Matches = 5 // errors of a match count, but not that of a shutdown
					c.Match = func(r *server.Room) error {
						g.heroes(r)
						if where == "lobby" {
							return r.Lobby().Wait(lobby.AllReady(9))
						}
						for range r.Ticks() {
							g.work(r)
						}
						heroOf(r.World(), 1).Score.Set(-1)
						return r.Emit("chat", "goodbye")
					}
				})
				ann, bob := g.join("ann"), g.join("bob")
				g.until("all is there", func() bool { return ann.Lobby().Len() == 2 && ann.hero() != nil })
				done := make(chan error, 1)
				go func() { done <- g.srv.Shutdown(context.Background()) }()
				for _, p := range []*player{ann, bob} {
					if e := g.ends(p, core.CodeShutdown); !e.Remote {
						t.Errorf("%s: %v", p.name, e)
					}
				}
				if where == "match" && (ann.hero().Score.Get() != -1 || !ann.heardOf("chat goodbye")) {
					t.Errorf("ann saw the score %d at the end, and heard %q", ann.hero().Score.Get(), ann.heard)
				}
				if err := <-done; err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if err := g.serves(); err != nil {
					t.Errorf("Serve: %v", err)
				}
				if err := g.srv.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown again: %v", err)
				}
				if _, err := g.tryJoin("late"); !errors.Is(err, core.ErrRefused) && !errors.Is(err, core.ErrTimeout) {
					t.Errorf("Dial after the shutdown: %v, want ErrRefused or ErrTimeout", err)
				}
			})
		})
	}
}

// A match that does not end keeps Shutdown waiting, but not for ever.
func TestShutdownWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := rows[0].open()
		stuck := make(chan struct{})
		g := a.play(t, func(c *server.Config) {
			c.Match = func(r *server.Room) error { <-stuck; return nil }
		})
		synctest.Wait() // it serves
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := g.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want a DeadlineExceeded", err)
		}
		close(stuck)
		if err := g.serves(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// The end of the context of Serve is a shutdown too; and it may come before Serve.
func TestServeContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := rows[0].open()
		srv, err := server.New(server.Config{Schema: schema, Codec: codec.Msgp{}, Matches: 1, Match: func(r *server.Room) error {
			return r.Lobby().Wait(lobby.AllReady(1))
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := srv.Serve(t.Context()); err == nil {
			t.Error("Serve without a listener returns nil")
		}
		ln, _ := a.server.Listen(t.Context(), "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := srv.Serve(ctx, ln); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := srv.Serve(ctx, ln); err == nil {
			t.Error("Serve a second time returns nil")
		}
		srv, _ = server.New(server.Config{Schema: schema, Codec: codec.Msgp{}, Match: func(r *server.Room) error {
			<-r.Context().Done()
			return r.Context().Err()
		}})
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown before Serve: %v", err)
		}
		ln, _ = a.server.Listen(t.Context(), "")
		if err := srv.Serve(t.Context(), ln); err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
}
