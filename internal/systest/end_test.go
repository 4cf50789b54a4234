package systest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// What a match says and changes before it returns arrives, however much it is; and
// nothing of the game runs when it has returned.
func TestLastWords(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		bag := strings.Repeat("the last sack ", 8<<10)
		over := false
		g := a.game(t)
		g.play(func(c *server.Config) {
			c.Matches = 1
			c.Match = func(r *server.Room) error {
				g.heroes(r)
				after := func(what string) {
					if over {
						t.Errorf("%s runs after the match", what)
					}
				}
				r.OnJoin(func(*server.Player) { after("a join hook") })
				r.OnLeave(func(*server.Player) { after("a leave hook") })
				r.OnLost(func(*server.Player) { after("a lost hook") })
				rpc.On(r, "chat", func(rpc.Caller, string) { after("a handler") })
				for range r.Ticks() {
					g.work(r)
					if r.Lobby().Len() == 2 {
						break
					}
				}
				for i := range 500 {
					if err := r.Emit("chat", fmt.Sprint(i)); err != nil {
						return err
					}
				}
				heroOf(r.World(), 1).Bag.Set(bag)
				state.Spawn(r.World(), newCrate("the end")).Count.Set(500)
				over = true
				return nil
			}
		})
		ann, bob := g.join("ann"), g.join("bob")
		for _, p := range []*player{ann, bob} {
			g.until(p.name+"'s session is over", func() bool {
				_ = ann.Emit("chat", "is anybody there?")
				return p.over != nil
			})
			g.ends(p, core.CodeNormal)
			h, c := ann.heroAt(p), only[*Crate](p.World())
			if len(p.heard) != 500 || p.heard[499] != "chat 499" || h == nil || h.Bag.Get() != bag || c == nil || c.Count.Get() != 500 {
				t.Errorf("%s heard %d words, and sees %v and %v", p.name, len(p.heard), h, c)
			}
		}
		if err := g.serves(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// A player who acknowledges nothing does not keep a match from ending.
func TestEndNextToSilence(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.game(t)
		g.play(func(c *server.Config) {
			c.Matches = 1
			c.Match = func(r *server.Room) error {
				if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
					return err
				}
				n := 0
				for range r.Ticks() {
					if n++; n == 10 {
						break
					}
				}
				state.Spawn(r.World(), newCrate("the end"))
				return nil
			}
		})
		ann := g.join("ann")
		mute := g.intrude()
		mute.say(core.Reliable, mute.frame(kReady, []byte{1}))
		_ = ann.SetReady(true)
		g.until("the match begins", ann.Started)
		began := time.Now()
		g.ends(ann, core.CodeNormal)
		if err := g.serves(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("the end took %v", d)
		}
		if only[*Crate](ann.World()) == nil {
			t.Error("ann did not see the end")
		}
	})
}

// The last state arrives also where most packets get lost.
func TestLastState(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			a := openMem(netsim.Link{Latency: 20 * time.Millisecond, Loss: 0.5})
			a.seed = seed << 20
			g := a.play(t, func(c *server.Config) {
				c.Matches, c.Logger = 1, nil
				c.Match = func(r *server.Room) error {
					score := state.Spawn(r.World(), newCrate("score"))
					for range r.Ticks() {
						if score.Count.Set(score.Count.Get() + 1); ready(r) == 1 {
							break
						}
					}
					score.Count.Set(-1)
					return nil
				}
			})
			ann := g.join("ann")
			g.pass(time.Second)
			_ = ann.SetReady(true)
			g.ends(ann, core.CodeNormal)
			if c := only[*Crate](ann.World()); c == nil || c.Count.Get() != -1 {
				t.Errorf("seed %d: ann saw %v with %d at the end, tick %d", seed, c, c.Count.Get(), ann.Tick())
			}
		})
	}
}

func ready(r *server.Room) int {
	n := 0
	for p := range r.Lobby().Players() {
		if p.Ready {
			n++
		}
	}
	return n
}

// Who comes while a match is on its way out gets into the next one.
func TestBetweenMatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		match := 0
		g := rows[0].open().play(t, func(c *server.Config) {
			c.Matches = 2
			c.Match = func(r *server.Room) error {
				match++
				state.Spawn(r.World(), newCrate(fmt.Sprint("match ", match)))
				for range r.Ticks() {
					if r.Lobby().Len() == 1 {
						break
					}
				}
				state.Spawn(r.World(), newCrate("the end"))
				return nil
			}
		})
		g.intrude()                        // acknowledges nothing, so the end takes a second
		time.Sleep(300 * time.Millisecond) // of which this has passed
		ann := g.join("ann")
		if e := g.ends(ann, core.CodeNormal); !e.Remote || count[*Crate](ann.World()) != 2 {
			t.Errorf("ann's match ended with %v", e)
		}
		for c := range state.All[*Crate](ann.World()) {
			if c.Kind == "match 1" {
				t.Error("ann got into the match that was over")
			}
		}
		if err := g.serves(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// Kick works in every hook.
func TestKickInHooks(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		g := a.play(t, shortTimes)
		left := 0
		g.do(func(r *server.Room) {
			r.OnJoin(func(p *server.Player) {
				var c Card
				if _ = p.Info(&c); c.Name == "banned" {
					p.Kick("you are not welcome")
					p.Kick("twice")
				}
			})
			r.OnLost(func(p *server.Player) { p.Kick("who is lost is gone") })
			r.OnLeave(func(p *server.Player) { left++; p.Kick("too late") })
		})
		ann := g.join("ann")
		banned := g.join("banned") // had a seat for a moment
		if e := g.ends(banned, core.CodeKicked); e.Reason != "you are not welcome" {
			t.Errorf("the banned one's session ended with %v", e)
		}
		bob := g.join("bob")
		g.until("ann sees bob", func() bool { return bob.heroAt(ann) != nil })
		bob.still = true
		bob.line.kill()
		g.until("bob is gone without grace", func() bool { return ann.Lobby().Len() == 1 && ann.World().Len() == 1 })
		g.do(func(r *server.Room) {
			if left != 2 || r.Stats().Panics != 0 || r.Lobby().Len() != 1 {
				t.Errorf("%d left, %d panics, %d players", left, r.Stats().Panics, r.Lobby().Len())
			}
		})
	})
}

// Many large infos are told in messages that fit.
func TestManyInfos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rows[0].open().play(t, func(c *server.Config) { c.Seats = 100; c.Logger = nil })
		motto := strings.Repeat("m", lobby.MaxInfo-100)
		for i := range 80 {
			p := g.join(fmt.Sprint("p", i))
			if err := p.SetInfo(Card{p.name, motto}); err != nil {
				t.Fatal(err)
			}
		}
		last := g.join("last")
		g.until("the last one sees all the others", func() bool {
			n := 0
			for q := range last.Lobby().Players() {
				if card(last, q.ID).Motto == motto {
					n++
				}
			}
			return n == 80
		})
	})
}
