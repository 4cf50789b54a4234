package rpc_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// TestToServer follows a call from a client's object to the handler in the match.
func TestToServer(t *testing.T) {
	m := newMatch(t)
	want := Order{Depth: 3, Tools: []string{"pick", "lamp"}}
	var ran int
	Dig.Handle(m.server, func(miner *Miner, from rpc.Caller, o Order) {
		ran++
		if miner != m.mine || from.Player != m.me || from.Tick != 41 || !reflect.DeepEqual(o, want) {
			t.Errorf("the handler got %v, %+v, %+v", miner, from, o)
		}
		miner.Gold.Set(o.Depth)
	})
	if err := Dig.Call(here(t, m, m.mine), want); err != nil {
		t.Fatal(err)
	}
	c := m.client.take(t)
	if c.Number != number(t, Dig) || c.Object != m.mine.ID() || c.Delivery != core.Reliable || c.To != state.ToServer || c.Players != nil {
		t.Errorf("the client sent %+v", c)
	}
	if err := m.server.calls.Dispatch(c.Number, c.Object, rpc.Caller{Player: m.me, Tick: 41}, c.Args); err != nil {
		t.Fatal(err)
	}
	if ran != 1 || m.mine.Gold.Get() != 3 {
		t.Errorf("the handler ran %d times and dug %v gold", ran, m.mine.Gold.Get())
	}
}

// TestToClients follows calls from the match to each audience, and to a handler.
func TestToClients(t *testing.T) {
	m := newMatch(t)
	var heard []string
	Cheer.Handle(m.client, func(miner *Miner, from rpc.Caller, what string) {
		if miner != here(t, m, m.mine) || from != (rpc.Caller{Tick: 5}) {
			t.Errorf("the handler got %v, %+v", miner, from)
		}
		heard = append(heard, what)
	})
	for _, c := range []struct {
		call    func() error
		to      state.Audience
		players []state.PlayerID
	}{
		{func() error { return Cheer.CallOwner(m.mine, "owner") }, state.ToOwner, nil},
		{func() error { return Cheer.CallAll(m.mine, "all") }, state.ToAll, nil},
		{func() error { return Cheer.CallTo(m.mine, "some", 7, 9) }, state.ToPlayers, []state.PlayerID{7, 9}},
		{func() error { return Cheer.CallTo(m.mine, "none") }, state.ToPlayers, nil},
	} {
		if err := c.call(); err != nil {
			t.Fatal(err)
		}
		sent := m.server.take(t)
		if sent.To != c.to || !slices.Equal(sent.Players, c.players) || sent.Delivery != core.Reliable {
			t.Errorf("the server sent %+v", sent)
		}
		if err := m.client.calls.Dispatch(sent.Number, sent.Object, rpc.Caller{Tick: 5}, sent.Args); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"owner", "all", "some", "none"}; !slices.Equal(heard, want) {
		t.Errorf("the client heard %q, want %q", heard, want)
	}
}

func TestOver(t *testing.T) {
	m := newMatch(t)
	if err := Aim.Call(here(t, m, m.mine), 0.5); err != nil {
		t.Fatal(err)
	}
	if c := m.client.take(t); c.Delivery != core.Unreliable {
		t.Errorf("the call to the server went %v", c.Delivery)
	}
	if err := Spark.CallAll(m.wagon, nil); err != nil {
		t.Fatal(err)
	}
	if c := m.server.take(t); c.Delivery != core.Unreliable {
		t.Errorf("the call to clients went %v", c.Delivery)
	}
}

// TestCallErrors holds what a call that cannot be made says, and that nothing of it
// is sent.
func TestCallErrors(t *testing.T) {
	m := newMatch(t)
	mine, others := here(t, m, m.mine), here(t, m, m.others)
	dead := state.Spawn(m.world, new(Miner))
	dead.Despawn()
	alone, err := state.NewWorld(Schema, codec.Msgp{})
	if err != nil {
		t.Fatal(err)
	}
	var authority *state.AuthorityError
	var large *core.TooLargeError
	for _, c := range []struct {
		name string
		call func() error
		is   error  // or nil
		as   any    // or nil
		text string // part of it
	}{
		{"somebody else's object", func() error { return Dig.Call(others, Order{}) }, rpc.ErrNotOwner, nil, "call dig on Miner 2 (owner: player 8)"},
		{"a nil object", func() error { return Dig.Call(nil, Order{}) }, state.ErrNotSpawned, nil, "call dig: the object is nil"},
		{"a nil interface", func() error { return Weigh.Call(nil, 1) }, state.ErrNotSpawned, nil, "call weigh: the object is nil"},
		{"an object not spawned", func() error { return Dig.Call(new(Miner), Order{}) }, state.ErrNotSpawned, nil, "call dig"},
		{"a dead object", func() error { return Cheer.CallAll(dead, "") }, state.ErrNotSpawned, nil, "call cheer"},
		{"a call not in the schema", func() error { return Absent.Call(mine, 1) }, nil, nil, "call absent is not in the schema: add it to state.NewSchema"},
		{"the server's call on a client", func() error { return Cheer.CallAll(mine, "") }, nil, &authority, "call cheer on Miner 1: only the server may do that"},
		{"to the owner, without one", func() error {
			m.mine.SetOwner(state.Server)
			defer m.mine.SetOwner(m.me)
			return Cheer.CallOwner(m.mine, "")
		}, rpc.ErrNotOwner, nil, "no player owns it"},
		{"too long", func() error { return Cheer.CallAll(m.mine, strings.Repeat("o", rpc.MaxArgs)) }, core.ErrTooLarge, &large, "call cheer"},
		{"too long for a packet", func() error { return Spark.CallAll(m.wagon, make([]byte, rpc.MaxUnreliableArgs)) }, core.ErrTooLarge, &large, "unreliable takes at most 1036"},
		{"no messenger", func() error { return Cheer.CallAll(state.Spawn(alone, new(Miner)), "") }, core.ErrClosed, nil, "the world is not connected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.call()
			if err == nil {
				t.Fatal("no error")
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is no %v", err, c.is)
			}
			if c.as != nil && !errors.As(err, c.as) {
				t.Errorf("%v is no %T", err, c.as)
			}
			if !strings.HasPrefix(err.Error(), "parley: ") || !strings.Contains(err.Error(), c.text) {
				t.Errorf("it reads %q, want %q in it", err, c.text)
			}
			if n := len(m.client.sent) + len(m.server.sent); n > 0 {
				t.Errorf("%d calls were sent", n)
			}
		})
	}
}

