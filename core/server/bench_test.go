package server

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/link"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/mem"
)

type mover struct {
	state.Object
	Pos    state.Position2D
	Health state.Var[int]
}

// BenchmarkTick is one steady tick of a room over transport/mem, as players ×
// moving objects: what came in, movement, the freeze, the encoding and the sending.
// Each player acknowledges every packet. B/player is what a player gets per tick.
func BenchmarkTick(b *testing.B) {
	for _, size := range []struct{ players, objects int }{{128, 128}, {1000, 1000}} {
		b.Run(fmt.Sprintf("%dx%d", size.players, size.objects), func(b *testing.B) {
			benchmarkTick(b, size.players, size.objects)
		})
	}
}

func benchmarkTick(b *testing.B, players, objects int) {
	schema := state.NewSchema(state.Class[mover]())
	srv, err := New(Config{
		Schema: schema, Codec: codec.Msgp{}, Match: func(*Room) error { return nil },
		Seats: players, TickRate: 30, UpdateRate: 30, MessageRate: 1 << 20,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	room := newRoom(ctx, srv, "bench", nil)
	sponges := make([]*sponge, players)
	network := &mem.Transport{Backlog: players}
	ln, err := network.Listen(ctx, "bench")
	if err != nil {
		b.Fatal(err)
	}
	for i := range sponges {
		conn, err := network.Dial(ctx, "bench")
		if err != nil {
			b.Fatal(err)
		}
		far, err := ln.Accept(ctx)
		if err != nil {
			b.Fatal(err)
		}
		sponges[i] = &sponge{conn: conn}
		n := newSession(srv, far, ln)
		if err := room.admit(n, nil); err != nil {
			b.Fatal(err)
		}
		srv.work.Go(n.read)
	}
	for i := range objects {
		m := &mover{Health: state.NewVar(100)}
		m.Pos = state.NewPosition2D(state.Position2DConfig{At: state.Vec2{X: float64(i % 100), Y: float64(i / 100)}})
		state.Spawn(room.world, m)
		m.Pos.SetVelocity(1+float64(i%7), 2+float64(i%5))
	}
	tick := func() {
		room.drain()
		room.world.Advance(time.Second / 30)
		room.update()
		for _, s := range sponges {
			s.soak()
		}
	}
	for sponges[0].packets.Newest() < 1100 { // until everybody has everything, and every buffer its size
		tick()
	}
	var before, after uint64
	for _, s := range sponges {
		before += s.bytes
	}
	b.ReportAllocs()
	for b.Loop() {
		tick()
		runtime.Gosched() // the readers hand on what the sponges sent
	}
	for _, s := range sponges {
		after += s.bytes
	}
	b.ReportMetric(float64(after-before)/float64(b.N)/float64(players), "B/player")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(players), "ns/player")
	cancel()
	room.stop()
	for _, p := range room.players {
		_ = p.n.conn.Close(core.CodeNormal, "")
	}
	srv.work.Wait()
}

// sponge is a client that takes packets and acknowledges them, and nothing else.
type sponge struct {
	conn    core.Conn
	packets link.Packets
	buf     []byte
	bytes   uint64
}

var poll = func() context.Context { // Recv takes what is there, and does not wait
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func ignore(uint64) {}

func (s *sponge) soak() {
	now := time.Now()
	for {
		msg, err := s.conn.Recv(poll)
		if err != nil {
			break
		}
		if wire.Kind(msg[0]) == wire.KindState {
			s.bytes += uint64(len(msg))
			r := wire.NewReader(msg[1:])
			s.packets.Received(s.packets.ReadHeader(&r, now, ignore, ignore), now)
		}
	}
	s.buf = s.packets.AppendHeader(append(s.buf[:0], byte(wire.KindInput)), now)
	s.buf = wire.AppendUvarint(s.buf, s.packets.Next()) // the number of a round without input
	_ = s.conn.Send(core.Unreliable, s.buf)
}
