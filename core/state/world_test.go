package state

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
)

func TestNewWorldRefuses(t *testing.T) {
	type odd struct {
		Object
		C Var[chan int]
	}
	type oddPlain struct {
		Object
		F func()
	}
	for _, c := range []struct {
		name   string
		schema *Schema
		codec  core.Codec
		want   string
	}{
		{"no schema", nil, codec.Msgp{}, "no schema"},
		{"no codec", testSchema, nil, "no codec"},
		{"faulty schema", NewSchema(Class[tiny](), Class[tiny]()), codec.Msgp{}, "two parts class tiny"},
		{"variable", NewSchema(Class[odd]()), codec.Msgp{}, "odd.C"},
		{"plain field", NewSchema(Class[oddPlain]()), codec.Msgp{}, "oddPlain.F"},
	} {
		_, err := NewWorld(c.schema, c.codec)
		_, err2 := NewReplica(c.schema, c.codec, 1)
		if err == nil || !strings.Contains(err.Error(), c.want) || err2 == nil || err2.Error() != err.Error() {
			t.Errorf("%s: %v and %v, want %q", c.name, err, err2, c.want)
		}
	}
}

func TestSpawn(t *testing.T) {
	w := newTestWorld(t)
	var log []string
	OnSpawn(w, func(x *tiny) { log = append(log, fmt.Sprintf("spawn %s %s", x, x.Owner())) })
	OnDespawn(w, func(x *tiny) { log = append(log, fmt.Sprintf("despawn %s %v", x, x.IsAlive())) })
	x := &tiny{Title: "a", On: NewVar(true)}
	if x.ID() != 0 || x.IsAlive() || x.World() != nil || x.Class() != "" || x.IsMine() || x.String() != "object that was not spawned" {
		t.Error("an object that was not spawned is something")
	}
	x.Despawn() // does nothing
	if SpawnFor(w, 3, x) != x {
		t.Error("Spawn returns something else")
	}
	if x.ID() != 1 || !x.IsAlive() || x.World() != w || x.Class() != "tiny" || x.IsMine() || x.Owner() != 3 || x.String() != "tiny 1" {
		t.Errorf("spawned: %+v", x.Object)
	}
	Spawn(w, &bare{})
	if y := Spawn(w, &tiny{}); !y.IsMine() || y.ID() != 3 {
		t.Error("an object of the server is not the server's, or its id is wrong")
	}
	x.Despawn()
	x.Despawn()
	if x.IsAlive() || x.ID() != 1 || !x.On.Get() || w.Len() != 2 {
		t.Error("a despawned object is alive, or lost its values")
	}
	want := []string{"spawn tiny 1 player 3", "spawn tiny 3 server", "despawn tiny 1 false"}
	if !slices.Equal(log, want) {
		t.Errorf("hooks: %q, want %q", log, want)
	}
	x.On.Set(false) // changes the value here
	x.SetOwner(9)
	if x.On.Get() || x.Owner() != 3 {
		t.Error("Set or SetOwner on an object that went away")
	}
}

func TestSpawnRefuses(t *testing.T) {
	w := newTestWorld(t)
	once := Spawn(w, &bare{})
	gone := Spawn(w, &bare{})
	gone.Despawn()
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"nil", func() { Spawn[*tiny](w, nil) }, "is nil"},
		{"nil interface", func() { Spawn[Entity](w, nil) }, "is nil"},
		{"twice", func() { Spawn(w, once) }, "bare 1 was spawned before"},
		{"again", func() { Spawn(w, gone) }, "bare 2 was spawned before"},
		{"unknown class", func() { Spawn(w, &crate{}) }, "add state.Class[crate]() to state.NewSchema"},
	} {
		v := panics(c.do)
		if err, ok := v.(error); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: panic %v, want %q", c.name, v, c.want)
		}
	}
	r := newTestReplica(t, 1)
	panicsWith[*AuthorityError](t, "Spawn on a client", func() { Spawn(r.World(), &tiny{}) })
	panicsWith[*AuthorityError](t, "Advance on a client", func() { r.World().Advance(time.Second) })
	panicsWith[*AuthorityError](t, "NewSender on a client", func() { NewSender(r.World(), 30) })
}