// TestCallLimits holds that the longest arguments are sent, to the byte.
func TestCallLimits(t *testing.T) {
	m := newMatch(t)
	overhead := len(encode(t, make([]byte, 1000))) - 1000
	if err := Spark.CallAll(m.wagon, make([]byte, rpc.MaxUnreliableArgs-overhead)); err != nil {
		t.Error(err)
	} else if n := len(m.server.take(t).Args); n != rpc.MaxUnreliableArgs {
		t.Errorf("%d bytes were sent, want %d", n, rpc.MaxUnreliableArgs)
	}
	long := strings.Repeat("o", rpc.MaxArgs)
	overhead = len(encode(t, long)) - len(long)
	if err := Cheer.CallAll(m.mine, long[overhead:]); err != nil {
		t.Error(err)
	} else if n := len(m.server.take(t).Args); n != rpc.MaxArgs {
		t.Errorf("%d bytes were sent, want %d", n, rpc.MaxArgs)
	}
}

// TestByAnyone holds that such a call goes out on objects of others, and comes in.
func TestByAnyone(t *testing.T) {
	m := newMatch(t)
	var by []state.PlayerID
	Watch.Handle(m.server, func(_ *Miner, from rpc.Caller, _ string) { by = append(by, from.Player) })
	if err := Watch.Call(here(t, m, m.others), "closely"); err != nil {
		t.Fatal(err)
	}
	c := m.client.take(t)
	if err := m.server.calls.Dispatch(c.Number, c.Object, rpc.Caller{Player: m.me}, c.Args); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(by, []state.PlayerID{m.me}) {
		t.Errorf("called by %v", by)
	}
}

// TestInterface holds that a call may be on whatever implements an interface.
func TestInterface(t *testing.T) {
	m := newMatch(t)
	var sum int
	Weigh.Handle(m.server, func(th Thing, _ rpc.Caller, times int) { sum += times * th.Weight() })
	for _, obj := range []Thing{here(t, m, m.others), here(t, m, m.wagon)} {
		if err := Weigh.Call(obj, 2); err != nil {
			t.Fatal(err)
		}
		c := m.client.take(t)
		if err := m.server.calls.Dispatch(c.Number, c.Object, rpc.Caller{Player: m.me}, c.Args); err != nil {
			t.Fatal(err)
		}
	}
	if sum != 2*80+2*300 {
		t.Errorf("all weigh %d", sum)
	}
}

// TestMessengerError holds that what the engine says of a call gets to its caller.
func TestMessengerError(t *testing.T) {
	m := newMatch(t)
	m.client.err = core.ErrBackpressure
	if err := Dig.Call(here(t, m, m.mine), Order{}); !errors.Is(err, core.ErrBackpressure) || !strings.Contains(err.Error(), "call dig") {
		t.Errorf("the call returned %v", err)
	}
}

// TestDescribe holds what two builds compare.
func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		part state.Part
		want string
	}{
		{Dig, "on *Miner, to the server, from the owner, reliable, with {Depth int, Tools []string}"},
		{Watch, "on *Miner, to the server, from anyone, reliable, with string"},
		{Aim, "on *Miner, to the server, from the owner, unreliable, with float64"},
		{Weigh, "on rpc_test.Thing, to the server, from anyone, reliable, with int"},
		{Cheer, "on *Miner, to clients, reliable, with string"},
		{Spark, "on *Wagon, to clients, unreliable, with []uint8"},
	} {
		info := c.part.Describe()
		if info.Err != nil || info.Kind != "call" || !slices.Equal(info.Lines, []string{c.want}) {
			t.Errorf("%s is described as %q (%v), want %q", info.Name, info.Lines, info.Err, c.want)
		}
	}
	for _, bad := range []state.Part{
		rpc.ToServer[*Miner, int](""),
		rpc.ToServer[*Miner, int]("throw").Over(7),
		rpc.ToClients[*Miner, int]("throw").Over(7),
	} {
		if err := state.NewSchema(bad).Err(); err == nil {
			t.Errorf("a schema takes %+v", bad.Describe())
		}
	}
	if err := state.NewSchema(Dig, rpc.ToClients[*Wagon, int]("dig")).Err(); err == nil {
		t.Error("a schema takes two calls of one name")
	}
}
