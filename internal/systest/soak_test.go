package systest

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/tcp"
	"github.com/parley-net/parley/transport/udp"
)

var (
	soakTime = flag.Duration("soak", 5*time.Second, "how long TestSoak plays")
	soakOver = flag.String("over", "udp", "what TestSoak plays over: udp or tcp")
)

func soakTransport(t *testing.T, key *identity.Key) core.Transport {
	switch *soakOver {
	case "udp":
		return udp.New(udp.Config{Identity: key})
	case "tcp":
		return tcp.New(tcp.Config{Identity: key})
	}
	t.Fatalf("no transport %q", *soakOver)
	return nil
}

// soaker is one client of the soak and what the server knows of it.
type soaker struct {
	called, answered int    // by the client
	news             int    // events that it heard
	faults           string // what came out of order
	frames           int
	link             client.LinkStats
}

// TestSoak has 32 clients play over real sockets at 64 ticks a second: each calls and
// says something in every frame. Nothing Reliable is lost, doubled or out of order.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("the soak is long")
	}
	t.Parallel() // with the random matches
	noLeak(t)
	const clients, rate = 32, 64
	var stop atomic.Bool
	got := make(map[state.PlayerID]int) // the room's
	news := 0
	var stats server.Stats
	srv, err := server.New(server.Config{
		Schema: schema, Codec: codec.Msgp{}, TickRate: rate, UpdateRate: 32, Matches: 1,
		Match: func(r *server.Room) error {
			r.OnJoin(func(p *server.Player) { spawnHero(r, p.ID(), p.ID().String()) })
			Poke.Handle(r, func(h *Hero, from rpc.Caller, n Note) {
				if n.N != got[from.Player]+1 {
					t.Errorf("%v's call %d came after %d", from.Player, n.N, got[from.Player])
				}
				got[from.Player] = n.N
				h.Score.Set(n.N)
				if err := Tell.CallOwner(h, n); err != nil {
					t.Error(err)
				}
			})
			began := time.Now()
			for range r.Ticks() {
				if r.Stats().Ticks%8 == 0 {
					news++
					if err := r.Emit("news", news); err != nil {
						t.Error(err)
					}
				}
				if time.Since(began) > *soakTime {
					stop.Store(true)
				}
				if stop.Load() && r.Lobby().Len() == 0 {
					break
				}
			}
			stats = r.Stats()
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := soakTransport(t, serverKey()).Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background(), ln) }()

	all := make([]soaker, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range all {
		wg.Go(func() { all[i].play(t, ln.Addr().String(), &stop, uint64(i)) })
	}
	wg.Wait()
	took := time.Since(began)
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	var calls, heard, frames int
	var rtt, worst time.Duration
	var down, up uint64
	for i := range all {
		s := &all[i]
		if s.faults != "" || s.called != s.answered || s.called < s.frames {
			t.Errorf("client %d: %d frames, %d calls, %d answers; %s", i, s.frames, s.called, s.answered, s.faults)
		}
		calls += s.called
		heard += s.news
		frames += s.frames
		rtt += s.link.RTT / clients
		worst = max(worst, s.link.RTT)
		down += s.link.Conn.BytesRecv
		up += s.link.Conn.BytesSent
	}
	total := 0
	for _, n := range got {
		total += n
	}
	if total != calls {
		t.Errorf("%d calls were made, and %d came", calls, total)
	}
	sec := took.Seconds() * clients
	t.Logf("%d clients for %.1f s: %d calls and answers, %d events, %.1f frames a second each; round trip %v, worst %v; "+
		"%.1f kB/s down and %.1f kB/s up each; %d ticks, %d skipped",
		clients, took.Seconds(), calls, heard, float64(frames)/sec, rtt.Round(10*time.Microsecond), worst.Round(10*time.Microsecond),
		float64(down)/sec/1e3, float64(up)/sec/1e3, stats.Ticks, stats.Skipped)
}

// play is one client, on a goroutine of its own.
func (s *soaker) play(t *testing.T, addr string, stop *atomic.Bool, seed uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, addr, client.Config{Transport: soakTransport(t, nil), Codec: codec.Msgp{}, Schema: schema})
	if err != nil {
		t.Error(err)
		stop.Store(true)
		return
	}
	defer c.Close()
	Tell.Handle(c, func(h *Hero, _ rpc.Caller, n Note) {
		if n.N != s.answered+1 {
			s.faults = "an answer out of order"
		}
		s.answered = n.N
	})
	last := 0
	rpc.On(c, "news", func(_ rpc.Caller, n int) {
		if last != 0 && n != last+1 {
			s.faults = "an event out of order"
		}
		last = n
		s.news++
	})
	rnd := rand.New(rand.NewPCG(seed, 0))
	end := time.Time{}
	for range c.Frames(64) {
		h := heroOf(c.World(), c.ID())
		switch {
		case h == nil:
		case !stop.Load():
			s.frames++
			if s.frames%16 == 0 {
				h.Pos.SetVelocity(float64(rnd.IntN(20)), float64(rnd.IntN(20)))
			}
			s.called++
			if err := Poke.Call(h, Note{N: s.called, Text: "soak"}); err != nil {
				t.Error(err)
			}
		case end.IsZero():
			end = time.Now().Add(10 * time.Second) // for the last answers
		}
		if stop.Load() && (s.answered == s.called || time.Now().After(end) && !end.IsZero()) {
			break
		}
	}
	s.link = c.Link()
	if err := c.Err(); err != nil {
		t.Errorf("a client's session is over: %v", err)
	}
}
