package systest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// What a stranger says instead of a proper hello ends its connection.
func TestBadHello(t *testing.T) {
	good := hello(1, codec.Msgp{}.Name(), schema.Hash(), "", nil)
	first := func(kind byte, body []byte) []byte { return join(kind, 1, 0, body) }
	cases := map[string]struct {
		msg  []byte
		code core.Code
	}{
		"empty":          {nil, core.CodeProtocol},
		"garbage":        {bytes.Repeat([]byte{0xa5}, 300), core.CodeProtocol},
		"large garbage":  {bytes.Repeat([]byte{1}, 200<<10), core.CodeProtocol},
		"another magic":  {first(kHello, join("barley", good[6:])), core.CodeProtocol},
		"out of order":   {join(kHello, 2, 0, good), core.CodeProtocol},
		"acknowledges":   {join(kHello, 1, 1, good), core.CodeProtocol},
		"left over":      {first(kHello, join(good, 0)), core.CodeProtocol},
		"long info":      {first(kHello, hello(1, codec.Msgp{}.Name(), schema.Hash(), "", make([]byte, lobby.MaxInfo+1))), core.CodeProtocol},
		"long room":      {first(kHello, hello(1, codec.Msgp{}.Name(), schema.Hash(), string(make([]byte, 300)), nil)), core.CodeProtocol},
		"ready":          {first(kReady, []byte{1}), core.CodeProtocol},
		"call":           {first(kCall, call(Poke, 1, args(Note{}))), core.CodeProtocol},
		"welcome":        {first(kWelcome, []byte{1}), core.CodeProtocol},
		"input":          {input(1, 1, 1, 0, 0), core.CodeProtocol},
		"later version":  {first(kHello, join("parley", 2, "what a later version says")), core.CodeIncompatible},
		"another codec":  {first(kHello, hello(1, "json/1", schema.Hash(), "", nil)), core.CodeIncompatible},
		"another schema": {first(kHello, hello(1, codec.Msgp{}.Name(), "0123", "", nil)), core.CodeIncompatible},
	}
	hostile(t, func(t *testing.T, g *game, ann *player) {
		for name, c := range cases {
			r := g.knock()
			r.say(core.Reliable, c.msg)
			if code := r.fate(); code != c.code && !(c.code == core.CodeProtocol && code == core.CodeLost) { // a drop may say nothing
				t.Errorf("%s: the connection ends with %v, want %v", name, code, c.code)
			}
		}
		whole := first(kHello, good)
		for n := range whole {
			r := g.knock()
			r.say(core.Reliable, whole[:n])
			if code := r.fate(); code != core.CodeProtocol && code != core.CodeLost {
				t.Errorf("a hello cut to %d bytes: %v", n, code)
			}
			if n >= 12 && g.arena.addr != "" {
				break // a TLS handshake for each is not worth the time
			}
		}
		if n := ask(g, func(r *server.Room) int { return r.Lobby().Len() }); n != 1 {
			t.Errorf("%d players have a seat", n)
		}
	})
}

