package systest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// TestChurn has clients come and go from many goroutines, in every way, while short
// matches open and close, and shuts the server down in the middle of it: nothing may
// hang, race or be left over.
func TestChurn(t *testing.T) {
	matrix(t, func(t *testing.T, a *arena) {
		var matches, joins atomic.Int64
		srv, err := server.New(server.Config{
			Schema: schema, Codec: codec.Msgp{}, Rooms: 3, Seats: 6, Matches: 1 << 30,
			Timeout: 500 * time.Millisecond, Grace: 100 * time.Millisecond,
			Match: func(r *server.Room) error {
				matches.Add(1)
				r.OnJoin(func(p *server.Player) {
					spawnHero(r, p.ID(), "guest")
					if p.ID()%7 == 3 {
						p.Kick("unlucky")
					}
				})
				r.OnLeave(func(p *server.Player) { _ = r.Emit("chat", p.ID().String()+" left") })
				Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) {
					h.Score.Set(n.N)
					if n.N%5 == 4 {
						r.Player(from.Player).Kick("enough")
					}
				})
				if err := r.Lobby().Wait(lobby.AtLeast(2)); err != nil {
					return err
				}
				n := 0
				for range r.Ticks() {
					state.Spawn(r.World(), newCrate("x")).Pos.SetVelocity(1, 1)
					if n++; n > 15 {
						break
					}
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := a.server.Listen(t.Context(), a.addr)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(context.Background(), ln) }()
		var stop atomic.Bool
		var wg sync.WaitGroup
		lines := make([]*line, 12)
		for i := range lines {
			lines[i] = a.line()
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), 1))
				for !stop.Load() {
					if visit(t, lines[i], ln.Addr().String(), rnd) {
						joins.Add(1)
					}
				}
			})
		}
		time.Sleep(1500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), a.wait)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Fatalf("Shutdown: %v\n%s", err, goroutinesOf(t.Name()))
		}
		stop.Store(true)
		wg.Wait()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if joins.Load() < 10 || matches.Load() < 3 {
			t.Errorf("%d joins and %d matches: nothing was tested", joins.Load(), matches.Load())
		}
		t.Logf("%d joins, %d matches", joins.Load(), matches.Load())
	})
}

// visit is one client's short stay. It reports whether it got in.
func visit(t *testing.T, l *line, addr string, rnd *rand.Rand) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(2000))*time.Millisecond)
	defer cancel()
	cfg := client.Config{Transport: l, Codec: codec.Msgp{}, Schema: schema, Timeout: time.Second}
	if rnd.IntN(4) == 0 {
		cfg.Room = fmt.Sprint("room ", rnd.IntN(3))
	}
	c, err := client.Dial(ctx, addr, cfg)
	if err != nil {
		time.Sleep(5 * time.Millisecond)
		return false
	}
	way := rnd.IntN(4)
	stay := 1 + rnd.IntN(20)
	n := 0
	for range c.Frames(60) {
		if h := heroOf(c.World(), c.ID()); h != nil {
			h.Pos.SetVelocity(float64(n), 1)
			_ = Poke.Call(h, Note{N: n})
		}
		if n++; n < stay {
			continue
		}
		switch way {
		case 0: // from another goroutine, while the frames go on
			go c.Close()
			way = -1
		case 1: // says nothing any more for a while
			time.Sleep(time.Duration(rnd.IntN(700)) * time.Millisecond)
		}
		if way >= 0 {
			break
		}
	}
	if err := c.Close(); err != nil && ctx.Err() == nil {
		t.Errorf("Close: %v", err)
	}
	return true
}