// A spawn that fails half-way leaves nothing, and the object can be spawned when
// it was mended.
func TestSpawnFailsWhole(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	Spawn(w, &fat{Data: NewVar(make([]byte, 1000))})
	s.Capture()
	before, chunks, larges := dump(w), len(w.chunks), len(w.large.place)
	w.OnSpawn(func(e Entity) {
		if len(w.Object(e.base().ID()).(*fat).Data.Get()) != 1000 {
			t.Error("a hook ran for an object that was not spawned")
		}
	})
	bad := &fat{Big: make([]byte, 2000), Data: NewVar(make([]byte, 1000)), More: NewVar(strings.Repeat("x", MaxValue))}
	err, _ := panics(func() { Spawn(w, bad) }).(error)
	if _, ok := errors.AsType[*ValueError](err); !ok || !errors.Is(err, core.ErrTooLarge) || !strings.Contains(err.Error(), "fat.More") {
		t.Fatalf("panic: %v", err)
	}
	if d := difference(before, dump(w)); d != "" {
		t.Error(d)
	}
	if bad.world != nil || bad.class != nil || bad.ID() != 0 || bad.IsAlive() || bad.Data.o != nil || len(w.large.place) != larges {
		t.Errorf("the object is half spawned: %+v, %d large values", bad.Object, len(w.large.place))
	}
	for _, k := range w.chunks {
		checkWeight(t, k)
	}
	bad.More.Set("short") // on an object that is in no world
	bad.Data.Set(make([]byte, 1000))
	Spawn(w, bad)
	if bad.ID() != 2 {
		t.Errorf("the id of the failed spawn is used up: %d", bad.ID())
	}
	if len(w.chunks) > chunks+1 {
		t.Errorf("%d chunks, then %d", chunks, len(w.chunks))
	}
	l := newLink(t, s, 1, newRand(1), 0)
	settle(t, s, []*link{l}, 50)
	if d := difference(dump(w), dump(l.rep.w)); d != "" {
		t.Error(d)
	}

	v := panics(func() { Spawn(w, &fat{Big: make([]byte, MaxValue)}) })
	if err, ok := v.(error); !ok || !errors.Is(err, core.ErrTooLarge) || !strings.Contains(err.Error(), "fat") {
		t.Errorf("panic: %v", v)
	}
	if v := panics(func() { Spawn(w, &mover{Pos: NewPosition2D(Position2DConfig{MaxSpeed: -1})}) }); v == nil || len(w.positions) != 1 || w.holes != 1 {
		t.Errorf("panic %v; %d positions", v, len(w.positions))
	}
	w.Advance(time.Second)
}

func TestHooksThatChangeTheWorld(t *testing.T) {
	w := newTestWorld(t)
	var log []string
	note := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	OnSpawn(w, func(x *tiny) {
		note("spawn %d %s", x.ID(), x.Title)
		switch x.Title {
		case "mother":
			Spawn(w, &tiny{Title: "child"})
		case "ghost":
			x.Despawn()
		}
	})
	OnSpawn(w, func(x *tiny) { note("again %d", x.ID()) })
	OnDespawn(w, func(x *tiny) {
		note("despawn %d", x.ID())
		if x.Title == "phoenix" {
			Spawn(w, &tiny{Title: "chick"})
		}
	})
	Spawn(w, &tiny{Title: "mother"})
	ghost := Spawn(w, &tiny{Title: "ghost"})
	Spawn(w, &tiny{Title: "phoenix"}).Despawn()
	want := []string{"spawn 1 mother", "spawn 2 child", "again 2", "again 1",
		"spawn 3 ghost", "despawn 3", "spawn 4 phoenix", "again 4", "despawn 4", "spawn 5 chick", "again 5"}
	if !slices.Equal(log, want) {
		t.Errorf("hooks ran\n%q, want\n%q", log, want)
	}
	if ghost.IsAlive() || w.Len() != 3 {
		t.Error("what a hook despawned is alive")
	}
	checkIndex(t, w)
}

func TestSetOwner(t *testing.T) {
	w := newTestWorld(t)
	x := SpawnFor(w, 1, &bare{})
	var log []string
	x.OnOwner(func(old, new PlayerID) { log = append(log, fmt.Sprintf("%s → %s", old, new)) })
	x.SetOwner(1)
	x.SetOwner(2)
	x.SetOwner(Server)
	if want := []string{"player 1 → player 2", "player 2 → server"}; !slices.Equal(log, want) {
		t.Errorf("hooks: %q", log)
	}
	if len(ids(w.OwnedBy(1))) != 0 || len(ids(w.OwnedBy(Server))) != 1 || !x.IsMine() {
		t.Error("the object is someone else's")
	}
	r := newTestReplica(t, 1)
	r.apply1(t, w)
	panicsWith[*AuthorityError](t, "SetOwner on a client", func() { r.w.byID[x.ID()].SetOwner(3) })
	panicsWith[*AuthorityError](t, "Despawn on a client", func() { r.w.byID[x.ID()].Despawn() })
}

// apply1 brings a replica up to date without a viewer that remembers.
func (r *Replica) apply1(t testing.TB, w *World) {
	t.Helper()
	s := NewSender(w, 1)
	s.at = uint32(w.tick)
	s.Capture()
	v := s.NewViewer()
	v.Begin(1 << 30)
	for seq := uint64(1); ; seq++ {
		b := v.AppendPacket(nil, 1200, seq)
		if len(b) == 0 {
			break
		}
		if err := r.Apply(w.tick, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.AppendValues(r.ApplyValue); err != nil {
		t.Fatal(err)
	}
}

func TestWorldBasics(t *testing.T) {
	w := newTestWorld(t)
	if w.Schema() != testSchema || !w.IsAuthority() || w.Me() != Server || w.Tick() != 0 || !reflect.DeepEqual(w.Codec(), core.Codec(codec.Msgp{})) {
		t.Error("a new world is something else")
	}
	if m := w.Messenger(); m != nil {
		t.Error("a new world has a messenger")
	}
	w.SetMessenger(carrier{})
	if w.Messenger() != (carrier{}) {
		t.Error("the messenger is another")
	}
	w.Advance(time.Second)
	if w.Tick() != 1 {
		t.Errorf("tick %d", w.Tick())
	}
	r := newTestReplica(t, 4)
	if w := r.World(); w.IsAuthority() || w.Me() != 4 {
		t.Error("a replica is an authority, or somebody else's")
	}
}

type carrier struct{}

func (carrier) SendCall(Call) error { return nil }