// What breaks the protocol costs a player the connection, and nobody else anything.
func TestBadMessages(t *testing.T) {
	seq2 := func(kind byte, body ...any) []byte { return join(kind, 2, 0, join(body...)) }
	fatal := map[string][]byte{
		"empty":               {},
		"kind 0":              {0, 2, 0},
		"kind 14":             {14, 2, 0},
		"kind 255":            bytes.Repeat([]byte{255}, 100),
		"hello again":         seq2(kHello, hello(1, codec.Msgp{}.Name(), schema.Hash(), "", nil)),
		"welcome":             seq2(kWelcome, 9, 0, 1, 1, 0, 0),
		"refuse":              seq2(kRefuse, 1, 0, 0),
		"players":             seq2(kPlayers, 1, 0, 0, 0),
		"phase":               seq2(kPhase, 1),
		"value":               seq2(kValue, 1, 0, 1, "abc"),
		"state":               join(kState, 1, 0, 5),
		"frame 3":             join(kReady, 3, 0, 1),
		"frame 1 again":       join(kReady, 1, 0, 1),
		"frame 0":             join(kReady, 0, 0, 1),
		"frame without ack":   {kReady, 2},
		"endless number":      bytes.Repeat([]byte{kReady, 0xff}, 20),
		"ack of what is none": join(kReady, 2, uv(1<<40), 1),
		"ready of two":        seq2(kReady, 2),
		"ready of nothing":    seq2(kReady),
		"ready and more":      seq2(kReady, 1, 1),
		"call of nothing":     seq2(kCall),
		"call cut":            seq2(kCall, 1, 0x80),
		"unknown call":        seq2(kCall, uv(999), 1, 0),
		"call far off":        seq2(kCall, uv(1<<60), 1, 0),
		"call of a class":     seq2(kCall, uv(partNumber("class")), 1, 0),
		"a client's call":     seq2(kCall, call(Tell, 1, args(Note{}))),
		"object far off":      seq2(kCall, 1, uv(1<<40), 0),
		"event of nothing":    seq2(kEvent),
		"event cut":           seq2(kEvent, 0, 200, "abc"),
		"event of long name":  seq2(kEvent, 0, uv(5000), make([]byte, 5000)),
		"input of nothing":    {kInput},
		"input acks none":     join(kInput, 1, uv(1<<50), 0, 0, 1),
		"input without round": join(kInput, 1, 0),
		"input cut":           input(1, 1, 1, 5000, 5000)[:8],
		"input of the future": join(kInput, 1, 0, 1, 1, 2, 0, 0),
		"long bitmap":         join(kInput, 9, 1, 0, 255, make([]byte, 255), 1),
	}
	hostile(t, func(t *testing.T, g *game, ann *player) {
		for name, msg := range fatal {
			r := g.intrude()
			if name == "long bitmap" {
				for r.recv()[0] != kState { // there is a packet that it can acknowledge
				}
			}
			r.say(core.Reliable, msg)
			if code := r.fate(); code != core.CodeProtocol {
				t.Errorf("%s: the connection ends with %v, want a protocol violation", name, code)
			}
		}
		g.untilRoom("all of them are gone", func(r *server.Room) bool { return r.Lobby().Len() == 1 && r.World().Len() == 1 })
		if n := ask(g, func(r *server.Room) uint64 { return r.Stats().Malformed }); n != uint64(len(fatal)) {
			t.Errorf("%d malformed messages are counted, want %d", n, len(fatal))
		}
	})
}

func partNumber(kind string) uint64 {
	for n := 0; ; n++ {
		if schema.Part(n).Describe().Kind == kind {
			return uint64(n)
		}
	}
}

// What a player may not do is counted, changes nothing, and does not cost the
// connection: an honest client may be a moment behind.
func TestForged(t *testing.T) {
	hostile(t, func(t *testing.T, g *game, ann *player) {
		crate := ask(g, func(r *server.Room) state.ObjectID { return state.Spawn(r.World(), newCrate("safe")).ID() })
		r := g.intrude()
		mine := ask(g, func(r *server.Room) state.ObjectID { return heroOf(r.World(), 2).ID() })
		hers := ann.hero().ID()
		refused := func() uint64 {
			return ask(g, func(r *server.Room) uint64 {
				if r.Player(2) == nil {
					t.Fatal("the player is gone")
				}
				return r.Player(2).Refused()
			})
		}
		seq := uint64(0)
		move := func(obj state.ObjectID, vx, vy int64) []byte {
			seq++
			return input(seq, seq, obj, vx, vy)
		}
		const unit = 1024 // quanta of a velocity
		steps := []struct {
			name string
			d    core.Delivery
			msg  []byte
		}{
			{"a call on another's hero", core.Reliable, r.frame(kCall, call(Poke, hers, args(Note{N: 666})))},
			{"a fast call on another's hero", core.Reliable, join(kFastCall, call(Wave, hers, args(666)))},
			{"a Reliable call as a fast one", core.Reliable, join(kFastCall, call(Poke, hers, args(Note{N: 666})))},
			{"a call on an object of another class", core.Reliable, r.frame(kCall, call(Touch, mine, args(1)))},
			{"arguments of another type", core.Reliable, r.frame(kCall, call(Poke, mine, args("text")))},
			{"no arguments", core.Reliable, r.frame(kCall, call(Poke, mine, nil))},
			{"arguments and more", core.Reliable, r.frame(kCall, call(Poke, mine, join(args(Note{}), 1)))},
			{"arguments of a million entries", core.Reliable, r.frame(kCall, call(Poke, mine, []byte{0xdd, 0, 0x0f, 0x42, 0x40}))},
			{"a call that nobody handles", core.Reliable, r.frame(kCall, call(Touch, crate, args(1)))},
			{"an event that nobody handles", core.Reliable, r.frame(kEvent, join(0, str("hack"), args(1)))},
			{"an info that is too long", core.Reliable, r.frame(kInfo, make([]byte, 5000))},
			{"too fast", core.Unreliable, move(mine, 21*unit, 0)},
			{"too fast on the diagonal", core.Unreliable, move(mine, 15*unit, 15*unit)},
			{"as fast as there is", core.Unreliable, move(mine, math.MaxInt64, math.MinInt64)},
			{"as slow as there is", core.Unreliable, move(mine, math.MinInt64, math.MinInt64)},
			{"another's hero", core.Unreliable, move(hers, unit, 0)},
			{"what the server controls", core.Unreliable, move(crate, unit, 0)},
		}
		for _, s := range steps {
			before := refused()
			r.say(s.d, s.msg)
			g.until(s.name+" is refused", func() bool { return refused() == before+1 })
		}
		gone := ask(g, func(r *server.Room) uint64 { return r.Stats().Gone })
		r.say(core.Reliable, r.frame(kCall, call(Poke, 9999, args(Note{}))))
		r.say(core.Unreliable, move(9999, 1, 1))
		g.untilRoom("a call on what is not there is counted", func(r *server.Room) bool { return r.Stats().Gone == gone+1 })

		r.say(core.Unreliable, move(mine, 20*unit, 0)) // what is right goes on
		g.untilRoom("the player's own hero runs", func(r *server.Room) bool { return heroOf(r.World(), 2).Pos.Velocity().X == 20 })
		g.do(func(r *server.Room) {
			h, c := heroOf(r.World(), ann.ID()), only[*Crate](r.World())
			if h.Score.Get() != 100 || h.Pos.Velocity() != (state.Vec2{}) || c.Count.Get() != 0 || c.Pos.Velocity() != (state.Vec2{}) {
				t.Errorf("ann's hero has %d and moves by %v, the crate %d and %v", h.Score.Get(), h.Pos.Velocity(), c.Count.Get(), c.Pos.Velocity())
			}
		})
	})
}

