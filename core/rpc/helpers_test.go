package rpc_test

import (
	"slices"
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// The game of these tests: miners dig, and wagons roll.
type (
	Miner struct {
		state.Object
		Gold state.Var[int]
	}
	Wagon struct {
		state.Object
		Load state.Var[int]
	}
	// Thing is what both are.
	Thing interface {
		state.Entity
		Weight() int
	}
	Order struct {
		Depth int
		Tools []string
	}
)

func (m *Miner) Weight() int { return 80 }
func (w *Wagon) Weight() int { return 300 + w.Load.Get() }

var (
	Dig    = rpc.ToServer[*Miner, Order]("dig")
	Watch  = rpc.ToServer[*Miner, string]("watch").ByAnyone()
	Aim    = rpc.ToServer[*Miner, float64]("aim").Over(core.Unreliable)
	Weigh  = rpc.ToServer[Thing, int]("weigh").ByAnyone()
	Cheer  = rpc.ToClients[*Miner, string]("cheer")
	Spark  = rpc.ToClients[*Wagon, []byte]("spark").Over(core.Unreliable)
	Absent = rpc.ToServer[*Miner, int]("absent") // from the schema

	Schema = state.NewSchema(state.Class[Miner](), state.Class[Wagon](), Dig, Watch, Aim, Weigh, Cheer, Spark)
)

// side is a host with a Messenger that keeps what it is given.
type side struct {
	calls  *rpc.Table
	events *rpc.Events
	sent   []state.Call
	err    error // of the next SendCall
}

func newSide(w *state.World) *side {
	s := &side{calls: rpc.NewTable(w), events: rpc.NewEvents(w.Codec())}
	w.SetMessenger(s)
	return s
}

func (s *side) ServerCalls() *rpc.Table { return s.calls }
func (s *side) ClientCalls() *rpc.Table { return s.calls }
func (s *side) Events() *rpc.Events     { return s.events }

func (s *side) SendCall(c state.Call) error {
	c.Args, c.Players = slices.Clone(c.Args), slices.Clone(c.Players)
	s.sent = append(s.sent, c)
	return s.err
}

// take returns the only call that was sent since the last take.
func (s *side) take(t testing.TB) state.Call {
	t.Helper()
	if len(s.sent) != 1 {
		t.Fatalf("%d calls were sent, want 1", len(s.sent))
	}
	c := s.sent[0]
	s.sent = nil
	return c
}

// match is a server's world and one player's replica of it.
type match struct {
	server, client *side
	world          *state.World // the server's
	replica        *state.World
	me             state.PlayerID
	mine, others   *Miner // as the server has them
	wagon          *Wagon // the server's own
}

func newMatch(t testing.TB) *match {
	t.Helper()
	m := &match{me: 7}
	var err error
	if m.world, err = state.NewWorld(Schema, codec.Msgp{}); err != nil {
		t.Fatal(err)
	}
	sender := state.NewSender(m.world, 30)
	viewer := sender.NewViewer()
	m.mine = state.SpawnFor(m.world, m.me, new(Miner))
	m.others = state.SpawnFor(m.world, 8, new(Miner))
	m.wagon = state.Spawn(m.world, new(Wagon))
	m.world.Advance(1)

	replica, err := state.NewReplica(Schema, codec.Msgp{}, m.me)
	if err != nil {
		t.Fatal(err)
	}
	m.replica = replica.World()
	sender.Capture()
	viewer.Begin(1 << 20)
	for seq := uint64(1); ; seq++ {
		b := viewer.AppendPacket(nil, 1200, seq)
		if len(b) == 0 {
			break
		}
		if err := replica.Apply(m.world.Tick(), b); err != nil {
			t.Fatal(err)
		}
	}
	if m.replica.Len() != 3 {
		t.Fatalf("the replica has %d objects, want 3", m.replica.Len())
	}
	m.server, m.client = newSide(m.world), newSide(m.replica)
	return m
}

// here returns the replica's object that stands for one of the server's.
func here[O state.Entity](t testing.TB, m *match, obj O) O {
	t.Helper()
	o, ok := state.Get[O](m.replica, obj.ID())
	if !ok {
		t.Fatalf("%v is not in the replica", obj)
	}
	return o
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := codec.Msgp{}.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t testing.TB, p state.Part) int {
	t.Helper()
	n, ok := Schema.Number(p)
	if !ok {
		t.Fatal("the call is not in the schema")
	}
	return n
}
