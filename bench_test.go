package parley_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/mem"
	"github.com/parley-net/parley/transport/tcp"
	"github.com/parley-net/parley/transport/udp"
)

// Runner is a player in the benchmarks.
type Runner struct {
	state.Object
	Name string
}

// Shout is the argument of the benchmarks' calls.
type Shout struct {
	At   int64
	Text string
}

var (
	askServer = rpc.ToServer[*Runner, Shout]("ask")
	answer    = rpc.ToClients[*Runner, Shout]("answer")
	benchGame = state.NewSchema(state.Class[Runner](), askServer, answer)
)

const benchRate = 64 // calls a second by each client

// BenchmarkRoundTrip measures a call to the server that answers with a call to the
// owner, with each of the clients calling 64 times a second, beside a bare echo of
// the same arguments with the same codec and transport under the same load. Reported
// are the medians, and their ratio, which is what to look at: an operation of the
// benchmark lasts a 64th of a second by design.
func BenchmarkRoundTrip(b *testing.B) {
	transports := []struct {
		name string
		new  func() core.Transport
		addr string
	}{
		{"udp", func() core.Transport { return udp.New(udp.Config{}) }, "127.0.0.1:0"},
		{"tcp", func() core.Transport { return tcp.New(tcp.Config{}) }, "127.0.0.1:0"},
		{"mem", func() core.Transport { return new(mem.Transport) }, "bench"},
	}
	for _, t := range transports {
		for _, clients := range []int{4, 32, 128} {
			b.Run(fmt.Sprintf("%s/clients=%d", t.name, clients), func(b *testing.B) {
				var calls, echoes []time.Duration
				rounds := max(b.N, 4)
				for rest := rounds; rest > 0; rest -= benchRate { // in turns, so that noise hits both
					n := min(rest, benchRate)
					calls = append(calls, callRoundTrips(b, t.new(), t.addr, clients, n)...)
					echoes = append(echoes, echoRoundTrips(b, t.new(), t.addr, clients, n)...)
				}
				slices.Sort(calls)
				slices.Sort(echoes)
				call, echo := calls[len(calls)/2], echoes[len(echoes)/2]
				b.ReportMetric(float64(call)/1e3, "µs/call")
				b.ReportMetric(float64(calls[len(calls)*99/100])/1e3, "µs/call-p99")
				b.ReportMetric(float64(echo)/1e3, "µs/echo")
				b.ReportMetric(float64(echoes[len(echoes)*99/100])/1e3, "µs/echo-p99")
				b.ReportMetric(float64(call)/float64(echo), "call/echo")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// phase spreads the clients over a frame, so that they do not all call at once.
func phase(i, clients int) time.Duration {
	return time.Duration(i) * time.Second / benchRate / time.Duration(clients)
}

// callRoundTrips has clients make n calls each and returns how long each took.
func callRoundTrips(b *testing.B, t core.Transport, addr string, clients, n int) []time.Duration {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	address := make(chan string, 1)
	served := make(chan error, 1)
	go func() {
		served <- parley.Serve(ctx, addr, parley.Server{
			Schema: benchGame, Transport: t, Seats: clients, TickRate: benchRate, UpdateRate: 32,
			Ready: func(addr string) { address <- addr },
			Match: func(r *server.Room) error {
				r.OnJoin(func(p *server.Player) { state.SpawnFor(r.World(), p.ID(), &Runner{Name: p.ID().String()}) })
				askServer.Handle(r, func(o *Runner, _ rpc.Caller, s Shout) { _ = answer.CallOwner(o, s) })
				for range r.Ticks() {
				}
				return nil
			},
		})
	}()
	addr = <-address
	var all []time.Duration
	var mu sync.Mutex
	var playing sync.WaitGroup
	ready := time.Now().Add(time.Second) // by then everybody has joined
	for i := range clients {
		playing.Go(func() {
			c, err := parley.Dial(ctx, addr, parley.Client{Schema: benchGame, Transport: t})
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			var mine []time.Duration
			began := time.Now()
			answer.Handle(c, func(_ *Runner, _ rpc.Caller, s Shout) {
				mine = append(mine, time.Since(began)-time.Duration(s.At))
			})
			sent := 0
			time.Sleep(time.Until(ready) + phase(i, clients))
			for range c.Frames(benchRate) {
				for o := range state.Owned[*Runner](c.World(), c.ID()) {
					if sent < n {
						sent++
						if err := askServer.Call(o, Shout{At: int64(time.Since(began)), Text: "what a shot"}); err != nil {
							b.Error(err)
						}
					}
				}
				if len(mine) == n {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	playing.Wait()
	cancel()
	if err := <-served; err != nil {
		b.Error(err)
	}
	if len(all) != n*clients {
		b.Errorf("%d of %d calls came back", len(all), n*clients)
	}
	return all
}

// echoRoundTrips does the same with nothing between transport and codec.
func echoRoundTrips(b *testing.B, t core.Transport, addr string, clients, n int) []time.Duration {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	ln, err := t.Listen(ctx, addr)
	if err != nil {
		b.Fatal(err)
	}
	var serving, playing sync.WaitGroup
	ready := time.Now().Add(time.Second) // by then everybody has connected
	serving.Go(func() {
		for {
			conn, err := ln.Accept(ctx)
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close(core.CodeNormal, "")
				var buf []byte
				for {
					msg, err := conn.Recv(ctx)
					if err != nil {
						return
					}
					var s Shout
					if _, err := (codec.Msgp{}).Decode(msg, &s); err != nil {
						b.Error(err)
					}
					buf, _ = codec.Msgp{}.Append(buf[:0], &s)
					if err := conn.Send(core.Reliable, buf); err != nil {
						b.Error(err)
					}
				}
			})
		}
	})
	var all []time.Duration
	var mu sync.Mutex
	for i := range clients {
		playing.Go(func() {
			conn, err := t.Dial(ctx, ln.Addr().String())
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close(core.CodeNormal, "")
			time.Sleep(time.Until(ready) + phase(i, clients))
			mine := make([]time.Duration, 0, n)
			began := time.Now()
			tick := time.NewTicker(time.Second / benchRate)
			defer tick.Stop()
			var buf []byte
			for range n {
				<-tick.C
				buf, _ = codec.Msgp{}.Append(buf[:0], &Shout{At: int64(time.Since(began)), Text: "what a shot"})
				if err := conn.Send(core.Reliable, buf); err != nil {
					b.Error(err)
					return
				}
				msg, err := conn.Recv(ctx)
				if err != nil {
					b.Error(err)
					return
				}
				var s Shout
				if _, err := (codec.Msgp{}).Decode(msg, &s); err != nil {
					b.Error(err)
				}
				mine = append(mine, time.Since(began)-time.Duration(s.At))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	playing.Wait()
	cancel()
	_ = ln.Close()
	serving.Wait()
	return all
}
