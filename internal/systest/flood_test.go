package systest

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
)

// More Reliable messages than allowed cost the connection; more Unreliable ones are
// dropped and counted.
func TestFlood(t *testing.T) {
	hostile(t, func(t *testing.T, g *game, ann *player) {
		r := g.intrude()
		for i := range uint64(10000) {
			if r.Send(core.Unreliable, input(i+1, i+1, 9999, 1, 1)) != nil {
				t.Fatal("the connection ended")
			}
			if i%64 == 63 { // the adapter keeps the newest only
				time.Sleep(time.Millisecond)
			}
		}
		g.untilRoom("what was too much is counted", func(r *server.Room) bool { return r.Player(2) != nil && r.Player(2).Refused() > 1000 })
		g.unharmed(ann)
		for range 10000 {
			if err := r.Send(core.Reliable, r.frame(kEvent, join(0, str("spam"), args(1)))); errors.Is(err, core.ErrClosed) {
				break
			} else if err != nil {
				time.Sleep(time.Millisecond)
			}
		}
		if code := r.fate(); code != core.CodeFlood {
			t.Errorf("a flood of events ends with %v", code)
		}

		r = g.intrude()
		big := make([]byte, 200<<10)
		for range 1000 {
			if err := r.Send(core.Reliable, r.frame(kEvent, join(0, str("spam"), big))); errors.Is(err, core.ErrClosed) {
				break
			} else if err != nil {
				r.frames--
				time.Sleep(time.Millisecond)
			}
		}
		if code := r.fate(); code != core.CodeFlood {
			t.Errorf("a flood of large events ends with %v", code)
		}
		g.untilRoom("they are gone", func(r *server.Room) bool { return r.Lobby().Len() == 1 })
	})
}

// A player who changes its info all the time costs the others no more than a
// trickle.
func TestInfoFlood(t *testing.T) {
	hostile(t, func(t *testing.T, g *game, ann *player) {
		r := g.intrude()
		g.until("ann sees it", func() bool { return ann.Lobby().Len() == 2 })
		before, began := ann.Link().Conn.BytesRecv, time.Now()
		seconds := 3
		if g.arena.addr != "" {
			seconds = 1
		}
		for i := range 200 * seconds {
			r.say(core.Reliable, r.frame(kInfo, []byte(strings.Repeat(string(rune('a'+i%20)), lobby.MaxInfo))))
			r.say(core.Reliable, r.frame(kReady, []byte{byte(i % 2)}))
			g.pass(time.Second / 200)
		}
		if n := ann.Link().Conn.BytesRecv - before; float64(n) > 15*lobby.MaxInfo*time.Since(began).Seconds() {
			t.Errorf("ann got %d bytes in %v", n, time.Since(began))
		}
		last, _ := ann.Lobby().Player(2)
		want := 'a' + rune((200*seconds-1)%20)
		g.until("ann has the last info", func() bool {
			last, _ = ann.Lobby().Player(2)
			return len(last.Info) == lobby.MaxInfo && last.Info[0] == byte(want)
		})
	})
}

// A player who takes nothing loses the connection when the queue is full, the others
// lose nothing, and the game's loop is not disturbed in the middle.
func TestSlowReader(t *testing.T) {
	hostile(t, func(t *testing.T, g *game, ann *player) {
		r := g.intrude()
		text := strings.Repeat("news ", 4<<10)
		inBody, hook := false, ""
		g.do(func(r *server.Room) {
			r.OnLost(func(p *server.Player) {
				hook = p.Status().String()
				if inBody {
					t.Error("the lost hook runs inside the body of a tick")
				}
			})
		})
		sent, lost := 0, ""
		g.until("the slow player is lost", func() bool {
			g.do(func(r *server.Room) {
				inBody, lost = true, hook
				defer func() { inBody = false }()
				for range 3 {
					if err := r.Emit("chat", text); err != nil {
						t.Errorf("Emit: %v, but only one player is slow", err)
					}
					sent++
				}
			})
			return lost != ""
		})
		if lost != "lost connection" {
			t.Errorf("in the lost hook: %s", lost)
		}
		g.until("ann sees it", func() bool { return ann.Lobby().Status(2) == lobby.LostConnection })
		g.until("ann has all news", func() bool { return len(ann.heard) == sent })
		if code := r.fate(); code != core.CodeSlow && code != core.CodeLost { // nobody took the goodbye either
			t.Errorf("the connection ends with %v", code)
		}
	})
}

// What one player sends while the room is busy is bounded in bytes.
func TestInboxBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rows[0].open().play(t, func(c *server.Config) { c.Logger = nil; c.MessageRate = 1 << 30 })
		ann := g.honest()
		r := g.intrude()
		busy := make(chan struct{})
		go func() { g.jobs <- job{func(*server.Room) { <-busy }, make(chan struct{})} }()
		time.Sleep(100 * time.Millisecond)
		big := make([]byte, 200<<10)
		sent := 0
		for range 1000 {
			if err := r.Send(core.Reliable, r.frame(kEvent, join(0, str("spam"), big))); err != nil {
				break
			}
			sent += len(big)
			synctest.Wait()
		}
		if sent > 3<<20 {
			t.Errorf("%d bytes of one player wait for the room", sent)
		}
		close(busy)
		g.pass(time.Second)
		g.unharmed(ann)
	})
}

// Hostile players come and go; what they leave behind is bounded.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rows[0].open().play(t, func(c *server.Config) { c.Logger = nil })
		g.honest()
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		wave := func() {
			for range 30 {
				r := g.intrude()
				for i := range uint64(100) {
					r.say(core.Unreliable, input(i+1, i+1, 9999, 1, 1))
					r.say(core.Reliable, r.frame(kEvent, join(0, str("spam"), make([]byte, 1000))))
				}
				_ = r.Close(core.CodeNormal, "")
				g.pump()
			}
			g.untilRoom("they are gone", func(r *server.Room) bool { return r.Lobby().Len() == 1 })
		}
		wave()
		before := heap()
		for range 3 {
			wave()
		}
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("90 hostile players left %d KiB behind", grown>>10)
		}
	})
}
