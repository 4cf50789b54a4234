package state_test

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core/state"
)

type Knight struct {
	state.Object
	Name   string
	Pos    state.Position2D
	Health state.Var[int]
	Foe    state.Var[state.Ref[*Knight]]
}

var schema = state.NewSchema(state.Class[Knight]())

func newWorld() *state.World {
	world, err := state.NewWorld(schema, codec.Msgp{})
	if err != nil {
		panic(err)
	}
	return world
}

// Game logic needs no network, and neither do its tests.
func Example() {
	world := newWorld()
	world.OnSpawn(func(e state.Entity) { fmt.Println("here comes", e) })

	k := state.Spawn(world, &Knight{Name: "Ada", Health: state.NewVar(100)})
	k.Health.OnChange(func(old, new int) {
		fmt.Println(k.Name, "had", old, "and has", new)
		if new <= 0 {
			k.Despawn()
		}
	})
	k.Pos.SetVelocity(3, 4)
	world.Advance(time.Second / 2)
	fmt.Println("at", k.Pos.At())

	k.Health.Set(60)
	k.Health.Set(-10)
	fmt.Println("alive:", k.IsAlive(), "objects:", world.Len())
	// Output:
	// here comes Knight 1
	// at {1.5 2}
	// Ada had 100 and has 60
	// Ada had 60 and has -10
	// alive: false objects: 0
}

func ExampleVar() {
	k := state.Spawn(newWorld(), &Knight{Health: state.NewVar(100)})
	k.Health.OnChange(func(old, new int) { fmt.Println(old, "→", new) })
	k.Health.Set(80)
	k.Health.Set(80) // no change
	k.Health.Set(k.Health.Get() - 30)
	// Output:
	// 100 → 80
	// 80 → 50
}

func ExampleRef() {
	world := newWorld()
	ada := state.Spawn(world, &Knight{Name: "Ada"})
	bob := state.Spawn(world, &Knight{Name: "Bob"})
	ada.Foe.Set(state.RefTo(bob))

	if foe, ok := ada.Foe.Get().Get(world); ok {
		fmt.Println(ada.Name, "fights", foe.Name)
	}
	bob.Despawn()
	if _, ok := ada.Foe.Get().Get(world); !ok {
		fmt.Println(ada.Name, "fights nobody")
	}
	// Output:
	// Ada fights Bob
	// Ada fights nobody
}

func ExamplePosition2D_bounds() {
	world := newWorld()
	k := state.Spawn(world, &Knight{Pos: state.NewPosition2D(state.Position2DConfig{
		At:     state.Vec2{X: 5, Y: 5},
		Size:   state.Vec2{X: 2, Y: 2},
		Bounds: state.Rect{Max: state.Vec2{X: 10, Y: 10}},
	})})
	k.Pos.SetVelocity(100, -1)
	world.Advance(time.Second)
	fmt.Println(k.Pos.At()) // its right edge is at 10
	// Output: {8 4}
}

func ExamplePosition2D_collision() {
	world := newWorld()
	at := func(x float64) state.Position2D {
		return state.NewPosition2D(state.Position2DConfig{
			At: state.Vec2{X: x}, Size: state.Vec2{X: 1, Y: 1}, Solid: true,
		})
	}
	ada := state.Spawn(world, &Knight{Name: "Ada", Pos: at(0)})
	state.Spawn(world, &Knight{Name: "Bob", Pos: at(4)})
	ada.Pos.OnCollision(func(with state.Entity) {
		fmt.Println(ada.Name, "met", with.(*Knight).Name)
	})
	ada.Pos.SetVelocity(1000, 0) // fast, but not through anything
	world.Advance(time.Second)
	fmt.Println(ada.Pos.X())
	// Output:
	// Ada met Bob
	// 3
}

// A world is frozen between two ticks, shown, and comes back in another one.
func ExampleWorld_Freeze() {
	world := newWorld()
	k := state.SpawnFor(world, 3, &Knight{Name: "Ada", Health: state.NewVar(100)})

	var frozen state.Frozen
	world.Freeze(&frozen)
	k.Health.Set(1) // the frozen copy does not change

	for o := range frozen.Objects() {
		fmt.Println(o.Class, o.ID, "of player", o.Owner)
		for _, f := range o.Fields {
			fmt.Println(" ", f.Name, f.Value)
		}
	}
	again := newWorld()
	if err := again.Restore(frozen.Tick(), frozen.LastID(), frozen.Objects()); err != nil {
		fmt.Println(err)
		return
	}
	ada, _ := state.Get[*Knight](again, k.ID())
	fmt.Println(ada.Name, "of", ada.Owner(), "has", ada.Health)
	// Output:
	// Knight 1 of player 3
	//   Name Ada
	//   Pos map[vx:0 vy:0 x:0 y:0]
	//   Health 100
	//   Foe 0
	// Ada of player 3 has 100
}

func ExampleDiff() {
	server := "class Knight\n  Knight.Health: Var of int32\n  Knight.Name: string at spawn\nevent fanfare\n"
	client := "class Knight\n  Knight.Health: Var of int\n  Knight.Name: string at spawn\n"
	fmt.Print(state.Diff(server, client))
	// Output:
	// class Knight
	//   server: Knight.Health: Var of int32
	//   client: Knight.Health: Var of int
	// event fanfare: only the server has it
}
