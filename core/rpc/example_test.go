package rpc_test

import (
	"errors"
	"fmt"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// A game declares its calls once, beside its classes, for server and clients.
type (
	Footballer struct {
		state.Object
		Name  string
		Kicks state.Var[int]
	}
	Kick struct{ Power float64 }
)

var (
	KickBall = rpc.ToServer[*Footballer, Kick]("kick")
	Applaud  = rpc.ToClients[*Footballer, string]("applaud")
	Football = state.NewSchema(state.Class[Footballer](), KickBall, Applaud)
)

// The rules of a game can run without a network, on a world of their own: there, a
// call to the server runs at once.
func Example() {
	world, err := state.NewWorld(Football, codec.Msgp{})
	if err != nil {
		fmt.Println(err)
		return
	}
	calls := rpc.NewTable(world)
	world.SetMessenger(calls)

	KickBall.Handle(calls, func(p *Footballer, from rpc.Caller, k Kick) {
		p.Kicks.Set(p.Kicks.Get() + 1)
		fmt.Printf("%s, told by the %v, kicks with power %.1f\n", p.Name, from.Player, k.Power)
	})

	ann := state.SpawnFor(world, 1, &Footballer{Name: "Ann"})
	if err := KickBall.Call(ann, Kick{Power: 2.5}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(ann.Name, "has kicked", ann.Kicks.Get(), "time")

	ann.Despawn()
	err = KickBall.Call(ann, Kick{Power: 1})
	fmt.Println(err, errors.Is(err, state.ErrNotSpawned))
	// Output:
	// Ann, told by the server, kicks with power 2.5
	// Ann has kicked 1 time
	// parley: call kick: parley: object is not in a world true
}

// What a client asks for is checked where it comes in: here player 2 calls on an
// object of player 1, as a changed client might.
func ExampleTable_Dispatch() {
	world, err := state.NewWorld(Football, codec.Msgp{})
	if err != nil {
		fmt.Println(err)
		return
	}
	calls := rpc.NewTable(world)
	KickBall.Handle(calls, func(p *Footballer, from rpc.Caller, k Kick) {
		fmt.Println(from.Player, "kicks")
	})
	ann := state.SpawnFor(world, 1, &Footballer{Name: "Ann"})

	number, _ := Football.Number(KickBall)
	args, _ := codec.Msgp{}.Append(nil, Kick{Power: 1})
	for _, player := range []state.PlayerID{1, 2} {
		err := calls.Dispatch(number, ann.ID(), rpc.Caller{Player: player}, args)
		fmt.Println(player, "was refused:", errors.Is(err, rpc.ErrNotOwner))
	}
	// Output:
	// player 1 kicks
	// player 1 was refused: false
	// player 2 was refused: true
}

// tavern is a host of its own; a *server.Room and a *client.Client are others.
type tavern struct{ events *rpc.Events }

func (t tavern) Events() *rpc.Events { return t.events }

// Events have a name and any value. A handler takes the type that was sent, or a
// map for what has no type.
func ExampleOn() {
	room := tavern{rpc.NewEvents(codec.Msgp{})}
	rpc.On(room, "chat", func(from rpc.Caller, text string) {
		fmt.Printf("%v says %q\n", from.Player, text)
	})
	rpc.On(room, "weather", func(_ rpc.Caller, w map[string]any) {
		fmt.Println("wind", w["wind"], "rain", w["rain"])
	})

	// A Room's Emit sends what Append makes; the engine dispatches what comes in.
	chat, _ := room.events.Append(nil, "chat", "good evening")
	weather, _ := room.events.Append(nil, "weather", map[string]any{"wind": 4, "rain": true})
	fmt.Println(room.events.Dispatch("chat", rpc.Caller{Player: 3}, chat))
	fmt.Println(room.events.Dispatch("weather", rpc.Caller{}, weather))
	fmt.Println(room.events.Dispatch("song", rpc.Caller{}, chat))
	// Output:
	// player 3 says "good evening"
	// <nil>
	// wind 4 rain true
	// <nil>
	// parley: event "song": parley: nobody handles it here
}
