package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/mem"
)

// What server and clients share: a lamp, and a call to switch it.
type Lamp struct {
	state.Object
	Lit state.Var[bool]
}

var (
	Switch = rpc.ToServer[*Lamp, bool]("switch").ByAnyone()
	Schema = state.NewSchema(state.Class[Lamp](), Switch)
)

// match is a room with a lamp, until it was lit and put out again.
func match(r *server.Room) error {
	lamp := state.Spawn(r.World(), new(Lamp))
	out := false
	Switch.Handle(r, func(l *Lamp, _ rpc.Caller, lit bool) {
		out = l.Lit.Get() && !lit
		l.Lit.Set(lit)
	})
	for range r.Ticks() {
		if out && !lamp.Lit.Get() {
			break
		}
	}
	return nil
}

// serve plays one match on a network of its own, until ctx ends at the latest.
func serve(ctx context.Context) (*mem.Transport, <-chan error) {
	network := new(mem.Transport)
	ln, err := network.Listen(ctx, "house")
	if err != nil {
		log.Fatal(err)
	}
	srv, err := server.New(server.Config{Schema: Schema, Codec: codec.Msgp{}, Match: match, Matches: 1})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	return network, served
}

// A client joins, sees the lamp, and switches it on and off.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	network, served := serve(ctx)
	c, err := client.Dial(ctx, "house", client.Config{Transport: network, Codec: codec.Msgp{}, Schema: Schema})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	state.OnSpawn(c.World(), func(l *Lamp) {
		l.Lit.OnChange(func(_, lit bool) {
			fmt.Println("lit:", lit)
			if lit {
				Switch.Call(l, false)
			}
		})
		Switch.Call(l, true)
	})
	for range c.Frames(60) {
		// draw c.World() here
	}
	fmt.Println(c.Err(), <-served)
	// Output:
	// lit: true
	// lit: false
	// parley: connection closed by the peer: the match is over <nil>
}

// In a loop that belongs to somebody else, Update is called once a frame.
func ExampleClient_Update() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	network, served := serve(ctx)
	c, err := client.Dial(ctx, "house", client.Config{Transport: network, Codec: codec.Msgp{}, Schema: Schema})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	frame := func() error { // as a graphics library calls it
		if err := c.Update(); err != nil {
			return err
		}
		for l := range state.All[*Lamp](c.World()) {
			if err := Switch.Call(l, !l.Lit.Get()); err != nil {
				return err
			}
		}
		return nil
	}
	var over error
	for over == nil {
		over = frame()
		time.Sleep(time.Second / 60)
	}
	var closed *core.CloseError
	fmt.Println(errors.As(over, &closed), closed.Code, closed.Remote, <-served)
	// Output:
	// true normal true <nil>
}

// A client that was built from another version of the game is told what differs.
func ExampleDial_incompatible() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	network, _ := serve(ctx)
	type Lamp struct {
		state.Object
		Lit  state.Var[bool]
		Glow state.Var[float64]
	}
	newer := state.NewSchema(state.Class[Lamp](), Switch)

	_, err := client.Dial(ctx, "house", client.Config{Transport: network, Codec: codec.Msgp{}, Schema: newer})
	var refused *lobby.RefusedError
	fmt.Println(errors.Is(err, core.ErrRefused), errors.As(err, &refused), refused.Code)
	fmt.Print(refused.Reason)
	// Output:
	// true true incompatible
	// server and client were built from different versions of the game; they differ in:
	// class Lamp
	//   client: Lamp.Glow: Var of float64
}

// The errors of Dial tell whom to ask.
func ExampleDial_errors() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	network, _ := serve(ctx)
	for _, c := range []struct {
		addr string
		cfg  client.Config
	}{
		{"house", client.Config{Codec: codec.Msgp{}, Schema: Schema}},
		{"house", client.Config{Transport: network, Codec: codec.Msgp{}}},
		{"mouse", client.Config{Transport: network, Codec: codec.Msgp{}, Schema: Schema}},
		{"house", client.Config{Transport: network, Codec: codec.Msgp{}, Schema: Schema, Room: "attic"}},
	} {
		_, err := client.Dial(ctx, c.addr, c.cfg)
		fmt.Printf("refused: %-5v %v\n", errors.Is(err, core.ErrRefused), err)
	}
	// Output:
	// refused: false parley: client: no Transport; tcp.New(tcp.Config{}) is one
	// refused: false parley: no schema: list the game's classes and calls with state.NewSchema
	// refused: true  parley: dial mouse: nobody listens
	// refused: true  parley: join house: refused: there is no room "attic", and no place for another
}