// Whatever random bytes come, the server stands and others do not notice.
func TestRandomMessages(t *testing.T) {
	hostile(t, func(t *testing.T, g *game, ann *player) {
		rnd := rand.New(rand.NewPCG(7, 7))
		rounds := 300
		if g.arena.addr != "" {
			rounds = 20
		}
		for range rounds {
			r := g.intrude()
			for range 1 + rnd.IntN(10) {
				body := make([]byte, rnd.IntN(40))
				for i := range body {
					body[i] = byte(rnd.IntN(1 << (1 + rnd.IntN(8))))
				}
				kind := byte(rnd.IntN(15))
				if kind < kState {
					r.say(core.Reliable, r.frame(kind, body))
				} else {
					r.say(core.Unreliable, join(kind, body))
				}
			}
			_ = r.Close(core.CodeNormal, "")
			g.pump()
		}
		g.untilRoom("all of them are gone", func(r *server.Room) bool { return r.Lobby().Len() == 1 })
	})
}

// Strangers who never say hello go after a while, and keep nobody out meanwhile.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rows[0].open().play(t, func(c *server.Config) { c.Logger = nil })
		ann := g.honest()
		began := time.Now()
		var all []*raw
		for range 1100 {
			all = append(all, g.knock())
		}
		synctest.Wait()
		bob := g.join("bob")
		if d := time.Since(began); d > time.Second {
			t.Errorf("bob got in after %v", d)
		}
		g.until("bob is there", func() bool { return bob.hero() != nil })
		g.unharmed(ann)
		full := 0
		for _, r := range all {
			switch code := r.fate(); code {
			case core.CodeFull:
				full++
			case core.CodeProtocol:
			default:
				t.Fatalf("a stranger's connection ends with %v", code)
			}
		}
		if d := time.Since(began); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("the last stranger went after %v, want 5 s", d)
		}
		if full < 1100-1024 || full > 1100-1024+1 {
			t.Errorf("%d strangers had to make room, want %d", full, 1100-1024)
		}
	})
}

// Sockets that do not even speak TLS keep nobody out.
func TestRawSockets(t *testing.T) {
	on(t, rows[len(rows)-1], func(t *testing.T, a *arena) {
		g := a.play(t)
		ann := g.join("ann")
		g.until("ann is there", func() bool { return ann.hero() != nil })
		for i := range 60 {
			c, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			switch i % 4 {
			case 0: // says nothing
			case 1:
				fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: parley\r\n\r\n")
			case 2:
				_, _ = c.Write([]byte{0x16, 3, 1, 0xff, 0xff})
			case 3:
				_, _ = c.Write(bytes.Repeat([]byte{0}, 5000))
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
		}
		bob := g.join("bob")
		g.until("both see both", func() bool { return ann.World().Len() == 2 && bob.World().Len() == 2 })
	})
}
