package systest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// In virtual time a second has exactly as many ticks and updates as the Config says.
func TestRates(t *testing.T) {
	for _, rate := range []struct{ tick, update int }{{60, 30}, {60, 60}, {60, 20}, {64, 16}, {10, 10}, {50, 20}} {
		synctest.Test(t, func(t *testing.T) {
			a := rows[0].open()
			g := a.play(t, func(c *server.Config) { c.TickRate, c.UpdateRate = rate.tick, rate.update })
			ann := g.join("ann")
			g.do(func(r *server.Room) { // something changes at each tick
				c := state.Spawn(r.World(), newCrate("top"))
				c.Pos.SetVelocity(100, 0)
			})
			g.until("ann sees it", func() bool { return only[*Crate](ann.World()) != nil })
			changes, last := 0, ann.Tick()
			before := ask(g, func(r *server.Room) uint64 { return r.Stats().Ticks })
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
				g.pump()
				if ann.Tick() != last {
					changes++
					last = ann.Tick()
				}
			}
			ticks := int(ask(g, func(r *server.Room) uint64 { return r.Stats().Ticks }) - before)
			if want := 10 * rate.tick; ticks < want-1 || ticks > want+2 {
				t.Errorf("%d ticks in ten seconds, want %d", ticks, want)
			}
			if want := 10 * rate.update; changes < want-2 || changes > want+2 {
				t.Errorf("ticks %d, updates %d: %d updates in ten seconds, want %d", rate.tick, rate.update, changes, want)
			}
			if d := ann.TickDuration(); d != time.Second/time.Duration(rate.tick) {
				t.Errorf("a tick is %v to the client", d)
			}
			if s := ask(g, func(r *server.Room) uint64 { return r.Stats().Skipped }); s != 0 {
				t.Errorf("%d ticks were skipped", s)
			}
		})
	}
}

// A room that is late skips ticks and counts them. It does not take its own
// deafness for the players' silence.
func TestLateRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rows[0].open().play(t)
		ann := g.join("ann")
		g.until("ann is there", func() bool { return ann.hero() != nil })
		before := ask(g, func(r *server.Room) server.Stats { return r.Stats() })
		stall := make(chan struct{})
		g.do(func(*server.Room) { // from now on ann speaks to a room that does not listen
			go func() { g.jobs <- job{func(*server.Room) { <-stall }, make(chan struct{})} }()
		})
		g.pass(30 * time.Second)
		close(stall)
		g.pass(2 * time.Second)
		after := ask(g, func(r *server.Room) server.Stats { return r.Stats() })
		if ticks := after.Ticks - before.Ticks; ticks < 115 || ticks > 130 {
			t.Errorf("%d ticks in the two seconds after the pause, want 120", ticks)
		}
		if skipped := after.Skipped - before.Skipped; skipped < 1790 || skipped > 1810 {
			t.Errorf("%d ticks were skipped in 30 seconds, want 1800", skipped)
		}
		if ann.over == nil {
			t.Error("ann did not give up a server that was silent for 30 s")
		}
	})
}

// A client that gives up a silent server is lost there, and has not left on purpose.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rows[0].open().play(t, func(c *server.Config) { c.Logger = nil })
		for i := range 30 {
			g.join(fmt.Sprint("p", i), impatient)
		}
		g.pass(time.Second)
		busy := make(chan struct{})
		go func() { g.jobs <- job{func(*server.Room) { <-busy }, make(chan struct{})} }()
		for _, p := range g.players {
			g.ends(p, core.CodeTimeout)
		}
		close(busy)
		g.pass(100 * time.Millisecond)
		g.do(func(r *server.Room) {
			for q := range r.Lobby().Players() {
				if q.Status != lobby.LostConnection {
					t.Errorf("player %d: %v", q.ID, q.Status)
				}
			}
			if n := r.Lobby().Len(); n != 30 {
				t.Errorf("%d players have a seat, want 30", n)
			}
		})
	})
}

// Players who wait longer than the room was deaf are still there afterwards.
func TestDeafRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rows[0].open().play(t, func(c *server.Config) { c.Timeout = 2 * time.Second })
		ann := g.join("ann")
		g.until("ann is there", func() bool { return ann.hero() != nil })
		g.do(func(*server.Room) { time.Sleep(9 * time.Second) })
		g.pass(5 * time.Second)
		if n := ask(g, func(r *server.Room) int { return r.Lobby().Connected() }); n != 1 || ann.over != nil {
			t.Errorf("%d players are connected, and ann's session ended with %v", n, ann.over)
		}
	})
}

// What the client knows of the server's time and of its link.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := openMem(netsim.Link{Latency: 50 * time.Millisecond, Loss: 0.1})
		g := a.play(t)
		ann := g.join("ann")
		g.do(func(r *server.Room) { // something for both sides to acknowledge
			state.Spawn(r.World(), newCrate("top")).Pos.SetVelocity(1, 0)
		})
		g.pass(10 * time.Second)
		link := ann.Link()
		if link.RTT < 100*time.Millisecond || link.RTT > 120*time.Millisecond {
			t.Errorf("the client measures a round trip of %v, want 100 ms and a bit for the frame", link.RTT)
		}
		if link.Loss < 0.02 || link.Loss > 0.25 {
			t.Errorf("the client measures a loss of %.3f, want 0.1", link.Loss)
		}
		if link.Conn.MessagesRecv == 0 || link.Conn.BytesSent == 0 {
			t.Errorf("counters: %+v", link.Conn)
		}
		there := ask(g, func(r *server.Room) server.LinkStats { return r.Player(ann.ID()).Link() })
		if there.RTT < 100*time.Millisecond || there.RTT > 120*time.Millisecond || there.Loss < 0.02 || there.Loss > 0.25 {
			t.Errorf("the server measures %v and %.3f", there.RTT, there.Loss)
		}
		for range 100 {
			g.pass(37 * time.Millisecond)
			now := ask(g, func(r *server.Room) uint64 { return r.World().Tick() })
			if guess := ann.ServerTick(); guess+4 < now || guess > now+4 {
				t.Fatalf("the client takes it for tick %d, the server for %d", guess, now)
			}
		}
	})
}
