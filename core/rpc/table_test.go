package rpc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// TestDispatchErrors holds what becomes of calls that come in and must not run.
func TestDispatchErrors(t *testing.T) {
	m := newMatch(t)
	ran := 0
	Dig.Handle(m.server, func(*Miner, rpc.Caller, Order) { ran++ })
	Watch.Handle(m.server, func(*Miner, rpc.Caller, string) { ran++ })
	Weigh.Handle(m.server, func(Thing, rpc.Caller, int) { ran++ })
	Cheer.Handle(m.client, func(*Miner, rpc.Caller, string) { ran++ })
	dead := state.SpawnFor(m.world, m.me, new(Miner))
	dead.Despawn()
	order, text, one := encode(t, Order{}), encode(t, "x"), encode(t, 1)

	for _, c := range []struct {
		name   string
		side   *side
		number int
		object state.ObjectID
		player state.PlayerID
		args   []byte
		want   error
	}{
		{"a negative number", m.server, -1, m.mine.ID(), m.me, order, rpc.ErrUnknown},
		{"a number too high", m.server, 1 << 20, m.mine.ID(), m.me, order, rpc.ErrUnknown},
		{"a class's number", m.server, classNumber(t), m.mine.ID(), m.me, order, rpc.ErrUnknown},
		{"the server's own call, at the server", m.server, number(t, Cheer), m.mine.ID(), m.me, text, rpc.ErrUnknown},
		{"the clients' call, at a client", m.client, number(t, Dig), m.mine.ID(), 0, order, rpc.ErrUnknown},
		{"no object", m.server, number(t, Dig), 0, m.me, order, rpc.ErrNoObject},
		{"an object that never was", m.server, number(t, Dig), 99, m.me, order, rpc.ErrNoObject},
		{"an object that went away", m.server, number(t, Dig), dead.ID(), m.me, order, rpc.ErrNoObject},
		{"no object, at a client", m.client, number(t, Cheer), 99, 0, text, rpc.ErrNoObject},
		{"somebody else's object", m.server, number(t, Dig), m.others.ID(), m.me, order, rpc.ErrNotOwner},
		{"the server's object", m.server, number(t, Dig), m.wagon.ID(), m.me, order, rpc.ErrNotOwner},
		{"an object of another class", m.server, number(t, Watch), m.wagon.ID(), m.me, text, core.ErrMalformed},
		{"an object of another class, at a client", m.client, number(t, Cheer), m.wagon.ID(), 0, text, core.ErrMalformed},
		{"nobody handles it", m.server, number(t, Aim), m.mine.ID(), m.me, encode(t, 0.5), rpc.ErrUnhandled},
		{"nobody handles it, at a client", m.client, number(t, Spark), m.wagon.ID(), 0, nil, rpc.ErrUnhandled},
		{"no arguments", m.server, number(t, Dig), m.mine.ID(), m.me, nil, core.ErrMalformed},
		{"other arguments", m.server, number(t, Dig), m.mine.ID(), m.me, text, core.ErrMalformed},
		{"cut arguments", m.server, number(t, Watch), m.mine.ID(), m.me, encode(t, "long")[:3], core.ErrMalformed},
		{"bytes left over", m.server, number(t, Watch), m.mine.ID(), m.me, append(encode(t, "x"), 0), core.ErrMalformed},
		{"bytes left over behind a number", m.server, number(t, Weigh), m.wagon.ID(), m.me, append(one[:1:1], 1), core.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.side.calls.Dispatch(c.number, c.object, rpc.Caller{Player: c.player}, c.args)
			if !errors.Is(err, c.want) {
				t.Errorf("Dispatch returned %v, want %v", err, c.want)
			}
			for _, other := range []error{rpc.ErrUnknown, rpc.ErrNoObject, rpc.ErrNotOwner, rpc.ErrUnhandled, core.ErrMalformed} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("%v is %v also", err, other)
				}
			}
			if ran != 0 {
				t.Error("a handler ran")
				ran = 0
			}
		})
	}
}

func classNumber(t *testing.T) int {
	t.Helper()
	for n := 0; Schema.Part(n) != nil; n++ {
		if Schema.Part(n).Describe().Kind == "class" {
			return n
		}
	}
	t.Fatal("the schema has no class")
	return 0
}

// TestOwnership holds that the right to call goes with the object, by what the
// server knows and not by what the client thinks.
func TestOwnership(t *testing.T) {
	m := newMatch(t)
	Dig.Handle(m.server, func(*Miner, rpc.Caller, Order) {})
	dig := func(p state.PlayerID) error {
		return m.server.calls.Dispatch(number(t, Dig), m.mine.ID(), rpc.Caller{Player: p}, encode(t, Order{}))
	}
	if err := dig(m.me); err != nil {
		t.Error(err)
	}
	m.mine.SetOwner(8) // the client does not know yet
	if err := Dig.Call(here(t, m, m.mine), Order{}); err != nil {
		t.Error(err)
	}
	if err := dig(m.me); !errors.Is(err, rpc.ErrNotOwner) || !strings.Contains(err.Error(), "call dig on Miner 1 by player 7") {
		t.Errorf("the old owner's call: %v", err)
	}
	if err := dig(8); err != nil {
		t.Error(err)
	}
	if err := dig(state.Server); err != nil {
		t.Errorf("the server's own call: %v", err)
	}
}

