package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// load reads a match from the store.
func (s *stage) load(match string) *server.Saved {
	s.t.Helper()
	saved, err := server.Load(context.Background(), s.store.Open(), match)
	if err != nil {
		s.t.Fatal(err)
	}
	return saved
}

// restore starts a server that goes on with the newest match.
func (s *stage) restore(change ...func(*server.Config)) *server.Saved {
	s.t.Helper()
	saved := s.load("")
	s.play(append(change, func(c *server.Config) { c.Restore = []*server.Saved{saved} })...)
	return saved
}

// TestRestoreLobby holds that the players of a lobby join anew, and that their
// objects are gone.
func TestRestoreLobby(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		joined := 0
		waits := func(c *server.Config) {
			c.Match = func(r *server.Room) error {
				r.OnClaim(func(p, seat *server.Player) bool { t.Error("a seat waits"); return true })
				r.OnJoin(func(p *server.Player) {
					joined++
					state.SpawnFor(r.World(), p.ID(), &scout{Name: cardOf(p)})
				})
				if r.Restored() == nil {
					state.Spawn(r.World(), &camp{})
				}
				return r.Lobby().Wait(lobby.AllReady(2))
			}
		}
		s.play(waits)
		s.join("Ann")
		s.run(time.Second)
		s.shutDown()
		if _, err := server.Load(t.Context(), s.store.Open(), ""); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("a match that has not started: %v", err)
		}
		saved := s.load(s.match())
		s.play(waits, func(c *server.Config) { c.Restore = []*server.Saved{saved} })
		ann := s.join("Ann")
		s.run(time.Second)
		if joined != 2 || ann.ID() != 2 || ann.World().Len() != 2 || ann.Lobby().Len() != 1 {
			t.Errorf("%d joined, Ann is %v, sees %d objects and %d players", joined, ann.ID(), ann.World().Len(), ann.Lobby().Len())
		}
		s.shutDown()
	})
}

// TestRestoreWithoutLobby holds that a match that never waits goes on as one that
// takes players always, and that those of a restored match are not joined again.
func TestRestoreWithoutLobby(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		var returned, left []state.PlayerID
		open := func(c *server.Config) {
			c.RefuseLate, c.Grace = true, 5*time.Second
			c.Match = func(r *server.Room) error {
				r.OnClaim(func(p, seat *server.Player) bool { panic("a hook of no use") })
				r.OnClaim(func(p, seat *server.Player) bool {
					if p.ID() != 0 || p.RemoteAddr() == nil || seat.RemoteAddr() != nil || seat.Link().RTT != 0 {
						t.Errorf("%v from %v claims the seat of %v from %v", p.ID(), p.RemoteAddr(), seat.ID(), seat.RemoteAddr())
					}
					if cardOf(p) == "Mallory" {
						p.Kick("you are not welcome")
					}
					return cardOf(p) == cardOf(seat)
				})
				r.OnJoin(func(p *server.Player) {
					state.SpawnFor(r.World(), p.ID(), &scout{Name: cardOf(p)})
				})
				r.OnReturn(func(p *server.Player) { returned = append(returned, p.ID()) })
				r.OnLeave(func(p *server.Player) { left = append(left, p.ID()) })
				for range r.Ticks() {
				}
				return nil
			}
		}
		s.play(open)
		s.join("Ann")
		s.join("Bob")
		s.run(time.Second)
		s.shutDown()
		s.restore(open)
		s.run(time.Second)
		bob := s.join("Bob")
		c, err := client.Dial(t.Context(), "game", client.Config{Transport: s.network, Codec: codec.Msgp{}, Schema: campSchema, Info: Card{"Mallory"}})
		if err == nil {
			_ = c.Close()
			t.Error("a claim hook threw somebody out, who got in all the same")
		}
		s.run(10 * time.Second)
		if bob.ID() != 2 || bob.World().Len() != 1 || bob.Started() || fmt.Sprint(returned, left) != "[player 2] [player 1]" {
			t.Errorf("Bob is %v and sees %d objects, started %v; returned %v, left %v", bob.ID(), bob.World().Len(), bob.Started(), returned, left)
		}
		zoe := s.join("Zoe")
		if zoe.ID() != 3 {
			t.Errorf("Zoe is %v", zoe.ID())
		}
		s.shutDown()
		stats := strings.Count(s.story(s.match(), 2), "\n")
		if stats != 5 { // restored, resumed, left, joined, ended
			t.Errorf("the story is\n%s", s.story(s.match(), 2))
		}
	})
}

// TestRestoreRooms goes on with the matches of two rooms, side by side, and then with
// a new one.
func TestRestoreRooms(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		two := func(c *server.Config) { c.Rooms, c.Matches = 3, 0 }
		s.play(two)
		var names []string
		for _, room := range []string{"red", "blue"} {
			for _, name := range []string{"Ann", "Bob"} {
				c := s.join(name+" "+room, func(c *client.Config) { c.Room = room })
				if err := c.SetReady(true); err != nil {
					t.Fatal(err)
				}
			}
			s.run(time.Second)
		}
		s.shutDown()
		var all []*server.Saved
		for _, name := range s.matches() {
			names = append(names, name)
			all = append(all, s.load(name))
		}
		if len(all) != 2 {
			t.Fatalf("the store has %q", names)
		}
		s.play(two, func(c *server.Config) { c.Restore = all })
		for _, room := range []string{"red", "blue"} {
			c := s.join("Bob "+room, func(c *client.Config) { c.Room = room })
			s.run(time.Second)
			if c.ID() != 2 || c.World().Len() != 3 {
				t.Errorf("Bob of room %s is %v, and sees %d objects", room, c.ID(), c.World().Len())
			}
			for range 3 {
				_ = c.Emit("fire", true)
			}
		}
		s.run(3 * time.Second)
		fresh := s.join("Ann")
		s.run(time.Second)
		if fresh.ID() != 1 || fresh.World().Len() != 0 {
			t.Errorf("in a new match Ann is %v and sees %d objects", fresh.ID(), fresh.World().Len())
		}
		s.shutDown()
		if got := s.matches(); len(got) != 3 {
			t.Errorf("the store has %q", got)
		}
	})
}
