package server

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
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
	h := newHall(b, players, objects, nil)
	before := h.bytes()
	b.ReportAllocs()
	for b.Loop() {
		h.tick()
		runtime.Gosched() // the readers hand on what the sponges sent
	}
	b.ReportMetric(float64(h.bytes()-before)/float64(b.N)/float64(players), "B/player")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(players), "ns/player")
	h.close()
}

// BenchmarkTickSink is such a tick of 128 players, who cause two events, with a
// snapshot of 1,000 objects at each thirtieth: without a sink, with one that takes what
// it gets, one that takes a tenth of a second for it, one that fails, and one that
// never answers. A tick must not feel which. The rooms tick in turns, so that the
// machine's moods meet all alike; up/none is the median tick with a sink to that
// without, and up/none-p99 compares the slowest of a hundred.
func BenchmarkTickSink(b *testing.B) {
	sinks := []struct {
		name string
		sink core.SnapshotSink
	}{
		{"none", nil},
		{"up", &waitingSink{}},
		{"slow", &waitingSink{wait: time.Second / 10}},
		{"down", &waitingSink{err: errors.New("down")}},
		{"silent", &waitingSink{wait: time.Hour}},
	}
	halls, times := make([]*hall, len(sinks)), make([][]time.Duration, len(sinks))
	for i := range sinks {
		halls[i] = newHall(b, 128, 1000, sinks[i].sink)
	}
	data := map[string]any{"amount": int64(5)}
	n := 0
	for b.Loop() {
		n++
		for i, h := range halls {
			began := time.Now()
			for id := range state.PlayerID(2) {
				h.room.event("gold", id+1, data)
			}
			if n%30 == 0 {
				h.room.Snapshot()
			}
			h.tick()
			times[i] = append(times[i], time.Since(began))
			runtime.Gosched()
		}
	}
	for i := range sinks {
		halls[i].close()
		slices.Sort(times[i])
		median, slow := n/2, n*99/100
		b.ReportMetric(float64(times[i][median])/float64(times[0][median]), sinks[i].name+"/none")
		b.ReportMetric(float64(times[i][slow])/float64(times[0][slow]), sinks[i].name+"/none-p99")
	}
	b.ReportMetric(float64(times[0][n/2]), "ns/tick")
	b.ReportMetric(0, "ns/op")
}

// A waitingSink reads all that it gets, and keeps nothing.
type waitingSink struct {
	wait time.Duration
	err  error
}

func (s *waitingSink) rest(ctx context.Context) error {
	if s.wait > 0 {
		select {
		case <-time.After(s.wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.err
}

func (s *waitingSink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	if s.err == nil {
		for range x.Objects {
		}
	}
	return s.rest(ctx)
}

func (s *waitingSink) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	if err := s.rest(ctx); err != nil {
		return 0, err
	}
	return len(events), nil
}

func (s *waitingSink) Close(context.Context) error { return nil }

// hall is a room whose players and objects are all busy.
type hall struct {
	srv     *Server
	room    *Room
	sponges []*sponge
	cancel  context.CancelFunc
}

func newHall(b *testing.B, players, objects int, sink core.SnapshotSink) *hall {
	schema := state.NewSchema(state.Class[mover]())
	srv, err := New(Config{
		Schema: schema, Codec: codec.Msgp{}, Match: func(*Room) error { return nil }, Sink: sink, SnapshotEvery: -1,
		Seats: players, TickRate: 30, UpdateRate: 30, MessageRate: 1 << 20,
	})
	if err != nil {
		b.Fatal(err)
	}
	h := &hall{srv: srv, sponges: make([]*sponge, players)}
	ctx, cancel := context.WithCancel(b.Context())
	h.cancel = cancel
	h.room = newRoom(ctx, srv, "bench", nil)
	network := &mem.Transport{Backlog: players}
	ln, err := network.Listen(ctx, "bench")
	if err != nil {
		b.Fatal(err)
	}
	for i := range h.sponges {
		conn, err := network.Dial(ctx, "bench")
		if err != nil {
			b.Fatal(err)
		}
		far, err := ln.Accept(ctx)
		if err != nil {
			b.Fatal(err)
		}
		h.sponges[i] = &sponge{conn: conn}
		n := newSession(srv, far, ln)
		if err := h.room.admit(n, nil); err != nil {
			b.Fatal(err)
		}
		srv.work.Go(n.read)
	}
	for i := range objects {
		m := &mover{Health: state.NewVar(100)}
		m.Pos = state.NewPosition2D(state.Position2DConfig{At: state.Vec2{X: float64(i % 100), Y: float64(i / 100)}})
		state.Spawn(h.room.world, m)
		m.Pos.SetVelocity(1+float64(i%7), 2+float64(i%5))
	}
	for h.sponges[0].packets.Newest() < 1100 { // until everybody has everything, and every buffer its size
		h.tick()
	}
	return h
}

func (h *hall) tick() {
	h.room.drain()
	h.room.world.Advance(time.Second / 30)
	h.room.update()
	for _, s := range h.sponges {
		s.soak()
	}
}

// bytes returns what the players got.
func (h *hall) bytes() (n uint64) {
	for _, s := range h.sponges {
		n += s.bytes
	}
	return n
}

func (h *hall) close() {
	h.cancel()
	h.room.stop()
	for _, p := range h.room.players {
		_ = p.n.conn.Close(core.CodeNormal, "")
	}
	if h.room.rec != nil {
		h.room.rec.finish()
		h.room.rec.cancel() // without grace
	}
	h.srv.work.Wait()
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
