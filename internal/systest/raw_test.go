package systest

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// The kinds of messages, as they stand on the wire.
const (
	kHello byte = 1 + iota
	kReady
	kInfo
	kWelcome
	kRefuse
	kPlayers
	kPhase
	kValue
	kCall
	kEvent
	kState
	kInput
	kFastCall
)

// A raw is a client that says what it likes.
type raw struct {
	core.Conn
	t      testing.TB
	frames uint64 // sent
	wait   time.Duration
}

// knock connects without a hello.
func (g *game) knock() *raw {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), g.arena.wait)
	defer cancel()
	conn, err := g.arena.line().Dial(ctx, g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close(core.CodeNormal, "") })
	return &raw{Conn: conn, t: g.t, wait: g.arena.wait}
}

// intrude joins as a raw client.
func (g *game) intrude() *raw {
	g.t.Helper()
	r := g.knock()
	r.say(core.Reliable, r.frame(kHello, hello(1, codec.Msgp{}.Name(), schema.Hash(), "", nil)))
	for {
		if msg := r.recv(); msg[0] == kWelcome {
			return r
		}
	}
}

func (r *raw) say(d core.Delivery, msg []byte) {
	r.t.Helper()
	if err := r.Send(d, msg); err != nil && !errors.Is(err, core.ErrClosed) {
		r.t.Errorf("Send: %v", err)
	}
}

func (r *raw) recv() []byte {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.wait)
	defer cancel()
	msg, err := r.Recv(ctx)
	if err != nil {
		r.t.Fatalf("Recv: %v", err)
	}
	return msg
}

// fate waits for the end of the connection and returns its code.
func (r *raw) fate() core.Code {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.wait)
	defer cancel()
	for {
		_, err := r.Recv(ctx)
		var closed *core.CloseError
		switch {
		case errors.As(err, &closed):
			return closed.Code
		case err != nil:
			r.t.Fatalf("the connection does not end: %v", err)
		}
	}
}

// frame returns a Reliable frame with the next number.
func (r *raw) frame(kind byte, body []byte) []byte {
	r.frames++
	return join(kind, uv(r.frames), 0, body)
}

func hello(version uint64, codec, hash, room string, info []byte) []byte {
	return join("parley", uv(version), str(codec), str(hash), str(room), str(string(info)))
}

// join concatenates bytes, byte slices and strings.
func join(parts ...any) (b []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case byte:
			b = append(b, p)
		case int:
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func uv(v uint64) []byte { return binary.AppendUvarint(nil, v) }
func sv(v int64) []byte  { return binary.AppendVarint(nil, v) }
func str(s string) []byte {
	return append(uv(uint64(len(s))), s...)
}

// args encodes arguments of a call, or an event's value.
func args(v any) []byte {
	b, err := codec.Msgp{}.Append(nil, v)
	if err != nil {
		panic(err)
	}
	return b
}

// call is the body of a call; number is that of a part of the schema.
func call(part state.Part, obj state.ObjectID, body []byte) []byte {
	n, _ := schema.Number(part)
	return join(uv(uint64(n)), uv(uint64(obj)), 0, body)
}

// input is a packet of movement: its number, acknowledging nothing, a round, and
// what the object is asked to do.
func input(seq, round uint64, obj state.ObjectID, vx, vy int64) []byte {
	return join(kInput, uv(seq), 0, uv(round), uv(uint64(obj)), 0, sv(vx), sv(vy))
}

// hostile runs body next to an honest player, over mem and over tcp, and then looks
// whether anything has changed for that one.
func hostile(t *testing.T, body func(t *testing.T, g *game, ann *player), change ...func(*server.Config)) {
	t.Parallel()
	for _, r := range []row{rows[0], rows[len(rows)-1]} {
		t.Run(r.name, func(t *testing.T) {
			on(t, r, func(t *testing.T, a *arena) {
				g := a.play(t, append([]func(*server.Config){func(c *server.Config) { c.Logger = nil }}, change...)...)
				ann := g.honest()
				body(t, g, ann)
				if !t.Failed() {
					g.unharmed(ann)
				}
			})
		})
	}
}

// honest has the server answer calls, and joins as ann, who makes some.
func (g *game) honest() *player {
	g.t.Helper()
	g.do(func(r *server.Room) {
		Poke.Handle(r, func(h *Hero, _ rpc.Caller, n Note) {
			h.Score.Set(n.N)
			_ = Tell.CallOwner(h, n)
		})
	})
	ann := g.join("ann")
	g.until("ann is there", func() bool { return ann.hero() != nil })
	return ann
}

// unharmed checks that a player's calls, its state and the server's ticks are as if
// nothing had happened.
func (g *game) unharmed(p *player) {
	g.t.Helper()
	skipped := ask(g, func(r *server.Room) uint64 { return r.Stats().Skipped })
	for i := range 3 {
		n := 1000 + i
		p.heard = nil
		began := time.Now()
		if err := Poke.Call(p.hero(), Note{N: n}); err != nil {
			g.t.Fatalf("%s's call: %v", p.name, err)
		}
		g.until("the answer comes", func() bool { return len(p.heard) > 0 })
		if d := time.Since(began); d > 100*time.Millisecond && g.arena.addr == "" {
			g.t.Errorf("the answer took %v", d)
		}
		g.until("the state comes", func() bool { return p.hero().Score.Get() == n })
	}
	g.do(func(r *server.Room) {
		if s := r.Stats(); s.Panics != 0 || s.Skipped != skipped && g.arena.addr == "" {
			g.t.Errorf("the room's counters are %+v", s)
		}
	})
	if p.over != nil || p.Stats().Rejected != 0 {
		g.t.Errorf("%s: %v, %+v", p.name, p.over, p.Stats())
	}
}