// TestPanic holds that a handler's panic is contained, and says where it was.
func TestPanic(t *testing.T) {
	m := newMatch(t)
	Watch.Handle(m.server, func(_ *Miner, _ rpc.Caller, what string) { panicInMine(what) })
	watch := func(what string) error {
		return m.server.calls.Dispatch(number(t, Watch), m.mine.ID(), rpc.Caller{Player: m.me}, encode(t, what))
	}
	var p *rpc.PanicError
	if err := watch("the shaft"); !errors.As(err, &p) || p.Value != "the shaft" || err.Error() != "parley: handler panicked: the shaft" {
		t.Fatalf("Dispatch returned %v", err)
	}
	if !strings.Contains(string(p.Stack), "panicInMine") {
		t.Errorf("the stack does not say where it was:\n%s", p.Stack)
	}
	if p.Unwrap() != nil {
		t.Errorf("it unwraps to %v", p.Unwrap())
	}

	Watch.Handle(m.server, func(_ *Miner, _ rpc.Caller, what string) {
		panic(&state.ValueError{Field: what, Err: core.ErrTooLarge})
	})
	var v *state.ValueError
	if err := watch("gold"); !errors.As(err, &v) || v.Field != "gold" || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("an error that a handler panicked with: %v", err)
	}
}

func panicInMine(what string) { panic(what) }

// TestReplaced holds that of two handlers the later one runs.
func TestReplaced(t *testing.T) {
	m := newMatch(t)
	var ran []string
	Dig.Handle(m.server, func(*Miner, rpc.Caller, Order) { ran = append(ran, "first") })
	Dig.Handle(m.server, func(*Miner, rpc.Caller, Order) { ran = append(ran, "second") })
	if err := m.server.calls.Dispatch(number(t, Dig), m.mine.ID(), rpc.Caller{Player: m.me}, encode(t, Order{})); err != nil {
		t.Fatal(err)
	}
	if len(ran) != 1 || ran[0] != "second" {
		t.Errorf("%v ran", ran)
	}
}

// TestHandlePanics holds what a program that can never work is told at its start.
func TestHandlePanics(t *testing.T) {
	bad := rpc.ToServer[*Miner, func()]("bad")
	_, err := state.NewWorld(state.NewSchema(state.Class[Miner](), bad), codec.Msgp{})
	if err == nil || !strings.Contains(err.Error(), "call bad: codec: ") {
		t.Errorf("arguments that cannot travel: %v", err)
	}
	if err := state.NewSchema(bad).Err(); err == nil || !strings.Contains(err.Error(), "add state.Class[Miner]()") {
		t.Errorf("a call on a class that is not in the schema: %v", err)
	}
	w, err := state.NewWorld(state.NewSchema(state.Class[Miner]()), codec.Msgp{})
	if err != nil {
		t.Fatal(err)
	}
	calls := rpc.NewTable(w)
	for _, c := range []struct {
		name, text string
		do         func()
	}{
		{"a call not in the schema", "call absent is not in the schema", func() { Absent.Handle(calls, func(*Miner, rpc.Caller, int) {}) }},
		{"an event that cannot travel", `event "bad": codec: `, func() { rpc.On(newSide(w), "bad", func(rpc.Caller, chan int) {}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if v, _ := recover().(string); !strings.HasPrefix(v, "parley: ") || !strings.Contains(v, c.text) {
					t.Errorf("it panicked with %q, want %q in it", v, c.text)
				}
			}()
			c.do()
		})
	}
}

// TestTableMessenger holds that a Table serves a world that has no engine.
func TestTableMessenger(t *testing.T) {
	w, err := state.NewWorld(Schema, codec.Msgp{})
	if err != nil {
		t.Fatal(err)
	}
	calls := rpc.NewTable(w)
	w.SetMessenger(calls)
	miner := state.SpawnFor(w, 3, new(Miner))
	if err := Dig.Call(miner, Order{}); !errors.Is(err, rpc.ErrUnhandled) {
		t.Errorf("a call that nobody handles: %v", err)
	}
	w.Advance(1)
	Dig.Handle(calls, func(m *Miner, from rpc.Caller, o Order) {
		if m != miner || from != (rpc.Caller{Player: state.Server, Tick: 1}) {
			t.Errorf("the handler got %v, %+v", m, from)
		}
		m.Gold.Set(o.Depth)
	})
	if err := Dig.Call(miner, Order{Depth: 4}); err != nil || miner.Gold.Get() != 4 {
		t.Errorf("the call returned %v and dug %d", err, miner.Gold.Get())
	}
	Cheer.Handle(&side{calls: calls}, func(*Miner, rpc.Caller, string) { t.Error("a client's handler ran on the server") })
	if err := Cheer.CallAll(miner, "bravo"); err != nil {
		t.Errorf("a call to nobody: %v", err)
	}
}
